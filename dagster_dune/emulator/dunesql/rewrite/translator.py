"""`QueryTranslator`: translates a query with its tables and common table expressions."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.registry import Operand, RefusedError
from dagster_dune.emulator.dunesql.parse.incremental import PREVIOUS, definitions, is_previous
from dagster_dune.emulator.dunesql.parse.positions import VIEW, error_at
from dagster_dune.emulator.dunesql.resolve.names import quoted, table_name
from dagster_dune.emulator.dunesql.rewrite.casts.conversion import coerced, converted
from dagster_dune.emulator.dunesql.rewrite.discovery import Discovery, OpenTable
from dagster_dune.emulator.dunesql.rewrite.expressions import aggregation, calls
from dagster_dune.emulator.dunesql.rewrite.expressions.writers import WRITERS, inner_predicate
from dagster_dune.emulator.dunesql.rewrite.queries import ordering, select, set_operations
from dagster_dune.emulator.dunesql.rewrite.queries.ctes import Cte, headed, mark_read, unrolled, with_names
from dagster_dune.emulator.dunesql.rewrite.queries.grouping import alike
from dagster_dune.emulator.dunesql.rewrite.queries.values import values
from dagster_dune.emulator.dunesql.rewrite.scopes import Field, Relation, Scope, in_outer_query
from dagster_dune.emulator.dunesql.types.coercion import can_coerce
from dagster_dune.emulator.dunesql.types.parsing import read_type
from dagster_dune.emulator.dunesql.types.trino import UNKNOWN, Type
from dagster_dune.emulator.sql_errors import SqlError

Tables = Callable[[str], Sequence[tuple[str, Type, str]] | None]
"""Returns the columns of a table by its full name: name, type, and SQL of DuckDB in which ``$`` is the column."""
_EXPRESSIONS_PER_CHECK = 50
"""The number of expressions between two checks of the time, which are slower than a translation on some machines."""


@dataclass
class QueryTranslator:
    """Translates one query."""

    tables: Tables
    previous: str | None
    deadline: float
    seconds: float
    ctes: list[dict[str, Cte]] = field(default_factory=list)
    name_count: int = 0
    inner_cache: dict[tuple[int, int], Operand] = field(default_factory=dict)
    cached_nodes: list[object] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)
    discovery: Discovery | None = None
    expression_count: int = 0

    def fresh(self, prefix: str) -> str:
        """Return a unique name."""
        self.name_count += 1
        return f"{prefix}{self.name_count}"

    def note_origin(self, sql: str, origin: str) -> None:
        """Record the origin of a column of unknown type."""
        if origin and self.discovery is not None and self.origin(origin) != sql:
            self.origins[sql] = origin

    def origin(self, sql: str) -> str:
        """Return the first origin of a column."""
        while sql in self.origins:
            sql = self.origins[sql]
        return sql

    # Expressions.

    def expression(self, node: exp.Expr, scope: Scope) -> Operand:
        """Translate an expression."""
        if isinstance(node, exp.Predicate) and (inner := inner_predicate(node)) is not None:
            raise error_at(inner, "mismatched input: one comparison stands beside another; put one in parentheses")
        self.expression_count += 1
        if self.expression_count % _EXPRESSIONS_PER_CHECK == 0 and time.thread_time() > self.deadline:
            raise SqlError(f"The query takes longer than {self.seconds:g} s to compile; this emulator gives up")
        if scope.grouping is not None and (key := self._key(node, scope)) is not None:
            return key
        try:
            return self._translated(node, scope)
        except RefusedError as error:
            raise error_at(node, str(error)) from None

    def _key(self, node: exp.Expr, scope: Scope) -> Operand | None:
        """Return the grouping key that equals an expression, if there is one."""
        grouping = scope.grouping
        if grouping is None or isinstance(node, exp.Literal | exp.Lambda) or not grouping.keys:
            return None
        if aggregation.has_aggregate(node) or aggregation.is_aggregate_part(node):
            return None
        try:
            below = self.below(node, scope)
        except SqlError:
            return None
        return grouping.keys.get(alike(below.sql))

    def below(self, node: exp.Expr, scope: Scope) -> Operand:
        """Translate an expression in the inner query of an aggregation, and cache the result."""
        key = (id(node), id(scope.grouping))
        if key not in self.inner_cache:
            self.inner_cache[key] = self._translated(node, scope.source)
            self.cached_nodes.append(node)
        return self.inner_cache[key]

    def _translated(self, node: exp.Expr, scope: Scope) -> Operand:
        write = WRITERS.get(type(node))
        if write is None:
            raise error_at(node, f"{node.key.upper()} is not supported by this emulator")
        return write(self, node, scope)

    def function(self, node: exp.Expr, name: str, arguments: Sequence[exp.Expr], scope: Scope) -> Operand:
        """Translate a call of a function."""
        return calls.call(self, node, name, arguments, scope)

    # Queries.

    def query(self, node: exp.Expr, parent: Scope | None) -> Relation:
        """Translate a query with its common table expressions."""
        clause = node.args.get("with_")
        if clause is None:
            return self._body(node, parent)
        own: dict[str, Cte] = {}
        self.ctes.append(own)
        try:
            for each in clause.expressions:
                name = each.alias.lower()
                if name in own:
                    raise error_at(each, f"WITH query name '{each.alias}' specified more than once")
                own[name] = self._cte(each, own, recursive=bool(clause.args.get("recursive")))
            relation = self._body(node, parent)
        finally:
            self.ctes.pop()
        return Relation(headed(relation.sql, [cte for cte in own.values() if cte.is_read]), relation.fields)

    def _cte(self, node: exp.CTE, own: dict[str, Cte], *, recursive: bool) -> Cte:
        if node.args.get("materialized") is not None:
            raise error_at(node, "mismatched input 'MATERIALIZED': a WITH query is AS (...)")
        name = self.fresh("w")
        columns = [column.name for column in node.args["alias"].columns]
        is_recursive = recursive and any(
            not table.db and table.name.lower() == node.alias.lower() for table in node.this.find_all(exp.Table)
        )
        if is_recursive:
            return self._recursive(node, own, name, columns)
        before = {each.name: each.is_read for each in own.values()}
        relation = self.query(node.this, None)
        reads = tuple(each for each in own.values() if each.is_read and not before[each.name])
        for each in reads:
            each.is_read = False
        return Cte(name, with_names(node, relation, columns), reads=reads)

    def _recursive(self, node: exp.CTE, own: dict[str, Cte], name: str, columns: list[str]) -> Cte:
        union = node.this
        while isinstance(union, exp.Subquery) and not union.args.get("with_"):
            union = union.this
        if not isinstance(union, exp.Union) or not columns:
            raise error_at(node, "A recursive query must name its columns, and be a UNION of its start and its step")
        start = with_names(node, self.query(union.this, None), columns)
        own[node.alias.lower()] = Cte(name, start)
        step = self.query(union.expression, None)
        if len(step.fields) != len(start.fields):
            raise error_at(node, "The step of a recursive query must have the columns of its start")
        alias = self.fresh("u")
        parts = []
        for first, later in zip(start.fields, step.fields, strict=True):
            if not can_coerce(later.type, first.type):
                words = f"recursion step relation output type ({later.type})"
                raise error_at(node, f"{words} is not coercible to recursion base relation output type ({first.type})")
            parts.append(f"{coerced(Operand(f'{alias}.{later.sql}', later.type), first.type).sql} AS {first.sql}")
        stepped = f"SELECT {', '.join(parts)} FROM ({step.sql}) AS {alias}"
        if not re.search(rf"\b{name} AS ", step.sql):
            joined = "UNION" if union.args.get("distinct") else "UNION ALL"
            return Cte(name, Relation(f"({start.sql}) {joined} ({stepped})", start.fields))
        steps, whole = unrolled(name, start, stepped, is_distinct=bool(union.args.get("distinct")))
        return Cte(name, Relation(whole, start.fields), steps)

    def _body(self, node: exp.Expr, parent: Scope | None) -> Relation:
        if isinstance(node, exp.Select):
            return select.select(self, node, parent)
        if isinstance(node, exp.Union | exp.Except | exp.Intersect):
            return set_operations.set_operation(self, node, parent)
        if isinstance(node, exp.Values):
            return values(self, node, parent or Scope())
        if isinstance(node, exp.Subquery):
            return ordering.parenthesized(self, node, parent)
        if isinstance(node, exp.Table):
            return self._body(exp.select("*").from_(node.copy()), parent)
        raise error_at(node, f"{node.key.upper()} is not supported by this emulator")

    def table(self, node: exp.Table) -> Relation:
        """Translate a table, a common table expression, or the previous result."""
        alias = self.fresh("t")
        if is_previous(node):
            return self._previous_result(node, alias)
        if not node.db:
            for level in reversed(self.ctes):
                if (cte := level.get(node.name.lower())) is not None:
                    mark_read(cte)
                    for each in cte.relation.fields:
                        self.note_origin(f"{alias}.{each.sql}", each.origin)
                    fields = tuple(in_outer_query(each, alias) for each in cte.relation.fields)
                    return Relation(f"{cte.name} AS {alias}", fields)
        name = table_name(node)
        columns = self.tables(name) if node.db else None
        if columns is None:
            raise error_at(node, f"Table '{name}' does not exist")
        fields = _fields(columns, alias)
        if self.discovery is not None:
            fields = self._open(name, alias, fields, self.discovery)
        return Relation(f"{quoted(name)} AS {alias}", fields)

    def _open(self, table: str, alias: str, fields: tuple[Field, ...], discovery: Discovery) -> tuple[Field, ...]:
        """Add a field to a table from which further columns are discovered."""
        for each in fields:
            discovery.known(table, each.name or "", each.sql)
        if not discovery.is_open(table):
            return fields

        known = tuple(
            replace(each, use=partial(discovery.use, each.sql), drop=partial(discovery.drop, each.sql))
            for each in fields
        )
        return (*known, Field(None, "", UNKNOWN, discover=OpenTable(table, alias, discovery)))

    def _previous_result(self, node: exp.Table, alias: str) -> Relation:
        if VIEW in node.meta:
            raise error_at(node, "An incremental query cannot be read as a view by this emulator; materialize it")
        wanted = [(name, read_type(kind.sql("trino"))) for name, kind in definitions(node)]
        stored = self.tables(self.previous) if self.previous else None
        if self.previous is None or stored is None:
            columns = ", ".join(f"CAST(NULL AS {type_.duckdb}) AS c{place}" for place, (_, type_) in enumerate(wanted))
            sql = f"(SELECT {columns} WHERE false) AS {alias}"
        else:
            inner = self.fresh("t")
            found = {(each.name or "").lower(): each for each in _fields(stored, inner)}
            parts = []
            for place, (name, type_) in enumerate(wanted):
                if name.lower() not in found:
                    raise error_at(node, f"Column '{name}' cannot be resolved")
                column = found[name.lower()]
                is_text = self.previous == PREVIOUS and type_.name == "varbinary"
                value = f"py_from_hex({column.sql})" if is_text else converted(column.sql, column.type, type_)
                parts.append(f"{value} AS c{place}")
            source = self.previous if self.previous == PREVIOUS else quoted(self.previous)
            sql = f"(SELECT {', '.join(parts)} FROM {source} AS {inner}) AS {alias}"
        fields = (Field(name, f"{alias}.c{place}", type_) for place, (name, type_) in enumerate(wanted))
        return Relation(sql, tuple(fields))


def _fields(columns: Sequence[tuple[str, Type, str]], alias: str) -> tuple[Field, ...]:
    return tuple(
        Field(name, sql.replace("$", f'{alias}."' + name.replace('"', '""') + '"'), type_)
        for name, type_, sql in columns
    )
