"""`doctor --execute`: what only executions tell, each experiment on its own, so that one that fails leaves the others.

Nothing that exists is touched. What is saved is private, is made by `TemporaryObjects`, and is taken away at the end.
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

PARTS_OF_A_MATVIEW = 3

PLAIN = "SELECT 1 AS n"
WORD = "SELECT '{{word}}' AS word"
REFUSAL = "dagster-dune doctor says no"
FAILING = f"SELECT CAST('{REFUSAL}' AS bigint) AS n"
SLOW = """
SELECT sum(a.x * b.y % 7) AS n FROM UNNEST(sequence(1, 10000)) AS a(x)
CROSS JOIN UNNEST(sequence(1, 10000)) AS b(y) CROSS JOIN UNNEST(sequence(1, 300)) AS c(z)
"""


@dataclass(frozen=True)
class Made:
    """What the pipelines are made of: ids of queries, and the name of a matview."""

    plain: int
    word: int
    failing: int
    slow: int
    reader: int
    matview: str


def execute(report: Report, objects: TemporaryObjects, told: Callable[[str], None] = lambda _: None) -> None:
    """Try everything, and take away what was made, however this ends.

    Args:
        report: Where everything goes.
        objects: What makes and executes.
        told: Is told what happens.

    Raises:
        DuneError: What earlier runs have left could not be taken away; nothing was executed.
    """
    left = clear_account(objects.client, objects.owner)
    if left:
        report.fact("left by an earlier run", ", ".join(left))
    try:
        _Experiments(report, objects, told).run()
    finally:
        told("Taking away what was made.")
        _take_away(report, objects)


def _take_away(report: Report, objects: TemporaryObjects) -> None:
    report.fact("cost", f"{objects.credits:g} credits, as far as executions say")
    try:
        cleared = objects.clear()
    except (DuneError, KeyboardInterrupt) as error:
        report.fact("made, and still there", f"{LEFT} ({type(error).__name__})", is_trouble=True)
        raise
    report.fact("made, and taken away", ", ".join(cleared) or "nothing")


class _Experiments:
    def __init__(self, report: Report, objects: TemporaryObjects, told: Callable[[str], None]) -> None:
        self._report = report
        self._objects = objects
        self._told = told

    def run(self) -> None:
        results = ResultExperiments(self._report, self._objects)
        with self._trying("default-tier"):
            self._tier()
        with self._trying("ulid-order", "csv-null", "csv-nil-filter", "filtered-offset", "page-size"):
            results.texts_and_pages()
        with self._trying("csv-nested"):
            results.nested_values()
        made = None
        with self._trying("last-executions"):
            made = self._make()
        if made is None:
            return
        pipelines = PipelineExperiments(self._report, self._objects)
        with self._trying("refused-not-started"):
            pipelines.refused(made.plain)
        with self._trying("nodes-form", "node-words", "node-ids", "repeated-query", "node-credits", "young-pipeline"):
            pipelines.succeeding(made.matview, made.word)
        with self._trying("failed-pipeline-word", "blocked-nodes", "failure-stops-dependents", "failed-cast-text"):
            pipelines.failing(made.failing, made.plain, REFUSAL)
        with self._trying("canceled-spelling", "cancel-stops-dependents"):
            pipelines.cancelled(made.slow, made.plain)
        with self._trying("lineage-form"):
            pipelines.lineage(made.reader)

    def _tier(self) -> None:
        try:
            self._objects.run_sql(PLAIN)
        except DuneBadRequestError as error:
            self._objects.tier = "medium"
            self._objects.run_sql(PLAIN)
            self._report.does_not_hold("default-tier", f"refused without a tier: {without_names(error.dune_message)}")
        else:
            self._report.holds("default-tier", "executed without one")

    def _make(self) -> Made:
        """Save what the pipelines are made of; the matview's own refreshes are looked at on the way."""
        make = self._objects.query
        plain = make("one row", PLAIN)
        matview = self._objects.matview(plain)
        in_sql = _in_sql(matview.name)
        first = matview.execution_id
        if first:
            self._objects.ended(first)
        second = self._objects.client.refresh_materialized_view(matview.name, self._objects.tier).execution_id
        self._objects.ended(second)
        shown = self._objects.client.get_materialized_view(matview.name).last_execution_ids or ()
        self._report.judge(
            "last-executions",
            second in shown and (first is None or first not in shown[: shown.index(second)]),
            f"{len(shown)} ids after two refreshes"
            + ("" if second in shown else ", without the latest")
            + (", the newest is not the first" if second in shown and shown[0] != second else ""),
        )
        word = models.Parameter(key="word", type="text", value="a")
        return Made(
            plain=plain,
            word=make("a parameter", WORD, [word]),
            failing=make("one that fails", FAILING),
            slow=make("one that is slow", SLOW),
            reader=make("one that reads", f"SELECT n FROM {in_sql}"),  # noqa: S608 (a name of Dune's)
            matview=matview.name,
        )

    @contextmanager
    def _trying(self, *ids: str) -> Iterator[None]:
        """Where an experiment cannot be made, say so of its assumptions, and go on with the next."""
        self._told(f"Trying {', '.join(ids)}.")
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
    """A matview's name as SQL has it, in full."""
    parts = (name if name.startswith("dune.") else f"dune.{name}").replace('"', "").split(".")
    if len(parts) != PARTS_OF_A_MATVIEW:
        raise DuneError("the matview has a name that SQL cannot read")
    return name_in_sql(".".join(parts))
