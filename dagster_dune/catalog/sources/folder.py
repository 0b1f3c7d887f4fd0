"""A folder of ``.sql`` files as a catalog: one file a query, or the backing query of one matview.

A query's id stands in its file's name (``volume_4711.sql``, ``volume___4711.sql``, ``query_4711.sql``), in its header
(see `dagster_dune.catalog.sources.header`), in the folder's ``dune.yml`` (see
`dagster_dune.catalog.sources.folder_settings`), or in a comment at its start that links to it. A file without one waits
for `DuneCatalog.merge` to find it in the account. A file whose header or settings have a `matview` is that materialized
view.
"""

from __future__ import annotations

import gc
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.names import slugify
from dagster_dune.catalog.objects import MaterializedView, Query, SourceFile, UnidentifiedQuery
from dagster_dune.catalog.parameters import ParameterValue, QueryParameter, checked_values, likely_type
from dagster_dune.catalog.sources.folder_settings import read_settings, read_text, visible_files
from dagster_dune.catalog.sources.header import Header, HeaderParameter, SqlText, parse_sql_text
from dagster_dune.catalog.sql.references import parameter_keys
from dagster_dune.errors import DuneCatalogError

logger = logging.getLogger(__name__)

NAME_WITH_ID = re.compile(r"(?P<name>.+?)_+(?P<id>[1-9][0-9]*)")


def read_directory(path: Path) -> CatalogContents:
    """Read every ``.sql`` file of a folder and of the folders in it, except hidden ones.

    Args:
        path: The folder.

    Returns:
        The matviews and queries of the folder, each with the references of its SQL.

    Raises:
        DuneCatalogError: The folder or its files are missing or cannot be read, a header or ``dune.yml`` is wrong, two
            files with different SQL are one object, or the objects contradict each other.
    """
    if not path.is_dir():
        raise DuneCatalogError(f"There is no folder {path}.", hint="Give the folder that holds the .sql files.")
    files = sorted(file for file in visible_files(path, "*") if file.suffix.lower() == ".sql")
    if not files:
        raise DuneCatalogError(f"The folder {path} holds no .sql file.", hint="Save each query as <name>_<id>.sql.")
    settings = read_settings(path, files)
    objects: dict[str, MaterializedView | Query] = {}
    unidentified: list[UnidentifiedQuery] = []
    with _cheap_garbage_collection():
        for file in files:
            obj = _read(file, settings.queries.get(file, Header()))
            if isinstance(obj, UnidentifiedQuery):
                unidentified.append(obj)
            elif other := objects.get(obj.sql_name):
                _refuse_another(other, obj)
            else:
                objects[obj.sql_name] = obj
    return CatalogContents(
        materialized_views=tuple(obj for obj in objects.values() if isinstance(obj, MaterializedView)),
        queries=tuple(obj for obj in objects.values() if isinstance(obj, Query)),
        external=settings.external,
        unidentified=tuple(unidentified),
    )


@contextmanager
def _cheap_garbage_collection() -> Iterator[None]:
    """Spare the collector all that is there already: it must find each syntax tree among the objects of Dagster."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _refuse_another(first: MaterializedView | Query, second: MaterializedView | Query) -> None:
    """Two files of one object: a copy is left out, two versions are an error."""
    if first.fingerprint != second.fingerprint:
        raise DuneCatalogError(
            f"{first.source} and {second.source} are both {first.sql_name}, with different SQL.",
            hint="Remove one of the two files, or correct its id.",
        )
    logger.warning(
        "%s and %s are both %s, with the same SQL; the second is left out.", first.source, second.source, first.sql_name
    )


def _read(file: Path, settings: Header) -> MaterializedView | Query | UnidentifiedQuery:
    parsed = parse_sql_text(read_text(file), str(file))
    header = parsed.header.over(settings)
    try:
        if header.matview is not None:
            return _materialized_view(file, parsed, header, header.matview)
        return _query(file, parsed, header)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DuneCatalogError(f"{file}: {place} is wrong: {first['msg']}.") from error
    except DuneCatalogError as error:
        raise DuneCatalogError(f"{file}: {error}") from error


def _materialized_view(file: Path, parsed: SqlText, header: Header, matview: str) -> MaterializedView:
    if header.parameters:
        raise DuneCatalogError(
            f"the materialized view {matview} is given parameters, but Dune refreshes matviews without any.",
            hint="Remove them, or make it a query.",
        )
    for key in ("name", "slug", "partitions"):
        if getattr(header, key) is not None:
            raise DuneCatalogError(
                f"the header has both matview and {key}, which is of a query.", hint="Keep one of the two."
            )
    # A number at the end of the matview's own name is no id: volume_30.sql for dune.acme.result_volume_30.
    is_named_after_it = matview.lower().endswith(file.stem.lower())
    query_id = _query_id(file, "" if is_named_after_it else file.stem, header, parsed.linked_id)
    return MaterializedView(name=matview, query_id=query_id, **_common(file, parsed, header))


def _query(file: Path, parsed: SqlText, header: Header) -> Query | UnidentifiedQuery:
    query = UnidentifiedQuery(
        name=header.name,
        slug=header.slug or _slug(file.stem),
        parameters=_declared_parameters(header, parsed.sql),
        query_parameters=_values(header),
        partitions=header.partitions,
        **_common(file, parsed, header),
    )
    query_id = _query_id(file, file.stem, header, parsed.linked_id)
    return query if query_id is None else query.identified(query_id)


def _common(file: Path, parsed: SqlText, header: Header) -> dict[str, Any]:
    return {
        "deps": header.deps,
        "sql": parsed.sql,
        "performance": header.performance,
        "description": header.description,
        "tags": header.tags,
        "is_private": header.private,
        "group": header.group,
        "owners": header.owners,
        "kinds": header.kinds,
        "automation": header.automation,
        "freshness": header.freshness,
        "source": SourceFile(path=str(file.absolute()), line=parsed.line),
    }


def _query_id(file: Path, stem: str, header: Header, linked_id: int | None) -> int | None:
    """The id in the file's name, else in the header, else in a link: links are copied along with a query's text."""
    in_name = NAME_WITH_ID.fullmatch(stem)
    named, stated = int(in_name["id"]) if in_name else None, header.id
    if named and stated and named != stated:
        logger.warning(
            "%s is taken for query %s, as its name says; its header or dune.yml says that it is query %s. Remove the "
            "wrong one; name the file %s_%s.sql if %s is part of the query's name.",
            file,
            named,
            stated,
            stem,
            stated,
            named,
        )
    return named or stated or linked_id


def _slug(stem: str) -> str | None:
    """The file's name without its id; None for ``query_<id>.sql``, which is no name."""
    in_name = NAME_WITH_ID.fullmatch(stem)
    name = in_name["name"] if in_name else stem
    return None if in_name and name == "query" else slugify(name)


def _declared_parameters(header: Header, sql: str) -> tuple[QueryParameter, ...]:
    """Every parameter that the SQL uses, with what the header says about it."""
    keys = parameter_keys(sql)
    for key in header.parameters:
        if key not in keys:
            close = get_close_matches(key, keys, n=1)
            raise DuneCatalogError(
                f"the header has a parameter {key!r}, but the SQL has no {{{{{key}}}}}.",
                hint=f"Did you mean {close[0]!r}?" if close else "Remove it, or use it in the SQL.",
            )
    return tuple(_parameter(key, header.parameters.get(key, HeaderParameter())) for key in keys)


def _parameter(key: str, said: HeaderParameter) -> QueryParameter:
    values = said.value if isinstance(said.value, tuple) else (said.value,) if said.value is not None else ()
    types = {likely_type(value) for value in values}
    guessed = "enum" if said.options else types.pop() if len(types) == 1 else "text"
    parameter = QueryParameter(
        key=key,
        type=said.type or guessed,
        options=said.options,
        multiple=isinstance(said.value, tuple) if said.multiple is None else said.multiple,
    )
    if said.value is None:
        return parameter
    default = checked_values("the query", [parameter], {key: said.value})[key]
    return parameter.model_copy(update={"default": default})


def _values(header: Header) -> dict[str, ParameterValue]:
    by_partition = header.partitions.parameters if header.partitions else {}
    return {
        key: said.value for key, said in header.parameters.items() if said.value is not None and key not in by_partition
    }
