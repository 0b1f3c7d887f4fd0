"""When Dagster runs an object automatically, and how old its latest materialization may become."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dagster_dune.errors import DuneCatalogError

CRON_FIELDS = 5
CRON_RANGES = (range(60), range(24), range(1, 32), range(1, 13), range(8))
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
CRON_NAMES: tuple[Mapping[str, int], ...] = (
    {},
    {},
    {},
    {name: number for number, name in enumerate(MONTHS, start=1)},
    {name: number for number, name in enumerate(DAYS)},
)
CRON_PART = re.compile(r"(?:\*|(?P<first>\w{1,3})(?:-(?P<last>\w{1,3}))?)(?:/(?P<step>[1-9]\d?))?", re.ASCII)


def check_cron(text: str, *, hint: str) -> None:
    """Check that a text is a cron expression.

    Raises:
        DuneCatalogError: The text does not have five fields, or a field is out of its range.
    """
    if len(text.split()) != CRON_FIELDS:
        raise DuneCatalogError(f"{text!r} is no cron: it must have five fields.", hint=hint)
    if not is_cron(text):
        raise DuneCatalogError(f"{text!r} is no cron: a field is out of its range.", hint=hint)


def is_cron(text: str) -> bool:
    """Whether a text is five cron fields, each in its range.

    Examples:
        >>> is_cron("*/15 6-18 * jan,jul mon-fri"), is_cron("61 * * * *"), is_cron("daily at six o clock")
        (True, False, False)
    """
    fields = text.lower().split()
    return len(fields) == CRON_FIELDS and all(
        _is_cron_part(part, numbers, names)
        for field, numbers, names in zip(fields, CRON_RANGES, CRON_NAMES, strict=True)
        for part in field.split(",")
    )


def _is_cron_part(part: str, numbers: range, names: Mapping[str, int]) -> bool:
    # "l" is the last day of a month, "5l" its last Friday, and "5#2" its second Friday.
    if part == "l" or re.fullmatch(r"[0-7](#[1-5]|l)|l[0-7]", part):
        return True
    match = CRON_PART.fullmatch(part)
    if match is None:
        return False
    ends = [end for end in (match["first"], match["last"]) if end]
    return all(end in names or (end.isdigit() and int(end) in numbers) for end in ends)


MIN_HOURS = 1 / 60
MAX_HOURS = 1_000_000


class Automation(BaseModel):
    """When Dagster runs an object automatically. A condition alone is short for it in YAML: ``automation: eager``.

    Attributes:
        condition: ``eager``: when something that it reads was updated. ``on_missing``: once, if it was never
            materialized. ``on_cron``: after each tick, as soon as everything that it reads was updated since the tick,
            except what Dagster does not materialize (raw tables, uploads, objects of other teams).
        cron: The ticks of ``on_cron``, as five cron fields.
        timezone: The time zone of the cron fields.

    Raises:
        DuneCatalogError: ``on_cron`` has no `cron`, another condition has one, or `cron` or `timezone` is invalid.

    Examples:
        >>> Automation.model_validate("eager")
        Automation(condition='eager', cron=None, timezone='UTC')
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    condition: Literal["eager", "on_missing", "on_cron"]
    cron: str | None = None
    timezone: str = "UTC"

    @model_validator(mode="before")
    @classmethod
    def _from_condition(cls, data: Any) -> Any:
        return {"condition": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _check_consistent(self) -> Automation:
        if (self.condition == "on_cron") != (self.cron is not None):
            raise DuneCatalogError(
                f"The automation {self.condition} {'needs' if self.cron is None else 'takes no'} cron.",
                hint='Write automation: {condition: on_cron, cron: "0 6 * * *"}, or automation: eager.',
            )
        if self.cron is not None:
            check_cron(self.cron, hint='As in "0 6 * * *".')
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError) as error:
            raise DuneCatalogError(
                f"There is no time zone {self.timezone!r}.", hint="Write it as Europe/Berlin."
            ) from error
        return self


class Freshness(BaseModel):
    """How old the latest materialization of an object may become.

    Attributes:
        fail_hours: The age in hours at which its freshness fails.
        warn_hours: The age in hours at which its freshness is a warning; never if None.

    Raises:
        DuneCatalogError: `warn_hours` is not less than `fail_hours`, or one of them is too small or large for Dagster.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    fail_hours: float = Field(gt=0, allow_inf_nan=False)
    warn_hours: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _check_hours(self) -> Freshness:
        for setting, hours in (("fail_hours", self.fail_hours), ("warn_hours", self.warn_hours)):
            if hours is not None and not MIN_HOURS <= hours <= MAX_HOURS:
                raise DuneCatalogError(
                    f"{setting} must be at least a minute (0.017) and at most {MAX_HOURS:,} hours, not {hours:g}."
                )
        if self.warn_hours is not None and self.warn_hours >= self.fail_hours:
            raise DuneCatalogError(
                f"warn_hours ({self.warn_hours:g}) must be less than fail_hours ({self.fail_hours:g})."
            )
        return self
