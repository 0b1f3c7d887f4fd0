"""The names, tags, kinds and asset keys by which patterns match the objects of a catalog."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cached_property

from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.names import ReferenceKind, asset_key_parts
from dagster_dune.catalog.objects import DuneObject, MaterializedView, Query

GLOB_CHARACTERS = frozenset("*?[")
LABEL_PREFIXES = ("kind:", "tag:")
KeyOf = Callable[[MaterializedView | Query], str]


class SelectableCatalog:
    """A catalog whose objects patterns can match, also by the keys of their assets.

    Args:
        catalog: The catalog.
        key_of: Returns the key of the asset of an object, as Dagster's UI shows it. It is not called for patterns that
            cannot match a key. If None, the keys of assets are not known, and default keys take their place.
    """

    def __init__(self, catalog: CatalogContents, key_of: KeyOf | None = None) -> None:
        self._catalog = catalog
        self._key_of = key_of

    @property
    def has_keys(self) -> bool:
        """Whether the keys of assets are known."""
        return self._key_of is not None

    @property
    def names(self) -> frozenset[str]:
        """The SQL names of all objects."""
        return frozenset(obj.sql_name for obj in self._catalog)

    @cached_property
    def _names_by_label(self) -> Mapping[str, set[str]]:
        """The SQL names of the objects with each name, tag or kind."""
        return _by_label((label, obj) for obj in self._catalog for label in _labels(obj))

    @cached_property
    def _names_by_key(self) -> Mapping[str, set[str]]:
        """The SQL names of the objects with each asset key."""
        return _by_label((key, obj) for obj in self._catalog for key in self._keys(obj))

    def find(self, wanted: str) -> set[str]:
        """Return the SQL names of the objects that a normalized pattern matches.

        Only globs are compared with every label, to be fast.
        """
        if wanted in self._catalog:
            return {wanted}
        return {name for labels in self._searched(wanted) for name in _found(labels, wanted)}

    def labels(self, wanted: str) -> set[str]:
        """Return all texts that a normalized pattern is compared with."""
        return {label for labels in self._searched(wanted) for label in labels}

    def changed_keys(self, wanted: str) -> Iterator[str]:
        """Yield a text for each object whose default key a normalized pattern matches, but whose asset has another."""
        if self._key_of is None:
            return
        for obj in self._catalog:
            default = _default_key(obj)
            if matches(default, wanted) and normalized(key := self._key_of(obj)) != default:
                yield f"{default} is {key}"

    def _searched(self, wanted: str) -> list[Mapping[str, set[str]]]:
        has_no_key = wanted == "*" or wanted.startswith(LABEL_PREFIXES)
        return [self._names_by_label] if has_no_key else [self._names_by_label, self._names_by_key]

    def _keys(self, obj: MaterializedView | Query) -> set[str]:
        if self._key_of is not None:
            return {normalized(self._key_of(obj))}
        # A component that reads an account without a document has no slugs in its keys.
        return {_default_key(obj), "/".join(asset_key_parts(obj.sql_name)).lower()}


def is_glob(pattern: str) -> bool:
    """Whether a pattern may match other names than itself.

    Examples:
        >>> is_glob("dune.acme.*"), is_glob("dune.acme.result_daily")
        (True, False)
    """
    return not GLOB_CHARACTERS.isdisjoint(pattern)


def normalized(pattern: str) -> str:
    """Return a pattern or a label in lower case, without quotes and spaces around its parts."""
    kind, colon, name = pattern.replace('"', "").lower().partition(":")
    return f"{kind.strip()}{colon}{name.strip()}"


def tag_labels(obj: DuneObject) -> set[str]:
    """Return the labels of an object's tags."""
    return {normalized(f"tag:{tag}") for tag in obj.tags}


def matches(label: str, wanted: str) -> bool:
    """Whether a pattern matches a label of the same category: a pattern of names does not match a tag or a key."""
    return label == wanted or (fnmatchcase(label, wanted) and category(label) == category(wanted))


def category(label: str) -> str:
    """Return what a pattern or a label is: a tag or kind, an asset key, or a name. A key of one part is a name."""
    return "tag or kind" if ":" in label else "key" if "/" in label else "name"


def _by_label(labels: Iterable[tuple[str, MaterializedView | Query]]) -> dict[str, set[str]]:
    names: dict[str, set[str]] = {}
    for label, obj in labels:
        names.setdefault(label, set()).add(obj.sql_name)
    return names


def _found(names: Mapping[str, set[str]], wanted: str) -> set[str]:
    """Return the SQL names of the objects with a label that a pattern matches."""
    if not is_glob(wanted):
        return names.get(wanted, set())
    return {name for label, labelled in names.items() if matches(label, wanted) for name in labelled}


def _labels(obj: MaterializedView | Query) -> set[str]:
    """Return all texts except asset keys by which a pattern can match an object."""
    labels = {obj.sql_name, f"kind:{obj.kind}", f"kind:{ReferenceKind(obj.kind).word}", *tag_labels(obj)}
    if isinstance(obj, MaterializedView):
        return labels | {obj.sql_name.split(".")[-1]}
    slugs = {obj.slug.lower(), f"{obj.slug.lower()}_{obj.query_id}"} if obj.slug else set()
    return labels | slugs | {str(obj.query_id)}


def _default_key(obj: MaterializedView | Query) -> str:
    return "/".join(obj.key_parts).lower()
