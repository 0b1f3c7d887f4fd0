"""Runs the experiments of `doctor --execute`, each on its own, so that one that fails does not stop the others.

No existing object is changed. `TemporaryObjects` creates private objects, which are deleted at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dagster_dune.api import models
from dagster_dune.api.errors import DuneApiError, DuneBadRequestError, DuneConnectionError
from dagster_dune.catalog.names import name_in_sql
from dagster_dune.doctor.exchanges import without_names
from dagster_dune.doctor.pipelines import PipelineExperiments
from dagster_dune.doctor.report import Report
from dagster_dune.doctor.results import ResultExperiments
from dagster_dune.doctor.temporary_objects import TemporaryObjects, clear_account
from dagster_dune.errors import DuneError

EXECUTIONS = 17
LEFT = "private objects with dagster-dune doctor in their names: run doctor --execute again, which clears them"

MATVIEW_NAME_PARTS = 3

PLAIN = "SELECT 1 AS n"
WITH_PARAMETER = "SELECT '{{word}}' AS word"
NO_NUMBER = "dagster-dune doctor says no"
FAILING_CAST = f"SELECT CAST('{NO_NUMBER}' AS bigint) AS n"
SLOW = """
SELECT sum(a.x * b.y % 7) AS n FROM UNNEST(sequence(1, 10000)) AS a(x)
CROSS JOIN UNNEST(sequence(1, 10000)) AS b(y) CROSS JOIN UNNEST(sequence(1, 300)) AS c(z)
"""


@dataclass(frozen=True)
class ExperimentObjects:
    """The objects that the pipelines use: ids of queries, and the name of a matview."""

    plain: int
    word: int
    failing: int
    slow: int
    reader: int
    matview: str


def execute(report: Report, objects: TemporaryObjects, progress: Callable[[str], None] = lambda _: None) -> None:
    """Run all experiments, and delete the created objects, however the experiments end.

    Args:
        report: The report that gets all findings.
        objects: Creates objects and executes queries.
        progress: Called with a sentence before each experiment.

    Raises:
        DuneError: Objects of earlier runs could not be deleted; nothing was executed.
    """
    left = clear_account(objects.client, objects.owner)
    if left:
        report.fact("left by an earlier run", ", ".join(left))
    try:
        _Experiments(report, objects, progress).run()
    finally:
        progress("Taking away what was made.")
        _clear(report, objects)


def _clear(report: Report, objects: TemporaryObjects) -> None:
    report.fact("cost", f"{objects.credits:g} credits, as far as executions say")
    try:
        cleared = objects.clear()
    except (DuneError, KeyboardInterrupt) as error:
        report.fact("made, and still there", f"{LEFT} ({type(error).__name__})", is_trouble=True)
        raise
    report.fact("made, and taken away", ", ".join(cleared) or "nothing")


class _Experiments:
    def __init__(self, report: Report, objects: TemporaryObjects, progress: Callable[[str], None]) -> None:
        self._report = report
        self._objects = objects
        self._progress = progress

    def run(self) -> None:
        results = ResultExperiments(self._report, self._objects)
        with self._experiment("default-tier"):
            self._tier()
        with self._experiment("ulid-order", "csv-null", "csv-nil-filter", "filtered-offset", "page-size"):
            results.check_texts_and_pages()
        with self._experiment("csv-nested"):
            results.check_nested_values()
        created = None
        with self._experiment("last-executions"):
            created = self._create_objects()
        if created is None:
            return
        pipelines = PipelineExperiments(self._report, self._objects)
        with self._experiment("refused-not-started"):
            pipelines.refused(created.plain)
        with self._experiment(
            "nodes-form", "node-words", "node-ids", "repeated-query", "node-credits", "young-pipeline"
        ):
            pipelines.succeeding(created.matview, created.word)
        with self._experiment("failed-pipeline-word", "blocked-nodes", "failure-stops-dependents", "failed-cast-text"):
            pipelines.failing(created.failing, created.plain, NO_NUMBER)
        with self._experiment("canceled-spelling", "cancel-stops-dependents"):
            pipelines.cancelled(created.slow, created.plain)
        with self._experiment("lineage-form"):
            pipelines.lineage(created.reader)

    def _tier(self) -> None:
        try:
            self._objects.run_sql(PLAIN)
        except DuneBadRequestError as error:
            self._objects.tier = "medium"
            self._objects.run_sql(PLAIN)
            self._report.does_not_hold("default-tier", f"refused without a tier: {without_names(error.dune_message)}")
        else:
            self._report.holds("default-tier", "executed without one")

    def _create_objects(self) -> ExperimentObjects:
        """Create the objects of the pipelines, and check the refreshes of the matview."""
        make = self._objects.query
        plain = make("one row", PLAIN)
        matview = self._objects.matview(plain)
        in_sql = _in_sql(matview.name)
        first = matview.execution_id
        if first:
            self._objects.wait_for_end(first)
        second = self._objects.client.refresh_materialized_view(matview.name, self._objects.tier).execution_id
        self._objects.wait_for_end(second)
        shown = self._objects.client.get_materialized_view(matview.name).last_execution_ids or ()
        self._report.judge(
            "last-executions",
            second in shown and (first is None or first not in shown[: shown.index(second)]),
            f"{len(shown)} ids after two refreshes"
            + ("" if second in shown else ", without the latest")
            + (", the newest is not the first" if second in shown and shown[0] != second else ""),
        )
        word = models.Parameter(key="word", type="text", value="a")
        return ExperimentObjects(
            plain=plain,
            word=make("a parameter", WITH_PARAMETER, [word]),
            failing=make("one that fails", FAILING_CAST),
            slow=make("one that is slow", SLOW),
            reader=make("one that reads", f"SELECT n FROM {in_sql}"),  # noqa: S608 (a name of Dune's)
            matview=matview.name,
        )

    @contextmanager
    def _experiment(self, *ids: str) -> Iterator[None]:
        """Report an error of an experiment as the reason why its assumptions were not tried."""
        self._progress(f"Trying {', '.join(ids)}.")
        try:
            yield
        except DuneConnectionError:
            raise
        except DuneError as error:
            words = error.dune_message if isinstance(error, DuneApiError) else str(error)
            status = f"{error.status}: " if isinstance(error, DuneApiError) and error.status else ""
            for id_ in ids:
                self._report.not_tried(id_, f"{status}{without_names(words)}")


def _in_sql(name: str) -> str:
    """Return the full name of a matview in SQL."""
    parts = (name if name.startswith("dune.") else f"dune.{name}").replace('"', "").split(".")
    if len(parts) != MATVIEW_NAME_PARTS:
        raise DuneError("the matview has a name that SQL cannot read")
    return name_in_sql(".".join(parts))
