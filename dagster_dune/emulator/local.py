"""`LocalDune`: everything behind the emulator's HTTP side, as one object."""

from __future__ import annotations

import asyncio
from pathlib import Path

from dagster_dune.emulator.account import Account
from dagster_dune.emulator.engine import Engine
from dagster_dune.emulator.executions import Executions
from dagster_dune.emulator.journal import Journal
from dagster_dune.emulator.pipelines import Pipelines


class LocalDune:
    """One team's Dune. Its state lives on the event loop, which must be running wherever a method is called.

    Args:
        api_key: The key that clients must send.
        database: The DuckDB file of the rows; in memory if None.
        execution_seconds: The least time that an execution takes.
        workers: How many executions run at once.
        team: The team's handle.
    """

    def __init__(
        self, *, api_key: str, database: Path | None, execution_seconds: float, workers: int, team: str
    ) -> None:
        self.account = Account(team)
        self.journal = Journal(api_key)
        self.engine = Engine(database)
        self.executions = Executions(self.account, self.engine, seconds=execution_seconds, workers=workers)
        self.pipelines = Pipelines(self.account, self.executions)
        self.changing_tables = asyncio.Lock()

    def bytes_used(self) -> int:
        """The size of every matview and upload."""
        refreshes = (self.executions.last_refresh(name) for name in self.account.materialized_views)
        uploads = self.account.uploads.values()
        return sum(e.result_bytes for e in refreshes if e) + sum(upload.size_bytes for upload in uploads)

    async def reset(self) -> None:
        """Stop everything, and go back to an empty account over the sample tables."""
        async with self.changing_tables:
            self.account.clear()
            self.pipelines.reset()
            await self.executions.reset()
            self.journal.clear()
            await asyncio.to_thread(self.engine.reset)

    async def close(self) -> None:
        """Stop everything. The engine stays open: its owner closes it after the event loop has ended."""
        self.pipelines.reset()
        await self.executions.close()
