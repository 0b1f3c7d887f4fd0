"""What rewrites have in common: what they are given, and small builders of DuckDB's SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sqlglot import exp

from dagster_dune.emulator.dunesql.types.types import Type, trino_type


@dataclass(frozen=True)
class Operation:
    """An operator or a function whose types decide what is written.

    Attributes:
        node: It as the user wrote it, for errors.
        operands: What it is applied to, in DuckDB's form.
        types: The types of the operands, None where they are not known yet.
    """

    node: exp.Expr
    operands: list[exp.Expr]
    types: Sequence[Type | None]

    def has(self, *ids: str) -> bool:
        """Whether any operand is of one of some types."""
        return any(type_ is not None and type_.id in ids for type_ in self.types)

    def is_at(self, position: int, *ids: str) -> bool:
        """Whether the operand at a position is of one of some types."""
        type_ = self.types[position]
        return type_ is not None and type_.id in ids

    def type_names(self) -> list[str]:
        """Name the types in Trino's words, for messages."""
        return [trino_type(type_.id) if type_ else "unknown" for type_ in self.types]


Rewrite = Callable[[Operation], exp.Expr]
"""Writes an operation with Trino's meaning in DuckDB's SQL."""


def call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """Call a function by its DuckDB name."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def cast_to(value: exp.Expr, type_name: str) -> exp.Expr:
    """Cast to a type of DuckDB's, with DuckDB's meaning."""
    return exp.Cast(this=value, to=exp.DataType(this=exp.DType.USERDEFINED, kind=type_name))


def text(value: str) -> exp.Expr:
    """Write a text."""
    return exp.Literal.string(value)


def integer(value: int) -> exp.Expr:
    """Write a whole number."""
    return exp.Literal.number(value)


def joined(parts: Sequence[exp.Expr]) -> exp.Expr:
    """Join texts, bytes or arrays with ``||``."""
    whole = parts[0]
    for part in parts[1:]:
        whole = exp.DPipe(this=whole, expression=part)
    return exp.Paren(this=whole)


def literal_text(node: exp.Expr) -> str | None:
    """Read a text that stands in the statement as such, and is not computed."""
    return str(node.this) if isinstance(node, exp.Literal) and node.is_string else None


def struct(fields: Iterable[tuple[str, exp.Expr]]) -> exp.Expr:
    """Make a struct of named values."""
    return call(
        "struct_pack",
        *(exp.PropertyEQ(this=exp.to_identifier(name, quoted=True), expression=value) for name, value in fields),
    )


def fields_of(row: exp.Expr, type_: Type) -> list[exp.Expr]:
    """Take every field out of a row."""
    return [call("struct_extract_at", row.copy(), integer(place + 1)) for place in range(len(type_.fields))]


def transformed(array: exp.Expr, change: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    """Change each element of an array; the name of the element is one that no lambda inside has."""
    element = exp.to_identifier("dune_element")
    body = change(element)
    depth = sum(1 for _ in body.find_all(exp.Lambda))
    if depth:
        element = exp.to_identifier(f"dune_element_{depth}")
        body = change(element)
    return call("list_transform", array, exp.Lambda(this=body, expressions=[element.copy()]))


def bound(value: exp.Expr, use: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    """Evaluate a value once, and use it by its name."""
    listed = transformed(exp.Array(expressions=[value]), use)
    return exp.Bracket(this=listed, expressions=[integer(1)], offset=1)
