"""Translates a query while the columns of the tables that it reads are inferred."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dagster_dune.emulator.dunesql.compiler import Compiled
from dagster_dune.emulator.dunesql.rewrite.discovery import Discovery
from dagster_dune.emulator.dunesql.rewrite.translation import translate_discovering
from dagster_dune.emulator.dunesql.types.trino import Type
from dagster_dune.emulator.engine.schemas.found_columns import ELEMENT, KnownTables, Place
from dagster_dune.emulator.engine.schemas.usual_types import usual_type
from dagster_dune.emulator.engine.schemas.well_known_tables import well_known
from dagster_dune.emulator.sql_errors import SqlError


class _QueryDiscovery(Discovery):
    """The `Discovery` of one query, which adds what it observes to the known tables."""

    def __init__(self, tables: KnownTables) -> None:
        self.tables = tables
        self.places: dict[str, Place] = {}
        self.used: dict[Place, None] = {}

    def columns(self, table: str) -> Mapping[str, Type] | None:
        if table not in self.tables.known:
            self.tables.known[table] = dict(well_known(table) or {})
        return self.tables.columns(table)

    def is_open(self, table: str) -> bool:
        return table not in self.tables.declared

    def is_well_known(self, table: str) -> bool:
        return table not in self.tables.declared and well_known(table) is not None

    def found(self, table: str, column: str, sql: str, *, is_qualified: bool) -> Type:
        place = (table, column)
        self.places[sql] = place
        self._use(place)
        return self.tables.discover(place, is_qualified=is_qualified)

    def known(self, table: str, column: str, sql: str) -> None:
        self.places[sql] = (table, column)

    def drop(self, sql: str) -> bool:
        return sql in self.places and self.tables.drop(self.places[sql])

    def use(self, sql: str, *, is_qualified: bool) -> None:
        if (place := self.places.get(sql)) is not None:
            self._use(place)
            if is_qualified:
                self.tables.named.add(place)

    def order(self, table: str) -> Sequence[str]:
        return self.tables.orders.get(table, ())

    def ordered(self, table: str, columns: Sequence[str]) -> None:
        self.tables.orders[table] = tuple(columns)

    def elements(self, sql: str) -> str:
        if sql not in self.places:
            return ""
        table, column = self.places[sql]
        self.tables.arrays.add((table, column))
        name = f"{sql}{ELEMENT}"
        self.places[name] = (table, column + ELEMENT)
        return name

    def observe(self, sql: str, target: Type, *, is_exact: bool = False) -> None:
        if sql in self.places:
            self.tables.observe(self.places[sql], target, is_exact=is_exact)

    def link(self, sqls: Sequence[str]) -> None:
        self._link([self.places[sql] for sql in sqls if sql in self.places])

    def _link(self, places: Sequence[Place]) -> None:
        """Record that columns have the same type; a known type of one is set for the others."""
        types = [self.tables.type_of(place) for place in places]
        known = next((type_ for type_ in types if type_.name != "unknown"), None)
        usual = next((usual for place in places if (usual := usual_type(place[1])) is not None), None)
        if len(places) > 1:
            self.tables.link(places)
        if len(places) > 1 and (target := known or usual) is not None:
            for place in places:
                self.tables.observe(place, target)

    def compared(self, sql: str, text: str) -> None:
        place = self.places.get(sql)
        if place is not None and not place[1].endswith(ELEMENT):
            self.tables.compared.setdefault(place, {})[text] = None

    def _use(self, place: Place) -> None:
        self.used.pop(place, None)
        self.used[place] = None


def read_query(query: Compiled, tables: KnownTables) -> str | None:
    """Translate a query, and return its error."""
    return attempt(query, tables)[0]


def attempt(query: Compiled, tables: KnownTables) -> tuple[str | None, list[Place]]:
    """Translate a query, and return its error and the columns that it has used, the last first."""
    reading = _QueryDiscovery(tables)
    try:
        translate_discovering(query.statement, reading)
    except SqlError as error:
        return str(error), list(reversed(reading.used))
    return None, list(reversed(reading.used))
