"""Who is told of the columns of tables that are not known, while a query is translated over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dagster_dune.emulator.dunesql.functions.registry import Operand
from dagster_dune.emulator.dunesql.rewrite.observation import link
from dagster_dune.emulator.dunesql.rewrite.scopes import Discover
from dagster_dune.emulator.dunesql.types.trino import Type


@dataclass(frozen=True)
class OpenTable:
    """A table that has any column that is asked for."""

    name: str
    alias: str
    discovery: Discovery

    def __call__(self, column: str, *, is_qualified: bool) -> tuple[str, Type]:
        """Make a column."""
        sql = f'{self.alias}."{column}"'
        return sql, self.discovery.found(self.name, column, sql, is_qualified=is_qualified)

    @property
    def is_well_known(self) -> bool:
        """Whether its usual columns are known already."""
        return self.discovery.is_well_known(self.name)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are known so far."""
        return tuple(self.discovery.columns(self.name) or ())

    @property
    def order(self) -> tuple[str, ...]:
        """The columns that must stand in this order, none where it is open."""
        return tuple(self.discovery.order(self.name))

    def ordered(self, columns: Sequence[str]) -> None:
        """Note that it has these columns, in this order."""
        self.discovery.ordered(self.name, columns)


@dataclass(frozen=True)
class UnitedTables:
    """Tables of one UNION, which have the same columns: one that is asked for is made in each.

    Attributes:
        tables: The tables.
        lacking: For each, names of columns that stand beside its star, which it does not have.
    """

    tables: tuple[Discover, ...]
    lacking: tuple[frozenset[str], ...]

    def __call__(self, column: str, *, is_qualified: bool) -> tuple[str, Type]:
        """Make a column."""
        del is_qualified
        made = [table(column, is_qualified=True) for table in self._having(column)]
        link([Operand(sql, type_) for sql, type_ in made])
        return made[0]

    @property
    def is_well_known(self) -> bool:
        """Whether the usual columns of one are known already."""
        return any(table.is_well_known for table in self.tables)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are known so far of any."""
        return tuple(dict.fromkeys(name for table in self.tables for name in table.names))

    @property
    def order(self) -> tuple[str, ...]:
        """The columns that must stand in this order: last those that not all have."""
        columns = dict.fromkeys(name for table in self.tables for name in table.order)
        if any(self.lacking):
            columns |= dict.fromkeys(sorted((*self.names, *frozenset().union(*self.lacking))))
        return tuple(sorted(columns, key=lambda name: len(self._having(name)) < len(self.tables)))

    def ordered(self, columns: Sequence[str]) -> None:
        """Note that they have these columns, in this order."""
        for table, lacking in zip(self.tables, self.lacking, strict=True):
            table.ordered([column for column in columns if column not in lacking])

    def _having(self, column: str) -> tuple[Discover, ...]:
        having = zip(self.tables, self.lacking, strict=True)
        return tuple(table for table, lacking in having if column not in lacking) or self.tables


class Discovery(Protocol):
    """Gives the columns that are known so far, and is told of the others."""

    def columns(self, table: str) -> Mapping[str, Type] | None:
        """The columns of a table that are known so far, None where there is none of that name."""

    def is_open(self, table: str) -> bool:
        """Whether a table may have more columns than are known."""

    def is_well_known(self, table: str) -> bool:
        """Whether the usual columns of a table are known already, so that another name is likelier another table's."""

    def found(self, table: str, column: str, sql: str, *, is_qualified: bool) -> Type:
        """Take a column that no table is known to have; `sql` is what is written for it."""

    def known(self, table: str, column: str, sql: str) -> None:
        """Note what is written for a column that is known."""

    def use(self, sql: str, *, is_qualified: bool) -> None:
        """Note that a column is named, with its table or without."""

    def drop(self, sql: str) -> bool:
        """Give a column up that another table has too, and tell whether that can be."""

    def order(self, table: str) -> Sequence[str]:
        """The columns of a table that must stand in an order, in it."""

    def ordered(self, table: str, columns: Sequence[str]) -> None:
        """Note that a table has these columns, in this order."""

    def observe(self, sql: str, target: Type, *, is_exact: bool = False) -> None:
        """Note which type a value of unknown type is taken for, and that it can be no wider one if it is exact."""

    def link(self, sqls: Sequence[str]) -> None:
        """Note that values are of one type."""

    def elements(self, sql: str) -> str:
        """Note that a value is an array; return what its elements are called, nothing if it is no column."""

    def compared(self, sql: str, text: str) -> None:
        """Note that a column is compared with a text, bytes or a whole number that is written out."""
