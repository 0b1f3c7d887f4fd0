"""Saves the account, the executions with their results, and the pipelines in the database file, beside the tables.

They are one JSON document, which is written when the emulator stops and read when it starts. After a crash it has the
state of the last stop, while the tables are up to date.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from dagster_dune.emulator.account.account import Account, Charge, MaterializedView, Query, Upload
from dagster_dune.emulator.engine.engine import Engine
from dagster_dune.emulator.engine.results import ResultSet
from dagster_dune.emulator.execution.execution import Execution, State
from dagster_dune.emulator.execution.jobs import Job
from dagster_dune.emulator.execution.pipelines import Node, PipelineExecution, Pipelines
from dagster_dune.emulator.execution.queue import ExecutionQueue
from dagster_dune.emulator.sql_errors import SqlError, SqlErrorType
from dagster_dune.errors import DuneConfigurationError


class _Record(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True, extra="forbid")


class _Error(_Record):
    message: str
    type: SqlErrorType
    line: int | None
    column: int | None

    def restored(self) -> SqlError:
        error = SqlError(self.message, type=self.type)  # the message names line and column already
        error.line, error.column = self.line, self.column
        return error


class _Execution(_Record):
    job: Job
    pipeline_execution_id: str | None
    execution_id: str
    state: State
    submitted_at: int
    started_at: int | None
    ended_at: int | None
    expires_at: int | None
    result: ResultSet | None
    result_bytes: int
    error: _Error | None
    is_forgotten: bool

    def restored(self) -> Execution:
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return Execution(**(fields | {"error": self.error.restored() if self.error else None}))


class _Pipeline(_Record):
    pipeline_execution_id: str
    nodes: tuple[Node, ...]
    started: dict[int, str]


class _Document(_Record):
    format: Literal[1] = 1
    team: str
    queries: tuple[Query, ...]
    materialized_views: tuple[MaterializedView, ...]
    uploads: tuple[Upload, ...]
    charges: tuple[Charge, ...]
    executions: tuple[_Execution, ...]
    pipelines: tuple[_Pipeline, ...]
    endpoints: dict[str, int] = {}


def save(engine: Engine, account: Account, executions: ExecutionQueue, pipelines: Pipelines) -> None:
    """Write the state to the database. No execution may be running."""
    document = _Document(
        team=account.team,
        queries=tuple(account.queries.values()),
        materialized_views=tuple(account.materialized_views.values()),
        uploads=tuple(account.uploads.values()),
        charges=tuple(account.charges),
        executions=tuple(_Execution.model_validate(execution) for execution in executions.all()),
        pipelines=tuple(
            _Pipeline(
                pipeline_execution_id=pipeline.pipeline_execution_id,
                nodes=pipeline.nodes,
                started={node_id: execution.execution_id for node_id, execution in pipeline.started.items()},
            )
            for pipeline in pipelines.all()
        ),
        endpoints=account.endpoints,
    )
    engine.save_document(document.model_dump_json())


def load(engine: Engine, account: Account, executions: ExecutionQueue, pipelines: Pipelines) -> None:
    """Read the state from the database, if it contains one.

    Raises:
        DuneConfigurationError: An emulator of another team or another version has written it.
    """
    text = engine.saved_document()
    if text is None:
        return
    try:
        document = _Document.model_validate_json(text)
    except ValidationError as error:
        raise DuneConfigurationError(
            "The database was written by another version of the emulator, which this one cannot read.",
            hint="Name another file, or delete this one.",
        ) from error
    if document.team != account.team:
        raise DuneConfigurationError(
            f"The database belongs to team {document.team}, not to {account.team}.",
            hint=f"Name another file, or start the emulator with the team {document.team}.",
        )
    account.queries.update({query.query_id: query for query in document.queries})
    account.materialized_views.update({view.name: view for view in document.materialized_views})
    account.uploads.update({upload.name: upload for upload in document.uploads})
    account.endpoints.update(document.endpoints)
    account.charges.extend(document.charges)
    restored = {record.execution_id: record.restored() for record in document.executions}
    executions.restore(restored.values())
    for record in document.pipelines:
        started = {node_id: restored[execution_id] for node_id, execution_id in record.started.items()}
        pipelines.restore(PipelineExecution(record.nodes, executions, record.pipeline_execution_id, started))
