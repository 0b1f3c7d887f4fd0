"""SQL that would take the machine down: refused at once, or stopped."""

import threading

import pytest
from waiting import finished

from dagster_dune.api.client import DuneApiClient
from dagster_dune.emulator.dunesql import compile_sql
from dagster_dune.emulator.dunesql.parse.parser import MAX_CHARACTERS, parse
from dagster_dune.emulator.engine.engine import Engine
from dagster_dune.emulator.execution.limits import memory_bytes
from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.emulator.sql_errors import SqlError

TEN_THOUSAND = "UNNEST(sequence(1, 10000))"
NESTED = {
    "arrays": ("SELECT ", "ARRAY[", "1", "]"),
    "parentheses": ("SELECT ", "(", "1", ")"),
    "subqueries": ("", "SELECT * FROM (", "SELECT 1 AS a", ") AS t"),
    "cases": ("SELECT ", "CASE WHEN true THEN ", "1", " END"),
    "calls": ("SELECT ", "coalesce(", "1", ", 2)"),
    "lambdas": ("SELECT ", "transform(ARRAY[1], x -> ", "1", ")"),
}


@pytest.mark.parametrize("kind", NESTED)
def test_parsing_does_not_double_with_each_level(kind):
    """Forty levels would never end if each took twice as long as the one inside of it."""
    before, opened, inside, closed = NESTED[kind]
    assert parse(before + opened * 40 + inside + closed * 40) is not None


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "(" * 20_000 + "1" + ")" * 20_000,
        "SELECT " + "CASE WHEN true THEN " * 20_000,
        "SELECT " + "a { " * 20_000,
        "SELECT 1 " + "FROM " * 30_000,
        "SELECT a " + "FROM SELECT a " * 30_000,
        "SELECT * FROM a " + "JOIN a " * 40,
    ],
    ids=["parentheses", "cases", "braces", "froms", "queries", "joins"],
)
def test_what_is_nested_too_deep_is_refused(sql):
    with pytest.raises(SqlError, match=r"nested too deep|mismatched input 'FROM'"):
        parse(sql)


def test_window_frames_without_an_end_are_looked_at_once():
    """Looking for the end of each would take minutes."""
    with pytest.raises(SqlError, match="mismatched input"):
        parse("SELECT " + "rows between " * 38_000)


def test_what_is_too_long_is_refused():
    with pytest.raises(SqlError, match="500,000 characters at the most"):
        compile_sql("SELECT '" + "a" * MAX_CHARACTERS + "'", parameters={}, views={}.get)


def failure(dune, sql):
    """What a query fails with."""
    with DuneApiClient(dune.api_key, dune.url) as client:
        return finished(client, client.execute_sql(sql).execution_id).error.message


@pytest.fixture(scope="module")
def local_dune():
    with DuneEmulator() as dune:
        yield dune


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT repeat('a', 1000000000)", "less than or equal to 10000"),
        ("SELECT lpad('a', 2000000000, 'x')", "lpad would make 2,000,000,000 letters"),
        ("SELECT rpad(0x01, 2000000000, 0x00)", "rpad would make 2,000,000,000 letters"),
        ("SELECT replace(rpad('a', 10000000, 'a'), 'a', 'bb')", "replace would make 20,000,000 letters"),
        ("SELECT sequence(1, 10000000000)", "more than 10000 entries"),
        ("SELECT combinations(sequence(1, 60), 5)", "combinations exceed max size"),
        ("SELECT levenshtein_distance(rpad('a', 9999, 'a'), rpad('b', 9999, 'b'))", "Levenshtein"),
        (
            "SELECT listagg(rpad('a', 90000, 'a'), ',') WITHIN GROUP (ORDER BY x) FROM UNNEST(sequence(1, 99)) AS t(x)",
            "1048576 bytes",
        ),
    ],
)
def test_a_call_that_would_make_too_much_fails_with_a_reason(local_dune, sql, words):
    assert words in failure(local_dune, sql)


def test_a_query_that_does_not_end_is_stopped():
    sql = f"SELECT count(*) FROM {TEN_THOUSAND} AS a(x), {TEN_THOUSAND} AS b(y), {TEN_THOUSAND} AS c(z)"
    with DuneEmulator(max_execution_seconds=1) as dune:
        assert "time limit" in failure(dune, sql)


def test_a_recursion_that_does_not_end_is_stopped(local_dune):
    sql = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r"
    assert failure(local_dune, sql) == "Recursion depth limit exceeded (10)"


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT {' + '.join(['1'] * 20_000)}",
        f"SELECT {' || '.join([chr(39) + 'a' + chr(39)] * 5_000)}",
        f"SELECT {'CASE WHEN false THEN 2 ELSE ' * 2_000}1{' END' * 2_000}",
        f"SELECT {'NOT ' * 2_000}true",
        " UNION ALL ".join(["SELECT 1"] * 2_000),
    ],
    ids=["sum", "text", "case", "not", "union"],
)
def test_what_the_database_cannot_nest_is_refused_in_our_words(local_dune, sql):
    assert failure(local_dune, sql) == "The query is nested too deep for this emulator"


def test_long_chains_of_conditions_are_no_nesting():
    engine = Engine(None)
    try:
        for word, rows in (("AND", [{"_col0": 1}]), ("OR", [])):
            sql = f"SELECT 1 WHERE {f' {word} '.join(['1 = 1' if rows else '1 = 2'] * 5_000)}"
            assert engine.select(compile_sql(sql, parameters={}, views={}.get)).run().rows == rows
    finally:
        engine.close()


LONG = "transform(sequence(1, 10000), x -> rpad('a', 100000, 'a'))"
MOST_BYTES = 200_000_000


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT concat_ws(',', {LONG})",
        f"SELECT json_format(CAST({LONG} AS json))",
        (
            f"SELECT array_agg(rpad(x, 10000, 'a') || x) FROM (SELECT 'b') AS s(x), {TEN_THOUSAND} AS t(y), "
            f"{TEN_THOUSAND} AS u(z)"
        ),
        "SELECT cardinality(ngrams(sequence(1, 10000), 5000))",
        "SELECT array_sort(sequence(1, 10000), (a, b) -> IF(a < b, 1, IF(a = b, 0, -1)))",
        f"SELECT sum(x * y) OVER (ORDER BY x, y) FROM {TEN_THOUSAND} AS a(x), {TEN_THOUSAND} AS b(y)",
    ],
)
def test_a_query_that_takes_all_memory_or_time_is_stopped_and_gives_it_back(sql):
    """What is being made when the bound is passed comes on top of it: a few times as much at the most."""
    with DuneEmulator(max_execution_seconds=3, max_execution_bytes=MOST_BYTES, max_bytes=2 * MOST_BYTES) as dune:
        before, seen, ended = memory_bytes(), [], threading.Event()

        def watch():
            while not ended.wait(0.05):
                seen.append(memory_bytes())

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            words = failure(dune, sql)
        finally:
            ended.set()
            watcher.join()
    assert "memory limit" in words or "time limit" in words
    assert max(seen, default=before) - before < 5 * MOST_BYTES
