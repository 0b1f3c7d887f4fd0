"""What is wrong with a piece of DuneSQL, in the words that Dune's API uses."""

from __future__ import annotations

from typing import Literal

from dagster_dune.errors import DuneError

SqlErrorType = Literal["FAILED_TYPE_SYNTAX", "FAILED_TYPE_EXECUTION_FAILED", "FAILED_TYPE_CANCELLED"]


class SqlError(DuneError):
    """A statement cannot be read, or failed while it ran.

    Attributes:
        message: What happened.
        type: Dune's word for the kind of failure.
        line: The line in the query's own text, from 1; None where no single place is to blame.
        column: The column in that line, from 1.
    """

    def __init__(
        self,
        message: str,
        *,
        type: SqlErrorType = "FAILED_TYPE_SYNTAX",  # noqa: A002 - the name that Dune's API gives it
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        self.message = f"line {line}:{column or 1}: {message}" if line is not None else message
        super().__init__(self.message)
        self.type: SqlErrorType = type
        self.line = line
        self.column = column
