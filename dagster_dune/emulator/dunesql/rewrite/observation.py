"""Reports the uses of values of unknown type to an observer, while a query over unknown tables is translated.

`engine.schemas` infers the columns of tables from them. Other translations have no observer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Protocol

from dagster_dune.emulator.dunesql.functions.registry import Operand
from dagster_dune.emulator.dunesql.types.trino import UNKNOWN, Type, array


class Observer(Protocol):
    """Is notified of the uses of values of unknown type."""

    def observe(self, sql: str, target: Type, *, is_exact: bool) -> None:
        """A use requires a type of a value of unknown type, and no wider type if it is exact."""

    def derive(self, sql: str, origin: str) -> None:
        """A value of unknown type has the type of another value."""

    def link(self, sqls: Sequence[str]) -> None:
        """Values have the same type."""

    def elements(self, sql: str) -> str:
        """A value is an array; returns the name of its elements."""

    def compare(self, sql: str, text: str) -> None:
        """A value is compared with a literal."""


OBSERVER: ContextVar[Observer | None] = ContextVar("OBSERVER", default=None)


def is_observed() -> bool:
    """Return whether there is an observer."""
    return OBSERVER.get() is not None


def observe_type(value: Operand, target: Type, *, is_exact: bool = False) -> None:
    """Notify the observer, if there is one, of the type that a value of unknown type requires."""
    observer = OBSERVER.get()
    if observer is not None and value.type.name == "unknown":
        observer.observe(value.sql, target, is_exact=is_exact)


def derived(value: Operand, sources: Sequence[Operand]) -> Operand:
    """Notify the observer, if there is one, that a value of unknown type has the type of others; return the value."""
    observer = OBSERVER.get()
    if observer is not None and value.type.name == "unknown":
        for source in sources:
            if source.type.name == "unknown" and source.sql != value.sql:
                observer.derive(value.sql, source.sql)
                break
    return value


def link(values: Sequence[Operand]) -> None:
    """Notify the observer, if there is one, that values have the same type."""
    observer = OBSERVER.get()
    if observer is None or not any(value.type.name == "unknown" for value in values):
        return
    observer.link([value.sql for value in values])
    if (known := next((value.type for value in values if value.type.name != "unknown"), None)) is not None:
        for value in values:
            observe_type(value, known)


def observe_elements(value: Operand, elements: Sequence[Operand]) -> Operand:
    """Notify the observer, if there is one, of the elements of an array of unknown type; return the array."""
    observer = OBSERVER.get()
    if observer is not None and elements and value.type == array(UNKNOWN):
        observer.derive(f"{value.sql}[]", elements[0].sql)
    return value


def elements_of(value: Operand) -> str:
    """Notify the observer, if there is one, that a value of unknown type is an array; return its elements' name."""
    observer = OBSERVER.get()
    return observer.elements(value.sql) if observer is not None and value.type in (UNKNOWN, array(UNKNOWN)) else ""


def observe_comparison(value: Operand, others: Sequence[Operand]) -> None:
    """Notify the observer, if there is one, of the literal texts, bytes or integers that a value is compared with."""
    observer = OBSERVER.get()
    if observer is None or value.is_constant:
        return
    for other in others:
        bytes_ = re.fullmatch(r"unhex\('(.*)'\)", other.sql)
        literal = f"0x{bytes_[1].lower()}" if bytes_ else other.sql if other.type.is_integer else ""
        if text_ := other.literal or (literal if other.is_constant else ""):
            observer.compare(value.sql, text_)
