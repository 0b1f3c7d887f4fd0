"""What is known of a function: its name, what it takes and gives, what is written for it, and the page that says so.

Everything else is made of this: which calls are allowed, how types are checked, and the list in docs/emulator.md. A
template is DuckDB's SQL with ``$1`` for the first argument, ``$*`` for all, ``$R`` for DuckDB's type of the result and
``$T1`` for that of an argument. In the template of an aggregate, what stands in ``«...»`` is the call that FILTER,
ORDER BY, DISTINCT and OVER belong to, and what follows ``|`` in it is a condition of its own.
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
    """An expression in DuckDB's SQL.

    Attributes:
        sql: Its text.
        type: Its type.
        literal: What it says, where it is a text that stands in the query as such.
        parameters: Of a lambda, the names of its parameters; `sql` is then its body.
        is_constant: Whether it is a number or a time that stands in the query as such.
    """

    sql: str
    type: Type
    literal: str | None = None
    parameters: tuple[str, ...] = ()
    is_constant: bool = False

    @property
    def typed(self) -> str:
        """The text, a number or a time with its type, where DuckDB would take it for that of what is beside it."""
        return f"CAST({self.sql} AS {self.type.duckdb})" if self.is_constant else self.sql

    @property
    def written(self) -> str:
        """The text, that of a lambda with its parameters."""
        return f"lambda {', '.join(self.parameters)}: {self.sql}" if self.parameters else self.sql

    def applied(self, *values: str) -> str:
        """What a lambda makes of values."""
        given = dict(zip(self.parameters, values, strict=True))
        names = "|".join(self.parameters)
        return re.sub(rf"\b(?:{names})\b", lambda match: given[match[0]], self.sql)


@dataclass(frozen=True)
class Call:
    """A call whose signature is found, for functions that a template cannot write.

    Attributes:
        name: The function.
        arguments: Its arguments, brought to the types that the signature names.
        result: The type of what it gives.
    """

    name: str
    arguments: Sequence[Operand]
    result: Type


class RefusedError(ValueError):
    """A call that types alone do not show to be wrong, or that is not supported."""


Template = str | Callable[[Call], str]
ResultRule = Callable[[Sequence[Type]], Type]


@dataclass(frozen=True)
class Function:
    """One signature of a function.

    Attributes:
        name: Trino's name.
        signature: What it takes and gives.
        template: What is written for it.
        page: The page of Trino's or Dune's documentation that says what it means.
        kind: Whether it is of one row, of many, or of a window.
        result: Tells the type of the result where the signature cannot.
    """

    name: str
    signature: Signature
    template: Template
    page: str
    kind: Kind = "scalar"
    result: ResultRule | None = field(default=None, compare=False)


class Registry:
    """The functions of a page."""

    def __init__(self, page: str, kind: Kind = "scalar") -> None:
        self.page, self.kind = page, kind
        self.functions: list[Function] = []

    def add(self, names: str, signature: str, template: Template, result: ResultRule | None = None) -> None:
        """Add a signature under one name or several.

        Args:
            names: One or more, with blanks between them.
            signature: As `types.signatures` reads it.
            template: What is written.
            result: Tells the type of the result where the signature cannot.
        """
        for name in names.split():
            self.functions.append(Function(name, read_signature(signature), template, self.page, self.kind, result))


def write(function: Function, call: Call) -> str:
    """Write a call by its template."""
    if callable(function.template):
        return function.template(call)
    return filled(function.template, call.arguments, call.result)


_PLACE = re.compile(r"\$(?P<type>T)?(?P<number>\d)|\$(?P<all>\*)|\$(?P<result>R)")


def filled(template: str, arguments: Sequence[Operand], result: Type) -> str:
    """Put arguments in the places of a template; those that are missing are left out."""

    def place(match: re.Match[str]) -> str:
        if match["all"]:
            return ", ".join(argument.written for argument in arguments)
        if match["result"]:
            return result.duckdb
        number = int(match["number"]) - 1
        return arguments[number].type.duckdb if match["type"] else arguments[number].written

    return _PLACE.sub(place, template)


def text(value: str) -> str:
    """Write a text."""
    return "'" + value.replace("'", "''") + "'"


def bound(value: str, use: Callable[[str], str]) -> str:
    """Evaluate a value once, and use it by a name that no other binding has."""
    depth = max((int(number) for number in re.findall(r"\bdune_bound_(\d+)\b", value + use(""))), default=0)
    unique = f"dune_bound_{depth + 1}"
    return f"list_extract(list_transform([{value}], lambda {unique}: {use(unique)}), 1)"
