"""Discovers the columns of tables with unknown columns while a query is translated."""

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
    """A table that has any column that a query names."""

    name: str
    alias: str
    discovery: Discovery

    def __call__(self, column: str, *, is_qualified: bool) -> tuple[str, Type]:
        """Return the SQL and the type of a column, which is added if it is new."""
        sql = f'{self.alias}."{column}"'
        return sql, self.discovery.found(self.name, column, sql, is_qualified=is_qualified)

    @property
    def is_well_known(self) -> bool:
        """Whether its usual columns are known."""
        return self.discovery.is_well_known(self.name)

    @property
    def names(self) -> tuple[str, ...]:
        """The known columns."""
        return tuple(self.discovery.columns(self.name) or ())

    @property
    def order(self) -> tuple[str, ...]:
        """The columns whose order is determined, in it; none if it is not."""
        return tuple(self.discovery.order(self.name))

    def ordered(self, columns: Sequence[str]) -> None:
        """Record that it has these columns, in this order."""
        self.discovery.ordered(self.name, columns)


@dataclass(frozen=True)
class UnitedTables:
    """Tables of a UNION, which have the same columns, so that a new column is added to each.

    Attributes:
        tables: The tables.
        lacking: For each table, columns that are selected besides its star, and that it does not have.
    """

    tables: tuple[Discover, ...]
    lacking: tuple[frozenset[str], ...]

    def __call__(self, column: str, *, is_qualified: bool) -> tuple[str, Type]:
        """Return the SQL and the type of a column, which is added if it is new."""
        del is_qualified
        made = [table(column, is_qualified=True) for table in self._having(column)]
        link([Operand(sql, type_) for sql, type_ in made])
        return made[0]

    @property
    def is_well_known(self) -> bool:
        """Whether the usual columns of one of them are known."""
        return any(table.is_well_known for table in self.tables)

    @property
    def names(self) -> tuple[str, ...]:
        """The known columns of all of them."""
        return tuple(dict.fromkeys(name for table in self.tables for name in table.names))

    @property
    def order(self) -> tuple[str, ...]:
        """The columns whose order is determined, in it; columns that not all tables have are last."""
        columns = dict.fromkeys(name for table in self.tables for name in table.order)
        if any(self.lacking):
            columns |= dict.fromkeys(sorted((*self.names, *frozenset().union(*self.lacking))))
        return tuple(sorted(columns, key=lambda name: len(self._having(name)) < len(self.tables)))

    def ordered(self, columns: Sequence[str]) -> None:
        """Record that they have these columns, in this order."""
        for table, lacking in zip(self.tables, self.lacking, strict=True):
            table.ordered([column for column in columns if column not in lacking])

    def _having(self, column: str) -> tuple[Discover, ...]:
        having = zip(self.tables, self.lacking, strict=True)
        return tuple(table for table, lacking in having if column not in lacking) or self.tables


class Discovery(Protocol):
    """Returns known columns, and is notified of others."""

    def columns(self, table: str) -> Mapping[str, Type] | None:
        """Return the known columns of a table, None if there is no such table."""

    def is_open(self, table: str) -> bool:
        """Return whether a table may have unknown columns."""

    def is_well_known(self, table: str) -> bool:
        """Return whether the usual columns of a table are known, so that others are probably those of another table."""

    def found(self, table: str, column: str, sql: str, *, is_qualified: bool) -> Type:
        """Add a column that no table is known to have, with its SQL, and return its type."""

    def known(self, table: str, column: str, sql: str) -> None:
        """Record the SQL of a known column."""

    def use(self, sql: str, *, is_qualified: bool) -> None:
        """Record that a column is used, with or without its table."""

    def drop(self, sql: str) -> bool:
        """Remove a column that another table has too, and return whether that is possible."""

    def order(self, table: str) -> Sequence[str]:
        """Return the columns of a table whose order is determined, in it."""

    def ordered(self, table: str, columns: Sequence[str]) -> None:
        """Record that a table has these columns, in this order."""

    def observe(self, sql: str, target: Type, *, is_exact: bool = False) -> None:
        """Record the type that the use of a value of unknown type requires, and whether it can be no wider type."""

    def link(self, sqls: Sequence[str]) -> None:
        """Record that values have the same type."""

    def elements(self, sql: str) -> str:
        """Record that a value is an array, and return the name of its elements; empty if it is no column."""

    def compared(self, sql: str, text: str) -> None:
        """Record that a column is compared with a literal text, bytes or integer."""
