"""The options and the result of writing a table, Dune's prices, and the check of a table's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from numbers import Integral, Real
from typing import Literal, get_args

from dagster_dune._formatting import with_article
from dagster_dune.catalog.names import RESERVED
from dagster_dune.errors import DuneConfigurationError
from dagster_dune.paging.options import check_kinds

MAX_INSERT_BYTES = 1_200_000_000
# Assumption: table-prices.
CREATION_CREDITS = 10.0
CREDITS_A_GIGABYTE = 3.0
LEAST_INSERT_CREDITS = 1.0
# Assumption: lost-insert.
SETTLE_SECONDS = 600.0
"""The time after which an insert whose answer was lost cannot arrive any more."""

_KINDS: dict[str, type] = {
    "types": Mapping,
    "max_credits": Real,
    "is_private": bool,
    "marker": str,
    "marker_column": str,
    "max_request_bytes": Integral,
    "settle_seconds": Real,
}

MARKER_COLUMN = "dagster_marker"
_TABLE = re.compile(r"dune\.([a-z0-9_-]+)\.([A-Za-z0-9_]+)")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_NO_MARKER = re.compile("'|{{|[\ud800-\udfff]")
Mode = Literal["replace", "append"]
OnSchemaChange = Literal["error", "replace"]


@dataclass(frozen=True)
class TableWritten:
    """What was written.

    Attributes:
        name: The full name of the table.
        rows: The number of rows that were sent.
        bytes: The number of bytes that were sent.
        inserts: The number of insert requests.
        credits: The price of all requests by Dune's price list.
        was_created: Whether the table was created.
        was_there: Whether nothing was sent because the table already had the rows with the marker.
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
    marker_column: str = MARKER_COLUMN
    max_request_bytes: int = MAX_INSERT_BYTES
    settle_seconds: float = SETTLE_SECONDS

    def __post_init__(self) -> None:
        check_kinds(self, _KINDS)
        self._check_given()
        if self.mode not in get_args(Mode):
            raise DuneConfigurationError(f"mode={self.mode!r} is none of replace, append.")
        if self.on_schema_change not in get_args(OnSchemaChange):
            raise DuneConfigurationError(f"on_schema_change={self.on_schema_change!r} is none of error, replace.")
        if self.mode == "append" and self.on_schema_change == "replace":
            raise DuneConfigurationError("Appending cannot replace a table whose columns differ.")
        if self.marker is not None:
            self._check_marker(self.marker)
        elif self.marker_column != MARKER_COLUMN:
            raise DuneConfigurationError(
                f"marker_column={self.marker_column!r} is given without a marker, so that nothing would be marked.",
                hint="Give the marker, such as the partition's key.",
            )
        if not 0 < self.max_request_bytes <= MAX_INSERT_BYTES:
            raise DuneConfigurationError(f"max_request_bytes must be from 1 to {MAX_INSERT_BYTES:,}.")

    def _check_given(self) -> None:
        for name, number in (("max_credits", self.max_credits), ("settle_seconds", self.settle_seconds)):
            if number is not None and not 0 <= number < inf:
                raise DuneConfigurationError(f"{name} must be a number of at least 0, not {number}.")

    def _check_marker(self, marker: str) -> None:
        """Check a marker. It is part of the SQL that counts its rows, in which Dune replaces text in double braces."""
        if self.mode != "append" or not marker or _NO_MARKER.search(marker):
            raise DuneConfigurationError(
                f"marker={marker!r} cannot be used: a marker is a text without quotes and double braces, of rows that "
                "are appended."
            )


def price_of(bytes_: int) -> float:
    """Return the credits of one insert with this number of bytes."""
    return max(LEAST_INSERT_CREDITS, bytes_ * CREDITS_A_GIGABYTE / 1e9)


def table_parts(name: str) -> tuple[str, str]:
    """Split the name of a table that takes inserts into its team and its own name.

    Args:
        name: ``dune.<team>.<table>``.

    Raises:
        DuneConfigurationError: No such table can have this name.

    Examples:
        >>> table_parts("dune.acme.labels")
        ('acme', 'labels')
    """
    match = _TABLE.fullmatch(name.replace('"', "")) if isinstance(name, str) else None
    if not match:
        is_short = name is None or isinstance(name, str)
        given = repr(name) if is_short else with_article(type(name).__name__)
        raise DuneConfigurationError(
            f"A table on Dune is named dune.<team>.<table>, not {given}.",
            hint="" if is_short else "Give the name as a text, in write_table after the frame.",
        )
    table = match[2]
    if table.startswith("result_"):
        raise DuneConfigurationError(f"{name} would be a materialized view.", hint="Choose a name without result_.")
    if table.startswith("dataset_"):
        raise DuneConfigurationError(
            f"{name} would be a CSV upload, whose types Dune guesses and which takes no inserts.",
            hint="Choose a name without dataset_.",
        )
    if not _NAME.fullmatch(table) or table in RESERVED:
        raise DuneConfigurationError(
            f"{table!r} can be no name of a table: write lower-case letters, digits and underscores, a letter first, "
            "and no word that DuneSQL reserves."
        )
    return match[1], table
