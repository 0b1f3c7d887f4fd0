"""What values of unknown type are taken for, told to whoever asks while a query is translated over unknown tables.

`engine.schemas` does. Else there is no observer, and nothing is told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Protocol

from dagster_dune.emulator.dunesql.functions.registry import Operand
from dagster_dune.emulator.dunesql.types.trino import UNKNOWN, Type, array


class Observer(Protocol):
    """Is told which types values of unknown type are taken for."""

    def observe(self, sql: str, target: Type, *, is_exact: bool) -> None:
        """A value of unknown type is taken for one of a type, and for no wider one if it is exact."""

    def derive(self, sql: str, origin: str) -> None:
        """A value of unknown type has the type of another one."""

    def link(self, sqls: Sequence[str]) -> None:
        """Values are of one type."""

    def elements(self, sql: str) -> str:
        """A value is an array; returns what its elements are called."""

    def compare(self, sql: str, text: str) -> None:
        """A value is compared with one that is written out."""


OBSERVER: ContextVar[Observer | None] = ContextVar("OBSERVER", default=None)


def is_observed() -> bool:
    """Whether there is an observer, which finds out what values of unknown type are."""
    return OBSERVER.get() is not None


def suppose(value: Operand, target: Type, *, is_exact: bool = False) -> None:
    """Tell the observer, if there is one, what a value of unknown type may be taken for."""
    observer = OBSERVER.get()
    if observer is not None and value.type.name == "unknown":
        observer.observe(value.sql, target, is_exact=is_exact)


def derived(value: Operand, sources: Sequence[Operand]) -> Operand:
    """Tell the observer, if there is one, that a value of unknown type has the type of others; returns the value."""
    observer = OBSERVER.get()
    if observer is not None and value.type.name == "unknown":
        for source in sources:
            if source.type.name == "unknown" and source.sql != value.sql:
                observer.derive(value.sql, source.sql)
                break
    return value


def link(values: Sequence[Operand]) -> None:
    """Tell the observer, if there is one, that values are of one type."""
    observer = OBSERVER.get()
    if observer is None or not any(value.type.name == "unknown" for value in values):
        return
    observer.link([value.sql for value in values])
    if (known := next((value.type for value in values if value.type.name != "unknown"), None)) is not None:
        for value in values:
            suppose(value, known)


def holds(value: Operand, elements: Sequence[Operand]) -> Operand:
    """Tell the observer, if there is one, that an array of unknown type has these elements; returns the array."""
    observer = OBSERVER.get()
    if observer is not None and elements and value.type == array(UNKNOWN):
        observer.derive(f"{value.sql}[]", elements[0].sql)
    return value


def elements_of(value: Operand) -> str:
    """Tell the observer, if there is one, that a value of unknown type is an array; what its elements are called."""
    observer = OBSERVER.get()
    return observer.elements(value.sql) if observer is not None and value.type in (UNKNOWN, array(UNKNOWN)) else ""


def note_compared(value: Operand, others: Sequence[Operand]) -> None:
    """Tell the observer, if there is one, which texts, bytes or whole numbers a value may be equal to."""
    observer = OBSERVER.get()
    if observer is None or value.is_constant:
        return
    for other in others:
        bytes_ = re.fullmatch(r"unhex\('(.*)'\)", other.sql)
        written = f"0x{bytes_[1].lower()}" if bytes_ else other.sql if other.type.is_integer else ""
        if text_ := other.literal or (written if other.is_constant else ""):
            observer.compare(value.sql, text_)
