"""One write to a table on Dune, as the record of writes stores it, and the step that makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from dagster_dune.frames.executing import Log


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


@dataclass(frozen=True)
class Step:
    """The step that makes a write.

    Attributes:
        instance: The Dagster instance that stores its run.
        run: Its run.
        key: Its key.
        log: Its logger.
    """

    instance: dg.DagsterInstance
    run: dg.DagsterRun
    key: str
    log: Log


def step_of(context: Any) -> Step | None:
    """Return the step of a context; None where it is of no step.

    Raises:
        DagsterError: It is a context that a test has made, or of a value that is loaded outside of runs.
    """
    if isinstance(context, dg.HookContext):
        run = context.instance.get_run_by_id(context.run_id)
        return None if run is None else Step(context.instance, run, context.step_key, context.log)
    if isinstance(context, dg.InputContext | dg.OutputContext):
        step: Any = context.step_context
        return Step(step.instance, step.dagster_run, step.step.key, context.log)
    if not isinstance(context, dg.OpExecutionContext | dg.AssetExecutionContext | dg.AssetCheckExecutionContext):
        return None
    op = context if isinstance(context, dg.OpExecutionContext) else context.op_execution_context
    mapping_key = op.get_mapping_key()
    return Step(op.instance, op.run, str(op.op_handle) + (f"[{mapping_key}]" if mapping_key else ""), op.log)
