"""One execution: its states, its rows, and what it costs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum

from ulid import ULID

from dagster_dune.emulator.engine.results import ResultSet
from dagster_dune.emulator.execution.jobs import Job
from dagster_dune.emulator.faults.kinds import ExecutionFault
from dagster_dune.emulator.sql_errors import SqlError

CREDITS = {"free": 0.0, "small": 0.5, "medium": 1.0, "large": 2.0}
DATAPOINTS_A_CREDIT = 100_000
NANOSECONDS = 1_000_000_000


# Assumptions: local-partial-success, local-expiry, local-credits.
class State(StrEnum):
    """The states of an execution, in Dune's words."""

    PENDING = "QUERY_STATE_PENDING"
    EXECUTING = "QUERY_STATE_EXECUTING"
    COMPLETED = "QUERY_STATE_COMPLETED"
    PARTIAL = "QUERY_STATE_COMPLETED_PARTIAL"
    FAILED = "QUERY_STATE_FAILED"
    CANCELLED = "QUERY_STATE_CANCELLED"
    EXPIRED = "QUERY_STATE_EXPIRED"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing but expiry comes after it."""
        return self not in (State.PENDING, State.EXECUTING)

    @property
    def is_success(self) -> bool:
        """Whether there are rows."""
        return self in (State.COMPLETED, State.PARTIAL)


@dataclass(frozen=True)
class StoredResult:
    """The rows of an execution, as far as they fit, and their size."""

    rows: ResultSet
    size_bytes: int
    is_truncated: bool


@dataclass(frozen=True)
class ResultLimits:
    """How many rows are kept, and for how long.

    Attributes:
        max_bytes: What is beyond this size is cut off, and the execution is a partial success.
        seconds: How long the rows can be read after the execution has ended.
    """

    max_bytes: int = 32_000_000_000
    seconds: float = 90 * 24 * 3600.0


@dataclass(eq=False)
class Execution:
    """One execution of a job. Times are nanoseconds since 1970.

    Attributes:
        pipeline_execution_id: The pipeline that started it, None if it was asked for on its own.
        fault: What is to go wrong with it.
        state: How it ended, or where it is. Expiry does not change it: see `shown_state`.
        expires_at: When its rows can be read no more; None before it has ended.
        is_forgotten: Whether the matview that it refreshed was deleted since.
    """

    job: Job
    pipeline_execution_id: str | None = None
    fault: ExecutionFault | None = None
    execution_id: str = field(default_factory=lambda: str(ULID()))
    state: State = State.PENDING
    submitted_at: int = field(default_factory=time.time_ns)
    started_at: int | None = None
    ended_at: int | None = None
    expires_at: int | None = None
    result: ResultSet | None = None
    result_bytes: int = 0
    error: SqlError | None = None
    is_cancelling: bool = False
    is_forgotten: bool = False

    @property
    def shown_state(self) -> State:
        """The state that Dune shows: a result that nobody can read any more has expired."""
        expired = self.state.is_success and self.expires_at is not None and time.time_ns() >= self.expires_at
        return State.EXPIRED if expired else self.state

    @property
    def readable_result(self) -> ResultSet | None:
        """The rows, unless there are none or they have expired."""
        return self.result if self.shown_state.is_success else None

    @property
    def credits(self) -> float:
        """What the execution cost: a formula of the emulator's own, the same for the same rows.

        Nothing before it starts; then 1 credit (2 on the large tier), and as much again for each 100,000 values of its
        result. A failed or cancelled execution is charged its start.
        """
        if self.started_at is None:
            return 0.0
        datapoints = len(self.result.rows) * len(self.result.columns) if self.result else 0
        return round(CREDITS[self.job.performance] * (1 + datapoints / DATAPOINTS_A_CREDIT), 6)
