"""The state of the HTTP API: the local Dune, and that of the middleware."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from dagster_dune.cassettes.cassette import Cassette
from dagster_dune.emulator.http.auth import Access
from dagster_dune.emulator.http.journal import Journal
from dagster_dune.emulator.http.rate_limits import RateLimiter
from dagster_dune.emulator.local_dune import LocalDune


@dataclass(frozen=True)
class ServerState:
    """A local Dune, and the state of the middleware.

    Attributes:
        dune: The local Dune.
        access: The settings of authentication.
        journal: The requests since the last reset.
        rate_limiter: Counts the requests of the last minute.
        is_lenient: Whether bodies may have unknown fields.
        shows_rate_limit_headers: Whether answers have the headers of rate limits.
        cassette: The cassette to answer from, None for the local Dune.
        is_strict: Whether a request that is not in the cassette is an error.
        is_ready: Set when requests can be answered, which wait before.
    """

    dune: LocalDune
    access: Access
    journal: Journal
    rate_limiter: RateLimiter
    is_lenient: bool = False
    shows_rate_limit_headers: bool = True
    cassette: Cassette | None = None
    is_strict: bool = True
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)

    async def reset(self) -> None:
        """Stop all executions, and restore an empty account with the sample tables, without journal and faults."""
        self.rate_limiter.clear()
        if self.cassette:
            self.cassette.rewind()
        await self.dune.reset()
        self.journal.clear()
