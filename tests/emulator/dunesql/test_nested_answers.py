"""Rows, nested casts, lambdas, base 58, JSON paths and time zones: what Trino's and Dune's pages say they answer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_dune.emulator.dunesql import compile_sql
from dagster_dune.emulator.engine.engine import Engine
from dagster_dune.emulator.http.row_filters import sorted_rows
from dagster_dune.emulator.requests import RequestError
from dagster_dune.emulator.sql_errors import SqlError

ZONED = "timestamp(3) with time zone"
BERLIN = "TIMESTAMP '2024-07-01 00:00:00 Europe/Berlin'"
TOKYO = "now() AT TIME ZONE 'Asia/Tokyo'"
PAIR = "CAST(ROW(7, 'x') AS ROW(a integer, b varchar))"
URL = "'https://user@dune.com:8080/queries/1?x=1#top'"
DESCENDING = "(x, y) -> IF(x < y, 1, IF(x = y, 0, -1))"
NULLS_FIRST = """(x, y) -> CASE WHEN x IS NULL THEN -1 WHEN y IS NULL THEN 1 WHEN x < y THEN 1
WHEN x = y THEN 0 ELSE -1 END"""


@pytest.fixture(scope="module")
def engine():
    opened = Engine(None)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def run(engine):
    return lambda sql: engine.select(compile_sql(sql, parameters={}, views={}.get)).run()


# A page of https://trino.io/docs/current, then expression, value and type.
ANSWERS = {
    "language/types#row": [
        ("ROW(1, 'a')", [1, "a"], "row(integer, varchar)"),
        ("(1, 'a')[2]", "a", "varchar"),
        (PAIR, {"a": 7, "b": "x"}, "row(a integer, b varchar)"),
        (f"{PAIR}.b", "x", "varchar"),
        (f"{PAIR}.a / 2", 3, "integer"),
        (f"{PAIR}[1] / 2", 3, "integer"),
        ("ARRAY[ROW(1, 2)][1][2]", 2, "integer"),
        ("ROW(DATE '2024-01-02', 0xab, 1.5)", ["2024-01-02", "0xab", "1.5"], "row(date, varbinary, decimal(2,1))"),
        ("CAST(NULL AS ROW(a bigint))", None, "row(a bigint)"),
        ("transform(ARRAY[ROW(7, 2)], r -> r[1] / r[2])", [3], "array(integer)"),
    ],
    "functions/comparison": [
        ("ROW(1, 2) = ROW(1, 2)", True, "boolean"),
        ("ROW(1, NULL) = ROW(1, NULL)", None, "boolean"),
        ("ROW(1, NULL) <> ROW(2, NULL)", True, "boolean"),
        ("(1, NULL) = (1, NULL)", None, "boolean"),
        ("ARRAY[1, 2] = ARRAY[1, 2]", True, "boolean"),
        ("ARRAY[1, NULL] = ARRAY[1, NULL]", None, "boolean"),
        ("ARRAY[1, NULL] = ARRAY[2, NULL]", False, "boolean"),
        ("ARRAY[1] <> ARRAY[1, 2]", True, "boolean"),
        ("ARRAY[ROW(1)] = ARRAY[ROW(1)]", True, "boolean"),
    ],
    "functions/conversion": [
        ("CAST(ARRAY[1, NULL] AS ARRAY(varchar))", ["1", None], "array(varchar)"),
        ("CAST(ARRAY[1.5e0, 2e7] AS ARRAY(varchar))", ["1.5", "2.0E7"], "array(varchar)"),
        ("CAST(ARRAY[ARRAY[1], ARRAY[2, 3]] AS ARRAY(ARRAY(double)))", [[1.0], [2.0, 3.0]], "array(array(double))"),
        ("CAST(ARRAY[2.5e0] AS ARRAY(bigint))", [3], "array(bigint)"),
        ("CAST(ARRAY[] AS ARRAY(varchar))", [], "array(varchar)"),
        ("TRY_CAST(ARRAY['x'] AS ARRAY(bigint))", None, "array(bigint)"),
        ("CAST(MAP(ARRAY['1'], ARRAY[2]) AS MAP(bigint, varchar))", {"1": "2"}, "map(bigint, varchar)"),
        (
            "CAST(ROW(1, ARRAY[ROW(2)]) AS ROW(a uint256, b ARRAY(ROW(c decimal(5,2)))))",
            {"a": "1", "b": [{"c": "2.00"}]},
            "row(a uint256, b array(row(c decimal(5,2))))",
        ),
    ],
    "functions/json": [
        ("CAST(JSON_PARSE('[1, \"x\", true, null]') AS ARRAY(varchar))", ["1", "x", "true", None], "array(varchar)"),
        ("CAST(json_parse('[1, 2.5, \"7\", true]') AS ARRAY(bigint))", [1, 3, 7, 1], "array(bigint)"),
        ("CAST(json_parse('{\"a\": 1}') AS MAP(varchar, bigint))", {"a": 1}, "map(varchar, bigint)"),
        ("json_format(json_parse('[1, 2]'))", "[1,2]", "varchar"),
        ("json_array_length('[1, 2, 3]')", 3, "bigint"),
        ("json_array_length('{}')", None, "bigint"),
        ("json_query('{\"a\": {\"b\": 1}}', 'lax $.a')", '{"b":1}', "varchar"),
        ("json_query('{\"a\": \"x\"}', 'lax $.a')", '"x"', "varchar"),
        ("json_query('{\"a\": [\"x\"]}', 'lax $.a[0]' OMIT QUOTES)", "x", "varchar"),
        ("json_query('{\"a\": 1}', 'lax $.b')", None, "varchar"),
        ("json_query('{', 'lax $.b')", None, "varchar"),
        ("json_value('{\"a\": 5}', 'lax $.a')", "5", "varchar"),
        ("json_value('{\"a\": [5]}', 'lax $.a')", None, "varchar"),
        ("json_exists('{\"a\": null}', 'lax $.a')", True, "boolean"),
        ("json_exists('{\"a\": null}', 'lax $.b')", False, "boolean"),
    ],
    "functions/array": [
        (
            "zip(ARRAY[1, 2], ARRAY['1b', NULL, '3b'])",
            [[1, "1b"], [2, None], [None, "3b"]],
            "array(row(integer, varchar))",
        ),
        ("zip(ARRAY[1], CAST(NULL AS ARRAY(integer)))", None, "array(row(integer, integer))"),
        (
            "zip_with(ARRAY[1, 3], ARRAY['a', 'b'], (x, y) -> (y, x))",
            [["a", 1], ["b", 3]],
            "array(row(varchar, integer))",
        ),
        ("zip_with(ARRAY[1, 2], ARRAY[3, 4], (x, y) -> x + y)", [4, 6], "array(integer)"),
        ("zip_with(ARRAY[2], ARRAY[7], (x, y) -> y / x)", [3], "array(integer)"),
        ("zip_with(ARRAY['a'], ARRAY['d', NULL, 'f'], (x, y) -> coalesce(x, y))", ["a", None, "f"], "array(varchar)"),
        (f"array_sort(ARRAY[3, 2, 5, 1, 2], {DESCENDING})", [5, 3, 2, 2, 1], "array(integer)"),
        (f"array_sort(ARRAY['bc', 'ab', 'dc'], {DESCENDING})", ["dc", "bc", "ab"], "array(varchar)"),
        (
            f"array_sort(ARRAY[3, 2, NULL, 5, NULL, 1, 2], {NULLS_FIRST})",
            [None, None, 5, 3, 2, 2, 1],
            "array(integer)",
        ),
        (
            """array_sort(ARRAY['a', 'abcd', 'abc'],
            (x, y) -> IF(length(x) < length(y), -1, IF(length(x) = length(y), 0, 1)))""",
            ["a", "abc", "abcd"],
            "array(varchar)",
        ),
        ("ngrams(ARRAY[1, 2, 3], 2)", [[1, 2], [2, 3]], "array(array(integer))"),
        ("ngrams(ARRAY['foo', 'bar'], 5)", [["foo", "bar"]], "array(array(varchar))"),
        ("contains_sequence(ARRAY[1, 2, 3, 4], ARRAY[2, 3])", True, "boolean"),
        ("contains_sequence(ARRAY[1, 2, 3, 4], ARRAY[2, 4])", False, "boolean"),
        ("trim_array(ARRAY[1, 2, 3, 4], 2)", [1, 2], "array(integer)"),
        ("array_histogram(ARRAY[42, 7, 42, NULL])", {"42": 2, "7": 1}, "map(integer, bigint)"),
        ("reverse(ARRAY[1, 2])", [2, 1], "array(integer)"),
        (
            """reduce(ARRAY[5, 6, 10, 20], CAST(ROW(0.0, 0) AS ROW(sum double, count integer)),
            (s, x) -> CAST(ROW(x + s.sum, s.count + 1) AS ROW(sum double, count integer)),
            s -> IF(s.count = 0, NULL, s.sum / s.count))""",
            10.25,
            "double",
        ),
    ],
    "functions/map": [
        ("map_entries(MAP(ARRAY[1, 2], ARRAY['x', 'y']))", [[1, "x"], [2, "y"]], "array(row(integer, varchar))"),
        ("map_from_entries(ARRAY[(1, 'x'), (2, 'y')])", {"1": "x", "2": "y"}, "map(integer, varchar)"),
        (
            "multimap_from_entries(ARRAY[(1, 'x'), (2, 'y'), (1, 'z')])",
            {"1": ["x", "z"], "2": ["y"]},
            "map(integer, array(varchar))",
        ),
        (
            "map_filter(MAP(ARRAY[10, 20, 30], ARRAY['a', NULL, 'c']), (k, v) -> v IS NOT NULL)",
            {"10": "a", "30": "c"},
            "map(integer, varchar)",
        ),
        (
            "transform_values(MAP(ARRAY[1, 2, 3], ARRAY[10, 20, 30]), (k, v) -> v + k)",
            {"1": 11, "2": 22, "3": 33},
            "map(integer, integer)",
        ),
        (
            """transform_values(MAP(ARRAY[1, 2], ARRAY[1.0, 1.4]),
            (k, v) -> MAP(ARRAY[1, 2], ARRAY['one', 'two'])[k] || '_' || CAST(v AS varchar))""",
            {"1": "one_1.0", "2": "two_1.4"},
            "map(integer, varchar)",
        ),
        (
            "transform_keys(MAP(ARRAY['a', 'b', 'c'], ARRAY[1, 2, 3]), (k, v) -> v * v)",
            {"1": 1, "4": 2, "9": 3},
            "map(integer, integer)",
        ),
        (
            """map_zip_with(MAP(ARRAY['k1', 'k2'], ARRAY[1, 2]), MAP(ARRAY['k2', 'k3'], ARRAY[4, 9]),
            (k, v1, v2) -> (v1, v2))""",
            {"k1": [1, None], "k2": [2, 4], "k3": [None, 9]},
            "map(varchar, row(integer, integer))",
        ),
        (
            """map_zip_with(MAP(ARRAY['a', 'b'], ARRAY[1, 8]), MAP(ARRAY['a', 'b'], ARRAY[1, 2]),
            (k, v1, v2) -> k || CAST(v1 / v2 AS varchar))""",
            {"a": "a1", "b": "b4"},
            "map(varchar, varchar)",
        ),
    ],
    "functions/binary": [
        ("reverse(0x0102)", "0x0201", "varbinary"),
        ("substr(0x010203, 2)", "0x0203", "varbinary"),
        ("substr(0x010203, -2, 1)", "0x02", "varbinary"),
        ("substring(0x010203 FROM 2)", "0x0203", "varbinary"),
        ("from_big_endian_64(0x0000000000000007)", 7, "bigint"),
        ("to_big_endian_64(-1)", "0xffffffffffffffff", "varbinary"),
    ],
    "functions/string and regexp and url": [
        ("reverse('abc')", "cba", "varchar"),
        ("luhn_check('79927398713')", True, "boolean"),
        ("luhn_check('79927398714')", False, "boolean"),
        (r"regexp_position('I have 23 apples, 5 pears and 13 oranges', '\b\d+\b')", 8, "integer"),
        ("regexp_position('abc', 'x')", -1, "integer"),
        (f"url_extract_protocol({URL})", "https", "varchar"),
        (f"url_extract_host({URL})", "dune.com", "varchar"),
        (f"url_extract_port({URL})", 8080, "bigint"),
        (f"url_extract_path({URL})", "/queries/1", "varchar"),
        (f"url_extract_query({URL})", "x=1", "varchar"),
        (f"url_extract_fragment({URL})", "top", "varchar"),
    ],
    "functions/math": [
        ("width_bucket(5e0, 0, 10, 4)", 3, "bigint"),
        ("width_bucket(11e0, 0, 10, 4)", 5, "bigint"),
        ("width_bucket(2e0, 10, 0, 5)", 5, "bigint"),
        ("width_bucket(3.5, ARRAY[1e0, 2e0, 3e0, 4e0])", 3, "bigint"),
        ("to_base(255, 16)", "ff", "varchar"),
        ("random() < 1", True, "boolean"),
        ("random(1)", 0, "integer"),
        ("random(7, 8)", 7, "integer"),
    ],
    "functions/datetime": [
        ("TIMESTAMP '2012-10-31 01:00 UTC' AT TIME ZONE 'America/Los_Angeles'",
         "2012-10-30 18:00:00.000 America/Los_Angeles", ZONED),
        ("at_timezone(TIMESTAMP '2022-11-01 09:08:07.321', 'America/Los_Angeles')",
         "2022-11-01 02:08:07.321 America/Los_Angeles", ZONED),
        ("with_timezone(TIMESTAMP '2022-11-01 09:08:07.321', 'America/Los_Angeles')",
         "2022-11-01 09:08:07.321 America/Los_Angeles", ZONED),
        (BERLIN, "2024-07-01 00:00:00.000 Europe/Berlin", ZONED),
        (f"{BERLIN} AT TIME ZONE 'UTC'", "2024-06-30 22:00:00.000 UTC", ZONED),
        (f"{BERLIN} AT TIME ZONE 'Asia/Kolkata'", "2024-07-01 03:30:00.000 Asia/Kolkata", ZONED),
        ("TIMESTAMP '2024-10-27 02:30 Europe/Berlin' AT TIME ZONE 'UTC'", "2024-10-27 00:30:00.000 UTC", ZONED),
        ("date_trunc('day', now() AT TIME ZONE 'America/New_York')", "2026-06-30 00:00:00.000 America/New_York", ZONED),
        ("date_trunc('hour', now() AT TIME ZONE 'Asia/Kolkata')", "2026-07-01 05:00:00.000 Asia/Kolkata", ZONED),
        ("date_trunc('hour', TIMESTAMP '2024-10-27 01:30 UTC' AT TIME ZONE 'Europe/Berlin') AT TIME ZONE 'UTC'",
         "2024-10-27 01:00:00.000 UTC", ZONED),
        (f"hour({TOKYO})", 9, "bigint"),
        ("extract(DAY FROM now() AT TIME ZONE 'America/New_York')", 30, "bigint"),
        ("day_of_week(now() AT TIME ZONE 'America/New_York')", 2, "bigint"),
        ("CAST(now() AT TIME ZONE 'America/New_York' AS date)", "2026-06-30", "date"),
        ("date(now() AT TIME ZONE 'America/New_York')", "2026-06-30", "date"),
        (f"CAST({TOKYO} AS timestamp)", "2026-07-01 09:00:00.000", "timestamp(3)"),
        (f"CAST({TOKYO} AS varchar)", "2026-07-01 09:00:00.000 Asia/Tokyo", "varchar"),
        (f"date_format({TOKYO}, '%Y-%m-%d %H')", "2026-07-01 09", "varchar"),
        (f"format_datetime({TOKYO}, 'HH:mm')", "09:00", "varchar"),
        ("format_datetime(TIMESTAMP '2022-10-20 05:10:07.123', 'yyyy-MM-dd''T''HH:mm:ss.SSS')",
         "2022-10-20T05:10:07.123", "varchar"),
        ("format_datetime(TIMESTAMP '2022-10-20 17:10:07', 'EEEE d MMM yy h a')", "Thursday 20 Oct 22 5 PM", "varchar"),
        (f"({TOKYO}) = now()", True, "boolean"),
        (f"{BERLIN} BETWEEN TIMESTAMP '2024-06-30 00:00 UTC' AND now()", True, "boolean"),
        ("TIMESTAMP '2024-03-30 12:00 Europe/Berlin' + INTERVAL '1' DAY",
         "2024-03-31 13:00:00.000 Europe/Berlin", ZONED),
        ("date_add('day', 1, TIMESTAMP '2024-03-30 12:00 Europe/Berlin')",
         "2024-03-31 12:00:00.000 Europe/Berlin", ZONED),
        (f"to_unixtime({TOKYO}) = to_unixtime(now())", True, "boolean"),
        (f"max({TOKYO})", "2026-07-01 09:00:00.000 Asia/Tokyo", ZONED),
    ],
    # https://docs.dune.com/query-engine/Functions-and-operators/base58, .../varbinary, .../varchar-utility-functions
    "dune": [
        ("from_base58('3DZBMRwnSU8f')", "0x030094357700000000", "varbinary"),
        ("to_base58(0x030094357700000000)", "3DZBMRwnSU8f", "varchar"),
        (
            "bytearray_to_bigint(bytearray_reverse(bytearray_substring(from_base58('3DZBMRwnSU8f'), 2, 8)))",
            2000000000,
            "bigint",
        ),
        ("from_base58('11111111111111111111111111111111')", "0x" + "00" * 32, "varbinary"),  # the system program
        (
            "from_base58('So11111111111111111111111111111111111111112')",  # wrapped SOL
            "0x069b8857feab8184fb687f634618c035dac439dc1aeb3b5598a0f00000000001",
            "varbinary",
        ),
        ("from_base58('')", "0x", "varbinary"),
        ("to_base58(CAST(NULL AS varbinary))", None, "varchar"),
        ("varbinary_to_integer(0xffffffff)", -1, "integer"),
        ("varbinary_to_decimal(0x0100)", "256", "decimal(38,0)"),
        ("varbinary_to_decimal(0xffffffffffffffffffffffffffffffff)", "-1", "decimal(38,0)"),
        ("varbinary_position(0x010203, 0x0203)", 2, "bigint"),
        ("varbinary_position(0x102030, 0x0203)", 0, "bigint"),
        ("bytearray_replace(0x01020102, 0x01, 0xffff)", "0xffff02ffff02", "varbinary"),
        ("bytearray_replace(0x1020, 0x02, 0xff)", "0x1020", "varbinary"),
        ("address_32_from_hex('0x1')", "0x" + "00" * 31 + "01", "varbinary"),
        (
            "varbinary_ltrim(CAST(UINT256 '101691398105299641525402875323276528467270701520' AS varbinary))",
            "0x11d00000000000000000000000000000000011d0",
            "varbinary",
        ),
        ("\"left\"('123456', 2)", "12", "varchar"),
        ("\"right\"('123456', 2)", "56", "varchar"),
        ("right('123456', -1)", "", "varchar"),
        ("initcap('hellO woRld')", "Hello World", "varchar"),
        ("UINT256 '3' * 1.5", 4.5, "double"),
        ("UINT256 '7' / CAST(2 AS decimal(5,0))", "3", "uint256"),
        ("UINT256 '1' < 1.5", True, "boolean"),
        ("bitwise_and(UINT256 '340282366920938463463374607431768211457', 3)", "1", "uint256"),
        ("bitwise_left_shift(UINT256 '1', 255)", str(2**255), "uint256"),
        ("bitwise_right_shift(bitwise_left_shift(UINT256 '5', 200), 199)", "10", "uint256"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "value", "type_"),
    [pytest.param(*case, id=f"{page}: {case[0]}") for page, cases in ANSWERS.items() for case in cases],
)
def test_documented_answer(run, expression, value, type_):
    result = run(f"SELECT {expression} AS value")
    shown = result.rows[0]["value"]
    assert (shown, result.columns[0].type) == (value, type_)
    assert len(result.rows) == 1


# https://trino.io/docs/current/sql/select.html#unnest, .../functions/aggregate.html
@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT y, x / 2 FROM UNNEST(ARRAY[ROW(5, 'a'), ROW(2, 'b')]) AS t(x, y)", [("a", 2), ("b", 1)]),
        (
            "SELECT * FROM UNNEST(zip(ARRAY[1, 2], ARRAY['a'])) WITH ORDINALITY AS t(x, y, n)",
            [(1, "a", 1), (2, None, 2)],
        ),
        (f"SELECT * FROM UNNEST(ARRAY[{PAIR}])", [(7, "x")]),
        (f"SELECT t.a FROM (SELECT ARRAY[{PAIR}] AS l) AS s CROSS JOIN UNNEST(s.l) AS t", [(7,)]),
        ("SELECT x / 2 FROM UNNEST(ARRAY[ROW(5)]) AS t(x)", [(2,)]),
        (
            """SELECT k, v, x FROM (SELECT MAP(ARRAY['a'], ARRAY[3]) AS m, ARRAY[1, 2] AS l) AS s
            CROSS JOIN UNNEST(m, l) AS t(k, v, x)""",
            [("a", 3, 1), (None, None, 2)],
        ),
        (f"SELECT s.r.a / 2, r.b FROM (SELECT {PAIR} AS r) AS s", [(3, "x")]),
        (
            "SELECT multimap_agg(k, v) FROM (VALUES ('a', 1), ('b', 2), ('a', 3)) AS t(k, v)",
            [({"a": [1, 3], "b": [2]},)],
        ),
        ("SELECT histogram(k) FROM (VALUES 'a', 'b', 'a', NULL) AS t(k)", [({"a": 2, "b": 1},)]),
        ("SELECT histogram(k) FILTER (WHERE k > 'a') FROM (VALUES 'a', 'b') AS t(k)", [({"b": 1},)]),
        ("SELECT histogram(k) FROM (SELECT CAST(NULL AS varchar)) AS t(k)", [(None,)]),
        (
            "SELECT map_union(m) FROM (VALUES MAP(ARRAY['a'], ARRAY[1]), NULL, MAP(ARRAY['b'], ARRAY[2])) AS t(m)",
            [({"a": 1, "b": 2},)],
        ),
        (
            """SELECT max(v, 2), min(v, 2), max_by(k, v, 2), min_by(k, v)
            FROM (VALUES ('a', 1), ('b', 2), (NULL, 3)) AS t(k, v)""",
            [([3, 2], [1, 2], [None, "b"], "a")],
        ),
        (
            "SELECT bitwise_and_agg(v), bitwise_or_agg(v), bitwise_xor_agg(v) FROM (VALUES 12, 10) AS t(v)",
            [(8, 14, 6)],
        ),
        ("SELECT listagg(s) WITHIN GROUP (ORDER BY s) FROM (VALUES 'b', 'a') AS t(s)", [("ab",)]),
        ("SELECT approx_percentile(v, ARRAY[0.0, 0.5, 1.0]) FROM (VALUES 1, 2, 3) AS t(v)", [([1, 2, 3],)]),
        ("SELECT approx_distinct(v, 0.01) FROM (VALUES 1, 1, 3) AS t(v)", [(2,)]),
        ("SELECT geometric_mean(v) FROM (VALUES 2, 8) AS t(v)", [(4.0,)]),
        ("SELECT regr_slope(y, x), regr_intercept(y, x) FROM (VALUES (1, 5), (2, 7)) AS t(x, y)", [(2.0, 3.0)]),
        (
            """SELECT t FROM (VALUES TIMESTAMP '2024-01-01 00:00 Europe/Berlin',
            TIMESTAMP '2023-01-01 00:00 Europe/Berlin') AS v(t) WHERE t > TIMESTAMP '2023-06-01 00:00 UTC'""",
            [("2024-01-01 00:00:00.000 Europe/Berlin",)],
        ),
        (
            """SELECT date_trunc('day', block_time AT TIME ZONE 'Europe/Berlin'), count(*) > 0 FROM dex.trades
            GROUP BY 1 ORDER BY 1 LIMIT 1""",
            [("2026-05-02 00:00:00.000 Europe/Berlin", True)],
        ),
        ("SELECT bitwise_and(a, b), bitwise_or(a / 2, b) FROM (VALUES (7, 5)) AS t(a, b)", [(5, 7)]),
        (
            """SELECT (a, b) IN ((1, 2), (3, 4)), (a, b) NOT IN ((2, 2))
            FROM (VALUES (1, NULL), (1, 2), (2, NULL)) AS t(a, b)""",
            [(None, True), (True, True), (False, None)],
        ),
        (
            """SELECT CAST(t AS timestamp with time zone)
            FROM (VALUES '2024-07-01 00:00 UTC', '2024-07-01 00:00') AS v(t)""",
            [("2024-07-01 00:00:00.000 UTC",)] * 2,
        ),
    ],
)  # fmt: skip
def test_rows(run, sql, rows):
    assert [tuple(row.values()) for row in run(sql).rows] == rows


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("(1, 2) IN (SELECT 1, 2)", "line 1:9: IN of several columns takes a list of rows"),
        (
            "CAST(t AS timestamp with time zone) FROM (VALUES '2024-07-01 00:00:00 Europe/Berlin') AS v(t)",
            "casts no text with a time zone other than UTC",
        ),
        (
            "CAST(t AS timestamp with time zone) FROM (VALUES '2024-07-01 00:00:00 +05:30') AS v(t)",
            "casts no text with a time zone other than UTC",
        ),
        ("ROW(1, 2)[3]", "A field of a row is a position from 1 to the number of its fields"),
        (f"r[0] FROM (SELECT {PAIR} AS r)", "A field of a row is a position from 1"),
        ("CAST(ARRAY['1', 'x'] AS ARRAY(bigint))", "Cannot cast 'x' to BIGINT"),
        ("CAST(1 AS ARRAY(bigint))", "line 1:13: Cannot cast integer to array(bigint)"),
        ("CAST(ROW(1, ARRAY[2]) AS ROW(a bigint, b ARRAY(ROW(c bigint))))", "Cannot cast integer to row(c bigint)"),
        ("CAST(ROW(1, 2) AS ROW(a bigint))", "Cannot cast STRUCTs of different size"),
        ("CAST(ARRAY[1] AS ARRAY(time))", "The type time is not supported by this emulator"),
        ("MAP(ARRAY[1], ARRAY[2]) = MAP(ARRAY[1], ARRAY[2])", "The comparison of maps is not supported"),
        ("ARRAY[1, 2] < ARRAY[1, NULL]", "Comparing array(integer) with < is not supported"),
        ("ARRAY[1] IN (ARRAY[NULL])", "Comparing array(integer) with IN is not supported"),
        ("(1, 2) = (1, 2, 3)", "Rows of different size cannot be compared"),
        ("1 FROM UNNEST(5) AS t(x)", "Cannot unnest type: integer"),
        ("1 FROM UNNEST(ARRAY[ROW(1, 2)]) AS t(x)", "Column alias list has 1 entries but UNNEST has 2 columns"),
        ("transform_keys(MAP(ARRAY['a', 'b'], ARRAY[1, 2]), (k, v) -> 1)", "Duplicate map keys are not allowed"),
        ("map_from_entries(ARRAY[(1, 'x'), (1, 'y')])", "Duplicate map keys are not allowed"),
        ("map_from_entries(ARRAY[(CAST(NULL AS integer), 'x')])", "map key cannot be null"),
        ("zip_with(ARRAY[1], ARRAY[2], x -> x)", "The last argument must be a lambda with 2 parameters"),
        ("array_sort(ARRAY[2, 1], (x, y) -> x - y + 5)", "Lambda comparator must return either -1, 0, or 1"),
        ("ngrams(ARRAY[1], 0)", "N must be positive"),
        ("trim_array(ARRAY[1], 2)", "size must not exceed array cardinality 1: 2"),
        ("from_base58('0O')", "Invalid base58 string: 0O"),
        ("varbinary_to_integer(0x0000000001)", "bytearray is longer than 4 bytes: 5"),
        ("varbinary_to_decimal(0x7fffffffffffffffffffffffffffffff)", "DECIMAL(38,0)"),
        ("from_big_endian_64(0x01)", "expected 8-byte input, but got instead: 1"),
        ("bytearray_replace(0x01, X'', 0x02)", "The bytes to replace must not be empty"),
        ("address_32_from_hex('0xg')", "Invalid address: g"),
        ("bitwise_left_shift(UINT256 '1', 256)", "uint256 shift overflow: 256 bits"),
        ("bitwise_left_shift(UINT256 '3', 255)", "Value does not fit uint256"),
        ("bitwise_not(UINT256 '3')", "bitwise_not of uint256 is not supported"),
        ("json_parse('x')", "Cannot convert value to JSON: 'x'"),
        ("json_query('[{\"a\": 1}]', 'lax $.a')", "that reads a key of an array is not supported"),
        ("json_query('{\"a\": 1}', 'lax $.a[0]')", "that reads a position of what is no array is not supported"),
        ("json_query('{}', 'strict $.a')", "The JSON path 'strict $.a' is not supported"),
        ("json_query('{}', 'lax $.a' WITH WRAPPER)", "json_query is supported with OMIT QUOTES alone"),
        ("json_value('{}', 'lax $.a' RETURNING bigint)", "json_value is supported with RETURNING varchar alone"),
        ("url_extract_path('dune.com/a')", "A URL without a scheme or with escapes is not supported"),
        ("width_bucket(1, 2, 2, 3)", "bounds cannot equal each other"),
        ("random(0)", "bound must be positive"),
        ("random(1.5)", "random takes whole numbers"),
        ("luhn_check('a')", "Input must contain only digits: a"),
        ("now() AT TIME ZONE '+05:30'", "line 1:8: The time zone '+05:30' is not supported by this emulator"),
        ("now() AT TIME ZONE 'Europe/Nowhere'", "'Europe/Nowhere' is not a valid time zone"),
        ("now() AT TIME ZONE lower('UTC')", "The time zone must be written out as a text"),
        ("1 AT TIME ZONE 'UTC'", "AT TIME ZONE takes a timestamp, not integer"),
        ("TIMESTAMP '2024-03-31 02:30 Europe/Berlin'", "does not exist in Europe/Berlin"),
        (f"date_diff('day', {TOKYO}, now())", "date_diff of a time in a zone is not supported"),
        (f"to_iso8601({TOKYO})", "to_iso8601 of a time in a zone is not supported"),
        (f"({TOKYO}) + INTERVAL '1' MONTH", "Months and years cannot be added to a time in a zone"),
        (f"lower({TOKYO})", "Unexpected parameters (timestamp(3) with time zone) for function lower"),
        ("format_datetime(now(), 'ZZ')", "'ZZ' in format_datetime is not supported"),
        ("format_datetime(now(), lower('A'))", "The format of format_datetime must be written out as a text"),
    ],
)
def test_refusals(run, sql, message):
    with pytest.raises(SqlError) as raised:
        run(f"SELECT {sql}")
    assert message in raised.value.message


_LETTERS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58(data):
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _LETTERS[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


@settings(max_examples=25)
@given(st.lists(st.binary(max_size=70) | st.builds(bytes, st.integers(0, 40)), min_size=1, max_size=10))
def test_base58_of_any_bytes(run, samples):
    values = ", ".join(f"(X'{sample.hex()}')" for sample in samples)
    rows = run(f"SELECT x, to_base58(x) AS s, from_base58(to_base58(x)) AS back FROM (VALUES {values}) AS t(x)").rows
    for row in rows:
        assert row["s"] == base58(bytes.fromhex(row["x"][2:]))
        assert row["back"] == row["x"]


wide = st.integers(0, 2**256 - 1) | st.integers(0, 255).map(lambda bits: 2**bits)


@settings(max_examples=15)
@given(st.lists(st.tuples(wide, wide, st.integers(0, 255)), min_size=1, max_size=10))
def test_bits_of_uint256_are_exact(run, cases):
    values = ", ".join(f"(UINT256 '{a}', UINT256 '{b}', {n})" for a, b, n in cases)
    rows = run(f"""
        SELECT CAST(a AS varchar) AS a, CAST(b AS varchar) AS b, n, bitwise_and(a, b) AS both, bitwise_or(a, b) AS any,
               bitwise_xor(a, b) AS one, bitwise_right_shift(a, n) AS less, try(bitwise_left_shift(a, n)) AS more,
               CAST(a AS varbinary) AS bytes
        FROM (VALUES {values}) AS t(a, b, n)
    """).rows
    for row in rows:
        a, b, n = int(row["a"]), int(row["b"]), row["n"]
        assert [row["both"], row["any"], row["one"], row["less"]] == [str(a & b), str(a | b), str(a ^ b), str(a >> n)]
        assert row["more"] == (str(a << n) if a << n < 2**256 else None)
        assert row["bytes"] == "0x" + a.to_bytes(32, "big").hex()


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
