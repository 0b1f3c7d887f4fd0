"""Converts the objects of a catalog to asset specs with their dependencies."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any

import dagster as dg

from dagster_dune._scheduling.automation_conditions import condition_of
from dagster_dune._scheduling.partitions import check_one_definition, check_partitions_def
from dagster_dune._specs.check_specs import check_specs, names_with_blocking_checks
from dagster_dune.catalog.catalog import DuneCatalog, MaterializedView, Query
from dagster_dune.catalog.graph import CatalogGraph
from dagster_dune.catalog.names import Reference
from dagster_dune.catalog.selectable import SelectableCatalog
from dagster_dune.catalog.selection import Patterns, select_in_each
from dagster_dune.catalog.versions import code_versions
from dagster_dune.errors import DuneCatalogError
from dagster_dune.translator import DagsterDuneTranslator, spec_of


def asset_specs(
    catalog: DuneCatalog,
    translator: DagsterDuneTranslator,
    *,
    select: Patterns | None,
    exclude: Patterns,
    inline_query_views: bool,
    include_backing_queries: bool,
) -> tuple[DuneCatalog, list[dg.AssetSpec], list[dg.AssetCheckSpec]]:
    """Return the catalog with all objects that become assets, their specs, and the specs of their checks.

    Raises:
        DuneCatalogError: No object becomes an asset, two get the same asset key, or dependencies form a cycle.
        DuneConfigurationError: The translator returns something other than a spec.
    """
    if include_backing_queries:
        catalog = catalog.with_backing_queries()

    @cache
    def spec_of_name(name: str) -> dg.AssetSpec:
        return spec_of(translator, catalog[name] if name in catalog else Reference.parse(name))

    selectable = SelectableCatalog(catalog, lambda obj: spec_of_name(obj.sql_name).key.to_user_string())
    (names,) = select_in_each([selectable], select, exclude)
    selected = set(names)
    visible = _visible(catalog, selected - catalog.check_queries, inline_query_views, include_backing_queries)
    if not visible:
        raise DuneCatalogError(
            "The catalog holds no object that could become an asset.", hint="Check it, select and exclude."
        )
    specs = _Specs(catalog, spec_of_name, visible)
    all_specs, keys = specs.all(), {name: specs.key(name) for name in sorted(visible)}
    deps = _deps_by_name(all_specs, keys)
    catalog.graph.with_deps(deps)  # raises an error if those of a translator form a cycle
    return catalog, all_specs, check_specs(catalog, keys, deps, selected)


def _deps_by_name(specs: Collection[dg.AssetSpec], keys: Mapping[str, dg.AssetKey]) -> dict[str, list[str]]:
    """Return the dependencies between the assets by SQL names."""
    names = {key: name for name, key in keys.items()}
    return {
        names[spec.key]: [
            names[dep.asset_key] for dep in spec.deps if dep.asset_key in names and dep.asset_key != spec.key
        ]
        for spec in specs
    }


def upstream_names(graph: CatalogGraph, name: str, visible: Collection[str]) -> set[str]:
    """Return the names that an asset depends on: the nearest upstream objects that are assets or no query views."""
    return graph.nearest(name, lambda upstream: upstream in visible or not graph.is_view(upstream))


def _visible(
    catalog: DuneCatalog, names: set[str], inline_query_views: bool, include_backing_queries: bool
) -> set[str]:
    graph = catalog.graph
    if not include_backing_queries:
        names = names - graph.backing_queries
    if inline_query_views:
        names = {name for name in names if not (graph.is_view(name) and graph.read_by_others(name))}
    return names


class _Specs:
    """Builds the specs of the visible objects, with the dependencies in the catalog."""

    def __init__(
        self, catalog: DuneCatalog, spec_of_name: Callable[[str], dg.AssetSpec], visible: Collection[str]
    ) -> None:
        self._catalog = catalog
        self._spec_of_name = spec_of_name
        self._visible = visible
        self._code_versions = code_versions(catalog)
        self._translated: dict[str, dg.AssetSpec] = {}

    def all(self) -> list[dg.AssetSpec]:
        specs = [self._with_deps(obj) for obj in self._catalog if obj.sql_name in self._visible]
        self._check_keys()
        check_one_definition({name: self._spec(name) for name in sorted(self._visible)})
        return specs

    def key(self, name: str) -> dg.AssetKey:
        """Return the asset key of a SQL name."""
        return self._spec(name).key

    def _spec(self, name: str) -> dg.AssetSpec:
        if name not in self._translated:
            self._translated[name] = self._spec_of_name(name)
        return self._translated[name]

    def _with_deps(self, obj: MaterializedView | Query) -> dg.AssetSpec:
        spec = self._spec(obj.sql_name)
        check_partitions_def(obj, spec)
        upstream = upstream_names(self._catalog.graph, obj.sql_name, self._visible)
        deps = {dep: dg.AssetDep(dep) for dep in (self._spec(name).key for name in sorted(upstream))}
        deps |= {dep.asset_key: dep for dep in spec.deps}
        code_version = spec.code_version or self._code_versions.get(obj.sql_name)
        return spec.replace_attributes(
            deps=list(deps.values()),
            code_version=code_version,
            automation_condition=self._condition(obj, spec, upstream),
        )

    def _condition(
        self, obj: MaterializedView | Query, spec: dg.AssetSpec, upstream: Collection[str]
    ) -> dg.AutomationCondition[Any] | None:
        """Complete the condition of the catalog with the upstream assets; one that a translator has set is kept."""
        if obj.automation is None or spec.automation_condition != condition_of(obj.automation):
            return spec.automation_condition
        not_materialized = [self.key(name) for name in upstream if name not in self._catalog]
        waits_for_checks = bool(names_with_blocking_checks(self._catalog, upstream))
        return condition_of(obj.automation, not_materialized, waits_for_checks=waits_for_checks)

    def _check_keys(self) -> None:
        """Check that no two keys become the same output name, which Dagster derives from the key."""
        owners: dict[str, str] = {}
        for name in sorted(self._translated, key=lambda name: (name not in self._visible, name)):
            identifier = self._translated[name].key.to_python_identifier()
            owner = owners.setdefault(identifier, name)
            if owner != name and owner in self._visible:
                raise self._collision(owner, name)

    def _collision(self, first: str, second: str) -> DuneCatalogError:
        keys = [self._translated[name].key.to_user_string() for name in (first, second)]
        same = f"asset keys that Dagster takes for one ({keys[0]}, {keys[1]})"
        if keys[0] == keys[1]:
            same = f"the same asset key {keys[0]}"
        return DuneCatalogError(
            f"{first} and {second} get {same}.",
            hint="Give them different slugs, or different keys in your translator's get_asset_spec.",
        )
