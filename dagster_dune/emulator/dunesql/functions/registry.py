"""Entries of functions: names, signatures, templates, and the pages of documentation.

They determine which calls are supported, how types are checked, and the list in docs/emulator.md. A template is SQL of
DuckDB with ``$1`` for the first argument, ``$*`` for all arguments, ``$R`` for the DuckDB type of the result, and
``$T1`` for that of an argument. In the template of an aggregate, ``«...»`` encloses the call that gets FILTER, ORDER
BY, DISTINCT and OVER, with an additional condition after ``|``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from dagster_dune.emulator.dunesql.types.signatures import Signature, read_signature
from dagster_dune.emulator.dunesql.types.trino import Type

Kind = Literal["scalar", "aggregate", "window"]


@dataclass(frozen=True)
class Operand:
    """A translated expression.

    Attributes:
        sql: The SQL of DuckDB.
        type: The Trino type.
        literal: The value of a text literal, None for other expressions.
        parameters: The parameters of a lambda, whose body is `sql`.
        is_constant: Whether it is a literal of a number or a time.
    """

    sql: str
    type: Type
    literal: str | None = None
    parameters: tuple[str, ...] = ()
    is_constant: bool = False

    @property
    def typed(self) -> str:
        """The SQL, with a cast for literals, whose type DuckDB would otherwise infer from their context."""
        return f"CAST({self.sql} AS {self.type.duckdb})" if self.is_constant else self.sql

    @property
    def written(self) -> str:
        """The SQL, including the parameters of a lambda."""
        return f"lambda {', '.join(self.parameters)}: {self.sql}" if self.parameters else self.sql

    def applied(self, *values: str) -> str:
        """Return the body of a lambda with values in place of parameters."""
        given = dict(zip(self.parameters, values, strict=True))
        names = "|".join(self.parameters)
        return re.sub(rf"\b(?:{names})\b", lambda match: given[match[0]], self.sql)


@dataclass(frozen=True)
class Call:
    """A call with a resolved signature, for functions that are not translated by templates.

    Attributes:
        name: The name of the function.
        arguments: The arguments, coerced to the types of the signature.
        result: The type of the result.
    """

    name: str
    arguments: Sequence[Operand]
    result: Type


class RefusedError(ValueError):
    """A call that is invalid or not supported, although the types of its arguments match."""


Template = str | Callable[[Call], str]
ResultRule = Callable[[Sequence[Type]], Type]


@dataclass(frozen=True)
class Function:
    """One signature of a function.

    Attributes:
        name: Trino's name.
        signature: The signature.
        template: The template, or a function that returns the SQL.
        page: The page of Trino's or Dune's documentation.
        kind: Whether it is a scalar, an aggregate or a window function.
        result: Returns the type of the result, if the signature cannot express it.
    """

    name: str
    signature: Signature
    template: Template
    page: str
    kind: Kind = "scalar"
    result: ResultRule | None = field(default=None, compare=False)


class Registry:
    """The functions of a page of documentation."""

    def __init__(self, page: str, kind: Kind = "scalar") -> None:
        self.page, self.kind = page, kind
        self.functions: list[Function] = []

    def add(self, names: str, signature: str, template: Template, result: ResultRule | None = None) -> None:
        """Add a function with one or several names.

        Args:
            names: The names, separated by spaces.
            signature: The signature, as in `types.signatures`.
            template: The template, or a function that returns the SQL.
            result: Returns the type of the result, if the signature cannot express it.
        """
        for name in names.split():
            self.functions.append(Function(name, read_signature(signature), template, self.page, self.kind, result))


def write(function: Function, call: Call) -> str:
    """Translate a call by its template."""
    if callable(function.template):
        return function.template(call)
    return filled(function.template, call.arguments, call.result)


_PLACE = re.compile(r"\$(?P<type>T)?(?P<number>\d)|\$(?P<all>\*)|\$(?P<result>R)")


def filled(template: str, arguments: Sequence[Operand], result: Type) -> str:
    """Substitute arguments in a template; missing ones are left out."""

    def place(match: re.Match[str]) -> str:
        if match["all"]:
            return ", ".join(argument.written for argument in arguments)
        if match["result"]:
            return result.duckdb
        number = int(match["number"]) - 1
        return arguments[number].type.duckdb if match["type"] else arguments[number].written

    return _PLACE.sub(place, template)


def text(value: str) -> str:
    """Return a text literal."""
    return "'" + value.replace("'", "''") + "'"


def bound(value: str, use: Callable[[str], str]) -> str:
    """Return SQL that binds a value to a unique name, so that it is evaluated once."""
    depth = max((int(number) for number in re.findall(r"\bdune_bound_(\d+)\b", value + use(""))), default=0)
    unique = f"dune_bound_{depth + 1}"
    return f"list_extract(list_transform([{value}], lambda {unique}: {use(unique)}), 1)"
