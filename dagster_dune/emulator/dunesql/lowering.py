"""From a query as Trino means it to DuckDB's SQL, when the tables are known.

Some rewrites depend on the types of operands: ``a / b`` is one thing for integers and another for decimals. DuckDB's own
binder knows every type, also of a column five subqueries away, so it is asked: each operand in question is wrapped as
``struct_extract(struct_pack(t7 := operand, opaque := random()), 't7')``, which changes nothing but keeps the binder from
folding it, the plan is bound but not run, and the types are read off it. A rewrite can change the type of what stands
around it, so this is repeated until the types stay.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from sqlglot import exp
from sqlglot.errors import ErrorLevel, UnsupportedError

from dagster_dune.emulator.dunesql.functions import FUNCTIONS, MARK
from dagster_dune.emulator.dunesql.operators import OPERATORS, SIGNED, operands_of
from dagster_dune.emulator.dunesql.positions import VIEW
from dagster_dune.emulator.dunesql.sql import call, text
from dagster_dune.emulator.dunesql.transforms import drop_limit_all, name_columns, rename_tables, rewrite_syntax
from dagster_dune.emulator.dunesql.typed import TYPED_FUNCTIONS, finish_aggregate
from dagster_dune.emulator.dunesql.types import Type, literal_type
from dagster_dune.emulator.errors import SqlError

_TAG = "dune_tag"
_AGGREGATE = "dune_aggregate"
_KEPT = frozenset({_TAG, VIEW, "line", "col", "start", "end"})
_TAG_TYPE = re.compile(r'"first":"(?P<tag>t[0-9]+)","second":')
_ROUNDS = 20
_AROUND_AGGREGATE = (exp.Filter, exp.Window, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls)
_INSIDE_ARGUMENT = (exp.Order, exp.Distinct, exp.IgnoreNulls, exp.RespectNulls)

_SHAPED = frozenset(
    {
        "trino_bignum_product",
        "trino_bignum_division",
        "trino_bignum_difference",
        "trino_uint256_range",
        "trino_int256_range",
        "trino_bytes_to_uint256",
        "trino_bytes_to_int256",
        "trino_decimal_quotient",
    }
)

TagTypes = dict[str, Type]


def lower(statement: exp.Query, *, exists: Callable[[str], bool], plan: Callable[[str], str]) -> str:
    """Write a query as DuckDB's SQL.

    Args:
        statement: A compiled query; it is not changed.
        exists: Whether there is a table of a full name.
        plan: Binds SQL without running it and gives the plan as DuckDB serializes it.

    Returns:
        DuckDB's SQL.

    Raises:
        SqlError: A table does not exist, or the types do not fit.
    """
    prepared = statement.copy()
    rename_tables(prepared, exists)
    name_columns(prepared)
    drop_limit_all(prepared)
    prepared.meta[SIGNED] = _mentions_int256(prepared)
    _tag_operands(prepared)
    types: TagTypes = {}
    for _ in range(_ROUNDS):
        found = dict(_tagged_types(plan(_render(prepared, types, probing=True))))
        if found == types:
            return _render(prepared, types, probing=False)
        types = found
    raise SqlError("The types of this query cannot be told; write CAST around what it divides or multiplies")


def _mentions_int256(statement: exp.Query) -> bool:
    return any(type_.this == exp.DType.INT256 for type_ in statement.find_all(exp.DataType)) or any(
        function.name.lower().endswith("_to_int256") for function in statement.find_all(exp.Anonymous)
    )


def _tag_operands(statement: exp.Query) -> None:
    """Give each operand whose type matters a tag: one for the same text in the same SELECT, so that GROUP BY finds it."""
    tags: dict[tuple[int, str], str] = {}
    for node in statement.walk():
        for operand in _operands(node):
            is_plain = isinstance(operand, exp.Literal) and not isinstance(node, exp.Cast | exp.TryCast)
            if is_plain or isinstance(operand, exp.Star | exp.Interval):
                continue
            key = (id(operand.parent_select), operand.sql("trino"))
            operand.meta[_TAG] = tags.setdefault(key, f"t{len(tags)}")


def _operands(node: exp.Expr) -> list[exp.Expr]:
    if isinstance(node, exp.Anonymous):
        name = node.name.lower().removeprefix(MARK)
        if name in FUNCTIONS and FUNCTIONS[name].is_typed and node.name.lower().startswith(MARK):
            return [_argument(argument) for argument in node.expressions]
        return []
    return operands_of(node) if type(node) in OPERATORS else []


def _argument(argument: exp.Expr) -> exp.Expr:
    """Find the value in an argument with DISTINCT or ORDER BY around it."""
    while isinstance(argument, _INSIDE_ARGUMENT):
        inner = argument.expressions[0] if isinstance(argument, exp.Distinct) else argument.this
        argument = inner
    return argument


def _render(prepared: exp.Query, types: TagTypes, *, probing: bool) -> str:
    statement = prepared.copy()
    for node in reversed(list(statement.walk(bfs=True))):
        if node is statement:
            continue
        new = _rewrite(node, types)
        new.meta.update({key: value for key, value in node.meta.items() if key in _KEPT})
        if probing and _TAG in node.meta:
            new = _probe(node.meta[_TAG], node.copy() if new is node else new)
        if new is not node:
            node.replace(new)
    if probing:
        _shape(statement)
    try:
        return statement.sql("duckdb", unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError as error:
        raise SqlError(f"Not supported by this emulator: {error}") from None


def _rewrite(node: exp.Expr, types: TagTypes) -> exp.Expr:
    """Rewrite one node, whose children are done."""
    if _AGGREGATE in node.meta:
        return finish_aggregate(node.meta[_AGGREGATE][0], node, node.meta[_AGGREGATE][1])
    if type(node) in OPERATORS:
        operands = _operands(node)
        return OPERATORS[type(node)](node, operands, [_type(operand, types) for operand in operands])
    if not isinstance(node, exp.Anonymous) or not node.name.lower().startswith(MARK):
        return rewrite_syntax(node)
    name = node.name.lower().removeprefix(MARK)
    function = FUNCTIONS.get(name)
    if function is None:
        return node
    if not function.is_typed:
        return call(function.target, *node.expressions)
    known = [_type(_argument(argument), types) for argument in node.expressions]
    new = TYPED_FUNCTIONS[name](node, node.expressions, known)
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


def _type(operand: exp.Expr, types: TagTypes) -> Type | None:
    if isinstance(operand, exp.Interval):
        return Type("INTERVAL")
    if isinstance(operand, exp.Literal):
        return literal_type(operand.name, is_text=operand.is_string)
    return types.get(operand.meta.get(_TAG, ""))


def _probe(tag: str, operand: exp.Expr) -> exp.Expr:
    fields = {tag: operand, "opaque": call("random")}
    packed = call(
        "struct_pack",
        *(exp.PropertyEQ(this=exp.to_identifier(name), expression=value) for name, value in fields.items()),
    )
    probe = call("struct_extract", packed, text(tag))
    probe.meta[_TAG] = tag
    return probe


def _shape(statement: exp.Query) -> None:
    """Put stand-ins of the same type: a plan can hold no constant BIGNUM, and TRY no opaque value."""
    for node in list(statement.find_all(exp.Anonymous)):
        if node.name == "TRY":
            node.replace(node.expressions[0])
        elif node.name in _SHAPED:
            node.set("this", node.name.replace(MARK, "shape_", 1))


def _tagged_types(plan: str) -> Iterator[tuple[str, Type]]:
    """Read the types of the tagged operands off a plan.

    They are looked for in its text, since DuckDB writes some constants as what is no JSON.
    """
    decoder = json.JSONDecoder()
    for match in _TAG_TYPE.finditer(plan):
        type_, _ = decoder.raw_decode(plan, match.end())
        yield match["tag"], Type.from_plan(type_)
