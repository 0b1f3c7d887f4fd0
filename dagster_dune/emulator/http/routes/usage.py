"""Usage: the cost of executions, new tables and inserted rows by month. Reading results is free here."""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dagster_dune.emulator.account.account import now
from dagster_dune.emulator.http.routes.common import NANOSECONDS, answer, local_dune, read_body
from dagster_dune.emulator.local_dune import LocalDune
from dagster_dune.emulator.requests import RequestError, UsageRange

CREDITS_INCLUDED = 2500
BYTES_ALLOWED = 100_000_000


# Assumptions: local-table-credits, local-billing-periods.
async def get_usage(request: Request) -> Response:
    """Return the billing periods in a range, which are months; the current one by default."""
    dune = local_dune(request)
    body = await read_body(request, UsageRange)
    current = now().date().replace(day=1)
    first = _date("start_date", body.start_date, current)
    last = _date("end_date", body.end_date, max(first, _end(current)))
    if first > last:
        raise RequestError(400, f"start_date {first} is after end_date {last}")
    used = _credits(dune)
    used.setdefault(current, 0.0)
    return answer(
        billing_periods=[
            {
                "start_date": month.isoformat(),
                "end_date": _end(month).isoformat(),
                "credits_used": round(used[month], 6),
                "credits_included": CREDITS_INCLUDED,
            }
            for month in sorted(used)
            if first <= _end(month) and last >= month
        ],
        bytes_used=dune.bytes_used(),
        bytes_allowed=BYTES_ALLOWED,
        private_queries=sum(query.is_private for query in dune.account.queries.values()),
        private_dashboards=0,
    )


def _credits(dune: LocalDune) -> dict[date, float]:
    """Return the cost of each month; an execution belongs to the month of its submission."""
    used: defaultdict[date, float] = defaultdict(float)
    for execution in dune.executions.all():
        submitted = datetime.fromtimestamp(execution.submitted_at // NANOSECONDS, UTC)
        used[submitted.date().replace(day=1)] += execution.credits
    for charge in dune.account.charges:
        used[charge.at.date().replace(day=1)] += charge.credits
    return used


def _end(month: date) -> date:
    return month + timedelta(days=monthrange(month.year, month.month)[1] - 1)


def _date(name: str, text: str | None, otherwise: date) -> date:
    try:
        return date.fromisoformat(text) if text else otherwise
    except ValueError as error:
        raise RequestError(400, f"{name}: {text!r} is no date of the form YYYY-MM-DD") from error


routes = [Route("/usage", get_usage, methods=["POST"])]
