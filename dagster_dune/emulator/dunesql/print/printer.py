"""From a query as Trino means it to DuckDB's SQL, when the tables are known.

Every node is rewritten from the leaves up, most by their kind alone (`syntax`), some by the types of their operands
(`operators`, `overloads`): ``a / b`` is one thing for integers and another for decimals. Types come from DuckDB's
binder (`binder_types`). A rewrite can change the type of what stands around it, so they are asked for until they stay.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from sqlglot import exp

from dagster_dune.emulator.dunesql.parse.functions import FUNCTIONS, MARK
from dagster_dune.emulator.dunesql.parse.incremental import put_previous
from dagster_dune.emulator.dunesql.parse.positions import VIEW
from dagster_dune.emulator.dunesql.print.binder_types import (
    TAG,
    TagTypes,
    argument_value,
    operand_type,
    planned_parts,
    probe,
    put_stand_ins,
    tag_operands,
    tagged_types,
    to_duckdb,
    typed_operands,
)
from dagster_dune.emulator.dunesql.rewrite.aggregates import finish_aggregate
from dagster_dune.emulator.dunesql.rewrite.expressions import Operation, call
from dagster_dune.emulator.dunesql.rewrite.functions.zones import mark_literals
from dagster_dune.emulator.dunesql.rewrite.operators import OPERATORS, SIGNED
from dagster_dune.emulator.dunesql.rewrite.overloads import TYPED_FUNCTIONS
from dagster_dune.emulator.dunesql.rewrite.row_types import guess_rows
from dagster_dune.emulator.dunesql.rewrite.syntax import drop_limit_all, name_columns, rename_tables, rewrite_syntax
from dagster_dune.emulator.dunesql.rewrite.try_aggregates import bind_tried_aggregates
from dagster_dune.emulator.sql_errors import SqlError

_AGGREGATE = "dune_aggregate"
_KEPT = frozenset({TAG, VIEW, "line", "col", "start", "end"})
_AROUND_AGGREGATE = (exp.Filter, exp.Window, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls)


def lower(
    statement: exp.Query, *, exists: Callable[[str], bool], plan: Callable[[str], str], previous: str | None = None
) -> str:
    """Write a query as DuckDB's SQL.

    Args:
        statement: A compiled query; it is not changed.
        exists: Whether there is a table of a full name.
        plan: Binds SQL without running it and gives the plan as DuckDB serializes it.
        previous: The full name of the table that holds the previous result of this query, if there is one.

    Returns:
        DuckDB's SQL.

    Raises:
        SqlError: A table does not exist, or the types do not fit.
    """
    prepared = statement.copy()
    put_previous(prepared, previous)
    rename_tables(prepared, exists)
    bind_tried_aggregates(prepared)
    name_columns(prepared)
    drop_limit_all(prepared)
    prepared.meta[SIGNED] = _mentions_int256(prepared)
    mark_literals(prepared)
    tags = tag_operands(prepared)
    return to_duckdb(_rewritten(prepared, _guessed_types(prepared, tags, plan), probing=False))


def _guessed_types(prepared: exp.Query, tags: int, plan: Callable[[str], str]) -> TagTypes:
    """Ask for the types, with the other guess where the first one does not bind."""
    try:
        return _types(prepared, tags, plan)
    except SqlError:
        if guess_rows(prepared):
            with suppress(SqlError):
                return _types(prepared, tags, plan)
        raise


def _types(prepared: exp.Query, tags: int, plan: Callable[[str], str]) -> TagTypes:
    """Ask for the types until they stay."""
    types: TagTypes = {}
    if not tags:
        return types
    for _ in range(tags + 2):  # each round settles at least the innermost operand that is not settled yet
        probing = _rewritten(prepared, types, probing=True)
        found = {tag: type_ for sql in planned_parts(probing) for tag, type_ in tagged_types(plan(sql))}
        if found == types and len(found) == tags:
            return types
        types = found
    raise SqlError("The types of this query cannot be told; write CAST around what it calculates with")


def _mentions_int256(statement: exp.Query) -> bool:
    return any(type_.this == exp.DType.INT256 for type_ in statement.find_all(exp.DataType)) or any(
        function.name.lower().endswith("_to_int256") for function in statement.find_all(exp.Anonymous)
    )


def _rewritten(prepared: exp.Query, types: TagTypes, *, probing: bool) -> exp.Query:
    statement = prepared.copy()
    for node in reversed(list(statement.walk(bfs=True))):
        parent, key, index = node.parent, node.arg_key, node.index
        if parent is None or key is None:
            continue
        new = _rewrite(node, types)
        new.meta.update({name: value for name, value in node.meta.items() if name in _KEPT})
        if probing and TAG in node.meta:
            new = probe(new, node.meta)
        if new is not node:
            parent.set(key, new, index)
    if probing:
        put_stand_ins(statement)
    return statement


def _rewrite(node: exp.Expr, types: TagTypes) -> exp.Expr:
    """Rewrite one node, whose children are done."""
    if _AGGREGATE in node.meta:
        name, known = node.meta[_AGGREGATE]
        return finish_aggregate(name, rewrite_syntax(node), known)
    if type(node) in OPERATORS:
        operands = typed_operands(node)
        return OPERATORS[type(node)](Operation(node, operands, [operand_type(each, types) for each in operands]))
    if isinstance(node, exp.Anonymous) and node.name.lower().startswith(MARK):
        return _rewrite_call(node, types)
    return rewrite_syntax(node)


def _rewrite_call(node: exp.Anonymous, types: TagTypes) -> exp.Expr:
    name = node.name.lower().removeprefix(MARK)
    function = FUNCTIONS[name]
    if not function.is_typed:
        return call(function.target, *node.expressions)
    known = [operand_type(argument_value(argument), types) for argument in node.expressions]
    new = TYPED_FUNCTIONS[name](Operation(node, node.expressions, known))
    around = _around_aggregate(node)
    if around is node:
        return finish_aggregate(name, new, known)
    around.meta[_AGGREGATE] = (name, known)
    return new


def _around_aggregate(node: exp.Expr) -> exp.Expr:
    """Find the outermost of FILTER, WITHIN GROUP and OVER around a function."""
    while isinstance(node.parent, _AROUND_AGGREGATE) and node.arg_key == "this":
        node = node.parent
    return node
