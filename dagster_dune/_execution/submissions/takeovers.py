"""Decides which nodes of earlier submissions an attempt takes over. Pure: no clock, no storage."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from dagster_dune._execution.submissions.actions import Policy
from dagster_dune._execution.submissions.submission import State, Submission
from dagster_dune.pipeline.nodes import PipelinePlan


@dataclass(frozen=True)
class Takeovers:
    """What an attempt takes over of the submissions that it sees.

    Attributes:
        plan: What it is to run.
        policy: What it may take over.
        known: The submissions of the definition by their ids.
        earlier: The ids of those that were answered when the attempt began.
        is_orphan: Whether a run of the group was deleted.
    """

    plan: PipelinePlan
    policy: Policy
    known: Mapping[str, Submission]
    earlier: Collection[str]
    is_orphan: bool

    def sure(self, submission: Submission, digests: Iterable[str]) -> frozenset[str]:
        """Return the nodes of a submission that are taken over whether or not its pipeline has ended."""
        return frozenset(digest for digest in digests if self._is_sure(submission, digest))

    def of_running(self, submission: Submission, digests: Collection[str]) -> frozenset[str]:
        """Return the nodes that are taken over because a pipeline still runs.

        These read nothing that the run, or the one that it resumes, has from elsewhere: then they have not read it.

        Args:
            submission: The submission.
            digests: The nodes that no later submission holds.
        """
        elsewhere = set(self.plan.digests).difference(digests)
        too_old = self.plan.downstream_digests(elsewhere)
        if submission.run_id in self.policy.repeated:
            too_old |= self.policy.renewed | self.plan.downstream_digests(self.policy.renewed)
        return frozenset(digests) - too_old

    def followed(
        self, attachments: Iterable[tuple[Submission, frozenset[str]]]
    ) -> Iterator[tuple[Submission, frozenset[str]]]:
        """Return the nodes that are followed if their pipelines have not ended."""
        for submission, digests in attachments:
            wanted = digests if self.policy.joins else self.sure(submission, digests)
            if wanted and submission.id not in self.policy.released:
                yield submission, wanted

    def _is_sure(self, submission: Submission, digest: str) -> bool:
        policy = self.policy
        if submission.id in policy.chosen or submission.id not in self.earlier:
            return True
        if self.is_orphan or (policy.joins and submission.run_id == policy.run_id):
            return True
        is_resumed = policy.resumes and self._is_current(submission, digest)
        is_followed = policy.joins and digest in policy.followed.get(submission.id, ())
        return (is_resumed or is_followed) and submission.at >= policy.oldest

    def _is_current(self, submission: Submission, digest: str) -> bool:
        """Whether a node was sent, or sent again, after the last run that ran everything anew had begun."""
        if submission.run_id not in self.policy.outdated:
            return True
        return any(
            submission.follows(other)
            for other in self.known.values()
            if other.state is State.ANSWERED
            and digest in other.node_ids
            and (other.run_id not in self.policy.outdated or digest in self.policy.followed.get(other.id, ()))
        )
