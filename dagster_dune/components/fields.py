"""How the fields of `DuneComponent` are written in YAML.

There is no ``from __future__ import annotations`` here: Dagster makes the YAML's schema of the annotations.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import dagster as dg
from dagster.components.resolved.core_models import (
    MultiRunBackfillPolicyModel,
    SingleRunBackfillPolicyModel,
    resolve_backfill_policy,
)
from pydantic import BaseModel, Field, ValidationError, create_model
from pydantic.json_schema import SkipJsonSchema

from dagster_dune.api.key import DEFAULT_VARIABLE, checked_variable
from dagster_dune.assets import QueryViews
from dagster_dune.catalog.document import missing_document
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.catalog.sources.files.folder import check_folder
from dagster_dune.components.yaml_errors import Written, exact, located
from dagster_dune.errors import DuneCatalogError, DuneConfigurationError
from dagster_dune.resource import DuneResource
from dagster_dune.run_config import DuneRunConfig, PipelineForm

Names = list[str | int] | str | int


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


# --- what can be written ---


class RetriesModel(dg.Model):
    """How a step is tried again."""

    max_retries: int = Field(default=1, description="How often it is tried again at the most.")
    delay: float | None = Field(default=None, description="How many seconds later.")


BackfillPolicyModel = SingleRunBackfillPolicyModel | MultiRunBackfillPolicyModel


class OpModel(dg.Model):
    """The step that runs the assets. What stands here wins over the component's own fields of the same meaning."""

    name: str | None = Field(default=None, description="The step's name; one that no other component has.")
    tags: dict[str, Any] | None = Field(default=None, description="Further tags of the step, beside op_tags.")
    description: str | None = Field(
        default=None,
        description="What the step does, in Markdown. Assets without a description of their own have it too.",
    )
    pool: str | None = Field(default=None, description="The pool that bounds how many pipelines run at once.")
    retry_policy: RetriesModel | None = Field(default=None, description="When Dagster tries the step again.")
    backfill_policy: BackfillPolicyModel | None = Field(
        default=None, description="How many runs a backfill of partitioned queries makes."
    )


class ScheduleModel(dg.Model):
    """A job of part of the assets, and when it is launched. Each tick is one pipeline call."""

    job_name: str = Field(description="The name of the job that the schedule launches.")
    cron_schedule: list[str] | str = Field(description="When: five cron fields, such as 0 6 * * *, or several of them.")
    select: Names = Field(
        default="*",
        description="What it materializes: SQL names, ids of queries, globs, tag:<tag> or kind:<kind>.",
    )
    exclude: Names = Field(default=[], description="What to leave out of that, in the same words.")
    schedule_name: str | None = Field(default=None, description="The schedule's name; made of the job's if left out.")
    execution_timezone: str | None = Field(
        default=None, description="The time zone of the cron fields, such as Europe/Berlin; UTC if left out."
    )
    default_status: Literal["STOPPED", "RUNNING"] = Field(
        default="STOPPED", description="Whether it is on from the start, before anyone turns it on in the UI."
    )
    tags: dict[str, str] | None = Field(default=None, description="Tags of the runs.")
    config: dict[str, Any] | None = Field(
        default=None,
        description="The configuration of the runs: performance, asset_performance, query_parameters, pipeline_form.",
    )
    skip_if_running: bool = Field(
        default=False,
        description="Whether a tick is skipped while a run of the job is under way. Two runs over one matview pay "
        "twice.",
    )
    partitions_per_tick: int = Field(default=1, description="How many of the last partitions a tick runs, in one call.")
    repeat_unpartitioned: bool = Field(
        default=False,
        description="Whether the job may hold both partitioned and other assets. A backfill pays for the latter once a "
        "partition.",
    )


class RefreshSensorModel(dg.Model):
    """A sensor that shows refreshes which Dagster did not start. Looking costs no credits."""

    name: str | None = Field(default=None, description="The sensor's name; made of the component's if left out.")
    select: Names = Field(
        default="*", description="What it watches: SQL names, ids of queries, globs, tag:<tag> or kind:<kind>."
    )
    exclude: Names = Field(default=[], description="What to leave out of that, in the same words.")
    include_parametrised: bool = Field(
        default=False,
        description="Whether queries with parameters are watched, whatever values they were executed with.",
    )
    include_partitioned: bool = Field(
        default=False, description="Whether partitioned assets are watched; what is found is of no partition."
    )
    minimum_interval_seconds: int = Field(default=60, description="The seconds between two looks.")
    max_requests_per_tick: int = Field(default=30, description="How many requests one look may take.")
    max_seconds_per_tick: float = Field(default=30.0, description="How long one look may take.")
    reads_per_minute: int = Field(default=40, description="How many reads a minute the plan on Dune allows.")
    default_status: Literal["STOPPED", "RUNNING"] = Field(
        default="STOPPED", description="Whether it is on from the start, before anyone turns it on in the UI."
    )


def _as_written(model: type[BaseModel], descriptions: Mapping[str, str]) -> dict[str, Any]:
    """A model's fields as YAML may hold them: text everywhere, for templates such as {{ env.DUNE_TIMEOUT }}."""
    return {
        name: (
            field.annotation if field.annotation is str else field.annotation | str,
            Field(
                default=... if field.is_required() else field.default,
                description=field.description or descriptions.get(name),
            ),
        )
        for name, field in model.model_fields.items()
    }


ResourceModel = create_model(
    "ResourceModel",
    __base__=dg.Model,
    __doc__="An account of Dune. Its key is not written here, but named by its variable of the environment.",
    api_key_env=(
        str,
        Field(default=DEFAULT_VARIABLE, description="The variable of the environment that holds the API key."),
    ),
    # Refused with words of our own: Dagster's would show it.
    api_key=(Annotated[Any, SkipJsonSchema()], None),  # type: ignore[type-arg]  # generic for type checkers alone
    **{name: field for name, field in _as_written(DuneResource, {}).items() if name != "api_key"},
)

CHECK_DESCRIPTIONS = {
    "asset": "What is checked, as SQL names it: dune.<team>.result_<name> or query_<id>.",
    "name": "The check's name among those of its asset: letters, digits and underscores.",
    "kind": "rows, value or gate, which are queries; row_count, columns, freshness, credits or seconds, which cost "
    "nothing.",
    "query_id": "The query of a kind that has one.",
    "severity": "What a failure means: ERROR or WARN.",
    "blocking": "Whether a failure fails the run, and holds back what Dagster would run after it.",
    "description": "What it is, in Markdown.",
    "metadata": "What Dagster shows with it.",
    "sample_rows": "How many of the offending rows are read and shown, 0 to 100.",
    "at_least": "The least number that passes.",
    "at_most": "The greatest number that passes.",
    "equals": "The number that passes.",
    "change_at_most": "How far the number may be from the one before, such as 20%.",
    "factor_at_most": "By what factor the row count may differ from the mean of the last runs.",
    "last": "How many runs that mean is of.",
    "columns": "The columns that the result must have, with their types as Dune names them.",
    "max_age_hours": "How many hours ago the execution may have ended.",
}
CheckModel = create_model(
    "CheckModel",
    __base__=dg.Model,
    __doc__="A check of one asset after it has run.",
    **_as_written(DuneCheck, CHECK_DESCRIPTIONS),
)


# --- what becomes of it ---


def refuse_written_key(said: BaseModel | None, place: Path) -> None:
    """Refuse an API key that is written into a component's YAML, before anything shows the lines around it.

    Raises:
        DuneConfigurationError: There is one, or something that looks like one.
    """
    resource: Any = getattr(said, "resource", None)
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


def _op(context: dg.ResolutionContext, op: OpModel | None) -> dict[str, Any]:
    """The arguments of `build_dune_assets` that an op sets."""
    if op is None:
        return {}
    given = Written(context, op)
    if op.retry_policy:
        given["retry_policy"] = _retry_policy(context.at_path("retry_policy"), op.retry_policy)
    if op.backfill_policy:
        given["backfill_policy"] = resolve_backfill_policy(context.at_path("backfill_policy"), op.backfill_policy)
    return {name: value for name, value in given.items() if value is not None}


def _checks(context: dg.ResolutionContext, checks: Sequence[BaseModel]) -> list[DuneCheck]:
    return [_check(Written(context.at_path(place), check)) for place, check in enumerate(checks)]


def _check(given: Written) -> DuneCheck:
    with given.located():
        try:
            return DuneCheck.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            with given.located(*first["loc"]):
                raise DuneCatalogError(f"A check of {given.get('asset')} is wrong: {first['msg']}.") from None


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
    return dg.Resolver(resolve, model_field_type=model | None, json_schema_extra=exact(model))


def _list_resolver(resolve: Callable[..., Any], model: type[BaseModel]) -> dg.Resolver:
    """The same of a list of models."""
    return dg.Resolver(resolve, model_field_type=list[model], json_schema_extra=exact(model, many=True))  # type: ignore[valid-type]


# Dagster looks into the types of a list, so the values of these are objects to it.
FolderPath = Annotated[Path | None, dg.Resolver(_folder, model_field_type=str | None)]
DocumentPath = Annotated[Path | None, dg.Resolver(_document, model_field_type=str | None)]
ResolvedDuneResource = Annotated[DuneResource | None, _resolver(_resource, ResourceModel)]
ResolvedRetryPolicy = Annotated[dg.RetryPolicy | None, _resolver(_retry_policy, RetriesModel)]
ResolvedBackfillPolicy = Annotated[
    dg.BackfillPolicy | None, dg.Resolver(resolve_backfill_policy, model_field_type=BackfillPolicyModel | None)
]
ResolvedQueryViews = Annotated[QueryViews, _one_of(*get_args(QueryViews))]
ResolvedPipelineForm = Annotated[PipelineForm, _one_of(*get_args(PipelineForm))]
ResolvedOp = Annotated[Mapping[str, object], _resolver(_op, OpModel)]
ResolvedChecks = Annotated[list[object], _list_resolver(_checks, CheckModel)]
ResolvedSchedules = Annotated[list[object], _list_resolver(_schedules, ScheduleModel)]
ResolvedRefreshSensor = Annotated[Any, _resolver(_refresh_sensor, RefreshSensorModel)]
