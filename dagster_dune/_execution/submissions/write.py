"""One write to a table on Dune, as the record of writes stores it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Write:
    """One write to a table.

    Attributes:
        table: The full name of the table.
        replaces: Whether its rows are replaced, and not appended to.
        marker: The marker of the rows that are appended.
        settle_seconds: The time after which Dune cannot carry out a request any more.
    """

    table: str
    replaces: bool
    marker: str | None
    settle_seconds: float

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Write:
        """Read a write from an entry of the record, also from the forms that other versions have stored."""
        values = entry.get("write") or {**entry, "settle_seconds": entry["settles"]}
        return cls(**{field.name: values[field.name] for field in fields(cls)})

    def excludes(self, other: Write) -> bool:
        """Return whether this write and another one must not overlap."""
        if self.table != other.table:
            return False
        return self.replaces or other.replaces or (self.marker is not None and self.marker == other.marker)


def default_settle_seconds() -> float:
    """After how many seconds a request cannot be carried out any more, where a write does not say so."""
    from dagster_dune.frames.uploads.options import SETTLE_SECONDS  # noqa: PLC0415  (pyarrow is slow to import)

    return SETTLE_SECONDS
