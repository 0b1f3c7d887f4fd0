"""What Dune's words about queries and lines are in Dagster and in files."""

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
"""A query as messages name it: query 1002, query_1002, queries/1002, query_id: 1002, query with ID 1002."""
PARAMETERS = re.compile(r"\bunknown parameters? \((?P<keys>[^)]*)\)", re.IGNORECASE)
ARCHIVED = re.compile(r"\bquery is archived\b", re.IGNORECASE)
UNSURE = "Dune does not say which query it means"
LONGEST_REASON = 2000


def line_in_file(obj: MaterializedView | Query | Reference, reason: str) -> str:
    """Say which line of an object's file an error is about.

    Dune counts from the first line of the SQL that it has saved. A file has a header and comments before that, so
    lines are compared from the first one that is in no comment; where the file and Dune differ there, nothing is said.

    Args:
        obj: What failed.
        reason: Dune's words, with ``line 3:8`` in them where it says one.

    Returns:
        A sentence, or an empty text.
    """
    from dagster_dune.catalog.sources.files.sql_text import code_line_of  # noqa: PLC0415  (needed for an error alone)

    place = LINE.search(reason)
    if not place or isinstance(obj, Reference) or not obj.source or not obj.sql or not obj.source.code_line:
        return ""
    lines = obj.sql.splitlines()
    said, first = int(place[1]), code_line_of(obj.sql)
    line = obj.source.code_line + said - first
    if not first <= said <= len(lines) or _line_of(Path(obj.source.path), line) != lines[said - 1].strip():
        return ""
    doubt = "" if obj.is_confirmed else ", if Dune has saved it as it stands there"
    return f"In the file: {obj.source.path}, line {line}{doubt}."


def assets_named(catalog: DuneCatalog, selection: Mapping[str, str], message: str) -> str:
    """Say which selected assets an error of a whole request is about.

    Only whole names count, and no number that is not said to be a query's: ``at most 100 nodes`` is about no asset.

    Args:
        catalog: What they are.
        selection: By SQL name, their keys as users write them.
        message: Dune's words, such as ``query 1002 not found``; names may have quotes.

    Returns:
        A sentence, or an empty text.
    """
    words = message.lower().replace('"', "")
    names = {*MATVIEW.findall(words), *(f"query_{query['id']}" for query in QUERY.finditer(words))}
    if found := _shown(catalog, selection, names):
        return f"Among the selected assets this is {abbreviated(found)}."
    return _perhaps_meant(catalog, selection, message)


def _perhaps_meant(catalog: DuneCatalog, selection: Mapping[str, str], message: str) -> str:
    """What an error may be about that names nothing."""
    if unknown := PARAMETERS.search(message):
        keys = {key.strip() for key in unknown["keys"].split(",")}
        takers = {query.sql_name for query in catalog.queries if keys & {one.key for one in query.parameters}}
        found = _shown(catalog, selection, takers)
        return f"{UNSURE}; of the selected assets these have such a parameter: {abbreviated(found)}." if found else ""
    if ARCHIVED.search(message):
        return f"{UNSURE}: dagster-dune catalog diff FOLDER names the files whose queries the account does not show."
    return ""


def _shown(catalog: DuneCatalog, selection: Mapping[str, str], names: Collection[str]) -> list[str]:
    """The selected assets of these names, by their keys, each with its file."""
    found = []
    for name, key in sorted(selection.items(), key=lambda item: item[1]):
        if name in names:
            source = catalog[name].source
            found.append(f"{key} ({source})" if source else key)
    return found


def shortened(reason: str) -> str:
    """Cut a reason at a length that an event can bear."""
    if len(reason) <= LONGEST_REASON:
        return reason
    return f"{reason[:LONGEST_REASON]}... ({len(reason):,} characters; the whole text is in the run's log)"


def _line_of(file: Path, number: int) -> str | None:
    try:
        with file.open(encoding="utf-8-sig", errors="replace") as lines:
            return next(islice(lines, number - 1, None), "").strip()
    except OSError:  # a run can be elsewhere
        return None
