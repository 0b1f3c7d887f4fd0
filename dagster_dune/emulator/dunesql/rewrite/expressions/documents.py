"""Translates JSON functions with clauses, and JSON_TABLE."""

from __future__ import annotations

import json
from typing import Any

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.registry import Operand, RefusedError, bound, text
from dagster_dune.emulator.dunesql.parse.functions import function_name
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.casts.conversion import coerced, converted
from dagster_dune.emulator.dunesql.rewrite.casts.documents import json_sql
from dagster_dune.emulator.dunesql.rewrite.scopes import Field, Relation, Scope, Translator
from dagster_dune.emulator.dunesql.types.parsing import read_type
from dagster_dune.emulator.dunesql.types.trino import BIGINT, VARCHAR, Type


def _document(translator: Translator, node: exp.Expr, scope: Scope) -> str:
    value = translator.expression(node, scope)
    if value.type.name not in ("varchar", "json", "unknown"):
        raise error_at(node, f"The input of a JSON function must be a text, not {value.type}")
    return coerced(value, VARCHAR).sql if value.type.name == "unknown" else value.sql


def _path(translator: Translator, node: exp.Expr, scope: Scope) -> str:
    value = translator.expression(node, scope)
    if value.literal is None:
        raise error_at(node, "A JSON path must be written out as a text")
    return text(value.literal)


def _options(node: exp.Anonymous) -> dict[str, Any]:
    """Return the clauses of a call, which `parse.json_calls` passes as its first argument."""
    read: dict[str, Any] = json.loads(node.expressions[0].name)
    return read


def _json_item(translator: Translator, node: exp.Expr, scope: Scope, *, is_json: bool = False) -> str:
    """Return SQL of a value as JSON."""
    item = translator.expression(node, scope)
    if item.type.name == "unknown":
        return "CAST(NULL AS VARCHAR)"
    makes_json = function_name(node) in ("json_object", "json_array", "json_query")
    if (is_json or makes_json) and item.type.name == "varchar":
        return f"py_json_formatted({item.sql})"
    try:
        return json_sql(item.sql, item.type)
    except RefusedError as error:
        raise error_at(node, str(error)) from None


def _passing(translator: Translator, node: exp.Anonymous, nodes: list[exp.Expr], scope: Scope) -> str:
    """Return SQL of the values of PASSING as a JSON array of JSON texts; those with FORMAT JSON are documents."""
    if not nodes:
        return "'[]'"
    formats = _options(node)["formats"]
    items = ", ".join(
        f"py_json_quote(coalesce({(_document if is_json else _json_item)(translator, each, scope)}, 'null'))"
        for each, is_json in zip(nodes, formats, strict=True)
    )
    return f"py_json_elements([{items}], true)"


def _arguments(translator: Translator, node: exp.Anonymous, scope: Scope) -> tuple[str, list[exp.Expr]]:
    """Return SQL of the document, the path, the clauses and PASSING, and the remaining nodes, which are defaults."""
    count = len(_options(node).get("passing", ()))
    document, path = _document(translator, node.expressions[1], scope), _path(translator, node.expressions[2], scope)
    passed = _passing(translator, node, node.expressions[3 : 3 + count], scope)
    return f"{document}, {path}, {text(node.expressions[0].name)}, {passed}", node.expressions[3 + count :]


def query(translator: Translator, node: exp.Anonymous, scope: Scope) -> Operand:
    """Translate ``json_query(...)``."""
    _returned(node, VARCHAR, "varchar")
    return Operand(f"py_json_query({_arguments(translator, node, scope)[0]})", VARCHAR)


def exists(translator: Translator, node: exp.Anonymous, scope: Scope) -> Operand:
    """Translate ``json_exists(...)``."""
    return Operand(f"py_json_exists({_arguments(translator, node, scope)[0]})", Type("boolean"))


def _returned(node: exp.Anonymous, default: Type, *names: str) -> Type:
    written = _options(node).get("returning")
    try:
        type_ = read_type(written) if written else default
    except ValueError:
        raise error_at(node, f"Unknown type: {written}") from None
    if names and type_.name not in names:
        raise error_at(node, f"RETURNING {type_} is not supported by this emulator")
    return type_


def value(translator: Translator, node: exp.Anonymous, scope: Scope) -> Operand:
    """Translate ``json_value(...)``; a value of another type is an error of the path."""
    type_, options = _returned(node, VARCHAR), _options(node)
    given, defaults = _arguments(translator, node, scope)
    names = [name for name in options if options[name] == "default"]
    try:
        cases = {
            name: coerced(translator.expression(default, scope), type_).sql
            for name, default in zip(names, defaults, strict=True)
        }

        def read(v: str) -> str:
            made = converted(v, VARCHAR, type_)
            if type_.name == "varchar" or options.get("error") == "error":
                return made
            return f"CASE WHEN {v} IS NOT NULL THEN coalesce(TRY({made}), {cases.get('error', 'NULL')}) END"

        def chosen(v: str) -> str:
            whens = " ".join(f"WHEN {v} = chr(0) || '{name}' THEN {sql}" for name, sql in cases.items())
            return f"CASE {whens} ELSE {read(v)} END" if whens else read(v)

        return Operand(bound(f"py_json_value({given})", chosen), type_)
    except RefusedError as error:
        raise error_at(node, str(error)) from None


def made_object(translator: Translator, node: exp.Anonymous, scope: Scope) -> Operand:
    """Translate ``json_object('a' : 1, KEY 'b' VALUE 2)``."""
    _returned(node, VARCHAR, "varchar")
    members = node.expressions[1:]
    keys = ", ".join(coerced(translator.expression(each, scope), VARCHAR).sql for each in members[::2])
    return _constructed(translator, node, members[1::2], scope, f"json_members(CAST([{keys}] AS VARCHAR[]), ")


def made_array(translator: Translator, node: exp.Anonymous, scope: Scope) -> Operand:
    """Translate ``json_array(1, 'a')``, which omits NULL."""
    _returned(node, VARCHAR, "varchar")
    return _constructed(translator, node, node.expressions[1:], scope, "json_elements(")


def _constructed(
    translator: Translator, node: exp.Anonymous, values: list[exp.Expr], scope: Scope, call: str
) -> Operand:
    options = _options(node)
    items = ", ".join(
        _json_item(translator, each, scope, is_json=is_json)
        for each, is_json in zip(values, options["formats"], strict=True)
    )
    keeps_nulls = str(options["nulls"] == "null").lower()
    return Operand(f"py_{call}CAST([{items}] AS VARCHAR[]), {keeps_nulls})", VARCHAR)


def table(translator: Translator, node: exp.Expr, alias: str, scope: Scope) -> Relation:
    """Translate JSON_TABLE: a row for each item of a path, or for each nested item."""
    path = _path(translator, node.args.get("path") or exp.Literal.string("lax $"), scope)
    document = _document(translator, node.this, scope)
    found: list[tuple[str, Type]] = []
    shape = _table_shape(node.args["schema"], found)
    item = translator.fresh("j")
    columns = [
        f"{converted(f'{item}.r[{place + 1}]', VARCHAR, type_)} AS c{place}" for place, (_, type_) in enumerate(found)
    ]
    fields = tuple(Field(name, f"{alias}.c{place}", type_) for place, (name, type_) in enumerate(found))
    rows = f"(SELECT unnest(py_json_table({document}, {path}, {text(json.dumps(shape))})) AS r)"
    return Relation(f"(SELECT {', '.join(columns)} FROM {rows} AS {item})", fields)


def _key(column: exp.Expr) -> str:
    """Return the key of a column without a path, which is upper case unless the name is quoted."""
    return column.name if column.this.args.get("quoted") else column.name.upper()


def _table_shape(schema: exp.Expr, found: list[tuple[str, Type]]) -> list[object]:
    """Return the columns in the form for `json_table`: a path, null for the ordinality, or nested columns."""
    shape: list[object] = []
    for column in schema.expressions:
        inner = column.args.get("path")
        if column.args.get("nested_schema"):
            shape.append([inner.name, _table_shape(column.args["nested_schema"], found)])
        elif column.args.get("ordinality"):
            shape.append(None)
            found.append((column.name, BIGINT))
        else:
            shape.append(inner.name if isinstance(inner, exp.Expr) else f'lax $."{_key(column)}"')
            found.append((column.name, read_type(column.args["kind"].sql("trino"))))
    return shape
