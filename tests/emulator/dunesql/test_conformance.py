"""What DuneSQL answers over HTTP: the rows, the types and the errors that the manuals' rules give, case by case."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from waiting import PATIENCE, wait_until

from dagster_dune.emulator.server import DuneEmulator

FOLDER = Path(__file__).with_name("conformance")
FILES = sorted(FOLDER.glob("*.jsonl"))
LEAST_CASES = 1500
CONNECTIONS = 4


def cases(file):
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def same(got, wanted):
    """Whether values are the same; doubles may differ in their last digit, as those of two processors do."""
    if isinstance(wanted, list):
        return isinstance(got, list) and len(got) == len(wanted) and all(map(same, got, wanted))
    if isinstance(wanted, dict):
        return (
            isinstance(got, dict) and list(got) == list(wanted) and all(same(got[key], wanted[key]) for key in wanted)
        )
    if isinstance(wanted, float):
        return isinstance(got, float | int) and not isinstance(got, bool) and math.isclose(got, wanted, rel_tol=1e-14)
    return type(got) is type(wanted) and got == wanted


def complaint(case, status, result):
    """What is wrong with an answer, None where it is as expected."""
    if "error" in case:
        if status["state"] != "QUERY_STATE_FAILED":
            return f"accepted: {result['rows']}"
        message = status["error"]["message"]
        return None if case["error"] in message else f"another error: {message}"
    if status["state"] != "QUERY_STATE_COMPLETED":
        return f"refused: {status['error']['message']}"
    rows = [list(row.values()) for row in result["rows"]]
    if not same(rows, case["rows"]):
        return f"rows {rows} in place of {case['rows']}"
    types = result["metadata"]["column_types"]
    wanted = [
        name.replace("timestamp(3) with time zone", "timestamp with time zone") for name in case.get("columns", types)
    ]
    return None if wanted == types else f"types {types} in place of {case['columns']}"


class Connection:
    """One that stays open, of the standard library: thousands of requests over httpx would cost more than the SQL."""

    def __init__(self, dune):
        self._connection = HTTPConnection(*urlsplit(dune.url).netloc.split(":"), timeout=PATIENCE)
        self._headers = {"X-Dune-Api-Key": dune.api_key, "Content-Type": "application/json"}

    def ask(self, method, path, body=None):
        self._connection.request(method, f"/api/v1{path}", body and json.dumps(body), self._headers)
        return json.load(self._connection.getresponse())

    def answer(self, sql):
        """Execute a query, and wait for its end."""
        execution = self.ask("POST", "/sql/execute", {"sql": sql})["execution_id"]
        path = f"/execution/{execution}/status"
        status = wait_until(lambda: self.ask("GET", path), lambda status: status["is_execution_finished"])
        if status["state"] != "QUERY_STATE_COMPLETED":
            return status, None
        return status, self.ask("GET", f"/execution/{execution}/results")["result"]

    def close(self):
        self._connection.close()


def complaints(dune, given):
    """Run cases over a few connections."""

    def work(part):
        with closing(Connection(dune)) as connection:
            told = [(case, complaint(case, *connection.answer(case["sql"]))) for case in part]
        return [f"{case['sql']}: {words} ({case['page']})" for case, words in told if words is not None]

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return list(chain.from_iterable(pool.map(work, [given[n::CONNECTIONS] for n in range(CONNECTIONS)])))


@pytest.fixture(scope="module")
def local_dune():
    with DuneEmulator() as dune:
        yield dune


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_conformance(local_dune, file):
    assert complaints(local_dune, cases(file)) == []


def test_there_are_enough_cases_and_each_is_asked_once():
    texts = [case["sql"] for file in FILES for case in cases(file)]
    assert len(texts) >= LEAST_CASES
    twice = {text for text in texts if texts.count(text) > 1} if len(set(texts)) < len(texts) else set()
    assert twice == set()


def test_a_wrong_expectation_is_noticed():
    status = {"state": "QUERY_STATE_COMPLETED"}
    result = {"rows": [{"a": 1}], "metadata": {"column_types": ["integer"]}}
    assert complaint({"rows": [[2]]}, status, result) == "rows [[1]] in place of [[2]]"
    assert complaint({"rows": [[1]], "columns": ["bigint"]}, status, result).startswith("types")
    assert complaint({"rows": [[True]]}, status, result) is not None
    assert complaint({"error": "x"}, status, result).startswith("accepted")
