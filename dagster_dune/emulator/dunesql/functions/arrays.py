"""Functions of arrays, and of lambdas over them."""

from __future__ import annotations

from dagster_dune.emulator.dunesql.functions.registry import Call, Operand, RefusedError, Registry, bound
from dagster_dune.emulator.dunesql.types.trino import SKETCHES, Type

ARRAYS = Registry("functions/array")
_add = ARRAYS.add


def _holds_null(sql: str, type_: Type) -> str:
    if type_.name == "array":
        return f"len(list_filter({sql}, lambda dune_m: dune_m IS NULL)) > 0"
    parts = " OR ".join(f"struct_extract_at({sql}, {place + 1}) IS NULL" for place in range(len(type_.of)))
    return f"({sql} IS NOT NULL AND ({parts}))"


def _sought(call: Call, of_nan: str) -> str:
    """Translate a search for an element, which finds no NaN, unlike DuckDB."""
    array, value = (argument.sql for argument in call.arguments)
    made = f"trino_{call.name}"
    type_ = call.arguments[1].type
    if type_.name in ("array", "row"):
        failure = f"{call.name} does not support arrays with elements that are null or contain null"
        holds = f"len(list_filter(list_append({array}, {value}), lambda dune_n: {_holds_null('dune_n', type_)})) > 0"
        failed = f"CAST(trino_fail('{failure}') AS {call.arguments[0].type.duckdb})"
        array = f"CASE WHEN {holds} THEN {failed} ELSE {array} END"
    if not type_.is_float:
        return f"{made}({array}, {value})"
    rest = f"list_filter({array}, lambda dune_n: dune_n IS NULL)"
    instead = of_nan.format(rest=rest, zero=f"CAST(0 AS {type_.duckdb})", whole=array)
    return f"CASE WHEN isnan({value}) THEN {instead} ELSE {made}({array}, {value}) END"


_add("cardinality", "(array(T)) -> bigint", "CAST(len($1) AS BIGINT)")
_add("element_at", "(array(T), bigint) -> T", "trino_element_at($1, $2)")
_add("contains", "(array(T), T) -> boolean", lambda call: _sought(call, "trino_contains({rest}, {zero})"))
_add("contains_sequence", "(array(T), array(T)) -> boolean", "trino_contains_sequence($1, $2)")
_add("array_position", "(array(T), T) -> bigint", lambda call: _sought(call, "trino_array_position({rest}, {zero})"))
_add("array_remove", "(array(T), T) -> array(T)", lambda call: _sought(call, "{whole}"))
_add("array_distinct", "(array(T)) -> array(T)", "trino_array_distinct($1)")
_add("array_union", "(array(T), array(T)) -> array(T)", "trino_array_union($1, $2)")
_add("array_intersect", "(array(T), array(T)) -> array(T)", "trino_array_intersect($1, $2)")
_add("array_except", "(array(T), array(T)) -> array(T)", "trino_array_except($1, $2)")
_add("arrays_overlap", "(array(T), array(T)) -> boolean", "trino_arrays_overlap($1, $2)")
_add("array_histogram", "(array(T)) -> map(T, bigint)", "trino_array_histogram($1)")
_add("flatten", "(array(array(T))) -> array(T)", "flatten($1)")
_add("repeat", "(T, bigint) -> array(T)", "trino_repeat($1, $2)")
_add("slice", "(array(T), bigint, bigint) -> array(T)", "trino_slice($1, $2, $3)")
_add("trim_array", "(array(T), bigint) -> array(T)", "trino_trim_array($1, $2)")
_add("ngrams", "(array(T), bigint) -> array(array(T))", "trino_ngrams($1, $2)")
_add(
    "combinations", "(array(T), bigint) -> array(array(T))",
    "list_transform(py_combinations(CAST(len($1) AS BIGINT), $2), "
    "lambda dune_places: list_transform(dune_places, lambda dune_place: list_extract($1, dune_place)))",
)  # fmt: skip
_add(
    "shuffle",
    "(array(T)) -> array(T)",
    "list_transform(list_sort(list_transform($1, lambda dune_x: {'r': random(), 'x': dune_x})), "
    "lambda dune_x: dune_x.x)",
)
_add("array_first", "(array(T)) -> T", "list_extract($1, 1)")
_add("array_last", "(array(T)) -> T", "list_extract($1, -1)")


def _extreme(call: Call) -> str:
    name = "greatest" if call.name in ("array_max", "greatest") else "least"
    values = call.arguments[0].sql
    if call.name in ("greatest", "least"):
        values = f"[{', '.join(argument.sql for argument in call.arguments)}]"
    if call.result.is_precise or call.result.name in ("map", "json"):
        raise RefusedError(f"{call.name} of {call.result} is not supported by this emulator")
    return f"trino_{name}{'_double' if call.result.is_float else ''}({values})"


_add("array_max array_min", "(array(T)) -> T", _extreme)


def _sorted(call: Call) -> str:
    """Translate a sort by a comparator, in which the position of an element is the number of elements before it."""
    array, comparator = call.arguments
    first, second = comparator.parameters
    before = (
        f"len(list_filter(dune_all_{first}, lambda {first}, dune_i_{first}: "
        f"trino_comes_before({comparator.sql}, dune_i_{first}, dune_j_{first})))"
    )
    placed = (
        f"list_transform(dune_all_{first}, lambda {second}, dune_j_{first}: "
        f"{{'p': {before}, 'i': dune_j_{first}, 'e': {second}}})"
    )
    return (
        f"list_extract(list_transform([{array.sql}], lambda dune_all_{first}: "
        f"list_transform(list_sort({placed}), lambda dune_e_{first}: dune_e_{first}.e)), 1)"
    )


def _sorted_plainly(call: Call) -> str:
    if call.result.of[0].find("map", "json", *SKETCHES):
        raise RefusedError(f"array_sort takes an array of what has an order, not {call.result}")
    return f"trino_array_sort({call.arguments[0].sql})"


_add("array_sort", "(array(T)) -> array(T)", _sorted_plainly)
_add("array_sort", "(array(T), (T, T) -> integer) -> array(T)", _sorted)
_add("transform", "(array(T), (T) -> U) -> array(U)", "list_transform($1, $2)")
_add("filter", "(array(T), (T) -> boolean) -> array(T)", "list_filter($1, $2)")
_add("any_match", "(array(T), (T) -> boolean) -> boolean", "trino_any(list_transform($1, $2))")
_add("all_match", "(array(T), (T) -> boolean) -> boolean", "trino_all(list_transform($1, $2))")
_add("none_match", "(array(T), (T) -> boolean) -> boolean", "trino_none(list_transform($1, $2))")


def _zipped(call: Call) -> str:
    left, right, function = call.arguments
    pair = f"dune_pair_{function.parameters[0]}"
    body = function.applied(f"struct_extract_at({pair}, 1)", f"struct_extract_at({pair}, 2)")
    return f"list_transform(trino_zip({left.sql}, {right.sql}), lambda {pair}: {body})"


_add("zip_with", "(array(T), array(U), (T, U) -> R1) -> array(R1)", _zipped)


def _zip(call: Call) -> str:
    """Translate ``zip``, in which shorter arrays are padded with NULL."""
    arrays = [argument.sql for argument in call.arguments]
    names = [f"a{place}" for place in range(len(arrays))]
    fields = ", ".join(f"'{name}': {array}" for name, array in zip(names, arrays, strict=True))
    known = " AND ".join(f"r.{name} IS NOT NULL" for name in names)
    made = ", ".join(f"f{place} := list_extract(r.{name}, dune_i)" for place, name in enumerate(names))
    longest = ", ".join(f"len(r.{name})" for name in names)
    return (
        f"list_extract(list_transform([{{{fields}}}], lambda r: CASE WHEN {known} THEN "
        f"list_transform(range(1, greatest({longest}) + 1), lambda dune_i: struct_pack({made})) END), 1)"
    )


for _count in range(2, 6):
    _letters = [f"T{place}" for place in range(_count)]
    _add("zip", f"({', '.join(f'array({x})' for x in _letters)}) -> array(row({', '.join(_letters)}))", _zip)


def reduced(values: str, start: Operand, step: Operand, state: Type) -> str:
    """Return SQL that folds an array."""
    return f"list_reduce({values}, {step.written}, CAST({start.sql} AS {state.duckdb}))"


def _reduce(call: Call) -> str:
    array, start, step, finish = call.arguments
    folded = reduced(array.sql, start, step, start.type)
    return bound(folded, finish.applied)


_add("reduce", "(array(T), S, (S, T) -> S, (S) -> R1) -> R1", _reduce)


def _series(call: Call) -> str:
    start, stop, *steps = call.arguments
    if start.type.name == "bigint":
        return f"trino_sequence({start.sql}, {stop.sql}{''.join(f', {step.sql}' for step in steps)})"
    unit = "months" if steps and steps[0].type.name.endswith("month") else "milliseconds"
    step = steps[0].sql if steps else f"CASE WHEN {start.sql} <= {stop.sql} THEN 86400000 ELSE -86400000 END"
    if start.type.name == "date" and unit == "milliseconds":
        return f"trino_sequence_days({start.sql}, {stop.sql}, {step})"
    zone = start.type.name.endswith("zone")
    if start.type.zoned or start.type.is_precise:
        raise RefusedError(f"sequence of {start.type} in a zone is not supported by this emulator")
    made = f"trino_sequence_{unit}(CAST({start.sql} AS TIMESTAMP), CAST({stop.sql} AS TIMESTAMP), {step})"
    del zone
    return f"CAST({made} AS {call.result.duckdb})"


_add("sequence", "(bigint, bigint) -> array(bigint)", _series)
_add("sequence", "(bigint, bigint, bigint) -> array(bigint)", _series)
_add("sequence", "(date, date) -> array(date)", _series)
for _interval in ("interval day to second", "interval year to month"):
    _add("sequence", f"(date, date, {_interval}) -> array(date)", _series)
    for _time in ("timestamp(p)", "timestamp(p) with time zone"):
        _add(
            "sequence",
            f"({_time}, {_time}, {_interval}) -> array(T)",
            _series,
            lambda types: Type("array", of=(types[0],)),
        )

CONDITIONS = Registry("functions/comparison")
CONDITIONS.add("greatest least", "(T...) -> T", _extreme)

MAPS = Registry("functions/map")
_add = MAPS.add
_add("cardinality", "(map(K, V)) -> bigint", "CAST(cardinality($1) AS BIGINT)")
_add("element_at", "(map(K, V), K) -> V", "map_extract_value($1, $2)")
_add("map", "() -> map(K, V)", "MAP {}")


def _map(call: Call) -> str:
    """Keys that are arrays may hold no NULL, which would leave open whether they are equal."""
    keys, values = (argument.sql for argument in call.arguments)
    if call.result.of[0].name != "array":
        return f"map({keys}, {values})"
    unknown = "len(list_filter(dune_keys, lambda dune_key: trino_has_null(dune_key))) > 0"
    failure = f"CAST(trino_fail('map key cannot be indeterminate') AS {call.arguments[0].type.duckdb})"
    checked = f"list_transform([{keys}], lambda dune_keys: CASE WHEN {unknown} THEN {failure} ELSE dune_keys END)"
    return f"map(list_extract({checked}, 1), {values})"


_add("map", "(array(K), array(V)) -> map(K, V)", _map)
_add("map_keys", "(map(K, V)) -> array(K)", "map_keys($1)")
_add("map_values", "(map(K, V)) -> array(V)", "map_values($1)")


def _concatenated(call: Call) -> str:
    """Translate ``map_concat``, which is NULL if an argument is."""
    names = {f"m{place}": argument.sql for place, argument in enumerate(call.arguments)}
    fields = ", ".join(f"'{name}': {sql}" for name, sql in names.items())
    known = " AND ".join(f"r.{name} IS NOT NULL" for name in names)
    made = f"map_concat({', '.join(f'r.{name}' for name in names)})"
    return f"list_extract(list_transform([{{{fields}}}], lambda r: CASE WHEN {known} THEN {made} END), 1)"


_add("map_concat", "(map(K, V), map(K, V)...) -> map(K, V)", _concatenated)
_add(
    "map_entries",
    "(map(K, V)) -> array(row(K, V))",
    "list_transform(map_entries($1), lambda dune_e: struct_pack(f0 := dune_e.key, f1 := dune_e.value))",
)
_add("map_from_entries", "(array(row(K, V))) -> map(K, V)", "trino_map_from_entries($1)")
_add("multimap_from_entries", "(array(row(K, V))) -> map(K, array(V))", "trino_multimap_from_entries($1)")


def _entries(call: Call, key: str, value: str, keep: str) -> str:
    """Return SQL that transforms and filters the entries of a map."""
    function = call.arguments[1]
    entry = f"dune_entry_{function.parameters[0]}"
    old_key, old_value = f"{entry}.key", f"{entry}.value"
    body = function.applied(old_key, old_value)
    entries = f"map_entries({call.arguments[0].sql})"
    if keep:
        return f"map_from_entries(list_filter({entries}, lambda {entry}: {body}))"
    made = f"{{'k': {key or old_key}, 'v': {value or old_value}}}".replace("BODY", body)
    build = "trino_map_from_entries" if key else "map_from_entries"
    return f"{build}(list_transform({entries}, lambda {entry}: {made}))"


_add("map_filter", "(map(K, V), (K, V) -> boolean) -> map(K, V)", lambda call: _entries(call, "", "", "keep"))
_add("transform_keys", "(map(K, V), (K, V) -> U) -> map(U, V)", lambda call: _entries(call, "BODY", "", ""))
_add("transform_values", "(map(K, V), (K, V) -> U) -> map(K, U)", lambda call: _entries(call, "", "BODY", ""))


def _zipped_maps(call: Call) -> str:
    left, right, function = call.arguments
    each = f"dune_triple_{function.parameters[0]}"
    body = function.applied(*(f"struct_extract_at({each}, {place})" for place in (1, 2, 3)))
    return (
        f"map_from_entries(list_transform(trino_map_triples({left.sql}, {right.sql}), lambda {each}: "
        f"{{'k': struct_extract_at({each}, 1), 'v': {body}}}))"
    )


_add("map_zip_with", "(map(K, V), map(K, U), (K, V, U) -> W) -> map(K, W)", _zipped_maps)


def _array_join(call: Call) -> str:
    """Translate ``array_join`` of texts. DuckDB's own function requires a constant separator."""
    array, *texts = call.arguments
    if any(each.literal is None for each in texts):
        return f"trino_array_join({', '.join(argument.sql for argument in call.arguments)})"
    kept = f"list_filter({array.sql}, lambda dune_x: dune_x IS NOT NULL)"
    if len(texts) > 1:
        kept = f"list_transform({array.sql}, lambda dune_x: coalesce(dune_x, {texts[1].sql}))"
    return f"array_to_string({kept}, {texts[0].sql})"


ARRAYS.add("array_join", "(array(varchar), varchar) -> varchar", _array_join)
ARRAYS.add("array_join", "(array(varchar), varchar, varchar) -> varchar", _array_join)
