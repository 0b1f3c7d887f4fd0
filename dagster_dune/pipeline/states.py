"""Maps Dune's status words to phases.

Dune documents the states of executions and three words for pipelines (pending, executing, completed). The words of
failed pipelines and of nodes are not documented, so this module decides what they mean. Words are compared without case
and with or without ``QUERY_STATE_``. See https://docs.dune.com/api-reference/executions.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster_dune.api.models import Execution


class Phase(Enum):
    """The phase of an execution or a node."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"
    UNKNOWN = "unknown"

    @property
    def has_ended(self) -> bool:
        """Whether the phase is final."""
        return self not in (Phase.WAITING, Phase.RUNNING, Phase.UNKNOWN)

    @property
    def is_success(self) -> bool:
        """Whether there is a result."""
        # Assumption: partial-success.
        return self in (Phase.COMPLETED, Phase.PARTIAL)


# Assumption: node-words.
PHASES = {
    "": Phase.WAITING,
    "pending": Phase.WAITING,
    "queued": Phase.WAITING,
    "waiting": Phase.WAITING,
    "executing": Phase.RUNNING,
    "running": Phase.RUNNING,
    "completed": Phase.COMPLETED,
    "succeeded": Phase.COMPLETED,
    "success": Phase.COMPLETED,
    "completed_partial": Phase.PARTIAL,
    "failed": Phase.FAILED,
    "error": Phase.FAILED,
    # Assumption: canceled-spelling.
    "cancelled": Phase.CANCELED,
    "canceled": Phase.CANCELED,
    "expired": Phase.EXPIRED,
    "timed_out": Phase.FAILED,
    "skipped": Phase.WAITING,
}


def phase_of_execution(execution: Execution) -> Phase:
    """Return the phase of an execution, from its state and its error.

    An execution that has ended in a state that is not known here counts as failed: it has no rows to read.
    """
    phase = phase_of(execution.state, execution.error.message if execution.error else None)
    return Phase.FAILED if phase is Phase.UNKNOWN and execution.is_execution_finished else phase


def phase_of(word: str | None, error: str | None = None) -> Phase:
    """Return the phase that a status word stands for.

    Args:
        word: As Dune wrote it: ``completed``, ``QUERY_STATE_COMPLETED``; None before there is one.
        error: The error message beside it; any text means that it failed, unless it is cancelled, expired or partial.

    Returns:
        The phase; `Phase.UNKNOWN` for a word that is not in our list.

    Examples:
        >>> phase_of("QUERY_STATE_COMPLETED"), phase_of("Cancelled"), phase_of("executing", error="boom")
        (<Phase.COMPLETED: 'completed'>, <Phase.CANCELED: 'canceled'>, <Phase.FAILED: 'failed'>)
    """
    phase = PHASES.get((word or "").strip().lower().removeprefix("query_state_"), Phase.UNKNOWN)
    # Assumptions: failed-pipeline-word, node-error.
    if error and phase not in (Phase.CANCELED, Phase.EXPIRED, Phase.PARTIAL):
        return Phase.FAILED
    return phase
