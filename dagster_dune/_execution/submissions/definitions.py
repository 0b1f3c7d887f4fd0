"""Selects the submissions that count for the nodes of a definition: its own, and those of others for the same assets.

Code changes between attempts: definitions are renamed, and assets move from one to another. So what another definition
has sent counts too, unless it surely was for other assets that run the same: each of these has an execution of its own.
Sure is what the plan of a run says, which is stored before its first step and never changes. So no look takes back what
an earlier one has shown, and of two attempts at one asset each sees what the other sends, whatever names they have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import dagster as dg

from dagster_dune._execution.submissions.submission import Submission

AssetOrCheckKey: TypeAlias = dg.AssetKey | dg.AssetCheckKey
StepsOfRun: TypeAlias = Callable[[str], Mapping[AssetOrCheckKey, str]]


@dataclass(frozen=True)
class DefinitionNodes:
    """The nodes of one definition in one run.

    Attributes:
        definition: The definition's name.
        runs: The run, and those that it goes back to.
        keys: By the digest of a node, the key of its asset or check, if it is known.
    """

    definition: str
    runs: Sequence[str]
    keys: Mapping[str, AssetOrCheckKey] = field(default_factory=dict)

    def sent_in(self, submissions: Sequence[Submission], steps: StepsOfRun) -> Iterator[Submission]:
        """Return the submissions that count, each with only the nodes that count.

        Within one run the same node in two definitions is two executions that its user has asked for.

        Args:
            submissions: Those of the run group.
            steps: By asset and check in the plan of a run, the step that it belongs to.
        """
        own = {(s.run_id, digest) for s in submissions if s.definition == self.definition for digest in s.node_ids}
        for submission in submissions:
            if submission.definition == self.definition:
                yield submission
            elif submission.run_id != self.runs[0]:
                ids = {
                    digest: id_
                    for digest, id_ in submission.node_ids.items()
                    if (submission.run_id, digest) not in own and not self._is_for_others(digest, submission, steps)
                }
                yield replace(submission, node_ids=ids, others=submission.size - len(ids))

    def _is_for_others(self, digest: str, submission: Submission, steps: StepsOfRun) -> bool:
        """Return whether a submission of another definition certainly sent a node for an asset of others.

        It was sent for one of those of its step. Where a plan has all of these and the own one too, that is none of
        them; where none has, an asset may have got another key meanwhile.
        """
        key = self.keys.get(digest)
        if key is None or submission.step_key is None:
            return False
        candidates = {each for each, step in steps(submission.run_id).items() if step == submission.step_key}
        if not candidates or key in candidates:
            return False
        return any({key, *candidates} <= steps(run_id).keys() for run_id in (submission.run_id, *self.runs))


def was_sent_for(submission: Submission, key: AssetOrCheckKey, definition: str, steps: StepsOfRun) -> bool:
    """Return whether the step that made a submission had an asset or a check, whatever its definition was called then.

    Args:
        submission: The submission.
        key: The asset or the check.
        definition: The name of its definition now.
        steps: By asset and check in the plan of a run, the step that it belongs to.
    """
    if submission.definition == definition:
        return True
    return submission.step_key is not None and steps(submission.run_id).get(key) == submission.step_key
