"""Runs pipelines that succeed, fail, are cancelled and are refused, and compares them with the assumptions."""

from __future__ import annotations

import time

from dagster_dune._formatting import counted
from dagster_dune.api import models
from dagster_dune.api.errors import DuneApiError, DuneNotFoundError
from dagster_dune.doctor.exchanges import without_names
from dagster_dune.doctor.pipeline_observation import PipelineObservation, executions
from dagster_dune.doctor.report import Report, Verdict
from dagster_dune.doctor.temporary_objects import TemporaryObjects
from dagster_dune.errors import DuneError
from dagster_dune.pipeline.run import Polling
from dagster_dune.pipeline.settle import ANSWERS_AFTER_END
from dagster_dune.pipeline.states import Phase, phase_of

MAX_ANSWERS_AFTER_END = 12
POLLS_FOR_LATE_STARTS = 3
UNKNOWN_QUERY = 2**31 - 1


class PipelineExperiments:
    """Runs one pipeline per method, and reports which assumptions hold."""

    def __init__(self, report: Report, objects: TemporaryObjects) -> None:
        self._report = report
        self._objects = objects
        self._client = objects.client

    def refused(self, plain: int) -> None:
        """Send a query that does not exist, which is refused, beside another node, which is not executed."""
        before = self._latest_execution(plain)
        try:
            self._submit([self._query(1, plain), self._query(2, UNKNOWN_QUERY)])
        except DuneApiError as error:
            refusal = f"{error.status}"
        else:
            raise DuneError("a pipeline with an unknown query was not refused")
        for _ in range(POLLS_FOR_LATE_STARTS):
            time.sleep(self._objects.interval)
            started = self._latest_execution(plain) != before
            if started:
                break
        seen = f"refused with {refusal}; its other node {'was' if started else 'was not'} executed"
        self._report.judge("refused-not-started", not started, seen)

    def succeeding(self, matview: str, word: int) -> None:
        """Run a matview, and two nodes of one query with different parameters that depend on it."""
        refresh = models.PipelineNode(
            id=1,
            materialized_view_refresh=models.MaterializedViewRefresh(name=matview, performance=self._objects.tier),
        )
        nodes = [refresh, self._query(2, word, [1], word="b"), self._query(3, word, [1], word="c")]
        try:
            pipeline = self._submit(nodes)
        except DuneApiError as error:
            pipeline = self._with_fewer_nodes(nodes[:2], error)
            nodes = nodes[:2]
        self._report.holds("nodes-form", f"a pipeline of {counted(len(nodes), 'node')} was taken")
        observation = self._follow(pipeline)
        self._report_statuses(observation)
        listed = {node.id for node in observation.last.node_executions}
        self._report.judge(
            "null-nodes", observation.was_listed, "listed" if observation.was_listed else "no answer listed a node"
        )
        if observation.was_listed:
            self._report.judge("node-ids", listed == {node.id for node in nodes}, f"ids {sorted(listed)}")
        late = observation.late_answers
        seen = f"{late} answers after the pipeline's end" if late < MAX_ANSWERS_AFTER_END else "never"
        self._report.judge("late-nodes", late <= ANSWERS_AFTER_END, f"all nodes had ended {seen}")
        known = observation.known_after
        self._report.judge("young-pipeline", known <= Polling.not_found_tolerance, f"known after {known:.1f} s")
        self._costs_and_errors(observation)
        if len(nodes) == 3 and observation.was_listed:
            shown = [self._result_of(observation, number) for number in (2, 3)]
            self._report.judge("repeated-query", shown == ["b", "c"], f"nodes with 'b' and 'c' gave {shown}")

    def failing(self, failing: int, plain: int, refusal: str) -> None:
        """Run a node whose cast fails, and one that depends on it."""
        observation = self._follow(self._submit([self._query(1, failing), self._query(2, plain, [1])]))
        for _ in range(POLLS_FOR_LATE_STARTS):  # whether the dependent starts late
            time.sleep(self._objects.interval)
            observation.add(self._client.get_pipeline_status(self._pipeline))
        self._report_statuses(observation)
        said = "an error" if observation.last.error else "no error"
        self._report.judge(
            "failed-pipeline-word", observation.phase is Phase.FAILED, f"{observation.words[-1]!r}, with {said}"
        )
        first, second = observation.node(1), observation.node(2)
        if first is None or second is None:
            raise DuneError("its nodes were never listed")
        message = first.error or ""
        if first.execution_id:
            status = self._objects.record(first.execution_id)
            message = message or (status.error.message if status.error and status.error.message else "")
        seen = f"the text {'is' if refusal in message else 'is not'} in it: {without_names(message) or 'no error'}"
        self._report.judge("failed-cast-text", refusal in message, seen)
        started = second.execution_id is not None
        if second.execution_id:
            self._objects.record(second.execution_id)
        self._report.judge("failure-stops-dependents", not started, f"it {'started' if started else 'did not start'}")
        if not started:
            is_silent = phase_of(second.status, second.error) is Phase.WAITING
            self._report.judge("blocked-nodes", is_silent, f"its word is {second.status!r}")

    def cancelled(self, slow: int, plain: int) -> None:
        """Cancel a slow node while it runs; another node depends on it."""
        found = self._report.findings.get("null-nodes")
        if found and found.verdict is Verdict.DOES_NOT_HOLD:
            raise DuneError("no answer lists its nodes")
        pipeline = self._submit([self._query(1, slow), self._query(2, plain, [1])])
        status = self._objects.wait(lambda: self._status(pipeline), lambda status: bool(executions(status)))
        execution_id = executions(status)[0]
        self._objects.watch(execution_id)
        self._objects.wait(
            lambda: self._client.get_execution_status(execution_id),
            lambda status: phase_of(status.state) is not Phase.WAITING,
        )
        if not self._client.cancel_execution(execution_id):
            raise DuneError("the slow query ended before it was cancelled")
        own = self._objects.wait_for_end(execution_id)
        observation = self._follow(pipeline)
        for _ in range(POLLS_FOR_LATE_STARTS):
            time.sleep(self._objects.interval)
            observation.add(self._client.get_pipeline_status(pipeline))
        self._report_statuses(observation, is_cancelled=True)
        canceled = phase_of(own.state) is Phase.CANCELED
        self._report.judge("canceled-spelling", canceled, f"its execution is {own.state}")
        others = [id_ for id_ in executions(observation.last) if id_ != execution_id]
        for other in others:
            self._client.cancel_execution(other)
        seen = f"the dependent {'started' if others else 'did not start'}"
        self._report.judge("cancel-stops-dependents", not others, seen)

    def lineage(self, reader: int) -> None:
        """Run the lineage form with a query that reads the matview."""
        self._objects.check_budget()
        try:
            pipeline = self._client.execute_lineage(reader, self._objects.tier).pipeline_execution_id
        except DuneApiError as error:
            if error.status == 400:
                self._report.does_not_hold("lineage-form", f"400: {without_names(error.dune_message)}")
                return
            raise
        self._report.holds("lineage-form", "a pipeline of a query was taken")
        observation = self._follow(pipeline)
        self._report_statuses(observation)
        for execution_id in executions(observation.last):
            self._objects.record(execution_id)

    # --- requests and reports ---

    def _with_fewer_nodes(self, nodes: list[models.PipelineNode], refusal: DuneApiError) -> str:
        """Submit a refused pipeline without its repeated query, which tells whether Dune refuses these or all nodes."""
        words = f"{refusal.status}: {without_names(refusal.dune_message)}"
        try:
            pipeline = self._submit(nodes)
        except DuneApiError as error:
            if error.status == 400:
                self._report.does_not_hold("nodes-form", words)
            raise
        self._report.does_not_hold("repeated-query", words)
        return pipeline

    def _submit(self, nodes: list[models.PipelineNode]) -> str:
        self._objects.check_budget()
        submitted = self._client.execute_pipeline(models.Pipeline(nodes=tuple(nodes)))
        self._pipeline = submitted.pipeline_execution_id
        return self._pipeline

    def _query(self, number: int, query_id: int, after: list[int] | None = None, **values: str) -> models.PipelineNode:
        execution = models.QueryExecution(
            query_id=query_id, performance=self._objects.tier, query_parameters=dict(values) or None
        )
        return models.PipelineNode(id=number, dependencies=tuple(after or ()), query_execution=execution)

    def _status(self, pipeline: str) -> models.PipelineStatus:
        """Return the status of a pipeline; an empty one while Dune does not know it."""
        try:
            return self._client.get_pipeline_status(pipeline)
        except DuneNotFoundError:
            return models.PipelineStatus()

    def _follow(self, pipeline: str) -> PipelineObservation:
        """Poll a pipeline until it and its nodes have ended."""
        observation, begin = PipelineObservation(), time.monotonic()
        answers_after_end = 0
        while True:
            status = self._status(pipeline)
            if status.status is None and not observation.words:
                observation.known_after = time.monotonic() - begin
            else:
                observation.add(status)
            for execution_id in observation.running:
                self._objects.watch(execution_id)
            if observation.phase.has_ended or (
                observation.phase is Phase.UNKNOWN and not observation.running and observation.words
            ):
                if observation.running:
                    observation.late_answers = answers_after_end + 1
                if answers_after_end >= MAX_ANSWERS_AFTER_END or not observation.running:
                    return observation
                answers_after_end += 1
            if time.monotonic() - begin > self._objects.timeout:
                raise DuneError(f"the pipeline did not end within {self._objects.timeout:g} s")
            time.sleep(self._objects.interval)

    def _report_statuses(self, observation: PipelineObservation, *, is_cancelled: bool = False) -> None:
        """Report the statuses, and whether all of them are known."""
        self._report.fact(
            "words of a pipeline", f"{' > '.join(observation.words)}; of nodes: {', '.join(observation.node_words)}"
        )
        unknown = [word for word in observation.node_words if phase_of(word) is Phase.UNKNOWN]
        if unknown and not is_cancelled:
            self._report.does_not_hold("node-words", f"not known: {', '.join(unknown)}")
        elif observation.was_listed:
            self._report.holds("node-words", ", ".join(observation.node_words))

    def _costs_and_errors(self, observation: PipelineObservation) -> None:
        told = [self._objects.record(id_) for id_ in executions(observation.last)]
        if not told:
            raise DuneError("no node named its execution")
        without = sum(status.execution_cost_credits is None for status in told)
        self._report.judge("node-credits", not without, f"{len(told) - without} of {len(told)} executions say it")
        warned = [
            node
            for node in observation.last.node_executions
            if node.progress and node.progress.error and phase_of(node.progress.status).is_success
        ]
        seen = f"{len(warned)} completed nodes have an error"
        self._report.judge("node-error", not warned, seen)

    def _result_of(self, observation: PipelineObservation, number: int) -> str | None:
        progress = observation.node(number)
        if progress is None or not progress.execution_id:
            return None
        page = self._client.get_execution_results(progress.execution_id)
        rows = page.result.rows if page.result else ()
        return str(rows[0].get("word")) if rows else None

    def _latest_execution(self, query_id: int) -> str | None:
        """Return the latest execution of a query; None if it has none."""
        try:
            return self._client.get_query_results(query_id, limit=0).execution_id
        except DuneNotFoundError:
            return None
