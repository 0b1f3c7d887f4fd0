"""Who may send: the decisions of one attempt, as actions that somebody else carries out. Pure: no clock, no storage.

The invariant: in one run group a node is sent again only by an attempt that has seen how every earlier sending of
it ended. docs/durability.md says why these actions keep it, and tests/support/explorer.py tries every order of them.

Each function here is a generator. It yields what is to be done next, and is sent what came of it.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dagster_dune._execution.submissions.actions import (
    Action,
    Actions,
    Attach,
    AwaitEnd,
    Close,
    Follow,
    HasEnded,
    Intend,
    Look,
    NotSent,
    Policy,
    Send,
    Skip,
    Submit,
    TakeOver,
    Wait,
    intent_not_stored,
    others_keep_sending,
    run_was_deleted,
)
from dagster_dune._execution.submissions.submission import State, Submission
from dagster_dune._execution.submissions.takeovers import Takeovers
from dagster_dune.api.errors import AmbiguousSubmission, DuneApiError
from dagster_dune.metadata import ADOPT_TAG, RESUBMIT_TAG
from dagster_dune.pipeline.nodes import PipelinePlan


class Attempt:
    """One attempt to run the nodes of a plan: it takes over what its run group has started, and sends the rest.

    Args:
        plan: What is to run.
        policy: What may be taken over.
    """

    def __init__(self, plan: PipelinePlan, policy: Policy) -> None:
        self._plan = plan
        self._policy = policy
        self._wanted = set(plan.digests)
        self._lost = set[str]()
        self._known: dict[str, Submission] = {}
        self._earlier: frozenset[str] | None = None
        self._tried: dict[str, set[str]] = {digest: set() for digest in plan.digests}

    def actions(self) -> Actions:
        """Run the nodes.

        Yields:
            What is to be done next.

        Raises:
            AmbiguousSubmission: A request of an earlier attempt has no answer, and the user has not said to go on.
            DunePipelineError: Others keep sending the same nodes, or part of the run group is gone.
        """
        while self._wanted:
            view = yield Look()
            # What was seen once counts, even if its run is deleted meanwhile.
            self._known |= {submission.id: _adopted(submission, self._policy) for submission in view.submissions}
            if self._earlier is None:
                self._earlier = _answered(self._known.values(), self._wanted)
            of_plan = [submission for submission in self._known.values() if submission.holds_any(self._wanted)]
            if pending := _unresolved(of_plan, self._wanted, self._policy):
                yield from _waiting(pending)
            elif attachments := list(_attachments(of_plan, self._wanted, self._tried)):
                yield from self._take_over(attachments, is_orphan=bool(view.gone))
            elif blocked := self._plan.downstream_digests(self._lost) & self._wanted:
                yield Skip(frozenset(blocked), frozenset(self._lost))
                self._wanted -= blocked
            elif view.gone:
                raise run_was_deleted(view.gone)
            else:
                yield from self._send_rest(of_plan)

    def _take_over(self, attachments: Sequence[tuple[Submission, frozenset[str]]], *, is_orphan: bool) -> Actions:
        """Follow what of earlier pipelines is taken over, and wait for the ends of those that hold anything else."""
        rules = Takeovers(self._plan, self._policy, self._known, self._earlier or frozenset(), is_orphan)
        yield Attach(tuple(rules.followed(attachments)))
        taken: list[tuple[Submission, frozenset[str]]] = []
        awaited: list[Submission] = []
        for submission, digests in attachments:
            for digest in digests:
                self._tried[digest].add(submission.id)
            if submission.id in self._policy.released:
                continue
            kept = rules.sure(submission, digests)
            if kept != digests and not self._policy.joins:
                awaited.append(submission)
            elif kept != digests and not (yield HasEnded(submission)):
                kept |= rules.of_running(submission, digests)
                awaited += [submission] if kept != digests else []
            if kept:
                taken.append((submission, kept))
        if taken:
            yield TakeOver(tuple(taken))
        for submission, digests in taken:
            yield from self._follow(submission, digests)
        for submission in awaited:
            yield AwaitEnd(submission)

    def _follow(self, submission: Submission, digests: frozenset[str]) -> Actions:
        """Follow an earlier pipeline. What did not succeed there is sent again, where this attempt is the one to."""
        is_own_run = submission.run_id == self._policy.run_id
        # What others have sent since this attempt began is the very retry that it was to make itself.
        sends_again = submission.id in (self._earlier or ()) and (self._policy.retries_failed or not is_own_run)
        unsuccessful = yield Follow(submission, digests, sends_again)
        if sends_again:
            self._wanted -= digests - unsuccessful
        else:
            self._wanted -= digests
            self._lost |= unsuccessful

    def _send_rest(self, of_plan: Sequence[Submission]) -> Actions:
        digests = frozenset(self._wanted)
        released = frozenset(submission.id for submission in of_plan if submission.id in self._policy.released)
        submission = yield Submit(digests, _answered(of_plan, digests) | released)
        if submission is not None:
            yield Follow(submission, digests, sends_again=False)
            self._wanted.clear()
        elif not (yield Wait("another attempt is about to send some of the same nodes")):
            raise others_keep_sending()


def submitting(
    own_id: str, digests: frozenset[str], seen: frozenset[str], policy: Policy
) -> Generator[Action, Any, bool]:
    """Send some nodes, unless others send, or have sent, some of them meanwhile.

    Args:
        own_id: The submission's own id.
        digests: The nodes.
        seen: The submissions of these nodes whose ends are known, or that the user has let go.
        policy: What the user has said.

    Yields:
        What is to be done next.

    Returns:
        Whether they were sent. If not, the intent is withdrawn for good.

    Raises:
        DuneApiError: Dune refused them, or its answer is lost.
        DunePipelineError: The intent could not be written, or the run has ended.
    """
    try:
        if not (yield Intend()):
            raise intent_not_stored()  # noqa: TRY301  (so that it is withdrawn as after any other error)
        view = yield Look()
        others = [_adopted(submission, policy) for submission in view.submissions if submission.id != own_id]
        if view.gone or _unresolved(others, digests, policy) or not _answered(others, digests) <= seen:
            yield Close(State.WITHDRAWN)
            return False
    except Exception:
        yield Close(State.WITHDRAWN)
        raise
    try:
        pipeline = yield Send()
    except NotSent:
        yield Close(State.WITHDRAWN)
        raise
    except AmbiguousSubmission:
        yield Close(State.LOST)
        raise
    except DuneApiError:
        yield Close(State.REFUSED)
        raise
    except Exception:
        yield Close(State.LOST)
        raise
    yield Close(State.ANSWERED, pipeline)
    return True


def _adopted(submission: Submission, policy: Policy) -> Submission:
    """Return a submission, with the pipeline that the user has found on Dune if its answer is lost."""
    pipeline = policy.adopted.get(submission.id)
    if not pipeline or not submission.state.is_unresolved:
        return submission
    return replace(submission, state=State.ANSWERED, pipeline_execution_id=pipeline)


def _unresolved(of_plan: Collection[Submission], wanted: Iterable[str], policy: Policy) -> list[Submission]:
    """Return the submissions that may run some of these nodes in an unknown pipeline, and are not released."""
    found: dict[str, Submission] = {}
    for digest in wanted:
        of_node = [submission for submission in of_plan if digest in submission.node_ids]
        settled = {id_ for submission in of_node if submission.state is State.ANSWERED for id_ in submission.after}
        for submission in of_node:
            if submission.state.is_unresolved and submission.id not in settled and submission.id not in policy.released:
                found[submission.id] = submission
    return list(found.values())


def _answered(of_plan: Iterable[Submission], wanted: Collection[str]) -> frozenset[str]:
    return frozenset(s.id for s in of_plan if s.state is State.ANSWERED and s.holds_any(wanted))


def _waiting(pending: Sequence[Submission]) -> Generator[Action, Any, None]:
    """Wait for the answer of another attempt, or refuse where there will be none."""
    lost = next((submission for submission in pending if submission.state is State.LOST), None)
    submission = lost or pending[0]
    if lost is None and (yield Wait(f"run {submission.run_id} is sending some of the same nodes")):
        return
    ended = "lost Dune's answer" if lost else "ended, or still waits, between its request and Dune's answer"
    raise AmbiguousSubmission(
        f"an attempt in run {submission.run_id} {ended}; its intent is of {submission.at:%Y-%m-%d %H:%M:%S} UTC",
        method="POST",
        path="/api/v1/pipelines/execute",
        hint=resubmission_hint(submission.id),
    )


def _attachments(
    of_plan: Sequence[Submission], wanted: Collection[str], tried: Mapping[str, Collection[str]]
) -> Iterator[tuple[Submission, frozenset[str]]]:
    """Give each node to a submission that no later one of it follows, and that was not tried yet."""
    answered = [submission for submission in of_plan if submission.state is State.ANSWERED]
    answered.sort(key=lambda submission: (submission.at, submission.id))  # only so that the same comes first each time
    held: dict[str, Submission] = {}
    for digest in wanted:
        of_node = [submission for submission in answered if digest in submission.node_ids]
        newest = [s for s in of_node if not any(other.follows(s) for other in of_node)]
        if candidates := [s for s in newest if s.id not in tried[digest]]:
            held[digest] = candidates[-1]
    for submission in answered:
        if digests := frozenset(digest for digest, holder in held.items() if holder is submission):
            yield submission, digests


def resubmission_hint(submission_id: str) -> str:
    """Return the hint for a request whose answer is lost."""
    return (
        f"{AmbiguousSubmission.default_hint} If it runs there, retry with the run tag "
        f"{ADOPT_TAG}={submission_id}:<pipeline execution id>; to send it again, with {RESUBMIT_TAG}={submission_id}."
    )
