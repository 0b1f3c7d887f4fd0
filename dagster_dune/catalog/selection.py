"""Which objects of a catalog a few patterns mean."""

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
"""One pattern or several; the id of a query may be a number, as YAML has it."""

logger = logging.getLogger(__name__)

GLOB_CHARACTERS = frozenset("*?[")
LABELS_SHOWN = 10
WAYS_TO_SELECT = "Write a name in SQL, an asset key (dune/acme/result_x), a query's id, tag:<tag> or kind:<kind>."


class UnmatchedPatternError(DuneCatalogError):
    """A pattern matches nothing.

    Attributes:
        pattern: It, as it was written.
    """

    pattern: str = ""


def listed(patterns: Patterns) -> list[str]:
    """Return patterns as a list of texts.

    Raises:
        DuneConfigurationError: They are something else.

    Examples:
        >>> listed(4100032), listed(["dune.acme.*", 4100032])
        (['4100032'], ['dune.acme.*', '4100032'])
    """
    if isinstance(patterns, str | int):
        patterns = [patterns]
    # A tuple of a type of its own is a record, as Dagster's keys and selections are.
    is_record = isinstance(patterns, tuple) and type(patterns) is not tuple
    if is_record or isinstance(patterns, Mapping | bytes) or not isinstance(patterns, Iterable):
        raise _no_patterns(patterns)
    several = list(patterns)
    for pattern in several:
        if not isinstance(pattern, str | int) or isinstance(pattern, bool):
            raise _no_patterns(pattern)
    return [str(pattern) for pattern in several]


def select(catalog: CatalogContents, patterns: Patterns, *, strict: bool = True) -> frozenset[str]:
    """Find the objects that any of the patterns matches; upper and lower case are the same.

    Args:
        catalog: Where to look.
        patterns: One or several. Each is one of

            - a name in SQL, ``query_1234`` or ``dune.acme.result_volume``,
            - a query's id, ``1234``, or its slug, ``volume`` or ``volume_1234``,
            - a matview's name without its team, ``result_volume``,
            - an asset key, as it is where no translator gives another, ``dune/acme/result_volume``,
            - one of these with ``*``, ``?`` or ``[abc]`` in it: ``dune.acme.*``,
            - ``tag:<tag>``, ``kind:query``, or ``kind:view`` for matviews; ``kind:materialized_view`` is the same.
        strict: Whether a pattern that matches nothing is an error.

    Returns:
        The names of the objects in SQL.

    Raises:
        DuneCatalogError: A pattern matches nothing, and `strict` is set.
        DuneConfigurationError: `patterns` are none.

    Examples:
        >>> from dagster_dune import DuneCatalog, Query
        >>> catalog = DuneCatalog(queries=[Query(query_id=1, tags=["dex"]), Query(query_id=2, slug="nft_sales")])
        >>> sorted(select(catalog, ["tag:dex", "nft_*"]))
        ['query_1', 'query_2']
    """
    names = _names_by_label(catalog)
    selected = set[str]()
    for pattern in listed(patterns):
        wanted = _normalized(pattern)
        found = _found(names, wanted)
        if not found and strict:
            raise _nothing_matches(pattern, wanted, names)
        selected |= found
    return frozenset(selected)


def check_selection(
    catalogs: Sequence[CatalogContents], select: Patterns, exclude: Patterns = (), place: str = ""
) -> None:
    """Check that each pattern matches something in one of several catalogs; warn of those of `exclude` that do not.

    Args:
        catalogs: Where to look.
        select: What is meant.
        exclude: What is left out of that.
        place: Whose patterns they are, for the warning.

    Raises:
        DuneCatalogError: One of `select` matches nothing in any of them.
    """
    if not catalogs:
        return
    for error in unmatched(catalogs, select):
        raise error
    for error in unmatched(catalogs, exclude):
        warn_of_exclude(error, place)


def unmatched(catalogs: Sequence[CatalogContents], patterns: Patterns) -> Iterator[UnmatchedPatternError]:
    """Find the patterns that match nothing in any of several catalogs."""
    names = [_names_by_label(catalog) for catalog in catalogs]
    for pattern in listed(patterns):
        wanted = _normalized(pattern)
        if not any(_found(of_catalog, wanted) for of_catalog in names):
            yield _nothing_matches(pattern, wanted, {label for of_catalog in names for label in of_catalog})


def warn_of_exclude(error: UnmatchedPatternError, place: str = "") -> None:
    """Warn of a pattern of what is left out. It is no error: what it was for may have been deleted meanwhile."""
    logger.warning("%sexclude: %s", f"{place}, " if place else "", error)


def matches_any(query: UnidentifiedQuery, patterns: Patterns) -> bool:
    """Whether any of the patterns matches a query without id."""
    labels = {"kind:query", *_tags(query), *([query.slug.lower()] if query.slug else [])}
    return any(_matches(label, _normalized(pattern)) for pattern in listed(patterns) for label in labels)


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
    """By each label, the SQL names of the objects that have it."""
    names: dict[str, set[str]] = {}
    for obj in catalog:
        for label in _labels(obj):
            names.setdefault(label, set()).add(obj.sql_name)
    return names


def _found(names: Mapping[str, set[str]], wanted: str) -> set[str]:
    """What a pattern matches. Only globs are compared with every label: there may be as many patterns as objects."""
    if not is_glob(wanted):
        return names.get(wanted, set())
    return {name for label, of_label in names.items() if _matches(label, wanted) for name in of_label}


def _labels(obj: MaterializedView | Query) -> set[str]:
    """Everything by which a pattern can find an object."""
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
    """Whether a pattern matches; a pattern of names matches no tag and no key, though ``*`` would."""
    return label == wanted or (fnmatchcase(label, wanted) and _sort(label) == _sort(wanted))


def _sort(label: str) -> str:
    return "tag or kind" if ":" in label else "key" if "/" in label else "name"


def _no_patterns(given: object) -> DuneConfigurationError:
    return DuneConfigurationError(
        f"Objects are selected by a text or a list of texts, not by {given!r}.", hint=WAYS_TO_SELECT
    )


def _nothing_matches(pattern: str, wanted: str, labels: Collection[str]) -> UnmatchedPatternError:
    candidates = labels if _sort(wanted) == "key" else [label for label in labels if _sort(label) != "key"]
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
