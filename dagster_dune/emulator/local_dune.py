"""`LocalDune`: the state of the emulator behind its HTTP API."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dagster_dune.emulator import storage
from dagster_dune.emulator.account.account import Account
from dagster_dune.emulator.engine.engine import Engine
from dagster_dune.emulator.execution.execution import ResultLimits
from dagster_dune.emulator.execution.limits import ResourceLimits
from dagster_dune.emulator.execution.pipelines import Pipelines
from dagster_dune.emulator.execution.queue import ExecutionQueue
from dagster_dune.emulator.faults.assumptions import Assumed
from dagster_dune.emulator.faults.rules import Faults
from dagster_dune.errors import DuneConfigurationError


class LocalDune:
    """The account, executions and tables of one team. Its methods must be called on the running event loop.

    Args:
        database: The DuckDB file that stores the state; in memory if None.
        execution_seconds: The minimum duration of an execution.
        workers: The number of executions that run at the same time.
        team: The handle of the team.
        result_limits: The limits of stored results.
        resource_limits: The limits of memory and time for executions.
        assumed: The assumptions about Dune that do not hold here.
        http_answers: The answers of `http_get` and `http_post` by request.
    """

    def __init__(
        self,
        *,
        database: Path | None,
        execution_seconds: float,
        workers: int,
        team: str,
        result_limits: ResultLimits,
        resource_limits: ResourceLimits,
        assumed: Assumed,
        http_answers: Mapping[str, str],
    ) -> None:
        self.account = Account(team)
        self.faults = Faults()
        self.assumed = assumed
        self.engine = _open_engine(database, resource_limits.bytes_in_all, http_answers)
        self.executions = ExecutionQueue(
            self.account,
            self.engine,
            self.faults,
            seconds=execution_seconds,
            workers=workers,
            limits=result_limits,
            resources=resource_limits,
        )
        self.pipelines = Pipelines(self.account, self.executions, assumed)
        self.changing_tables = asyncio.Lock()
        self._is_kept = database is not None
        if self._is_kept:
            try:
                storage.load(self.engine, self.account, self.executions, self.pipelines)
            except DuneConfigurationError:
                self.engine.close()
                raise

    def bytes_used(self) -> int:
        """Return the size of all matviews and uploads."""
        refreshes = (self.executions.last_refresh(name) for name in self.account.materialized_views)
        uploads = self.account.uploads.values()
        return sum(e.result_bytes for e in refreshes if e) + sum(upload.size_bytes for upload in uploads)

    async def load_table(self, name: str, rows: Sequence[Mapping[str, Any]], declared: Mapping[str, str]) -> None:
        """Create a table of any name, in place of an existing one."""
        async with self.changing_tables:
            await asyncio.to_thread(self.engine.load_table, name, rows, declared)

    async def reset(self) -> None:
        """Stop all executions, and restore an empty account with the sample tables."""
        self.faults.end_delays()
        async with self.changing_tables:
            self.account.clear()
            self.pipelines.reset()
            await self.executions.reset()
            self.faults.clear()
            await asyncio.to_thread(self.engine.reset)

    async def close(self) -> None:
        """Stop all executions. Their state remains, which `save` writes after the event loop has ended."""
        self.pipelines.stop()
        await self.executions.close()

    def save(self) -> None:
        """Write the state to the database file, if there is one, and close it."""
        try:
            if self._is_kept:
                storage.save(self.engine, self.account, self.executions, self.pipelines)
        finally:
            self.engine.close()


def _open_engine(database: Path | None, max_bytes: int, http_answers: Mapping[str, str]) -> Engine:
    import duckdb  # noqa: PLC0415 - heavy, and only the emulator needs it

    if database and not database.parent.is_dir():
        raise DuneConfigurationError(
            f"The database {database} cannot be opened: there is no folder {database.parent}.",
            hint="Make it, or name another file.",
        )
    try:
        return Engine(database, max_bytes, http_answers)
    except duckdb.Error as error:
        raise DuneConfigurationError(
            f"The database {database} cannot be opened: {error}.",
            hint="Stop the process that has it open, or name another file.",
        ) from error
