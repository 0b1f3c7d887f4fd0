"""Finds the Dagster instance whose materializations are read, and the run whose materializations take precedence."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeAlias

import dagster as dg
import yaml

from dagster_dune.errors import DuneConfigurationError

ReadContext: TypeAlias = (
    dg.AssetExecutionContext
    | dg.OpExecutionContext
    | dg.AssetCheckExecutionContext
    | dg.SensorEvaluationContext
    | dg.RunStatusSensorContext
    | dg.ScheduleEvaluationContext
    | dg.HookContext
    | dg.InputContext
    | dg.OutputContext
    | dg.InitResourceContext
    | dg.DagsterInstance
    | None
)
"""The source of materializations: a Dagster context, an instance, or None for the instance of ``DAGSTER_HOME``."""

NOT_THERE = (dg.DagsterError, AttributeError)
"""The errors of contexts for values that they do not have, including contexts that are made for tests."""


@dataclass(frozen=True)
class Place:
    """Where materializations are looked up.

    Attributes:
        instance: The instance whose event log is read.
        run_id: The run whose materializations take precedence; None outside of runs.
    """

    instance: dg.DagsterInstance
    run_id: str | None = None


@contextmanager
def place_of(context: ReadContext) -> Iterator[Place]:
    """Find the instance and the run of a context.

    Raises:
        DuneConfigurationError: There is no instance, or the value is no context.
    """
    if isinstance(context, dg.DagsterInstance):
        yield Place(context)
    elif context is not None and (instance := _instance_in(context)) is not None:
        yield Place(instance, _run_in(context))
    elif not isinstance(context, ReadContext):
        raise DuneConfigurationError(
            f"The context must be one of Dagster's, an instance or None, not {context!r}.",
            hint="It stands first: get_result(context, asset_key).",
        )
    else:
        with _instance_at_home() as instance:
            yield Place(instance, None if context is None else _run_in(context))


def _instance_in(context: Any) -> dg.DagsterInstance | None:
    instance = _first(context, "instance", "step_context.instance")
    return instance if isinstance(instance, dg.DagsterInstance) else None


def _run_in(context: Any) -> str | None:
    attributes = ["run.run_id", "step_context.run_id"]
    if isinstance(context, dg.HookContext | dg.OutputContext):
        attributes = ["run_id"]
    elif isinstance(context, dg.RunStatusSensorContext):  # elsewhere this name is deprecated, and warns
        attributes = ["dagster_run.run_id"]
    run_id = _first(context, *attributes)
    return None if run_id is None else str(run_id)


def _first(context: Any, *attributes: str) -> object:
    """Return the value of the first of these attributes that a context has; None if it has none of them."""
    for attribute in attributes:
        with suppress(*NOT_THERE):
            return attrgetter(attribute)(context)
    return None


@contextmanager
def _instance_at_home() -> Iterator[dg.DagsterInstance]:
    try:
        instance = dg.DagsterInstance.get()
    except (dg.DagsterError, yaml.YAMLError, OSError) as error:
        hint = "Give a context or an instance (in tests: build_sensor_context(instance=...)), or set DAGSTER_HOME."
        if home := os.environ.get("DAGSTER_HOME"):
            why = " ".join(str(error).split())
            raise DuneConfigurationError(
                f"The Dagster instance of DAGSTER_HOME={home} cannot be opened: {why}.", hint=hint
            ) from error
        raise DuneConfigurationError(
            "There is no Dagster instance in which the latest materialization could be looked up.", hint=hint
        ) from error
    with instance:
        yield instance


def log_of(context: ReadContext) -> logging.Logger | None:
    """Return the log of a context; None where there is none."""
    log = _first(context, "log")
    return log if isinstance(log, logging.Logger) else None
