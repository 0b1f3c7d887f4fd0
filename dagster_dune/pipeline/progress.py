"""What a run says while it waits: what is executing and what is queued, and for how long."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from dagster_dune._formatting import abbreviated, readable_seconds
from dagster_dune.pipeline.nodes import PlannedNode
from dagster_dune.pipeline.settle import Settlement

LONGEST_SILENCE = 60.0
"""The seconds after which it is said again though nothing has changed."""


class Progress:
    """Tells a log how far a pipeline is: on each change, and at least once a minute.

    Args:
        log: Where it is told.
        pipeline_execution_id: The pipeline.
        clock: The time in seconds.
        names: By SQL name, what users know an object as: its asset key.
    """

    def __init__(
        self,
        log: logging.Logger,
        pipeline_execution_id: str,
        clock: Callable[[], float],
        names: Mapping[str, str] | None = None,
    ) -> None:
        self._log = log
        self._names = names or {}
        self._id = pipeline_execution_id
        self._clock = clock
        self._started_at = self._told_at = clock()
        self._since: dict[int, float] = {}
        self._told: tuple[frozenset[int], frozenset[int]] | None = None

    def tell(self, settlement: Settlement) -> None:
        """Say how far it is, if that is news or the last word is a minute old."""
        now = self._clock()
        executing, queued = settlement.executing, settlement.queued
        for node in executing:
            self._since.setdefault(node.id, now)
        stands = (frozenset(node.id for node in executing), frozenset(node.id for node in queued))
        if settlement.done or (stands == self._told and now - self._told_at < LONGEST_SILENCE):
            return
        self._told, self._told_at = stands, now
        names = [f"{self._name(node)} ({readable_seconds(int(now - self._since[node.id]))})" for node in executing]
        self._log.info(
            "Pipeline %s after %s: %d of %d nodes ended; %s; %s.",
            self._id,
            readable_seconds(int(now - self._started_at)),
            len(settlement.plan.nodes) - len(settlement.open_nodes),
            len(settlement.plan.nodes),
            _listed("executing", names),
            _listed("queued", [self._name(node) for node in queued]),
        )

    def _name(self, node: PlannedNode) -> str:
        if node.check or node.sql_name not in self._names:
            return node.label
        name = self._names[node.sql_name]
        return f"{name} ({node.partition.label})" if node.partition else name


def _listed(what: str, names: list[str]) -> str:
    if not names:
        return f"none {what}"
    return f"{what} {len(names)}: {abbreviated(names)}"
