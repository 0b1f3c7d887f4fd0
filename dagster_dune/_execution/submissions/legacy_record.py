"""The submission record of versions before 0.2, which kept it in run tags. It is only read.

A record was three tags at most: the intent, then the pipeline that Dune answered with, or that it refused. The
writer's run id stands in the values, since retries inherit the tags of the runs that they retry.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import dagster as dg

from dagster_dune._execution.submissions.submission import State, Submission
from dagster_dune.metadata import NAMESPACE

INTENT_TAG = f"{NAMESPACE}intent"
PIPELINE_TAG = f"{NAMESPACE}pipeline"
REFUSED_TAG = f"{NAMESPACE}refused"


def legacy_submissions(runs: Iterable[dg.DagsterRun], definition: str | None) -> Iterator[Submission]:
    """Read the submissions of one definition, or of all, from the tags of some runs, each once."""
    tags = {key: value for run in runs for key, value in run.tags.items()}
    prefix = f"{INTENT_TAG}/" if definition is None else f"{INTENT_TAG}/{definition}/"
    for key, value in tags.items():
        if key.startswith(prefix):
            yield _read(tags, key.removeprefix(INTENT_TAG), json.loads(value))


def legacy_writers(run: dg.DagsterRun) -> Iterator[str]:
    """The ids of the runs that have written the records in a run's tags."""
    for key, value in run.tags.items():
        if key.startswith(f"{INTENT_TAG}/"):
            yield json.loads(value)["run_id"]


def _read(tags: Mapping[str, str], suffix: str, intent: Mapping[str, Any]) -> Submission:
    answer = json.loads(tags.get(PIPELINE_TAG + suffix, "{}"))
    pipeline = answer.get("pipeline_execution_id")
    is_refused = REFUSED_TAG + suffix in tags
    return Submission(
        id=suffix.rpartition("/")[2],
        run_id=intent["run_id"],
        at=datetime.fromisoformat(intent["at"]),
        node_ids=intent["nodes"],
        state=State.REFUSED if is_refused else State.ANSWERED if pipeline else State.INTENDED,
        pipeline_execution_id=pipeline,
        is_ordered=False,
        definition=suffix.strip("/").rpartition("/")[0],
        tiers={},
    )
