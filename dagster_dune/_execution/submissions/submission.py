"""A submission: one pipelines/execute request, as the record describes it. Does not depend on Dagster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class State(Enum):
    """The state of a submission; the value is the word in the record."""

    INTENDED = "intent"
    """Its intent is written. Whether it was, is being or will be sent is not known."""
    LOST = "lost"
    """It was sent, and whether Dune started it is not known: its answer is lost."""
    ANSWERED = "answer"
    """Dune answered with the id of a pipeline."""
    REFUSED = "refused"
    """Dune surely started nothing."""
    WITHDRAWN = "withdrawn"
    """It was never sent, and never will be."""

    @property
    def is_unresolved(self) -> bool:
        """Whether Dune may run it in a pipeline whose id is unknown."""
        return self in (State.INTENDED, State.LOST)


@dataclass(frozen=True)
class Submission:
    """One pipelines/execute request.

    Attributes:
        id: Its own id, which is not Dune's.
        run_id: The run that made it.
        at: When its intent was written, by the writer's clock. It decides nothing but what is too old to be taken over.
        node_ids: By the digest of what a node runs, its id in the pipeline.
        state: What became of it.
        pipeline_execution_id: Dune's answer; None where there is none.
        after: The earlier submissions of its nodes whose ends its attempt had seen, or that a user has let go.
        is_ordered: Whether `after` was written. Records in run tags, of versions before 0.2, have none.
        definition: The asset definition that made it.
        step_key: The step of its run that made it. None where that was not written, as by versions before 0.2.
        others: How many nodes its pipeline has beside those of `node_ids`.
        tiers: By digest, the tier that the record names, where it names one. None for what the attempt has sent itself,
            whose plan names them.
    """

    id: str
    run_id: str
    at: datetime
    node_ids: Mapping[str, int] = field(compare=False)
    state: State = State.INTENDED
    pipeline_execution_id: str | None = None
    after: frozenset[str] = frozenset()
    is_ordered: bool = True
    definition: str = ""
    step_key: str | None = None
    others: int = 0
    tiers: Mapping[str, str] | None = field(default=None, compare=False)

    @property
    def size(self) -> int:
        """How many nodes its pipeline has."""
        return len(self.node_ids) + self.others

    def follows(self, other: Submission) -> bool:
        """Whether its attempt had seen how another one ended. Only records without an order are told by their clock."""
        if not self.is_ordered and not other.is_ordered:
            return (self.at, self.id) > (other.at, other.id)
        return other.id in self.after

    def holds_any(self, digests: Iterable[str]) -> bool:
        """Return whether it contains any of these nodes."""
        return not self.node_ids.keys().isdisjoint(digests)
