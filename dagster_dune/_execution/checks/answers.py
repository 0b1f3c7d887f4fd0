"""What one check says, whichever kind it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dagster_dune.catalog.settings.checks import DuneCheck


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
