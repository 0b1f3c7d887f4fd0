"""Executions: the queue that runs jobs on the engine, and what became of each.

All of this lives on the server's event loop; only compiling and running SQL happens in worker threads. An execution is
an asyncio task: how the task ended is how the execution ended.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum

from ulid import ULID

from dagster_dune.emulator.account import Account
from dagster_dune.emulator.dunesql import Compiled, compile_sql
from dagster_dune.emulator.engine import Engine, Statement
from dagster_dune.emulator.errors import SqlError
from dagster_dune.emulator.jobs import Job
from dagster_dune.emulator.results import ResultSet
from dagster_dune.emulator.wire import RequestError

CREDITS = {"medium": 1.0, "large": 2.0}
DATAPOINTS_A_CREDIT = 100_000
INTERRUPT_SECONDS = 0.01

SizedResult = tuple[ResultSet, int]

logger = logging.getLogger(__name__)


class State(str, Enum):
    """The states of an execution, in Dune's words."""

    PENDING = "QUERY_STATE_PENDING"
    EXECUTING = "QUERY_STATE_EXECUTING"
    COMPLETED = "QUERY_STATE_COMPLETED"
    FAILED = "QUERY_STATE_FAILED"
    CANCELLED = "QUERY_STATE_CANCELLED"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing comes after it."""
        return self not in (State.PENDING, State.EXECUTING)


@dataclass(eq=False)
class Execution:
    """One execution of a job. Times are nanoseconds since 1970."""

    job: Job
    execution_id: str = field(default_factory=lambda: str(ULID()))
    state: State = State.PENDING
    submitted_at: int = field(default_factory=time.time_ns)
    started_at: int | None = None
    ended_at: int | None = None
    result: ResultSet | None = None
    result_bytes: int = 0
    error: SqlError | None = None
    is_cancelling: bool = False

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


class Executions:
    """The queue. As many executions run at once as there are workers; the others are pending.

    Args:
        account: Where query views and matviews are looked up.
        engine: Where SQL runs.
        seconds: The least time that an execution takes, unless its SQL does not even compile.
        workers: How many executions run at once.
    """

    def __init__(self, account: Account, engine: Engine, *, seconds: float, workers: int) -> None:
        self._account = account
        self._engine = engine
        self._seconds = seconds
        self._slots = asyncio.Semaphore(workers)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="dune-emulator")
        self._executions: dict[str, Execution] = {}
        self._tasks: dict[str, asyncio.Task[SizedResult]] = {}
        self._latest: dict[int, Execution] = {}
        self._refreshes: dict[str, list[Execution]] = defaultdict(list)

    def submit(self, job: Job, on_end: Callable[[Execution], None] | None = None) -> Execution:
        """Put a job into the queue.

        Args:
            job: What to run.
            on_end: Called on the event loop once the execution has ended, however it did.

        Returns:
            The execution, pending.
        """
        execution = Execution(job)
        self._executions[execution.execution_id] = execution
        if job.materialized_view:
            self._refreshes[job.materialized_view].append(execution)
        task = asyncio.get_running_loop().create_task(self._run(execution))
        self._tasks[execution.execution_id] = task

        def end(task: asyncio.Task[SizedResult]) -> None:
            self._settle(execution, task)
            if on_end:
                on_end(execution)

        task.add_done_callback(end)
        return execution

    def get(self, execution_id: str) -> Execution:
        """Return an execution.

        Raises:
            RequestError: 404.
        """
        if execution_id not in self._executions:
            raise RequestError(404, f"Execution {execution_id} not found")
        return self._executions[execution_id]

    def latest(self, query_id: int) -> Execution:
        """Return the execution of a query that completed last; refreshes of matviews over it do not count.

        Raises:
            RequestError: 404.
        """
        if query_id not in self._latest:
            raise RequestError(404, f"No execution of query {query_id} has completed yet")
        return self._latest[query_id]

    def refreshes(self, materialized_view: str) -> list[Execution]:
        """Return every refresh of a matview, the oldest first."""
        return list(self._refreshes.get(materialized_view, ()))

    def last_refresh(self, materialized_view: str) -> Execution | None:
        """Return the refresh that made a matview's rows, or None if none has completed yet."""
        completed = [execution for execution in self.refreshes(materialized_view) if execution.result]
        return max(completed, key=lambda execution: execution.ended_at or 0, default=None)

    async def forget_refreshes(self, materialized_view: str) -> None:
        """Stop every refresh of a matview that was deleted; each can still be asked for by its id."""
        await self.cancel(*self._refreshes.pop(materialized_view, ()))

    def credits(self) -> float:
        """Return what all executions cost together."""
        return sum(execution.credits for execution in self._executions.values())

    async def cancel(self, *executions: Execution) -> None:
        """Stop executions, and return when they have ended. What had ended before stays as it is."""
        tasks = []
        for execution in executions:
            if task := self._tasks.get(execution.execution_id):
                tasks.append(task)
                if not execution.is_cancelling:  # a second time would cut short the wait for the worker thread
                    execution.is_cancelling = True
                    task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def reset(self) -> None:
        """Stop and forget every execution. No worker is running afterwards."""
        await self.cancel(*self._executions.values())
        self._executions.clear()
        self._latest.clear()
        self._refreshes.clear()

    async def close(self) -> None:
        """Stop every execution and the worker threads."""
        await self.reset()
        self._threads.shutdown()

    async def _run(self, execution: Execution) -> SizedResult:
        await self._slots.acquire()  # `_settle` gives it back, so that nothing starts before this one has ended
        execution.state = State.EXECUTING
        execution.started_at = time.time_ns()
        compiling = asyncio.get_running_loop().run_in_executor(self._threads, self._compile, execution.job)
        compiled, _ = await asyncio.gather(compiling, asyncio.sleep(self._seconds))
        return await self._finish(self._statement(execution.job, compiled))

    def _compile(self, job: Job) -> Compiled:
        return compile_sql(job.sql, parameters=job.parameters, views=self._account.view)

    def _statement(self, job: Job, compiled: Compiled) -> Statement:
        if job.materialized_view is None:
            return self._engine.select(compiled)
        if job.materialized_view not in self._account.materialized_views:
            raise SqlError(
                f"Materialized view {job.materialized_view} was deleted", type="FAILED_TYPE_EXECUTION_FAILED"
            )
        return self._engine.refresh(job.materialized_view, compiled)

    async def _finish(self, statement: Statement) -> SizedResult:
        """Run a statement in a worker thread; when cancelled, return only after the thread has stopped."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, _run_and_measure, statement)
        try:
            await asyncio.wait({running})
        except asyncio.CancelledError:
            while not running.done():
                with suppress(Exception):  # it may be ending at this moment; whatever happens, wait for the thread
                    statement.interrupt()
                await asyncio.wait({running}, timeout=INTERRUPT_SECONDS)
            if running.exception():
                raise
        return running.result()  # also where it was quicker than the cancellation

    def _settle(self, execution: Execution, task: asyncio.Task[SizedResult]) -> None:
        execution.ended_at = time.time_ns()
        self._tasks.pop(execution.execution_id, None)
        if execution.started_at is not None:
            self._slots.release()
        if task.cancelled():
            execution.state = State.CANCELLED
        elif error := task.exception():
            execution.state = State.FAILED
            execution.error = _as_sql_error(error)
        else:
            execution.state = State.COMPLETED
            execution.result, execution.result_bytes = task.result()
            if execution.job.query_id and execution.job.materialized_view is None:
                self._latest[execution.job.query_id] = execution


def _run_and_measure(statement: Statement) -> SizedResult:
    result = statement.run()
    return result, result.bytes_estimate()


def _as_sql_error(error: BaseException) -> SqlError:
    if isinstance(error, SqlError):
        return error
    logger.error("An execution failed inside the emulator.", exc_info=error)
    return SqlError("Internal error of the emulator; its log says more", type="FAILED_TYPE_EXECUTION_FAILED")
