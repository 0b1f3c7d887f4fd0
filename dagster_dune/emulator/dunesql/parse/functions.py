"""The functions that queries may call, and what becomes of each.

A function is one of three kinds: DuckDB has it with the same meaning (`_native`); ``prelude.sql`` says in SQL what it
means (`_macro`); or it depends on the types of its arguments, and `rewrite.overloads` writes it (`_typed`). A function
that is not here is refused, so that no query runs with a meaning of its own.
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


AGGREGATES: dict[str, Function] = {
    **_same("min max", 1, 2),
    **_same("bool_and bool_or stddev stddev_samp stddev_pop variance var_samp var_pop", 1),
    **_same("corr covar_pop covar_samp", 2),
    **_native(1, any_value="any_value", arbitrary="any_value", every="bool_and", array_agg="array_agg"),
    **_same("listagg", 1, 2),
    **_same("geometric_mean", 1),
    **_same("regr_slope regr_intercept", 2),
    **_typed("sum avg count count_if", 1),
    **_typed("approx_distinct", 1, 2),
    **_typed("max_by min_by", 2, 3),
    **_typed("map_agg multimap_agg", 2),
    **_typed("map_union histogram bitwise_and_agg bitwise_or_agg bitwise_xor_agg", 1),
    **_native(2, approx_percentile="quantile_disc"),
}
"""Functions of many rows. The approximate ones are exact, which is within their bounds, and the same on every run."""

FUNCTIONS: dict[str, Function] = {
    **AGGREGATES,
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
    **_typed("to_iso8601", 1),
    **_typed("date_trunc date_format date_parse at_timezone with_timezone", 2),
    **_typed("date_add date_diff", 3),
    **_typed("format_datetime", 2),
    **_macro("from_unixtime", 1),
    **_typed("to_unixtime day_of_week day_of_year last_day_of_month millisecond", 1),
    **_macro("from_iso8601_timestamp from_iso8601_date", 1),
    **_typed("year quarter month week day hour minute second day_of_month year_of_week dow doy week_of_year", 1),
    # Text.
    **_same("lower upper chr", 1),
    **_typed("reverse", 1),
    **_macro("left right", 2),
    **_macro("initcap luhn_check", 1),
    **_same("starts_with strpos", 2),
    **_native(2, levenshtein_distance="levenshtein", hamming_distance="hamming"),
    **_native(1, codepoint="ord"),
    **_same("translate", 3),
    **_same("concat_ws", 2, MANY),
    **_macro("url_encode url_decode", 1),
    **_macro("url_extract_protocol url_extract_host url_extract_port", 1),
    **_macro("url_extract_path url_extract_query url_extract_fragment", 1),
    **_macro("split_to_map", 3),
    **_typed("length", 1),
    **_typed("concat", 2, MANY),
    **_typed("format", 1, MANY),
    **_typed("substr", 2, 3),
    **_macro("replace", 2, 3),
    **_macro("split ends_with", 2),
    **_macro("split_part", 3),
    **_same("lpad rpad", 3),
    **_macro("ltrim rtrim", 1),
    **_native(2, regexp_like="regexp_matches"),
    **_macro("regexp_extract", 2, 3),
    **_typed("regexp_replace", 2, 3),
    **_native(2, 3, regexp_extract_all="regexp_extract_all"),
    **_native(2, regexp_split="regexp_split_to_array"),
    **_macro("regexp_count regexp_position", 2),
    # Numbers.
    **_typed("abs ceil ceiling floor sign truncate", 1),
    **_typed("round", 1, 2),
    **_typed("mod", 2),
    **_macro("ln sqrt log10 log2", 1),
    **_macro("log power", 2),
    **_native(2, pow=MARK + "power"),
    **_same("exp cbrt sin cos tan asin acos atan radians degrees", 1),
    **_same("sinh cosh tanh", 1),
    **_same("atan2", 2),
    **_same("pi", 0),
    **_macro("e", 0),
    **_macro("format_number", 1),
    **_typed("bitwise_and bitwise_or bitwise_xor bitwise_left_shift", 2),
    **_typed("bitwise_right_shift bitwise_right_shift_arithmetic bit_count", 2),
    **_typed("bitwise_not", 1),
    **_macro("nan infinity", 0),
    **_macro("width_bucket", 2, 4),
    **_macro("to_base", 2),
    **_typed("random rand", 0, 2),
    **_native(1, is_nan="isnan", is_finite="isfinite", is_infinite="isinf"),
    # Arrays and maps.
    **_native(1, array_max=MARK + "greatest", array_min=MARK + "least"),
    **_native(2, transform="list_transform", filter="list_filter"),
    **_same("flatten map_keys map_values", 1),
    **_same("map_concat", 2, MANY),
    **_macro("map", 0, 2),
    **_macro("array_distinct array_histogram map_entries map_from_entries multimap_from_entries", 1),
    **_macro("ngrams contains_sequence trim_array", 2),
    **_macro("zip", 2, 5),
    **_typed("array_sort", 1, 2),
    **_typed("zip_with", 3),
    **_typed("map_filter transform_keys transform_values", 2),
    **_typed("map_zip_with", 3),
    **_macro("contains array_position array_remove array_union array_intersect array_except arrays_overlap", 2),
    **_macro("repeat", 2),
    **_macro("slice", 3),
    **_typed("cardinality", 1),
    **_typed("element_at any_match all_match none_match", 2),
    **_typed("array_join", 2, 3),
    **_typed("reduce", 4),
    **_typed("sequence", 2, 3),
    **_same("row", 1, MANY),
    # JSON.
    **_typed("json_extract json_extract_scalar json_exists", 2),
    **_macro("json_parse json_format json_array_length", 1),
    # Bytes.
    **_macro("to_hex from_hex to_base58 from_base58 to_big_endian_64 from_big_endian_64 address_32_from_hex", 1),
    **_same("to_base64 from_base64", 1),
    **_typed("md5 sha1 sha256 keccak", 1),
    **_native(1, to_utf8="encode", from_utf8="decode"),
    **_twins(
        [
            ("to_uint256", 1, 1, MARK + "bytes_to_uint256"),
            ("to_int256", 1, 1, MARK + "bytes_to_int256"),
            ("to_integer", 1, 1, MARK + "bytes_to_integer"),
            ("to_decimal", 1, 1, MARK + "bytes_to_decimal"),
            ("reverse", 1, 1, MARK + "bytes_reverse"),
            ("position", 2, 2, MARK + "bytes_position"),
            ("replace", 3, 3, MARK + "bytes_replace"),
            ("to_bigint", 1, 1, MARK + "bytes_to_bigint"),
            ("substring", 2, 3, MARK + "bytes_substring"),
            ("length", 1, 1, "octet_length"),
            ("concat", 2, 2, MARK + "bytes_concat"),
            ("starts_with", 2, 2, MARK + "bytes_starts_with"),
            ("ltrim", 1, 1, MARK + "bytes_ltrim"),
            ("rtrim", 1, 1, MARK + "bytes_rtrim"),
        ]
    ),
    # Links.
    **_macro("get_href", 2),
    **_macro("get_chain_explorer", 1),
    **_macro("get_chain_explorer_address get_chain_explorer_tx_hash", 2),
}
