"""What the methods that `DuneResource` is put together of need of it."""

from __future__ import annotations

from abc import ABC, abstractmethod

from dagster_dune.api.client import DuneApiClient


class HasClient(ABC):
    """Makes clients of Dune's API."""

    @abstractmethod
    def get_client(self) -> DuneApiClient:
        """Return a client of Dune's API. Use it as a context manager."""
