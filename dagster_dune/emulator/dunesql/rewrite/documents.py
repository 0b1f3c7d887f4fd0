"""JSON functions whose arguments are syntax of their own, and JSON_TABLE."""

from __future__ import annotations

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.registry import Operand, bound, text
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.casts import NoCastError, coerced, converted, json_sql
from dagster_dune.emulator.dunesql.rewrite.scopes import Field, Relation, Scope, Translator
from dagster_dune.emulator.dunesql.types.trino import BIGINT, VARCHAR, Type, read_type


def _document(translator: Translator, node: exp.Expr, scope: Scope) -> str:
    value = translator.expression(node, scope)
    if value.type.name not in ("varchar", "json", "unknown"):
        raise error_at(node, f"The input of a JSON function must be a text, not {value.type}")
    return value.sql


def _path(translator: Translator, node: exp.Expr, scope: Scope) -> str:
    value = translator.expression(node, scope)
    if value.literal is None:
        raise error_at(node, "A JSON path must be written out as a text")
    return text(value.literal)


def _behaviour(node: object) -> str:
    if node is None or node is False:
        return ""
    if isinstance(node, exp.Expr):
        return "default"
    return str(node).upper().rpartition(" ON ")[0].lower()


def _options(node: exp.Expr, **more: str) -> str:
    on = node.args.get("on_condition")
    found = {name: _behaviour(on.args.get(name)) for name in ("empty", "error")} if on is not None else {}
    return text(";".join(f"{key}={value}" for key, value in {**found, **more}.items() if value))


def query(translator: Translator, node: exp.Expr, scope: Scope) -> Operand:
    """Write ``json_query(...)``."""
    if not node.args.get("json_query"):
        raise error_at(node, "mismatched input '->': write json_extract, or a lambda as an argument of a function")
    option = node.args.get("option")
    wrapper = (option.name if isinstance(option, exp.Expr) else str(option or "")).upper()
    kind = (
        "conditional"
        if "CONDITIONAL" in wrapper and "UN" not in wrapper
        else "array"
        if wrapper.startswith("WITH ")
        else ""
    )
    quotes = node.args.get("quote")
    omit = "omit" if quotes is not None and quotes.text("option").upper() == "OMIT" else ""
    document, path = _document(translator, node.this, scope), _path(translator, node.expression, scope)
    return Operand(f"py_json_query({document}, {path}, {_options(node, wrapper=kind, quotes=omit)})", VARCHAR)


def value(translator: Translator, node: exp.Expr, scope: Scope) -> Operand:
    """Write ``json_value(...)``."""
    returning = node.args.get("returning")
    type_ = read_type(returning.sql("trino")) if isinstance(returning, exp.Expr) else VARCHAR
    document, path = _document(translator, node.this, scope), _path(translator, node.args["path"], scope)
    made = f"py_json_value({document}, {path}, {_options(node)})"
    on = node.args.get("on_condition")
    defaults = {name: on.args.get(name) for name in ("empty", "error")} if on is not None else {}
    try:
        cases = {
            name: coerced(translator.expression(default, scope), type_).sql
            for name, default in defaults.items()
            if isinstance(default, exp.Expr)
        }
        if not cases:
            return Operand(converted(made, VARCHAR, type_), type_)
        whens = " ".join(f"WHEN v = chr(0) || '{name}' THEN {sql}" for name, sql in cases.items())
        return Operand(
            bound(
                made, lambda v: f"CASE {whens.replace('WHEN v', f'WHEN {v}')} ELSE {converted(v, VARCHAR, type_)} END"
            ),
            type_,
        )
    except NoCastError as error:
        raise error_at(node, str(error)) from None


def exists(translator: Translator, node: exp.Expr, arguments: list[exp.Expr], scope: Scope) -> Operand:
    """Write ``json_exists(...)``."""
    if len(arguments) != 2:
        raise error_at(node, "json_exists takes a text and a path")
    document, path = _document(translator, arguments[0], scope), _path(translator, arguments[1], scope)
    return Operand(f"py_json_exists({document}, {path}, '')", Type("boolean"))


def made_object(translator: Translator, node: exp.Expr, scope: Scope) -> Operand:
    """Write ``json_object('a' : 1, KEY 'b' VALUE 2)``."""
    parts = []
    for pair in node.expressions:
        if not isinstance(pair, exp.JSONKeyValue):
            raise error_at(node, "json_object is supported with keys and values alone")
        key = coerced(translator.expression(pair.this, scope), VARCHAR)
        parts.append(f"py_json_quote({key.sql}) || ':' || {_item(translator, pair.expression, scope)}")
    return Operand("('{' || " + (" || ',' || ".join(parts) or "''") + " || '}')", VARCHAR)


def made_array(translator: Translator, node: exp.Expr, scope: Scope) -> Operand:
    """Write ``json_array(1, 'a')``, which leaves NULL out."""
    items = [
        json_sql(item.sql, item.type) for item in (translator.expression(each, scope) for each in node.expressions)
    ]
    joined = (
        f"array_to_string(list_filter([{', '.join(items)}], lambda dune_x: dune_x IS NOT NULL), ',')" if items else "''"
    )
    return Operand(f"('[' || {joined} || ']')", VARCHAR)


def _item(translator: Translator, node: exp.Expr, scope: Scope) -> str:
    item = translator.expression(node, scope)
    if item.type.name == "unknown":
        return "'null'"
    try:
        return f"coalesce({json_sql(item.sql, item.type)}, 'null')"
    except NoCastError as error:
        raise error_at(node, str(error)) from None


def table(translator: Translator, node: exp.Expr, alias: str, scope: Scope) -> Relation:
    """Write JSON_TABLE with plain columns: the items that a path finds, a row each."""
    item, fields, columns = translator.fresh("j"), [], []
    path = _path(translator, node.args.get("path") or exp.Literal.string("lax $"), scope)
    document = _document(translator, node.this, scope)
    for place, column in enumerate(node.args["schema"].expressions):
        if column.args.get("nested_schema"):
            raise error_at(node, "NESTED PATH of JSON_TABLE is not supported by this emulator")
        name = column.name
        if column.args.get("ordinality"):
            sql, type_ = f"{item}.n", BIGINT
        else:
            type_ = read_type(column.args["kind"].sql("trino"))
            inner = column.args.get("path")
            inner_path = inner.name if isinstance(inner, exp.Expr) else f'lax $."{name}"'
            found = f"py_json_value({item}.d, {text(inner_path)}, '')"
            sql = converted(found, VARCHAR, type_)
        columns.append(f"{sql} AS c{place}")
        fields.append(Field(name, f"{alias}.c{place}", type_))
    items = f"py_json_items({document}, {path})"
    source = f"(SELECT unnest({items}) AS d, unnest(range(1, len({items}) + 1)) AS n)"
    return Relation(f"(SELECT {', '.join(columns)} FROM {source} AS {item})", tuple(fields))
