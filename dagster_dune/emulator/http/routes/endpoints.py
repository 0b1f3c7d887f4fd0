"""Custom endpoints: the latest result of a query. Dune's web app creates them, here `load_endpoint` does."""

from __future__ import annotations

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dagster_dune.emulator.http.routes.common import local_dune, read_options
from dagster_dune.emulator.http.routes.executions import json_page
from dagster_dune.emulator.requests import Options, RequestError


# Assumption: local-endpoint-query-id.
class EndpointOptions(Options):
    """The option that the specification requires besides those of results, and that no client sends."""

    query_id: int | None = Field(default=None, alias="queryID")


async def get_endpoint_results(request: Request) -> Response:
    """Return a page of the rows of the latest execution of a custom endpoint's query."""
    dune = local_dune(request)
    query_id = dune.account.endpoint(request.path_params["handle"], request.path_params["endpoint_slug"])
    if read_options(request, EndpointOptions).query_id not in (None, query_id):
        raise RequestError(400, f"queryID: this custom endpoint publishes query {query_id}")
    return await json_page(request, dune.executions.latest(query_id, sql=dune.account.query(query_id).sql))


routes = [Route("/endpoints/{handle}/{endpoint_slug}/results", get_endpoint_results)]
