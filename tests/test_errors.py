"""How the messages of errors read, whatever other libraries have said in them."""

import polars as pl
import pytest

from dagster_dune import DuneConfigurationError, DuneError, DuneResource


@pytest.mark.parametrize(
    ("message", "hint", "said"),
    [
        ("It failed.", "Try again.", "It failed. Try again."),
        ("It failed: no such file", "Try again.", "It failed: no such file. Try again."),
        ("It failed: no such file.\n", "Try again.", "It failed: no such file. Try again."),
        ("It failed: this is no file..", "Try again.", "It failed: this is no file. Try again."),
        ("It failed: this is no file..", "", "It failed: this is no file."),
        ("What is it?", "Say it.", "What is it? Say it."),
        ("It goes on ...", "", "It goes on ..."),
        ("no sentence", "", "no sentence"),
        ("", "", ""),
    ],
)
def test_a_message_is_whole_sentences(message, hint, said):
    assert str(DuneError(message, hint=hint)) == said


def test_what_another_library_says_ends_with_one_full_stop(dune, tmp_path):
    (tmp_path / "x.csv").write_text("a\n1\n")
    with pytest.raises(DuneConfigurationError, match=r"x\.csv. cannot be read as a Parquet file: .*[^.]\.$"):
        DuneResource(api_key=dune.api_key, base_url=dune.url).write_table(str(tmp_path / "x.csv"), "dune.acme.x")


def test_a_text_in_place_of_a_list_of_columns_is_told_what_to_write(dune):
    resource = DuneResource(api_key=dune.api_key, base_url=dune.url)
    with pytest.raises(DuneConfigurationError, match=r"not the text 'n'\. Write \['n'\]\."):
        resource.run_sql("SELECT 1 AS n", as_=pl.DataFrame, columns="n")
