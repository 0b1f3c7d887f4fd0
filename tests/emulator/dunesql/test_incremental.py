"""Incremental queries, which read their previous result, and matviews that keep what queries give."""

import pytest

from dagster_dune.emulator.dunesql import View, compile_sql
from dagster_dune.emulator.engine.engine import Engine
from dagster_dune.emulator.http.row_filters import sorted_rows
from dagster_dune.emulator.requests import RequestError
from dagster_dune.emulator.sql_errors import SqlError

MATVIEW = "dune.acme.result_growing"
BERLIN = "TIMESTAMP '2024-07-01 00:00:00 Europe/Berlin'"
PAIR = "CAST(ROW(7, 'x') AS ROW(a integer, b varchar))"


@pytest.fixture(scope="module")
def engine():
    opened = Engine(None)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def run(engine):
    return lambda sql: engine.select(compile_sql(sql, parameters={}, views={}.get)).run()


def growing(descriptor="schema => DESCRIPTOR(n bigint, hash varbinary, at timestamp, big uint256)"):
    return compile_sql(
        f"""
        WITH previous AS (SELECT * FROM TABLE(previous.query.result({descriptor})))
        SELECT n, hash, at, big FROM previous
        UNION ALL
        SELECT coalesce((SELECT max(n) FROM previous), 0) + 1, 0xab, TIMESTAMP '2024-01-01', CAST('7' AS uint256)
        ORDER BY n DESC
        """,
        parameters={},
        views={}.get,
    )


def row(number):
    return {"n": number, "hash": "0xab", "at": "2024-01-01 00:00:00.000", "big": "7"}


def test_a_matview_reads_its_previous_rows(engine):
    for number in (1, 2, 3):
        result = engine.refresh(MATVIEW, growing()).run()
        assert result.rows == [row(each) for each in range(number, 0, -1)]
    engine.drop(MATVIEW)
    assert engine.refresh(MATVIEW, growing()).run().rows == [row(1)]


def test_a_query_reads_its_previous_result(engine):
    first = engine.select(growing("DESCRIPTOR(n bigint, hash varbinary, at timestamp, big uint256)")).run()
    second = engine.select(growing(), first).run()
    assert second.rows == [row(2), row(1)]
    assert second.columns == first.columns
    assert growing().tables == frozenset()


def test_a_saved_query_reads_its_own_last_result(dune, client, finish):
    dune.load_query(
        1,
        "Growing",
        """SELECT n FROM TABLE(previous.query.result(DESCRIPTOR(n bigint)))
        UNION ALL SELECT {{n}} ORDER BY n""",
        parameters=[{"key": "n", "type": "number", "value": "1"}],
    )
    for rows in ([1], [1, 1]):
        execution = client.execute_query(1).execution_id
        finish(client, execution)
        assert [row["n"] for row in client.get_execution_results(execution).result.rows] == rows


def test_a_previous_column_that_is_missing_is_an_error(engine):
    first = engine.select(growing()).run()
    compiled = compile_sql(
        "SELECT * FROM TABLE(previous.query.result(DESCRIPTOR(x date)))", parameters={}, views={}.get
    )
    assert engine.select(compiled).run().rows == []
    with pytest.raises(SqlError, match="'x' cannot be resolved"):
        engine.select(compiled, first).run()


def test_an_incremental_query_is_no_view(engine):
    view = View("SELECT * FROM TABLE(previous.query.result(DESCRIPTOR(n bigint)))")
    compiled = compile_sql("SELECT * FROM query_1", parameters={}, views={1: view}.get)
    with pytest.raises(SqlError, match="query_1: An incremental query cannot be read as a view"):
        engine.select(compiled).run()


def test_a_previous_result_has_no_times_in_zones(engine):
    sql = f"SELECT {BERLIN} AS t, (SELECT max(t) FROM TABLE(previous.query.result(DESCRIPTOR(t timestamp))) AS p) AS p"
    compiled = compile_sql(sql, parameters={}, views={}.get)
    first = engine.select(compiled).run()
    with pytest.raises(SqlError, match="A previous result with times in zones is not supported"):
        engine.select(compiled, first).run()


def test_times_in_zones_cannot_be_sorted_by_a_client(run):
    result = run(f"SELECT t FROM (VALUES {BERLIN}, {BERLIN}) AS v(t)")
    with pytest.raises(RequestError, match="take no times in zones, such as 2024-07-01"):
        sorted_rows(result, "t")


def test_a_matview_keeps_times_in_zones_and_rows(engine):
    compiled = compile_sql(f"SELECT {BERLIN} AS t, {PAIR} AS r", parameters={}, views={}.get)
    first = engine.refresh("dune.acme.result_nested", compiled).run()
    again = compile_sql("SELECT t, r, hour(t) AS h FROM dune.acme.result_nested", parameters={}, views={}.get)
    assert first.rows == [{"t": "2024-07-01 00:00:00.000 Europe/Berlin", "r": {"a": 7, "b": "x"}}]
    assert engine.select(again).run().rows == [{**first.rows[0], "h": 0}]
    engine.drop("dune.acme.result_nested")


def test_a_matview_keeps_types_that_duckdb_has_not(engine):
    sql = """SELECT int256 '1' AS i, INTERVAL '1' DAY AS d, INTERVAL '14' MONTH AS m, json '[1]' AS j,
                    TIMESTAMP '2024-01-01 00:00:00.1234567' AS t, CAST('a' AS char(3)) AS c, ARRAY[int256 '2'] AS a"""
    first = engine.refresh("dune.acme.result_types", compile_sql(sql, parameters={}, views={}.get)).run()
    again = engine.select(compile_sql("SELECT * FROM dune.acme.result_types", parameters={}, views={}.get)).run()
    assert (again.columns, again.rows) == (first.columns, first.rows)
    assert [column.type for column in engine.columns("dune.acme.result_types")] == [each.type for each in first.columns]
    engine.drop("dune.acme.result_types")
