"""The actions of an attempt, and the state that it decides by. Pure: no clock, no storage."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from dagster_dune._execution.submissions.submission import State, Submission
from dagster_dune.errors import DunePipelineError
from dagster_dune.metadata import RESUBMIT_TAG


# Assumption: no-idempotency.
@dataclass(frozen=True)
class View:
    """The state of the run group, as one look at it shows.

    Attributes:
        submissions: Every submission of the definition, in no order.
        gone: The ids of runs of the group that were deleted, together with their records.
    """

    submissions: Sequence[Submission]
    gone: tuple[str, ...] = ()


@dataclass(frozen=True)
class Policy:
    """What an attempt may take over, and what its user has decided.

    Attributes:
        run_id: The run that the attempt belongs to.
        resumes: Whether it takes over what earlier runs of the run group have started, also where it has ended.
        joins: Whether it takes over what still runs. Where it does not, it waits for the end.
        retries_failed: Whether it sends again what this very run has seen fail.
        oldest: What was submitted before is not taken over once it has ended.
        outdated: The runs whose submissions are not taken over once they have ended: after them came a run that ran
            everything anew, and this one resumes that.
        repeated: Those of them that this run goes back to.
        renewed: The nodes that read what such a run, or what came of it, has made in another step.
        followed: By submission, the nodes of such runs that are taken over all the same: that run took them over, too.
        adopted: By submission, the pipeline that the user has found on Dune where the answer is lost.
        chosen: The adopted submissions that no run before the last one of everything has taken over: retries inherit
            the tag.
        released: The submissions, and the runs that are gone, that the user has let go.
    """

    run_id: str
    resumes: bool
    joins: bool
    retries_failed: bool
    oldest: datetime
    adopted: Mapping[str, str] = field(default_factory=dict)
    chosen: Collection[str] = frozenset()
    released: Collection[str] = frozenset()
    outdated: Collection[str] = frozenset()
    repeated: Collection[str] = frozenset()
    renewed: frozenset[str] = frozenset()
    followed: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """Read the run group afresh. Sent: a `View`."""


@dataclass(frozen=True)
class Wait:
    """Wait a drawn, growing time. Sent: False, without any wait, where all waits together have taken long enough.

    Attributes:
        reason: What is waited for.
    """

    reason: str


@dataclass(frozen=True)
class Attach:
    """Know of nodes that are about to be followed, or are once their pipeline turns out to run. Sent: nothing.

    Pipelines are followed one after another, and what ends the attempt meanwhile is the end of all of them.

    Attributes:
        nodes: By submission, the digests of the nodes.
    """

    nodes: tuple[tuple[Submission, frozenset[str]], ...]


@dataclass(frozen=True)
class TakeOver:
    """Write down which nodes are taken over, before any of them is followed. Sent: nothing.

    Attributes:
        nodes: By submission, the digests of the nodes.
    """

    nodes: tuple[tuple[Submission, frozenset[str]], ...]


@dataclass(frozen=True)
class HasEnded:
    """Ask whether a submission's pipeline has ended. Sent: the answer."""

    submission: Submission


@dataclass(frozen=True)
class AwaitEnd:
    """Wait until a submission's pipeline has ended, however long that takes. Sent: nothing."""

    submission: Submission


@dataclass(frozen=True)
class Follow:
    """Follow some nodes of a pipeline to their ends, and report them. Sent: the digests of those that did not succeed.

    Attributes:
        submission: What started the pipeline.
        digests: The nodes.
        sends_again: Whether nodes that do not succeed go into a new pipeline, so that they are not reported yet.
    """

    submission: Submission
    digests: frozenset[str]
    sends_again: bool


@dataclass(frozen=True)
class Skip:
    """Report nodes as skipped, because of others that did not succeed. Sent: nothing."""

    digests: frozenset[str]
    because_of: frozenset[str]


@dataclass(frozen=True)
class Submit:
    """Carry out `submitting` so that nothing can interrupt it. Sent: the submission, or None where it was withdrawn.

    Attributes:
        digests: The nodes to send.
        seen: The submissions of these nodes whose ends are known, or that the user has let go.
    """

    digests: frozenset[str]
    seen: frozenset[str]


@dataclass(frozen=True)
class Intend:
    """Write the intent. Sent: whether the storage has acknowledged it."""


@dataclass(frozen=True)
class Send:
    """Send the request, if the run still waits for it. Sent: the pipeline's execution id."""


@dataclass(frozen=True)
class Close:
    """Write what became of the intent. Sent: nothing."""

    state: State
    pipeline_execution_id: str | None = None


class NotSent(DunePipelineError):  # noqa: N818  (a reason, not a fault)
    """The pipeline was not sent, since nothing waits for it any more."""


def run_was_deleted(run_ids: Sequence[str]) -> DunePipelineError:
    """Return the error for a run of the group that was deleted."""
    return DunePipelineError(
        f"Run {run_ids[0]}, which this one goes back to, was deleted, and with it the record of what it has sent to "
        "Dune. What could not be taken over was not sent.",
        hint="Launch these assets in a new run; or, if nothing of that run still runs on Dune, retry with the run tag "
        f"{RESUBMIT_TAG}={','.join(run_ids)}.",
    )


def intent_not_stored() -> DunePipelineError:
    """Return the error for an intent that the storage has not acknowledged."""
    return DunePipelineError(
        "The instance's storage has not confirmed that it keeps what is about to be sent, so it was not sent.",
        hint="Look at the health of Dagster's database, then retry the run.",
    )


def others_keep_sending() -> DunePipelineError:
    """Return the error for an attempt that others keep from sending."""
    return DunePipelineError(
        "Other attempts of the same run keep sending the same nodes, so that this one has not.",
        hint="Look at the other retries of this run; one of them has, or will have, the result.",
    )


Action: TypeAlias = (
    Look | Wait | Attach | TakeOver | HasEnded | AwaitEnd | Follow | Skip | Submit | Intend | Send | Close
)
Actions: TypeAlias = Generator[Action, Any, None]
