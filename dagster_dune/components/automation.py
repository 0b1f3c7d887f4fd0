"""Builds the schedules and the refresh sensor of a component from their arguments in YAML or Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import dagster as dg

from dagster_dune.components.yaml_errors import ResolvedFields
from dagster_dune.errors import DuneConfigurationError
from dagster_dune.schedules import build_schedule_from_dune_selection
from dagster_dune.sensors import build_dune_refresh_sensor


def automation_of(
    assets: Sequence[dg.AssetsDefinition], schedules: Sequence[Any], refresh_sensor: Any, **sensor_defaults: str
) -> dg.Definitions:
    """Build the schedules and the refresh sensor of a component's assets.

    Args:
        assets: The assets of the component.
        schedules: The arguments of `build_schedule_from_dune_selection` for each schedule.
        refresh_sensor: The arguments of `build_dune_refresh_sensor`; None for no sensor.
        sensor_defaults: Default arguments of the sensor.

    Raises:
        DuneCatalogError: A schedule or the sensor selects nothing. In YAML, the error contains the line.
        DuneConfigurationError: Two schedules have the same name or the same job name.
    """
    sensors = []
    if refresh_sensor is not None:
        sensors = [_build(build_dune_refresh_sensor, assets, refresh_sensor, sensor_defaults)]
    return dg.Definitions(schedules=_schedules(assets, schedules), sensors=sensors)


def _schedules(assets: Any, schedules: Sequence[Any]) -> list[dg.ScheduleDefinition]:
    built: list[dg.ScheduleDefinition] = []
    for arguments in schedules:
        schedule = _build(build_schedule_from_dune_selection, assets, arguments, {})
        with _located_errors(arguments):
            _check_names(schedule, built)
        built.append(schedule)
    return built


def _check_names(schedule: dg.ScheduleDefinition, others: Sequence[dg.ScheduleDefinition]) -> None:
    """Check that names are unique. Dagster would check it too, but without the line in its error."""
    if schedule.job_name in {other.job_name for other in others}:
        raise DuneConfigurationError(
            f"Two schedules launch a job named {schedule.job_name!r}.", hint="Give one of them another job_name."
        )
    if schedule.name in {other.name for other in others}:
        raise DuneConfigurationError(
            f"Two schedules are named {schedule.name!r}.", hint="Give one of them another schedule_name."
        )


def _build(build: Callable[..., Any], assets: Any, arguments: Any, defaults: Mapping[str, str]) -> Any:
    """Call a build function with arguments of YAML, whose lines its errors then contain, or of Python."""
    with _located_errors(arguments):
        return build(assets, **{**defaults, **arguments})


def _located_errors(arguments: Any) -> AbstractContextManager[None]:
    located: AbstractContextManager[None] = (
        arguments.located() if isinstance(arguments, ResolvedFields) else nullcontext()
    )
    return located
