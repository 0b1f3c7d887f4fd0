"""What the HTTP side keeps beside the local Dune itself."""

from __future__ import annotations

from dataclasses import dataclass

from dagster_dune.emulator.http.journal import Journal
from dagster_dune.emulator.http.rate_limits import RateLimiter
from dagster_dune.emulator.local_dune import LocalDune


@dataclass(frozen=True)
class ServerState:
    """A local Dune, and what stands between it and its clients.

    Attributes:
        dune: What answers.
        api_key: The key that clients must send.
        journal: The requests since the last reset.
        rate_limiter: Counts the requests of the last minute.
    """

    dune: LocalDune
    api_key: str
    journal: Journal
    rate_limiter: RateLimiter

    async def reset(self) -> None:
        """Stop everything, and go back to an empty account over the sample tables, without journal and faults."""
        self.rate_limiter.clear()
        await self.dune.reset()
        self.journal.clear()
