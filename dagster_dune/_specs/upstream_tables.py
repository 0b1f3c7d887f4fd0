"""`build_dune_upstream_specs`: what Dune assets read and none of them makes, as external assets."""

import dagster as dg

from dagster_dune._specs.arguments import check_each
from dagster_dune._specs.asset_set import registered_catalog
from dagster_dune._specs.specs import upstream_names
from dagster_dune.catalog.names import Reference
from dagster_dune.metadata import NAME
from dagster_dune.translator import DagsterDuneTranslator


def build_dune_upstream_specs(
    *definitions: dg.AssetsDefinition, translator: DagsterDuneTranslator | None = None
) -> list[dg.AssetSpec]:
    """Describe the tables, spells, uploads and foreign matviews upstream of Dune assets, for ``Definitions(assets=)``.

    Without them Dagster shows the same names bare; with them it knows their tables, kinds and groups. Name all Dune
    definitions of the code location in one call, so that no asset of one is described as external to another.

    Args:
        definitions: What `build_dune_assets` or `@dune_assets` made.
        translator: How objects look as assets; the one that the definitions were built with.

    Returns:
        A spec a name, in the order of their keys. Objects of a catalog that were not selected are among them.

    Raises:
        DuneCatalogError: A definition is not of this library.
        DuneConfigurationError: An argument is no definition.

    Examples:
        >>> from dagster_dune import DuneCatalog, Query, build_dune_assets
        >>> assets = build_dune_assets(DuneCatalog(queries=[Query(query_id=42, deps=["dex.trades"])]))
        >>> [(spec.key.to_user_string(), spec.group_name) for spec in build_dune_upstream_specs(assets)]
        [('dune/dex/trades', 'dune_tables')]
    """
    check_each("build_dune_upstream_specs", definitions, dg.AssetsDefinition)
    translator = translator or DagsterDuneTranslator()
    made = {key for definition in definitions for key in definition.keys}
    specs: dict[dg.AssetKey, dg.AssetSpec] = {}
    for definition in definitions:
        catalog = registered_catalog(definition)
        visible = {str(spec.metadata[NAME]) for spec in definition.specs if NAME in spec.metadata}
        upstream = {read for name in visible for read in upstream_names(catalog.graph, name, visible)}
        for name in upstream - visible:
            spec = translator.get_asset_spec(catalog[name] if name in catalog else Reference.parse(name))
            specs[spec.key] = spec
    return [spec for key, spec in sorted(specs.items()) if key not in made]
