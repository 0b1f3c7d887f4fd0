"""Logs the progress of a pipeline: which nodes are executing and for how long, and which are queued."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from dagster_dune._formatting import abbreviated, readable_seconds
from dagster_dune.pipeline.nodes import PlannedNode
from dagster_dune.pipeline.settle import Settlement

MAX_LOG_INTERVAL = 60.0
"""The seconds after which progress is logged again although nothing has changed."""


class Progress:
    """Logs the progress of a pipeline on each change, and at least once a minute.

    Args:
        log: The log.
        pipeline_execution_id: The pipeline.
        clock: Returns the time in seconds.
        names: The asset keys of objects, as users know them, by SQL name.
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
        self._started_at = self._logged_at = clock()
        self._since: dict[int, float] = {}
        self._logged: tuple[frozenset[int], frozenset[int]] | None = None

    def log(self, settlement: Settlement) -> None:
        """Log the progress if it has changed, or if the last message is a minute old."""
        now = self._clock()
        executing, queued = settlement.executing, settlement.queued
        for node in executing:
            self._since.setdefault(node.id, now)
        state = (frozenset(node.id for node in executing), frozenset(node.id for node in queued))
        if settlement.done or (state == self._logged and now - self._logged_at < MAX_LOG_INTERVAL):
            return
        self._logged, self._logged_at = state, now
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
