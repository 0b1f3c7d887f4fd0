"""Leaves invalid objects out of a catalog, so that one of them does not make the others unusable."""

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
from dagster_dune.catalog.sources.file_ids import ID_HINT
from dagster_dune.errors import DuneCatalogError

logger = logging.getLogger(__name__)

ERRORS_SHOWN = 20
CYCLE_SHOWN = 10


class LeftOut:
    """Records the objects that are left out of a catalog: as a warning each, or as one error at the end.

    Args:
        strict: Whether it is an error to leave anything out.

    Attributes:
        names: The known SQL names of the objects that were left out. They become external if other objects read them.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.names = set[str]()
        self._strict = strict
        self._errors: list[str] = []

    def add(self, error: DuneCatalogError | ValidationError | str, names: Iterable[str] = ()) -> None:
        """Record an object that is left out.

        Args:
            error: Why it is left out. It names the object and its file.
            names: The SQL names of the object.
        """
        self.names.update(names)
        if self._strict:
            self._errors.append(str(error))
        else:
            logger.warning("Left out of the catalog: %s", error)

    @contextmanager
    def catching(self, what: str = "", names: Iterable[str] = ()) -> Iterator[None]:
        """Catch the error of a block that makes an object, and record the object as left out.

        Args:
            what: A description of the object for the message, if the error does not contain it.
            names: The SQL names of the object.
        """
        prefix = f"{what}: " if what else ""
        try:
            yield
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            message, hint = message_and_hint(first)
            field = ".".join(map(str, first["loc"]))
            described_error = DuneCatalogError(f"{field + ' is wrong: ' if field else ''}{message}.", hint=hint)
            self.add(f"{prefix}{described_error}", names)
        except DuneCatalogError as error:
            self.add(f"{prefix}{error}", names)

    def add_unidentified(self, catalog: CatalogContents) -> None:
        """Record the queries of a folder whose ids are not known as left out."""
        without = [query for query in catalog.unidentified if not query.why]
        if without:
            files = ", ".join(place_of(query) for query in without)
            self.add(
                f"{files}: nothing says which {'query this is' if len(without) == 1 else 'queries these are'}, and no "
                f"account with the same SQL was merged. {ID_HINT}."
            )
        for query in catalog.unidentified:
            if query.why:
                self.add(f"{place_of(query)}: nothing says for sure which query this is: {query.why}. {ID_HINT}.")

    def add_unresolved(self, catalog: CatalogContents) -> None:
        """Record what a folder lacks and no account has supplied: ids of queries, and assets of checks, as left out."""
        self.add_unidentified(catalog)
        objects = {obj.sql_name: obj for obj in catalog}
        for check in catalog.unresolved_checks:
            if (check.sql_name or check.asset) in self.names - objects.keys():
                continue  # its file was told
            with self.catching(_location_of_check(check, objects)):
                if check.asset in self.names:
                    raise DuneCatalogError(
                        f"The check {check.name} is of {check.asset}, which is left out as well.",
                        hint="Correct that one.",
                    )
                check_consistent([check], objects, catalog.external, catalog.graph.backed)

    def raise_errors(self) -> None:
        """Raise the recorded errors, after everything was read.

        Raises:
            DuneCatalogError: `strict` is set and something was left out.
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
    tag_checks: Iterable[DuneCheck] = (),
    left_out: LeftOut,
) -> CatalogContents:
    """Make a catalog of the objects that are consistent with each other.

    Left out are objects that read each other in circles, objects with a dep that is not in the catalog, and checks that
    contradict earlier checks, each with its query. Checks whose asset is not in the catalog are unresolved.

    Args:
        matviews: Matviews with distinct names.
        queries: Queries with distinct ids.
        external: Names that deps may contain although they are not in the catalog.
        unidentified: Queries whose ids are not known.
        checks: The checks of the objects.
        tag_checks: Checks that only tags on Dune declare. The query of one that is left out stays a normal object.
        left_out: Records what is left out. Deps may also name objects that it has recorded before.

    Returns:
        The catalog of the other objects. Objects that were left out and are read by others are external to it.
    """
    objects: dict[str, MaterializedView | Query] = {obj.sql_name: obj for obj in matviews}
    objects |= {obj.sql_name: obj for obj in queries}
    graph = CatalogGraph(matviews, queries)
    for cycle in graph.cycles():
        names = sorted({name if name in objects else graph.backed[name] for name in cycle})
        left_out.add(_cycle_message(graph, cycle, [objects[name] for name in names]), names)
        for name in names:
            del objects[name]
    known = {*objects, *graph.backing_queries, *left_out.names, *(Reference.parse(name).name for name in external)}
    _leave_out_unknown_deps(objects, known, left_out)
    others = {Reference.parse(name).name for name in external} - objects.keys()
    kept: list[DuneCheck] = []
    unresolved: list[DuneCheck] = []
    queries_of_checks = set[str]()
    for check in checks:
        if check.sql_name and check.sql_name in left_out.names - objects.keys():
            continue  # its file was told
        if check.asset not in objects and check.asset not in graph.backed:
            unresolved.append(check)
            continue
        own_query = {check.sql_name} if check.sql_name else set[str]()
        queries_of_checks |= own_query
        with left_out.catching(_location_of_check(check, objects), own_query):
            check_consistent([*kept, check], objects, others, graph.backed)
            kept.append(check)
    for name in queries_of_checks - {check.sql_name for check in kept}:
        objects.pop(name, None)  # what a file calls a check must not become an asset
    for check in tag_checks:
        with left_out.catching(_location_of_check(check, objects)):
            check_consistent([*kept, check], objects, others, graph.backed)
            kept.append(check)
    read = {name for obj in objects.values() for name in (*obj.deps, *(obj.references or ()))}
    all_external = tuple(dict.fromkeys([*external, *sorted(left_out.names & read - objects.keys())]))
    return CatalogContents(
        materialized_views=tuple(obj for obj in objects.values() if isinstance(obj, MaterializedView)),
        queries=tuple(obj for obj in objects.values() if isinstance(obj, Query)),
        external=all_external,
        unidentified=tuple(unidentified),
        checks=tuple(kept),
        unresolved_checks=tuple(unresolved),
    )


def _leave_out_unknown_deps(
    objects: dict[str, MaterializedView | Query], known: Collection[str], left_out: LeftOut
) -> None:
    for obj in list(objects.values()):
        unknown = (dep for dep in obj.deps if dep not in known and Reference.parse(dep).kind.is_object)
        if dep := next(unknown, None):
            left_out.add(
                f"{described(obj)} depends on {dep}, which is not in the catalog. Add it, or list it in external.",
                [obj.sql_name],
            )
            del objects[obj.sql_name]


def checks_that_fit(
    catalog: CatalogContents, checks: Iterable[tuple[str, DuneCheck]], left_out: LeftOut
) -> list[DuneCheck]:
    """Leave out further checks of objects that are gone from a catalog, or that have become the query of a matview.

    Args:
        catalog: The catalog.
        checks: The checks, each with the place where it is written, which may be empty.
        left_out: Records what is left out.

    Returns:
        The other checks, which may still contradict each other.
    """
    checks = list(checks)
    known = {obj.sql_name for obj in catalog} | {check.sql_name for _, check in checks if check.sql_name}
    external = {Reference.parse(name).name for name in catalog.external} - known
    fitting = []
    for place, check in checks:
        if check.asset not in known | external or check.sql_name in catalog.graph.backed:
            with left_out.catching(place):
                check_consistent([check], known, external, catalog.graph.backed)
        else:
            fitting.append(check)
    return fitting


def _location_of_check(check: DuneCheck, objects: Mapping[str, MaterializedView | Query]) -> str:
    """Return the file of a check: that of its query, or else of its asset; empty if there is none."""
    obj = objects.get(check.sql_name or check.asset)
    return str(obj.source) if obj and obj.source else ""


def described(obj: MaterializedView | Query) -> str:
    """Return an object's name, with its file if it has one."""
    return f"{obj.sql_name} ({obj.source})" if obj.source else obj.sql_name


def place_of(query: UnidentifiedQuery) -> str:
    """Return the file of a query whose id is not known, or else its slug."""
    return query.source.path if query.source else query.slug or "a query"


def _cycle_message(graph: CatalogGraph, cycle: Sequence[str], objects: Sequence[MaterializedView | Query]) -> str:
    """Return the message that the objects of a cycle are left out."""
    shown = abbreviated((described(obj) for obj in objects), CYCLE_SHOWN)
    if len(cycle) == 1:
        return (
            f"{shown} reads itself as {cycle[0]}, which Dune would put in its place without an end. Remove this read."
        )
    what = "read each other" if len(objects) > 1 else "reads its own rows"
    path = " -> ".join(_shortest_cycle(graph, cycle))
    which = "them" if len(objects) > 1 else "it"
    return f"{shown} {what} in a circle, so no order can refresh {which}: {path}. Remove one of these reads."


def _shortest_cycle(graph: CatalogGraph, cycle: Sequence[str]) -> list[str]:
    """Return the shortest path from a cycle's first name back to it."""
    paths = [[cycle[0]]]
    names, seen = set(cycle), set[str]()
    for path in paths:  # the loop appends to the list
        for read in graph.reads(path[-1]):
            if read == cycle[0]:
                return [*path, read]
            if read in names and read not in seen:
                seen.add(read)
                paths.append([*path, read])
    return list(cycle)
