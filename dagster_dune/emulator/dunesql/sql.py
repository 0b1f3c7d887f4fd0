"""Small builders of DuckDB's SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from dagster_dune.emulator.dunesql.types import Type

Types = Sequence[Type | None]
"""The types of the operands of a node, None where they are not known yet."""

Rewrite = Callable[[exp.Expr, list[exp.Expr], Types], exp.Expr]
"""Writes a node as DuckDB means it, given its operands in their DuckDB form and their types."""


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


def literal_text(node: exp.Expr) -> str | None:
    """Read a text that stands in the statement as such, and is not computed."""
    return str(node.this) if isinstance(node, exp.Literal) and node.is_string else None
