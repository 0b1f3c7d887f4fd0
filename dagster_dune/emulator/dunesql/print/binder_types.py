"""How the types of operands are found: DuckDB's own binder knows them, also of a column five subqueries away.

Each operand in question is wrapped as
``struct_extract(struct_pack(dune_tag_7 := operand, opaque := random()), 'dune_tag_7')``. That changes nothing but keeps
the binder from folding the operand, so that its type can be read off the plan of a query that is bound and never run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sqlglot import exp
from sqlglot.errors import ErrorLevel, UnsupportedError

from dagster_dune.emulator.dunesql.parse.functions import FUNCTIONS, MARK
from dagster_dune.emulator.dunesql.rewrite.expressions import call, text
from dagster_dune.emulator.dunesql.rewrite.operators import OPERATORS, operands_of
from dagster_dune.emulator.dunesql.types.types import Type, literal_type
from dagster_dune.emulator.sql_errors import SqlError

TAG = "dune_tag"
"""The mark on operands whose type matters; its value is their tag."""

OPAQUE = "dune_opaque"
"""The mark on tagged operands that tells whether the binder must be kept from folding them."""

TagTypes = dict[str, Type]

_TAG_TYPE = re.compile(r'"first":"(?P<tag>dune_tag_[0-9]+)","second":')
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
        "trino_wide_and",
        "trino_wide_or",
        "trino_wide_xor",
        "trino_wide_left_shift",
        "trino_wide_right_shift",
        "trino_uint256_bytes",
    }
)
"""The macros with constants of 256 bits, for which ``prelude.sql`` has stand-ins."""


def tag_operands(statement: exp.Query) -> int:
    """Give each operand whose type matters a tag.

    The same text in the same SELECT has one tag, so that an expression still equals its twin in GROUP BY.

    Args:
        statement: A query, changed in place.

    Returns:
        How many tags there are.
    """
    tagged: dict[tuple[int, str], list[exp.Expr]] = {}
    for node in statement.walk():
        for operand in typed_operands(node):
            has_known_type = isinstance(operand, exp.Literal) and not isinstance(node, exp.Cast | exp.TryCast)
            if has_known_type or isinstance(operand, exp.Star | exp.Interval | exp.Lambda):
                continue
            tagged.setdefault((id(operand.parent_select), operand.sql("trino")), []).append(operand)
    for number, twins in enumerate(tagged.values()):
        is_opaque = not any(_is_in_partition(operand) for operand in twins)
        for operand in twins:
            operand.meta[TAG] = f"{TAG}_{number}"
            operand.meta[OPAQUE] = is_opaque
    return len(tagged)


def _is_in_partition(node: exp.Expr) -> bool:
    """Whether a node stands in PARTITION BY, where DuckDB allows nothing opaque."""
    while node.parent is not None and not isinstance(node, exp.Query):
        if node.arg_key == "partition_by":
            return True
        node = node.parent
    return False


def typed_operands(node: exp.Expr) -> list[exp.Expr]:
    """Name the operands of a node whose types decide what is written for it."""
    if isinstance(node, exp.Anonymous):
        function = FUNCTIONS.get(node.name.lower().removeprefix(MARK))
        return [argument_value(part) for part in node.expressions] if function and function.is_typed else []
    return operands_of(node) if type(node) in OPERATORS else []


def argument_value(argument: exp.Expr) -> exp.Expr:
    """Find the value in an argument with DISTINCT or ORDER BY around it."""
    while isinstance(argument, _INSIDE_ARGUMENT):
        argument = argument.expressions[0] if isinstance(argument, exp.Distinct) else argument.this
    return argument


def operand_type(operand: exp.Expr, types: TagTypes) -> Type | None:
    """Tell the type of an operand, None where it is not known yet."""
    if isinstance(operand, exp.Interval):
        return Type("INTERVAL")
    if isinstance(operand, exp.Literal):
        return literal_type(operand.name, is_text=operand.is_string)
    return types.get(operand.meta.get(TAG, ""))


def probe(operand: exp.Expr, meta: Mapping[str, Any]) -> exp.Expr:
    """Wrap an operand so that a plan shows its type beside its tag.

    Args:
        operand: The operand in DuckDB's form.
        meta: The marks that `tag_operands` put on it.

    Returns:
        An expression of the same type.
    """
    fields = {meta[TAG]: operand, **({"opaque": call("random")} if meta[OPAQUE] else {})}
    packed = [exp.PropertyEQ(this=exp.to_identifier(name), expression=value) for name, value in fields.items()]
    wrapped = call("struct_extract", call("struct_pack", *packed), text(meta[TAG]))
    wrapped.meta[TAG] = meta[TAG]
    return wrapped


def planned_parts(statement: exp.Query) -> Iterator[str]:
    """Write what must be planned to see all types: an UNNEST without a column is no part of the plan of its query."""
    yield to_duckdb(statement)
    for unnest in statement.find_all(exp.Unnest):
        if not unnest.find(exp.Column):
            yield to_duckdb(exp.select(*(array.copy() for array in unnest.expressions)))


def to_duckdb(statement: exp.Expr) -> str:
    """Write a statement as text; what DuckDB's dialect cannot say is an error, never left out."""
    try:
        return statement.sql("duckdb", unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError as error:
        raise SqlError(f"Not supported by this emulator: {error}") from None


def put_stand_ins(statement: exp.Query) -> None:
    """Make a query that can be planned: a plan can hold no constant of 256 bits, and TRY nothing opaque."""
    for node in list(statement.find_all(exp.Anonymous)):
        if node.name == "TRY":
            node.replace(node.expressions[0])
        elif node.name in _SHAPED:
            node.set("this", node.name.replace(MARK, "shape_", 1))


def tagged_types(plan: str) -> Iterator[tuple[str, Type]]:
    """Read the types of the tagged operands off a plan.

    They are looked for in its text, since DuckDB writes some constants as what is no JSON.
    """
    decoder = json.JSONDecoder()
    for match in _TAG_TYPE.finditer(plan):
        type_, _ = decoder.raw_decode(plan, match.end())
        yield match["tag"], Type.from_plan(type_)
