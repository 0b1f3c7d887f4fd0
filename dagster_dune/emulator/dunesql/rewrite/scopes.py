"""Scopes, which resolve names, and the protocol of the translator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.registry import Operand
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.types.trino import Type


class Discover(Protocol):
    """Discovers columns of a table with unknown columns."""

    def __call__(self, column: str, *, is_qualified: bool) -> tuple[str, Type]:
        """Return the SQL and the type of a column."""

    @property
    def is_well_known(self) -> bool:
        """Whether the usual columns of the table are known."""

    @property
    def names(self) -> tuple[str, ...]:
        """The known columns."""

    @property
    def order(self) -> tuple[str, ...]:
        """The columns whose order is determined, in it; none if it is not."""

    def ordered(self, columns: Sequence[str]) -> None:
        """Record that the table has these columns, in this order."""


class Use(Protocol):
    """Is notified that a column is used."""

    def __call__(self, *, is_qualified: bool) -> None:
        """Record a use, with or without the table."""


@dataclass(frozen=True)
class Field:
    """A column in a scope.

    Attributes:
        name: The name, None if it has none.
        sql: The SQL of DuckDB.
        type: The type.
        qualifier: The possible qualifiers: the alias of the table, or the parts of its name.
        origin: The SQL of a column of unknown type inside the query that returns it.
        discover: Discovers columns, if the field is a table with unknown columns.
        use: Is notified of uses of a discovered column.
        drop: Removes a discovered column in favour of one of another table, and returns whether it could.
    """

    name: str | None
    sql: str
    type: Type
    qualifier: tuple[str, ...] = ()
    origin: str = field(default="", compare=False)
    discover: Discover | None = field(default=None, compare=False)
    use: Use | None = field(default=None, compare=False)
    drop: Callable[[], bool] | None = field(default=None, compare=False)

    def matches(self, name: str, qualifier: tuple[str, ...]) -> bool:
        """Return whether a name resolves to this column."""
        if self.name is None or self.name.lower() != name:
            return False
        return not qualifier or self.qualifier[-len(qualifier) :] == qualifier


@dataclass(frozen=True)
class Relation:
    """A translated relation.

    Attributes:
        sql: A query, or an item of FROM.
        fields: The columns.
    """

    sql: str
    fields: tuple[Field, ...]


@dataclass
class Grouping:
    """The aggregation of a SELECT: the keys and aggregates of the inner query.

    Attributes:
        alias: The alias in DuckDB.
        keys: The columns of grouping keys by their SQL.
        aggregates: The columns of aggregates by their SQL.
    """

    alias: str
    keys: dict[str, Operand] = field(default_factory=dict)
    aggregates: dict[str, str] = field(default_factory=dict)

    def add(self, sql: str, type_: Type) -> Operand:
        """Add an aggregate, unless it exists, and return its column."""
        name = self.aggregates.setdefault(sql, f"dune_a{len(self.aggregates)}")
        return Operand(f"{self.alias}.{name}", type_)


@dataclass(frozen=True)
class Scope:
    """The names that an expression can use.

    Attributes:
        fields: The columns.
        parent: The scope of the outer query.
        variables: The parameters of lambdas.
        grouping: The aggregation, if only its keys and aggregates can be used.
        windows: The windows of WINDOW.
        place: The name of a clause without aggregates and windows, for messages; empty elsewhere.
        aliases: The columns of a SELECT list by name.
        outer: Collects the columns in the query that belong to outer queries.
    """

    fields: Sequence[Field] = ()
    parent: Scope | None = None
    variables: dict[str, Operand] = field(default_factory=dict)
    grouping: Grouping | None = None
    windows: dict[str, exp.Expr] = field(default_factory=dict)
    place: str = ""
    aliases: dict[str, Operand] = field(default_factory=dict)
    outer: list[exp.Expr] = field(default_factory=list, compare=False)

    @property
    def source(self) -> Scope:
        """The scope of the inner query of an aggregation."""
        return replace(self, grouping=None, aliases={})

    def inside(self, place: str) -> Scope:
        """Return the scope of a clause without aggregates and windows."""
        return replace(self, place=place)

    def with_variables(self, variables: dict[str, Operand]) -> Scope:
        """Return the scope with the parameters of a lambda."""
        return replace(self, variables={**self.variables, **variables})


def is_open(relation: Relation) -> bool:
    """Return whether a relation may have unknown columns."""
    return any(each.discover is not None for each in relation.fields)


def closed(fields: Sequence[Field]) -> tuple[Field, ...]:
    """Return the known columns."""
    return tuple(each for each in fields if each.discover is None)


def in_outer_query(inner: Field, alias: str) -> Field:
    """Return a column of a subquery as a column of the outer query."""
    if inner.discover is not None:
        return replace(inner, qualifier=())
    return Field(inner.name, f"{alias}.{inner.sql}", inner.type, use=inner.use, drop=inner.drop)


class Translator(Protocol):
    """The translator, as the modules that translate parts use it."""

    def expression(self, node: exp.Expr, scope: Scope) -> Operand:
        """Translate an expression."""

    def query(self, node: exp.Expr, parent: Scope | None) -> Relation:
        """Translate a query; the SQL can be put into parentheses."""

    def fresh(self, prefix: str) -> str:
        """Return a unique name."""

    def note_origin(self, sql: str, origin: str) -> None:
        """Record the origin of a column of unknown type."""

    def table(self, node: exp.Table) -> Relation:
        """Translate a table or a common table expression."""

    def function(self, node: exp.Expr, name: str, arguments: Sequence[exp.Expr], scope: Scope) -> Operand:
        """Translate a call of a function."""


def resolve(column: exp.Column, scope: Scope) -> Operand:
    """Resolve a name: a column, a parameter of a lambda, or a field of one of these.

    Raises:
        SqlError: It cannot be resolved, or is ambiguous.
    """
    parts = tuple(part.name.lower() for part in column.parts)
    current: Scope | None = scope
    left: list[Scope] = []
    while current is not None:
        if (found := _found(column, parts, current)) is not None:
            for each in left:
                each.outer.append(column)
            return found
        left.append(current)
        current = current.parent
    written = ".".join(part.name for part in column.parts)
    raise error_at(column, f"Column '{written}' cannot be resolved")


def _found(column: exp.Column, parts: tuple[str, ...], scope: Scope) -> Operand | None:
    for used in range(len(parts), 0, -1):
        name, qualifier = parts[used - 1], parts[: used - 1]
        if (value := _grouped_field(column, parts, used, scope)) is not None:
            return value
        if (value := _named(column, name, qualifier, scope)) is not None:
            if used < len(parts) and value.type.name != "row":
                part = _discovered_field(parts[: used + 1], qualifier, scope)
                if part is not None and used + 1 == len(parts):
                    return part
            for field_name in parts[used:]:
                value = row_field(column, value, field_name)
            return value
    return None


def _grouped_field(column: exp.Column, parts: tuple[str, ...], used: int, scope: Scope) -> Operand | None:
    """Take a field of what is grouped by and is itself a field: ``a.b.c`` where rows are grouped by ``a.b``."""
    if scope.grouping is None or used + 1 >= len(parts) or parts[0] in scope.variables:
        return None
    value = _named(column, parts[used - 1], parts[: used - 1], scope.source)
    for place in range(used, len(parts)):
        if value is None or value.type.name != "row":
            return None
        value = row_field(column, value, parts[place])
        if (key := scope.grouping.keys.get(value.sql)) is not None:
            for name in parts[place + 1 :]:
                key = row_field(column, key, name)
            return key
    return None


def _named(column: exp.Column, name: str, qualifier: tuple[str, ...], scope: Scope) -> Operand | None:
    if not qualifier and name in scope.variables:
        return scope.variables[name]
    if not qualifier and name in scope.aliases:
        return scope.aliases[name]
    matches = [each for each in scope.fields if each.matches(name, qualifier)]
    if not matches:
        matches = _discovered(name, qualifier, scope)
    matches = _without_guesses(matches)
    if len(matches) > 1:
        raise error_at(column, f"Column '{'.'.join((*qualifier, name))}' is ambiguous")
    if not matches:
        return None
    found = matches[0]
    if found.use is not None:
        found.use(is_qualified=bool(qualifier) or _is_alone(scope))
    if scope.grouping is None:
        return Operand(found.sql, found.type)
    if (key := scope.grouping.keys.get(found.sql)) is not None:
        return key
    written = ".".join((*qualifier, name))
    raise error_at(column, f"'{written}' must be an aggregate expression or appear in GROUP BY clause")


def _is_alone(scope: Scope) -> bool:
    """Return whether there is only one table with unknown columns, to which unknown names therefore belong."""
    return scope.parent is None and sum(each.discover is not None for each in scope.fields) == 1


def _discovered(name: str, qualifier: tuple[str, ...], scope: Scope) -> list[Field]:
    """Discover a column that no table is known to have in the first table without any known columns."""
    found = [
        (each, each.discover)
        for each in scope.fields
        if each.discover is not None and (not qualifier or each.qualifier[-len(qualifier) :] == qualifier)
    ]
    for each, discover in sorted(found, key=lambda pair: pair[1].is_well_known)[:1]:
        sql, type_ = discover(name, is_qualified=bool(qualifier) or _is_alone(scope))
        return [Field(name, sql, type_, each.qualifier)]
    return []


def _discovered_field(parts: tuple[str, ...], qualifier: tuple[str, ...], scope: Scope) -> Operand | None:
    """Discover a field of a column of a table with unknown columns, which is then a row."""
    for each in scope.fields:
        if each.discover is not None and (not qualifier or each.qualifier[-len(qualifier) :] == qualifier):
            sql, type_ = each.discover(".".join(parts[len(qualifier) :]), is_qualified=True)
            return Operand(sql, type_)
    return None


def _without_guesses(matches: list[Field]) -> list[Field]:
    """Remove the discovered columns from several columns with the same name."""
    kept = list(matches)
    for each in reversed(matches):
        if len(kept) > 1 and each.drop is not None and each.drop():
            kept.remove(each)
    return kept


def row_field(node: exp.Expr, value: Operand, name: str) -> Operand:
    """Return the field of a row by its name."""
    if value.type.name == "row":
        places = [place for place, each in enumerate(value.type.names) if each is not None and each.lower() == name]
        if len(places) > 1:
            raise error_at(node, f"Ambiguous row field reference: {name}")
        if places:
            return Operand(f"struct_extract_at({value.sql}, {places[0] + 1})", value.type.of[places[0]])
    raise error_at(node, f"Column '{name}' cannot be resolved: {value.type} has no such field")
