"""`DuneRunConfig`: what can be set for one run, in the launchpad or in a job's configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Literal, cast, get_args

import dagster as dg
from pydantic import Field

from dagster_dune._specs.asset_set import DuneAssetSet
from dagster_dune.api.models import KNOWN_TIERS, Performance, is_tier
from dagster_dune.errors import DunePlanError
from dagster_dune.pipeline.plan import Override

PipelineForm = Literal["nodes", "lineage"]


class DuneRunConfig(dg.Config):
    """The settings of one run.

    Assets are named by their keys, ``dune/top_pools_4711``, as SQL names them, or by the ids of queries.

    Examples:
        >>> config = DuneRunConfig(performance="large", query_parameters={"dune/top_pools_4711": {"limit": 10}})
        >>> config.performance
        'large'
    """

    performance: str | None = Field(
        default=None,
        description="The engine tier of every node of this run, such as medium. Wins over the catalog's.",
    )
    asset_performance: dict[str, str] = Field(
        default={}, description="The engine tier of single assets, by their keys. Wins over performance."
    )
    query_parameters: dict[str, dict[str, Any]] = Field(
        default={},
        description="Values of query parameters, by the queries' asset keys. The rest keep the catalog's, else Dune's.",
    )
    pipeline_form: str | None = Field(
        default=None, description="nodes: send the selection as a graph. lineage: send the one selected query."
    )


def overrides_of(config: DuneRunConfig, assets: DuneAssetSet) -> dict[str, Override]:
    """Return what a run's configuration changes, by the SQL names of the selected objects.

    Raises:
        DunePlanError: It names what can be no tier, or an asset that is not selected.
    """
    tiers = {_name(key, assets, "asset_performance"): _tier(tier) for key, tier in config.asset_performance.items()}
    values = {_name(key, assets, "query_parameters"): given for key, given in config.query_parameters.items()}
    everywhere = _tier(config.performance) if config.performance else None
    return {name: Override(tiers.get(name, everywhere), values.get(name, {})) for name in assets.selection}


def form_of(config: DuneRunConfig | None, default: PipelineForm) -> PipelineForm:
    """Return the form of the call: the run's, else the definition's.

    Raises:
        DunePlanError: There is no such form.
    """
    form = (config.pipeline_form if config else None) or default
    if form not in get_args(PipelineForm):
        raise DunePlanError(f"There is no pipeline form {form!r}.", hint=f"Forms: {_list(get_args(PipelineForm))}.")
    return cast("PipelineForm", form)


def _tier(text: str) -> Performance:
    if not is_tier(text):
        raise DunePlanError(f"The run's configuration asks for the tier {text!r}.", hint=f"Known tiers: {KNOWN_TIERS}.")
    return text


def _name(key: str, assets: DuneAssetSet, field: str) -> str:
    """The SQL name of an asset, however the user has written it."""
    names: Mapping[str, str] = {label: name for name, label in assets.selection.items()}
    for name in (key, f"query_{key}"):
        if name in names.values():
            return name
    if key not in names:
        close = get_close_matches(key, names, n=1)
        raise DunePlanError(
            f"The run's configuration names {key!r} in {field}, which is not selected.",
            hint=f"Did you mean {close[0]}?" if close else f"Selected are {_list(sorted(names))}.",
        )
    return names[key]


def _list(words: Iterable[str]) -> str:
    words = list(words)
    return ", ".join(words[:20]) + (" and more" if len(words) > 20 else "")
