"""The account: the owner of a key, and the usage."""

from __future__ import annotations

from dagster_dune.api.models.base import DuneModel, Lenient, Many, Number, Readable, Text, Words


class Message(DuneModel):
    """An answer that consists of a message."""

    message: Lenient[Words[str]] = ""


class BillingPeriod(DuneModel):
    """The credits of one billing period. Dates are ``YYYY-MM-DD``."""

    start_date: Lenient[str | None] = None
    end_date: Lenient[str | None] = None
    credits_used: Lenient[Number | None] = None
    credits_included: Lenient[Number | None] = None


class Usage(DuneModel):
    """The answer of ``POST /v1/usage``."""

    billing_periods: Many[Readable[BillingPeriod]] = ()
    bytes_used: Lenient[int | None] = None
    bytes_allowed: Lenient[int | None] = None
    private_queries: Lenient[int | None] = None
    private_dashboards: Lenient[int | None] = None


class KeyOwner(DuneModel):
    """The answer of ``GET /api/whoami``.

    Attributes:
        customer_id: The owner of the key: ``team_<id>`` or ``user_<id>``.
        created_by: The id of the user who created the key.
        api_key_id: The id of the key, which is not secret.
    """

    customer_id: Text = None
    created_by: Lenient[int | None] = None
    api_key_id: Text = None
