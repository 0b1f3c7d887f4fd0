"""What holds for any input: exact integers, decimals and bytes, types through subqueries, a bounded size."""

import math
from decimal import ROUND_HALF_UP, Decimal, localcontext

import pytest
from Crypto.Hash import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_dune.emulator.dunesql import compile_sql
from dagster_dune.emulator.engine.engine import Engine

MAX = 2**256 - 1


@pytest.fixture(scope="module")
def run():
    engine = Engine(None)
    yield lambda sql: engine.select(compile_sql(sql, parameters={}, views={}.get)).run()
    engine.close()


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
        mantissa, letter, power = row["s"].partition("E")
        assert letter
        assert row["x"] == 0 or 1 <= abs(float(mantissa)) < 10
        assert row["x"] == 0 or abs(int(power) - math.log10(abs(row["x"]))) <= 1


@pytest.mark.parametrize("length", [0, 1, 32, 135, 136, 137, 300])
def test_keccak(run, length):
    message = bytes(range(256)) * 2
    expected = keccak.new(digest_bits=256, data=message[:length]).hexdigest()
    assert run(f"SELECT keccak(X'{message[:length].hex()}') AS hash").rows == [{"hash": f"0x{expected}"}]


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
