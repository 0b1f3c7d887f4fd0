"""The interface of `DuneResource` that its mixins use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from dagster_dune.api.client import DuneApiClient


class HasClient(ABC):
    """Makes clients of Dune's API, and has settings."""

    @abstractmethod
    def get_client(self) -> DuneApiClient:
        """Return a client of Dune's API. Use it as a context manager."""

    @abstractmethod
    def _setting(self, name: str) -> Any:
        """Return the value of a field, which may come from an environment variable."""
