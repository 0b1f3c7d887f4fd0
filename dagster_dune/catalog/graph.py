"""The dependency graph of a catalog, and the upstream objects of an object among a selection."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_dune.catalog.names import query_name
from dagster_dune.errors import DuneCatalogError

if TYPE_CHECKING:
    from dagster_dune.catalog.objects import MaterializedView, Query

LIBRARY = Path(__file__).parents[1]


class CatalogGraph:
    """The dependencies of a catalog's objects, on each other and on other tables.

    Backing queries are nodes of the graph although they are not objects of the catalog. SQL that reads the
    ``query_<id>`` of a backing query inlines its SQL, so it depends on the reads of that SQL, and not on the matview.

    Attributes:
        backed: The matview of each backing query, by the name of the query.
    """

    def __init__(self, materialized_views: Iterable[MaterializedView], queries: Iterable[Query]) -> None:
        self._reads: dict[str, tuple[str, ...]] = {}
        self._views: set[str] = set()
        self._self_reading: set[str] = set()
        for query in queries:
            self._add_view(query.sql_name, {*query.deps, *(query.references or ())})
        self.backed: dict[str, str] = {}
        for matview in materialized_views:
            backing_query = query_name(matview.query_id) if matview.query_id else None
            reads = {*matview.deps, *(matview.references or self._reads.get(backing_query or "", ()))}
            self._add(matview.sql_name, reads)
            if backing_query:
                self.backed[backing_query] = matview.sql_name
                if backing_query not in self._reads:
                    self._add_view(backing_query, reads)

    @property
    def backing_queries(self) -> frozenset[str]:
        """The names of the backing queries of matviews."""
        return frozenset(self.backed)

    def _add(self, name: str, reads: set[str]) -> None:
        # An object that reads its own previous result (an incremental query) does not depend on the result of this run.
        self._reads[name] = tuple(sorted(reads - {name}))

    def _add_view(self, name: str, reads: set[str]) -> None:
        self._add(name, reads)
        self._views.add(name)
        if name in reads:  # Dune would inline it into itself forever
            self._self_reading.add(name)

    def with_deps(self, deps: Mapping[str, Iterable[str]]) -> CatalogGraph:
        """Return this graph with more edges.

        Args:
            deps: The names that an object reads in addition, by the name of the object.

        Raises:
            DuneCatalogError: The edges make a circle.
        """
        graph = CatalogGraph((), ())
        graph.backed = self.backed
        graph._views = self._views
        graph._reads = dict(self._reads)
        for name, names in deps.items():
            graph._add(name, {*self.reads(name), *names})
        graph.topological_order()  # raises an error if there is a circle
        return graph

    def reads(self, name: str) -> tuple[str, ...]:
        """Return the names that one object reads directly, in alphabetical order."""
        return self._reads.get(name, ())

    def is_view(self, name: str) -> bool:
        """Whether a name is a query of the catalog, which Dune inlines into its readers."""
        return name in self._views

    def read_by_others(self, name: str) -> bool:
        """Whether anything in the catalog reads this name."""
        return name in self._all_read

    @cached_property
    def _all_read(self) -> set[str]:
        return {read for reads in self._reads.values() for read in reads}

    def nearest(self, name: str, wanted: Callable[[str], bool]) -> set[str]:
        """Find the nearest wanted names that an object reads, directly or through queries in between.

        Dune inlines queries, so the search continues with the reads of a query that is not wanted. It does not continue
        at a matview that is not wanted: its readers get the rows that it has stored.

        Args:
            name: The object to start from. It is never part of the result.
            wanted: Whether a name belongs in the result. The search does not continue beyond such a name.

        Returns:
            The wanted names nearest upstream.
        """
        return self.walk(name, wanted)[0]

    def walk(self, name: str, wanted: Callable[[str], bool]) -> tuple[set[str], set[str]]:
        """Find the names that `nearest` returns, and all other names that the search has visited.

        Args:
            name: The object to start from. It is in neither set.
            wanted: Whether a name belongs in the first set. The search does not continue beyond such a name.

        Returns:
            The nearest wanted names upstream; and the other visited names: views, whose reads were searched too, and
            names at which the search ended.
        """
        found, visited = set[str](), set[str]()
        pending = list(self.reads(name))
        while pending:
            upstream = pending.pop()
            if upstream == name or upstream in found or upstream in visited:
                continue
            if wanted(upstream):
                found.add(upstream)
                continue
            visited.add(upstream)
            if upstream in self._views:
                pending.extend(self.reads(upstream))
        return found, visited

    def topological_order(self) -> tuple[str, ...]:
        """Return all names in the graph; each comes after the names that it reads.

        Raises:
            DuneCatalogError: Some names read each other in a circle; the message shows it.
        """
        try:
            return tuple(TopologicalSorter(self._reads).static_order())
        except CycleError as error:
            circle = " -> ".join(error.args[1])
            raise DuneCatalogError(
                f"These read each other in a circle, so no order can refresh them: {circle}{_caller_location()}.",
                hint="Remove one of these deps, or leave one of the objects out of the catalog.",
            ) from error

    def cycles(self) -> list[list[str]]:
        """Find the names that read each other in circles.

        Returns:
            The strongly connected names of each cycle, in alphabetical order. A query that reads itself is a cycle too.
            A matview that reads itself is not: it reads the rows that it has stored.
        """
        # Tarjan's algorithm, without recursion: a chain of reads can be as long as the catalog.
        found: list[list[str]] = []
        numbers: dict[str, int] = {}
        lowest: dict[str, int] = {}
        on_stack: dict[str, None] = {}
        for start in self._reads:
            if start in numbers:
                continue
            path = [(start, iter(self.reads(start)))]
            numbers[start] = lowest[start] = len(numbers)
            on_stack[start] = None
            while path:
                name, reads = path[-1]
                following = next((read for read in reads if read not in numbers or read in on_stack), None)
                if following is None:
                    path.pop()
                    if path:
                        lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[name])
                    if lowest[name] == numbers[name]:
                        cycle = []
                        while name in on_stack:
                            cycle.append(on_stack.popitem()[0])
                        found += [sorted(cycle)] if len(cycle) > 1 else []
                elif following in numbers:
                    lowest[name] = min(lowest[name], numbers[following])
                else:
                    numbers[following] = lowest[following] = len(numbers)
                    on_stack[following] = None
                    path.append((following, iter(self.reads(following))))
        others = {name for cycle in found for name in cycle}
        return sorted([*found, *([name] for name in self._self_reading - others)])


def _caller_location() -> str:
    """Return the line of user code that called this library, as a message shows it; empty if there is none."""
    for frame in reversed(traceback.extract_stack()):
        module = Path(frame.filename)
        if LIBRARY not in module.parents and "site-packages" not in module.parts and module.is_file():
            return f" (in {module}, line {frame.lineno})"
    return ""
