"""What names mean where an expression stands, and the translator as those see it who write a part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.registry import Operand
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.types.trino import Type


class Discover(Protocol):
    """Makes a column of a name."""

    def __call__(self, column: str, *, is_qualified: bool) -> tuple[str, Type]:
        """What is written for it, and its type."""

    @property
    def is_well_known(self) -> bool:
        """Whether the table's usual columns are known already."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are known so far."""

    @property
    def order(self) -> tuple[str, ...]:
        """The columns that must stand in this order, none where it is open."""

    def ordered(self, columns: Sequence[str]) -> None:
        """Note that the table has these columns, in this order."""


class Use(Protocol):
    """Is told that a column is named."""

    def __call__(self, *, is_qualified: bool) -> None:
        """With its table, or without."""


@dataclass(frozen=True)
class Field:
    """A column that expressions can name.

    Attributes:
        name: Its name, None where it has none.
        sql: What it is in DuckDB.
        type: Its type.
        qualifier: What may stand before its name: the alias of its table, or the parts of that one's name.
        origin: What a column of unknown type is made of, below the query that gives it.
        discover: Of a table whose columns are not known: makes a column of any name.
        use: Of a column of such a table: is told that it is named.
        drop: Of a column of such a table: gives it up, if it can, for that of another table.
    """

    name: str | None
    sql: str
    type: Type
    qualifier: tuple[str, ...] = ()
    origin: str = field(default="", compare=False)
    discover: Discover | None = field(default=None, compare=False)
    use: Use | None = field(default=None, compare=False)
    drop: Callable[[], bool] | None = field(default=None, compare=False)

    def answers(self, name: str, qualifier: tuple[str, ...]) -> bool:
        """Whether a name means this column."""
        if self.name is None or self.name.lower() != name:
            return False
        return not qualifier or self.qualifier[-len(qualifier) :] == qualifier


@dataclass(frozen=True)
class Relation:
    """Something with rows, in DuckDB's SQL.

    Attributes:
        sql: A query, or what stands in FROM.
        fields: Its columns.
    """

    sql: str
    fields: tuple[Field, ...]


@dataclass
class Grouping:
    """The aggregation below a SELECT: what is grouped by, and what is computed of each group.

    Attributes:
        alias: Its name in DuckDB.
        keys: The column of each expression that is grouped by.
        aggregates: The column of each aggregate.
    """

    alias: str
    keys: dict[str, Operand] = field(default_factory=dict)
    aggregates: dict[str, str] = field(default_factory=dict)

    def add(self, sql: str, type_: Type) -> Operand:
        """Compute an aggregate, once."""
        name = self.aggregates.setdefault(sql, f"dune_a{len(self.aggregates)}")
        return Operand(f"{self.alias}.{name}", type_)


@dataclass(frozen=True)
class Scope:
    """What names mean in a place.

    Attributes:
        fields: The columns.
        parent: What is around the query.
        variables: The parameters of lambdas.
        grouping: The aggregation below, where only its keys and aggregates can be named.
        windows: Windows with names.
        place: The clause, for messages, where neither aggregates nor windows can stand; empty elsewhere.
        aliases: The columns of a SELECT list, by their names.
        outer: Is told the columns in the query that belong to a query around it.
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
        """The same place below the aggregation."""
        return replace(self, grouping=None, aliases={})

    def inside(self, place: str) -> Scope:
        """The same names in a clause where neither aggregates nor windows can stand."""
        return replace(self, place=place)

    def with_variables(self, variables: dict[str, Operand]) -> Scope:
        """The same names, and the parameters of a lambda."""
        return replace(self, variables={**self.variables, **variables})


def is_open(relation: Relation) -> bool:
    """Whether a relation may have more columns than are known."""
    return any(each.discover is not None for each in relation.fields)


def closed(fields: Sequence[Field]) -> tuple[Field, ...]:
    """The columns that are known."""
    return tuple(each for each in fields if each.discover is None)


def passed_on(inner: Field, alias: str) -> Field:
    """A column of a query as the query around it sees it."""
    if inner.discover is not None:
        return replace(inner, qualifier=())
    return Field(inner.name, f"{alias}.{inner.sql}", inner.type, use=inner.use, drop=inner.drop)


class Translator(Protocol):
    """What the parts of the translation need of the whole."""

    def expression(self, node: exp.Expr, scope: Scope) -> Operand:
        """Write an expression."""

    def query(self, node: exp.Expr, parent: Scope | None) -> Relation:
        """Write a query; the SQL can stand in parentheses."""

    def fresh(self, prefix: str) -> str:
        """Make a name that no other thing has."""

    def note_origin(self, sql: str, origin: str) -> None:
        """Note what a column of unknown type is made of."""

    def table(self, node: exp.Table) -> Relation:
        """Write a table of the database, or a common table expression."""

    def function(self, node: exp.Expr, name: str, arguments: Sequence[exp.Expr], scope: Scope) -> Operand:
        """Write a call of a function of the list."""


def resolve(column: exp.Column, scope: Scope) -> Operand:
    """Find what a name means: a column, a parameter of a lambda, or a field of a row in one.

    Raises:
        SqlError: It means nothing, or more than one thing.
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
        if (value := _named(column, name, qualifier, scope)) is not None:
            if used < len(parts) and value.type.name != "row":
                part = _discovered_field(parts[: used + 1], qualifier, scope)
                if part is not None and used + 1 == len(parts):
                    return part
            for field_name in parts[used:]:
                value = row_field(column, value, field_name)
            return value
    return None


def _named(column: exp.Column, name: str, qualifier: tuple[str, ...], scope: Scope) -> Operand | None:
    if not qualifier and name in scope.variables:
        return scope.variables[name]
    if not qualifier and name in scope.aliases:
        return scope.aliases[name]
    answers = [each for each in scope.fields if each.answers(name, qualifier)]
    if not answers:
        answers = _discovered(name, qualifier, scope)
    answers = _without_guesses(answers)
    if len(answers) > 1:
        raise error_at(column, f"Column '{'.'.join((*qualifier, name))}' is ambiguous")
    if not answers:
        return None
    found = answers[0]
    if found.use is not None:
        found.use(is_qualified=bool(qualifier) or _is_alone(scope))
    if scope.grouping is None:
        return Operand(found.sql, found.type)
    if (key := scope.grouping.keys.get(found.sql)) is not None:
        return key
    written = ".".join((*qualifier, name))
    raise error_at(column, f"'{written}' must be an aggregate expression or appear in GROUP BY clause")


def _is_alone(scope: Scope) -> bool:
    """Whether there is one table only whose columns are not known, so that a name that nothing else has is its."""
    return scope.parent is None and sum(each.discover is not None for each in scope.fields) == 1


def _discovered(name: str, qualifier: tuple[str, ...], scope: Scope) -> list[Field]:
    """Take a column that no table is known to have for one of the first whose columns are not known at all."""
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
    """Take a field of a column of a table whose columns are not known, which makes the column a row."""
    for each in scope.fields:
        if each.discover is not None and (not qualifier or each.qualifier[-len(qualifier) :] == qualifier):
            sql, type_ = each.discover(".".join(parts[len(qualifier) :]), is_qualified=True)
            return Operand(sql, type_)
    return None


def _without_guesses(answers: list[Field]) -> list[Field]:
    """Of several columns of one name, leave those out that a table is only guessed to have."""
    kept = list(answers)
    for each in reversed(answers):
        if len(kept) > 1 and each.drop is not None and each.drop():
            kept.remove(each)
    return kept


def row_field(node: exp.Expr, value: Operand, name: str) -> Operand:
    """Take a field out of a row by its name."""
    if value.type.name == "row":
        places = [place for place, each in enumerate(value.type.names) if each is not None and each.lower() == name]
        if len(places) > 1:
            raise error_at(node, f"Ambiguous row field reference: {name}")
        if places:
            return Operand(f"struct_extract_at({value.sql}, {places[0] + 1})", value.type.of[places[0]])
    raise error_at(node, f"Column '{name}' cannot be resolved: {value.type} has no such field")
