"""How a frame is written, what that costs by Dune's price list, and what was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Literal, get_args

from dagster_dune.errors import DuneConfigurationError
from dagster_dune.paging.options import check_kinds

MAX_INSERT_BYTES = 1_200_000_000
# Assumption: table-prices.
CREATION_CREDITS = 10.0
CREDITS_A_GIGABYTE = 3.0
LEAST_INSERT_CREDITS = 1.0
# Assumption: lost-insert.
SETTLE_SECONDS = 600.0
"""An insert whose answer was lost has arrived by then, or never will."""

_KINDS: dict[str, type] = {
    "types": Mapping,
    "max_credits": Real,
    "is_private": bool,
    "marker": str,
    "marker_column": str,
    "max_request_bytes": Integral,
    "settle_seconds": Real,
}

Mode = Literal["replace", "append"]
OnSchemaChange = Literal["error", "replace"]


@dataclass(frozen=True)
class TableWritten:
    """What was written.

    Attributes:
        name: The table.
        rows: The rows that were sent.
        bytes: The bytes that were sent.
        inserts: In how many requests.
        credits: What they cost by Dune's price list.
        was_created: Whether the table is new.
        was_there: Whether the marker's rows were there already, so that nothing was sent.
    """

    name: str
    rows: int = 0
    bytes: int = 0
    inserts: int = 0
    credits: float = 0.0
    was_created: bool = False
    was_there: bool = False


@dataclass(frozen=True)
class WriteOptions:
    """How a frame is written; see `dagster_dune.frames.uploads.tables.write_table`."""

    mode: Mode = "replace"
    types: Mapping[str, str] = field(default_factory=dict)
    on_schema_change: OnSchemaChange = "error"
    max_credits: float | None = None
    is_private: bool | None = None
    marker: str | None = None
    marker_column: str = "dagster_marker"
    max_request_bytes: int = MAX_INSERT_BYTES
    settle_seconds: float = SETTLE_SECONDS

    def __post_init__(self) -> None:
        check_kinds(self, _KINDS)
        if self.mode not in get_args(Mode):
            raise DuneConfigurationError(f"mode={self.mode!r} is none of replace, append.")
        if self.on_schema_change not in get_args(OnSchemaChange):
            raise DuneConfigurationError(f"on_schema_change={self.on_schema_change!r} is none of error, replace.")
        if self.mode == "append" and self.on_schema_change == "replace":
            raise DuneConfigurationError("Appending cannot replace a table whose columns differ.")
        if self.marker is not None and (self.mode != "append" or not self.marker or "'" in self.marker):
            raise DuneConfigurationError("A marker is a text without quotes, of rows that are appended.")
        if not 0 < self.max_request_bytes <= MAX_INSERT_BYTES:
            raise DuneConfigurationError(f"max_request_bytes must be from 1 to {MAX_INSERT_BYTES:,}.")


def price_of(bytes_: int) -> float:
    """The credits of one insert of so many bytes."""
    return max(LEAST_INSERT_CREDITS, bytes_ * CREDITS_A_GIGABYTE / 1e9)
