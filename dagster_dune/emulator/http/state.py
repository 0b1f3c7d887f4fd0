"""What the HTTP side keeps beside the local Dune itself."""

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
    """A local Dune, and what stands between it and its clients.

    Attributes:
        dune: What answers.
        access: Who may ask.
        journal: The requests since the last reset.
        rate_limiter: Counts the requests of the last minute.
        is_lenient: Whether bodies may have fields that the emulator does not know.
        shows_rate_limit_headers: Whether answers tell what is left of a plan's limit.
        cassette: What to answer from, in place of the local Dune.
        is_strict: Whether what the cassette does not have is an error.
        is_ready: Set once requests are answered; they wait before.
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
        """Stop everything, and go back to an empty account over the sample tables, without journal and faults."""
        self.rate_limiter.clear()
        if self.cassette:
            self.cassette.rewind()
        await self.dune.reset()
        self.journal.clear()
