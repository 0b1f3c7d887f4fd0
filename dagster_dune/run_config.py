"""`DuneRunConfig` and the settings of a `DuneResource`: what can be set for one run, in the launchpad or in a job.

The launchpad shows the docstring of the class, so that its example stands here.

Examples:
    >>> config = DuneRunConfig(performance="large", query_parameters={"dune/top_pools_4711": {"limit": 10}})
    >>> config.performance
    'large'
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, cast, get_args

import dagster as dg
from pydantic import Field, ValidationError, field_validator, model_validator

from dagster_dune._specs.arguments import known_settings
from dagster_dune._specs.asset_set import DuneAssetSet
from dagster_dune._specs.named_nodes import not_selected, settings_by_name, sql_name
from dagster_dune.api.address import address_in_force
from dagster_dune.api.key import HiddenText, checked_variable
from dagster_dune.api.models.base import KNOWN_TIERS, Performance, is_tier
from dagster_dune.catalog.catalog import MaterializedView, Query
from dagster_dune.catalog.names import Reference
from dagster_dune.catalog.settings.parameters import plain_value
from dagster_dune.errors import DuneConfigurationError, DunePlanError
from dagster_dune.pipeline.nodes import Override, node_target

PipelineForm = Literal["nodes", "lineage"]
VARIABLES = (dg.EnvVar, type(dg.EnvVar.int("")))


class DuneRunConfig(dg.Config):
    """The settings of one run.

    Assets are named by their keys, ``dune/top_pools_4711``, as SQL names them, or by the ids of queries; checks with a
    query by theirs, or as ``dune/top_pools_4711:no_negatives``.
    """

    performance: str | None = Field(
        default=None,
        description="The engine tier of every node of this run, such as medium. Wins over the catalog's.",
    )
    asset_performance: dict[str, str] = Field(
        default={}, description="The engine tier of single assets, by their keys. Wins over performance."
    )
    query_parameters: dict[str, dict[str, Any | None]] = Field(  # None is refused with words of ours
        default={},
        description="Values of query parameters, by the queries' asset keys. The rest keep the catalog's, else Dune's.",
    )
    pipeline_form: str | None = Field(
        default=None, description="nodes: send the selection as a graph. lineage: send the one selected query."
    )

    _known = model_validator(mode="before")(known_settings)

    @field_validator("asset_performance", "query_parameters", mode="before")
    @classmethod
    def _empty_if_none(cls, given: Any) -> Any:
        """Read a key without a value, which is common in YAML, as an empty mapping."""
        return {} if given is None else given

    @field_validator("query_parameters", mode="before")
    @classmethod
    def _with_yaml_types(cls, given: Any) -> Any:
        """Convert dates and decimals to types that Dagster can store in the configuration of a run."""
        if not isinstance(given, Mapping):
            return given
        return {
            query: {key: plain_value(value) for key, value in values.items()} if isinstance(values, Mapping) else values
            for query, values in given.items()
        }


def configs_of(context: dg.AssetExecutionContext, config: DuneRunConfig | None) -> list[DuneRunConfig]:
    """Return the configurations of a run that apply to a step. Later ones override earlier ones.

    Dagster splits a definition with a Python asset in between into several steps, ``dune_assets`` and
    ``dune_assets_2``, and passes each step only its own configuration. The configuration of ``dune_assets``, the name
    of the definition, applies to all of them.

    Args:
        context: The context of the step.
        config: The configuration that Dagster passes to the step.

    Raises:
        DunePlanError: The configuration of the definition is no `DuneRunConfig`.
    """
    definition, step = context.assets_def.op.name, context.op_execution_context.op.name
    if config is None or step == definition:
        return [config] if config else []
    of_job, of_run = context.job_def.config_mapping, context.run.run_config
    whole: Any = of_job.resolve_from_unvalidated_config(of_run) if of_job else of_run
    setting = (whole.get("ops") or {}).get(definition) or {}
    kind = type(config)
    given = {name: value for name, value in (setting.get("config") or {}).items() if name in kind.model_fields}
    try:
        # As Dagster does for a step: {env: NAME} becomes the value of the variable.
        as_dagster = dg.ConfigMapping(dict, kind.to_config_schema(), receive_processed_config_values=True)
        return [kind(**as_dagster.resolve_from_unvalidated_config(given)), config]
    except (ValidationError, dg.DagsterError) as error:
        raise DunePlanError(
            f"The run's configuration of {definition}, which counts for {step} too, cannot be read: {error}"
        ) from error


def overrides_of(configs: Sequence[DuneRunConfig], assets: DuneAssetSet) -> dict[str, Override]:
    """Return the overrides of a run's configuration, by the SQL names of selected objects and of queries of checks.

    Args:
        configs: The configuration of the definition and, after it, that of the step. Settings in the first for assets
            of other steps are ignored here.
        assets: The assets and checks of the step.

    Raises:
        DunePlanError: A tier is invalid, or an asset is not selected.
    """
    everywhere: Performance | None = None
    tiers: dict[str, Performance] = {}
    values: dict[str, dict[str, Any]] = {}
    for config, others in zip(configs, [assets.elsewhere, {}], strict=False):
        nodes = {**others, **assets.nodes}
        everywhere = _tier(config.performance) if config.performance else everywhere
        by_name = settings_by_name(_tiers(config), nodes, "asset_performance")
        tiers |= {name: settings[""] for name, settings in by_name.items()}
        for name, given in settings_by_name(config.query_parameters, nodes, "query_parameters").items():
            values.setdefault(name, {}).update(given)
    return {name: Override(tiers.get(name, everywhere), values.get(name, {})) for name in assets.nodes}


def config_by_definition(config: DuneRunConfig, selected: Sequence[DuneAssetSet]) -> dict[str, DuneRunConfig]:
    """Split the configuration of a job into one for each definition that the job runs, by the names of their ops.

    A step refuses names of assets that it does not run, so settings of an asset are only passed to its definition.

    Args:
        config: The configuration of the job.
        selected: The definitions with assets in the job, and these assets.

    Raises:
        DunePlanError: A tier is invalid, or the job does not run an asset, so that each run of the job would fail.
        DuneCatalogError: A query does not have a parameter, or a value of it is invalid.
    """
    _check_runs(config, selected)

    def settings_of(assets: DuneAssetSet, by_asset: Mapping[str, Any]) -> dict[str, Any]:
        others = [other for other in selected if other is not assets]
        return {
            key: setting
            for key, setting in by_asset.items()
            if sql_name(key, assets.nodes) or not any(sql_name(key, other.nodes) for other in others)
        }

    return {
        assets.definition: config.model_copy(
            update={
                "asset_performance": settings_of(assets, config.asset_performance),
                "query_parameters": settings_of(assets, config.query_parameters),
            }
        )
        for assets in selected
    }


def _check_runs(config: DuneRunConfig, selected: Sequence[DuneAssetSet]) -> None:
    """Raise the errors that every run would raise, whatever its partition."""
    if config.performance:
        _tier(config.performance)
    tiers = _tiers(config)
    for key in tiers:
        _named(key, selected, "asset_performance")
    for assets in selected:
        for field, said in (("asset_performance", tiers), ("query_parameters", config.query_parameters)):
            settings_by_name({key: said[key] for key in said if sql_name(key, assets.nodes)}, assets.nodes, field)
    for key, values in config.query_parameters.items():
        for obj in _named(key, selected, "query_parameters"):
            if not isinstance(obj, Reference):
                node_target(obj, None, Override(query_parameters=values))


def _named(key: str, selected: Sequence[DuneAssetSet], field: str) -> list[MaterializedView | Query | Reference]:
    """Return the object of a name in each definition of a job. Several may have one object, each with its own key."""
    named = [(assets, sql_name(key, assets.nodes)) for assets in selected]
    if all(name is None for _, name in named):
        raise not_selected(key, [label for assets in selected for label in assets.nodes.values()], field)
    return [assets.object(name) for assets, name in named if name is not None]


def form_of(configs: Sequence[DuneRunConfig], default: PipelineForm) -> PipelineForm:
    """Return the pipeline form of the run's configuration, or that of the definition if it has none.

    Raises:
        DunePlanError: There is no such form.
    """
    form = next((config.pipeline_form for config in reversed(configs) if config.pipeline_form), default)
    if form not in get_args(PipelineForm):
        raise DunePlanError(f"There is no pipeline form {form!r}.", hint=f"Forms: {', '.join(get_args(PipelineForm))}.")
    return cast("PipelineForm", form)


def resource_fields(resource: type[dg.Config], without: Collection[str]) -> dict[str, dg.Field]:
    """Return the configuration fields of a resource in a run, all optional and without default values.

    An API key can only be given as the name of a variable, since the configuration of a run is stored and shown.

    Args:
        resource: The class of the resource.
        without: The names of the fields that are resources themselves.
    """
    fields = {
        name: dg.Field(field.config_type, is_required=False, description=field.description)
        for name, field in resource.to_fields_dict().items()
        if name not in without
    }
    by_variable = {"env": dg.Field(str, description="The variable of the environment that holds the key.")}
    return {**fields, "api_key": dg.Field(by_variable, is_required=False, description=fields["api_key"].description)}


def settings_of_run(settings: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a resource in one run, with the values of environment variables.

    Variables of settings that the run overrides are not read, and need not be set.

    Args:
        settings: The settings of the resource.
        given: The configuration of the run.

    Raises:
        DuneConfigurationError: A variable is not set, or the run sets another address.
    """
    of_run = {name: setting for name, setting in given.items() if name != "base_url"}
    if key := of_run.get("api_key"):
        of_run["api_key"] = dg.EnvVar(checked_variable(key["env"]))
    merged = {name: setting_value(name, setting) for name, setting in {**settings, **of_run}.items()}
    if given.get("base_url") not in (None, address_in_force(merged.get("base_url"))):
        raise DuneConfigurationError(
            f"The run's configuration gives the resource the base_url {given['base_url']!r}, and where a key is sent "
            "is nothing that one run decides.",
            hint="Leave it out, and set DuneResource(base_url=...) or DUNE_API_BASE_URL.",
        )
    return merged


def setting_value(name: str, setting: Any) -> Any:
    """Return the value of a setting, or that of its environment variable.

    Args:
        name: The name of the setting, for messages.
        setting: Its value, or a variable.

    Raises:
        DuneConfigurationError: The variable is not set, or is no number although the setting is one.
    """
    if not isinstance(setting, VARIABLES):
        return setting
    try:
        value = setting.get_value()
    except ValueError as error:
        raise DuneConfigurationError(f"The {name} of the DuneResource is no number: {error}") from error
    variable = setting.env_var_name if isinstance(setting, dg.EnvVar) else setting.name
    if value is None:
        raise DuneConfigurationError(
            f"The environment variable {variable}, which holds the {name} of the DuneResource, is not set.",
            hint="Set it where runs are executed.",
        )
    if name == "api_key" and not str(value).strip():
        raise DuneConfigurationError(
            f"The Dune API key is empty: the environment variable {variable} holds nothing.",
            hint="Set it where runs are executed.",
        )
    return HiddenText(str(value), variable) if name == "api_key" else value


def _tiers(config: DuneRunConfig) -> dict[str, dict[str, Performance]]:
    """Return the tiers of single assets, each as the one setting of its asset."""
    return {key: {"": _tier(tier)} for key, tier in config.asset_performance.items()}


def _tier(text: str) -> Performance:
    if not is_tier(text):
        raise DunePlanError(f"The run's configuration asks for the tier {text!r}.", hint=f"Known tiers: {KNOWN_TIERS}.")
    return text
