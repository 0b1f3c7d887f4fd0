"""What one check says, whichever kind it is."""

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
    """A check has not been answered; the message says why."""


@dataclass(frozen=True)
class CheckAnswer:
    """What a check says.

    Attributes:
        passed: Whether it passed.
        description: Why, in one sentence.
        metadata: What there is to see.
    """

    passed: bool
    description: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


def metadata_of_check(outcome: Outcome, pipeline_execution_id: str | None, check: DuneCheck) -> dict[str, Any]:
    """What a run has found out about a check's execution, for an observation of its asset.

    What Dagster shows as the asset's own, such as its row count, is left out.
    """
    found = outcome_metadata(outcome, pipeline_execution_id)
    return {name: value for name, value in found.items() if not name.startswith("dagster/")} | {CHECK: check.name}


def gate_refusal(outcome: Outcome) -> str | None:
    """Why a gate says no, in the words of its author; None where its node said nothing of the kind.

    The reason of an outcome does not count: a pipeline ends with the error of any of its nodes.
    """
    check = outcome.node.check
    is_failed_gate = check is not None and check.is_gate and outcome.result is Result.FAILED
    return gate_answer(outcome.error) if is_failed_gate else None


def broken_bounds(check: DuneCheck, number: float) -> list[str]:
    """Say which of a check's bounds a number breaks."""
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
    """Return what a metadata value holds; anything else as it is."""
    return value.value if isinstance(value, dg.MetadataValue) else value


def number_of(value: Any) -> float | None:
    """Return the number that a metadata value holds; None where it holds none, since anybody may report anything.

    Examples:
        >>> number_of(dg.MetadataValue.int(7)), number_of(0.5), number_of("seven"), number_of(None)
        (7.0, 0.5, None, None)
    """
    number = raw(value)
    return float(number) if isinstance(number, int | float) and not isinstance(number, bool) else None
