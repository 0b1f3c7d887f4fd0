"""UNNEST: DuckDB's takes one array, Trino's takes several, maps, arrays of rows, and WITH ORDINALITY.

An array is one column, a map is two, and an array of rows is one for each field. What DuckDB's cannot say becomes a
subquery, ``(SELECT unnest(a), unnest(b)) AS t(x, y)``, which pads the shorter array with NULL as Trino does. While the
types are not known yet, the names after AS tell how many columns there are, and `row_types` tells of what.
"""

from __future__ import annotations

from sqlglot import exp

from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.expressions import Operation, call, integer, transformed
from dagster_dune.emulator.dunesql.rewrite.row_types import expects_rows
from dagster_dune.emulator.dunesql.types.types import Type


def unnest(operation: Operation) -> exp.Expr:
    """Write an UNNEST whose arguments are done."""
    node = operation.node
    known = [type_ for type_ in operation.types if type_ is not None]
    if len(known) < len(operation.operands):
        return _guessed(operation)
    parts = [
        part for value, type_ in zip(operation.operands, known, strict=True) for part in _parts(node, value, type_)
    ]
    names, has_ordinality = _names(node), bool(node.args.get("offset"))
    if names and len(names) != len(parts) + has_ordinality:
        raise error_at(
            node, f"Column alias list has {len(names)} entries but UNNEST has {len(parts) + has_ordinality} columns"
        )
    if len(parts) == 1 and not has_ordinality and not _rows_inside(known[0]):
        return node
    return _subquery(node, [part for _, part in parts], [name.name for name in names] or [name for name, _ in parts])


def _names(node: exp.Expr) -> list[exp.Expr]:
    """The names of the columns; sqlglot keeps that of the ordinality apart."""
    alias, offset = node.args.get("alias"), node.args.get("offset")
    names: list[exp.Expr] = list(alias.columns) if alias else []
    return [*names, offset] if isinstance(offset, exp.Identifier) else names


def _rows_inside(type_: Type) -> bool:
    return type_.element is not None and type_.element.is_row


def _parts(node: exp.Expr, value: exp.Expr, type_: Type) -> list[tuple[str, exp.Expr]]:
    """The arrays that become columns, with the names that they have of themselves."""
    if type_.id == "MAP":
        return [("", call("map_keys", value.copy())), ("", call("map_values", value.copy()))]
    if type_.element is not None and type_.element.is_row:
        return [(name, _field(value, place)) for place, (name, _) in enumerate(type_.element.fields)]
    if type_.id == "LIST" or type_.is_null:
        return [("", value.copy())]
    raise error_at(node, f"Cannot unnest type: {type_.trino_name}")


def _field(rows: exp.Expr, place: int) -> exp.Expr:
    return transformed(rows.copy(), lambda row: call("struct_extract_at", row, integer(place + 1)))


def _guessed(operation: Operation) -> exp.Expr:
    node, values = operation.node, operation.operands
    names, has_ordinality = [name.name for name in _names(node)], bool(node.args.get("offset"))
    each, rest = divmod(len(names) - has_ordinality, len(values)) if names else (1, 0)
    if each == 1 and rest == 0 and not expects_rows(node):
        if len(values) == 1 and not has_ordinality:
            return node
        return _subquery(node, values, names)
    if rest == 0 and expects_rows(node):
        return _subquery(node, [_field(value, place) for value in values for place in range(each)], names)
    if rest == 0 and each == 2:
        return _subquery(node, [call(name, value.copy()) for value in values for name in _OF_MAPS], names)
    select = exp.select(*(exp.alias_(exp.null(), name, quoted=True) for name in names), *values)
    return exp.Subquery(this=select, alias=_alias(node))


_OF_MAPS = ("map_keys", "map_values")


def _subquery(node: exp.Expr, parts: list[exp.Expr], names: list[str]) -> exp.Expr:
    columns = [call("unnest", part) for part in parts]
    if node.args.get("offset"):
        columns.append(call("unnest", _ordinals(parts)))
    written = [
        exp.alias_(column, (names[position] if position < len(names) else "") or f"_col{position}", quoted=True)
        for position, column in enumerate(columns)
    ]
    return exp.Subquery(this=exp.select(*written), alias=_alias(node))


def _alias(node: exp.Expr) -> exp.TableAlias:
    alias = node.args.get("alias")
    return exp.TableAlias(this=alias.this if alias and alias.this else exp.to_identifier("_unnest"))


def _ordinals(arrays: list[exp.Expr]) -> exp.Expr:
    lengths = [call("coalesce", call("len", array.copy()), integer(0)) for array in arrays]
    return call("range", integer(1), exp.Add(this=call("greatest", *lengths), expression=integer(1)))
