"""What becomes of the fields of `DuneComponent` that are written in YAML.

There is no ``from __future__ import annotations`` here: Dagster makes the YAML's schema of the annotations.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_args

import dagster as dg
from pydantic import BaseModel, ValidationError

from dagster_dune.api.key import DEFAULT_VARIABLE, checked_variable
from dagster_dune.assets import QueryViews
from dagster_dune.catalog.document import missing_document
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.catalog.settings.wrong_values import message_and_hint
from dagster_dune.components.models import (
    BackfillPolicyModel,
    CheckModel,
    OpModel,
    RefreshSensorModel,
    ResourceModel,
    RetriesModel,
    ScheduleModel,
)
from dagster_dune.components.yaml_errors import Written, exact_when_asked, located
from dagster_dune.errors import DuneCatalogError, DuneConfigurationError
from dagster_dune.resource import DuneResource
from dagster_dune.run_config import DuneRunConfig, PipelineForm


def shared_resource(api_key_env: str = DEFAULT_VARIABLE, **settings: Any) -> DuneResource:
    """Return the resource of these settings, one object a process: Dagster refuses two of one key in a code location.

    Args:
        api_key_env: The variable of the environment that holds the API key.
        settings: Any other fields of `DuneResource`.
    """
    return _resource_of(api_key_env, tuple(sorted(settings.items())))


@cache
def _resource_of(api_key_env: str, settings: tuple[tuple[str, Any], ...]) -> DuneResource:
    return DuneResource(api_key=dg.EnvVar(api_key_env), **dict(settings))


def refuse_written_key(said: BaseModel | None, place: Path) -> None:
    """Refuse an API key that is written into a component's YAML, before anything shows the lines around it.

    Raises:
        DuneConfigurationError: There is one, or something that looks like one.
    """
    resource: Any = getattr(said, "resource", None)
    if said is not None and "resource" in said.model_fields_set and isinstance(resource, str):
        raise DuneConfigurationError(
            f"The resource of the component in {place} is a text; it is not shown here.",
            hint=f"Write its settings below it, such as api_key_env: {DEFAULT_VARIABLE}.",
        )
    if not isinstance(resource, ResourceModel):
        return
    written = resource.model_dump()
    if written["api_key"] is not None:
        raise DuneConfigurationError(
            f"The component in {place} has an API key in resource.api_key; it is not shown here.",
            hint=f"Name its variable of the environment instead (api_key_env: {DEFAULT_VARIABLE}, the default), and "
            "replace the key, which stands in a file (dune.com/settings/api).",
        )
    if "{{" not in written["api_key_env"]:
        checked_variable(written["api_key_env"])


class SourceModel(BaseModel):
    """A path beside the component."""


def _folder(context: dg.ResolutionContext, text: str | None) -> Path | None:
    from dagster_dune.catalog.sources.files.folder import check_folder  # noqa: PLC0415  (slow to import)

    if text is None:
        return None
    path = context.resolve_source_relative_path(text)
    with located(context, SourceModel()):
        check_folder(path)
    return path


def _document(context: dg.ResolutionContext, text: str | None) -> Path | None:
    if text is None:
        return None
    path = context.resolve_source_relative_path(text)
    with located(context, SourceModel()):
        if not path.exists():
            raise missing_document(path)
    return path


def _resource(context: dg.ResolutionContext, settings: BaseModel | None) -> DuneResource | None:
    if settings is None:
        return None
    given = Written(context, settings)
    for name, value in given.items():
        with given.located(name):
            shared_resource(**{name: value})
    return shared_resource(**given)


def _retry_policy(context: dg.ResolutionContext, retries: RetriesModel | None) -> dg.RetryPolicy | None:
    return None if retries is None else dg.RetryPolicy(**context.resolve_value(retries.model_dump()))


def _backfill_policy(context: dg.ResolutionContext, said: BackfillPolicyModel | None) -> dg.BackfillPolicy | None:
    if said is None:
        return None
    given = Written(context, said)
    size = given.get("max_partitions_per_run")
    if given["type"] == "multi_run":
        with given.located("max_partitions_per_run"):
            return dg.BackfillPolicy.multi_run(_positive(1 if size is None else size))
    if size is not None:
        with given.located("max_partitions_per_run"):
            raise DuneConfigurationError("A backfill of one run has all partitions.", hint="Use type: multi_run.")
    return dg.BackfillPolicy.single_run()


def _positive(number: int) -> int:
    if number < 1:
        raise DuneConfigurationError(f"{number} is no number of partitions that a run could have.")
    return number


def _op(context: dg.ResolutionContext, op: OpModel | None) -> dict[str, Any]:
    """The arguments of `build_dune_assets` that an op sets."""
    if op is None:
        return {}
    given = Written(context, op)
    for name in given.keys() & {"name", "pool"}:
        with given.located(name):
            _check_of_op(name, given[name])
    if op.retry_policy:
        given["retry_policy"] = _retry_policy(context.at_path("retry_policy"), op.retry_policy)
    if op.backfill_policy:
        given["backfill_policy"] = _backfill_policy(context.at_path("backfill_policy"), op.backfill_policy)
    return {name: value for name, value in given.items() if value is not None}


def _check_of_op(setting: str, value: Any) -> None:
    """Check the name or the pool of a step, as Dagster does where it makes one."""
    if value is not None:
        dg.op(**{"name": "op", setting: value})(lambda: None)


def _of_op(setting: str, type_: Any) -> dg.Resolver:
    """A resolver of the name or the pool of the step, whose mistakes are told with the line."""

    def resolve(context: dg.ResolutionContext, template: Any) -> Any:
        value = context.resolve_value(template)
        with located(context, dg.Model()):
            _check_of_op(setting, value)
        return value

    return dg.Resolver(resolve, model_field_type=type_)


def _checks(context: dg.ResolutionContext, checks: Sequence[BaseModel]) -> list[DuneCheck]:
    return [_check(Written(context.at_path(place), check)) for place, check in enumerate(checks)]


def _check(given: Written) -> DuneCheck:
    with given.located():
        try:
            return DuneCheck.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            message, hint = message_and_hint(first)
            with given.located(*first["loc"]):
                raise DuneCatalogError(f"A check of {given.get('asset')} is wrong: {message}.", hint=hint) from None


def _schedules(context: dg.ResolutionContext, schedules: Sequence[ScheduleModel]) -> list[dict[str, Any]]:
    return [_schedule(Written(context.at_path(place), schedule)) for place, schedule in enumerate(schedules)]


def _schedule(given: Written) -> dict[str, Any]:
    """The arguments of `build_schedule_from_dune_selection`."""
    if given.get("config") is not None:
        with given.located("config"):
            given["config"] = _run_config(given["config"])
    if "default_status" in given:
        given["default_status"] = dg.DefaultScheduleStatus(given["default_status"])
    return given


def _run_config(said: Mapping[str, Any]) -> DuneRunConfig:
    if unknown := sorted(said.keys() - DuneRunConfig.model_fields.keys()):
        raise DuneCatalogError(
            f"A run has no setting {unknown[0]!r}.", hint=f"Settings: {', '.join(DuneRunConfig.model_fields)}."
        )
    return DuneRunConfig(**said)


def _refresh_sensor(context: dg.ResolutionContext, sensor: RefreshSensorModel | None) -> dict[str, Any] | None:
    """The arguments of `build_dune_refresh_sensor`."""
    if sensor is None:
        return None
    given = Written(context, sensor)
    if "default_status" in given:
        given["default_status"] = dg.DefaultSensorStatus(given["default_status"])
    return given


def _seconds(context: dg.ResolutionContext, said: Any) -> float | None:
    with located(context, dg.Model()):
        return positive_seconds(context.resolve_value(said))


def positive_seconds(seconds: Any) -> float | None:
    """Return a duration, or none. In YAML a text comes this far, since it could be a template.

    Raises:
        DuneConfigurationError: It is no number, or not positive.
    """
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0:
        raise DuneConfigurationError(f"{seconds!r} is no positive number of seconds.", hint="Write its digits alone.")
    return float(seconds)


def _one_of(*words: str) -> dg.Resolver:
    """A resolver of one of several words, whose mistake is told with its line."""

    def resolve(context: dg.ResolutionContext, template: str) -> str:
        word = context.resolve_value(template, as_type=str)
        if word not in words:
            with located(context, dg.Model()):
                raise DuneConfigurationError(f"{word!r} is none of {', '.join(words)}.")
        return word

    return dg.Resolver(resolve, model_field_type=str)


def _resolver(resolve: Callable[..., Any], model: type[BaseModel]) -> dg.Resolver:
    """A resolver of a model that may be left out, whose mistakes in YAML are told line by line."""
    return dg.Resolver(
        _of_no_text(resolve, model), model_field_type=model | None, json_schema_extra=exact_when_asked(model)
    )


def _list_resolver(resolve: Callable[..., Any], model: type[BaseModel]) -> dg.Resolver:
    """The same of a list of models."""
    whole = exact_when_asked(model, many=True)
    return dg.Resolver(_of_no_text(resolve, model), model_field_type=list[model], json_schema_extra=whole)  # type: ignore[valid-type]


def _of_no_text(resolve: Callable[..., Any], model: type[BaseModel]) -> Callable[..., Any]:
    """Refuse a text, which Dagster takes everywhere since it could be a template."""

    def resolved(context: dg.ResolutionContext, said: Any) -> Any:
        if isinstance(said, str):
            with located(context, dg.Model()):
                raise DuneConfigurationError(
                    "A text cannot stand here.",
                    hint=f"Write its keys below: {', '.join(model.model_fields)}.",
                )
        return resolve(context, said)

    return resolved


# Dagster looks into the types of a list, so the values of these are objects to it.
FolderPath = Annotated[Path | None, dg.Resolver(_folder, model_field_type=str | None)]
DocumentPath = Annotated[Path | None, dg.Resolver(_document, model_field_type=str | None)]
ResolvedDuneResource = Annotated[DuneResource | None, _resolver(_resource, ResourceModel)]
ResolvedRetryPolicy = Annotated[dg.RetryPolicy | None, _resolver(_retry_policy, RetriesModel)]
ResolvedBackfillPolicy = Annotated[dg.BackfillPolicy | None, _resolver(_backfill_policy, BackfillPolicyModel)]
ResolvedQueryViews = Annotated[QueryViews, _one_of(*get_args(QueryViews))]
ResolvedPipelineForm = Annotated[PipelineForm, _one_of(*get_args(PipelineForm))]
ResolvedOp = Annotated[Mapping[str, object], _resolver(_op, OpModel)]
ResolvedName = Annotated[str, _of_op("name", str)]
ResolvedPool = Annotated[str | None, _of_op("pool", str | None)]
ResolvedChecks = Annotated[list[object], _list_resolver(_checks, CheckModel)]
ResolvedSchedules = Annotated[list[object], _list_resolver(_schedules, ScheduleModel)]
ResolvedSeconds = Annotated[float | None, dg.Resolver(_seconds, model_field_type=float | str | None)]
ResolvedRefreshSensor = Annotated[Any, _resolver(_refresh_sensor, RefreshSensorModel)]
