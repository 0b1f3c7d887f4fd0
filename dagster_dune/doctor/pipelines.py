"""Experiments with pipelines: one that succeeds, one that fails, one that is cancelled, one that is refused."""

from __future__ import annotations

import time

from dagster_dune.api import models
from dagster_dune.api.errors import DuneApiError, DuneNotFoundError
from dagster_dune.doctor.course import Course, executions
from dagster_dune.doctor.exchanges import without_names
from dagster_dune.doctor.report import Report, Verdict
from dagster_dune.doctor.workbench import Workbench
from dagster_dune.errors import DuneError
from dagster_dune.pipeline.settle import PATIENCE
from dagster_dune.pipeline.states import Phase, phase_of

KNOWN_WITHIN = 10.0
"""The `not_found_tolerance` of a run."""

ANSWERS_AFTER_THE_END = 12
LOOKS_AT_WHAT_STARTS = 3
NOBODYS_QUERY = 2**31 - 1


class PipelineExperiments:
    """Runs pipelines, and judges how they go."""

    def __init__(self, report: Report, workbench: Workbench) -> None:
        self._report = report
        self._workbench = workbench
        self._client = workbench.client

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
            time.sleep(self._workbench.interval)
            started = self._latest(plain) != before
            if started:
                break
        seen = f"refused with {refusal}; its other node {'was' if started else 'was not'} executed"
        self._report.judge("refused-not-started", not started, seen)

    def succeeding(self, matview: str, word: int) -> None:
        """A matview, and twice the query with a parameter, that both wait for it."""
        refresh = models.PipelineNode(
            id=1,
            materialized_view_refresh=models.MaterializedViewRefresh(name=matview, performance=self._workbench.tier),
        )
        nodes = [refresh, self._query(2, word, [1], word="b"), self._query(3, word, [1], word="c")]
        try:
            pipeline = self._submit(nodes)
        except DuneApiError as error:
            pipeline = self._with_fewer_nodes(nodes[:2], error)
            nodes = nodes[:2]
        self._report.holds("nodes-form", f"a pipeline of {len(nodes)} nodes was taken")
        course = self._followed(pipeline)
        self._words(course)
        listed = {node.id for node in course.last.node_executions}
        self._report.judge(
            "null-nodes", course.was_listed, "listed" if course.was_listed else "no answer listed a node"
        )
        if course.was_listed:
            self._report.judge("node-ids", listed == {node.id for node in nodes}, f"ids {sorted(listed)}")
        late = course.late_answers
        seen = f"{late} answers after the pipeline's end" if late < ANSWERS_AFTER_THE_END else "never"
        self._report.judge("late-nodes", late <= PATIENCE, f"all nodes had ended {seen}")
        known = course.known_after
        self._report.judge("young-pipeline", known <= KNOWN_WITHIN, f"known after {known:.1f} s")
        self._costs_and_errors(course)
        if len(nodes) == 3 and course.was_listed:
            shown = [self._word_of(course, number) for number in (2, 3)]
            self._report.judge("repeated-query", shown == ["b", "c"], f"nodes with 'b' and 'c' gave {shown}")

    def failing(self, failing: int, plain: int, refusal: str) -> None:
        """A node whose cast fails, and one that waits for it."""
        course = self._followed(self._submit([self._query(1, failing), self._query(2, plain, [1])]))
        for _ in range(LOOKS_AT_WHAT_STARTS):  # whether the dependent starts late
            time.sleep(self._workbench.interval)
            course.take(self._client.get_pipeline_status(self._pipeline))
        self._words(course)
        said = "an error" if course.last.error else "no error"
        self._report.judge("failed-pipeline-word", course.phase is Phase.FAILED, f"{course.words[-1]!r}, with {said}")
        first, second = course.node(1), course.node(2)
        if first is None or second is None:
            raise DuneError("its nodes were never listed")
        message = first.error or ""
        if first.execution_id:
            status = self._workbench.note(first.execution_id)
            message = message or (status.error.message if status.error and status.error.message else "")
        seen = f"the text {'is' if refusal in message else 'is not'} in it: {without_names(message) or 'no error'}"
        self._report.judge("failed-cast-text", refusal in message, seen)
        started = second.execution_id is not None
        if second.execution_id:
            self._workbench.note(second.execution_id)
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
        status = self._workbench.wait(lambda: self._status(pipeline), lambda status: bool(executions(status)))
        execution_id = executions(status)[0]
        self._workbench.watch(execution_id)
        self._workbench.wait(
            lambda: self._client.get_execution_status(execution_id),
            lambda status: phase_of(status.state) is not Phase.WAITING,
        )
        if not self._client.cancel_execution(execution_id):
            raise DuneError("the slow query ended before it was cancelled")
        own = self._workbench.ended(execution_id)
        course = self._followed(pipeline)
        for _ in range(LOOKS_AT_WHAT_STARTS):
            time.sleep(self._workbench.interval)
            course.take(self._client.get_pipeline_status(pipeline))
        self._words(course, is_cancelled=True)
        canceled = phase_of(own.state) is Phase.CANCELED
        self._report.judge("canceled-spelling", canceled, f"its execution is {own.state}")
        others = [id_ for id_ in executions(course.last) if id_ != execution_id]
        for other in others:
            self._client.cancel_execution(other)
        seen = f"the dependent {'started' if others else 'did not start'}"
        self._report.judge("cancel-stops-dependents", not others, seen)

    def lineage(self, reader: int) -> None:
        """The other form, of a query that reads the matview."""
        self._workbench.check_budget()
        try:
            pipeline = self._client.execute_lineage(reader, self._workbench.tier).pipeline_execution_id
        except DuneApiError as error:
            if error.status == 400:
                self._report.does_not_hold("lineage-form", f"400: {without_names(error.dune_message)}")
                return
            raise
        self._report.holds("lineage-form", "a pipeline of a query was taken")
        course = self._followed(pipeline)
        self._words(course)
        for execution_id in executions(course.last):
            self._workbench.note(execution_id)

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
        self._workbench.check_budget()
        submitted = self._client.execute_pipeline(models.Pipeline(nodes=tuple(nodes)))
        self._pipeline = submitted.pipeline_execution_id
        return self._pipeline

    def _query(self, number: int, query_id: int, after: list[int] | None = None, **values: str) -> models.PipelineNode:
        execution = models.QueryExecution(
            query_id=query_id, performance=self._workbench.tier, query_parameters=dict(values) or None
        )
        return models.PipelineNode(id=number, dependencies=tuple(after or ()), query_execution=execution)

    def _status(self, pipeline: str) -> models.PipelineStatus:
        """The status of a pipeline; an empty one while it is not known."""
        try:
            return self._client.get_pipeline_status(pipeline)
        except DuneNotFoundError:
            return models.PipelineStatus()

    def _followed(self, pipeline: str) -> Course:
        """Follow a pipeline until it and its nodes have ended by any sign."""
        course, begin = Course(), time.monotonic()
        since_the_end = 0
        while True:
            status = self._status(pipeline)
            if status.status is None and not course.words:
                course.known_after = time.monotonic() - begin
            else:
                course.take(status)
            for execution_id in course.running:
                self._workbench.watch(execution_id)
            if course.phase.has_ended or (course.phase is Phase.UNKNOWN and not course.running and course.words):
                if course.running:
                    course.late_answers = since_the_end + 1
                if since_the_end >= ANSWERS_AFTER_THE_END or not course.running:
                    return course
                since_the_end += 1
            if time.monotonic() - begin > self._workbench.timeout:
                raise DuneError(f"the pipeline did not end within {self._workbench.timeout:g} s")
            time.sleep(self._workbench.interval)

    def _words(self, course: Course, *, is_cancelled: bool = False) -> None:
        """Say which words came, and whether we know them."""
        self._report.fact(
            "words of a pipeline", f"{' > '.join(course.words)}; of nodes: {', '.join(course.node_words)}"
        )
        unknown = [word for word in course.node_words if phase_of(word) is Phase.UNKNOWN]
        if unknown and not is_cancelled:
            self._report.does_not_hold("node-words", f"not known: {', '.join(unknown)}")
        elif course.was_listed:
            self._report.holds("node-words", ", ".join(course.node_words))

    def _costs_and_errors(self, course: Course) -> None:
        told = [self._workbench.note(id_) for id_ in executions(course.last)]
        if not told:
            raise DuneError("no node named its execution")
        without = sum(status.execution_cost_credits is None for status in told)
        self._report.judge("node-credits", not without, f"{len(told) - without} of {len(told)} executions say it")
        warned = [
            node
            for node in course.last.node_executions
            if node.progress and node.progress.error and phase_of(node.progress.status).is_success
        ]
        seen = f"{len(warned)} completed nodes have an error"
        self._report.judge("node-error", not warned, seen)

    def _word_of(self, course: Course, number: int) -> str | None:
        progress = course.node(number)
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
