"""Assumptions about Dune that the local Dune can break, by the ids of docs/assumptions.md.

Most of them are broken by changing requests and answers, in `emulator.http.assumptions`. Code that runs executions and
pipelines asks an `Assumed`.
"""

from __future__ import annotations

from collections.abc import Mapping

from dagster_dune.errors import DuneConfigurationError

OTHERS: Mapping[str, Mapping[str, str]] = {
    "nodes-form": {"refused": "a body with nodes is a 400"},
    "lineage-form": {"refused": "a body with query_id is a 400"},
    "default-tier": {"required": "executions and nodes without performance are a 400"},
    "failed-pipeline-word": {"halted": "the word is halted, without an error", "completed": "it says completed"},
    "node-words": {"other": "nodes are busy, done and broken"},
    "canceled-spelling": {"aborted": "what was cancelled is QUERY_STATE_ABORTED"},
    "node-error": {"warning": "completed nodes have an error"},
    "blocked-nodes": {"failed": "nodes that cannot start any more are failed, with an error"},
    "late-nodes": {"late": "nodes say that they run in the first 6 answers after the pipeline has ended"},
    "null-nodes": {"never": "node_executions is always null"},
    "node-ids": {"new": "nodes have other ids in the status than in the request"},
    "young-pipeline": {"late": "a pipeline is unknown for 12 s"},
    "repeated-query": {"refused": "a query in two nodes is a 400", "one": "its nodes have the parameters of the first"},
    "ulid-order": {"uuid": "ids are UUIDs, in no order"},
    "refused-not-started": {"started": "what is right of a refused pipeline runs"},
    "cancel-stops-dependents": {"start": "dependents of a cancelled node start"},
    "failed-cast-text": {"hidden": "errors of executions say nothing"},
    "failure-stops-dependents": {"start": "dependents of a failed node start"},
    "node-credits": {"missing": "executions do not say what they cost"},
    "matview-names": {"short": "matviews are named without dune."},
    "csv-null": {"empty": "NULL is an empty field"},
    "csv-nil-filter": {"null": "the text <nil> in a filter finds NULL too"},
    "filtered-offset": {"unfiltered": "offsets count rows before they are filtered"},
    "page-size": {"overlapping": "the next page begins with the last row of this one"},
    "csv-nested": {"unquoted": "fields have no quotes, whatever they hold"},
    "last-executions": {"missing": "last_execution_ids is empty"},
    "retry-after": {"missing": "429 says nothing"},
}
"""By the id of an assumption, the alternatives that the local Dune supports, with descriptions."""

LATE_ANSWERS = 6
YOUNG_SECONDS = 12.0


class Assumed:
    """The assumptions that do not hold.

    Args:
        others: The names of alternatives by the ids of assumptions.

    Raises:
        DuneConfigurationError: There is no such assumption, or no such alternative.

    Examples:
        >>> Assumed({"csv-null": "empty"}).is_other("csv-null"), Assumed({}).is_other("csv-null")
        (True, False)
    """

    def __init__(self, others: Mapping[str, str]) -> None:
        for id_, other in others.items():
            if id_ not in OTHERS:
                raise DuneConfigurationError(
                    f"The local Dune cannot break the assumption {id_!r}.", hint=f"It can break {', '.join(OTHERS)}."
                )
            if other not in OTHERS[id_]:
                raise DuneConfigurationError(
                    f"{id_}={other!r} is not known.", hint=f"Choose one of {', '.join(OTHERS[id_])}."
                )
        self._others = dict(others)

    def __bool__(self) -> bool:
        return bool(self._others)

    def is_other(self, id_: str, other: str | None = None) -> bool:
        """Return whether an assumption does not hold, with this alternative if one is given."""
        return id_ in self._others and other in (None, self._others[id_])
