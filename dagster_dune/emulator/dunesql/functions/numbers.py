"""Functions of numbers, bits and distributions."""

from __future__ import annotations

from collections.abc import Sequence

from dagster_dune.emulator.dunesql.functions.registry import Call, Registry
from dagster_dune.emulator.dunesql.types.trino import Type, decimal

MATH = Registry("functions/math")
_add = MATH.add


def _whole_decimal(types: Sequence[Type]) -> Type:
    """Return the type of a decimal rounded to an integer, with one more digit if it has a fraction."""
    precision, scale = types[0].args
    return decimal(precision - scale + min(scale, 1), 0)


def _one_more(types: Sequence[Type]) -> Type:
    precision, scale = types[0].args
    return decimal(precision + 1, scale)


def _first(types: Sequence[Type]) -> Type:
    return types[0]


def _rounded(name: str) -> None:
    for integer in ("tinyint", "smallint", "integer", "bigint", "uint256", "int256"):
        _add(name, f"({integer}) -> {integer}", "$1")


def _cast(template: str) -> str:
    return f"CAST({template} AS $R)"


for _name in ("ceil", "ceiling", "floor"):
    _rounded(_name)
    _duck = "floor" if _name == "floor" else "ceil"
    _add(_name, "(double) -> double", f"{_duck}($1)")
    _add(_name, "(real) -> real", _cast(f"{_duck}($1)"))
    _add(_name, "(decimal(p,s)) -> decimal(p,s)", _cast(f"{_duck}($1)"), _whole_decimal)
_rounded("round")
_add("round", "(double) -> double", "round($1)")
_add("round", "(real) -> real", _cast("round($1)"))
_add("round", "(decimal(p,s)) -> decimal(p,s)", _cast("round($1)"), _whole_decimal)


def _round_integer(call: Call) -> str:
    value, digits = call.arguments
    exact = f"py_decimal_round(CAST({value.sql} AS VARCHAR), {digits.sql})"
    if call.result.is_wide:
        return f"py_wide_cast({exact}, {str(call.result.name == 'int256').lower()})"
    return f"CAST({exact} AS {call.result.duckdb})"


for _integer in ("tinyint", "smallint", "integer", "bigint", "uint256", "int256"):
    _add("round", f"({_integer}, bigint) -> {_integer}", _round_integer)
_add("round", "(double, bigint) -> double", "trino_round($1, $2)")
_add("round", "(real, bigint) -> real", _cast("trino_round(CAST($1 AS DOUBLE), $2)"))
_add(
    "round", "(decimal(p,s), bigint) -> decimal(p,s)",
    "CAST(py_decimal_round(CAST($1 AS VARCHAR), $2) AS $R)", _one_more,
)  # fmt: skip
_add("truncate", "(double) -> double", "trunc($1)")
_add("truncate", "(real) -> real", _cast("trunc($1)"))
_add("truncate", "(real, bigint) -> real", _cast("py_truncate(CAST($1 AS DOUBLE), $2)"))
_add("truncate", "(double, bigint) -> double", "py_truncate($1, $2)")
_add(
    "truncate", "(decimal(p,s)) -> decimal(p,s)", _cast("trunc($1)"),
    lambda types: decimal(max(types[0].args[0] - types[0].args[1], 1), 0),
)  # fmt: skip
_add(
    "truncate",
    "(decimal(p,s), bigint) -> decimal(p,s)",
    "CAST(py_decimal_truncate(CAST($1 AS VARCHAR), $2) AS $R)",
    _first,
)
for _number in ("tinyint", "smallint", "integer", "bigint", "double", "real"):
    _add("abs", f"({_number}) -> {_number}", "abs($1)")
_add("abs", "(decimal(p,s)) -> decimal(p,s)", _cast("abs($1)"), _first)
_add("abs", "(uint256) -> uint256", "$1")
_add("abs", "(int256) -> int256", "py_wide_cast(ltrim(CAST($1 AS VARCHAR), '-'), true)")
for _number in ("tinyint", "smallint", "integer", "bigint"):
    _add("sign", f"({_number}) -> {_number}", _cast("sign($1)"))
_add("sign", "(double) -> double", "trino_sign($1)")
_add("sign", "(real) -> real", _cast("trino_sign(CAST($1 AS DOUBLE))"))
_add("sign", "(decimal(p,s)) -> decimal(p,s)", _cast("sign($1)"), lambda _: decimal(1, 0))
_add("cbrt", "(double) -> double", "py_cbrt($1)")
for _name in ("exp", "sin", "cos", "tan", "atan", "radians", "degrees", "sinh", "cosh", "tanh"):
    _add(_name, "(double) -> double", f"{_name}($1)")
_add("asin", "(double) -> double", "trino_asin($1)")
_add("acos", "(double) -> double", "trino_acos($1)")
_add("atan2", "(double, double) -> double", "atan2($1, $2)")
_add("ln", "(double) -> double", "trino_ln($1)")
_add("log2", "(double) -> double", "trino_log2($1)")
_add("log10", "(double) -> double", "trino_log10($1)")
_add("log", "(double, double) -> double", "trino_log($1, $2)")
_add("sqrt", "(double) -> double", "trino_sqrt($1)")
_add("power pow", "(double, double) -> double", "py_power($1, $2)")
_add("pi", "() -> double", "pi()")
_add("e", "() -> double", "CAST('2.718281828459045' AS DOUBLE)")
_add("nan", "() -> double", "CAST('NaN' AS DOUBLE)")
_add("infinity", "() -> double", "CAST('Infinity' AS DOUBLE)")
_add("is_nan", "(double) -> boolean", "isnan($1)")
_add("is_nan", "(real) -> boolean", "isnan($1)")
_add("is_finite", "(double) -> boolean", "isfinite($1)")
_add("is_infinite", "(double) -> boolean", "isinf($1)")
_add("width_bucket", "(double, double, double, bigint) -> bigint", "trino_width_bucket($1, $2, $3, $4)")
_add("width_bucket", "(double, array(double)) -> bigint", "py_width_bucket($1, $2)")
_add("to_base", "(bigint, bigint) -> varchar", "py_to_base($1, $2)", lambda _: Type("varchar", (64,)))
_add("from_base", "(varchar, bigint) -> bigint", "py_from_base($1, $2)")
_add("normal_cdf", "(double, double, double) -> double", "py_normal_cdf($1, $2, $3)")
_add("inverse_normal_cdf", "(double, double, double) -> double", "py_inverse_normal_cdf($1, $2, $3)")
_add("beta_cdf", "(double, double, double) -> double", "py_beta_cdf($1, $2, $3)")
_add("inverse_beta_cdf", "(double, double, double) -> double", "py_inverse_beta_cdf($1, $2, $3)")
_add("t_pdf", "(double, double) -> double", "py_t_pdf($1, $2)")
_add("t_cdf", "(double, double) -> double", "py_t_cdf($1, $2)")
_add(
    "wilson_interval_lower", "(bigint, bigint, double) -> double", "trino_wilson_lower($1, $2, $3)",
)  # fmt: skip
_add(
    "wilson_interval_upper", "(bigint, bigint, double) -> double", "trino_wilson_upper($1, $2, $3)",
)  # fmt: skip
_add("cosine_similarity", "(map(varchar, double), map(varchar, double)) -> double", "trino_cosine_similarity($1, $2)")
_add(
    "cosine_distance", "(map(varchar, double), map(varchar, double)) -> double", "(1 - trino_cosine_similarity($1, $2))"
)
_add("cosine_similarity", "(array(double), array(double)) -> double", "trino_array_cosine($1, $2)")
_add("cosine_distance", "(array(double), array(double)) -> double", "(1 - trino_array_cosine($1, $2))")
_add("dot_product", "(array(double), array(double)) -> double", "list_inner_product($1, $2)")
_add("euclidean_distance", "(array(double), array(double)) -> double", "list_distance($1, $2)")
_add("random rand", "() -> double", "random()")
for _number in ("tinyint", "smallint", "integer", "bigint"):
    _add("random rand", f"({_number}) -> {_number}", _cast("trino_random_between(0, $1, 'bound must be positive')"))
    _add(
        "random rand", f"({_number}, {_number}) -> {_number}",
        _cast("trino_random_between($1, $2, 'start value must be less than stop value')"),
    )  # fmt: skip

BITS = Registry("functions/bitwise")
_add = BITS.add
for _name, _sql in (("and", "($1 & $2)"), ("or", "($1 | $2)"), ("xor", "xor($1, $2)")):
    _add(f"bitwise_{_name}", "(bigint, bigint) -> bigint", _sql)
    _add(f"bitwise_{_name}", "(uint256, uint256) -> uint256", f"py_wide_bits($1, $2, '{_name}')")
_add("bitwise_not", "(bigint) -> bigint", "(~$1)")
_add("bit_count", "(bigint, bigint) -> bigint", "py_bit_count($1, $2)")
for _name, _way in (
    ("bitwise_left_shift", "left"), ("bitwise_right_shift", "right"), ("bitwise_right_shift_arithmetic", "arithmetic"),
):  # fmt: skip
    for _number, _bits in (("tinyint", 8), ("smallint", 16), ("integer", 32), ("bigint", 64)):
        _add(_name, f"({_number}, bigint) -> {_number}", _cast(f"py_shift($1, $2, {_bits}, '{_way}')"))
    if _way != "arithmetic":
        _add(_name, "(uint256, bigint) -> uint256", f"py_wide_bits($1, CAST($2 AS BIGNUM), '{_way}')")
