"""The settings of an attempt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from dagster_dune.pipeline.run import Polling


@dataclass(frozen=True)
class StepSettings:
    """The settings of an attempt. See the fields of `DuneResource` with the same names.

    Attributes:
        submission_seconds: The longest time that a submission can take: its attempts and the waits between them.
    """

    polling: Polling
    resume: bool
    resume_max_age: timedelta
    retry_failed_nodes: bool
    cancel_on_termination: bool
    submission_seconds: float
