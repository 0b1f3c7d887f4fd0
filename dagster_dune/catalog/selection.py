"""Selects objects of a catalog by patterns."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from dagster_dune._formatting import abbreviated
from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.names import ReferenceKind
from dagster_dune.catalog.objects import DuneObject, MaterializedView, Query, UnidentifiedQuery
from dagster_dune.errors import DuneCatalogError, DuneConfigurationError

Patterns = Sequence[str | int] | str | int
"""One pattern or several. The id of a query may be a number, as YAML reads it."""

logger = logging.getLogger(__name__)

GLOB_CHARACTERS = frozenset("*?[")
LABELS_SHOWN = 10
WAYS_TO_SELECT = "Write a name in SQL, an asset key (dune/acme/result_x), a query's id, tag:<tag> or kind:<kind>."


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


def select(catalog: CatalogContents, patterns: Patterns, *, strict: bool = True) -> frozenset[str]:
    """Find the objects that any of the patterns matches, ignoring case.

    Args:
        catalog: The catalog to search.
        patterns: One or several. Each is one of

            - a name in SQL, ``query_1234`` or ``dune.acme.result_volume``,
            - a query's id, ``1234``, or its slug, ``volume`` or ``volume_1234``,
            - a matview's name without its team, ``result_volume``,
            - a default asset key, before any translator changes it, ``dune/acme/result_volume``,
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
    names = _names_by_label(catalog)
    selected = set[str]()
    for pattern in as_pattern_list(patterns):
        wanted = _normalized(pattern)
        found = _found(names, wanted)
        if not found and strict:
            raise _nothing_matches(pattern, wanted, names)
        selected |= found
    return frozenset(selected)


def check_selection(
    catalogs: Sequence[CatalogContents], select: Patterns, exclude: Patterns = (), location: str = ""
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
    for error in unmatched(catalogs, select):
        raise error
    for error in unmatched(catalogs, exclude):
        warn_of_exclude(error, location)


def unmatched(catalogs: Sequence[CatalogContents], patterns: Patterns) -> Iterator[UnmatchedPatternError]:
    """Yield an error for each pattern that matches nothing in any of several catalogs."""
    names = [_names_by_label(catalog) for catalog in catalogs]
    for pattern in as_pattern_list(patterns):
        wanted = _normalized(pattern)
        if not any(_found(labels, wanted) for labels in names):
            yield _nothing_matches(pattern, wanted, {label for labels in names for label in labels})


def warn_of_exclude(error: UnmatchedPatternError, location: str = "") -> None:
    """Warn of an `exclude` pattern that matches nothing. It is no error, since the object may have been deleted."""
    logger.warning("%sexclude: %s", f"{location}, " if location else "", error)


def matches_any(query: UnidentifiedQuery, patterns: Patterns) -> bool:
    """Whether any of the patterns matches a query whose id is not known."""
    labels = {"kind:query", *_tags(query), *([query.slug.lower()] if query.slug else [])}
    return any(_matches(label, _normalized(pattern)) for pattern in as_pattern_list(patterns) for label in labels)


def is_glob(pattern: str) -> bool:
    """Whether a pattern may match other names than itself.

    Examples:
        >>> is_glob("dune.acme.*"), is_glob("dune.acme.result_daily")
        (True, False)
    """
    return not GLOB_CHARACTERS.isdisjoint(pattern)


def _normalized(pattern: str) -> str:
    kind, colon, name = pattern.replace('"', "").lower().partition(":")
    return f"{kind.strip()}{colon}{name.strip()}"


def _names_by_label(catalog: CatalogContents) -> dict[str, set[str]]:
    """Return the SQL names of the objects with each label, by label."""
    names: dict[str, set[str]] = {}
    for obj in catalog:
        for label in _labels(obj):
            names.setdefault(label, set()).add(obj.sql_name)
    return names


def _found(names: Mapping[str, set[str]], wanted: str) -> set[str]:
    """Return the SQL names that a pattern matches. Only globs are compared with every label, to be fast."""
    if not is_glob(wanted):
        return names.get(wanted, set())
    return {name for label, labelled in names.items() if _matches(label, wanted) for name in labelled}


def _labels(obj: MaterializedView | Query) -> set[str]:
    """Return all texts by which a pattern can match an object."""
    labels = {obj.sql_name, _key(obj), f"kind:{obj.kind}", f"kind:{ReferenceKind(obj.kind).word}", *_tags(obj)}
    if isinstance(obj, MaterializedView):
        return labels | {obj.sql_name.split(".")[-1]}
    slugs = {obj.slug.lower(), f"{obj.slug.lower()}_{obj.query_id}"} if obj.slug else set()
    return labels | slugs | {str(obj.query_id)}


def _key(obj: MaterializedView | Query) -> str:
    return "/".join(obj.key_parts).lower()


def _tags(obj: DuneObject) -> set[str]:
    return {_normalized(f"tag:{tag}") for tag in obj.tags}


def _matches(label: str, wanted: str) -> bool:
    """Whether a pattern matches a label of the same category: a pattern of names does not match a tag or a key."""
    return label == wanted or (fnmatchcase(label, wanted) and _category(label) == _category(wanted))


def _category(label: str) -> str:
    return "tag or kind" if ":" in label else "key" if "/" in label else "name"


def _no_patterns(given: object) -> DuneConfigurationError:
    return DuneConfigurationError(
        f"Objects are selected by a text or a list of texts, not by {given!r}.", hint=WAYS_TO_SELECT
    )


def _nothing_matches(pattern: str, wanted: str, labels: Collection[str]) -> UnmatchedPatternError:
    candidates = labels if _category(wanted) == "key" else [label for label in labels if _category(label) != "key"]
    close = get_close_matches(wanted, sorted(candidates), n=3)
    prefix = next((prefix for prefix in ("kind:", "tag:") if wanted.startswith(prefix)), "")
    alike = sorted(label for label in labels if prefix and label.startswith(prefix))
    if close:
        hint = f"Close matches: {', '.join(close)}."
    elif alike:
        hint = f"There are {abbreviated(alike, LABELS_SHOWN)}."
    else:
        hint = "Nothing in it has a tag." if prefix == "tag:" else WAYS_TO_SELECT
    error = UnmatchedPatternError(f"The pattern {pattern!r} matches nothing in the catalog.", hint=hint)
    error.pattern = pattern
    return error
