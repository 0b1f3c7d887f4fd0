"""Loads a folder of SQL into a local Dune, as saved queries and matviews."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster_dune.errors import DuneError

if TYPE_CHECKING:
    from dagster_dune.catalog.objects import MaterializedView
    from dagster_dune.catalog.settings.parameters import QueryParameter
    from dagster_dune.emulator.server import DuneEmulator

logger = logging.getLogger(__name__)


def load_folder(emulator: DuneEmulator, folder: Path, values: Mapping[str, Mapping[str, str]] | None = None) -> None:
    """Save the queries of a folder in a running emulator, and create its matviews, which have no rows yet.

    Files without an id are left out with a warning, as in a catalog, since nothing could run them.

    Args:
        emulator: The emulator.
        folder: The folder of a catalog.
        values: By the path of a file in the folder, the values of parameters without a default.

    Raises:
        DuneError: The folder is no catalog, no file of it has an id, or Dune would refuse one of its matviews.
    """
    from dagster_dune.catalog.catalog import DuneCatalog, Query  # noqa: PLC0415  (slow to import)

    catalog = DuneCatalog.from_directory(folder)
    if catalog.unidentified and not len(catalog):
        raise DuneError(
            f"{catalog.unidentified[0].source} is a query without an id.", hint="Name the file <name>_<id>.sql."
        )
    without_id = [_without_id(matview) for matview in catalog.materialized_views if matview.query_id is None]
    if without_id and len(without_id) == len(catalog):
        raise without_id[0]
    for error in without_id:
        logger.warning("%s So it is left out.", error)
    for obj in catalog.with_backing_queries():
        if not isinstance(obj, Query):
            continue
        given = dict((values or {}).get(_path_in(folder, obj.source.path), {})) if obj.source else {}
        emulator.load_query(
            obj.query_id,
            obj.name or obj.slug or obj.sql_name,
            obj.sql or "",
            parameters=_parameters(obj.parameters, given),
            tags=obj.tags,
            description=obj.description,
        )
    for matview in catalog.materialized_views:
        if matview.query_id is None:
            continue
        try:
            emulator.load_materialized_view(matview.name, matview.query_id)
        except DuneError as error:
            raise DuneError(f"The matview {matview.name}: {error}.", hint="Dune would not create it either.") from error


def _without_id(matview: MaterializedView) -> DuneError:
    return DuneError(f"The matview {matview.name} has no query id.", hint="Name its file <name>_<id>.sql.")


def _path_in(folder: Path, file: str) -> str:
    return Path(file).resolve().relative_to(folder.resolve()).as_posix()


def _parameters(declared: Sequence[QueryParameter], values: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the declared parameters of a file, and undeclared ones with a known value."""
    keys = {parameter.key for parameter in declared}
    known = [
        {
            "key": parameter.key,
            "type": parameter.type,
            "value": values.get(parameter.key) if parameter.default is None else parameter.default,
            "enumOptions": list(parameter.options),
        }
        for parameter in declared
    ]
    return known + [{"key": key, "type": "text", "value": value} for key, value in values.items() if key not in keys]
