"""Partitions of queries: the keys that divide a query's executions, and the parameter values of each partition.

A matview takes no parameters, so it has no partitions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from string import Formatter
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from dagster_dune._formatting import abbreviated
from dagster_dune.catalog.settings.automation import check_cron
from dagster_dune.catalog.settings.parameters import ParameterValue
from dagster_dune.errors import DuneCatalogError, DunePlanError

PartitionsKind = Literal["hourly", "daily", "weekly", "monthly", "cron", "static", "dynamic"]
Ranges = Literal["nodes", "parameters"]

TIME_KINDS = frozenset({"hourly", "daily", "weekly", "monthly", "cron"})
MAX_END_OFFSET = 10_000
OFFSETS = {
    "minute_offset": "hourly daily weekly monthly",
    "hour_offset": "daily weekly monthly",
    "day_offset": "weekly monthly",
}
"""The kinds that take an offset, by the offset."""
KEY, KEYS, START, END = "partition_key", "partition_keys", "window_start", "window_end"
SAMPLE_WINDOW = timedelta(hours=1)
DUNE_DATETIME_FORMAT = "%Y-%m-%d %H:%M:%S"
# Dagster writes a range of keys as [a...b], and a key of several dimensions as a|b.
VALID_KEY = re.compile(r"(?!.*\.\.\.)[^\s|,][^\n|,]*")


@dataclass(frozen=True)
class Partition:
    """One partition of a query, or several that run together as one node.

    Attributes:
        keys: The partition keys, in order.
        window: The start and end of their time window, with time zones; None if the kind is not one of time.
    """

    keys: tuple[str, ...]
    window: tuple[datetime, datetime] | None = None

    @property
    def label(self) -> str:
        """The keys as one text for messages."""
        return self.keys[0] if len(self.keys) == 1 else f"{self.keys[0]}...{self.keys[-1]}"


def label_of(partition: Partition | None) -> str:
    """Return the label of a partition in messages and tables; empty if there is no partition."""
    return partition.label if partition else ""


class QueryPartitions(BaseModel):
    """The partitions of a query.

    Attributes:
        kind: ``hourly``, ``daily``, ``weekly``, ``monthly``, ``cron``, ``static`` or ``dynamic``.
        parameters: By parameter key, the template of its value for a partition. Its fields are ``{partition_key}``,
            ``{window_start}`` and ``{window_end}``, the last two in UTC and with an optional format for strftime:
            ``{window_start:%Y-%m-%d}``. A window ends when the next one starts. With ``ranges="parameters"``, there is
            no single key, and ``{partition_keys}`` is the list of keys, for a parameter that takes several values.
        start: When the first partition of a time kind starts, in `timezone`.
        end: When the last partition ends; never if None.
        timezone: The time zone of `start`, `end`, and of the days, weeks and months.
        cron: When partitions of the cron kind begin, as five cron fields.
        end_offset: The number of partitions after the last that has ended: 1 adds that of today. For time kinds only.
        minute_offset: The minute of the hour at which partitions begin.
        hour_offset: The hour of the day at which they begin.
        day_offset: The day of the week (0 is Sunday) or of the month (from 1) on which they begin.
        keys: The keys of the static kind.
        name: The name of the dynamic kind, by which keys are added to it.
        ranges: How several partitions of one run are executed: ``"nodes"``: each as a node of the pipeline;
            ``"parameters"``: all as one node, whose window or keys include those of all of them.

    Raises:
        DuneCatalogError: A setting that the kind needs is missing, a setting does not fit the kind or is invalid, or a
            template contains an unknown field.

    Examples:
        >>> daily = QueryPartitions(kind="daily", start="2024-01-01", parameters={"day": "{partition_key}"})
        >>> daily.values_of(Partition(("2024-01-31",)))
        {'day': '2024-01-31'}
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    kind: PartitionsKind
    parameters: Mapping[str, str]
    start: datetime | None = None
    end: datetime | None = None
    timezone: str = "UTC"
    cron: str | None = None
    end_offset: int = 0
    minute_offset: int | None = Field(default=None, ge=0, le=59)
    hour_offset: int | None = Field(default=None, ge=0, le=23)
    day_offset: int | None = Field(default=None, ge=0, le=31)
    keys: tuple[str, ...] = ()
    name: str | None = None
    ranges: Ranges = "nodes"

    @property
    def is_time(self) -> bool:
        """Whether the partitions are time windows."""
        return self.kind in TIME_KINDS

    def values_of(self, partition: Partition) -> dict[str, ParameterValue]:
        """Return the values of the query's parameters for a partition, by parameter key."""
        return {key: _formatted(template, partition) for key, template in self.parameters.items()}

    def together(self, partitions: Sequence[Partition]) -> tuple[Partition, ...]:
        """Return the partitions of one run as they are executed: each by itself, or all joined into one.

        Raises:
            DunePlanError: They are joined, but there are gaps between their time windows.
        """
        if self.ranges == "nodes" or len(partitions) < 2:
            return tuple(partitions)
        keys = tuple(key for partition in partitions for key in partition.keys)
        windows = [partition.window for partition in partitions if partition.window]
        for (_, end), (start, _) in pairwise(windows):
            if start != end:
                raise DunePlanError(
                    f"The partitions {abbreviated(keys)} cannot run as one range: there is a gap before {start}.",
                    hint='Select partitions without gaps, or set ranges="nodes".',
                )
        return (Partition(keys, (windows[0][0], windows[-1][1]) if windows else None),)

    def samples(self) -> Iterator[Partition]:
        """Yield sample partitions for a check of the templates; none for the dynamic kind, whose keys are not known."""
        if self.kind == "static":
            yield from self.together([Partition((key,)) for key in self.keys])
        if self.start:
            start = self.start.replace(tzinfo=ZoneInfo(self.timezone))
            key = self.start.strftime("%Y-%m-%d-%H:%M" if self.kind in ("hourly", "cron") else "%Y-%m-%d")
            yield Partition((key,), (start, start + SAMPLE_WINDOW))

    @field_validator("start", "end")
    @classmethod
    def _check_naive(cls, moment: datetime | None) -> datetime | None:
        if moment and moment.tzinfo:
            raise DuneCatalogError(
                f"The start and end of partitions are in their timezone, and {moment} has one of its own.",
                hint="Write them without, and set timezone.",
            )
        return moment

    @field_validator("timezone")
    @classmethod
    def _check_timezone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise DuneCatalogError(f"There is no time zone {name!r}.", hint="Write it as Europe/Berlin.") from error
        return name

    @field_validator("keys")
    @classmethod
    def _check_static_keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        for key in keys:
            if not VALID_KEY.fullmatch(key):
                raise DuneCatalogError(
                    f"{key!r} cannot be a partition key.", hint="Leave out line ends, commas, | and three dots."
                )
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise DuneCatalogError(f"The partition key {twice!r} stands twice.")
        return keys

    @model_validator(mode="after")
    def _check_consistent(self) -> QueryPartitions:
        required = {"static": "keys", "dynamic": "name"}.get(self.kind, "start")
        for field in ("start", "keys", "name"):
            if field == required and not getattr(self, field):
                raise DuneCatalogError(f"Partitions of the {self.kind} kind need {field}.")
            if field != required and getattr(self, field):
                raise DuneCatalogError(f"Partitions of the {self.kind} kind take no {field}.")
        self._check_times()
        if self.end and not (self.start and self.start < self.end):
            raise DuneCatalogError("The end of partitions must come after their start.")
        if not self.parameters:
            raise DuneCatalogError(
                "Partitions say nothing about parameters, so that each would run the same.",
                hint='Give a parameter the partition: parameters: {day: "{partition_key}"}.',
            )
        for key, template in self.parameters.items():
            self._check_template(key, template)
        return self

    def _check_times(self) -> None:
        if self.end_offset and not self.is_time:
            raise DuneCatalogError(f"Partitions of the {self.kind} kind take no end_offset.")
        if abs(self.end_offset) > MAX_END_OFFSET:
            raise DuneCatalogError(
                f"end_offset must be from -{MAX_END_OFFSET:,} to {MAX_END_OFFSET:,}, not {self.end_offset:,}."
            )
        for offset, kinds in OFFSETS.items():
            if getattr(self, offset) is not None and self.kind not in kinds.split():
                raise DuneCatalogError(
                    f"Partitions of the {self.kind} kind take no {offset}.",
                    hint=f"It is for {kinds.replace(' ', ', ')}.",
                )
        if (self.kind == "cron") != (self.cron is not None):
            raise DuneCatalogError(
                "Partitions of the cron kind need cron, and no others take it.", hint='As in cron: "0 */6 * * *".'
            )
        if self.cron is not None:
            check_cron(self.cron, hint='As in "0 */6 * * *".')

    def _check_template(self, key: str, template: str) -> None:
        allowed = [START, END] if self.is_time else []
        if self.ranges == "nodes":
            allowed.insert(0, KEY)
        elif not self.is_time:
            allowed.append(KEYS)
        try:
            parts = list(Formatter().parse(template))
        except ValueError as error:
            raise DuneCatalogError(f"The template {template!r} of parameter {key!r} is broken: {error}.") from error
        fields = [(field, spec, conversion) for _, field, spec, conversion in parts if field is not None]
        for field, spec, conversion in fields:
            if field not in allowed:
                raise DuneCatalogError(
                    f"The template {template!r} of parameter {key!r} names {{{field}}}, which is unknown for "
                    f"{self.kind} partitions{' run as ' + self.ranges if field in (KEY, KEYS) else ''}.",
                    hint=f"Fields: {', '.join(f'{{{name}}}' for name in allowed)}."
                    + (" Those of several keys need ranges: parameters." if field == KEYS else ""),
                )
            if conversion or (spec and field not in (START, END)) or "{" in (spec or ""):
                raise DuneCatalogError(
                    f"The template {template!r} of parameter {key!r} formats {{{field}}} in a way that it cannot be.",
                    hint="Only window_start and window_end take a format, as strftime does: {window_start:%Y-%m-%d}.",
                )
        if any(field == KEYS for field, _, _ in fields) and template != f"{{{KEYS}}}":
            raise DuneCatalogError(f"The template of parameter {key!r} must be {{{KEYS}}} alone, not {template!r}.")


def _formatted(template: str, partition: Partition) -> ParameterValue:
    if template == f"{{{KEYS}}}":
        return list(partition.keys)
    values: dict[str, object] = {KEY: partition.keys[0]}
    if partition.window:
        values |= dict(zip((START, END), map(_UtcTime, partition.window), strict=True))
    return template.format_map(values)


class _UtcTime:
    """A time in UTC, whose default format is the one that Dune takes."""

    def __init__(self, moment: datetime) -> None:
        self._utc = moment.astimezone(UTC)

    def __format__(self, spec: str) -> str:
        return self._utc.strftime(spec or DUNE_DATETIME_FORMAT)
