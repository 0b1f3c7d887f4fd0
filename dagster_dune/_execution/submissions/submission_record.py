"""The submission record: what runs have sent to Dune, kept in the event logs of these runs.

An event log is append-only, every storage of Dagster has one, and every step can reach it. The record has two entries
for each submission, each an event that is never changed: the *intent*, written before the request with the digest and
the tier of each node, and the outcome of the request. Retries do not inherit events. Readers ignore fields that they do
not know, and do without those that older versions did not write, such as the tiers.

The data stand in an event's `logging_tags`, which Dagster stores and shows nowhere; the run's log shows one line.
Versions before 0.2 kept the record in run tags: `legacy_record` reads those.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

import dagster as dg

from dagster_dune._execution.event_log import growing_pauses, records_of_run
from dagster_dune._execution.submissions.legacy_record import legacy_submissions
from dagster_dune._execution.submissions.submission import State, Submission
from dagster_dune._formatting import counted
from dagster_dune.metadata import SUBMISSION_KEY, TAKEOVER_KEY
from dagster_dune.pipeline.nodes import DIGEST_LENGTH, PipelinePlan, PlannedNode

NODES_AN_EVENT = 2000
"""With 24 characters a node, an event stays below the 64 kB that some databases end a text at."""
WRITE_SECONDS = 20.0
"""For how long writing an entry is tried again before it is given up."""

ENDED = frozenset({dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED})
UNDER_WAY = [status for status in dg.DagsterRunStatus if status not in ENDED]

# Dagster reads what it has once stored for ever, so this is as stable as a name; and the class has no public one.
_NO_ENGINE_DATA = (
    '{"__class__": "EngineEventData", "error": null, "marker_end": null, "marker_start": null, "metadata_entries": []}'
)


class SubmissionRecord:
    """Writes the entries of one submission to the log of its run.

    Args:
        instance: Where the run is stored.
        run: The run.
        definition: The asset definition that submits.
        step_key: The step that submits.

    Attributes:
        id: The submission's own id.
    """

    def __init__(
        self, instance: dg.DagsterInstance, run: dg.DagsterRun, definition: str, step_key: str | None = None
    ) -> None:
        self._instance = instance
        self._run = run
        self._definition = definition
        self._step_key = step_key
        self.id = uuid.uuid4().hex[:12]

    def intend(self, plan: PipelinePlan, after: Iterable[str] = ()) -> bool:
        """Write the intent: that this plan is about to be sent.

        Args:
            plan: What is to be sent.
            after: The submissions of its nodes whose ends are known, or that a user has let go.

        Returns:
            Whether the storage has acknowledged all of it. If not, it may still turn up later.
        """
        count = len(plan.nodes)
        for start in range(0, count, NODES_AN_EVENT):
            part = plan.nodes[start : start + NODES_AN_EVENT]
            data = {
                "at": datetime.now(UTC).isoformat(),
                "after": sorted(after),
                "step": self._step_key,
                "nodes": "".join(node.digest for node in part),
                "ids": " ".join(str(node.id) for node in part),
                "tiers": _ids_by_tier(part),
            }
            if not self._write(
                State.INTENDED,
                f"{counted(count, 'node is', 'nodes are')} about to be sent to Dune as submission {self.id}.",
                data,
            ):
                return False
        return True

    def close(
        self, state: State, pipeline_execution_id: str | None = None, until: threading.Event | None = None
    ) -> bool:
        """Write the outcome of the intent.

        Args:
            state: What.
            pipeline_execution_id: Dune's answer.
            until: Ends the attempts to write it, where it is to be tried for longer than usual.

        Returns:
            Whether the storage has acknowledged it.
        """
        messages = {
            State.ANSWERED: f"Dune runs submission {self.id} as pipeline {pipeline_execution_id}.",
            State.REFUSED: f"Dune refused submission {self.id}, and started nothing.",
            State.WITHDRAWN: f"Submission {self.id} is withdrawn: it was not sent, and never will be.",
            State.LOST: f"Dune's answer to submission {self.id} is lost: it may be running.",
        }
        return self._write(state, messages[state], {"pipeline": pipeline_execution_id}, until)

    def _write(self, state: State, message: str, data: Mapping[str, Any], until: threading.Event | None = None) -> bool:
        record = {"id": self.id, "definition": self._definition, "word": state.value, **data}
        event = event_with(SUBMISSION_KEY, record, self._run, message)
        return acknowledged(lambda: self._instance.report_dagster_event(event, self._run.run_id, logging.INFO), until)


def event_with(
    key: str, data: Mapping[str, Any], run: dg.DagsterRun, message: str, step_key: str | None = None
) -> dg.DagsterEvent:
    """Return an event with data that Dagster stores but does not show; see `entries_under`."""
    return dg.DagsterEvent(
        event_type_value=dg.DagsterEventType.ENGINE_EVENT.value,
        job_name=run.job_name,
        message=message,
        step_key=step_key,
        # Assumption: dagster-plus-events.
        logging_tags={key: json.dumps(data, separators=(",", ":"))},
        event_specific_data=cast("Any", dg.deserialize_value(_NO_ENGINE_DATA)),
    )


def acknowledged(write: Callable[[], object], until: threading.Event | None = None) -> bool:
    """Write something to Dagster's storage, again and again, with growing, drawn waits.

    Args:
        write: What writes it; to write it twice must do no harm.
        until: Ends the attempts; they end after 20 s if this is None.

    Returns:
        Whether the storage has acknowledged it. If not, it may still turn up later.
    """
    deadline = time.monotonic() + WRITE_SECONDS if until is None else math.inf
    until, pauses = until or threading.Event(), growing_pauses()
    while True:
        try:
            write()
        except Exception:  # whatever the storage's own client raises
            pause = next(pauses)
            if time.monotonic() + pause > deadline or until.wait(pause):
                logging.getLogger(__name__).warning("Dagster's storage could not be written to.", exc_info=True)
                return False
        else:
            return True


def submissions_of(
    instance: dg.DagsterInstance, runs: Sequence[dg.DagsterRun], definition: str | None = None
) -> list[Submission]:
    """Read the submissions that some runs have made, each once.

    Args:
        instance: Where the runs are stored.
        runs: The runs. Their tags are read too: versions before 0.2 kept the record there, and retries inherited it.
        definition: The asset definition whose submissions are wanted; those of all if None.

    Returns:
        The submissions, in no order.
    """
    found = {submission.id: submission for submission in legacy_submissions(runs, definition)}
    for run_id in dict.fromkeys(run.run_id for run in runs):
        found |= _read(run_id, definition, entries_under(SUBMISSION_KEY, instance, run_id))
    return list(found.values())


def report_takeovers(
    instance: dg.DagsterInstance, run: dg.DagsterRun, taken_over: Iterable[tuple[Submission, Collection[str]]]
) -> None:
    """Write to the log of a run which nodes of other runs' submissions it takes over; else retries may pay again."""
    for submission, digests in taken_over:
        nodes = sorted(digests) if submission.run_id != run.run_id else []
        for start in range(0, len(nodes), NODES_AN_EVENT):
            data = {"id": submission.id, "nodes": "".join(nodes[start : start + NODES_AN_EVENT])}
            message = f"Of submission {submission.id}, {counted(len(nodes), 'node is', 'nodes are')} taken over."
            event = event_with(TAKEOVER_KEY, data, run, message)
            acknowledged(partial(instance.report_dagster_event, event, run.run_id, logging.INFO))


def taken_over_by(instance: dg.DagsterInstance, run_ids: Iterable[str]) -> dict[str, frozenset[str]]:
    """Read, by the ids of submissions of other runs, which nodes some runs have taken over."""
    found: dict[str, frozenset[str]] = {}
    for entry in (entry for run_id in run_ids for entry in entries_under(TAKEOVER_KEY, instance, run_id)):
        found[entry["id"]] = found.get(entry["id"], frozenset()).union(_digests(entry["nodes"]))
    return found


def entries_under(key: str, instance: dg.DagsterInstance, run_id: str) -> Iterator[dict[str, Any]]:
    """Yield the data that the events of a run carry under a key, oldest first."""
    for record in records_of_run(instance, run_id, dg.DagsterEventType.ENGINE_EVENT):
        event = record.event_log_entry.dagster_event
        if event and event.logging_tags and (text := event.logging_tags.get(key)):
            yield json.loads(text)


def _read(run_id: str, definition: str | None, entries: Iterable[Mapping[str, Any]]) -> dict[str, Submission]:
    """Make submissions of the entries in a run's log. A write that was repeated may have left an entry twice."""
    found: dict[str, Submission] = {}
    closed: dict[str, Mapping[str, Any]] = {}
    for entry in entries:
        if definition not in (None, entry["definition"]):
            continue
        if entry["word"] != State.INTENDED.value:
            closed[entry["id"]] = entry
            continue
        submission = found.get(entry["id"]) or Submission(
            entry["id"],
            run_id,
            datetime.fromisoformat(entry["at"]),
            {},
            after=frozenset(entry["after"]),
            definition=entry["definition"],
            step_key=entry.get("step"),
        )
        node_ids = _node_ids(entry)
        found[entry["id"]] = replace(
            submission,
            node_ids={**submission.node_ids, **node_ids},
            tiers={**(submission.tiers or {}), **_tiers(entry, node_ids)},
        )
    return {
        id_: replace(
            submission,
            state=State(closed[id_]["word"]) if id_ in closed else State.INTENDED,
            pipeline_execution_id=closed[id_].get("pipeline") if id_ in closed else None,
        )
        for id_, submission in found.items()
    }


def _node_ids(entry: Mapping[str, Any]) -> dict[str, int]:
    return {digest: int(id_) for digest, id_ in zip(_digests(entry["nodes"]), entry["ids"].split(), strict=True)}


def _digests(nodes: str) -> list[str]:
    return [nodes[start : start + DIGEST_LENGTH] for start in range(0, len(nodes), DIGEST_LENGTH)]


def _ids_by_tier(nodes: Iterable[PlannedNode]) -> dict[str, str]:
    ids: dict[str, list[str]] = {}
    for node in nodes:
        if node.target.performance:
            ids.setdefault(node.target.performance, []).append(str(node.id))
    return {tier: " ".join(of_tier) for tier, of_tier in ids.items()}


def _tiers(entry: Mapping[str, Any], node_ids: Mapping[str, int]) -> dict[str, str]:
    digests = {id_: digest for digest, id_ in node_ids.items()}
    return {digests[int(id_)]: tier for tier, ids in entry.get("tiers", {}).items() for id_ in ids.split()}
