"""The functions that queries may call, and what becomes of each.

A function is one of three kinds: DuckDB has it with the same meaning (`_native`); ``prelude.sql`` says in SQL what it
means (`_macro`); or it depends on the types of its arguments, and `dagster_dune.emulator.dunesql.typed` writes it
(`_typed`). A function that is not here is refused, so that no query runs with a meaning of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MARK = "trino_"
"""Put before the names of functions, so that sqlglot leaves them alone."""

MANY = 10_000


@dataclass(frozen=True)
class Function:
    """What a query may call.

    Attributes:
        least: The least number of arguments.
        most: The greatest.
        target: What it is called in DuckDB; empty where it is typed.
    """

    least: int
    most: int
    target: str = ""

    @property
    def is_typed(self) -> bool:
        """Whether the types of its arguments decide what is written."""
        return not self.target


def _native(least: int, most: int | None = None, **names: str) -> dict[str, Function]:
    most = least if most is None else most
    return {name: Function(least, most, target) for name, target in names.items()}


def _same(names: str, least: int, most: int | None = None) -> dict[str, Function]:
    return _native(least, most, **{name: name for name in names.split()})


def _macro(names: str, least: int, most: int | None = None) -> dict[str, Function]:
    return _native(least, most, **{name: MARK + name for name in names.split()})


def _typed(names: str, least: int, most: int | None = None) -> dict[str, Function]:
    return {name: Function(least, least if most is None else most) for name in names.split()}


def _twins(functions: Iterable[tuple[str, int, int, str]]) -> dict[str, Function]:
    """Name Dune's byte functions in both spellings."""
    return {
        f"{prefix}_{name}": Function(least, most, target)
        for prefix in ("bytearray", "varbinary")
        for name, least, most, target in functions
    }


FUNCTIONS: dict[str, Function] = {
    # Aggregates. The approximate ones are exact, which is within their bounds, and the same on every run.
    **_same("min max bool_and bool_or stddev stddev_samp stddev_pop variance var_samp var_pop", 1),
    **_same("corr covar_pop covar_samp", 2),
    **_native(1, any_value="any_value", arbitrary="any_value", every="bool_and", array_agg="array_agg"),
    **_native(2, max_by="arg_max_null", min_by="arg_min_null"),
    **_same("listagg", 2),
    **_typed("sum avg count count_if approx_distinct", 1),
    **_native(2, approx_percentile="quantile_disc"),
    # Windows.
    **_same("row_number rank dense_rank percent_rank cume_dist", 0),
    **_same("ntile first_value last_value", 1),
    **_same("nth_value", 2),
    **_same("lag lead", 1, 3),
    **_same("grouping", 1, MANY),
    # Conditions.
    **_same("coalesce", 1, MANY),
    **_same("nullif", 2),
    "try": Function(1, 1, "TRY"),
    **_typed("greatest least", 1, MANY),
    # Times.
    **_native(0, now=MARK + "now"),
    **_typed("date", 1),
    **_typed("date_trunc date_format", 2),
    **_typed("date_add date_diff", 3),
    **_macro("from_unixtime to_unixtime day_of_week day_of_year last_day_of_month", 1),
    **_same("year quarter month week day hour minute second", 1),
    **_native(
        1,
        day_of_month="day",
        year_of_week="isoyear",
        dow=MARK + "day_of_week",
        doy=MARK + "day_of_year",
        week_of_year="week",
    ),
    # Text.
    **_same("lower upper reverse chr", 1),
    **_same("starts_with strpos", 2),
    **_native(2, levenshtein_distance="levenshtein"),
    **_typed("length", 1),
    **_typed("concat", 2, MANY),
    **_typed("format", 1, MANY),
    **_macro("substr", 2, 3),
    **_macro("replace", 2, 3),
    **_macro("split ends_with", 2),
    **_macro("split_part", 3),
    **_same("lpad rpad", 3),
    **_macro("ltrim rtrim", 1),
    **_native(2, regexp_like="regexp_matches"),
    **_macro("regexp_extract", 2, 3),
    **_typed("regexp_replace", 2, 3),
    **_native(2, 3, regexp_extract_all="regexp_extract_all"),
    # Numbers.
    **_typed("abs ceil ceiling floor sign truncate", 1),
    **_typed("round", 1, 2),
    **_typed("mod", 2),
    **_macro("ln sqrt log10 log2", 1),
    **_macro("log power", 2),
    **_native(2, pow=MARK + "power"),
    **_same("exp cbrt sin cos tan asin acos atan radians degrees", 1),
    **_same("pi", 0),
    **_macro("nan infinity", 0),
    **_native(1, is_nan="isnan", is_finite="isfinite", is_infinite="isinf"),
    # Arrays and maps.
    **_native(1, cardinality="len", array_max=MARK + "greatest", array_min=MARK + "least"),
    **_native(2, element_at=MARK + "element_at", transform="list_transform", filter="list_filter"),
    **_macro("contains", 2),
    **_typed("sequence", 2, 3),
    # JSON.
    **_typed("json_extract json_extract_scalar", 2),
    # Bytes.
    **_macro("to_hex from_hex", 1),
    **_native(1, to_utf8="encode", from_utf8="decode"),
    **_twins(
        [
            ("to_uint256", 1, 1, MARK + "bytes_to_uint256"),
            ("to_int256", 1, 1, MARK + "bytes_to_int256"),
            ("to_bigint", 1, 1, MARK + "bytes_to_bigint"),
            ("substring", 2, 3, MARK + "bytes_substring"),
            ("length", 1, 1, "octet_length"),
            ("concat", 2, 2, MARK + "bytes_concat"),
        ]
    ),
}
