"""`build_dune_upstream_specs`: external assets for everything that Dune assets read and none of them materializes."""

import logging
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TypeVar

import dagster as dg

from dagster_dune._formatting import abbreviated
from dagster_dune._specs.arguments import check_each
from dagster_dune._specs.asset_set import registered_catalog
from dagster_dune._specs.specs import upstream_names
from dagster_dune.catalog.names import Reference, query_name
from dagster_dune.catalog.selectable import is_glob
from dagster_dune.catalog.selection import Patterns, as_pattern_list
from dagster_dune.metadata import NAME
from dagster_dune.translator import DagsterDuneTranslator, spec_of

AssetT = TypeVar("AssetT")

logger = logging.getLogger(__name__)

NAMES_SHOWN = 3
MAX_WARNED = 5


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
            spec = spec_of(translator, catalog[name] if name in catalog else Reference.parse(name))
            specs[spec.key] = spec
    return [spec for key, spec in sorted(specs.items()) if key not in made]


def without_excluded(assets: Sequence[AssetT], patterns: Patterns, place: str = "") -> list[AssetT]:
    """Leave out what ``upstream_exclude`` names, and warn of names and globs that mean nothing.

    Args:
        assets: What `build_dune_upstream_specs` described, and assets that are made, which all stay.
        patterns: Names in SQL, ids of queries, or globs.
        place: Where they are written, for the warning.

    Returns:
        The others.
    """
    names = {name for asset in assets if (name := _name_in_sql(asset))}
    excluded = set[str]()
    unmatched = []
    for pattern in as_pattern_list(patterns):
        found = _matching(names, _normalized(pattern))
        excluded |= found
        unmatched += [] if found else [pattern]
    if unmatched:
        _warn_without_match(unmatched, names, f"{place}, " if place else "")
    return [asset for asset in assets if _name_in_sql(asset) not in excluded]


def _name_in_sql(asset: object) -> str:
    return str(asset.metadata.get(NAME, "")) if isinstance(asset, dg.AssetSpec) else ""


def _normalized(pattern: str) -> str:
    written = pattern.strip().replace('"', "").lower()
    return query_name(int(written)) if written.isdecimal() else written


def _matching(names: Collection[str], pattern: str) -> set[str]:
    if is_glob(pattern):
        return {name for name in names if fnmatchcase(name, pattern)}
    return {pattern} if pattern in names else set()


def _warn_without_match(unmatched: Sequence[str], names: Collection[str], place: str) -> None:
    if not names:
        logger.warning(
            "%supstream_exclude: %s means nothing: all that the assets read is made by them. Leave it out.",
            place,
            abbreviated(unmatched),
        )
        return
    described = [_with_likely_name(pattern, names) for pattern in unmatched[:MAX_WARNED]]
    logger.warning(
        "%supstream_exclude: nothing that the assets read from elsewhere is named %s. They read %s.",
        place,
        abbreviated([*described, *unmatched[MAX_WARNED:]], MAX_WARNED),
        abbreviated(sorted(names), NAMES_SHOWN),
    )


def _with_likely_name(pattern: str, names: Collection[str]) -> str:
    close = get_close_matches(_normalized(pattern), sorted(names), n=1)
    return f"{pattern} (Did you mean {close[0]}?)" if close else pattern
