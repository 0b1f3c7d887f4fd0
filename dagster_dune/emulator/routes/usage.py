"""Usage: what the executions since the last reset cost."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime, timezone

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dagster_dune.emulator.routes.common import answer, local_dune
from dagster_dune.emulator.wire import RequestError, UsageRange, read_body

CREDITS_INCLUDED = 2500.0
BYTES_ALLOWED = 100_000_000


async def get_usage(request: Request) -> Response:
    """Return the current month as the only billing period, if it lies in the range that was asked for."""
    dune = local_dune(request)
    body = await read_body(request, UsageRange)
    today = datetime.now(timezone.utc).date()
    first = today.replace(day=1)
    last = today.replace(day=monthrange(today.year, today.month)[1])
    asked_first, asked_last = _date("start_date", body.start_date, first), _date("end_date", body.end_date, last)
    if asked_first > asked_last:
        raise RequestError(400, f"start_date {asked_first} is after end_date {asked_last}")
    period = {
        "start_date": first.isoformat(),
        "end_date": last.isoformat(),
        "credits_used": dune.executions.credits(),
        "credits_included": CREDITS_INCLUDED,
    }
    return answer(
        billing_periods=[period] if asked_first <= last and asked_last >= first else [],
        bytes_used=dune.bytes_used(),
        bytes_allowed=BYTES_ALLOWED,
        private_queries=sum(query.is_private for query in dune.account.queries.values()),
        private_dashboards=0,
    )


def _date(name: str, text: str | None, otherwise: date) -> date:
    try:
        return date.fromisoformat(text) if text else otherwise
    except ValueError as error:
        raise RequestError(400, f"{name}: {text!r} is no date of the form YYYY-MM-DD") from error


routes = [Route("/usage", get_usage, methods=["POST"])]
