"""`SqlError`: an error of DuneSQL with the fields that Dune's API has."""

from __future__ import annotations

from typing import Literal

from dagster_dune.errors import DuneError

SqlErrorType = Literal["FAILED_TYPE_SYNTAX", "FAILED_TYPE_EXECUTION_FAILED", "FAILED_TYPE_CANCELLED"]


_SYNTAX = ("mismatched input", "cannot be read as SQL", "must be one statement", "Only SELECT is supported")
"""Parts of messages about SQL that cannot be parsed."""


class SqlError(DuneError):
    """A statement cannot be compiled, or its execution failed.

    Attributes:
        message: The message.
        type: Dune's word for the kind of error; ``FAILED_TYPE_SYNTAX`` only if it cannot be parsed.
        line: The line in the text of the query, from 1; None if the error has no position.
        column: The column in that line, from 1.
    """

    def __init__(
        self,
        message: str,
        *,
        type: SqlErrorType | None = None,  # noqa: A002 - the name that Dune's API gives it
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        self.message = f"line {line}:{column or 1}: {message}" if line is not None else message
        super().__init__(self.message)
        self.type: SqlErrorType = type or _type_of(message)
        self.line = line
        self.column = column


def _type_of(message: str) -> SqlErrorType:
    return "FAILED_TYPE_SYNTAX" if any(words in message for words in _SYNTAX) else "FAILED_TYPE_EXECUTION_FAILED"
