"""What reads what, and what that means while only some of it is looked at."""

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
    """The edges between a catalog's objects and to whatever else they read.

    A backing query has a place here though it is no object: ``query_<id>`` of a backing query inlines the SQL of its
    matview, so whoever reads it reads what that SQL reads, and not the matview.

    Attributes:
        backed: By the name of each backing query, its matview.
    """

    def __init__(self, materialized_views: Iterable[MaterializedView], queries: Iterable[Query]) -> None:
        self._reads: dict[str, tuple[str, ...]] = {}
        self._views: set[str] = set()
        self._in_themselves: set[str] = set()
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
        """The names of the queries behind matviews."""
        return frozenset(self.backed)

    def _add(self, name: str, reads: set[str]) -> None:
        # An object that reads its own last result (an incremental query) does not depend on this run's.
        self._reads[name] = tuple(sorted(reads - {name}))

    def _add_view(self, name: str, reads: set[str]) -> None:
        self._add(name, reads)
        self._views.add(name)
        if name in reads:  # which Dune would inline without an end
            self._in_themselves.add(name)

    def with_deps(self, deps: Mapping[str, Iterable[str]]) -> CatalogGraph:
        """Return this graph with more edges.

        Args:
            deps: By the name of an object, the names that it is to read as well.

        Raises:
            DuneCatalogError: They close a circle.
        """
        graph = CatalogGraph((), ())
        graph.backed = self.backed
        graph._views = self._views
        graph._reads = dict(self._reads)
        for name, names in deps.items():
            graph._add(name, {*self.reads(name), *names})
        graph.topological_order()  # raises where there is a circle
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
        """Find what an object reads, looking through the queries in between.

        Dune inlines a query, so a query that is not wanted is looked through to what it reads itself. A matview that
        is not wanted is not looked through: its readers get what it stored last time.

        Args:
            name: Where to start; it is not in the answer itself.
            wanted: Whether the walk stops at a name and takes it.

        Returns:
            The wanted names nearest upstream.
        """
        return self.walk(name, wanted)[0]

    def walk(self, name: str, wanted: Callable[[str], bool]) -> tuple[set[str], set[str]]:
        """Find what `nearest` finds, and what is looked at on the way: views that are looked through, and walls.

        Args:
            name: Where to start; it is in neither answer.
            wanted: Whether the walk stops at a name and takes it.

        Returns:
            The wanted names nearest upstream, and the others that the walk has met.
        """
        found, passed = set[str](), set[str]()
        ahead = list(self.reads(name))
        while ahead:
            upstream = ahead.pop()
            if upstream == name or upstream in found or upstream in passed:
                continue
            if wanted(upstream):
                found.add(upstream)
                continue
            passed.add(upstream)
            if upstream in self._views:
                ahead.extend(self.reads(upstream))
        return found, passed

    def topological_order(self) -> tuple[str, ...]:
        """Return every name in the graph, each after all that it reads.

        Raises:
            DuneCatalogError: Some names read each other in a circle; the message shows it.
        """
        try:
            return tuple(TopologicalSorter(self._reads).static_order())
        except CycleError as error:
            circle = " -> ".join(error.args[1])
            raise DuneCatalogError(
                f"These read each other in a circle, so no order can refresh them: {circle}{_made_at()}.",
                hint="Remove one of these deps, or leave one of the objects out of the catalog.",
            ) from error

    def cycles(self) -> list[list[str]]:
        """Find the names that read each other in circles.

        Returns:
            A list a cycle, in alphabetical order: each of its names reads every other one, on whatever way. A query
            that reads itself is one, too; a matview that does reads what it stored last time.
        """
        # Tarjan's algorithm, without recursion: chains are as long as a catalog.
        found: list[list[str]] = []
        numbers: dict[str, int] = {}
        lowest: dict[str, int] = {}
        open_names: dict[str, None] = {}
        for start in self._reads:
            if start in numbers:
                continue
            ways = [(start, iter(self.reads(start)))]
            numbers[start] = lowest[start] = len(numbers)
            open_names[start] = None
            while ways:
                name, ahead = ways[-1]
                following = next((read for read in ahead if read not in numbers or read in open_names), None)
                if following is None:
                    ways.pop()
                    if ways:
                        lowest[ways[-1][0]] = min(lowest[ways[-1][0]], lowest[name])
                    if lowest[name] == numbers[name]:
                        cycle = []
                        while name in open_names:
                            cycle.append(open_names.popitem()[0])
                        found += [sorted(cycle)] if len(cycle) > 1 else []
                elif following in numbers:
                    lowest[name] = min(lowest[name], numbers[following])
                else:
                    numbers[following] = lowest[following] = len(numbers)
                    open_names[following] = None
                    ways.append((following, iter(self.reads(following))))
        others = {name for cycle in found for name in cycle}
        return sorted([*found, *([name] for name in self._in_themselves - others)])


def _made_at() -> str:
    """The line of the code outside of this library that asked for a catalog; empty where there is none."""
    for frame in reversed(traceback.extract_stack()):
        module = Path(frame.filename)
        if LIBRARY not in module.parents and "site-packages" not in module.parts and module.is_file():
            return f" (in {module}, line {frame.lineno})"
    return ""
