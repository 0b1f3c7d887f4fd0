"""Whether an execution has rows that can be read, and what to do if it has none."""

from __future__ import annotations

from dagster_dune.api.models import Execution
from dagster_dune.errors import DuneResultError
from dagster_dune.pipeline.states import Phase, phase_of_execution

EXPIRY_HINT = "Results expire 90 days after their execution: execute the query again."
HINTS = {
    Phase.PARTIAL: "Dune has cut the result short: allow_partial_results=True reads what there is.",
    Phase.WAITING: "It has not begun yet: wait until it has completed.",
    Phase.RUNNING: "It is still running: wait until it has completed.",
    Phase.UNKNOWN: "The state is not known here: wait until it is QUERY_STATE_COMPLETED.",
    Phase.EXPIRED: EXPIRY_HINT,
}


def check_readable(execution: Execution, execution_id: str, *, allow_partial: bool = False) -> None:
    """Check that an execution has completed, as its status or a page of its result shows.

    Args:
        execution: Dune's answer about the execution.
        execution_id: Its id, for messages.
        allow_partial: Whether a result that Dune has cut short is accepted.

    Raises:
        DuneResultError: The execution has not completed or has failed, or its result has expired.
    """
    phase = phase_of_execution(execution)
    if phase is Phase.COMPLETED or (phase is Phase.PARTIAL and allow_partial):
        return
    why = f": {execution.error.message}" if execution.error and execution.error.message else ""
    raise DuneResultError(
        f"Execution {execution_id} has no rows to read, its state is {execution.state}{why}.",
        hint=HINTS.get(phase, "Execute the query again."),
    )
