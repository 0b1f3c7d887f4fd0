"""Aggregates and window functions. The approximate ones are exact, which is within their bounds and deterministic."""

from __future__ import annotations

from collections.abc import Sequence

from dagster_dune.emulator.dunesql.functions.arrays import reduced
from dagster_dune.emulator.dunesql.functions.registry import Call, RefusedError, Registry
from dagster_dune.emulator.dunesql.types.trino import DAY_TO_SECOND, YEAR_TO_MONTH, Type, decimal

AGGREGATES = Registry("functions/aggregate", "aggregate")
_add = AGGREGATES.add


def _wide_sum(types: Sequence[Type]) -> Type:
    return decimal(38, types[0].args[1])


def _first(types: Sequence[Type]) -> Type:
    return types[0]


_add("count", "() -> bigint", "«count(*)»")
_add("count", "(T) -> bigint", "«count($1)»")
_add("count_if", "(boolean) -> bigint", "CAST(coalesce(«count_if($1)», 0) AS BIGINT)")
_add("sum", "(bigint) -> bigint", "CAST(«sum($1)» AS BIGINT)")
_add("sum", "(real) -> real", "CAST(«sum(CAST($1 AS DOUBLE))» AS FLOAT)")
_add("sum", "(double) -> double", "«sum($1)»")
_add("sum", "(decimal(p,s)) -> decimal(p,s)", "CAST(«sum($1)» AS $R)", _wide_sum)
for _wide in ("uint256", "int256"):
    _add("sum", f"({_wide}) -> {_wide}", f"trino_{_wide}_range(«sum($1)»)")
    _add("avg", f"({_wide}) -> double", "«avg($1)»")
for _interval in (DAY_TO_SECOND, YEAR_TO_MONTH):
    _add("sum", f"({_interval}) -> {_interval}", "CAST(«sum($1)» AS $R)")
    _add("avg", f"({_interval}) -> {_interval}", "CAST(round(«avg($1)») AS $R)")
_add("avg", "(bigint) -> double", "«avg($1)»")
_add("avg", "(real) -> real", "CAST(«avg(CAST($1 AS DOUBLE))» AS FLOAT)")
_add("avg", "(double) -> double", "«avg($1)»")


def _decimal_average(call: Call) -> str:
    precision, scale = call.result.args
    value = call.arguments[0].sql
    quotient = f"py_decimal_apply(CAST(«sum({value})» AS VARCHAR), CAST(«count({value})» AS VARCHAR), '/', 38, {scale})"
    return f"CASE WHEN «count({value})» > 0 THEN CAST({quotient} AS DECIMAL({precision},{scale})) END"


_add("avg", "(decimal(p,s)) -> decimal(p,s)", _decimal_average, _first)


def _extreme(call: Call) -> str:
    """NaN is neither the greatest nor the least, unless there is nothing else."""
    value, *count = (argument.sql for argument in call.arguments)
    type_ = call.arguments[0].type
    if type_.name in ("map", "json"):
        raise RefusedError(f"{call.name} of {type_} is not supported by this emulator")
    if type_.is_float and count:
        return _extreme_numbers(call)
    if type_.is_float:
        return f"coalesce(«{call.name}({value})|NOT isnan({value})», «{call.name}({value})»)"
    return f"«{call.name}({', '.join([value, *count])})»"


def _extreme_numbers(call: Call) -> str:
    """The first of all numbers in their order, and NaN after them."""
    sort = "list_reverse_sort" if call.name == "max" else "list_sort"
    numbers = f"{sort}(list_filter(dune_all.v, lambda dune_x: NOT isnan(dune_x)))"
    whole = f"list_concat({numbers}, list_filter(dune_all.v, lambda dune_x: isnan(dune_x)))"
    made = f"nullif(list_slice({whole}, 1, trino_row_count(dune_all.n)), [])"
    packed = f"struct_pack(v := «list({call.arguments[0].sql})», n := «any_value({call.arguments[1].sql})»)"
    return f"list_extract(list_transform([{packed}], lambda dune_all: {made}), 1)"


_add("max min", "(T) -> T", _extreme)
_add("max min", "(T, bigint) -> array(T)", _extreme)


def _extreme_by(call: Call) -> str:
    value, order, *count = (argument.sql for argument in call.arguments)
    name = f"arg_{call.name[:3]}"
    condition = f"|NOT isnan({order})" if call.arguments[1].type.is_float else ""
    if count:
        made = f"«{name}({{'v': {value}}}, {order}, {count[0]}){condition}»"
        return f"list_transform({made}, lambda dune_r: dune_r.v)"
    first = f"«{name}_null({value}, {order}){condition}»"
    if not condition:
        return first
    return f"CASE WHEN «count({order}){condition}» > 0 THEN {first} ELSE «{name}_null({value}, {order})» END"


_add("max_by min_by", "(T, U) -> T", _extreme_by)
_add("max_by min_by", "(T, U, bigint) -> array(T)", _extreme_by)
_add("bool_and every", "(boolean) -> boolean", "«bool_and($1)»")
_add("bool_or", "(boolean) -> boolean", "«bool_or($1)»")
_add("any_value arbitrary", "(T) -> T", "«any_value($1)»")
_add("array_agg", "(T) -> array(T)", "«list($1)»")
_add("listagg", "(varchar) -> varchar", "trino_listagg(«listagg($1, '')»)")
_add("listagg", "(varchar, varchar) -> varchar", "trino_listagg(«listagg($1, $2)»)")
for _name in ("and", "or", "xor"):
    _add(f"bitwise_{_name}_agg", "(bigint) -> bigint", f"«bit_{_name}($1)»")
for _names, _sql in (
    ("stddev stddev_samp", "stddev_samp"), ("stddev_pop", "stddev_pop"), ("variance var_samp", "var_samp"),
    ("var_pop", "var_pop"),
):  # fmt: skip
    _add(_names, "(double) -> double", f"«{_sql}($1)»")
for _name in ("corr", "covar_pop", "covar_samp", "regr_slope", "regr_intercept"):
    _add(_name, "(double, double) -> double", f"trino_finite(«{_name}($1, $2)»)")
    _add(
        _name, "(real, real) -> real", f"CAST(trino_finite(«{_name}(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE))») AS FLOAT)"
    )
_add("geometric_mean", "(double) -> double", "«geometric_mean($1)»")
_add("kurtosis", "(double) -> double", "CASE WHEN «count($1)» >= 4 THEN trino_finite(«kurtosis($1)») END")
_add(
    "skewness", "(double) -> double",
    "CASE WHEN «count($1)» >= 3 "
    "THEN trino_finite(«skewness($1)» * («count($1)» - 2) / sqrt(«count($1)» * («count($1)» - 1e0))) END",
)  # fmt: skip
_add("entropy", "(double) -> double", "coalesce(py_entropy(«list($1)»), 0e0)")
_add("approx_distinct", "(T) -> bigint", "«count(DISTINCT $1)»")
_add("approx_distinct", "(T, double) -> bigint", "«count(DISTINCT $1)»")


def _percentile(call: Call) -> str:
    value, share = call.arguments[0].sql, call.arguments[-1].sql
    weights = [argument.sql for argument in call.arguments[1:-1]]
    if weights and call.arguments[-1].type.name == "array":
        raise RefusedError("approx_percentile of weights with several percentiles is not supported by this emulator")
    if weights:
        lists = f"«list(CAST({value} AS DOUBLE))», «list(CAST({weights[0]} AS DOUBLE))»"
        return f"CAST(py_weighted_percentile({lists}, {share}) AS {call.result.duckdb})"
    checked = "trino_shares" if call.arguments[-1].type.name == "array" else "trino_share"
    return f"«quantile_disc({value}, {checked}({share}))»"


for _number in ("bigint", "double", "real"):
    _add("approx_percentile", f"({_number}, double) -> {_number}", _percentile)
    _add("approx_percentile", f"({_number}, double, double) -> {_number}", _percentile)
    _add("approx_percentile", f"({_number}, array(double)) -> array({_number})", _percentile)
_add("map_agg", "(K, V) -> map(K, V)", "trino_map_of_entries(«list(struct_pack(k := $1, v := $2))»)")
_add("multimap_agg", "(K, V) -> map(K, array(V))", "trino_multimap_of_entries(«list(struct_pack(k := $1, v := $2))»)")
_add("map_union", "(map(K, V)) -> map(K, V)", "trino_map_union(«list($1)»)")
_add("histogram", "(T) -> map(T, bigint)", "trino_histogram(«list($1)»)")
_add("set_agg", "(T) -> array(T)", "trino_array_distinct(«list($1)»)")
_add("set_union", "(array(T)) -> array(T)", "trino_array_distinct(flatten(«list($1)»))")
_add(
    "approx_most_frequent", "(bigint, T, bigint) -> map(T, bigint)", "trino_most_frequent(«list($2)», «any_value($1)»)"
)
_add(
    "numeric_histogram",
    "(bigint, double) -> map(double, double)",
    "trino_numeric_histogram(«list($2)», «any_value($1)»)",
)
_add("approx_set", "(T) -> hyperloglog", "list_distinct(«list(CAST($1 AS VARCHAR))»)")
_add("merge", "(hyperloglog) -> hyperloglog", "list_distinct(flatten(«list($1)»))")
_KEPT = "list_sort(list_filter(«list($1)», lambda dune_x: dune_x IS NOT NULL))"
_add("tdigest_agg", "(double) -> tdigest", f"nullif({_KEPT}, [])")
_add("merge", "(tdigest) -> tdigest", "list_sort(flatten(«list($1)»))")
for _number in ("bigint", "double", "real"):
    _add("qdigest_agg", f"({_number}) -> qdigest({_number})", f"nullif({_KEPT}, [])")
_add("merge", "(qdigest(T)) -> qdigest(T)", "list_sort(flatten(«list($1)»))")
for _type, _bytes in (
    ("bigint", "py_to_big_endian(CAST($1 AS BIGINT), 8)"), ("varchar", "encode($1)"), ("varbinary", "$1"),
):  # fmt: skip
    _sql = f"py_checksum_part({'py_bytes_reverse(' + _bytes + ')' if _type == 'bigint' else _bytes})"
    _add("checksum", f"({_type}) -> varbinary", f"trino_checksum(«list(coalesce({_sql}, 1))»)")


def _reduce_agg(call: Call) -> str:
    value, start, step, _ = call.arguments
    values = f"list_filter(«list({value.sql})», lambda dune_x: dune_x IS NOT NULL)"
    folded = reduced("dune_values", start, step, call.result)
    whole = f"CASE WHEN len(dune_values) > 0 THEN {folded} END"
    return f"list_extract(list_transform([{values}], lambda dune_values: {whole}), 1)"


_add("reduce_agg", "(T, S, (S, T) -> S, (S, S) -> S) -> S", _reduce_agg)

WINDOWS = Registry("functions/window", "window")
_add = WINDOWS.add
for _name in ("row_number", "rank", "dense_rank"):
    _add(_name, "() -> bigint", f"«{_name}()»")
for _name in ("percent_rank", "cume_dist"):
    _add(_name, "() -> double", f"«{_name}()»")
_add("ntile", "(bigint) -> bigint", "«ntile($1)»")
_add("first_value last_value", "(T) -> T", lambda call: f"«{call.name}({call.arguments[0].sql})»")
_add("nth_value", "(T, bigint) -> T", "«nth_value($1, trino_position($2))»")
for _name in ("lag", "lead"):
    _add(_name, "(T) -> T", f"«{_name}($1)»")
    _add(_name, "(T, bigint) -> T", f"«{_name}($1, trino_offset($2))»")
    _add(_name, "(T, bigint, T) -> T", f"«{_name}($1, trino_offset($2), $3)»")
