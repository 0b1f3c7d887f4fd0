"""`ExecutionQueue`: runs jobs on the engine, and stores their executions.

It runs on the event loop of the server, except for compiling and running SQL, which happens in worker threads. An
execution is an asyncio task, and ends as the task ends.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import accumulate
from typing import Any

from ulid import ULID

from dagster_dune.emulator.account.account import Account
from dagster_dune.emulator.dunesql import Compiled, compile_sql
from dagster_dune.emulator.engine.engine import Engine
from dagster_dune.emulator.engine.results import ResultSet
from dagster_dune.emulator.engine.statements import Statement
from dagster_dune.emulator.execution.execution import NANOSECONDS, Execution, ResultLimits, State, StoredResult
from dagster_dune.emulator.execution.jobs import Job
from dagster_dune.emulator.execution.limits import CHECK_SECONDS, ResourceLimits, ResourceMonitor
from dagster_dune.emulator.faults.rules import Faults
from dagster_dune.emulator.requests import RequestError
from dagster_dune.emulator.sql_errors import SqlError

CANCEL_SECONDS = 0.5
"""The time for which a cancelled execution waits for its worker thread. A thread that takes longer is abandoned: its
result is discarded, and it occupies a worker until it has ended."""

logger = logging.getLogger(__name__)


# Assumption: local-query-version.
class ExecutionQueue:
    """All executions. As many run at the same time as there are workers; the others are pending.

    Args:
        account: The account of query views and matviews.
        engine: The engine of the SQL.
        faults: The injected faults.
        seconds: The minimum duration of an execution, unless its SQL does not compile.
        workers: The number of executions that run at the same time.
        limits: The limits of stored results.
        resources: The limits of memory and time for executions.
    """

    def __init__(
        self,
        account: Account,
        engine: Engine,
        faults: Faults,
        *,
        seconds: float,
        workers: int,
        limits: ResultLimits,
        resources: ResourceLimits,
    ) -> None:
        self._account = account
        self._engine = engine
        self._faults = faults
        self._seconds = seconds
        self._limits = limits
        self._monitor = ResourceMonitor(resources)
        self._abandoned: dict[str, asyncio.Future[StoredResult]] = {}
        self._slots = asyncio.Semaphore(workers)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="dune-emulator")
        self._executions: dict[str, Execution] = {}
        self._tasks: dict[str, asyncio.Task[StoredResult]] = {}
        self._completed: dict[int, list[Execution]] = defaultdict(list)
        self._refreshes: dict[str, list[Execution]] = defaultdict(list)

    def submit(
        self, job: Job, on_end: Callable[[Execution], None] | None = None, pipeline_execution_id: str | None = None
    ) -> Execution:
        """Put a job into the queue.

        Args:
            job: The job.
            on_end: Called on the event loop when the execution has ended in any state.
            pipeline_execution_id: The pipeline of the node, if there is one.

        Returns:
            The pending execution.
        """
        execution = Execution(job, pipeline_execution_id, self._faults.for_execution(job.target))
        self._executions[execution.execution_id] = execution
        if job.materialized_view:
            self._refreshes[job.materialized_view].append(execution)
        task = asyncio.get_running_loop().create_task(self._run(execution))
        self._tasks[execution.execution_id] = task

        def end(task: asyncio.Task[StoredResult]) -> None:
            self._settle(execution, task)
            if on_end:
                on_end(execution)

        task.add_done_callback(end)
        return execution

    def all(self) -> list[Execution]:
        """Return all executions, the oldest first."""
        return list(self._executions.values())

    def overview(self) -> list[dict[str, Any]]:
        """Return the targets and states of all executions as JSON values, the oldest first."""
        return [
            {
                "execution_id": execution.execution_id,
                "query_id": execution.job.query_id,
                "materialized_view": execution.job.materialized_view,
                "parameters": dict(execution.job.parameters),
                "state": execution.state.value,
                "pipeline_execution_id": execution.pipeline_execution_id,
            }
            for execution in self.all()
        ]

    def get(self, execution_id: str) -> Execution:
        """Return an execution.

        Raises:
            RequestError: 404, or 400 if the id has another form.
        """
        if not _is_ulid(execution_id):
            raise RequestError(400, f"The requested execution ID (ID: {execution_id}) is invalid.")
        if execution_id not in self._executions:
            raise RequestError(404, f"Execution {execution_id} not found")
        return self._executions[execution_id]

    def latest(self, query_id: int, parameters: Mapping[str, str] | None = None, sql: str | None = None) -> Execution:
        """Return the last completed execution of a query, not counting refreshes of its matviews.

        Args:
            query_id: The query.
            parameters: The values of the execution; any if None.
            sql: The SQL of the execution; any if None.

        Raises:
            RequestError: 404.
        """
        for execution in reversed(self._completed.get(query_id, ())):
            if parameters in (None, execution.job.parameters) and sql in (None, execution.job.sql):
                return execution
        raise RequestError(404, "not found: No execution found for the latest version of the given query")

    def refreshes(self, materialized_view: str) -> list[Execution]:
        """Return all refreshes of a matview, the oldest first."""
        return list(self._refreshes.get(materialized_view, ()))

    def last_refresh(self, materialized_view: str) -> Execution | None:
        """Return the last completed refresh of a matview, or None if there is none."""
        completed = [execution for execution in self.refreshes(materialized_view) if execution.result]
        return max(completed, key=lambda execution: execution.ended_at or 0, default=None)

    async def forget_refreshes(self, materialized_view: str) -> None:
        """Stop all refreshes of a deleted matview, which can still be read by their ids."""
        refreshes = self._refreshes.pop(materialized_view, [])
        for execution in refreshes:
            execution.is_forgotten = True
        await self.cancel(*refreshes)

    async def cancel(self, *executions: Execution) -> None:
        """Stop executions, and return when they have ended. Ended ones are not changed."""
        tasks = []
        for execution in executions:
            if task := self._tasks.get(execution.execution_id):
                tasks.append(task)
                if not execution.is_cancelling:  # a second one would end the wait for the worker thread
                    execution.is_cancelling = True
                    task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def reset(self) -> None:
        """Stop and remove all executions. No worker is running afterwards."""
        await self._stop_all()
        self._executions.clear()
        self._completed.clear()
        self._refreshes.clear()

    async def close(self) -> None:
        """Stop all executions and the worker threads. Executions can still be read."""
        await self._stop_all()
        self._threads.shutdown()

    def restore(self, executions: Iterable[Execution]) -> None:
        """Add ended executions of an earlier process, in the order of their submission."""
        self._executions = {execution.execution_id: execution for execution in executions}
        for execution in self._executions.values():
            if execution.job.materialized_view and not execution.is_forgotten:
                self._refreshes[execution.job.materialized_view].append(execution)
        for execution in sorted(self._executions.values(), key=lambda execution: execution.ended_at or 0):
            self._record_completed(execution)

    async def _run(self, execution: Execution) -> StoredResult:
        await self._slots.acquire()  # released by `_settle`, so that no execution starts before this one has ended
        execution.state = State.EXECUTING
        execution.started_at = time.time_ns()
        compiling = asyncio.get_running_loop().run_in_executor(self._threads, self._compile, execution.job)
        compiled, _ = await asyncio.gather(compiling, asyncio.sleep(self._seconds))
        await self._faults.apply(execution.fault)
        return await self._finish(execution, self._statement(execution.job, compiled))

    def _compile(self, job: Job) -> Compiled:
        return compile_sql(job.sql, parameters=job.parameters, views=self._account.view)

    def _statement(self, job: Job, compiled: Compiled) -> Statement:
        if job.materialized_view is None:
            return self._engine.select(compiled, self._previous(job))
        if job.materialized_view not in self._account.materialized_views:
            raise SqlError(
                f"Materialized view {job.materialized_view} was deleted", type="FAILED_TYPE_EXECUTION_FAILED"
            )
        return self._engine.refresh(job.materialized_view, compiled)

    def _previous(self, job: Job) -> ResultSet | None:
        """Return the previous result of the same query and values, for a query that reads it."""
        with suppress(RequestError):
            return self.latest(job.query_id, job.parameters).readable_result
        return None

    async def _finish(self, execution: Execution, statement: Statement) -> StoredResult:
        """Run a statement in a worker thread, within the limits of memory and time."""
        usage = self._monitor.begin()
        running = asyncio.get_running_loop().run_in_executor(
            self._threads, _run_and_measure, statement, self._limits.max_bytes
        )
        running.add_done_callback(lambda _: self._monitor.end(usage))
        try:
            while not running.done():
                await asyncio.wait({running}, timeout=CHECK_SECONDS)
                if not running.done():
                    self._monitor.check(usage)
        except (asyncio.CancelledError, SqlError):
            statement.interrupt()
            await asyncio.wait({running}, timeout=CANCEL_SECONDS)
            if not running.done():
                self._abandon(execution, running)
                raise
            if running.exception():
                raise
        return running.result()  # also if it ended before the cancellation

    def _abandon(self, execution: Execution, running: asyncio.Future[StoredResult]) -> None:
        """Stop waiting for a worker thread, which ends when it notices its interrupt."""

        def forget(ended: asyncio.Future[StoredResult]) -> None:
            ended.exception()  # otherwise asyncio would log an exception that is never retrieved
            del self._abandoned[execution.execution_id]
            self._slots.release()

        self._abandoned[execution.execution_id] = running
        running.add_done_callback(forget)

    async def _stop_all(self) -> None:
        """Stop all executions, and return when no worker thread is running."""
        await self.cancel(*self._executions.values())
        while self._abandoned:
            await asyncio.wait(self._abandoned.values())

    def _settle(self, execution: Execution, task: asyncio.Task[StoredResult]) -> None:
        execution.ended_at = time.time_ns()
        execution.expires_at = execution.ended_at + int(self._limits.seconds * NANOSECONDS)
        self._tasks.pop(execution.execution_id, None)
        if execution.started_at is not None and execution.execution_id not in self._abandoned:
            self._slots.release()
        if task.cancelled():
            execution.state = State.CANCELLED
        elif error := task.exception():
            execution.state = State.FAILED
            execution.error = _as_sql_error(error)
        else:
            stored = task.result()
            execution.state = State.PARTIAL if stored.is_truncated else State.COMPLETED
            execution.result, execution.result_bytes = stored.rows, stored.size_bytes
            self._record_completed(execution)

    def _record_completed(self, execution: Execution) -> None:
        job = execution.job
        if execution.state.is_success and job.query_id and job.materialized_view is None:
            self._completed[job.query_id].append(execution)


def _is_ulid(text: str) -> bool:
    try:
        ULID.from_str(text)
    except ValueError:
        return False
    return True


def _run_and_measure(statement: Statement, max_bytes: int) -> StoredResult:
    rows = statement.run()
    size = rows.bytes_estimate()
    if size <= max_bytes:
        return StoredResult(rows, size, is_truncated=False)
    sizes = accumulate(ResultSet(rows.columns, [row]).bytes_estimate() for row in rows.rows)
    kept = sum(1 for total in sizes if total <= max_bytes)
    truncated = ResultSet(rows.columns, rows.rows[:kept])
    return StoredResult(truncated, truncated.bytes_estimate(), is_truncated=True)


def _as_sql_error(error: BaseException) -> SqlError:
    if isinstance(error, SqlError):
        return error
    logger.error("An execution failed inside the emulator.", exc_info=error)
    return SqlError("Internal error of the emulator; its log says more", type="FAILED_TYPE_EXECUTION_FAILED")
