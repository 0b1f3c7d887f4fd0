"""What DuneSQL reads, position by position and pitfall by pitfall."""

import logging

import pytest
import sqlglot
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlglot.errors import SqlglotError

from dagster_dune.catalog.names import Reference, ReferenceKind
from dagster_dune.catalog.sql.references import parameter_keys, parse_references, references
from dagster_dune.catalog.sql.tokens import tokenized


def names(sql):
    return [reference.name for reference in references(sql)]


POSITIONS = {
    "from": ("SELECT * FROM dex.trades", ["dex.trades"]),
    "alias": ("SELECT t.x FROM dex.trades AS t", ["dex.trades"]),
    "alias with columns": ("SELECT x FROM dex.trades AS t (x, y)", ["dex.trades"]),
    "comma": ("SELECT * FROM dex.trades, prices.day", ["dex.trades", "prices.day"]),
    "join on": ("SELECT * FROM a.b JOIN c.d ON b.x = d.x", ["a.b", "c.d"]),
    "join using": ("SELECT * FROM a.b LEFT JOIN c.d USING (x)", ["a.b", "c.d"]),
    "cross join": ("SELECT * FROM a.b CROSS JOIN c.d", ["a.b", "c.d"]),
    "natural join": ("SELECT * FROM a.b NATURAL JOIN c.d", ["a.b", "c.d"]),
    "join in parentheses": ("SELECT * FROM (a.b JOIN c.d ON true) JOIN e.f ON true", ["a.b", "c.d", "e.f"]),
    "derived table": ("SELECT * FROM (SELECT * FROM a.b) t", ["a.b"]),
    "scalar subquery": ("SELECT (SELECT max(x) FROM a.b) FROM c.d", ["a.b", "c.d"]),
    "in": ("SELECT 1 WHERE 1 IN (SELECT x FROM a.b)", ["a.b"]),
    "exists": ("SELECT * FROM a.b WHERE NOT EXISTS (SELECT 1 FROM c.d WHERE d.x = b.x)", ["a.b", "c.d"]),
    "having": ("SELECT x FROM a.b GROUP BY x HAVING count(*) > (SELECT min(y) FROM c.d)", ["a.b", "c.d"]),
    "order by": ("SELECT x FROM a.b ORDER BY (SELECT y FROM c.d LIMIT 1)", ["a.b", "c.d"]),
    "case": ("SELECT CASE WHEN x THEN (SELECT y FROM a.b) ELSE 0 END FROM c.d", ["a.b", "c.d"]),
    "function argument": ("SELECT coalesce((SELECT x FROM a.b), 0)", ["a.b"]),
    "union": ("SELECT 1 FROM a.b UNION ALL SELECT 1 FROM c.d UNION SELECT 1 FROM e.f", ["a.b", "c.d", "e.f"]),
    "intersect, except": (
        "SELECT 1 FROM a.b INTERSECT SELECT 1 FROM c.d EXCEPT SELECT 1 FROM e.f",
        ["a.b", "c.d", "e.f"],
    ),
    "with": ("WITH t AS (SELECT * FROM a.b) SELECT * FROM t JOIN c.d ON true", ["a.b", "c.d"]),
    "nested with": ("WITH t AS (WITH u AS (SELECT * FROM a.b) SELECT * FROM u) SELECT * FROM t", ["a.b"]),
    "lateral": ("SELECT * FROM a.b CROSS JOIN LATERAL (SELECT * FROM c.d WHERE d.x = b.x)", ["a.b", "c.d"]),
    "unnest": ("SELECT * FROM a.b CROSS JOIN UNNEST(b.list, b.other) AS u (x, y)", ["a.b"]),
    "tablesample": ("SELECT * FROM a.b TABLESAMPLE BERNOULLI (10)", ["a.b"]),
    "table as an argument": ("SELECT * FROM TABLE(exclude_columns(input => TABLE(a.b)))", ["a.b"]),
    "table function": ("SELECT * FROM TABLE(sequence(1, 9)) AS s (x), a.b", ["a.b"]),
    "several statements": ("SELECT * FROM a.b; SELECT * FROM c.d;", ["a.b", "c.d"]),
    "the same twice": ("SELECT * FROM a.b UNION ALL SELECT * FROM A.B", ["a.b"]),
    "insert": ("INSERT INTO a.b (x) SELECT x FROM c.d", ["c.d"]),
    "create table": ("CREATE TABLE a.b AS SELECT x FROM c.d", ["c.d"]),
    "create table with columns": ("CREATE TABLE a.b (x int)", []),
    "create view": ("CREATE OR REPLACE VIEW a.b AS WITH t AS (SELECT * FROM c.d) SELECT * FROM t", ["c.d"]),
    "insert into what is read": ("INSERT INTO a.b SELECT * FROM a.b", ["a.b"]),
    "delete": ("DELETE FROM a.b WHERE x IN (SELECT x FROM c.d)", ["c.d"]),
    "drop": ("DROP TABLE a.b", []),
    "update": ("UPDATE a.b SET x = (SELECT max(x) FROM c.d)", ["c.d"]),
    "create table like": ("CREATE TABLE a.b (LIKE c.d)", []),
    "table with ordinality": (
        "SELECT * FROM a.b t CROSS JOIN UNNEST(t.x) WITH ORDINALITY AS u (y, n), c.d",
        ["a.b", "c.d"],
    ),
    "lateral unnest": ("SELECT * FROM a.b t, LATERAL unnest(t.x) AS u (y) JOIN c.d ON true", ["a.b", "c.d"]),
    "lateral values": ("SELECT * FROM a.b t, LATERAL (VALUES (t.x), (t.y)) AS v (z)", ["a.b"]),
    "json table": ("SELECT j.* FROM a.b, JSON_TABLE(b.x, 'lax $[*]' COLUMNS (y int PATH 'lax $.y')) AS j", ["a.b"]),
    "json functions": (
        "SELECT json_value(x, 'lax $.from'), json_query(x, 'lax $.y' WITH ARRAY WRAPPER) FROM a.b",
        ["a.b"],
    ),
    "query as an argument": (
        "SELECT * FROM TABLE(decode(abi => '{}', input => TABLE(SELECT * FROM a.b WHERE x IN (SELECT y FROM c.d))))",
        ["a.b", "c.d"],
    ),
    "match recognize": (
        "SELECT * FROM a.b MATCH_RECOGNIZE (ORDER BY y MEASURES p.z AS z PATTERN (p q+) DEFINE q AS q.x > 1) m, c.d",
        ["a.b", "c.d"],
    ),
    "time travel": ("SELECT * FROM a.b FOR VERSION AS OF 5 JOIN c.d ON true", ["a.b", "c.d"]),
    "filter of an aggregate": ("SELECT count(*) FILTER (WHERE x IN (SELECT y FROM c.d)) FROM a.b", ["a.b", "c.d"]),
    "lambda": ("SELECT transform(x, y -> y + (SELECT max(z) FROM c.d)) FROM a.b", ["a.b", "c.d"]),
    "any, all": (
        "SELECT * FROM a.b WHERE x = ANY (SELECT y FROM c.d) AND x > ALL (SELECT y FROM e.f)",
        ["a.b", "c.d", "e.f"],
    ),
    "queries in parentheses": ("(SELECT * FROM a.b) UNION ALL (SELECT * FROM c.d LIMIT 5) ORDER BY 1", ["a.b", "c.d"]),
    "values in a cte": (
        "WITH t (x, y) AS (VALUES (1, 2)), u AS (SELECT * FROM a.b) SELECT * FROM t JOIN u USING (x)",
        ["a.b"],
    ),
    "without spaces": ("SELECT count(*)from(select*from a.b)where x>1", ["a.b"]),
    "statements that write, in a row": (
        "DROP TABLE IF EXISTS a.b; CREATE TABLE a.b (x int); INSERT INTO a.b SELECT x FROM c.d; SELECT * FROM e.f",
        ["c.d", "e.f"],
    ),
    "no table": ("SELECT 1", []),
    "values": ("SELECT * FROM (VALUES (1, 'a.b')) AS t (x, y)", []),
}

NAMES = {
    "query view": ("SELECT * FROM query_123", ["query_123"]),
    "quoted query view": ('SELECT * FROM "query_123"', ["query_123"]),
    "query view in capitals": ("SELECT * FROM QUERY_123", ["query_123"]),
    "with parameters": ("SELECT * FROM \"query_123(chain='ethereum', day='2024-01-01')\"", ["query_123"]),
    "with escaped single quotes": ("SELECT * FROM \"query_123(name='O''Brien')\"", ["query_123"]),
    "with escaped double quotes": ('SELECT * FROM "query_123(name=\'a "" b\')" AS q', ["query_123"]),
    "with spaces and line breaks": ("SELECT * FROM \"query_123 (a='x',\n b='y')\"", ["query_123"]),
    "with a placeholder": ("SELECT * FROM \"query_123(day='{{Start Date}}')\"", ["query_123"]),
    "query with leading zero": ("SELECT * FROM query_012", []),
    "matview of a team with a dash": ('SELECT * FROM dune."a-team".result_x', ["dune.a-team.result_x"]),
    "dataset with a title": ('SELECT * FROM dune.acme."Dataset Name"', ["dune.acme.dataset name"]),
    "team and dataset with titles": ('SELECT * FROM dune."My Team"."Dataset Name"', ["dune.my team.dataset name"]),
    "spaces and comments around dots": ("SELECT * FROM a . b, c./* x */d", ["a.b", "c.d"]),
    "keywords as columns": ('SELECT "from", x."to", x.index, x.date, x.values, x.end FROM a.b AS x', ["a.b"]),
    "query name with more": ("SELECT * FROM query_12_daily, my_query_12", []),
    "matview": ("SELECT * FROM dune.acme.result_x", ["dune.acme.result_x"]),
    "matview, mixed case": ("SELECT * FROM dune.Acme.Result_X", ["dune.acme.result_x"]),
    "matview of a quoted team": ('SELECT * FROM dune."21co".result_x', ["dune.21co.result_x"]),
    "matview, all quoted": ('SELECT * FROM "dune"."acme"."result_x" AS r', ["dune.acme.result_x"]),
    "upload": ("SELECT * FROM dune.acme.dataset_x", ["dune.acme.dataset_x"]),
    "other table of a team": ("SELECT * FROM dune.acme.interactions", ["dune.acme.interactions"]),
    "dune with two parts": ("SELECT * FROM dune.result_x", []),
    "dune with four parts": ("SELECT * FROM dune.acme.x.result_x", []),
    "three parts": ("SELECT * FROM delta_prod.dex.trades", ["delta_prod.dex.trades"]),
    "keyword as a name": ("SELECT * FROM prices.day, labels.all", ["labels.all", "prices.day"]),
    "quoted capitals": ('SELECT * FROM erc20_ethereum."evt_Transfer"', ["erc20_ethereum.evt_transfer"]),
    "no schema": ("SELECT * FROM trades", []),
    "one quoted name with a dot": ('SELECT * FROM "dex.trades"', []),
    "placeholder alone": ("SELECT * FROM {{table}}", []),
    "placeholder as schema": ("SELECT * FROM {{chain}}.transactions", []),
    "placeholder in a name": ("SELECT * FROM dune.acme.result_{{chain}}, erc20_{{chain}}.x, query_{{id}}", []),
    "placeholder in a quoted name": ("SELECT * FROM \"query_{{id}}(a='b')\"", []),
    "placeholder as a joined table": ("SELECT * FROM a.b JOIN {{t}} ON true JOIN c.d ON true", ["a.b", "c.d"]),
    "placeholder as a quoted schema": ('SELECT * FROM "{{schema}}".x, a."{{t}}_x", a.b', ["a.b"]),
    "placeholder as a table, with an alias": ("SELECT * FROM a.b, {{chain}}.logs AS l, c.d", ["a.b", "c.d"]),
    "placeholder as a condition": ("SELECT * FROM a.b WHERE {{filter}} AND x IN ({{list}})", ["a.b"]),
    "placeholder as columns": ("SELECT {{columns}}, x_{{a}}, {{a}}.y, '{{a}}' FROM a.b", ["a.b"]),
    "placeholder with quotes": ("SELECT * FROM a.b WHERE x = '{{it's}}' AND y IN (SELECT z FROM c.d)", ["a.b", "c.d"]),
    "placeholder as a direction": ("SELECT * FROM a.b ORDER BY x {{direction}}, y LIMIT 5", ["a.b"]),
    "placeholder for a unit": ("SELECT * FROM a.b WHERE d > now() - interval '{{n}}' {{unit}}", ["a.b"]),
    "template of another tool": ("SELECT * FROM {{ source('a', 'b') }} JOIN c.d ON true", ["c.d"]),
    "placeholder beside names": ("SELECT * FROM a.b WHERE x > {{min}} AND y = '{{ y }}' LIMIT {{limit}}", ["a.b"]),
    "placeholder in hexadecimal": ("SELECT * FROM a.b WHERE x IN (0x{{address}}, x'{{address}}')", ["a.b"]),
    "placeholder with capitals and spaces": ("SELECT * FROM a.b WHERE d > timestamp '{{Start Date}}'", ["a.b"]),
    "placeholder for an interval": ("SELECT * FROM a.b WHERE d > now() - interval '{{days}}' day", ["a.b"]),
}

PITFALLS = {
    "line comment": ("SELECT * FROM a.b -- JOIN c.d", ["a.b"]),
    "block comment": ("SELECT * /* FROM c.d */ FROM a.b", ["a.b"]),
    "comments do not nest": ("SELECT * FROM a.b /* /* */ JOIN c.d ON true", ["a.b", "c.d"]),
    "string": ("SELECT 'x FROM c.d' FROM a.b", ["a.b"]),
    "string with a quote": ("SELECT 'it''s FROM c.d' FROM a.b", ["a.b"]),
    "column of a table": ("SELECT c.d, c.d.e FROM a.b AS c", ["a.b"]),
    "query view as an alias": ("SELECT query_1.x FROM a.b query_1", ["a.b"]),
    "extract": ("SELECT extract(year FROM c.d) FROM a.b c", ["a.b"]),
    "trim": ("SELECT trim(BOTH ' ' FROM c.d) FROM a.b c", ["a.b"]),
    "is distinct from": ("SELECT * FROM a.b c WHERE c.x IS NOT DISTINCT FROM c.y", ["a.b"]),
    "cte hides a query": ("WITH query_1 AS (SELECT 1) SELECT * FROM query_1, query_2", ["query_2"]),
    "cte in other case": ("WITH Query_1 AS (SELECT 1) SELECT * FROM QUERY_1", []),
    "cte reads what it hides": ("WITH query_1 AS (SELECT * FROM query_1) SELECT * FROM query_1", ["query_1"]),
    "recursive cte": ("WITH RECURSIVE query_1 (n) AS (SELECT 1 UNION ALL SELECT n FROM query_1) SELECT 1", []),
    "cte of a later place": ("WITH a AS (SELECT * FROM query_1), query_1 AS (SELECT 1) SELECT * FROM a", ["query_1"]),
    "cte of an earlier place": ("WITH query_1 AS (SELECT 1), a AS (SELECT * FROM query_1) SELECT * FROM a", []),
    "cte seen from inside": ("WITH query_1 AS (SELECT 1) SELECT * FROM (SELECT * FROM query_1) t", []),
    "cte of a subquery": ("SELECT * FROM (WITH query_1 AS (SELECT 1) SELECT * FROM query_1) t, query_1", ["query_1"]),
    "cte hides no qualified name": ("WITH trades AS (SELECT * FROM dex.trades) SELECT * FROM trades", ["dex.trades"]),
    "cte named like a table": ('WITH "a.b" AS (SELECT 1) SELECT * FROM "a.b", a.b', ["a.b"]),
    "cte as an argument": ("WITH query_1 AS (SELECT 1) SELECT * FROM TABLE(f(input => TABLE(query_1)))", []),
    "cte of another statement": (
        "WITH query_1 AS (SELECT 1) SELECT * FROM query_1; SELECT * FROM query_1",
        ["query_1"],
    ),
    "cte in a scalar subquery": ("WITH query_1 AS (SELECT 1) SELECT (SELECT 1 FROM query_1) FROM a.b", ["a.b"]),
    "cte in a later part of a union": ("WITH query_1 AS (SELECT 1) SELECT 1 UNION ALL SELECT 1 FROM query_1", []),
    "cte in parentheses": (
        "(WITH query_1 AS (SELECT 1) SELECT * FROM query_1) UNION ALL SELECT * FROM query_1",
        ["query_1"],
    ),
    "merge": ("MERGE INTO a.b USING c.d ON b.x = d.x WHEN MATCHED THEN UPDATE SET x = 1", ["c.d"]),
    "merge of a query": ("MERGE INTO a.b USING (SELECT * FROM c.d) s ON b.x = s.x WHEN MATCHED THEN DELETE", ["c.d"]),
    "apostrophes in comments": ("SELECT * -- don't\nFROM a.b /* it's */ JOIN c.d ON true -- \"", ["a.b", "c.d"]),
    "comment marks in strings": (
        "SELECT '--', '/*' FROM a.b WHERE x = '*/' AND y IN (SELECT z FROM c.d)",
        ["a.b", "c.d"],
    ),
    "semicolons in strings": ("SELECT ';' FROM a.b; SELECT ';' FROM c.d", ["a.b", "c.d"]),
    "backslash in a string": ("SELECT * FROM a.b WHERE x = '\\' AND y IN (SELECT 'z' FROM c.d)", ["a.b", "c.d"]),
    "spaces that do not break": ("SELECT\u00a0* FROM\u00a0a.b\u2003JOIN c.d ON true", ["a.b", "c.d"]),
    "incremental without a name": (
        "SELECT * FROM TABLE(previous.query.result(DESCRIPTOR(x int))) UNION SELECT * FROM a.b",
        ["a.b"],
    ),
    "cte beside a parametrised view": (
        "WITH query_1 AS (SELECT 1) SELECT * FROM query_1, \"query_1(a='b')\"",
        ["query_1"],
    ),
    "incremental": (
        "SELECT * FROM a.b WHERE d > (SELECT max(d) FROM TABLE(previous.query.result(schema => DESCRIPTOR(d date))))",
        ["a.b"],
    ),
    "incremental beside others": (
        "SELECT * FROM table ( previous.query.result(\n schema => descriptor(x decimal(38, 0), y varchar))) p, a.b",
        ["a.b"],
    ),
    "carriage returns": ("SELECT *\r\nFROM a.b -- c.d\r\nJOIN e.f ON true", ["a.b", "e.f"]),
    "empty": ("", []),
    "comments alone": ("-- FROM a.b\n/* FROM c.d */", []),
    "semicolons alone": (";;;", []),
}

# No parser can read these; the tokens still tell.
UNREADABLE = {
    "select without columns": ("SELECT FROM WHERE FROM a.b )", ["a.b"]),
    "typing error": (
        "SELEC * FRM x; SELECT x y z FROM a.b, c.d LEFT JOIN e.f ON x = y, g.h WHERE x IN (",
        ["a.b", "c.d", "e.f", "g.h"],
    ),
    "comma after the clause": ("SELECT x y z FROM a.b GROUP BY 1, c.d ORDER BY e.f, g.h", ["a.b"]),
    "comma in a call": ("SELECT x y z FROM a.b JOIN unnest(c.d, e.f) ON f(g.h, i.j)", ["a.b"]),
    "parentheses": ("SELECT x y z FROM ((a.b)) JOIN (SELECT * FROM c.d) ON true", ["a.b", "c.d"]),
    "functions with FROM": ("SELECT x y z, extract(year FROM c.d), trim(BOTH FROM e.f) FROM a.b", ["a.b"]),
    "distinct from": ("SELECT x y z FROM a.b WHERE x IS DISTINCT FROM c.d", ["a.b"]),
    "cte": ("WITH query_1 AS (SELECT x y z FROM a.b) SELECT * FROM query_1, QUERY_2", ["a.b", "query_2"]),
    "table function": ("SELECT x y z FROM TABLE(f(input => TABLE(a.b))), c.d", ["a.b", "c.d"]),
    "table as a query": ("TABLE a.b UNION ALL TABLE c.d UNION SELECT x y z FROM e.f", ["a.b", "c.d", "e.f"]),
    "table in brackets": ("WITH t AS (TABLE a.b) SELECT x y z FROM (TABLE c.d), t", ["a.b", "c.d"]),
    "create table": ("CREATE TABLE a.b (x y z); SELECT x y z FROM c.d", ["c.d"]),
    "function with a schema": ("SELECT x y z FROM TABLE(c.d(input => 1)), LATERAL e.f(1), a.b", ["a.b"]),
    "incremental": ("SELECT x y z FROM TABLE(previous.query.result(schema => DESCRIPTOR(d date))), a.b", ["a.b"]),
    "placeholders": ("SELECT x y z FROM {{x}}.y, \"query_7(a='{{b}}')\", a.b WHERE {{a}} {{b}}", ["a.b", "query_7"]),
    "string never closed": ("SELECT * FROM a.b WHERE x = 'FROM c.d", ["a.b"]),
    "name never closed": ('SELECT * FROM a.b, "c.d', ["a.b"]),
    "comment never closed": ("SELECT * FROM a.b /* JOIN c.d", ["a.b"]),
    "parentheses too many": ("SELECT x) FROM a.b )) JOIN c.d", ["c.d"]),
    "insert": ("INSERT INTO a.b SELECT x y z FROM c.d", ["c.d"]),
    "delete": ("DELETE FROM a.b WHERE x y", []),
    "name never ended": ("SELECT x y z FROM a.", []),
    "operator as a placeholder": (
        "SELECT * FROM a.b WHERE x {{operator}} 5 AND y IN (SELECT z FROM c.d)",
        ["a.b", "c.d"],
    ),
    "cte of another statement": (
        "WITH query_1 AS (SELECT x y z FROM a.b) SELECT * FROM query_1; SELECT * FROM query_1",
        ["a.b", "query_1"],
    ),
    "template of another tool": ("SELECT * FROM a.b {% if x %} JOIN c.d ON true {% endif %}", ["a.b", "c.d"]),
    "second statement": ("SELECT x y z FROM a.b; FROM c.d", ["a.b"]),
}

CASES = {
    f"{group}: {name}": case
    for group, cases in {
        "position": POSITIONS,
        "name": NAMES,
        "pitfall": PITFALLS,
        "unreadable": UNREADABLE,
    }.items()
    for name, case in cases.items()
}


@pytest.mark.parametrize(("sql", "expected"), CASES.values(), ids=CASES.keys())
def test_references(sql, expected):
    assert names(sql) == expected


@pytest.mark.parametrize("sql", [sql for sql, _ in UNREADABLE.values()], ids=UNREADABLE.keys())
def test_unreadable_cases_are_unreadable(sql):
    with pytest.raises(SqlglotError):
        sqlglot.parse(sql, dialect="trino")


@pytest.mark.parametrize(("sql", "expected"), POSITIONS.values(), ids=POSITIONS.keys())
def test_tokens_tell_what_the_tree_tells(sql, expected):
    """A query that ends in something unreadable still shows its FROM clauses."""
    assert names(sql.rstrip(";") + "; SELECT x y z") == expected


def test_kinds():
    sql = "SELECT * FROM query_1, dune.acme.result_x, dune.acme.dataset_x, dune.acme.other, dex.trades"
    assert references(sql) == (
        Reference("dex.trades", ReferenceKind.TABLE),
        Reference("dune.acme.dataset_x", ReferenceKind.UPLOAD),
        Reference("dune.acme.other", ReferenceKind.UPLOAD),
        Reference("dune.acme.result_x", ReferenceKind.MATERIALIZED_VIEW),
        Reference("query_1", ReferenceKind.QUERY),
    )


def test_deeply_nested_text_is_read_by_tokens():
    depth = 5000
    assert names("SELECT * FROM " + "(" * depth + "a.b" + ")" * depth) == ["a.b"]


def test_many_unions():
    parts = [f"SELECT * FROM schema_{number}.x" for number in range(400)]
    assert len(names(" UNION ALL ".join(parts))) == 400


WORDS = st.sampled_from(
    [
        *("select", "from", "where", "with", "as", "join", "on", "union", "order", "by", "insert", "into", "create"),
        *("delete", "case", "when", "end", "array", "interval", "grant", "show", "time", "table(", "lateral("),
        *("a.b", "query_1", '"x"', "'y'", "{{q}}", "1.5", "0x1", "x'zz'"),
        *("(", ")", ",", ".", ";", "{{", "[", "]", "::", "?", "@", "/*", "*/", "--", "\n", '"', "'"),
    ]
)


@settings(max_examples=300)
@given(st.lists(WORDS, max_size=25).map(" ".join) | st.text(max_size=60))
@example("grant '")
@example("time 1 ? b'0'")
def test_any_text_has_references(text):
    for reference in references(text):
        assert Reference.parse(reference.name) == reference


def test_parameter_keys():
    sql = "SELECT {{ b }}, '{{Start Date}}', {{b}}, {{a}} -- {{comment}}\n, {{}}, {{ }}, {{un\nclosed}}, {single}"
    assert parameter_keys(sql) == ("b", "Start Date", "a", "comment")


def test_no_parameter_keys():
    assert parameter_keys("SELECT map(array[1], array[2])") == ()


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT tx.`from`, tx.`to` FROM ethereum.transactions tx", ["ethereum.transactions"]),
        ("SELECT `from` AS `tx.to` FROM `dex`.`trades`, `a`.b WHERE ((", ["a.b", "dex.trades"]),
        ("WITH a AS (INSERT INTO x.y SELECT * FROM c.d) SELECT * FROM a", ["c.d"]),
        ("WITH a AS (SELECT * FROM c.d) INSERT INTO x.y (q) SELECT * FROM a", ["c.d"]),
        ("SELECT * FROM dune.blockchains", ["dune.blockchains"]),
        ("SELECT * FROM dune.result_x, dune.dataset_x, dune.a.b.c", []),
        (f"SELECT * FROM query_{'9' * 5000}", []),
        ("SELECT " + "ARRAY[" * 40 + "1" + "]" * 40 + " FROM dex.trades", ["dex.trades"]),
    ],
)
def test_names_of_the_past_and_of_nobody(sql, names):
    assert [reference.name for reference in references(sql)] == names


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT 'abc FROM dex.trades", []),
        ('SELECT * FROM dex.trades WHERE "x', ["dex.trades"]),
        ("SELECT * FROM `dex`.`trades` WHERE x = `y", ["dex.trades"]),
    ],
)
def test_a_quote_that_is_not_closed_is_told(sql, names):
    parsed = parse_references(tokenized(sql), sql)
    assert [reference.name for reference in parsed.references] == names
    assert not parsed.is_exact


@pytest.mark.parametrize(
    "sql", ["SHOW TABLES", "CREATE FUNCTION a.f(x json) RETURNS text AS $$ SELECT 1 $$", "CALL x()"]
)
def test_what_is_no_query_is_told_with_its_file_alone(sql, caplog):
    """The parser's own warning names none."""
    assert not parse_references(tokenized(sql), sql).is_exact
    assert caplog.messages == []
    logging.getLogger("sqlglot").warning("heard again")
    assert caplog.messages == ["heard again"]
