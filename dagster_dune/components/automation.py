"""The schedules and the refresh sensor of a component, as they were said in YAML or in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import dagster as dg

from dagster_dune.components.yaml_errors import Written
from dagster_dune.errors import DuneConfigurationError
from dagster_dune.schedules import build_schedule_from_dune_selection
from dagster_dune.sensors import build_dune_refresh_sensor


def automation_of(
    assets: Sequence[dg.AssetsDefinition], schedules: Sequence[Any], refresh_sensor: Any, **sensor_defaults: str
) -> dg.Definitions:
    """Make what launches and watches the assets of a component.

    Args:
        assets: What it makes.
        schedules: For each schedule the arguments of `build_schedule_from_dune_selection`.
        refresh_sensor: The arguments of `build_dune_refresh_sensor`; None for no sensor.
        sensor_defaults: Those arguments where nothing is said.

    Raises:
        DuneCatalogError: A schedule or the sensor is of nothing that is there; in YAML, told with the line.
        DuneConfigurationError: Two schedules have one name, or their jobs.
    """
    sensors = []
    if refresh_sensor is not None:
        sensors = [_built(build_dune_refresh_sensor, assets, refresh_sensor, sensor_defaults)]
    return dg.Definitions(schedules=_schedules(assets, schedules), sensors=sensors)


def _schedules(assets: Any, schedules: Sequence[Any]) -> list[dg.ScheduleDefinition]:
    built: list[dg.ScheduleDefinition] = []
    for said in schedules:
        schedule = _built(build_schedule_from_dune_selection, assets, said, {})
        with _located(said):
            _check_names(schedule, built)
        built.append(schedule)
    return built


def _check_names(schedule: dg.ScheduleDefinition, others: Sequence[dg.ScheduleDefinition]) -> None:
    """Refuse what Dagster would tell without a place."""
    if schedule.job_name in {other.job_name for other in others}:
        raise DuneConfigurationError(
            f"Two schedules launch a job named {schedule.job_name!r}.", hint="Give one of them another job_name."
        )
    if schedule.name in {other.name for other in others}:
        raise DuneConfigurationError(
            f"Two schedules are named {schedule.name!r}.", hint="Give one of them another schedule_name."
        )


def _built(build: Callable[..., Any], assets: Any, said: Any, defaults: Mapping[str, str]) -> Any:
    """Call a function of the assets with what was said in YAML, where its errors are told, or in Python."""
    with _located(said):
        return build(assets, **{**defaults, **said})


def _located(said: Any) -> AbstractContextManager[None]:
    located: AbstractContextManager[None] = said.located() if isinstance(said, Written) else nullcontext()
    return located
