"""Reads a folder of ``.sql`` files as a catalog. Each file is a query, or the backing query of a matview.

The id of a query is in its header (see `sql_text`), in the folder's ``dune.yml`` (see `folder_settings`), in the file's
name, or in a link in a comment at its start (see `file_ids`). If a file has no id, `DuneCatalog.merge` searches for it
in the account. A file whose header or settings have a `matview` is that materialized view.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.names import slugify
from dagster_dune.catalog.objects import MaterializedView, Query, SourceFile, UnidentifiedQuery
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.catalog.settings.parameters import ParameterValue, QueryParameter, checked_values, joined, likely_type
from dagster_dune.catalog.settings.query_values import check_in_sql
from dagster_dune.catalog.sources.file_ids import ID_HINT, Identification, IdPlace, identify
from dagster_dune.catalog.sources.files.copies import one_file_each
from dagster_dune.catalog.sources.files.file_checks import checks_of_file
from dagster_dune.catalog.sources.files.folder_settings import SettingsEntry, read_settings
from dagster_dune.catalog.sources.files.header import Header, HeaderParameter
from dagster_dune.catalog.sources.files.probable_names import probable_names
from dagster_dune.catalog.sources.files.sql_text import SqlText, parse_sql_text
from dagster_dune.catalog.sources.files.text_files import read_text, shown
from dagster_dune.catalog.sources.left_out import LeftOut, consistent
from dagster_dune.catalog.sql.references import parameter_keys
from dagster_dune.errors import DuneCatalogError

logger = logging.getLogger(__name__)


def check_folder(path: Path) -> None:
    """Check that a folder exists.

    Raises:
        DuneCatalogError: It does not exist, or is a file.
    """
    if path.is_file():
        raise DuneCatalogError(
            f"{shown(path)} is a file, and no folder.", hint="Give the folder that holds the .sql files."
        )
    if not path.is_dir():
        where = "" if path.is_absolute() else f" in {shown(Path.cwd())}"
        raise DuneCatalogError(
            f"There is no folder {shown(path)}{where}.", hint="Give the folder that holds the .sql files."
        )


def read_directory(
    path: Path, *, exclude: Sequence[str] | str = (), left_out: LeftOut | None = None
) -> CatalogContents:
    """Read every ``.sql`` file of a folder and of the folders in it, except hidden ones.

    Left out are files that cannot be read, hold no SQL or have a wrong header, copies of a file, files with different
    SQL for one object, and objects that contradict each other.

    Args:
        path: The folder.
        exclude: Files and folders that are not read: names, paths relative to the folder, or globs of these.
        left_out: Records what is left out; each is a warning if None.

    Returns:
        The matviews and queries of the folder, each with the references of its SQL.

    Raises:
        DuneCatalogError: The folder is missing, holds no ``.sql`` file, or its ``dune.yml`` is wrong.
    """
    check_folder(path)
    left_out = left_out or LeftOut()
    settings = read_settings(path, [exclude] if isinstance(exclude, str) else exclude, left_out)
    objects: dict[str, list[MaterializedView | Query]] = {}
    unidentified: list[UnidentifiedQuery] = []
    checks: list[DuneCheck] = []
    with _frozen_garbage_collector():
        for file in settings.files:
            header, allowed = settings.queries.get(file, Header()), settings.ids.get(file, ())
            with left_out.catching(names=probable_names(file, header, allowed)):
                obj, file_checks = _read_file(file, path, header, allowed, settings.entries.get(file, ()))
                checks += file_checks
                if isinstance(obj, UnidentifiedQuery):
                    unidentified.append(obj)
                else:
                    objects.setdefault(obj.sql_name, []).append(obj)
    single = one_file_each(objects.values(), left_out)
    return consistent(
        [obj for obj in single if isinstance(obj, MaterializedView)],
        [obj for obj in single if isinstance(obj, Query)],
        external=tuple(settings.external),
        unidentified=unidentified,
        checks=checks,
        left_out=left_out,
    )


@contextmanager
def _frozen_garbage_collector() -> Iterator[None]:
    """Exclude existing objects from garbage collection, which is slow with the many objects of Dagster in memory."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _read_file(
    file: Path, folder: Path, settings: Header, allowed: Sequence[IdPlace], entries: Sequence[SettingsEntry]
) -> tuple[MaterializedView | Query | UnidentifiedQuery, list[DuneCheck]]:
    parsed = replace(parse_sql_text(read_text(file), shown(file)), entries=entries)
    header = parsed.header.merged_over(settings)
    _warn_of_two_ids(file, parsed.header, settings)
    obj = (
        _query(file, parsed, header, allowed)
        if header.matview is None
        else _materialized_view(file, parsed, header, header.matview, allowed)
    )
    with parsed.located("checks" if header.check is None else "check"):
        return obj, list(checks_of_file(file, folder, header, obj))


def _materialized_view(
    file: Path, parsed: SqlText, header: Header, matview: str, allowed: Sequence[IdPlace]
) -> MaterializedView:
    with parsed.located("parameters"):
        if header.parameters:
            raise DuneCatalogError(
                f"the materialized view {matview} is given parameters, but Dune refreshes matviews without any.",
                hint="Remove them, or make it a query.",
            )
    for key in ("slug", "partitions"):
        with parsed.located(key):
            if getattr(header, key) is not None:
                raise DuneCatalogError(
                    f"{parsed.place_of(key)} has both matview and {key}, which is of a query.",
                    hint="Keep one of the two.",
                )
    # A number at the end of the matview's name is not an id: volume_30.sql for dune.acme.result_volume_30.
    is_named_after_it = matview.lower().endswith(file.stem.lower())
    found = identify("" if is_named_after_it else file.stem, header.id, parsed.linked, allowed)
    _warn_of_another_id(file, found)
    if found.id is None and found.candidates:
        logger.warning("%s: nothing says for sure which query backs %s: %s. %s.", file, matview, found.why, ID_HINT)
    with parsed.located("matview"):
        fields = _common_fields(file, parsed, header)
        fields["description"] = header.description or header.name  # as of a matview of an account
        if keys := parameter_keys(parsed.sql):
            logger.warning(
                "%s: the SQL of the materialized view %s has the parameter {{%s}}, but Dune refreshes matviews without "
                "any. Write its value, or make it a query.",
                f"{file}, line {parsed.code_line}",
                matview,
                keys[0],
            )
        return MaterializedView(name=matview, query_id=found.id, **fields)


def _query(file: Path, parsed: SqlText, header: Header, allowed: Sequence[IdPlace]) -> Query | UnidentifiedQuery:
    found = identify(file.stem, header.id, parsed.linked, allowed)
    _warn_of_another_id(file, found)
    parameters = _declared_parameters(parsed, header)
    with parsed.located("partitions" if header.partitions else "parameters"):
        query = UnidentifiedQuery(
            name=header.name,
            slug=header.slug or (None if found.id and found.slug == "query" else slugify(found.slug)),
            parameters=parameters,
            query_parameters=_values(header),
            partitions=header.partitions,
            candidates=found.candidates,
            why=found.why if found.id is None else "",
            **_common_fields(file, parsed, header),
        )
        return query if found.id is None else query.identified(found.id)


def _warn_of_two_ids(file: Path, header: Header, settings: Header) -> None:
    if None not in (header.id, settings.id) and header.id != settings.id:
        logger.warning(
            "%s is taken for query %s, as its header says; but dune.yml says %s. Remove the wrong one.",
            file,
            header.id,
            settings.id,
        )


def _warn_of_another_id(file: Path, found: Identification) -> None:
    if found.id is not None and found.why:
        logger.warning(
            "%s is taken for query %s, as its header or dune.yml says; but %s. Remove the wrong one.",
            file,
            found.id,
            found.why,
        )


def _common_fields(file: Path, parsed: SqlText, header: Header) -> dict[str, Any]:
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
        "is_confirmed": False,
        "source": SourceFile(path=str(file.absolute()), line=parsed.line, code_line=parsed.code_line),
    }


def _declared_parameters(parsed: SqlText, header: Header) -> tuple[QueryParameter, ...]:
    """Return the parameters that the SQL uses, with their settings in the header."""
    keys = parameter_keys(parsed.sql)
    by_partition = header.partitions.parameters if header.partitions else ()
    declared = [(key, ["parameters"]) for key in header.parameters]
    declared += [(key, ["partitions", "parameters"]) for key in by_partition]
    for key, path in declared:
        with parsed.located(*path, key):
            check_in_sql(f"{parsed.place_of(*path, key)} has", key, keys)
    parameters = []
    for key in keys:
        with parsed.located("parameters", key):
            parameters.append(_parameter(key, header.parameters.get(key, HeaderParameter())))
    return tuple(parameters)


def _parameter(key: str, declared: HeaderParameter) -> QueryParameter:
    values = (
        declared.value if isinstance(declared.value, tuple) else (declared.value,) if declared.value is not None else ()
    )
    types = {likely_type(value) for value in values}
    guessed = "enum" if declared.options else types.pop() if len(types) == 1 else "text"
    parameter = QueryParameter(
        key=key,
        type=declared.type or guessed,
        options=declared.options,
        multiple=isinstance(declared.value, tuple) if declared.multiple is None else declared.multiple,
        freeform=declared.freeform,
    )
    if declared.value is None:
        return parameter
    default = checked_values("the query", [parameter], {key: declared.value})[key]
    return parameter.model_copy(update={"default": default if isinstance(default, str) else joined(default)})


def _values(header: Header) -> dict[str, ParameterValue]:
    by_partition = header.partitions.parameters if header.partitions else {}
    return {
        key: declared.value
        for key, declared in header.parameters.items()
        if declared.value is not None and key not in by_partition
    }
