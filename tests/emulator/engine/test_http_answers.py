"""What http_get gives: answers of a mapping or a file, and never the network's."""

import pytest

from dagster_dune.api.client import DuneApiClient
from dagster_dune.emulator.engine.http_answers import answers_of, read_answers
from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.errors import DuneConfigurationError
from tests.support.waiting import wait_until


def outcome(dune, sql):
    """The first cell of a query's rows, or what it fails with."""
    with DuneApiClient(dune.api_key, dune.url) as client:
        execution = client.execute_sql(sql).execution_id
        wait_until(lambda: client.get_execution_status(execution).is_execution_finished)
        status = client.get_execution_status(execution)
        if status.error:
            return status.error.message
        return next(iter(client.get_execution_results(execution).result.rows[0].values()))


def test_sql_gets_the_answers_of_a_file(tmp_path):
    file = tmp_path / "answers.yaml"
    file.write_text(
        "https://prices.example/v1: {usd: [1.5, 2]}\nhttps://text.example: it's text\n"
        "POST https://prices.example/v1: done\n"
    )
    with DuneEmulator(http_answers=file) as dune:
        read = "json_extract_scalar(http_get(concat('https://prices.', 'example/v1'), ARRAY['X-Key: 1']), '$.usd[0]')"
        assert outcome(dune, f"SELECT {read} AS price") == "1.5"
        assert outcome(dune, "SELECT http_get('https://text.example') AS t") == "it's text"
        assert outcome(dune, "SELECT http_post('https://prices.example/v1', '{}') AS t") == "done"
        assert outcome(dune, "SELECT http_get(CAST(NULL AS varchar)) AS t") is None
        words = outcome(dune, "SELECT http_get('https://else.example') AS t")
    assert "no answer is given for GET https://else.example" in words
    assert "--http-answers" in words


def test_without_answers_every_request_fails():
    with DuneEmulator() as dune:
        assert "reach no network" in outcome(dune, "SELECT http_get('http://169.254.169.254/') AS t")


def test_a_file_that_holds_no_answers_is_refused_with_its_name(tmp_path):
    file = tmp_path / "answers.yaml"
    for text in ("- a\n", "1: a\n", "a: [\n"):
        file.write_text(text)
        with pytest.raises(DuneConfigurationError, match=r"answers\.yaml"):
            read_answers(file)
    with pytest.raises(DuneConfigurationError, match=r"missing\.yaml"):
        read_answers(tmp_path / "missing.yaml")


def test_answers_that_are_no_text_become_json():
    assert answers_of({"https://a": [1, None], "POST https://b": "x"}, "it") == {
        "GET https://a": "[1, null]",
        "POST https://b": "x",
    }
