"""The account: https://docs.dune.com/api-reference/usage. No credits."""

from __future__ import annotations

from datetime import date

from dagster_dune.api import models
from dagster_dune.api.endpoints.base import Endpoints, given


class Account(Endpoints):
    """Reads the owner of the key, and the usage."""

    def whoami(self) -> models.KeyOwner:
        """Read who the key belongs to: ``GET /api/whoami``.

        Raises:
            DuneAuthenticationError: Dune does not accept the key.
            DuneApiError: It could not be read.
        """
        return self._read(models.KeyOwner, "whoami")

    def get_usage(self, start_date: date | None = None, end_date: date | None = None) -> models.Usage:
        """Read the credits used, by billing period, and the storage: ``POST /v1/usage``.

        Args:
            start_date: The first day; that of the current billing period if None.
            end_date: The last day; today if None.

        Raises:
            DuneApiError: It could not be read.
        """
        body = given(start_date=start_date and start_date.isoformat(), end_date=end_date and end_date.isoformat())
        return self._change(models.Usage, "POST", "v1/usage", body)
