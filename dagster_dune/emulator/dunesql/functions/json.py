"""Functions of JSON."""

from __future__ import annotations

from dagster_dune.emulator.dunesql.functions.registry import Registry
from dagster_dune.emulator.dunesql.types.trino import VARCHAR

JSONS = Registry("functions/json")
# Assumption: local-json-parse.
_add = JSONS.add
for _kind in ("varchar", "json"):
    _add("json_extract", f"({_kind}, varchar) -> json", "py_json_extract($1, $2)")
    _add(
        "json_extract_scalar", f"({_kind}, varchar) -> varchar", "py_json_extract_scalar($1, $2)",
        lambda types: types[0] if types[0].name == "varchar" else VARCHAR,
    )  # fmt: skip
    _add("json_size", f"({_kind}, varchar) -> bigint", "py_json_size($1, $2)")
    _add("json_array_length", f"({_kind}) -> bigint", "py_json_array_length($1)")
    _add("json_array_get", f"({_kind}, bigint) -> json", "py_json_array_get($1, $2)")
    _add("is_json_scalar", f"({_kind}) -> boolean", "py_is_json_scalar($1)")
    for _value, _name in (("bigint", "integer"), ("double", "fraction"), ("boolean", "boolean"), ("varchar", "text")):
        _add(
            "json_array_contains", f"({_kind}, {_value}) -> boolean",
            f"py_json_array_contains($1, CAST($2 AS VARCHAR), '{_name}')",
        )  # fmt: skip
_add("json_parse", "(varchar) -> json", "py_json_parse($1)")
_add("json_format", "(json) -> varchar", "$1")
