"""Maps the lines and the queries in Dune's error messages to lines of files and to Dagster's assets."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import islice
from pathlib import Path

from dagster_dune._formatting import abbreviated
from dagster_dune.catalog.catalog import DuneCatalog, MaterializedView, Query
from dagster_dune.catalog.names import Reference

LINE = re.compile(r"\bline (\d{1,6}):(\d{1,6})\b")
MATVIEW = re.compile(r"(?<![\w.-])dune\.[\w-]+\.\w+")
QUERY = re.compile(r"(?<![\w.-])quer(?:y|ies)(?![0-9])[\s_(]*(?:with\s+)?(?:ids?[\s:=#(]*|[#/]?)'?(?P<id>[0-9]+)\b")
"""A query in a message: query 1002, query_1002, queries/1002, query_id: 1002, query with ID 1002."""
PARAMETERS = re.compile(r"\bunknown parameters? \((?P<keys>[^)]*)\)", re.IGNORECASE)
ARCHIVED = re.compile(r"\bquery is archived\b", re.IGNORECASE)
UNSURE = "Dune does not say which query it means"
LONGEST_REASON = 2000


def line_in_file(obj: MaterializedView | Query | Reference, reason: str) -> str:
    """Return which line of an object's file an error is about.

    Dune counts lines from the first line of the SQL that it has saved. A file has a header and comments before that, so
    lines are counted from the first one that is not in a comment. If the line of the file is not the one of the SQL,
    nothing is returned.

    Args:
        obj: The object that failed.
        reason: Dune's error message, which may name a line as ``line 3:8``.

    Returns:
        A sentence, or an empty text.
    """
    from dagster_dune.catalog.sources.files.sql_text import code_line_of  # noqa: PLC0415  (needed for an error alone)

    place = LINE.search(reason)
    if not place or isinstance(obj, Reference) or not obj.source or not obj.sql or not obj.source.code_line:
        return ""
    lines = obj.sql.splitlines()
    number, first = int(place[1]), code_line_of(obj.sql)
    line = obj.source.code_line + number - first
    if not first <= number <= len(lines) or _line_of(Path(obj.source.path), line) != lines[number - 1].strip():
        return ""
    doubt = "" if obj.is_confirmed else ", if Dune has saved it as it stands there"
    return f"In the file: {obj.source.path}, line {line}{doubt}."


def assets_named(catalog: DuneCatalog, selection: Mapping[str, str], message: str) -> str:
    """Return which selected assets the error of a request for many assets is about.

    Only complete names count, and only numbers that the message calls a query: ``at most 100 nodes`` names no asset.

    Args:
        catalog: The catalog that holds the assets.
        selection: The keys of the selected assets, as users write them, by SQL name.
        message: Dune's error message, such as ``query 1002 not found``; names may have quotes.

    Returns:
        A sentence, or an empty text.
    """
    text = message.lower().replace('"', "")
    names = {*MATVIEW.findall(text), *(f"query_{query['id']}" for query in QUERY.finditer(text))}
    if found := _shown(catalog, selection, names):
        return f"Among the selected assets this is {abbreviated(found)}."
    return _perhaps_meant(catalog, selection, message)


def _perhaps_meant(catalog: DuneCatalog, selection: Mapping[str, str], message: str) -> str:
    """Return what an error that names no asset may be about, as a sentence or an empty text."""
    if unknown := PARAMETERS.search(message):
        keys = {key.strip() for key in unknown["keys"].split(",")}
        takers = {query.sql_name for query in catalog.queries if keys & {one.key for one in query.parameters}}
        found = _shown(catalog, selection, takers)
        return f"{UNSURE}; of the selected assets these have such a parameter: {abbreviated(found)}." if found else ""
    if ARCHIVED.search(message):
        return f"{UNSURE}: dagster-dune catalog diff FOLDER names the files whose queries the account does not show."
    return ""


def _shown(catalog: DuneCatalog, selection: Mapping[str, str], names: Collection[str]) -> list[str]:
    """Return the keys of the selected assets with these SQL names, each with its file."""
    found = []
    for name, key in sorted(selection.items(), key=lambda item: item[1]):
        if name in names:
            source = catalog[name].source
            found.append(f"{key} ({source})" if source else key)
    return found


def shortened(reason: str) -> str:
    """Cut a reason to the length that an event may have."""
    if len(reason) <= LONGEST_REASON:
        return reason
    return f"{reason[:LONGEST_REASON]}... ({len(reason):,} characters; the whole text is in the run's log)"


def _line_of(file: Path, number: int) -> str | None:
    try:
        with file.open(encoding="utf-8-sig", errors="replace") as lines:
            return next(islice(lines, number - 1, None), "").strip()
    except OSError:  # the run may be on a machine without the file
        return None
