"""Resolvers of the fields of `DuneComponent`: they convert values in YAML to the values of the fields.

There is no ``from __future__ import annotations`` here: Dagster makes the schema of the YAML from the annotations.
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
from dagster_dune.components.yaml_errors import ResolvedFields, lazy_exact_schema, located
from dagster_dune.errors import DuneCatalogError, DuneConfigurationError
from dagster_dune.resource import DuneResource
from dagster_dune.run_config import DuneRunConfig, PipelineForm


def shared_resource(api_key_env: str = DEFAULT_VARIABLE, **settings: Any) -> DuneResource:
    """Return the resource with some settings. The same settings always return the same object.

    Dagster refuses different resource objects with the same key in a code location.

    Args:
        api_key_env: The environment variable that holds the API key.
        settings: Any other fields of `DuneResource`.
    """
    return _resource_of(api_key_env, tuple(sorted(settings.items())))


@cache
def _resource_of(api_key_env: str, settings: tuple[tuple[str, Any], ...]) -> DuneResource:
    return DuneResource(api_key=dg.EnvVar(api_key_env), **dict(settings))


def refuse_literal_key(attributes: BaseModel | None, path: Path) -> None:
    """Check that a component's YAML contains no API key, before any error shows its lines.

    Raises:
        DuneConfigurationError: It contains an API key, or something that looks like one.
    """
    resource: Any = getattr(attributes, "resource", None)
    if attributes is not None and "resource" in attributes.model_fields_set and isinstance(resource, str):
        raise DuneConfigurationError(
            f"The resource of the component in {path} is a text; it is not shown here.",
            hint=f"Write its settings below it, such as api_key_env: {DEFAULT_VARIABLE}.",
        )
    if not isinstance(resource, ResourceModel):
        return
    settings = resource.model_dump()
    if settings["api_key"] is not None:
        raise DuneConfigurationError(
            f"The component in {path} has an API key in resource.api_key; it is not shown here.",
            hint=f"Name its variable of the environment instead (api_key_env: {DEFAULT_VARIABLE}, the default), and "
            "replace the key, which stands in a file (dune.com/settings/api).",
        )
    if "{{" not in settings["api_key_env"]:
        checked_variable(settings["api_key_env"])


class SourceModel(BaseModel):
    """An empty model, with which the errors of a path are located."""


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
    fields = ResolvedFields(context, settings)
    for name, value in fields.items():
        with fields.located(name):
            shared_resource(**{name: value})
    return shared_resource(**fields)


def _retry_policy(context: dg.ResolutionContext, retries: RetriesModel | None) -> dg.RetryPolicy | None:
    return None if retries is None else dg.RetryPolicy(**context.resolve_value(retries.model_dump()))


def _backfill_policy(context: dg.ResolutionContext, policy: BackfillPolicyModel | None) -> dg.BackfillPolicy | None:
    if policy is None:
        return None
    fields = ResolvedFields(context, policy)
    size = fields.get("max_partitions_per_run")
    if fields["type"] == "multi_run":
        with fields.located("max_partitions_per_run"):
            return dg.BackfillPolicy.multi_run(_positive(1 if size is None else size))
    if size is not None:
        with fields.located("max_partitions_per_run"):
            raise DuneConfigurationError("A backfill of one run has all partitions.", hint="Use type: multi_run.")
    return dg.BackfillPolicy.single_run()


def _positive(number: int) -> int:
    if number < 1:
        raise DuneConfigurationError(f"{number} is no number of partitions that a run could have.")
    return number


def _op(context: dg.ResolutionContext, op: OpModel | None) -> dict[str, Any]:
    """Return the arguments of `build_dune_assets` that an op sets."""
    if op is None:
        return {}
    fields = ResolvedFields(context, op)
    for name in fields.keys() & {"name", "pool"}:
        with fields.located(name):
            _check_op_setting(name, fields[name])
    if op.retry_policy:
        fields["retry_policy"] = _retry_policy(context.at_path("retry_policy"), op.retry_policy)
    if op.backfill_policy:
        fields["backfill_policy"] = _backfill_policy(context.at_path("backfill_policy"), op.backfill_policy)
    return {name: value for name, value in fields.items() if value is not None}


def _check_op_setting(setting: str, value: Any) -> None:
    """Check the name or the pool of a step, by making an op with it."""
    if value is not None:
        dg.op(**{"name": "op", setting: value})(lambda: None)


def _op_resolver(setting: str, type_: Any) -> dg.Resolver:
    """Return a resolver of the name or the pool of the step, whose errors contain the line."""

    def resolve(context: dg.ResolutionContext, template: Any) -> Any:
        value = context.resolve_value(template)
        with located(context, dg.Model()):
            _check_op_setting(setting, value)
        return value

    return dg.Resolver(resolve, model_field_type=type_)


def _checks(context: dg.ResolutionContext, checks: Sequence[BaseModel]) -> list[DuneCheck]:
    return [_check(ResolvedFields(context.at_path(index), check)) for index, check in enumerate(checks)]


def _check(fields: ResolvedFields) -> DuneCheck:
    with fields.located():
        try:
            return DuneCheck.model_validate(fields)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            message, hint = message_and_hint(first)
            with fields.located(*first["loc"]):
                raise DuneCatalogError(f"A check of {fields.get('asset')} is wrong: {message}.", hint=hint) from None


def _schedules(context: dg.ResolutionContext, schedules: Sequence[ScheduleModel]) -> list[dict[str, Any]]:
    return [_schedule(ResolvedFields(context.at_path(index), schedule)) for index, schedule in enumerate(schedules)]


def _schedule(fields: ResolvedFields) -> dict[str, Any]:
    """Return the arguments of `build_schedule_from_dune_selection`."""
    if fields.get("config") is not None:
        with fields.located("config"):
            fields["config"] = _run_config(fields["config"])
    if "default_status" in fields:
        fields["default_status"] = dg.DefaultScheduleStatus(fields["default_status"])
    return fields


def _run_config(settings: Mapping[str, Any]) -> DuneRunConfig:
    if unknown := sorted(settings.keys() - DuneRunConfig.model_fields.keys()):
        raise DuneCatalogError(
            f"A run has no setting {unknown[0]!r}.", hint=f"Settings: {', '.join(DuneRunConfig.model_fields)}."
        )
    return DuneRunConfig(**settings)


def _refresh_sensor(context: dg.ResolutionContext, sensor: RefreshSensorModel | None) -> dict[str, Any] | None:
    """Return the arguments of `build_dune_refresh_sensor`; None for no sensor."""
    if sensor is None:
        return None
    fields = ResolvedFields(context, sensor)
    if "default_status" in fields:
        fields["default_status"] = dg.DefaultSensorStatus(fields["default_status"])
    return fields


def _seconds(context: dg.ResolutionContext, template: Any) -> float | None:
    with located(context, dg.Model()):
        return positive_seconds(context.resolve_value(template))


def positive_seconds(seconds: Any) -> float | None:
    """Return a duration as a float, and None for None. The value may be a text, since YAML may contain templates.

    Raises:
        DuneConfigurationError: The duration is not a number, or not positive.
    """
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0:
        raise DuneConfigurationError(f"{seconds!r} is no positive number of seconds.", hint="Write its digits alone.")
    return float(seconds)


def _choice_resolver(*choices: str) -> dg.Resolver:
    """Return a resolver of one of several texts, whose errors contain the line."""

    def resolve(context: dg.ResolutionContext, template: str) -> str:
        choice = context.resolve_value(template, as_type=str)
        if choice not in choices:
            with located(context, dg.Model()):
                raise DuneConfigurationError(f"{choice!r} is none of {', '.join(choices)}.")
        return choice

    return dg.Resolver(resolve, model_field_type=str)


def _model_resolver(resolve: Callable[..., Any], model: type[BaseModel]) -> dg.Resolver:
    """Return a resolver of an optional model, in which errors of the YAML are reported line by line."""
    return dg.Resolver(
        _refuse_text(resolve, model), model_field_type=model | None, json_schema_extra=lazy_exact_schema(model)
    )


def _list_resolver(resolve: Callable[..., Any], model: type[BaseModel]) -> dg.Resolver:
    """Return a resolver of a list of models, in which errors of the YAML are reported line by line."""
    schema = lazy_exact_schema(model, many=True)
    return dg.Resolver(_refuse_text(resolve, model), model_field_type=list[model], json_schema_extra=schema)  # type: ignore[valid-type]


def _refuse_text(resolve: Callable[..., Any], model: type[BaseModel]) -> Callable[..., Any]:
    """Return a resolve function that raises for a text. Dagster accepts texts everywhere, as possible templates."""

    def resolved(context: dg.ResolutionContext, value: Any) -> Any:
        if isinstance(value, str):
            with located(context, dg.Model()):
                raise DuneConfigurationError(
                    "A text cannot stand here.",
                    hint=f"Write its keys below: {', '.join(model.model_fields)}.",
                )
        return resolve(context, value)

    return resolved


# Dagster inspects the item types of lists, so the lists below have items of type object.
FolderPath = Annotated[Path | None, dg.Resolver(_folder, model_field_type=str | None)]
DocumentPath = Annotated[Path | None, dg.Resolver(_document, model_field_type=str | None)]
ResolvedDuneResource = Annotated[DuneResource | None, _model_resolver(_resource, ResourceModel)]
ResolvedRetryPolicy = Annotated[dg.RetryPolicy | None, _model_resolver(_retry_policy, RetriesModel)]
ResolvedBackfillPolicy = Annotated[dg.BackfillPolicy | None, _model_resolver(_backfill_policy, BackfillPolicyModel)]
ResolvedQueryViews = Annotated[QueryViews, _choice_resolver(*get_args(QueryViews))]
ResolvedPipelineForm = Annotated[PipelineForm, _choice_resolver(*get_args(PipelineForm))]
ResolvedOp = Annotated[Mapping[str, object], _model_resolver(_op, OpModel)]
ResolvedName = Annotated[str, _op_resolver("name", str)]
ResolvedPool = Annotated[str | None, _op_resolver("pool", str | None)]
ResolvedChecks = Annotated[list[object], _list_resolver(_checks, CheckModel)]
ResolvedSchedules = Annotated[list[object], _list_resolver(_schedules, ScheduleModel)]
ResolvedSeconds = Annotated[float | None, dg.Resolver(_seconds, model_field_type=float | str | None)]
ResolvedRefreshSensor = Annotated[Any, _model_resolver(_refresh_sensor, RefreshSensorModel)]
