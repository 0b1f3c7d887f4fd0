"""A folder of ``.sql`` files as a catalog: one file a query, or the backing query of one matview.

A query's id stands in its file's name (``volume_4711.sql``, ``volume___4711.sql``, ``query_4711.sql``), in its header
(see `dagster_dune.catalog.header`), or in a comment at its start that links to it. A file whose header has a `matview`
is that materialized view.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError

from dagster_dune.catalog.header import Header, HeaderParameter, SqlText, parse_sql_text
from dagster_dune.catalog.lineage import parameter_keys
from dagster_dune.catalog.models import DuneCatalog, MaterializedView, Query
from dagster_dune.catalog.names import slugify
from dagster_dune.catalog.parameters import ParameterValue, QueryParameter, checked_values, likely_type
from dagster_dune.errors import DuneCatalogError

NAME_WITH_ID = re.compile(r"(?P<name>.+?)_+(?P<id>[1-9][0-9]*)")


def read_directory(path: Path) -> DuneCatalog:
    """Read every ``.sql`` file of a folder and of the folders in it, except hidden ones.

    Args:
        path: The folder.

    Returns:
        The matviews and queries of the folder, each with the references of its SQL.

    Raises:
        DuneCatalogError: The folder or its files are missing or cannot be read, a header is wrong, a query has no id,
            two files are one object, or the objects contradict each other.
    """
    if not path.is_dir():
        raise DuneCatalogError(f"There is no folder {path}.", hint="Give the folder that holds the .sql files.")
    sources: dict[str, Path] = {}
    objects: list[MaterializedView | Query] = []
    for file in _sql_files(path):
        obj = _read(file)
        if other := sources.get(obj.sql_name):
            raise DuneCatalogError(f"{other} and {file} are both {obj.sql_name}.", hint="Remove one of the two files.")
        sources[obj.sql_name] = file
        objects.append(obj)
    if not objects:
        raise DuneCatalogError(f"The folder {path} holds no .sql file.", hint="Save each query as <name>_<id>.sql.")
    return DuneCatalog(
        materialized_views=tuple(obj for obj in objects if isinstance(obj, MaterializedView)),
        queries=tuple(obj for obj in objects if isinstance(obj, Query)),
    )


def _sql_files(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        is_hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.suffix.lower() == ".sql" and file.is_file() and not is_hidden:
            yield file


def _read(file: Path) -> MaterializedView | Query:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DuneCatalogError(f"{file} cannot be read: {error}.", hint="It must be readable UTF-8 text.") from error
    parsed = parse_sql_text(text, str(file))
    try:
        return _materialized_view(file, parsed) if parsed.header.matview is not None else _query(file, parsed)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DuneCatalogError(f"{file}: {place} is wrong: {first['msg']}.") from error
    except DuneCatalogError as error:
        raise DuneCatalogError(f"{file}: {error}") from error


def _materialized_view(file: Path, parsed: SqlText) -> MaterializedView:
    header = parsed.header
    matview = header.matview or ""
    if header.parameters:
        raise DuneCatalogError(
            f"the materialized view {matview} is given parameters, but Dune refreshes matviews without any.",
            hint="Remove them, or make it a query.",
        )
    if header.name is not None:
        raise DuneCatalogError(
            "the header has both matview and name, which is the title of a query.", hint="Keep one of the two."
        )
    # A number at the end of the matview's own name is no id: volume_30.sql for dune.acme.result_volume_30.
    is_named_after_it = matview.lower().endswith(file.stem.lower())
    return MaterializedView(
        name=matview,
        query_id=_query_id("" if is_named_after_it else file.stem, parsed),
        deps=header.deps,
        sql=parsed.sql,
        performance=header.performance,
        description=header.description,
        tags=header.tags,
        is_private=header.private,
    )


def _query(file: Path, parsed: SqlText) -> Query:
    header = parsed.header
    query_id = _query_id(file.stem, parsed)
    if query_id is None:
        raise DuneCatalogError(
            "the query has no id.",
            hint=f"Name the file {file.stem}_<id>.sql, or write 'id: <id>' into its header; the id is the number in "
            "https://dune.com/queries/<id>. A materialized view needs 'matview: dune.<team>.result_<name>' there.",
        )
    parameters = _declared_parameters(header, parsed.sql)
    return Query(
        query_id=query_id,
        name=header.name,
        slug=_slug(file.stem),
        parameters=parameters,
        query_parameters=_values(header),
        deps=header.deps,
        sql=parsed.sql,
        performance=header.performance,
        description=header.description,
        tags=header.tags,
        is_private=header.private,
    )


def _query_id(stem: str, parsed: SqlText) -> int | None:
    """The id in the file's name, else in the header, else in a link: links are copied along with a query's text."""
    in_name = NAME_WITH_ID.fullmatch(stem)
    named, stated = int(in_name["id"]) if in_name else None, parsed.header.id
    if named and stated and named != stated:
        raise DuneCatalogError(
            f"the file's name says that this is query {named}, and its header that it is query {stated}.",
            hint=f"Remove the wrong one; name the file {stem}_{stated}.sql if {named} is part of the query's name.",
        )
    return named or stated or parsed.linked_id


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
    return {key: said.value for key, said in header.parameters.items() if said.value is not None}
