"""`Execution`: the state, the rows and the cost of an execution."""

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
DATAPOINTS_PER_CREDIT = 100_000
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
        """Whether no state but expiry follows."""
        return self not in (State.PENDING, State.EXECUTING)

    @property
    def is_success(self) -> bool:
        """Whether there are rows."""
        return self in (State.COMPLETED, State.PARTIAL)


@dataclass(frozen=True)
class StoredResult:
    """The rows of an execution, which may be truncated, and their size."""

    rows: ResultSet
    size_bytes: int
    is_truncated: bool


@dataclass(frozen=True)
class ResultLimits:
    """The limits of stored results.

    Attributes:
        max_bytes: The maximum size; larger results are truncated, and their executions are partial successes.
        seconds: The time after the end of an execution for which its rows can be read.
    """

    max_bytes: int = 32_000_000_000
    seconds: float = 90 * 24 * 3600.0


@dataclass(eq=False)
class Execution:
    """An execution of a job. Times are in nanoseconds since 1970.

    Attributes:
        pipeline_execution_id: The pipeline that started it, None if there is none.
        fault: The fault that is applied to it.
        state: The current or final state, which expiry does not change: see `shown_state`.
        expires_at: The time from which its rows cannot be read; None before it has ended.
        is_forgotten: Whether the matview that it refreshed has been deleted.
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
        """The state in Dune's answers, which is expired if the result can no longer be read."""
        expired = self.state.is_success and self.expires_at is not None and time.time_ns() >= self.expires_at
        return State.EXPIRED if expired else self.state

    @property
    def readable_result(self) -> ResultSet | None:
        """The rows; None if there are none or they have expired."""
        return self.result if self.shown_state.is_success else None

    @property
    def credits(self) -> float:
        """The cost of the execution, by a formula of the emulator, which is deterministic.

        It is 0 before the start, then 1 credit (2 on the large tier), and as much again for each 100,000 values of the
        result. A failed or cancelled execution costs the same as one without values.
        """
        if self.started_at is None:
            return 0.0
        datapoints = len(self.result.rows) * len(self.result.columns) if self.result else 0
        return round(CREDITS[self.job.performance] * (1 + datapoints / DATAPOINTS_PER_CREDIT), 6)
