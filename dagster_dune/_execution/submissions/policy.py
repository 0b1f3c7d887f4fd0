"""Decides what an attempt may take over, by the origin of its run and by what its user has set.

Dagster tries again in several ways, and says which only in part. A run that resumes another 'from failure' or 'from
asset failure' takes over the pipelines of earlier attempts, node by node. A run that repeats everything takes over a
pipeline only while it still runs, and so does a run that resumes such a one, of all that came before it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from types import MappingProxyType

import dagster as dg

from dagster_dune._execution.submissions.actions import Policy, View
from dagster_dune._execution.submissions.definitions import AssetOrCheckKey, DefinitionNodes
from dagster_dune._execution.submissions.run_group import RunGroup
from dagster_dune._execution.submissions.submission_record import submissions_of, taken_over_by
from dagster_dune.metadata import ADOPT_TAG, RESUBMIT_TAG


def policy_of(
    group: RunGroup,
    *,
    resume: bool,
    max_age: timedelta,
    retry_failed_nodes: bool,
    keys: Mapping[str, AssetOrCheckKey] = MappingProxyType({}),
    deps: Mapping[dg.AssetKey, Collection[dg.AssetKey]] = MappingProxyType({}),
) -> Policy:
    """Return what the attempts of a run may take over.

    Args:
        group: The run group.
        resume: Whether it may take over anything.
        max_age: How old a submission may be that is taken over though it has ended.
        retry_failed_nodes: Whether the run sends again what it has itself seen fail.
        keys: By the digest of a node, the key of its asset or check.
        deps: By asset, the assets that it reads.
    """
    run, outdated = group.run, group.outdated
    current = [member.run_id for member in group.members if member.run_id not in outdated] if outdated else []
    repeated = [id_ for id_ in group.lineage if id_ in outdated]
    adopted = {id_: pipeline for id_, pipeline in _ids_in_tag(run, ADOPT_TAG).items() if pipeline}
    heard = taken_over_by(group.instance, repeated) if adopted else {}
    return Policy(
        run_id=run.run_id,
        resumes=resume and group.origin.resumes,
        joins=resume,
        retries_failed=retry_failed_nodes,
        oldest=datetime.now(UTC) - max_age,
        adopted=adopted,
        chosen=adopted.keys() - heard.keys(),
        released=frozenset(_ids_in_tag(run, RESUBMIT_TAG)),
        outdated=outdated,
        repeated=repeated,
        renewed=_renewed(group, keys, deps) if repeated else frozenset(),
        followed=taken_over_by(group.instance, current),
    )


def _renewed(
    group: RunGroup, keys: Mapping[str, AssetOrCheckKey], deps: Mapping[dg.AssetKey, Collection[dg.AssetKey]]
) -> frozenset[str]:
    """Return the nodes that read what another step of the run makes, or of those between it and the one of everything.

    Dagster splits a definition into several steps where an asset of others stands between its own.
    """
    runs = [id_ for id_ in group.lineage if id_ not in group.outdated]
    elsewhere = {key for id_ in runs for key in group.steps_of(id_)}.difference(keys.values())
    return frozenset(
        digest
        for digest, key in keys.items()
        if not elsewhere.isdisjoint([key.asset_key] if isinstance(key, dg.AssetCheckKey) else deps.get(key, ()))
    )


def look(
    group: RunGroup, definition: str, policy: Policy, keys: Mapping[str, AssetOrCheckKey] = MappingProxyType({})
) -> View:
    """Read again which nodes of a definition the group of a run has sent.

    Args:
        group: The run group.
        definition: The definition's name.
        policy: What the attempt may take over.
        keys: By the digest of a node, the key of its asset or check.
    """
    nodes = DefinitionNodes(definition, group.lineage, keys)
    submissions = submissions_of(group.instance, group.members)
    return View(
        list(nodes.sent_in(submissions, cache(group.steps_of))),
        tuple(id_ for id_ in group.gone if id_ not in policy.released),
    )


def _ids_in_tag(run: dg.DagsterRun, tag: str) -> dict[str, str]:
    """The submission ids in a tag that a user has set, each with the text after its colon; empty without a colon."""
    entries = (entry.strip().partition(":") for entry in run.tags.get(tag, "").split(","))
    return {submission_id.strip(): rest.strip() for submission_id, _, rest in entries}
