"""Selects objects of a catalog by patterns."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TypeAlias

from dagster_dune._formatting import abbreviated
from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.objects import UnidentifiedQuery
from dagster_dune.catalog.selectable import (
    LABEL_PREFIXES,
    SelectableCatalog,
    category,
    matches,
    normalized,
    tag_labels,
)
from dagster_dune.errors import DuneCatalogError, DuneConfigurationError

Patterns = Sequence[str | int] | str | int
"""One pattern or several. The id of a query may be a number, as YAML reads it."""
Selectable: TypeAlias = CatalogContents | SelectableCatalog
"""A catalog, with the keys of the assets of its objects where they are known."""

logger = logging.getLogger(__name__)

LABELS_SHOWN = 10
WAYS_TO_SELECT = "Write a name in SQL, an asset key (dune/acme/result_x), a query's id, tag:<tag> or kind:<kind>."
KEYS_NOT_KNOWN = (
    "Asset keys that a translator gives are not known here: in place of one, write the name in SQL or the query's id."
)


class UnmatchedPatternError(DuneCatalogError):
    """A pattern matches nothing.

    Attributes:
        pattern: The pattern as the user wrote it.
    """

    pattern: str = ""


def as_pattern_list(patterns: Patterns) -> list[str]:
    """Return one or several patterns as a list of texts.

    Raises:
        DuneConfigurationError: `patterns` is not a text, a number or a collection of these.

    Examples:
        >>> as_pattern_list(4100032), as_pattern_list(["dune.acme.*", 4100032])
        (['4100032'], ['dune.acme.*', '4100032'])
    """
    if isinstance(patterns, str | int):
        patterns = [patterns]
    # A subclass of tuple is a record, such as Dagster's keys and selections.
    is_record = isinstance(patterns, tuple) and type(patterns) is not tuple
    if is_record or isinstance(patterns, Mapping | bytes) or not isinstance(patterns, Iterable):
        raise _no_patterns(patterns)
    several = list(patterns)
    for pattern in several:
        if not isinstance(pattern, str | int) or isinstance(pattern, bool):
            raise _no_patterns(pattern)
    return [str(pattern) for pattern in several]


def select(catalog: Selectable, patterns: Patterns, *, strict: bool = True) -> frozenset[str]:
    """Find the objects that any of the patterns matches, ignoring case.

    Args:
        catalog: The catalog to search.
        patterns: One or several. Each is one of

            - a name in SQL, ``query_1234`` or ``dune.acme.result_volume``,
            - a query's id, ``1234``, or its slug, ``volume`` or ``volume_1234``,
            - a matview's name without its team, ``result_volume``,
            - an asset key, ``dune/acme/result_volume``: the one that the asset has, or the default key where the
              catalog is not a `SelectableCatalog` with keys,
            - one of these with ``*``, ``?`` or ``[abc]`` in it: ``dune.acme.*``,
            - ``tag:<tag>``, ``kind:query``, or ``kind:view`` for matviews; ``kind:materialized_view`` is the same.
        strict: Whether a pattern that matches nothing is an error.

    Returns:
        The names of the objects in SQL.

    Raises:
        DuneCatalogError: A pattern matches nothing, and `strict` is set.
        DuneConfigurationError: `patterns` is not a text, a number or a collection of these.

    Examples:
        >>> from dagster_dune import DuneCatalog, Query
        >>> catalog = DuneCatalog(queries=[Query(query_id=1, tags=["dex"]), Query(query_id=2, slug="nft_sales")])
        >>> sorted(select(catalog, ["tag:dex", "nft_*"]))
        ['query_1', 'query_2']
    """
    searched = _selectable(catalog)
    selected = set[str]()
    for pattern in as_pattern_list(patterns):
        found = searched.find(normalized(pattern))
        if not found and strict:
            raise _nothing_matches(pattern, [searched])
        selected |= found
    return frozenset(selected)


def select_in_each(
    catalogs: Sequence[Selectable], selected: Patterns | None, excluded: Patterns = (), location: str = ""
) -> list[frozenset[str]]:
    """Find the selected objects in each of several catalogs, after `check_selection`.

    Args:
        catalogs: The catalogs to search.
        selected: The patterns of selected objects; all objects if None.
        excluded: The patterns of objects that are excluded from the selection.
        location: Where the patterns are written, for the warning.

    Returns:
        The names of the objects in SQL, for each catalog.

    Raises:
        DuneCatalogError: A pattern of `selected` matches nothing in any of the catalogs.
    """
    searched = [_selectable(catalog) for catalog in catalogs]
    check_selection(searched, () if selected is None else selected, excluded, location)
    return [
        (each.names if selected is None else select(each, selected, strict=False))
        - select(each, excluded, strict=False)
        for each in searched
    ]


def check_selection(
    catalogs: Sequence[Selectable], select: Patterns, exclude: Patterns = (), location: str = ""
) -> None:
    """Check that each pattern matches something in one of several catalogs; for `exclude`, only warn if it does not.

    Args:
        catalogs: The catalogs to search.
        select: The patterns of selected objects.
        exclude: The patterns of objects that are excluded from the selection.
        location: Where the patterns are written, for the warning.

    Raises:
        DuneCatalogError: A pattern of `select` matches nothing in any of the catalogs.
    """
    if not catalogs:
        return
    searched = [_selectable(catalog) for catalog in catalogs]
    for error in unmatched(searched, select):
        raise error
    for error in unmatched(searched, exclude):
        warn_of_exclude(error, location)


def unmatched(catalogs: Sequence[Selectable], patterns: Patterns) -> Iterator[UnmatchedPatternError]:
    """Yield an error for each pattern that matches nothing in any of several catalogs."""
    searched = [_selectable(catalog) for catalog in catalogs]
    for pattern in as_pattern_list(patterns):
        wanted = normalized(pattern)
        if not any(each.find(wanted) for each in searched):
            yield _nothing_matches(pattern, searched)


def warn_of_exclude(error: UnmatchedPatternError, location: str = "") -> None:
    """Warn of an `exclude` pattern that matches nothing. It is no error, since the object may have been deleted."""
    logger.warning("%sexclude: %s", f"{location}, " if location else "", error)


def matches_any(query: UnidentifiedQuery, patterns: Patterns) -> bool:
    """Whether any of the patterns matches a query whose id is not known."""
    labels = {"kind:query", *tag_labels(query), *([query.slug.lower()] if query.slug else [])}
    return any(matches(label, normalized(pattern)) for pattern in as_pattern_list(patterns) for label in labels)


def _selectable(catalog: Selectable) -> SelectableCatalog:
    return catalog if isinstance(catalog, SelectableCatalog) else SelectableCatalog(catalog)


def _no_patterns(given: object) -> DuneConfigurationError:
    return DuneConfigurationError(
        f"Objects are selected by a text or a list of texts, not by {given!r}.", hint=WAYS_TO_SELECT
    )


def _nothing_matches(pattern: str, searched: Sequence[SelectableCatalog]) -> UnmatchedPatternError:
    wanted = normalized(pattern)
    labels = {label for each in searched for label in each.labels(wanted)}
    is_key = category(wanted) == "key"
    close = get_close_matches(wanted, sorted(label for label in labels if is_key or category(label) != "key"), n=3)
    prefix = next((prefix for prefix in LABEL_PREFIXES if wanted.startswith(prefix)), "")
    alike = sorted(label for label in labels if prefix and label.startswith(prefix))
    keys_not_known = "" if all(each.has_keys for each in searched) else f" {KEYS_NOT_KNOWN}"
    if changed := sorted({text for each in searched for text in each.changed_keys(wanted)}):
        hint = f"A translator gives other asset keys: {abbreviated(changed, LABELS_SHOWN)}."
    elif close:
        hint = f"Close matches: {', '.join(close)}.{keys_not_known if is_key else ''}"
    elif alike:
        hint = f"There are {abbreviated(alike, LABELS_SHOWN)}."
    else:
        hint = "Nothing in it has a tag." if prefix == "tag:" else f"{WAYS_TO_SELECT}{keys_not_known}"
    error = UnmatchedPatternError(f"The pattern {pattern!r} matches nothing in the catalog.", hint=hint)
    error.pattern = pattern
    return error
