"""Reading DuneSQL: parameters, query views, what is refused and where it stands."""

import re
from pathlib import Path

import pytest

from dagster_dune.emulator.dunesql import View, compile_sql
from dagster_dune.emulator.dunesql.parse.functions import FUNCTIONS
from dagster_dune.emulator.dunesql.parse.parameters import substitute
from dagster_dune.emulator.dunesql.resolve.names import duckdb_name, quoted
from dagster_dune.emulator.dunesql.resolve.views import view_arguments
from dagster_dune.emulator.dunesql.rewrite.overloads import TYPED_FUNCTIONS
from dagster_dune.emulator.dunesql.types.types import trino_type
from dagster_dune.emulator.engine.engine import Engine
from dagster_dune.emulator.sql_errors import SqlError


def compiled(sql, views=None, **parameters):
    return compile_sql(sql, parameters=parameters, views=(views or {}).get)


def failure(sql, views=None, **parameters):
    with pytest.raises(SqlError) as raised:
        compiled(sql, views, **parameters)
    return raised.value


@pytest.mark.parametrize(
    ("sql", "values", "expected"),
    [
        ("SELECT '{{chain}}'", {"chain": "base"}, "SELECT 'base'"),
        ("SELECT {{ n }} + {{n}}", {"n": "7"}, "SELECT 7 + 7"),
        ("SELECT '{{Start Date}}'", {"Start Date": "2024-01-01 00:00:00"}, "SELECT '2024-01-01 00:00:00'"),
        ("SELECT '{{Chain}}'", {"chain": "base"}, "SELECT 'base'"),
        ("SELECT '{{chain}}', '{{Chain}}'", {"chain": "a", "Chain": "b"}, "SELECT 'a', 'b'"),
        ("SELECT '{{a}}'", {"a": "{{b}}", "b": "x"}, "SELECT '{{b}}'"),
        (r"SELECT '{{a}}'", {"a": r"\1"}, r"SELECT '\1'"),
        ("SELECT {}", {}, "SELECT {}"),
    ],
)
def test_parameters_are_replaced_as_text(sql, values, expected):
    assert substitute(sql, values) == expected


def test_a_parameter_without_a_value_is_named_with_its_place():
    error = failure("SELECT 1,\n  '{{Start Date}}'", chain="base")
    assert (error.message, error.line, error.column) == ("line 2:4: The parameter 'Start Date' has no value", 2, 4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("chain='base'", {"chain": "base"}),
        ("chain='base', day = '2024-01-01'", {"chain": "base", "day": "2024-01-01"}),
        ("name='it''s', text='a, b=c'", {"name": "it's", "text": "a, b=c"}),
        ("n=7, chain='x'", {"n": "7", "chain": "x"}),
        ("start date=''", {"start date": ""}),
    ],
)
def test_arguments_of_a_query_view(text, expected):
    assert view_arguments(text) == expected


@pytest.mark.parametrize("text", ["chain", "'base'", "chain='base", "chain='a' day='b'"])
def test_unreadable_arguments_of_a_query_view(text):
    with pytest.raises(SqlError, match="must be written name='value'"):
        view_arguments(text)


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT 1", []),
        ("SELECT * FROM DEX.Trades t JOIN prices.day ON true", ["dex.trades", "prices.day"]),
        ('SELECT * FROM dune."21co".result_X', ["dune.21co.result_x"]),
        ("WITH dex AS (SELECT * FROM dune.acme.result_a) SELECT * FROM dex", ["dune.acme.result_a"]),
        ("SELECT * FROM query_1", ["dex.trades"]),
        ("SELECT * FROM query_2 JOIN query_1 ON true", ["dex.trades", "dune.acme.result_a"]),
        ("WITH query_1 AS (SELECT 1 AS x) SELECT * FROM query_1", []),
        ("SELECT 'FROM dex.trades' -- FROM prices.day", []),
    ],
)
def test_tables_are_those_read_in_the_end(sql, tables):
    views = {1: View("SELECT * FROM dex.trades"), 2: View("SELECT * FROM query_1, dune.acme.result_a")}
    assert sorted(compiled(sql, views).tables) == tables


def test_a_chain_of_views_does_not_multiply():
    views = {1: View("SELECT 1 AS x")}
    for number in range(2, 31):
        views[number] = View(f"SELECT a.x FROM query_{number - 1} AS a JOIN query_{number - 1} AS b ON a.x = b.x")
    assert len(compiled("SELECT * FROM query_30", views).statement.ctes) == 30


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT *\nFROM query_9", "line 2:6: Query 9 does not exist, or is not yours to read"),
        ("SELECT * FROM query_1", "query_2: A query cannot read itself: query_1 -> query_2 -> query_1"),
        ("SELECT * FROM query_3", "query_3: line 1:9: The parameter 'chain' has no value"),
        ("SELECT * FROM query_4", "query_4: line 1:8: Function 'nonsense' is not registered"),
        ("SELECT * FROM query_5", "query_5: A query must be one statement, not 2"),
        ("SELECT * FROM query_6", "query_6: Query 9 does not exist"),
        ('SELECT * FROM "query_3(chain)"', "The arguments of a query view must be written name='value', not: chain"),
    ],
)
def test_views_that_cannot_be_read(sql, message):
    views = {
        1: View("SELECT * FROM query_2"),
        2: View("SELECT * FROM query_1"),
        3: View("SELECT '{{chain}}' AS c"),
        4: View("SELECT nonsense(1)"),
        5: View("SELECT 1; SELECT 2"),
        6: View("SELECT * FROM query_9"),
    }
    assert message in failure(sql, views).message


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("", "A query must be one statement, not 0"),
        ("SELECT 1; SELECT 2", "A query must be one statement, not 2"),
        ("CREATE TABLE x AS SELECT 1", "line 1:1: Only SELECT is supported, not CREATE"),
        ("DROP TABLE dex.trades", "line 1:1: Only SELECT is supported, not DROP"),
        ("INSERT INTO dex.trades SELECT 1", "line 1:1: Only SELECT is supported, not INSERT"),
        ("COPY dex.trades TO 'x'", "line 1:1: Only SELECT is supported, not COPY"),
        ("ATTACH 'x.db'", "line 1:1: Only SELECT is supported, not ATTACH"),
        ("PRAGMA database_list", "line 1:1: Only SELECT is supported, not PRAGMA"),
        ("SET threads = 1", "line 1:1: Only SELECT is supported, not SET"),
        ("EXPLAIN SELECT 1", "line 1:1: Only SELECT is supported, not EXPLAIN"),
        ("SHOW TABLES", "line 1:1: Only SELECT is supported, not SHOW"),
        ("SELECT 'abc", "a quote or a comment is not closed"),
        ("SELECT FROM WHERE", "mismatched input"),
        ("SELECT (1", "Expecting )"),
        ("SELECT 1,\n  foo(2)", "line 2:3: Function 'foo' is not registered"),
        ("SELECT parse_datetime('2024', 'Y')", "line 1:8: Function 'parse_datetime' is not registered"),
        ("SELECT getenv('HOME')", "line 1:8: Function 'getenv' is not registered"),
        ("SELECT * FROM read_csv('/etc/passwd')", "line 1:15: Function 'read_csv' is not registered"),
        ("SELECT * FROM read_text('/etc/passwd')", "line 1:15: Function 'read_text' is not registered"),
        ("SELECT * FROM range(3)", "line 1:15: Function 'range' is not registered"),
        ("SELECT trino_bignum_product(1, 2)", "line 1:8: Function 'trino_bignum_product' is not registered"),
        ("SELECT a -> 'b' FROM t", "JSONPATH is not supported by this emulator"),
        ('SELECT "lower"(a) FROM t', "line 1:8: Function '\"lower\"' is not registered"),
        ("SELECT lower()", "line 1:8: Unexpected number of arguments (0) for function lower"),
        ("SELECT count(DISTINCT a, b) FROM t", "line 1:8: Unexpected number of arguments (2) for function count"),
        ("SELECT a FROM dex.trades TABLESAMPLE BERNOULLI (10)", "TABLESAMPLE is not supported by this emulator"),
        ("SELECT DECIMAL '5'", "line 1:16: DECIMAL '5' is not supported by this emulator"),
        ("SELECT * FROM TABLE(previous.query.result(a bigint))", "line 1:15: Write TABLE(previous.query.result("),
    ],
)
def test_refused_when_it_is_read(sql, message):
    error = failure(sql)
    assert message in error.message
    assert error.type == "FAILED_TYPE_SYNTAX"


@pytest.fixture(scope="module")
def engine():
    opened = Engine(None)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT *\nFROM dex.nothing", "line 2:10: Table 'dex.nothing' does not exist"),
        ("SELECT * FROM trades", "line 1:15: Table 'trades' does not exist"),
        ("SELECT * FROM 'file.csv'", "line 1:15: Table 'file.csv' does not exist"),
        ("SELECT * FROM main.sample_version", "Table 'main.sample_version' does not exist"),
        ("SELECT * FROM information_schema.tables", "Table 'information_schema.tables' does not exist"),
        ("SELECT * FROM pg_catalog.pg_tables", "Table 'pg_catalog.pg_tables' does not exist"),
        ("SELECT blockchain,\n  nothing FROM dex.trades", "line 2:3: Column 'nothing' cannot be resolved"),
        ("SELECT t.nothing FROM dex.trades AS t", "line 1:10: Column 't.nothing' cannot be resolved"),
        ("SELECT u.version FROM dex.trades AS t", "line 1:10: Column 'u' cannot be resolved"),
        ("SELECT project FROM dex.trades a, dex.trades b", "line 1:8: Column 'project' is ambiguous"),
        ("SELECT nothing / 2 FROM dex.trades", "line 1:8: Column 'nothing' cannot be resolved"),
        ("SELECT nothing FROM query_1", "line 1:8: Column 'nothing' cannot be resolved"),
        (
            "SELECT project, count(*) FROM dex.trades",
            "'project' must be an aggregate expression or appear in GROUP BY clause",
        ),
        ("SELECT 1 AS a, 2 AS A", "Column name 'A' is used more than once; name the columns apart with AS"),
        (
            "SELECT * FROM dex.trades WHERE block_date >= '2026-01-01'",
            "line 1:32: Cannot apply operator: date >= varchar",
        ),
        ("SELECT * FROM dex.trades WHERE taker = '0xab'", "line 1:32: Cannot apply operator: varbinary = varchar"),
        ("SELECT 1 WHERE 1 IN ('a')", "line 1:16: Cannot apply operator: integer IN varchar"),
        ("SELECT 1 + DATE '2024-01-01'", "line 1:8: Cannot apply operator: integer + date"),
        ("SELECT DATE '2024-01-01' + INTERVAL '1' HOUR", "Cannot add hour, minutes or seconds to a date"),
        ("SELECT 'a' || 1", "line 1:8: Cannot apply operator: varchar || integer"),
        ("SELECT 'a' + 1", "Cannot apply operator: varchar + integer"),
        ("SELECT 0xab + 1", "Cannot apply operator: varbinary + integer"),
        ("SELECT -CAST(1 AS uint256)", "line 1:14: Cannot negate a uint256; cast it to int256"),
        ("SELECT round(CAST(1 AS uint256), 2)", "round(uint256, n) is not supported by this emulator"),
        ("SELECT lower(1)", "Unexpected parameters (integer) for function lower"),
        ("SELECT sum('a')", "Unexpected parameters (varchar) for function sum"),
        ("SELECT CAST(0xab AS uint256)", "Cannot cast varbinary to uint256"),
        ("SELECT CAST(DATE '2024-01-01' AS bigint)", "Cannot cast date to bigint"),
        ("SELECT CAST(1 AS varbinary)", "Cannot cast integer to varbinary"),
        ("SELECT CAST(ARRAY[1] AS varchar)", "Cannot cast array to varchar"),
        ("SELECT CAST('a' AS json)", "Cannot cast varchar to json"),
        ("SELECT 99999999999999999999", "line 1:8: Invalid numeric literal: 99999999999999999999"),
        ("SELECT 0xabc", "line 1:8: Binary literal '0xabc' must hold an even number"),
        ("SELECT date_trunc('hour', DATE '2024-01-01')", "'hour' is not a valid DATE field"),
        ("SELECT date_add('fortnight', 1, now())", "'fortnight' is not a valid TIMESTAMP field"),
        ("SELECT date_format(now(), '%U')", "'%U' in date_format is not supported"),
        ("SELECT date_format(now(), project) FROM dex.trades", "The format of date_format must be written out"),
        ("SELECT now() AT TIME ZONE 'EST'", "line 1:8: The time zone 'EST' is not supported"),
        ("SELECT TIMESTAMP '2024-01-01 00:00:00 +01:00'", "The time zone '+01:00' is not supported"),
        ("SELECT extract(TIMEZONE_HOUR FROM now())", "EXTRACT(TIMEZONE_HOUR FROM ...) is not supported"),
        ("SELECT format('%x', 1)", "The pattern '%x' of format is not supported"),
        ("SELECT format('%d', 1.5)", "format takes an integer for '%d'"),
        ("SELECT format('%f', 1)", "format takes a double or a decimal for '%f'"),
        ("SELECT format('%s %s', 1)", "format has no value for '%s'"),
        ("SELECT format('%s', now())", "format cannot write a timestamp(3) with time zone; cast it to varchar"),
        ("SELECT regexp_replace('a', 'a', lower('B'))", "The replacement of regexp_replace must be written out"),
        ("SELECT regexp_replace('a', '(?P<x>a)', '${x}')", "Named groups in regexp_replace are not supported"),
        ("SELECT json_extract_scalar('{}', '$..a')", "The JSON path '$..a' is not supported"),
        ("SELECT json_extract_scalar('{}', 'lax $.a')", "The JSON path 'lax $.a' is not supported"),
        (
            "SELECT * FROM UNNEST(ARRAY[1], ARRAY[2]) AS t(a, b, c)",
            "Column alias list has 3 entries but UNNEST has 2 columns",
        ),
        ("SELECT sum(x) IGNORE NULLS OVER () FROM (VALUES 1) AS t(x)", "IGNORE NULLS is supported for first_value"),
        (
            "SELECT approx_percentile(x, 0.5) WITHIN GROUP (ORDER BY x) FROM (VALUES 1) AS t(x)",
            "WITHIN GROUP is supported for listagg only",
        ),
        ("SELECT try(sum(x) OVER () / 0) FROM (VALUES 1) AS t(x)", "window functions are not allowed in try"),
    ],
)
def test_refused_when_the_tables_are_known(engine, sql, message):
    views = {1: View("SELECT 1 AS x")}
    with pytest.raises(SqlError) as raised:
        engine.select(compiled(sql, views)).run()
    assert message in raised.value.message
    assert raised.value.type == "FAILED_TYPE_SYNTAX"


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT x FROM query_1", [{"x": "base"}]),
        ("SELECT query_1.x FROM query_1", [{"x": "base"}]),
        ("SELECT v.x FROM query_1 AS v", [{"x": "base"}]),
        ("SELECT x FROM \"query_4(names='''a'', ''b''')\" ORDER BY 1", [{"x": "a"}, {"x": "b"}]),
        ("SELECT x FROM \"query_1(chain='a')\" UNION SELECT x FROM query_1 ORDER BY 1", [{"x": "a"}, {"x": "base"}]),
        ("SELECT x FROM \"query_1(CHAIN='a')\" AS v", [{"x": "a"}]),
        ("SELECT y FROM query_2", [{"y": "base!"}]),
        ("WITH t AS (SELECT x FROM query_1) SELECT t.x FROM t", [{"x": "base"}]),
        ("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 2) SELECT * FROM t, query_1",
         [{"n": 1, "x": "base"}, {"n": 2, "x": "base"}]),
        ("SELECT (SELECT max(x) FROM query_1) AS x", [{"x": "base"}]),
        ("SELECT a.x FROM query_1 AS a JOIN query_1 AS b ON a.x = b.x", [{"x": "base"}]),
        ("SELECT n FROM query_3", [{"n": 1}]),
    ],
)  # fmt: skip
def test_query_views_run(engine, sql, rows):
    views = {
        1: View("SELECT '{{Chain}}' AS x", {"Chain": "base"}),
        2: View("WITH t AS (SELECT x || '!' AS y FROM query_1) SELECT * FROM t"),
        3: View("WITH t AS (SELECT 1 AS n UNION ALL SELECT 2) SELECT * FROM t ORDER BY n LIMIT 1"),
        4: View("SELECT x FROM (VALUES 'a', 'b', 'c') AS t(x) WHERE x IN ({{names}})"),
    }
    assert engine.select(compiled(sql, views)).run().rows == rows


@pytest.mark.parametrize(
    ("name", "where", "written"),
    [
        ("dex.trades", ("dex", "trades"), '"dex"."trades"'),
        ("dune.acme.result_X", ("dune.acme", "result_x"), '"dune.acme"."result_x"'),
        ('dune."21co".result_x', ("dune.21co", "result_x"), '"dune.21co"."result_x"'),
    ],
)
def test_names_in_duckdb(name, where, written):
    assert duckdb_name(name) == where
    assert quoted(name) == written


@pytest.mark.parametrize("name", ["", "trades", "a.b.c.d", ".x", "x."])
def test_names_that_no_table_can_have(name):
    with pytest.raises(SqlError, match="is not the name of a table"):
        duckdb_name(name)


@pytest.mark.parametrize(
    ("duckdb", "trino"),
    [
        ("BIGINT", "bigint"),
        ("BIGNUM", "uint256"),
        ("BLOB", "varbinary"),
        ("DECIMAL(38,0)", "decimal(38,0)"),
        ("TIMESTAMP", "timestamp(3)"),
        ("TIMESTAMP WITH TIME ZONE", "timestamp(3) with time zone"),
        ("VARCHAR[]", "array(varchar)"),
        ("DECIMAL(5,2)[][]", "array(array(decimal(5,2)))"),
        ("MAP(VARCHAR, DECIMAL(5,2))", "map(varchar, decimal(5,2))"),
        ('"NULL"', "unknown"),
    ],
)
def test_type_names(duckdb, trino):
    assert trino_type(duckdb) == trino


def test_every_typed_function_is_written_somewhere():
    assert {name for name, function in FUNCTIONS.items() if function.is_typed} == set(TYPED_FUNCTIONS)


def test_the_manual_lists_every_function():
    manual = (Path(__file__).parents[3] / "docs" / "emulator.md").read_text("utf-8")
    section = manual.partition("These are the functions")[2].partition("Not supported")[0]
    assert sorted(re.findall(r"`(\w+)`", section)) == sorted(FUNCTIONS)
