"""The models of the fields of `DuneComponent` in YAML, with descriptions for their schema.

There is no ``from __future__ import annotations`` here: Dagster makes the schema of the YAML from the annotations.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import dagster as dg
from pydantic import BaseModel, Field, create_model
from pydantic.json_schema import SkipJsonSchema

from dagster_dune.api.key import DEFAULT_VARIABLE
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.resource import DuneResource

Names = list[str | int] | str | int


class RetriesModel(dg.Model):
    """How a step is tried again."""

    max_retries: int = Field(default=1, description="How often it is tried again at the most.")
    delay: float | None = Field(default=None, description="How many seconds later.")


class BackfillPolicyModel(dg.Model):
    """How many runs a backfill of partitioned queries makes."""

    type: Literal["single_run", "multi_run"] = Field(
        description="single_run: one run, and so one call, of all partitions. multi_run: several of them."
    )
    max_partitions_per_run: int | None = Field(
        default=None, description="How many partitions a run of multi_run has; 1 if left out."
    )


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


def _template_fields(model: type[BaseModel], descriptions: Mapping[str, str]) -> dict[str, Any]:
    """Return a model's fields such that each also accepts a text, for templates such as {{ env.DUNE_TIMEOUT }}."""
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
    # Accepted here and refused later by `refuse_literal_key`: Dagster's error would show the key.
    api_key=(Annotated[Any, SkipJsonSchema()], None),  # type: ignore[type-arg]  # generic for type checkers alone
    **{name: field for name, field in _template_fields(DuneResource, {}).items() if name != "api_key"},
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
    "factor_at_most": "By what factor the row count may differ from the mean of the last executions.",
    "last": "How many executions that mean is of.",
    "columns": "The columns that the result must have, with their types as Dune names them.",
    "max_age_hours": "How many hours ago the execution may have ended.",
}
CheckModel = create_model(
    "CheckModel",
    __base__=dg.Model,
    __doc__="A check of one asset after it has run.",
    **_template_fields(DuneCheck, CHECK_DESCRIPTIONS),
)
