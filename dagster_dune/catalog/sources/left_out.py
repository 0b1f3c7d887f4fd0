"""What is left out of a catalog, so that one bad object does not take the rest down."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from pydantic import ValidationError

from dagster_dune._formatting import abbreviated
from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.graph import CatalogGraph
from dagster_dune.catalog.names import Reference
from dagster_dune.catalog.objects import MaterializedView, Query, UnidentifiedQuery
from dagster_dune.catalog.settings.checks import DuneCheck, check_consistent
from dagster_dune.catalog.settings.wrong_values import message_and_hint
from dagster_dune.catalog.sources.file_ids import WAYS
from dagster_dune.errors import DuneCatalogError

logger = logging.getLogger(__name__)

ERRORS_SHOWN = 20
CYCLE_SHOWN = 10


class LeftOut:
    """Collects what a reader of catalogs leaves out: one warning each, or one error in the end.

    Args:
        strict: Whether leaving anything out is an error.

    Attributes:
        names: The SQL names of what was left out, where they are known: readers of these keep them as external.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.names = set[str]()
        self._strict = strict
        self._errors: list[str] = []

    def add(self, error: DuneCatalogError | ValidationError | str, names: Iterable[str] = ()) -> None:
        """Leave something out.

        Args:
            error: What is wrong with it; it names the object, and its file.
            names: Its names in SQL.
        """
        self.names.update(names)
        if self._strict:
            self._errors.append(str(error))
        else:
            logger.warning("Left out of the catalog: %s", error)

    @contextmanager
    def if_wrong(self, what: str = "", names: Iterable[str] = ()) -> Iterator[None]:
        """Leave out an object that cannot be made.

        Args:
            what: What it is, for messages that do not say so themselves.
            names: Its names in SQL.
        """
        start = f"{what}: " if what else ""
        try:
            yield
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            message, hint = message_and_hint(first)
            place = ".".join(map(str, first["loc"]))
            said = DuneCatalogError(f"{place + ' is wrong: ' if place else ''}{message}.", hint=hint)
            self.add(f"{start}{said}", names)
        except DuneCatalogError as error:
            self.add(f"{start}{error}", names)

    def add_unidentified(self, catalog: CatalogContents) -> None:
        """Leave out the queries of a folder whose ids nothing has told."""
        without = [query for query in catalog.unidentified if not query.why]
        if without:
            files = ", ".join(place_of(query) for query in without)
            self.add(
                f"{files}: nothing says which {'query this is' if len(without) == 1 else 'queries these are'}, and no "
                f"account with the same SQL was merged. {WAYS}."
            )
        for query in catalog.unidentified:
            if query.why:
                self.add(f"{place_of(query)}: nothing says for sure which query this is: {query.why}. {WAYS}.")

    def done(self) -> None:
        """End the reading.

        Raises:
            DuneCatalogError: Something was left out, and `strict` is set.
        """
        if len(self._errors) == 1:
            raise DuneCatalogError(self._errors[0])
        if self._errors:
            more = len(self._errors) - ERRORS_SHOWN
            shown = self._errors[:ERRORS_SHOWN] + ([f"and {more} more"] if more > 0 else [])
            listed = "\n".join(f"- {error}" for error in shown)
            raise DuneCatalogError(f"{len(self._errors)} things are wrong with the catalog:\n{listed}")


def consistent(
    matviews: Collection[MaterializedView],
    queries: Collection[Query],
    *,
    external: Sequence[str] = (),
    unidentified: Sequence[UnidentifiedQuery] = (),
    checks: Iterable[DuneCheck] = (),
    left_out: LeftOut,
) -> CatalogContents:
    """Make a catalog of the objects that do not contradict each other.

    Left out are objects that read each other in circles, those with a dep that is not in the catalog, and checks of
    nothing that the catalog holds, or that contradict earlier ones.

    Args:
        matviews: Matviews, each name once.
        queries: Queries, each id once.
        external: What deps may name though it is not in the catalog.
        unidentified: Queries without ids.
        checks: What is checked of the objects.
        left_out: Where to say what is left out; what it has left out already may be named as well.

    Returns:
        The catalog of the others. What was left out and is named by a dep is external to it.
    """
    objects: dict[str, MaterializedView | Query] = {obj.sql_name: obj for obj in matviews}
    objects |= {obj.sql_name: obj for obj in queries}
    graph = CatalogGraph(matviews, queries)
    for cycle in graph.cycles():
        names = sorted({name if name in objects else graph.backed[name] for name in cycle})
        left_out.add(_ring(graph, cycle, [objects[name] for name in names]), names)
        for name in names:
            del objects[name]
    known = {*objects, *graph.backing_queries, *left_out.names, *(Reference.parse(name).name for name in external)}
    for obj in list(objects.values()):
        for dep in obj.deps:
            if dep not in known and Reference.parse(dep).kind.is_object:
                left_out.add(
                    f"{described(obj)} depends on {dep}, which is not in the catalog. Add it, or list it in external.",
                    [obj.sql_name],
                )
                known.add(obj.sql_name)
                del objects[obj.sql_name]
                break
    read = {dep for obj in objects.values() for dep in obj.deps}
    all_external = tuple(dict.fromkeys([*external, *sorted(left_out.names & read - objects.keys())]))
    kept: list[DuneCheck] = []
    for check in checks:
        with left_out.if_wrong(_place_of_check(check, objects)):
            check_consistent([*kept, check], objects, all_external, graph.backed)
            kept.append(check)
    return CatalogContents(
        materialized_views=tuple(obj for obj in objects.values() if isinstance(obj, MaterializedView)),
        queries=tuple(obj for obj in objects.values() if isinstance(obj, Query)),
        external=all_external,
        unidentified=tuple(unidentified),
        checks=tuple(kept),
    )


def _place_of_check(check: DuneCheck, objects: Mapping[str, MaterializedView | Query]) -> str:
    """The file that a check stands in: that of its query, or else of what it checks."""
    obj = objects.get(check.sql_name or check.asset)
    return str(obj.source) if obj and obj.source else ""


def described(obj: MaterializedView | Query) -> str:
    """An object's name, and its file where it has one."""
    return f"{obj.sql_name} ({obj.source})" if obj.source else obj.sql_name


def place_of(query: UnidentifiedQuery) -> str:
    """The file of a query without id."""
    return query.source.path if query.source else query.slug or "a query"


def _ring(graph: CatalogGraph, cycle: Sequence[str], objects: Sequence[MaterializedView | Query]) -> str:
    shown = abbreviated((described(obj) for obj in objects), CYCLE_SHOWN)
    if len(cycle) == 1:
        return (
            f"{shown} reads itself as {cycle[0]}, which Dune would put in its place without an end. Remove this read."
        )
    what = "read each other" if len(objects) > 1 else "reads its own rows"
    way = " -> ".join(_cycle_through(graph, cycle))
    which = "them" if len(objects) > 1 else "it"
    return f"{shown} {what} in a circle, so no order can refresh {which}: {way}. Remove one of these reads."


def _cycle_through(graph: CatalogGraph, cycle: Sequence[str]) -> list[str]:
    """The shortest way from a cycle's first name back to it."""
    ways = [[cycle[0]]]
    names, seen = set(cycle), set[str]()
    for way in ways:  # it grows while it is walked
        for read in graph.reads(way[-1]):
            if read == cycle[0]:
                return [*way, read]
            if read in names and read not in seen:
                seen.add(read)
                ways.append([*way, read])
    return list(cycle)
