"""Creates the client that all commands use, from environment variables."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dagster_dune.api.client import DuneApiClient


def client_of_environment(**settings: Any) -> DuneApiClient:
    """Return a client with the key of DUNE_API_KEY, at the address of DUNE_API_BASE_URL, or Dune's own without one.

    Args:
        **settings: Arguments of `DuneApiClient`.

    Raises:
        DuneConfigurationError: The key or the address cannot be used.
    """
    from dagster_dune.api.address import address_in_force  # noqa: PLC0415  (help is quick without)
    from dagster_dune.api.client import DuneApiClient  # noqa: PLC0415
    from dagster_dune.api.key import DEFAULT_VARIABLE  # noqa: PLC0415

    return DuneApiClient(os.environ.get(DEFAULT_VARIABLE, ""), address_in_force(None), **settings)
