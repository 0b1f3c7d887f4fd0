"""Experiments with pipelines: one that succeeds, one that fails, one that is cancelled, one that is refused."""

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

"""The `not_found_tolerance` of a run."""

ANSWERS_AFTER_THE_END = 12
LOOKS_AT_WHAT_STARTS = 3
NOBODYS_QUERY = 2**31 - 1


class PipelineExperiments:
    """Runs pipelines, and judges how they go."""

    def __init__(self, report: Report, objects: TemporaryObjects) -> None:
        self._report = report
        self._objects = objects
        self._client = objects.client

    def refused(self, plain: int) -> None:
        """A pipeline with a query that does not exist is refused, and its other node is not executed."""
        before = self._latest(plain)
        try:
            self._submit([self._query(1, plain), self._query(2, NOBODYS_QUERY)])
        except DuneApiError as error:
            refusal = f"{error.status}"
        else:
            raise DuneError("a pipeline with an unknown query was not refused")
        for _ in range(LOOKS_AT_WHAT_STARTS):
            time.sleep(self._objects.interval)
            started = self._latest(plain) != before
            if started:
                break
        seen = f"refused with {refusal}; its other node {'was' if started else 'was not'} executed"
        self._report.judge("refused-not-started", not started, seen)

    def succeeding(self, matview: str, word: int) -> None:
        """A matview, and twice the query with a parameter, that both wait for it."""
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
        followed = self._followed(pipeline)
        self._words(followed)
        listed = {node.id for node in followed.last.node_executions}
        self._report.judge(
            "null-nodes", followed.was_listed, "listed" if followed.was_listed else "no answer listed a node"
        )
        if followed.was_listed:
            self._report.judge("node-ids", listed == {node.id for node in nodes}, f"ids {sorted(listed)}")
        late = followed.late_answers
        seen = f"{late} answers after the pipeline's end" if late < ANSWERS_AFTER_THE_END else "never"
        self._report.judge("late-nodes", late <= ANSWERS_AFTER_END, f"all nodes had ended {seen}")
        known = followed.known_after
        self._report.judge("young-pipeline", known <= Polling.not_found_tolerance, f"known after {known:.1f} s")
        self._costs_and_errors(followed)
        if len(nodes) == 3 and followed.was_listed:
            shown = [self._word_of(followed, number) for number in (2, 3)]
            self._report.judge("repeated-query", shown == ["b", "c"], f"nodes with 'b' and 'c' gave {shown}")

    def failing(self, failing: int, plain: int, refusal: str) -> None:
        """A node whose cast fails, and one that waits for it."""
        followed = self._followed(self._submit([self._query(1, failing), self._query(2, plain, [1])]))
        for _ in range(LOOKS_AT_WHAT_STARTS):  # whether the dependent starts late
            time.sleep(self._objects.interval)
            followed.take(self._client.get_pipeline_status(self._pipeline))
        self._words(followed)
        said = "an error" if followed.last.error else "no error"
        self._report.judge(
            "failed-pipeline-word", followed.phase is Phase.FAILED, f"{followed.words[-1]!r}, with {said}"
        )
        first, second = followed.node(1), followed.node(2)
        if first is None or second is None:
            raise DuneError("its nodes were never listed")
        message = first.error or ""
        if first.execution_id:
            status = self._objects.note(first.execution_id)
            message = message or (status.error.message if status.error and status.error.message else "")
        seen = f"the text {'is' if refusal in message else 'is not'} in it: {without_names(message) or 'no error'}"
        self._report.judge("failed-cast-text", refusal in message, seen)
        started = second.execution_id is not None
        if second.execution_id:
            self._objects.note(second.execution_id)
        self._report.judge("failure-stops-dependents", not started, f"it {'started' if started else 'did not start'}")
        if not started:
            is_silent = phase_of(second.status, second.error) is Phase.WAITING
            self._report.judge("blocked-nodes", is_silent, f"its word is {second.status!r}")

    def cancelled(self, slow: int, plain: int) -> None:
        """A slow node that is cancelled while it runs, and one that waits for it."""
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
        own = self._objects.ended(execution_id)
        followed = self._followed(pipeline)
        for _ in range(LOOKS_AT_WHAT_STARTS):
            time.sleep(self._objects.interval)
            followed.take(self._client.get_pipeline_status(pipeline))
        self._words(followed, is_cancelled=True)
        canceled = phase_of(own.state) is Phase.CANCELED
        self._report.judge("canceled-spelling", canceled, f"its execution is {own.state}")
        others = [id_ for id_ in executions(followed.last) if id_ != execution_id]
        for other in others:
            self._client.cancel_execution(other)
        seen = f"the dependent {'started' if others else 'did not start'}"
        self._report.judge("cancel-stops-dependents", not others, seen)

    def lineage(self, reader: int) -> None:
        """The other form, of a query that reads the matview."""
        self._objects.check_budget()
        try:
            pipeline = self._client.execute_lineage(reader, self._objects.tier).pipeline_execution_id
        except DuneApiError as error:
            if error.status == 400:
                self._report.does_not_hold("lineage-form", f"400: {without_names(error.dune_message)}")
                return
            raise
        self._report.holds("lineage-form", "a pipeline of a query was taken")
        followed = self._followed(pipeline)
        self._words(followed)
        for execution_id in executions(followed.last):
            self._objects.note(execution_id)

    # --- how ---

    def _with_fewer_nodes(self, nodes: list[models.PipelineNode], refusal: DuneApiError) -> str:
        """Whether it is the second node of one query that was refused, or pipelines of nodes at all."""
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
        """The status of a pipeline; an empty one while it is not known."""
        try:
            return self._client.get_pipeline_status(pipeline)
        except DuneNotFoundError:
            return models.PipelineStatus()

    def _followed(self, pipeline: str) -> PipelineObservation:
        """Follow a pipeline until it and its nodes have ended by any sign."""
        followed, begin = PipelineObservation(), time.monotonic()
        since_the_end = 0
        while True:
            status = self._status(pipeline)
            if status.status is None and not followed.words:
                followed.known_after = time.monotonic() - begin
            else:
                followed.take(status)
            for execution_id in followed.running:
                self._objects.watch(execution_id)
            if followed.phase.has_ended or (
                followed.phase is Phase.UNKNOWN and not followed.running and followed.words
            ):
                if followed.running:
                    followed.late_answers = since_the_end + 1
                if since_the_end >= ANSWERS_AFTER_THE_END or not followed.running:
                    return followed
                since_the_end += 1
            if time.monotonic() - begin > self._objects.timeout:
                raise DuneError(f"the pipeline did not end within {self._objects.timeout:g} s")
            time.sleep(self._objects.interval)

    def _words(self, followed: PipelineObservation, *, is_cancelled: bool = False) -> None:
        """Say which words came, and whether we know them."""
        self._report.fact(
            "words of a pipeline", f"{' > '.join(followed.words)}; of nodes: {', '.join(followed.node_words)}"
        )
        unknown = [word for word in followed.node_words if phase_of(word) is Phase.UNKNOWN]
        if unknown and not is_cancelled:
            self._report.does_not_hold("node-words", f"not known: {', '.join(unknown)}")
        elif followed.was_listed:
            self._report.holds("node-words", ", ".join(followed.node_words))

    def _costs_and_errors(self, followed: PipelineObservation) -> None:
        told = [self._objects.note(id_) for id_ in executions(followed.last)]
        if not told:
            raise DuneError("no node named its execution")
        without = sum(status.execution_cost_credits is None for status in told)
        self._report.judge("node-credits", not without, f"{len(told) - without} of {len(told)} executions say it")
        warned = [
            node
            for node in followed.last.node_executions
            if node.progress and node.progress.error and phase_of(node.progress.status).is_success
        ]
        seen = f"{len(warned)} completed nodes have an error"
        self._report.judge("node-error", not warned, seen)

    def _word_of(self, followed: PipelineObservation, number: int) -> str | None:
        progress = followed.node(number)
        if progress is None or not progress.execution_id:
            return None
        page = self._client.get_execution_results(progress.execution_id)
        rows = page.result.rows if page.result else ()
        return str(rows[0].get("word")) if rows else None

    def _latest(self, query_id: int) -> str | None:
        """The latest execution of a query; None where it has none."""
        try:
            return self._client.get_query_results(query_id, limit=0).execution_id
        except DuneNotFoundError:
            return None
