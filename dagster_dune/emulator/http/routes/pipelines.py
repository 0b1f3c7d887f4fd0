"""Pipelines: execute them, return their statuses, and the pipeline of a query."""

from __future__ import annotations

import asyncio
import json

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dagster_dune.emulator.execution.query_lineage import query_pipeline
from dagster_dune.emulator.http.routes.common import answer, local_dune, query_id, read_body
from dagster_dune.emulator.requests import (
    ExecutePipeline,
    ExecutionOptions,
    PipelineNode,
    RequestError,
    first_problem,
)


async def execute_pipeline(request: Request) -> Response:
    """Run the given nodes, or the lineage of the given query."""
    body = await read_body(request, ExecutePipeline)
    if (body.pipeline is None) == (body.query_id is None):
        raise RequestError(400, "Give either a pipeline or a query_id")
    if body.pipeline is not None:
        if body.performance or body.query_parameters:
            raise RequestError(400, "performance and query_parameters belong into the nodes of a pipeline")
        return _submit(request, body.pipeline.nodes)
    sink_id = local_dune(request).account.query(body.query_id or 0).query_id
    return _submit(request, await _lineage(request, sink_id, body))


async def get_pipeline_status(request: Request) -> Response:
    """Return the status of a pipeline."""
    pipeline = local_dune(request).pipelines.get(request.path_params["pipeline_execution_id"])
    return answer(**pipeline.status())


async def get_query_pipeline(request: Request) -> Response:
    """Return the lineage of a query as a pipeline."""
    nodes = await _lineage(request, query_id(request), execution_options(request))
    return answer(pipeline={"nodes": [node.model_dump(mode="json", exclude_none=True) for node in nodes]})


async def execute_query_pipeline(request: Request) -> Response:
    """Run the lineage of a query; the body may be empty."""
    body = await read_body(request, ExecutionOptions)
    return _submit(request, await _lineage(request, query_id(request), body))


def execution_options(request: Request) -> ExecutionOptions:
    """Return the performance and the parameters in a query string, in which the parameters are JSON.

    Raises:
        RequestError: 400.
    """
    given = {name: request.query_params[name] for name in ExecutionOptions.model_fields if name in request.query_params}
    try:
        values = {"query_parameters": json.loads(given["query_parameters"])} if "query_parameters" in given else {}
        return ExecutionOptions.model_validate_json(json.dumps(given | values))
    except ValidationError as error:
        raise RequestError(400, first_problem(error)) from error
    except ValueError as error:
        raise RequestError(400, f"query_parameters is no JSON: {error}") from error


async def _lineage(request: Request, sink_id: int, options: ExecutionOptions) -> list[PipelineNode]:
    return await asyncio.to_thread(query_pipeline, local_dune(request).account, sink_id, options)


def _submit(request: Request, nodes: tuple[PipelineNode, ...] | list[PipelineNode]) -> Response:
    pipeline = local_dune(request).pipelines.submit(nodes)
    return answer(pipeline_execution_id=pipeline.pipeline_execution_id)


routes = [
    Route("/pipelines/execute", execute_pipeline, methods=["POST"]),
    Route("/pipelines/executions/{pipeline_execution_id}/status", get_pipeline_status),
    Route("/query/{query_id}/pipeline", get_query_pipeline),
    Route("/query/{query_id}/pipeline/execute", execute_query_pipeline, methods=["POST"]),
]
