"""How an attempt behaves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from dagster_dune.pipeline.run import Polling


@dataclass(frozen=True)
class StepSettings:
    """How an attempt behaves beside its polling; see the fields of `DuneResource` with the same names.

    Attributes:
        submission_seconds: How long a submission can take at the most: its time, its repeats and the waits between.
    """

    polling: Polling
    resume: bool
    resume_max_age: timedelta
    retry_failed_nodes: bool
    cancel_on_termination: bool
    submission_seconds: float
