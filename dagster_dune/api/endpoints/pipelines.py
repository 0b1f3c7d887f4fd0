"""Pipelines: https://docs.dune.com/api-reference/pipelines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dagster_dune.api import models
from dagster_dune.api.endpoints.base import Endpoints, execution_options, query_number, segment


class Pipelines(Endpoints):
    """Runs pipelines: graphs of matviews and queries."""

    def execute_pipeline(self, pipeline: models.Pipeline) -> models.PipelineSubmitted:
        """Run a graph of matview refreshes and query executions: ``POST /v1/pipelines/execute``.

        Credits: those of every node, failed ones too. See
        https://docs.dune.com/api-reference/pipelines/endpoint/execute-pipeline.

        Args:
            pipeline: The nodes, each with the ids of those that must complete before it.

        Returns:
            The id to follow the pipeline by.

        Raises:
            AmbiguousSubmission: Dune may have started the pipeline; it was not sent again.
            DuneApiError: Dune refused it, or could not be reached; nothing was started.
        """
        # Assumption: nodes-form.
        body = {"pipeline": pipeline.model_dump(mode="json", exclude_none=True)}
        return self._submit(models.PipelineSubmitted, "v1/pipelines/execute", body)

    def execute_lineage(
        self,
        query_id: int,
        performance: models.Performance | None = None,
        query_parameters: Mapping[str, Any] | None = None,
    ) -> models.PipelineSubmitted:
        """Run a query after every matview that it reads, directly or not, as found by Dune.

        The other body of ``POST /v1/pipelines/execute``. Credits: those of the query and of each of these matviews.

        Args:
            query_id: The query at the end.
            performance: The engine tier; the plan's default if None.
            query_parameters: Values of the query's parameters; Dune's saved defaults if empty.

        Returns:
            The id to follow the pipeline by.

        Raises:
            AmbiguousSubmission: Dune may have started the pipeline; it was not sent again.
            DuneApiError: Dune refused it, or could not be reached; nothing was started.
        """
        # Assumption: lineage-form.
        body = {"query_id": query_id} | execution_options(performance, query_parameters)
        return self._submit(models.PipelineSubmitted, "v1/pipelines/execute", body)

    def get_pipeline_status(self, pipeline_execution_id: str) -> models.PipelineStatus:
        """Read the status of a pipeline and its nodes: ``GET /v1/pipelines/executions/{id}/status``. No credits.

        Raises:
            DuneNotFoundError: Dune does not know the pipeline, or not yet.
            DuneApiError: It could not be read.
        """
        path = f"v1/pipelines/executions/{segment(pipeline_execution_id)}/status"
        return self._read(models.PipelineStatus, path)

    def get_query_pipeline(
        self,
        query_id: int,
        performance: models.Performance | None = None,
        query_parameters: Mapping[str, Any] | None = None,
    ) -> models.Pipeline:
        """Read what `execute_lineage` would run: ``GET /v1/query/{id}/pipeline``. No credits.

        Returns:
            Every matview that the query reads, then the query.

        Raises:
            DuneApiError: It could not be read.
        """
        options = execution_options(performance, query_parameters)
        if "query_parameters" in options:
            options["query_parameters"] = json.dumps(options["query_parameters"])
        return self._read(models.QueryPipeline, f"v1/query/{query_number(query_id)}/pipeline", options).pipeline

    def execute_query_pipeline(
        self,
        query_id: int,
        performance: models.Performance | None = None,
        query_parameters: Mapping[str, Any] | None = None,
    ) -> models.PipelineSubmitted:
        """Run a query like `execute_lineage`, by another endpoint: ``POST /v1/query/{id}/pipeline/execute``.

        Credits: those of the query and of each matview that it reads.

        Raises:
            AmbiguousSubmission: Dune may have started the pipeline; it was not sent again.
            DuneApiError: Dune refused it, or could not be reached; nothing was started.
        """
        body = execution_options(performance, query_parameters)
        return self._submit(
            models.PipelineSubmitted, f"v1/query/{query_number(query_id)}/pipeline/execute", body or None
        )
