"""`DuneAssetSet`: the selection of a step, with the catalog and the translator of its asset definition.

Dagster loads the code location in each process that runs a step, which registers the catalog by the hash of its
content; the op of the definition has that hash as a tag. Translators have no hash that is the same in all processes, so
they are registered by the name of the op, which is unique, together with the tag.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import dagster as dg

from dagster_dune._scheduling.partitions import partitions_of_step
from dagster_dune._specs.check_specs import checks_by_key
from dagster_dune.catalog.catalog import DuneCatalog, MaterializedView, Query
from dagster_dune.catalog.names import Reference
from dagster_dune.catalog.selectable import SelectableCatalog
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.catalog.settings.partitions import Partition
from dagster_dune.errors import DuneCatalogError, DuneConfigurationError
from dagster_dune.metadata import CATALOG_TAG, NAME, doubts_of
from dagster_dune.pipeline.nodes import PlannedNode
from dagster_dune.translator import DagsterDuneTranslator, spec_of

_CATALOGS: dict[str, DuneCatalog] = {}
_TRANSLATORS: dict[tuple[str, str], DagsterDuneTranslator] = {}


def register(catalog: DuneCatalog) -> str:
    """Register a catalog for the steps of this process, and return its hash."""
    return _CATALOGS.setdefault(catalog.content_hash, catalog).content_hash


def register_translator(assets: dg.AssetsDefinition, translator: DagsterDuneTranslator) -> None:
    """Register the translator of a definition for the steps of this process."""
    _TRANSLATORS[assets.op.name, assets.op.tags[CATALOG_TAG]] = translator


def registered_catalog(assets: dg.AssetsDefinition) -> DuneCatalog:
    """Return the catalog that a definition was built from.

    Raises:
        DuneCatalogError: It was not built by this library, or lost what it was given then.
    """
    catalog = _CATALOGS.get(assets.op.tags.get(CATALOG_TAG, ""))
    if catalog is None:
        raise DuneCatalogError(
            f"The asset definition {assets.op.name!r} does not say which Dune catalog it was built from.",
            hint=f"Build it with build_dune_assets or @dune_assets, and leave the op tag {CATALOG_TAG} as it is.",
        )
    return catalog


@dataclass(frozen=True)
class DuneAssetSet:
    """The assets of one definition, and which of them a step runs.

    Attributes:
        definition: The name of the definition's op, which all steps have that Dagster splits the definition into.
        catalog: The catalog of the definition.
        names: The SQL names by asset.
        selected: The assets that the step materializes.
        deps: The upstream assets by asset.
        partitions: The partitions that the step materializes, by the SQL names of partitioned queries.
        elsewhere: The assets and checks that other steps of the definition run in the same run: by SQL names, the keys
            as users write them.
        checks: The checks of the definition by their keys.
        selected_checks: The checks that the step evaluates.
        doubts: Metadata by asset, which says whether the SQL of a file is what Dune runs.
        translator: The translator of the definition.
    """

    definition: str
    catalog: DuneCatalog
    names: Mapping[dg.AssetKey, str]
    selected: frozenset[dg.AssetKey]
    deps: Mapping[dg.AssetKey, frozenset[dg.AssetKey]]
    partitions: Mapping[str, Sequence[Partition]] = field(default_factory=dict)
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    checks: Mapping[dg.AssetCheckKey, DuneCheck] = field(default_factory=dict)
    selected_checks: frozenset[dg.AssetCheckKey] = frozenset()
    doubts: Mapping[dg.AssetKey, Mapping[str, Any]] = field(default_factory=dict)
    translator: DagsterDuneTranslator = field(default_factory=DagsterDuneTranslator)

    @classmethod
    def of(cls, context: dg.AssetExecutionContext) -> DuneAssetSet:
        """Read the definition that a step belongs to.

        Raises:
            DuneCatalogError: It was not built by this library, or lost what it was given then.
            DuneConfigurationError: The definition was called like a function.
        """
        try:
            of_job = context.job_def.asset_layer.selected_asset_keys
        except dg.DagsterError as error:  # such a context has no job, and selects nothing
            raise DuneConfigurationError(
                "Assets of Dune cannot be called like a function: which of them are selected is told by a run.",
                hint="Run them with dg.materialize([...], selection=..., resources={...}), in tests too.",
            ) from error
        assets = cls.of_definition(context.assets_def, frozenset(context.selected_asset_keys))
        partitions = {assets.names[key]: parts for key, parts in partitions_of_step(context).items()}
        selected_checks = frozenset(key for key in context.selected_asset_check_keys if key in assets.checks)
        others = (of_job & assets.names.keys()) - assets.selected
        of_others = {key: check for key, check in assets.checks.items() if key.asset_key in others}
        elsewhere = {assets.names[key]: key.to_user_string() for key in others} | _named(of_others)
        return replace(assets, partitions=partitions, elsewhere=elsewhere, selected_checks=selected_checks)

    @classmethod
    def of_definition(cls, assets: dg.AssetsDefinition, selected: frozenset[dg.AssetKey] = frozenset()) -> DuneAssetSet:
        """Read a definition.

        Raises:
            DuneCatalogError: It was not built by this library, or lost what it was given then.
        """
        catalog = registered_catalog(assets)
        names = {}
        for spec in assets.specs:
            if NAME not in spec.metadata:
                raise DuneCatalogError(
                    f"The asset {spec.key.to_user_string()} does not say which Dune object it is.",
                    hint=f"Keep the metadata {NAME} that the translator gives it.",
                )
            names[spec.key] = str(spec.metadata[NAME])
        return cls(
            definition=assets.op.name,
            catalog=catalog,
            names=names,
            selected=selected,
            deps={key: frozenset(deps) for key, deps in assets.asset_deps.items()},
            checks=checks_by_key(catalog, {name: key for key, name in names.items()}),
            doubts={spec.key: doubts_of(spec) for spec in assets.specs},
            translator=_TRANSLATORS.get((assets.op.name, assets.op.tags[CATALOG_TAG])) or DagsterDuneTranslator(),
        )

    def with_selection(self, keys: Collection[dg.AssetKey]) -> DuneAssetSet:
        """Return the asset set of a job that selects some assets and all of their checks."""
        selected = frozenset(key for key in self.names if key in keys)
        checks = frozenset(key for key in self.checks if key.asset_key in selected)
        return replace(self, selected=selected, selected_checks=checks)

    @cached_property
    def keys(self) -> Mapping[str, dg.AssetKey]:
        """The asset keys by SQL name."""
        return {name: key for key, name in self.names.items()}

    def key_of(self, name: str) -> dg.AssetKey:
        """Return the asset key of a SQL name, which the translator determines if it is not in the definition."""
        return self.keys.get(name) or spec_of(self.translator, self.object(name)).key

    @cached_property
    def selectable(self) -> SelectableCatalog:
        """The catalog, whose objects patterns match also by the keys of the definition's assets."""
        return SelectableCatalog(self.catalog, lambda obj: self.key_of(obj.sql_name).to_user_string())

    def key_of_node(self, node: PlannedNode) -> dg.AssetKey | dg.AssetCheckKey | None:
        """Return the key of the asset or of the check that a node runs; None if it is not in the definition."""
        if node.check:
            return self.check_keys.get((node.check.asset, node.check.name))
        return self.keys.get(node.sql_name)

    @property
    def selection(self) -> dict[str, str]:
        """The selected assets: by SQL names, the keys as users write them."""
        return {self.names[key]: key.to_user_string() for key in self.selected}

    @property
    def nodes(self) -> dict[str, str]:
        """The selected assets and the queries of selected checks: by SQL names, the keys as users write them."""
        return self.selection | _named({key: self.checks[key] for key in self.selected_checks})

    @property
    def deps_by_name(self) -> dict[str, list[str]]:
        """The dependencies between assets of the definition, by SQL names."""
        return {
            self.names[key]: [self.names[dep] for dep in deps if dep in self.names]
            for key, deps in self.deps.items()
            if key in self.names
        }

    @property
    def query_checks(self) -> list[DuneCheck]:
        """The selected checks that have a query."""
        return [self.checks[key] for key in sorted(self.selected_checks) if self.checks[key].sql_name]

    @cached_property
    def checked_by_details(self) -> frozenset[str]:
        """The SQL names of assets with selected checks that evaluate details of their executions, without a query."""
        return frozenset(self.checks[key].asset for key in self.selected_checks if self.checks[key].sql_name is None)

    @cached_property
    def check_keys(self) -> Mapping[tuple[str, str], dg.AssetCheckKey]:
        """The check keys by the SQL name of the asset and the name of the check."""
        return {(check.asset, check.name): key for key, check in self.checks.items()}

    def object(self, name: str) -> MaterializedView | Query | Reference:
        """Return the object of the catalog with a SQL name, or a reference if there is none."""
        return self.catalog[name] if name in self.catalog else Reference.parse(name)


def _named(checks: Mapping[dg.AssetCheckKey, DuneCheck]) -> dict[str, str]:
    """Return the queries of checks: by SQL names, the keys of the checks as users write them."""
    return {check.sql_name: key.to_user_string() for key, check in checks.items() if check.sql_name}
