"""A run of a small catalog in a process of its own, as several hands start them at once."""

import dagster as dg

from dagster_dune import (
    DagsterDuneTranslator,
    DuneCatalog,
    DuneResource,
    MaterializedView,
    Query,
    build_dune_assets,
)

ONE = "dune.acme.result_one"
CATALOG = DuneCatalog(
    materialized_views=[MaterializedView(name=ONE, query_id=1)], queries=[Query(query_id=2, deps=[ONE])]
)


def run(home, api_key, url, tags):
    """Materialize everything, and return the run's id, whether it succeeded, and how many assets it told of."""
    return _materialize(home, [build_dune_assets(CATALOG)], {"dune": (api_key, url)}, tags)


class _Team(DagsterDuneTranslator):
    """Gives the assets of a definition a prefix, and has those of the second wait for those of the first."""

    def __init__(self, prefix):
        self._prefix = prefix

    def get_asset_spec(self, obj):
        spec = super().get_asset_spec(obj)
        before = [spec.key.with_prefix("a")] if self._prefix == "b" else []
        return spec.replace_attributes(key=spec.key.with_prefix(self._prefix), deps=[*spec.deps, *before])


def run_of_teams(home, accounts, tags):
    """Do so with two definitions of the same objects, each over an account of its own."""
    teams = [
        build_dune_assets(CATALOG, name=f"team_{prefix}", translator=_Team(prefix), resource_key=f"dune_{prefix}")
        for prefix in "ab"
    ]
    return _materialize(home, teams, {f"dune_{prefix}": of for prefix, of in zip("ab", accounts, strict=True)}, tags)


def _materialize(home, assets, accounts, tags):
    resources = {
        key: DuneResource(api_key=api_key, base_url=url, poll_interval=0.02, max_poll_interval=0.1)
        for key, (api_key, url) in accounts.items()
    }
    with dg.DagsterInstance.from_config(home) as instance:
        result = dg.materialize(assets, resources=resources, instance=instance, raise_on_error=False, tags=tags)
        return result.run_id, result.success, len(result.get_asset_materialization_events())
