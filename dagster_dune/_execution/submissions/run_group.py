"""The run group of a run: every run that retries it, or is retried by it, or goes back to the same run as it.

Dagster tells of a group in several places, none of them complete: `parent_run_id` and `root_run_id`, which a filter
cannot find; tags, which not every way to retry a run sets; and records that retries have inherited. All of them count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property, partial

import dagster as dg

from dagster_dune._execution.event_log import read_with_retries, records_of_run
from dagster_dune._execution.submissions.definitions import AssetOrCheckKey
from dagster_dune._execution.submissions.legacy_record import legacy_writers
from dagster_dune._execution.submissions.submission_record import acknowledged
from dagster_dune.errors import DunePipelineError
from dagster_dune.metadata import RUN_GROUP_TAG

RESUME_RETRY_TAG = "dagster/is_resume_retry"
ASSET_RESUME_RETRY_TAG = "dagster/is_asset_resume_retry"
ROOT_RUN_TAG = "dagster/root_run_id"
PARENT_RUN_TAG = "dagster/parent_run_id"


class Origin(Enum):
    """The reason for an attempt; the value is its text in the run's log."""

    FIRST = "this run is the first attempt"
    ANEW = "the run that this one repeats succeeded, so that everything is run anew"
    FROM_FAILURE = "this run resumes an earlier one from its failure"
    FROM_ASSET_FAILURE = "this run resumes an earlier one for the assets that it did not materialize"
    EVERYTHING = "this run repeats everything that an earlier one did"
    ORPHAN = "a run that this one goes back to was deleted, so that whatever is known is taken over"

    @property
    def resumes(self) -> bool:
        """Whether what has ended is taken over."""
        return self in (Origin.FROM_FAILURE, Origin.FROM_ASSET_FAILURE, Origin.ORPHAN)


@dataclass(frozen=True)
class RunGroup:
    """A run and the others of its group, as the instance has stored them.

    Attributes:
        run: The run.
        members: All runs of the group that exist, including the run itself.
        gone: The ids of runs of the group that were deleted.
        instance: Where they are stored.
    """

    run: dg.DagsterRun
    members: tuple[dg.DagsterRun, ...]
    gone: tuple[str, ...]
    instance: dg.DagsterInstance = field(repr=False, compare=False)

    @classmethod
    def of(cls, instance: dg.DagsterInstance, run_id: str) -> RunGroup:
        """Read the group of a run from the instance.

        Raises:
            DunePipelineError: The run itself does not exist.
        """
        members: dict[str, dg.DagsterRun] = {}
        gone, asked, pending = set[str](), set[str](), {run_id}
        while pending:
            for id_ in pending:
                run = read_with_retries(partial(instance.get_run_by_id, id_))
                if run is None:
                    gone.add(id_)
                else:
                    members[id_] = run
            roots = {id_ for run in members.values() for id_ in (run.run_id, *_named_runs(run))} - asked
            asked |= roots
            members |= {run.run_id: run for run in _tagged(instance, roots)}
            named = {id_ for run in members.values() for id_ in _named_runs(run)}
            pending = named - members.keys() - gone
        if run_id not in members:
            raise DunePipelineError(
                f"The instance does not know run {run_id}, which this step belongs to.",
                hint="It was deleted while it ran. Nothing more is sent for it.",
            )
        return cls(members[run_id], tuple(members.values()), tuple(sorted(gone)), instance)

    @property
    def parent(self) -> dg.DagsterRun | None:
        """The run that this one retries; None if it is no retry, or if that run was deleted."""
        return next((run for run in self.members if run.run_id == parent_id_of(self.run)), None)

    @property
    def lineage(self) -> tuple[str, ...]:
        """The ids of the run, of the one that it retries, of the one that this retries, and so on."""
        by_id = {run.run_id: run for run in self.members}
        found: list[str] = []
        id_: str | None = self.run.run_id
        while id_ in by_id and id_ not in found:
            found.append(id_)
            id_ = parent_id_of(by_id[id_])
        return tuple(found)

    @cached_property
    def begin(self) -> str | None:
        """The id of the run of the lineage that began anew: this one, or the one that it resumes.

        None if a run was deleted: then nobody can tell.
        """
        if self.gone:
            return None
        return next((id_ for id_ in self.lineage if not self._as_seen_by[id_].origin.resumes), self.run.run_id)

    @cached_property
    def outdated(self) -> frozenset[str]:
        """The ids of the runs that do not go back to the one that began anew."""
        if self.begin is None:
            return frozenset()
        return frozenset(id_ for id_, group in self._as_seen_by.items() if self.begin not in group.lineage)

    @cached_property
    def _as_seen_by(self) -> Mapping[str, RunGroup]:
        """This group with each of its runs in turn as the one that looks at it, by the ids of the runs."""
        return {run.run_id: replace(self, run=run) for run in self.members}

    def steps_of(self, run_id: str) -> Mapping[AssetOrCheckKey, str]:
        """By asset and check in the plan of a run, the step that it belongs to; empty where the plan is not known."""
        run = next((run for run in self.members if run.run_id == run_id), None)
        return {} if run is None else steps_of_run(self.instance, run)

    @property
    def origin(self) -> Origin:
        """Why the run was started."""
        run, parent = self.run, self.parent
        if self.gone:
            return Origin.ORPHAN
        if parent is None:
            return Origin.EVERYTHING if set(_named_runs(run)) - {run.run_id} else Origin.FIRST
        # A parent that has succeeded may have been running when this run was made to complete it.
        if run.tags.get(RESUME_RETRY_TAG) == "true" or self._is_from_failure(parent):
            return Origin.FROM_FAILURE
        if self._is_from_asset_failure(parent):
            return Origin.FROM_ASSET_FAILURE
        return Origin.ANEW if parent.status is dg.DagsterRunStatus.SUCCESS else Origin.EVERYTHING

    def _is_from_asset_failure(self, parent: dg.DagsterRun) -> bool:
        """Return whether the run was started from asset failure of its parent.

        The tag of such runs does not decide this alone, since later retries inherit it.
        """
        if ASSET_RESUME_RETRY_TAG not in self.run.tags:  # a user may repeat a part of what has succeeded
            return self._has_other_selection(parent) and not parent.is_success
        if self._has_other_selection(parent):
            return True
        # Where both have the tag and the same selection, it was started from asset failure only if Dagster counts no
        # asset of the parent as completed; and then it is the same as a run of everything.
        return ASSET_RESUME_RETRY_TAG not in parent.tags or not self._completed_assets(parent)

    def _has_other_selection(self, parent: dg.DagsterRun) -> bool:
        """Return whether the run selects other assets than its parent, or other checks where both select checks."""
        if self.run.asset_selection != parent.asset_selection:
            return True
        checks, before = self.run.asset_check_selection, parent.asset_check_selection
        return checks is not None and before is not None and checks != before

    def _completed_assets(self, run: dg.DagsterRun) -> set[dg.AssetKey | None]:
        """Return the assets that Dagster counts as completed in a run, where it decides what to repeat from failure.

        These are the assets that the run materialized or checked, without those with a blocking check that failed.
        """
        materialized = {event.asset_key for event in self._events(run, dg.DagsterEventType.ASSET_MATERIALIZATION)}
        evaluations = [
            event.asset_check_evaluation_data for event in self._events(run, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        ]
        blocked = {each.asset_check_key.asset_key for each in evaluations if each.blocking and not each.passed}
        return {*materialized, *(each.asset_check_key.asset_key for each in evaluations)} - blocked

    def _is_from_failure(self, parent: dg.DagsterRun) -> bool:
        """Return whether a run without tags was started from failure of its parent.

        Such a run has an execution plan with the state of the parent, and repeats no step that had succeeded when the
        plan was made. Steps that succeeded later, in a process that outlived the parent, have outputs that the plan
        does not contain.
        """
        plan_id = self.run.execution_plan_snapshot_id
        if PARENT_RUN_TAG in self.run.tags or plan_id is None:
            return False
        plan = read_with_retries(partial(self.instance.get_execution_plan_snapshot, plan_id))
        state = plan and plan.initial_known_state and plan.initial_known_state.parent_state
        if not state:
            return False
        succeeded = {
            record.event_log_entry.step_key for record in self._records(parent, dg.DagsterEventType.STEP_SUCCESS)
        }
        succeeded_later = {
            event.step_key
            for record in self._records(parent, dg.DagsterEventType.STEP_OUTPUT)
            if (event := record.event_log_entry.get_dagster_event()).step_output_data.step_output_handle
            not in state.produced_outputs
        }
        return (succeeded - succeeded_later).isdisjoint(plan.step_keys_to_execute)

    def _records(self, run: dg.DagsterRun, kind: dg.DagsterEventType) -> Iterator[dg.EventLogRecord]:
        return records_of_run(self.instance, run.run_id, kind)

    def _events(self, run: dg.DagsterRun, kind: dg.DagsterEventType) -> Iterator[dg.DagsterEvent]:
        events = (record.event_log_entry.dagster_event for record in self._records(run, kind))
        return (event for event in events if event is not None)


def steps_of_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Mapping[AssetOrCheckKey, str]:
    """By asset and check in the plan of a run, the step that it belongs to; empty where the plan is not known."""
    plan_id = run.execution_plan_snapshot_id
    plan = plan_id and read_with_retries(partial(instance.get_execution_plan_snapshot, plan_id))
    outputs = [(output.properties, step.key) for step in (plan.steps if plan else ()) for output in step.outputs]
    return {
        key: step_key
        for properties, step_key in outputs
        if properties and (key := properties.asset_key or properties.asset_check_key)
    }


def is_under_way(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a run exists and has not ended. If not, a retry may be under way, though a process of the run lives."""
    run = read_with_retries(lambda: instance.get_run_by_id(run_id))
    return run is not None and not run.is_finished


def parent_id_of(run: dg.DagsterRun) -> str | None:
    """Return the id of the run that a run retries, from its field or its tag; None if it is no retry."""
    return run.parent_run_id or run.tags.get(PARENT_RUN_TAG)


def make_findable(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Let the others of its group find a run by a tag, as they cannot by its fields. Most ways to retry have set one.

    Raises:
        DunePipelineError: The tag could not be written.
    """
    root = run.root_run_id or run.parent_run_id
    if root is None or root == run.run_id or _is_tagged(instance, run.run_id, root):
        return

    def write() -> None:
        instance.add_run_tags(run.run_id, {RUN_GROUP_TAG: root})
        if not _is_tagged(instance, run.run_id, root):
            raise DunePipelineError(f"The tag {RUN_GROUP_TAG} of run {run.run_id} was not kept.")

    if not acknowledged(write):
        raise DunePipelineError(
            f"The tag {RUN_GROUP_TAG} could not be written to run {run.run_id}, so that nothing was sent for it.",
            hint="Look at the health of Dagster's database, then retry the run.",
        )


def _is_tagged(instance: dg.DagsterInstance, run_id: str, root: str) -> bool:
    filters = (dg.RunsFilter(run_ids=[run_id], tags={tag: root}) for tag in (ROOT_RUN_TAG, RUN_GROUP_TAG))
    return any(read_with_retries(partial(instance.get_runs, each)) for each in filters)


def _tagged(instance: dg.DagsterInstance, roots: Iterable[str]) -> Iterator[dg.DagsterRun]:
    """Return the runs whose tag names one of these runs as the one they go back to."""
    if wanted := sorted(roots):
        for tag in (ROOT_RUN_TAG, RUN_GROUP_TAG):
            yield from read_with_retries(partial(instance.get_runs, dg.RunsFilter(tags={tag: wanted})))


def _named_runs(run: dg.DagsterRun) -> Iterator[str]:
    """Return the ids of the runs that a run names in its fields and tags."""
    named = (
        run.parent_run_id,
        run.root_run_id,
        *(run.tags.get(tag) for tag in (ROOT_RUN_TAG, PARENT_RUN_TAG, RUN_GROUP_TAG)),
    )
    yield from (id_ for id_ in named if id_)
    yield from legacy_writers(run)
