"""The answer of one check, of any kind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from dagster_dune.catalog.settings.checks import DuneCheck, gate_answer
from dagster_dune.metadata import CHECK, outcome_metadata
from dagster_dune.pipeline.settle import Outcome, Result


class NoAnswerError(Exception):
    """A check has no answer; the message says why."""


@dataclass(frozen=True)
class CheckAnswer:
    """The answer of a check.

    Attributes:
        passed: Whether it passed.
        description: Why, in one sentence.
        metadata: The metadata of the check result.
    """

    passed: bool
    description: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


def metadata_of_check(outcome: Outcome, pipeline_execution_id: str | None, check: DuneCheck) -> dict[str, Any]:
    """Return the metadata of a check's execution, for an observation of the check's asset.

    Keys that Dagster shows as facts about the asset, such as its row count, are left out.
    """
    found = outcome_metadata(outcome, pipeline_execution_id)
    return {name: value for name, value in found.items() if not name.startswith("dagster/")} | {CHECK: check.name}


def gate_refusal(outcome: Outcome) -> str | None:
    """Return the reason that a gate's SQL gave for failing; None if the node is no gate, or did not fail as one.

    Only the error of the node itself counts. The reason of an outcome may be the error of another node of the pipeline.
    """
    check = outcome.node.check
    is_failed_gate = check is not None and check.is_gate and outcome.result is Result.FAILED
    return gate_answer(outcome.error) if is_failed_gate else None


def broken_bounds(check: DuneCheck, number: float) -> list[str]:
    """Return a text for each bound of a check that a number breaks."""
    if math.isnan(number):
        return ["it is no number, which is within no bounds"]
    broken = []
    if check.equals is not None and number != check.equals:
        broken.append(f"it must be {check.equals:g}")
    if check.at_least is not None and number < check.at_least:
        broken.append(f"it must be at least {check.at_least:g}")
    if check.at_most is not None and number > check.at_most:
        broken.append(f"it must be at most {check.at_most:g}")
    return broken


def raw(value: Any) -> Any:
    """Return the value inside a metadata value, and anything else unchanged."""
    return value.value if isinstance(value, dg.MetadataValue) else value


def number_of(value: Any) -> float | None:
    """Return the number in a metadata value; None if it holds none. Metadata that users report may hold anything.

    Examples:
        >>> number_of(dg.MetadataValue.int(7)), number_of(0.5), number_of("seven"), number_of(None)
        (7.0, 0.5, None, None)
    """
    number = raw(value)
    return float(number) if isinstance(number, int | float) and not isinstance(number, bool) else None
