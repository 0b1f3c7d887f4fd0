"""UNNEST: DuckDB's takes one array, Trino's takes several, maps, and WITH ORDINALITY.

What DuckDB's cannot say becomes a subquery, ``(SELECT unnest(a), unnest(b)) AS t(x, y)``, which pads the shorter array
with NULL as Trino does. An array is one column and a map is two, so the names after AS tell which one is meant; DuckDB
refuses the query where that is not what the argument is.
"""

from __future__ import annotations

from sqlglot import exp

from dagster_dune.emulator.dunesql.positions import error_at
from dagster_dune.emulator.dunesql.sql import call, integer


def unnest(node: exp.Expr) -> exp.Expr:
    """Write an UNNEST whose arguments are done."""
    arguments, names = node.expressions, _names(node)
    has_ordinality = bool(node.args.get("offset"))
    columns = len(names) - has_ordinality if names else len(arguments)
    if columns not in (len(arguments), 2 * len(arguments)):
        raise error_at(
            node,
            f"UNNEST has {len(arguments)} arguments but names for {columns} columns: an array is one column, a map is "
            "two, and arrays beside maps are not supported by this emulator",
        )
    has_maps = columns != len(arguments)
    if len(arguments) == 1 and not has_maps and not has_ordinality:
        return node
    parts = [part for argument in arguments for part in _parts(argument, has_maps=has_maps)]
    unnested = [call("unnest", part) for part in parts]
    if has_ordinality:
        unnested.append(call("unnest", _ordinals(parts)))
    return _subquery(node, unnested, names)


def _names(node: exp.Expr) -> list[exp.Expr]:
    """The names of the columns; sqlglot keeps that of the ordinality apart."""
    alias, offset = node.args.get("alias"), node.args.get("offset")
    names: list[exp.Expr] = list(alias.columns) if alias else []
    return [*names, offset] if isinstance(offset, exp.Identifier) else names


def _parts(argument: exp.Expr, *, has_maps: bool) -> list[exp.Expr]:
    return [call("map_keys", argument), call("map_values", argument.copy())] if has_maps else [argument]


def _ordinals(arrays: list[exp.Expr]) -> exp.Expr:
    lengths = [call("coalesce", call("len", array.copy()), integer(0)) for array in arrays]
    return call("range", integer(1), exp.Add(this=call("greatest", *lengths), expression=integer(1)))


def _subquery(node: exp.Expr, columns: list[exp.Expr], names: list[exp.Expr]) -> exp.Expr:
    named = [
        exp.alias_(column, names[position].name if names else f"_col{position}", quoted=True)
        for position, column in enumerate(columns)
    ]
    alias = node.args.get("alias")
    table = alias.this if alias and alias.this else exp.to_identifier("_unnest")
    return exp.Subquery(this=exp.select(*named), alias=exp.TableAlias(this=table))
