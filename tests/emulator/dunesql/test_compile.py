"""Reading DuneSQL: parameters, query views, what is refused and where it stands."""

import pytest

from dagster_dune.emulator.dunesql import View, compile_sql
from dagster_dune.emulator.dunesql.functions.catalog import FUNCTIONS
from dagster_dune.emulator.dunesql.parse.functions import NAMES
from dagster_dune.emulator.dunesql.parse.parameters import substitute
from dagster_dune.emulator.dunesql.resolve.names import duckdb_name, quoted
from dagster_dune.emulator.dunesql.resolve.views import view_arguments
from dagster_dune.emulator.dunesql.rewrite.translation import translate
from dagster_dune.emulator.dunesql.types.storage import trino_type
from dagster_dune.emulator.engine.engine import Engine
from dagster_dune.emulator.sql_errors import SqlError
from scripts import document_dunesql


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
        ("SELECT 1 +\n  FROM dex.trades", "line 2:3: mismatched input 'FROM': something is missing before it"),
        ("SELECT a b and_more FROM t", "line 1:12: mismatched input 'and_more'"),
        ("SELECT 'of\ntwo lines' AS 'more\nlines'", "line 2:15: mismatched input 'more\nlines': a name stands"),
        ("'of\ntwo lines'", "line 1:1: Only SELECT is supported"),
        ("SELECT 1,\n  foo(2)", "line 2:3: Function 'foo' is not registered"),
        ("SELECT getenv('HOME')", "line 1:8: Function 'getenv' is not registered"),
        ("SELECT * FROM read_csv('/etc/passwd')", "line 1:15: Function 'read_csv' is not registered"),
        ("SELECT * FROM read_text('/etc/passwd')", "line 1:15: Function 'read_text' is not registered"),
        ("SELECT * FROM range(3)", "line 1:15: Function 'range' is not registered"),
        ("SELECT trino_bignum_product(1, 2)", "line 1:8: Function 'trino_bignum_product' is not registered"),
        ("SELECT a -> 'b' FROM t", "JSONEXTRACT is not supported by this emulator"),
        ("SELECT 1::bigint", "line 1:9: mismatched input '::'"),
        ("SELECT 1 LIMIT 1 OFFSET 0", "line 1:18: mismatched input 'OFFSET': write OFFSET before LIMIT"),
        ('SELECT "lower"(a) FROM t', "line 1:8: Function '\"lower\"' is not registered"),
        ("SELECT * FROM TABLE(previous.query.result(a bigint))", "line 1:15: Write TABLE(previous.query.result("),
    ],
)
def test_refused_when_it_is_read(sql, message):
    error = failure(sql)
    assert message in error.message
    parses = any(words in message for words in ("is not registered", "JSONEXTRACT", "Write TABLE"))
    assert error.type == ("FAILED_TYPE_EXECUTION_FAILED" if parses else "FAILED_TYPE_SYNTAX")


@pytest.fixture(scope="module")
def engine():
    opened = Engine(None)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT *\nFROM dex.nothing", "line 2:6: Table 'dex.nothing' does not exist"),
        ("SELECT * FROM main.sample_version", "Table 'main.sample_version' does not exist"),
        ("SELECT * FROM pg_catalog.pg_tables", "Table 'pg_catalog.pg_tables' does not exist"),
        ("SELECT blockchain,\n  nothing FROM dex.trades", "line 2:3: Column 'nothing' cannot be resolved"),
        ("SELECT nothing FROM query_1", "line 1:8: Column 'nothing' cannot be resolved"),
        ("SELECT y FROM query_2", "query_2: Cannot apply operator: integer + varchar(1)"),
        ("SELECT 'a' + 1", "line 1:8: Cannot apply operator: varchar(1) + integer"),
        ("SELECT lower()", "line 1:8: Unexpected number of arguments (0) for function lower"),
        ("SELECT lower(1)", "line 1:8: Unexpected parameters (integer) for function lower. Expected: lower(varchar)"),
        (
            "SELECT count(DISTINCT a, b) FROM (VALUES (1, 2)) AS t(a, b)",
            "Unexpected number of arguments (2) for function count",
        ),
    ],
)
def test_refused_with_its_place(engine, sql, message):
    views = {1: View("SELECT 1 AS x"), 2: View("SELECT 1 + 'a' AS y")}
    with pytest.raises(SqlError) as raised:
        engine.select(compiled(sql, views)).run()
    assert message in str(raised.value)


def test_a_query_that_takes_too_long_to_compile_is_refused():
    statement = compiled("SELECT " + " + ".join(["1"] * 500)).statement
    with pytest.raises(SqlError, match="takes longer than 0 s to compile"):
        translate(statement, lambda name: None, seconds=0)


def test_common_table_expressions_that_nobody_reads_are_not_written():
    """Each reads the one before twice: written out, the last would hold the first 2^40 times."""
    ctes = ", ".join(f"t{n} AS (SELECT a.x FROM t{n - 1} a JOIN t{n - 1} b ON a.x = b.x)" for n in range(1, 41))
    written = translate(
        compiled(f"WITH t0 AS (SELECT 1 AS x), {ctes} SELECT x FROM t1").statement, lambda name: None
    ).sql
    assert written.count(" AS (") == 2
    whole = translate(
        compiled(f"WITH t0 AS (SELECT 1 AS x), {ctes} SELECT x FROM t40").statement, lambda name: None
    ).sql
    assert len(whole) < 10_000


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


def test_the_manual_says_what_the_lists_say():
    assert document_dunesql.documented(document_dunesql.PAGE.read_text("utf-8")) == document_dunesql.PAGE.read_text(
        "utf-8"
    )


def test_a_function_of_the_list_has_a_mark_or_syntax_of_its_own():
    assert set(FUNCTIONS) - NAMES == {"substring", "trim", "position", "normalize", "listagg"}
