"""What DuneSQL answers: the values and types that Trino's documentation gives, page by page."""

import math
from decimal import ROUND_HALF_UP, Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_dune.emulator.dunesql import compile_sql
from dagster_dune.emulator.engine.engine import Engine
from dagster_dune.emulator.sql_errors import SqlError

TIMESTAMP, ZONED, INTERVAL = "timestamp(3)", "timestamp(3) with time zone", "interval day to second"
MAX = 2**256 - 1


@pytest.fixture(scope="module")
def engine():
    opened = Engine(None)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def run(engine):
    return lambda sql: engine.select(compile_sql(sql, parameters={}, views={}.get)).run()


@pytest.fixture(scope="module")
def answer(run):
    """The value and the type of an expression."""

    def evaluate(expression, source=""):
        result = run(f"SELECT {expression} AS value {source}")
        assert len(result.rows) == 1
        return result.rows[0]["value"], result.columns[0].type

    return evaluate


# A page of https://trino.io/docs/current, then expression, value and type.
ANSWERS = {
    "functions/math": [
        ("7 / 2", 3, "integer"),
        ("-7 / 2", -3, "integer"),
        ("7 / -2", -3, "integer"),
        ("CAST(7 AS bigint) / 2", 3, "bigint"),
        ("7 / 2e0", 3.5, "double"),
        ("7e0 / 0", "Infinity", "double"),
        ("-7e0 / 0", "-Infinity", "double"),
        ("0e0 / 0", "NaN", "double"),
        ("-7 % 2", -1, "integer"),
        ("7 % -2", 1, "integer"),
        ("mod(-7, 2)", -1, "integer"),
        ("5.5 % 2", "1.5", "decimal(11,1)"),
        ("1e0 % 0", "NaN", "double"),
        ("abs(-5)", 5, "integer"),
        ("abs(-5.25)", "5.25", "decimal(3,2)"),
        ("ceil(2.1e0)", 3.0, "double"),
        ("ceiling(3)", 3, "integer"),
        ("floor(-2.1e0)", -3.0, "double"),
        ("floor(CAST(3 AS bigint))", 3, "bigint"),
        ("truncate(-2.7e0)", -2.0, "double"),
        ("round(2.5e0)", 3.0, "double"),
        ("round(-2.5e0)", -3.0, "double"),
        ("round(1.2345, 2)", "1.2300", "decimal(6,4)"),
        ("round(1.255, 2)", "1.260", "decimal(5,3)"),
        ("round(3)", 3, "integer"),
        ("sign(-3)", -1, "integer"),
        ("sign(-2.5e0)", -1.0, "double"),
        ("power(2, 10)", 1024.0, "double"),
        ("pow(2, 0.5)", math.sqrt(2), "double"),
        ("sqrt(16)", 4.0, "double"),
        ("sqrt(-1)", "NaN", "double"),
        ("cbrt(27)", 3.0, "double"),
        ("ln(1)", 0.0, "double"),
        ("ln(0)", "-Infinity", "double"),
        ("log(2, 8)", 3.0, "double"),
        ("log2(8)", 3.0, "double"),
        ("log10(1000)", 3.0, "double"),
        ("log10(-1)", "NaN", "double"),
        ("exp(0)", 1.0, "double"),
        ("pi()", math.pi, "double"),
        ("nan()", "NaN", "double"),
        ("infinity()", "Infinity", "double"),
        ("is_nan(0e0 / 0)", True, "boolean"),
        ("is_finite(1e0 / 0)", False, "boolean"),
        ("is_infinite(1e0 / 0)", True, "boolean"),
    ],
    "functions/decimal": [
        ("1.5 / 2", "0.8", "decimal(2,1)"),
        ("1 / 3.0", "0.3", "decimal(12,1)"),
        ("-1 / 8.0", "-0.1", "decimal(12,1)"),
        ("-5 / 2.00", "-2.50", "decimal(14,2)"),
        ("CAST(1 AS decimal(10,2)) / CAST(3 AS decimal(5,3))", "0.333", "decimal(14,3)"),
        ("DECIMAL '100.00' / 7.0", "14.29", "decimal(6,2)"),
        ("1.5 + 2.25", "3.75", "decimal(4,2)"),
        ("1.5 - 2", "-0.5", "decimal(12,1)"),
        ("1.5 * 2.25", "3.375", "decimal(5,3)"),
        ("CAST('12345678901234567.1' AS decimal(18,1)) * 10", "123456789012345671.0", "decimal(28,1)"),
        ("1.5 + 1e0", 2.5, "double"),
        ("1.5 / 1e0", 1.5, "double"),
        ("1.10", "1.10", "decimal(3,2)"),
        ("1e18", 1e18, "double"),
    ],
    "functions/comparison": [
        ("greatest(1, 2)", 2, "integer"),
        ("greatest(1, NULL)", None, "integer"),
        ("least('b', 'a')", "a", "varchar"),
        ("least(1, NULL, 3)", None, "integer"),
        ("2 BETWEEN 1 AND 3", True, "boolean"),
        ("NULL IS NOT DISTINCT FROM NULL", True, "boolean"),
        ("1 IS DISTINCT FROM NULL", True, "boolean"),
        ("'abc' LIKE 'a%'", True, "boolean"),
        ("'ABC' LIKE 'a%'", False, "boolean"),
        (r"'a_c' LIKE 'a\_c' ESCAPE '\'", True, "boolean"),
        (r"'abc' LIKE 'a\_c' ESCAPE '\'", False, "boolean"),
        ("1 IN (2, NULL)", None, "boolean"),
        ("'a' = 'a '", False, "boolean"),
    ],
    "functions/conditional": [
        ("CASE 2 WHEN 1 THEN 'one' WHEN 2 THEN 'two' ELSE 'many' END", "two", "varchar"),
        ("if(1 > 2, 'yes')", None, "varchar"),
        ("if(1 < 2, 'yes', 'no')", "yes", "varchar"),
        ("coalesce(NULL, 2)", 2, "integer"),
        ("nullif(1, 1)", None, "integer"),
        ("try(1 / 0)", None, "integer"),
        ("coalesce(try(1 / 0), 0)", 0, "integer"),
        ("try(CAST('x' AS bigint))", None, "bigint"),
        ("try_cast('x' AS double)", None, "double"),
    ],
    "functions/conversion": [
        ("CAST('42' AS bigint)", 42, "bigint"),
        ("CAST(2.5e0 AS bigint)", 3, "bigint"),
        ("CAST(-2.5e0 AS bigint)", -3, "bigint"),
        ("CAST(2.5 AS integer)", 3, "integer"),
        ("CAST('1.5' AS double)", 1.5, "double"),
        ("CAST(1.005 AS decimal(10,2))", "1.01", "decimal(10,2)"),
        ("CAST('7' AS decimal)", "7", "decimal(38,0)"),
        ("CAST(1e18 AS varchar)", "1.0E18", "varchar"),
        ("CAST(12345678.9e0 AS varchar)", "1.23456789E7", "varchar"),
        ("CAST(1234567.5e0 AS varchar)", "1234567.5", "varchar"),
        ("CAST(0.001e0 AS varchar)", "0.001", "varchar"),
        ("CAST(0.0001e0 AS varchar)", "1.0E-4", "varchar"),
        ("CAST(-1.25e-7 AS varchar)", "-1.25E-7", "varchar"),
        ("CAST(0e0 AS varchar)", "0.0", "varchar"),
        ("CAST(0e0 / 0 AS varchar)", "NaN", "varchar"),
        ("CAST(1e0 / 0 AS varchar)", "Infinity", "varchar"),
        ("CAST(1.50 AS varchar)", "1.50", "varchar"),
        ("CAST(true AS varchar)", "true", "varchar"),
        ("CAST('abc' AS varchar(2))", "ab", "varchar"),
        ("CAST(DATE '2024-01-02' AS varchar)", "2024-01-02", "varchar"),
        ("CAST(TIMESTAMP '2024-01-02 03:04:05' AS varchar)", "2024-01-02 03:04:05.000", "varchar"),
        ("CAST(from_unixtime(0.5) AS varchar)", "1970-01-01 00:00:00.500 UTC", "varchar"),
        ("CAST(0xAB AS varchar)", "0xab", "varchar"),
        ("CAST('ab' AS varbinary)", "0x6162", "varbinary"),
        ("CAST('2024-01-02' AS date)", "2024-01-02", "date"),
        ("CAST(TIMESTAMP '2024-01-02 03:04:05' AS date)", "2024-01-02", "date"),
        ("CAST(NULL AS varbinary)", None, "varbinary"),
        ("format('%s%%', 123)", "123%", "varchar"),
        ("format('%.5f', pi())", "3.14159", "varchar"),
        ("format('%.2f', 1.005e0)", "1.01", "varchar"),
        ("format('%.2f', 0.125e0)", "0.13", "varchar"),
        ("format('%.0f', 1e18)", "1000000000000000000", "varchar"),
        ("format('%03d', 8)", "008", "varchar"),
        ("format('%04d', -8)", "-008", "varchar"),
        ("format('%,.2f', 1234567.89)", "1,234,567.89", "varchar"),
        ("format('%,d', -123456)", "-123,456", "varchar"),
        ("format('%-7s,%7s', 'hello', 'world')", "hello  ,  world", "varchar"),
        ("format('%s', 1e7)", "1.0E7", "varchar"),
        ("format('%s', NULL)", "null", "varchar"),
    ],
    "functions/string": [
        ("concat('a', 'b', 'c')", "abc", "varchar"),
        ("concat('a', CAST(NULL AS varchar))", None, "varchar"),
        ("'a' || 'b'", "ab", "varchar"),
        ("length('h\u00e9llo')", 5, "bigint"),
        ("lower('ABC') || upper('abc')", "abcABC", "varchar"),
        ("lpad('abcd', 2, 'x')", "ab", "varchar"),
        ("rpad('a', 4, 'xy')", "axyx", "varchar"),
        ("trim('  a\t')", "a", "varchar"),
        ("ltrim('  a ')", "a ", "varchar"),
        ("rtrim(' a  ')", " a", "varchar"),
        ("trim(BOTH '$' FROM '$var$')", "var", "varchar"),
        ("trim(TRAILING 'ER' FROM upper('worker'))", "WORK", "varchar"),
        ("replace('abcabc', 'b')", "acac", "varchar"),
        ("replace('abc', 'b', 'x')", "axc", "varchar"),
        ("reverse('abc')", "cba", "varchar"),
        ("split('a,b,', ',')", ["a", "b", ""], "array(varchar)"),
        ("split_part('a,b', ',', 2)", "b", "varchar"),
        ("split_part('a,b', ',', 3)", None, "varchar"),
        ("strpos('abc', 'c')", 3, "bigint"),
        ("strpos('abc', 'x')", 0, "bigint"),
        ("position('b' IN 'abc')", 2, "bigint"),
        ("substr('hello', 2)", "ello", "varchar"),
        ("substr('hello', 2, 3)", "ell", "varchar"),
        ("substr('hello', -3)", "llo", "varchar"),
        ("substr('hello', -3, 2)", "ll", "varchar"),
        ("substr('hello', 0)", "", "varchar"),
        ("substr('hello', -9)", "", "varchar"),
        ("substring('hello', 6)", "", "varchar"),
        ("substring('hello' FROM 2 FOR 3)", "ell", "varchar"),
        ("substr(CAST(NULL AS varchar), 0)", None, "varchar"),
        ("starts_with('abc', 'ab')", True, "boolean"),
        ("ends_with('abc', 'bc')", True, "boolean"),
        ("levenshtein_distance('apple', 'epplea')", 2, "bigint"),
        ("chr(65)", "A", "varchar"),
    ],
    "functions/regexp": [
        (r"regexp_extract('1a 2b 14m', '\d+')", "1", "varchar"),
        (r"regexp_extract('1a 2b 14m', '(\d+)([a-z]+)', 2)", "a", "varchar"),
        ("regexp_extract('abc', 'x')", None, "varchar"),
        (r"regexp_extract_all('1a 2b 14m', '\d+')", ["1", "2", "14"], "array(varchar)"),
        (r"regexp_like('1a 2b 14m', '\d+b')", True, "boolean"),
        (r"regexp_replace('1a 2b 14m', '\d+[ab] ')", "14m", "varchar"),
        (r"regexp_replace('1a 2b 14m', '(\d+)([ab]) ', '3c$2 ')", "3ca 3cb 14m", "varchar"),
        (r"regexp_replace('ab', 'b', '\$')", "a$", "varchar"),
    ],
    "functions/datetime": [
        ("current_date", "2026-07-01", "date"),
        ("now()", "2026-07-01 00:00:00.000 UTC", ZONED),
        ("current_timestamp", "2026-07-01 00:00:00.000 UTC", ZONED),
        ("now() AT TIME ZONE 'UTC'", "2026-07-01 00:00:00.000 UTC", ZONED),
        ("DATE '2012-08-08' + INTERVAL '2' DAY", "2012-08-10", "date"),
        ("DATE '2012-08-08' - INTERVAL '2' DAY", "2012-08-06", "date"),
        ("INTERVAL '2' DAY + DATE '2012-08-08'", "2012-08-10", "date"),
        ("TIMESTAMP '2012-08-08 01:00' + INTERVAL '29' HOUR", "2012-08-09 06:00:00.000", TIMESTAMP),
        ("TIMESTAMP '2012-10-31 01:00' + INTERVAL '1' MONTH", "2012-11-30 01:00:00.000", TIMESTAMP),
        ("INTERVAL '2' DAY + INTERVAL '3' HOUR", "2 03:00:00.000", INTERVAL),
        ("INTERVAL '2' DAY * 2", "4 00:00:00.000", INTERVAL),
        ("DATE '2024-01-08' - DATE '2024-01-01'", "7 00:00:00.000", INTERVAL),
        ("TIMESTAMP '2024-01-02 00:00' - TIMESTAMP '2024-01-02 01:30'", "-0 01:30:00.000", INTERVAL),
        ("date_add('second', 86, TIMESTAMP '2020-03-01 00:00:00')", "2020-03-01 00:01:26.000", TIMESTAMP),
        ("date_add('hour', 9, TIMESTAMP '2020-03-01 00:00:00')", "2020-03-01 09:00:00.000", TIMESTAMP),
        ("date_add('day', -1, TIMESTAMP '2020-03-01 00:00:00 UTC')", "2020-02-29 00:00:00.000 UTC", ZONED),
        ("date_add('day', 1, DATE '2020-02-28')", "2020-02-29", "date"),
        ("date_add('month', 1, DATE '2024-01-31')", "2024-02-29", "date"),
        ("date_diff('second', TIMESTAMP '2020-03-01 00:00:00', TIMESTAMP '2020-03-02 00:00:00')", 86400, "bigint"),
        ("date_diff('hour', TIMESTAMP '2020-03-01 00:00:00 UTC', TIMESTAMP '2020-03-02 00:00:00 UTC')", 24, "bigint"),
        ("date_diff('day', DATE '2020-03-01', DATE '2020-03-02')", 1, "bigint"),
        ("date_diff('day', TIMESTAMP '2024-01-01 23:00:00', TIMESTAMP '2024-01-02 01:00:00')", 0, "bigint"),
        ("date_diff('month', DATE '2024-03-31', DATE '2024-01-31')", -2, "bigint"),
        *(
            (f"date_trunc('{unit}', TIMESTAMP '2001-08-22 03:04:05.321')", value, TIMESTAMP)
            for unit, value in {
                "second": "2001-08-22 03:04:05.000",
                "minute": "2001-08-22 03:04:00.000",
                "hour": "2001-08-22 03:00:00.000",
                "day": "2001-08-22 00:00:00.000",
                "week": "2001-08-20 00:00:00.000",
                "month": "2001-08-01 00:00:00.000",
                "quarter": "2001-07-01 00:00:00.000",
                "year": "2001-01-01 00:00:00.000",
            }.items()
        ),
        ("date_trunc('month', DATE '2001-08-22')", "2001-08-01", "date"),
        ("date_trunc('day', now())", "2026-07-01 00:00:00.000 UTC", ZONED),
        ("date('2024-01-02')", "2024-01-02", "date"),
        ("date_format(TIMESTAMP '2022-10-20 05:10:00', '%m-%d-%Y %H')", "10-20-2022 05", "varchar"),
        (
            "date_format(TIMESTAMP '2022-10-20 15:10:09', '%e %b %y %h:%i:%s %p %%')",
            "20 Oct 22 03:10:09 PM %",
            "varchar",
        ),
        ("from_unixtime(1e9)", "2001-09-09 01:46:40.000 UTC", ZONED),
        ("to_unixtime(TIMESTAMP '2001-09-09 01:46:40.5')", 1000000000.5, "double"),
        ("year(DATE '2024-12-30')", 2024, "bigint"),
        ("year_of_week(DATE '2024-12-30')", 2025, "bigint"),
        ("week(DATE '2024-12-30')", 1, "bigint"),
        ("quarter(DATE '2024-12-30')", 4, "bigint"),
        ("day_of_week(DATE '2024-01-07')", 7, "bigint"),
        ("day_of_year(DATE '2024-02-01')", 32, "bigint"),
        ("last_day_of_month(DATE '2024-02-01')", "2024-02-29", "date"),
        ("extract(YEAR FROM TIMESTAMP '2022-10-20 05:10:00')", 2022, "bigint"),
        ("extract(DOW FROM DATE '2024-01-07')", 7, "bigint"),
        ("minute(TIMESTAMP '2022-10-20 05:10:07')", 10, "bigint"),
    ],
    "functions/array": [
        ("ARRAY[1, 2]", [1, 2], "array(integer)"),
        ("ARRAY[1, 2][1]", 1, "integer"),
        ("ARRAY[1, 2] || ARRAY[3]", [1, 2, 3], "array(integer)"),
        ("element_at(ARRAY['a', 'b'], 2)", "b", "varchar"),
        ("element_at(ARRAY['a', 'b'], -1)", "b", "varchar"),
        ("element_at(ARRAY['a', 'b'], 3)", None, "varchar"),
        ("cardinality(ARRAY[1, NULL])", 2, "bigint"),
        ("contains(ARRAY[1, 2], 2)", True, "boolean"),
        ("contains(ARRAY[1, 2], 3)", False, "boolean"),
        ("contains(ARRAY[1, NULL], 3)", None, "boolean"),
        ("array_max(ARRAY[1, 3, 2])", 3, "integer"),
        ("array_max(ARRAY[1, NULL])", None, "integer"),
        ("array_min(ARRAY[1, 3, 2])", 1, "integer"),
        ("sequence(1, 4)", [1, 2, 3, 4], "array(bigint)"),
        ("sequence(3, 1)", [3, 2, 1], "array(bigint)"),
        ("sequence(0, 10, 5)", [0, 5, 10], "array(bigint)"),
        ("sequence(DATE '2024-01-01', DATE '2024-01-03')", ["2024-01-01", "2024-01-02", "2024-01-03"], "array(date)"),
        (
            "sequence(DATE '2024-01-31', DATE '2024-03-01', INTERVAL '1' MONTH)",
            ["2024-01-31", "2024-02-29"],
            "array(date)",
        ),
        ("transform(ARRAY[5, 6], x -> x + 1)", [6, 7], "array(integer)"),
        ("transform(ARRAY[5, 6], x -> x / 2)", [2, 3], "array(integer)"),
        ("filter(ARRAY[5, -6, NULL, 7], x -> x > 0)", [5, 7], "array(integer)"),
    ],
    "functions/json": [
        ("json_extract_scalar('[1, 2, 3]', '$[2]')", "3", "varchar"),
        ("""json_extract_scalar('{"a": {"b-c": "x"}}', '$.a["b-c"]')""", "x", "varchar"),
        ("""json_extract_scalar('{"a": {"b": 1}}', '$.a')""", None, "varchar"),
        ("""json_extract_scalar('{"a": null}', '$.a')""", None, "varchar"),
        ("""json_extract_scalar('{"a": true}', '$.a')""", "true", "varchar"),
        ("json_extract_scalar('no json', '$.a')", None, "varchar"),
        ("""json_extract('{"a": [1, "x"]}', '$.a[1]')""", '"x"', "json"),
        ("""CAST(json_extract('{"a": "x"}', '$.a') AS varchar)""", "x", "varchar"),
    ],
    "functions/binary": [
        ("0xDeadBeef", "0xdeadbeef", "varbinary"),
        ("X'65683F'", "0x65683f", "varbinary"),
        ("0xab || 0xcd", "0xabcd", "varbinary"),
        ("to_hex(0xabcd)", "ABCD", "varchar"),
        ("from_hex('ABcd')", "0xabcd", "varbinary"),
        ("length(0xabcdef)", 3, "bigint"),
        ("to_utf8('a')", "0x61", "varbinary"),
        ("from_utf8(0x61)", "a", "varchar"),
    ],
    # https://docs.dune.com/query-engine/Functions-and-operators/varbinary and .../datatypes
    "dune/varbinary": [
        ("bytearray_length(0xabcd)", 2, "bigint"),
        ("varbinary_length(X'')", 0, "bigint"),
        ("bytearray_substring(0xaabbcc, 2, 1)", "0xbb", "varbinary"),
        ("varbinary_substring(0xaabbcc, 2)", "0xbbcc", "varbinary"),
        ("bytearray_concat(0xaa, 0xbb)", "0xaabb", "varbinary"),
        ("bytearray_to_bigint(0x0100)", 256, "bigint"),
        ("bytearray_to_bigint(0xffffffffffffffff)", -1, "bigint"),
        ("bytearray_to_uint256(0xff)", "255", "uint256"),
        (f"varbinary_to_uint256(0x{'ff' * 32})", str(MAX), "uint256"),
        (f"bytearray_to_int256(0x{'ff' * 32})", "-1", "int256"),
        ("bytearray_to_int256(0x80" + "00" * 31 + ")", str(-(2**255)), "int256"),
    ],
    "dune/uint256": [
        (f"CAST('{MAX}' AS uint256)", str(MAX), "uint256"),
        ("UINT256 '12'", "12", "uint256"),
        ("CAST(3 AS uint256) + 4", "7", "uint256"),
        ("CAST(3 AS uint256) * 4", "12", "uint256"),
        ("CAST(7 AS uint256) / 2", "3", "uint256"),
        ("7 % CAST(4 AS uint256)", "3", "uint256"),
        ("CAST(7 AS uint256) - 7", "0", "uint256"),
        ("CAST(1 AS int256) - CAST(2 AS int256)", "-1", "int256"),
        ("-CAST(1 AS int256)", "-1", "int256"),
        ("abs(CAST(-5 AS int256))", "5", "uint256"),
        ("CAST(1 AS uint256) / 2e0", 0.5, "double"),
        ("CAST('1000000000000000000' AS uint256) / 1e18", 1.0, "double"),
        ("CAST('5' AS uint256) > 4", True, "boolean"),
        ("CAST(CAST('5' AS uint256) AS double)", 5.0, "double"),
        ("CAST(CAST('5' AS uint256) AS varchar)", "5", "varchar"),
        ("CAST(CAST('5' AS uint256) AS bigint)", 5, "bigint"),
        ("CAST(CAST('5' AS uint256) AS decimal(10,2))", "5.00", "decimal(10,2)"),
        ("CAST(2.5e0 AS uint256)", "3", "uint256"),
        ("CAST(2.5 AS uint256)", "3", "uint256"),
        ("TRY_CAST('x' AS uint256)", None, "uint256"),
        ("coalesce(CAST(NULL AS uint256), 1)", "1", "uint256"),
        ("round(CAST(3 AS uint256))", "3", "uint256"),
    ],
}


@pytest.mark.parametrize(
    ("expression", "value", "type_"),
    [pytest.param(*case, id=f"{page} {case[0]}") for page, cases in ANSWERS.items() for case in cases],
)
def test_expression(answer, expression, value, type_):
    assert answer(expression) == (pytest.approx(value) if isinstance(value, float) else value, type_)


ROWS = "FROM (VALUES (1, 10, 'a'), (2, NULL, 'b'), (NULL, 30, 'a'), (4, 20, NULL)) AS t(x, y, s)"


@pytest.mark.parametrize(
    ("expression", "value", "type_"),
    [
        ("sum(x)", 7, "bigint"),
        ("sum(CAST(x AS double))", 7.0, "double"),
        ("sum(x * 1.5)", "10.5", "decimal(38,1)"),
        ("sum(CAST(x AS uint256))", "7", "uint256"),
        ("sum(DISTINCT x / 2)", 3, "bigint"),
        ("avg(x)", 7 / 3, "double"),
        ("avg(x * 1.0)", "2.3", "decimal(12,1)"),
        ("avg(CAST(NULL AS decimal(5,2)))", None, "decimal(5,2)"),
        ("avg(CAST(x AS uint256))", 7 / 3, "double"),
        ("count(*)", 4, "bigint"),
        ("count(x)", 3, "bigint"),
        ("count(DISTINCT s)", 2, "bigint"),
        ("approx_distinct(s)", 2, "bigint"),
        ("count(*) FILTER (WHERE x > 1)", 2, "bigint"),
        ("count_if(x > 1)", 2, "bigint"),
        ("min(s) || max(s)", "ab", "varchar"),
        ("max(CAST(x AS uint256))", "4", "uint256"),
        ("max_by(x, y)", None, "integer"),
        ("min_by(x, y)", 1, "integer"),
        ("arbitrary(s) IN ('a', 'b')", True, "boolean"),
        ("approx_percentile(x, 0.5)", 2, "integer"),
        ("array_agg(x ORDER BY x DESC)", [4, 2, 1, None], "array(integer)"),
        ("array_agg(s ORDER BY s) FILTER (WHERE s IS NOT NULL)", ["a", "a", "b"], "array(varchar)"),
        ("listagg(s, '+') WITHIN GROUP (ORDER BY x)", "a+b+a", "varchar"),
        ("bool_or(x > 3)", True, "boolean"),
        ("every(x > 3)", False, "boolean"),
        ("stddev(x)", 1.5275252316519468, "double"),
        ("corr(x, y)", 1.0, "double"),
        ("sum(x) / count(x)", 2, "bigint"),
        ("sum(x) / 2.0", "3.5", "decimal(21,1)"),
        ("sum(x) * 1e0 / count(*)", 1.75, "double"),
    ],
)
def test_aggregate(answer, expression, value, type_):
    assert answer(expression, ROWS) == (pytest.approx(value) if isinstance(value, float) else value, type_)


@pytest.mark.parametrize(
    ("expression", "values", "type_"),
    [
        ("row_number() OVER (ORDER BY x)", [1, 2, 3], "bigint"),
        ("rank() OVER (ORDER BY s)", [1, 3, 1], "bigint"),
        ("sum(x) OVER (ORDER BY x)", [1, 3, 6], "bigint"),
        ("sum(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)", [1, 3, 5], "bigint"),
        ("avg(x * 1.0) OVER (PARTITION BY s)", ["2.0", "2.0", "2.0"], "decimal(12,1)"),
        ("lag(x) OVER (ORDER BY x)", [None, 1, 2], "integer"),
        ("lead(x, 1, 0) OVER (ORDER BY x)", [2, 3, 0], "integer"),
        ("lag(y) IGNORE NULLS OVER (ORDER BY x)", [None, 10, 10], "integer"),
        ("first_value(y) IGNORE NULLS OVER (ORDER BY x DESC)", [10, None, None], "integer"),
        ("last_value(x) OVER (ORDER BY x)", [1, 2, 3], "integer"),
        ("nth_value(x, 2) OVER w", [None, 2, 2], "integer"),
        ("count(*) OVER ()", [3, 3, 3], "bigint"),
        ("x * 1e0 / sum(x) OVER ()", [1 / 6, 2 / 6, 3 / 6], "double"),
        ("count_if(x > 1) OVER (ORDER BY x)", [0, 1, 2], "bigint"),
        ("sum(sum(x)) OVER (ORDER BY x)", [1, 3, 6], "bigint"),
        ("sum(sum(x)) OVER (PARTITION BY x / 2)", [1, 5, 5], "bigint"),
        ("sum(x) OVER (PARTITION BY x % 2 ORDER BY x / 2.0)", [1, 2, 4], "bigint"),
        ("x / sum(x) OVER ()", [0, 0, 0], "bigint"),
        ("x / CAST(sum(x) OVER () AS decimal(10,2))", ["0.17", "0.33", "0.50"], "decimal(14,2)"),
    ],
)
def test_window(run, expression, values, type_):
    source = "FROM (VALUES (1, 10, 'a'), (2, NULL, 'b'), (3, NULL, 'a')) AS t(x, y, s)"
    grouped = "GROUP BY x, y, s" if "sum(sum" in expression else ""
    result = run(f"SELECT x, {expression} AS value {source} {grouped} WINDOW w AS (ORDER BY x) ORDER BY x")
    assert [row["value"] for row in result.rows] == pytest.approx(values, nan_ok=True)
    assert result.columns[1].type == type_


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        pytest.param("SELECT 1, 2 AS b, 3", [[1, 2, 3]], id="select/unnamed columns"),
        pytest.param("VALUES (1, 'a'), (2, 'b')", [[1, "a"], [2, "b"]], id="sql/values"),
        pytest.param("SELECT b, a FROM (VALUES (1, 2)) AS t(a, b)", [[2, 1]], id="select/table alias"),
        pytest.param("WITH t AS (SELECT 1 AS a) SELECT a FROM T", [[1]], id="select/with"),
        pytest.param(
            "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT n FROM t",
            [[1], [2], [3]],
            id="select/with recursive",
        ),
        pytest.param("SELECT 1 UNION SELECT 1", [[1]], id="select/union"),
        pytest.param("SELECT 1 INTERSECT SELECT 2", [], id="select/intersect"),
        pytest.param("SELECT 1 EXCEPT SELECT 2", [[1]], id="select/except"),
        pytest.param("(SELECT 1)", [[1]], id="select/parentheses"),
        pytest.param(
            "SELECT x FROM (VALUES 2, NULL, 1) AS t(x) ORDER BY x", [[1], [2], [None]], id="select/nulls last"
        ),
        pytest.param(
            "SELECT x FROM (VALUES 2, NULL, 1) AS t(x) ORDER BY x DESC", [[2], [1], [None]], id="select/nulls last desc"
        ),
        pytest.param(
            "SELECT x FROM (VALUES 2, NULL, 1) AS t(x) ORDER BY 1 NULLS FIRST",
            [[None], [1], [2]],
            id="select/nulls first",
        ),
        pytest.param("SELECT x FROM (VALUES 1, 2, 3) AS t(x) ORDER BY x OFFSET 1 LIMIT 1", [[2]], id="select/offset"),
        pytest.param("SELECT x FROM (VALUES 1, 2) AS t(x) ORDER BY x LIMIT ALL", [[1], [2]], id="select/limit all"),
        pytest.param(
            "SELECT x FROM (VALUES 1, 2, 3) AS t(x) ORDER BY x FETCH FIRST 2 ROWS ONLY", [[1], [2]], id="select/fetch"
        ),
        pytest.param(
            "SELECT s, count(*) FROM (VALUES 'a', 'b', 'a') AS t(s) GROUP BY 1 ORDER BY 1",
            [["a", 2], ["b", 1]],
            id="select/group by ordinal",
        ),
        pytest.param(
            "SELECT x / 2, count(*) FROM (VALUES 1, 2, 3) AS t(x) GROUP BY x / 2 HAVING count(*) > 1",
            [[1, 2]],
            id="select/group by expression",
        ),
        pytest.param(
            "SELECT s, sum(x), grouping(s) FROM (VALUES ('a', 1), ('b', 2)) AS t(s, x) GROUP BY ROLLUP (s) ORDER BY 1",
            [["a", 1, 0], ["b", 2, 0], [None, 3, 1]],
            id="select/rollup",
        ),
        pytest.param(
            "SELECT a.x, b.y FROM (VALUES 1, 2) AS a(x) LEFT JOIN (VALUES (1, 'q')) AS b(x, y) ON a.x = b.x ORDER BY 1",
            [[1, "q"], [2, None]],
            id="select/left join",
        ),
        pytest.param(
            "SELECT x FROM (VALUES 1, 2) AS a(x) JOIN (VALUES 2, 3) AS b(x) USING (x)", [[2]], id="select/using"
        ),
        pytest.param(
            "SELECT t.k, u.v FROM (VALUES ('a', ARRAY[1, 2])) AS t(k, l) CROSS JOIN UNNEST(t.l) AS u(v) ORDER BY 2",
            [["a", 1], ["a", 2]],
            id="select/unnest",
        ),
        pytest.param(
            "SELECT max(v) FROM UNNEST(sequence(DATE '2024-01-01', DATE '2024-01-03')) AS u(v)",
            [["2024-01-03"]],
            id="select/unnest of constants",
        ),
        pytest.param(
            "SELECT n, sum(v / 2) FROM (VALUES 3, 4) t(n) CROSS JOIN UNNEST(sequence(1, n)) u(v) GROUP BY n ORDER BY 1",
            [[3, 2], [4, 4]],
            id="select/unnest of an expression",
        ),
        pytest.param(
            "SELECT x / 2, sum(sum(x)) OVER (PARTITION BY x / 2) FROM (VALUES 2, 3) AS t(x) GROUP BY x / 2",
            [[1, 5]],
            id="select/group and partition by an expression",
        ),
        pytest.param(
            "SELECT v, n FROM UNNEST(ARRAY['x', 'y']) WITH ORDINALITY AS u(v, n) ORDER BY n",
            [["x", 1], ["y", 2]],
            id="select/ordinality",
        ),
        pytest.param(
            "SELECT x FROM (VALUES 1, 2) AS t(x) WHERE EXISTS (SELECT 1 FROM (VALUES 2) AS u(y) WHERE y = t.x)",
            [[2]],
            id="select/exists",
        ),
        pytest.param(
            "SELECT x / (SELECT max(y) FROM (VALUES 2, 3) AS u(y)) FROM (VALUES 7) AS t(x)",
            [[2]],
            id="select/scalar subquery",
        ),
        pytest.param("SELECT x FROM (VALUES 1, 2) AS t(x) WHERE x = ANY (SELECT 2)", [[2]], id="select/any"),
        pytest.param("SELECT x FROM (VALUES 1, 2) AS t(x) WHERE (x, 1) IN ((2, 1))", [[2]], id="select/row in"),
        pytest.param(
            "SELECT o.x, l.y FROM (VALUES 1) AS o(x) CROSS JOIN LATERAL (SELECT o.x + 1 AS y) AS l",
            [[1, 2]],
            id="select/lateral",
        ),
        pytest.param("SELECT 1; -- done", [[1]], id="trailing semicolon and comment"),
        pytest.param("SELECT max(Block_Number) > 0 FROM DEX.Trades", [[True]], id="names without case"),
        pytest.param("SELECT trades.blockchain FROM dex.trades LIMIT 0", [], id="table name as qualifier"),
    ],
)
def test_syntax(run, sql, rows):
    assert [list(row.values()) for row in run(sql).rows] == rows


def test_unnamed_columns_are_named_by_their_place(run):
    assert [column.name for column in run("SELECT 1, 2 AS b, (SELECT 3)").columns] == ["_col0", "b", "_col2"]
    assert [column.name for column in run("SELECT * FROM (VALUES (1, 2))").columns] == ["_col0", "_col1"]


def test_types_follow_columns_through_subqueries(run):
    result = run("""
        WITH raw AS (SELECT CAST('7' AS uint256) AS big, 7 AS small, 7.0 AS exact, 7e0 AS rough, DATE '2024-01-31' day),
        moved AS (SELECT big, small, exact, rough, day + INTERVAL '1' MONTH AS day FROM raw)
        SELECT big / 2 AS a, small / 2 AS b, exact / 2 AS c, rough / 2 AS d, date_trunc('month', day) AS e
        FROM (SELECT * FROM moved UNION ALL SELECT * FROM moved) LIMIT 1
    """)
    assert result.rows == [{"a": "3", "b": 3, "c": "3.5", "d": 3.5, "e": "2024-02-01"}]
    assert [column.type for column in result.columns] == ["uint256", "integer", "decimal(2,1)", "double", "date"]


def test_nested_typed_functions_stay_small(run):
    """Each level once multiplied the statement; twelve of them must not be felt."""
    expression = "CAST('2' AS uint256)"
    for _ in range(12):
        expression = f"greatest(({expression} * 3 - 1) / 2, 1)"
    value = 2
    for _ in range(12):
        value = max((value * 3 - 1) // 2, 1)
    assert run(f"SELECT {expression} AS value").rows == [{"value": str(value)}]


wide = st.integers(0, MAX) | st.integers(0, 100) | st.builds(lambda bits: 2**bits, st.integers(0, 255))


@settings(max_examples=40)
@given(st.lists(st.tuples(wide, wide), min_size=1, max_size=20))
def test_256_bit_arithmetic_is_exact(run, pairs):
    values = ", ".join(f"(CAST('{a}' AS uint256), CAST('{b}' AS uint256))" for a, b in pairs)
    rows = run(f"""
        SELECT CAST(a AS varchar) AS a, CAST(b AS varchar) AS b, try(a / b) AS quotient, try(a % b) AS remainder,
               if(a >= b, a - b) AS difference,
               CASE WHEN CAST(a AS double) * CAST(b AS double) < 1e77 THEN a * b END AS product
        FROM (VALUES {values}) AS t(a, b)
    """).rows
    for row in rows:
        a, b = int(row["a"]), int(row["b"])
        assert row["quotient"] == (str(a // b) if b else None)
        assert row["remainder"] == (str(a % b) if b else None)
        assert row["difference"] == (str(a - b) if a >= b else None)
        assert row["product"] == (str(a * b) if float(a) * float(b) < 1e77 else None)


signed = st.integers(-(2**255), 2**255 - 1)


@settings(max_examples=25)
@given(st.lists(st.tuples(signed, signed.filter(bool)), min_size=1, max_size=20))
def test_signed_division_goes_toward_zero(run, pairs):
    values = ", ".join(f"(CAST('{a}' AS int256), CAST('{b}' AS int256))" for a, b in pairs)
    for row in run(
        f"SELECT CAST(a AS varchar) a, CAST(b AS varchar) b, a / b q, a % b r FROM (VALUES {values}) t(a, b)"
    ).rows:
        a, b = int(row["a"]), int(row["b"])
        quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
        assert (row["q"], row["r"]) == (str(quotient), str(a - quotient * b))


decimals = st.decimals(Decimal("-99999.999"), Decimal("99999.999"), places=3)


@settings(max_examples=25)
@given(st.lists(st.tuples(decimals, decimals.filter(bool)), min_size=1, max_size=20))
def test_decimal_division_rounds_half_away_from_zero(run, pairs):
    values = ", ".join(f"(CAST('{a}' AS decimal(8,3)), CAST('{b}' AS decimal(8,3)))" for a, b in pairs)
    result = run(f"SELECT a, b, a / b AS q FROM (VALUES {values}) AS t(a, b)")
    assert result.columns[2].type == "decimal(11,3)"
    with localcontext() as context:
        context.prec = 60
        for row in result.rows:
            exact = (Decimal(row["a"]) / Decimal(row["b"])).quantize(Decimal("0.001"), ROUND_HALF_UP)
            assert Decimal(row["q"]) == exact


@settings(max_examples=40)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_a_double_as_text_reads_back(run, numbers):
    values = ", ".join(f"{number!r}e0" if "e" not in repr(number) else repr(number) for number in numbers)
    for row in run(f"SELECT x, CAST(x AS varchar) AS s FROM (VALUES {values}) AS t(x)").rows:
        assert float(row["s"]) == row["x"]
        mantissa, _, power = row["s"].partition("E")
        is_plain = row["x"] == 0 or 1e-3 <= abs(row["x"]) < 1e7
        assert bool(power) != is_plain
        assert "." in mantissa
        assert is_plain or 1 <= abs(float(mantissa)) < 10


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT 1 / 0", "Division by zero"),
        ("SELECT 1 % 0", "Division by zero"),
        ("SELECT 1.5 / 0", "Division by zero"),
        ("SELECT CAST(1 AS uint256) / 0", "Division by zero"),
        ("SELECT 2147483647 + 1", "integer addition overflow: 2147483647 + 1"),
        (
            "SELECT sum(x) FROM (VALUES 9223372036854775807, 1) AS t(x)",
            "9223372036854775808 is out of range for bigint",
        ),
        ("SELECT CAST(1 AS uint256) - 2", "uint256 subtraction underflow: 1 - 2"),
        ("SELECT CAST(-1 AS uint256)", "Value does not fit uint256: -1"),
        (f"SELECT CAST('{2**255}' AS int256)", f"Value does not fit int256: {2**255}"),
        (f"SELECT CAST('{MAX}' AS uint256) * 2", "Column '_col0' holds a number beyond uint256"),
        ("SELECT CAST('1.5' AS bigint)", "Cannot cast '1.5' to BIGINT"),
        ("SELECT CAST('x' AS double)", "Cannot cast 'x' to double"),
        ("SELECT ARRAY[1, 2][3]", "Array subscript must be less than or equal to array length: 3 > 2"),
        ("SELECT ARRAY[1, 2][0]", "SQL array indices start at 1"),
        ("SELECT split_part('a', ',', 0)", "Index must be greater than zero"),
        (f"SELECT bytearray_to_uint256(0x{'ff' * 33})", "bytearray is longer than 32 bytes: 33"),
    ],
)
def test_failing_while_it_runs(run, sql, message):
    with pytest.raises(SqlError) as raised:
        run(sql)
    assert raised.value.message == message
    assert raised.value.type == "FAILED_TYPE_EXECUTION_FAILED"
