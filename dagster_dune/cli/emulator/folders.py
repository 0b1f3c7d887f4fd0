"""Loads a folder of SQL into a local Dune, as saved queries and matviews."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
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

    Files without an id are left out with a warning, as in a catalog, since nothing could run them; and so are matviews
    that Dune would refuse, such as those of another team.

    Args:
        emulator: The emulator.
        folder: The folder of a catalog.
        values: By the path of a file in the folder, the values of parameters without a default.

    Raises:
        DuneError: The folder is no catalog, no file of it has an id, or Dune would refuse all that it holds.
    """
    from dagster_dune.catalog.catalog import DuneCatalog, Query  # noqa: PLC0415  (slow to import)

    catalog = DuneCatalog.from_directory(folder)
    if catalog.unidentified and not len(catalog):
        raise DuneError(
            f"{catalog.unidentified[0].source} is a query without an id.", hint="Name the file <name>_<id>.sql."
        )
    without_id = [matview for matview in catalog.materialized_views if matview.query_id is None]
    if without_id and len(without_id) == len(catalog):
        raise _without_id(without_id[0])
    for matview in without_id:
        logger.warning("%s: %s So it is left out.", matview.source, _without_id(matview))
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
            is_private=bool(obj.is_private),
        )
    refused = dict(_refused_matviews(emulator, catalog.materialized_views))
    if refused and len(refused) + len(without_id) == len(catalog):
        raise next(iter(refused.values()))
    for place, refusal in refused.items():
        logger.warning("%s: %s So it is left out, and its query is there.", place, refusal)


def _refused_matviews(emulator: DuneEmulator, matviews: Sequence[MaterializedView]) -> Iterator[tuple[str, DuneError]]:
    """Create matviews; yield the files of those that Dune would refuse, each with the reason."""
    for matview in matviews:
        if matview.query_id is None:
            continue
        try:
            emulator.load_materialized_view(matview.sql_name, matview.query_id)
        except DuneError as error:
            refusal = DuneError(f"The matview {matview.name}: {error}.", hint="Dune would not create it either.")
            refusal.__cause__ = error
            yield str(matview.source), refusal


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
            "isMultiselect": parameter.multiple,
            "isFreeformAllowed": parameter.freeform,
        }
        for parameter in declared
    ]
    return known + [{"key": key, "type": "text", "value": value} for key, value in values.items() if key not in keys]
