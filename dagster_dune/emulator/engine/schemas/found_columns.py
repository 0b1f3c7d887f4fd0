"""What is known so far of the columns of tables, while queries are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dagster_dune.emulator.dunesql.types.trino import Type, array, row
from dagster_dune.emulator.engine.schemas.usual_types import filled_type, widest_type
from dagster_dune.emulator.engine.schemas.well_known_tables import well_known

Place = tuple[str, str]
"""A table and a column of it; a field of a column is ``column.field``, the elements of one are ``column[]``."""
ELEMENT = "[]"


@dataclass
class KnownTables:
    """What is known so far, while queries are read."""

    known: dict[str, dict[str, Type]]
    declared: set[str] = field(default_factory=set)
    named: set[Place] = field(default_factory=set)
    linked: dict[Place, set[Place]] = field(default_factory=dict)
    orders: dict[str, tuple[str, ...]] = field(default_factory=dict)
    compared: dict[Place, dict[str, None]] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    arrays: set[Place] = field(default_factory=set)

    def columns(self, table: str) -> dict[str, Type] | None:
        """The columns of a table; a column of which fields are known is a row of these."""
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
        """Take a name for a column of a table, and tell its type."""
        table, column = place
        if is_qualified:
            self.named.add(place)
        columns = self.known.setdefault(table, {})
        if column not in columns:
            columns[column] = Type("unknown")
            self.changed.add(table)
        return columns[column]

    def is_well_known(self, place: Place) -> bool:
        """Whether a column is one of a table of Dune's whose columns are written down."""
        return place[0] not in self.declared and place[1] in (well_known(place[0]) or ())

    def drop(self, place: Place) -> bool:
        """Take a column away again that a name without a table was taken for, since another table has it."""
        if place[0] in self.declared or place in self.named or self.is_well_known(place):
            return False
        self.known.get(place[0], {}).pop(place[1], None)
        self.changed.add(place[0])
        return True

    def link(self, places: Sequence[Place]) -> None:
        """Note that columns are of one type."""
        whole = set(places).union(*(self.linked.get(place, set()) for place in places))
        for place in whole:
            self.linked[place] = whole

    def set_type(self, place: Place, type_: Type) -> dict[Place, Type]:
        """Give a column, and those that must be of its type, another one; return what they had."""
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
        """The type of a column; that of a text where there is none."""
        table, column = place
        if not column.endswith(ELEMENT):
            return self.known.get(table, {}).get(column, Type("varchar"))
        whole = self.type_of((table, column.removesuffix(ELEMENT)))
        return whole.of[0] if whole.name == "array" else whole

    def observe(self, place: Place, target: Type, *, is_exact: bool = False) -> None:
        """Give a column of unknown type the one that it is taken for."""
        if target.name == "unknown" or self.type_of(place).name != "unknown":
            return
        column, ending, _ = place[1].partition(ELEMENT)
        filled = filled_type(target, column)
        is_kept = is_exact and filled.is_integer and not ending
        self.fill(place, filled if is_kept else widest_type(column.removesuffix("s") if ending else column, filled))

    def fill(self, place: Place, type_: Type) -> None:
        """Give a column, and those that must be of its type, one where they have none."""
        for (table, column), its in self._agreeing(place, type_).items():
            if self.type_of((table, column)).name == "unknown":
                self.known[table][column] = its
                self.changed.add(table)

    def _agreeing(self, place: Place, type_: Type) -> dict[Place, Type]:
        """The columns that are told by the type of one, with theirs: it, those linked with it, arrays of these."""
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
