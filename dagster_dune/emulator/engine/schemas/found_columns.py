"""`KnownTables`: the columns of tables as far as they are inferred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dagster_dune.emulator.dunesql.types.trino import Type, array, row
from dagster_dune.emulator.engine.schemas.usual_types import filled_type, widest_type
from dagster_dune.emulator.engine.schemas.well_known_tables import well_known

Place = tuple[str, str]
"""A table and a column, which may be a field, ``column.field``, or the elements of an array, ``column[]``."""
ELEMENT = "[]"


@dataclass
class KnownTables:
    """The columns and types that the queries read so far imply."""

    known: dict[str, dict[str, Type]]
    declared: set[str] = field(default_factory=set)
    named: set[Place] = field(default_factory=set)
    linked: dict[Place, set[Place]] = field(default_factory=dict)
    orders: dict[str, tuple[str, ...]] = field(default_factory=dict)
    compared: dict[Place, dict[str, None]] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    arrays: set[Place] = field(default_factory=set)

    def columns(self, table: str) -> dict[str, Type] | None:
        """Return the columns of a table; a column with known fields is a row of these."""
        found = self.known.get(table)
        if found is None or table in self.declared:
            return found
        plain = {column: type_ for column, type_ in found.items() if "." not in column}
        for column, type_ in found.items():
            if "." in column:
                whole, name = column.split(".", 1)
                before = plain.get(whole)
                fields = dict(zip(before.names, before.of, strict=True)) if before and before.name == "row" else {}
                fields[name] = type_
                plain[whole] = row(tuple(fields.values()), tuple(fields))
        return plain

    def discover(self, place: Place, *, is_qualified: bool) -> Type:
        """Add a column to a table, and return its type."""
        table, column = place
        if is_qualified:
            self.named.add(place)
        columns = self.known.setdefault(table, {})
        if column not in columns:
            columns[column] = Type("unknown")
            self.changed.add(table)
        return columns[column]

    def is_well_known(self, place: Place) -> bool:
        """Return whether a column is one of a well-known table."""
        return place[0] not in self.declared and place[1] in (well_known(place[0]) or ())

    def drop(self, place: Place) -> bool:
        """Remove a column that was inferred from an unqualified name, since another table has it."""
        if place[0] in self.declared or place in self.named or self.is_well_known(place):
            return False
        self.known.get(place[0], {}).pop(place[1], None)
        self.changed.add(place[0])
        return True

    def link(self, places: Sequence[Place]) -> None:
        """Record that columns have the same type."""
        whole = set(places).union(*(self.linked.get(place, set()) for place in places))
        for place in whole:
            self.linked[place] = whole

    def set_type(self, place: Place, type_: Type) -> dict[Place, Type]:
        """Set the type of a column and of those with the same type, and return the previous types."""
        given = {
            each: its
            for each, its in self._agreeing(place, type_).items()
            if each[0] not in self.declared and each[1] in self.known.get(each[0], {}) and not self.is_well_known(each)
        }
        before = {(table, column): self.known[table][column] for table, column in given}
        for (table, column), its in given.items():
            self.known[table][column] = its
        return before

    def type_of(self, place: Place) -> Type:
        """Return the type of a column; varchar if it is unknown."""
        table, column = place
        if not column.endswith(ELEMENT):
            return self.known.get(table, {}).get(column, Type("varchar"))
        whole = self.type_of((table, column.removesuffix(ELEMENT)))
        return whole.of[0] if whole.name == "array" else whole

    def observe(self, place: Place, target: Type, *, is_exact: bool = False) -> None:
        """Set the type of a column from its use, if it is unknown."""
        if target.name == "unknown" or self.type_of(place).name != "unknown":
            return
        column, ending, _ = place[1].partition(ELEMENT)
        filled = filled_type(target, column)
        is_kept = is_exact and filled.is_integer and not ending
        self.fill(place, filled if is_kept else widest_type(column.removesuffix("s") if ending else column, filled))

    def fill(self, place: Place, type_: Type) -> None:
        """Set the type of a column and of those with the same type, where they have none."""
        for (table, column), its in self._agreeing(place, type_).items():
            if self.type_of((table, column)).name == "unknown":
                self.known[table][column] = its
                self.changed.add(table)

    def _agreeing(self, place: Place, type_: Type) -> dict[Place, Type]:
        """Return the types that follow from that of a column: of itself, of linked columns, and of arrays of these."""
        found: dict[Place, Type] = {}
        waiting = [(place, type_)]
        while waiting:
            one, its = waiting.pop()
            if one in found:
                continue
            found[one] = its
            waiting += [(each, its) for each in self.linked.get(one, ())]
            table, column = one
            if column.endswith(ELEMENT):
                waiting.append(((table, column.removesuffix(ELEMENT)), array(its)))
            if its.name == "array":
                waiting.append(((table, column + ELEMENT), its.of[0]))
        return {each: its for each, its in found.items() if not each[1].endswith(ELEMENT)}
