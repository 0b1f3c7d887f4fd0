"""The translation of a whole query: who writes which kind of node, and what tables and views there are."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.catalog import AGGREGATES, FUNCTIONS, WINDOWS
from dagster_dune.emulator.dunesql.functions.registry import Operand, RefusedError
from dagster_dune.emulator.dunesql.functions.times import at_zone
from dagster_dune.emulator.dunesql.parse.functions import ARRAY_CALL, function_name
from dagster_dune.emulator.dunesql.parse.incremental import PREVIOUS, definitions, is_previous
from dagster_dune.emulator.dunesql.parse.positions import VIEW, error_at
from dagster_dune.emulator.dunesql.resolve.names import quoted, table_name
from dagster_dune.emulator.dunesql.rewrite import (
    aggregation,
    calls,
    comparisons,
    conditions,
    documents,
    literals,
    operators,
    queries,
    relations,
)  # fmt: skip
from dagster_dune.emulator.dunesql.rewrite.casts import OBSERVER, NoCastError, coerced, converted, derived
from dagster_dune.emulator.dunesql.rewrite.discovery import Discovery
from dagster_dune.emulator.dunesql.rewrite.scopes import Field, Relation, Scope, is_open, passed_on, resolve
from dagster_dune.emulator.dunesql.types.coercion import can_coerce
from dagster_dune.emulator.dunesql.types.trino import (
    BOOLEAN,
    DATE,
    UNKNOWN,
    Type,
    array,
    read_type,
    row,
    timestamp,
    timestamp_tz,
)  # fmt: skip
from dagster_dune.emulator.sql_errors import SqlError

Tables = Callable[[str], Sequence[tuple[str, Type, str]] | None]
"""Gives the columns of a table by its full name: name, type, and what it is in DuckDB where ``$`` is the column."""

MOST_SECONDS = 2.0
"""How long a translation may take, in seconds of the processor."""
_ASKED_EVERY = 50
"""After how many expressions the clock is looked at, which takes longer than to write one on some machines."""


# Assumption: local-incremental-parameters.
@dataclass(frozen=True)
class Translated:
    """A query in DuckDB's SQL.

    Attributes:
        sql: The text; its columns are called c0, c1 and so on.
        columns: Their names and types.
    """

    sql: str
    columns: tuple[tuple[str, Type], ...]


def translate(
    statement: exp.Query, tables: Tables, previous: str | None = None, seconds: float = MOST_SECONDS
) -> Translated:
    """Write a query as DuckDB's SQL.

    Args:
        statement: A compiled query; it is not changed.
        tables: What tables there are.
        previous: The full name of the table that holds the previous result of this query, if there is one.
        seconds: How long it may take of the processor.

    Raises:
        SqlError: It means nothing, or something that is not supported.
    """
    translator = QueryTranslator(tables, previous, time.thread_time() + seconds, seconds)
    try:
        relation = translator.query(statement, None)
    except RecursionError:
        raise SqlError("The query is nested too deep for this emulator") from None
    names = [each.name or f"_col{place}" for place, each in enumerate(relation.fields)]
    return Translated(relation.sql, tuple(zip(names, (each.type for each in relation.fields), strict=True)))


def translate_discovering(statement: exp.Query, discovery: Discovery) -> None:
    """Translate a query over tables whose columns are found on the way.

    Args:
        statement: A compiled query.
        discovery: Is told of each column, and gives its type.

    Raises:
        SqlError: The query means nothing whatever the columns are.
    """

    def tables(name: str) -> list[tuple[str, Type, str]] | None:
        columns = discovery.columns(name)
        if columns is None and not discovery.is_open(name):
            return None
        return [(column, type_, "$") for column, type_ in (columns or {}).items()]

    translator = QueryTranslator(tables, None, time.thread_time() + MOST_SECONDS, MOST_SECONDS, discovery=discovery)
    token = OBSERVER.set(_Observer(translator, discovery))
    try:
        translator.query(statement, None)
    except RecursionError:
        raise SqlError("The query is nested too deep for this emulator") from None
    finally:
        OBSERVER.reset(token)


@dataclass(frozen=True)
class _Observer:
    """Passes on what values are taken for, by the columns that these are made of."""

    translator: QueryTranslator
    discovery: Discovery

    def observe(self, sql: str, target: Type, *, is_exact: bool) -> None:
        """A value of unknown type is taken for one of a type."""
        self.discovery.observe(self.translator.origin(sql), target, is_exact=is_exact)

    def derive(self, sql: str, origin: str) -> None:
        """A value of unknown type has the type of another one."""
        self.translator.note_origin(sql, origin)

    def link(self, sqls: Sequence[str]) -> None:
        """Values of unknown type must be of one type."""
        self.discovery.link([self.translator.origin(sql) for sql in sqls])

    def compare(self, sql: str, text: str) -> None:
        """A value is compared with one that is written out."""
        self.discovery.compared(self.translator.origin(sql), text)


@dataclass(frozen=True)
class _OpenTable:
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

    def ordered(self, columns: Sequence[str]) -> None:
        """Note that it has these columns, in this order."""
        self.discovery.ordered(self.name, columns)


@dataclass
class _Cte:
    """A common table expression: written where it is read first, and put at the head of its query.

    The steps of a recursive one are common table expressions before it.
    """

    name: str
    relation: Relation
    steps: tuple[str, ...] = ()
    is_read: bool = False


@dataclass
class QueryTranslator:
    """Translates one query."""

    tables: Tables
    previous: str | None
    until: float
    seconds: float
    ctes: list[dict[str, _Cte]] = field(default_factory=list)
    made: int = 0
    written: dict[tuple[int, int], Operand] = field(default_factory=dict)
    kept: list[object] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)
    discovery: Discovery | None = None
    asked: int = 0

    def fresh(self, prefix: str) -> str:
        """Make a name that no other thing has."""
        self.made += 1
        return f"{prefix}{self.made}"

    def note_origin(self, sql: str, origin: str) -> None:
        """Note what a column of unknown type is made of."""
        if origin and self.discovery is not None and self.origin(origin) != sql:
            self.origins[sql] = origin

    def origin(self, sql: str) -> str:
        """Find what a column is made of in the end."""
        while sql in self.origins:
            sql = self.origins[sql]
        return sql

    # Expressions.

    def expression(self, node: exp.Expr, scope: Scope) -> Operand:
        """Write an expression."""
        if isinstance(node, exp.Predicate) and (inner := _inner_predicate(node)) is not None:
            raise error_at(inner, "mismatched input: one comparison stands beside another; put one in parentheses")
        self.asked += 1
        if self.asked % _ASKED_EVERY == 0 and time.thread_time() > self.until:
            raise SqlError(f"The query takes longer than {self.seconds:g} s to compile; this emulator gives up")
        if scope.grouping is not None and (key := self._key(node, scope)) is not None:
            return key
        try:
            return self._written(node, scope)
        except (NoCastError, RefusedError) as error:
            raise error_at(node, str(error)) from None

    def _key(self, node: exp.Expr, scope: Scope) -> Operand | None:
        """What an expression is grouped by as, if it equals one that is."""
        grouping = scope.grouping
        if grouping is None or isinstance(node, exp.Literal | exp.Lambda) or not grouping.keys:
            return None
        if aggregation.has_aggregate(node) or aggregation.is_aggregate_part(node):
            return None
        try:
            below = self.below(node, scope)
        except SqlError:
            return None
        return grouping.keys.get(below.sql)

    def below(self, node: exp.Expr, scope: Scope) -> Operand:
        """Write an expression as it is below the aggregation, once."""
        key = (id(node), id(scope.grouping))
        if key not in self.written:
            self.written[key] = self._written(node, scope.source)
            self.kept.append(node)
        return self.written[key]

    def _written(self, node: exp.Expr, scope: Scope) -> Operand:
        write = _WRITERS.get(type(node))
        if write is None:
            raise error_at(node, f"{node.key.upper()} is not supported by this emulator")
        return write(self, node, scope)

    def function(self, node: exp.Expr, name: str, arguments: Sequence[exp.Expr], scope: Scope) -> Operand:
        """Write a call of a function of the list."""
        return calls.call(self, node, name, arguments, scope)

    # Queries.

    def query(self, node: exp.Expr, parent: Scope | None) -> Relation:
        """Write a query with its common table expressions."""
        clause = node.args.get("with_")
        if clause is None:
            return self._body(node, parent)
        own: dict[str, _Cte] = {}
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
        return Relation(_headed(relation.sql, [cte for cte in own.values() if cte.is_read]), relation.fields)

    def _cte(self, node: exp.CTE, own: dict[str, _Cte], *, recursive: bool) -> _Cte:
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
        reads = [each for each in own.values() if each.is_read and not before[each.name]]
        for each in reads:
            each.is_read = False
        made = _Cte(name, _with_names(node, relation, columns))
        made.__dict__["reads"] = reads
        return made

    def _recursive(self, node: exp.CTE, own: dict[str, _Cte], name: str, columns: list[str]) -> _Cte:
        union = node.this
        while isinstance(union, exp.Subquery) and not union.args.get("with_"):
            union = union.this
        if not isinstance(union, exp.Union) or not columns:
            raise error_at(node, "A recursive query must name its columns, and be a UNION of its start and its step")
        start = _with_names(node, self.query(union.this, None), columns)
        own[node.alias.lower()] = _Cte(name, start)
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
            return _Cte(name, Relation(f"({start.sql}) {joined} ({stepped})", start.fields))
        steps, whole = _unrolled(name, start, stepped, is_distinct=bool(union.args.get("distinct")))
        return _Cte(name, Relation(whole, start.fields), steps)

    def _body(self, node: exp.Expr, parent: Scope | None) -> Relation:
        if isinstance(node, exp.Select):
            return queries.select(self, node, parent)
        if isinstance(node, exp.Union | exp.Except | exp.Intersect):
            return queries.set_operation(self, node, parent)
        if isinstance(node, exp.Values):
            return relations.values(self, node, parent or Scope())
        if isinstance(node, exp.Subquery):
            return queries.parenthesized(self, node, parent)
        if isinstance(node, exp.Table):
            return self._body(exp.select("*").from_(node.copy()), parent)
        raise error_at(node, f"{node.key.upper()} is not supported by this emulator")

    def table(self, node: exp.Table) -> Relation:
        """Write a table of the database, a common table expression, or the previous result."""
        alias = self.fresh("t")
        if is_previous(node):
            return self._previous_result(node, alias)
        if not node.db:
            for level in reversed(self.ctes):
                if (cte := level.get(node.name.lower())) is not None:
                    _mark_read(cte)
                    for each in cte.relation.fields:
                        self.note_origin(f"{alias}.{each.sql}", each.origin)
                    fields = tuple(passed_on(each, alias) for each in cte.relation.fields)
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
        """Let a table have any column, beside those that are known already."""
        for each in fields:
            discovery.known(table, each.name or "", each.sql)
        if not discovery.is_open(table):
            return fields

        known = tuple(
            replace(each, use=partial(discovery.use, each.sql), drop=partial(discovery.drop, each.sql))
            for each in fields
        )
        return (*known, Field(None, "", UNKNOWN, discover=_OpenTable(table, alias, discovery)))

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


def _mark_read(cte: _Cte) -> None:
    if not cte.is_read:
        cte.is_read = True
        for each in cte.__dict__.get("reads", ()):
            _mark_read(each)


def _headed(sql: str, ctes: Sequence[_Cte]) -> str:
    if not ctes:
        return sql
    written = [
        text
        for cte in ctes
        for text in (
            *cte.steps,
            f"{cte.name}({', '.join(each.sql for each in cte.relation.fields)}) AS ({cte.relation.sql})",
        )
    ]
    body = f"SELECT * FROM ({sql}) AS dune_body" if sql.startswith("WITH ") else sql
    return f"WITH {', '.join(written)} {body}"


# Assumption: local-recursion-depth.
_MOST_STEPS = 10


def _unrolled(name: str, start: Relation, step: str, *, is_distinct: bool) -> tuple[tuple[str, ...], str]:
    """Write a recursive query as Trino runs it: so many steps, each over the rows of the one before, and no more."""
    names = ", ".join(each.sql for each in start.fields)
    reads = re.compile(rf"\b{name} AS ")
    texts = [start.sql, *(reads.sub(f"{name}_{number} AS ", step) for number in range(_MOST_STEPS + 1))]
    steps = tuple(f"{name}_{number}({names}) AS MATERIALIZED ({text})" for number, text in enumerate(texts))
    parts = [f"SELECT {names} FROM {name}_{number}" for number in range(_MOST_STEPS + 1)]
    words = f"'trino: Recursion depth limit exceeded ({_MOST_STEPS})'"
    row = f"left(coalesce(CAST({start.fields[0].sql} AS VARCHAR), ''), 0)"
    parts.append(f"SELECT {names} FROM {name}_{_MOST_STEPS + 1} WHERE CAST({words} || {row} AS BIGINT) = 0")
    whole = " UNION ALL ".join(parts)
    return steps, f"SELECT DISTINCT {names} FROM ({whole}) AS dune_steps" if is_distinct else whole


def _with_names(node: exp.CTE, relation: Relation, columns: list[str]) -> Relation:
    if is_open(relation):
        return Relation(relation.sql, relation.fields)
    if columns and len(columns) != len(relation.fields):
        raise error_at(
            node, f"Column alias list has {len(columns)} entries but relation has {len(relation.fields)} columns"
        )
    fields = tuple(
        replace(each, name=columns[place] if columns else each.name) for place, each in enumerate(relation.fields)
    )
    return Relation(relation.sql, fields)


# What writes each kind of node.


def _column(translator: QueryTranslator, node: exp.Column, scope: Scope) -> Operand:
    del translator
    return resolve(node, scope)


def _identifier(translator: QueryTranslator, node: exp.Identifier, scope: Scope) -> Operand:
    """A parameter of a lambda, which the parser does not take for a column."""
    column = exp.column(node.copy())
    column.meta.update(node.meta)
    return _column(translator, column, scope)


def _binary(translator: QueryTranslator, node: exp.Binary, scope: Scope) -> Operand:
    """Write a chain of operators from its left end, without going deeper for each."""
    chain: list[exp.Expr] = [node]
    while scope.grouping is None and type(chain[-1].this) in _CHAINED:
        chain.append(chain[-1].this)
    value = translator.expression(chain[-1].this, scope)
    for each in reversed(chain):
        right = translator.expression(each.expression, scope)
        if isinstance(each, exp.DPipe):
            value = operators.joined(each, value, right)
            continue
        try:
            value = operators.arithmetic(each, operators.SIGNS[type(each)], value, right)
        except ValueError as error:
            raise error_at(each, str(error)) from None
    return value


def _inner_predicate(node: exp.Expr) -> exp.Expr | None:
    """A predicate that stands beside another without parentheses: ``a = b IN (1)`` means nothing in Trino."""
    sides = (node.this, node.args.get("expression"))
    return next((each for each in sides if isinstance(each, _PREDICATES)), None)


def _comparison(translator: QueryTranslator, node: exp.Binary, scope: Scope) -> Operand:
    sign = comparisons.SIGNS[type(node)]
    left = translator.expression(node.this, scope)
    other = node.expression
    is_all = isinstance(other, exp.All) or _quantifier(other) == "all"
    if is_all or isinstance(other, exp.Any) or _quantifier(other):
        query = other.this if isinstance(other, exp.Any | exp.All) else other.expressions[0]
        return comparisons.quantified(node, sign, left, query, is_all=is_all, translator=translator, scope=scope)
    return comparisons.compared(node, sign, left, translator.expression(other, scope))


def _quantifier(node: exp.Expr) -> str:
    name = node.name.lower() if isinstance(node, exp.Anonymous) else ""
    is_query = bool(name) and len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Query | exp.Values)
    return name if name in ("all", "any", "some") and is_query else ""


def _negation(translator: QueryTranslator, node: exp.Neg, scope: Scope) -> Operand:
    inner = node.this
    if isinstance(inner, exp.Literal) and not inner.is_string:
        return literals.number(f"-{inner.name.replace('_', '')}")
    return operators.negated(node, translator.expression(inner, scope))


def _anonymous(translator: QueryTranslator, node: exp.Anonymous, scope: Scope) -> Operand:
    name = function_name(node)
    if name in _SPECIAL:
        return _SPECIAL[name](translator, node, scope)
    if name in AGGREGATES or name in WINDOWS:
        return aggregation.aggregate(translator, node, scope)
    if name not in FUNCTIONS:
        raise error_at(
            node, f"Function '{name or node.name.lower()}' is not registered, or not supported by this emulator"
        )
    return translator.function(node, name, node.expressions, scope)


def _all(translator: QueryTranslator, nodes: Sequence[exp.Expr], scope: Scope) -> list[Operand]:
    return [translator.expression(node, scope) for node in nodes]


def _try(translator: QueryTranslator, node: exp.Anonymous, scope: Scope) -> Operand:
    value = translator.expression(node.expressions[0], scope)
    return derived(Operand(f"TRY({value.sql})", value.type), [value])


def _row(translator: QueryTranslator, node: exp.Expr, scope: Scope) -> Operand:
    values = _all(translator, node.expressions, scope)
    fields = ", ".join(f"f{place} := {_typed(value)}" for place, value in enumerate(values))
    return Operand(f"struct_pack({fields})", row(tuple(value.type for value in values)))


def _typed(value: Operand) -> str:
    return f"CAST({value.sql} AS {value.type.duckdb})" if value.is_constant else value.sql


def _array(translator: QueryTranslator, node: exp.Anonymous, scope: Scope) -> Operand:
    values, common = conditions.one_type(node, _all(translator, node.expressions, scope), "All ARRAY elements")
    return Operand(f"CAST([{', '.join(value.sql for value in values)}] AS {common.duckdb}[])", array(common))


def _literal_call(translator: QueryTranslator, node: exp.Anonymous, scope: Scope) -> Operand:
    del translator, scope
    kind, written = (part.name for part in node.expressions)
    made = literals.typed_literal(node, kind, written)
    assert made is not None  # noqa: S101 - the parser marks those that there are
    return made


def _date(translator: QueryTranslator, node: exp.Anonymous, scope: Scope) -> Operand:
    value = translator.expression(node.expressions[0], scope)
    return Operand(converted(value.sql, value.type, DATE), DATE)


def _cast_type(node: exp.Cast) -> Type:
    written = node.to.sql("trino")
    try:
        return read_type(written)
    except ValueError:
        raise error_at(node, f"Unknown type: {written.lower()}") from None


def _cast(translator: QueryTranslator, node: exp.Cast, scope: Scope) -> Operand:
    value, target = translator.expression(node.this, scope), _cast_type(node)
    if target.find("unknown") or any(not 0 <= t.digits <= 12 for t in (target,) if t.name.startswith("time")):
        raise error_at(node, f"Cannot cast {value.type} to {target}")
    if (value.type.zoned and target.name == "timestamp with time zone") or (
        target.name == "timestamp with time zone" and value.type.name == "varchar" and not _is_utc(value)
    ):
        target = timestamp_tz(target.digits, zoned=True)
    if isinstance(node, exp.TryCast):
        return Operand(f"TRY({converted(value.sql, value.type, target)})", target)
    literal = value.literal if target.name == "varchar" else None
    return Operand(converted(value.sql, value.type, target), target, literal=literal)


def _is_utc(value: Operand) -> bool:
    """Whether a text that becomes a time with a zone is sure to name UTC or none."""
    if value.literal is None:
        return False
    text = value.literal.strip()
    return (
        text.upper().endswith(("UTC", "Z"))
        or text[10:].replace(":", "").replace(".", "").replace(" ", "").isdigit()
        or len(text) <= 10
    )


def _at_time_zone(translator: QueryTranslator, node: exp.AtTimeZone, scope: Scope) -> Operand:
    value, zone = translator.expression(node.this, scope), translator.expression(node.args["zone"], scope)
    if value.type.name == "unknown":
        return Operand("CAST(NULL AS TIMESTAMPTZ)", timestamp_tz(3))
    if value.type.name not in ("timestamp", "timestamp with time zone") or zone.type.name != "varchar":
        raise error_at(
            node, f"Type of value must be a time or timestamp with or without time zone (actual {value.type})"
        )
    sql, type_ = at_zone(value, zone, value.type.digits)
    return Operand(sql, type_)


def _extract(translator: QueryTranslator, node: exp.Extract, scope: Scope) -> Operand:
    name = node.name.lower()
    if name not in _EXTRACTED:
        raise error_at(node, f"EXTRACT({name.upper()} FROM ...) is not supported: Invalid EXTRACT field")
    return translator.function(node, name, [node.expression], scope)


_EXTRACTED = ("year", "quarter", "month", "week", "day", "day_of_month", "day_of_week", "dow", "day_of_year", "doy",
              "year_of_week", "yow", "hour", "minute", "second", "timezone_hour", "timezone_minute")  # fmt: skip


def _trim(translator: QueryTranslator, node: exp.Trim, scope: Scope) -> Operand:
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(node.text("position").upper(), "trim")
    arguments = [node.this, *([node.expression] if node.args.get("expression") else [])]
    return translator.function(node, name, arguments, scope)


def _substring(translator: QueryTranslator, node: exp.Substring, scope: Scope) -> Operand:
    arguments = [node.this, node.args["start"], *([node.args["length"]] if node.args.get("length") else [])]
    return translator.function(node, "substr", arguments, scope)


def _position(translator: QueryTranslator, node: exp.StrPosition, scope: Scope) -> Operand:
    return translator.function(node, "strpos", [node.this, node.args["substr"]], scope)


def _normalize(translator: QueryTranslator, node: exp.Expr, scope: Scope) -> Operand:
    form = (node.args.get("form") or exp.Var(this="NFC")).name.upper()
    if form not in ("NFC", "NFD", "NFKC", "NFKD"):
        raise error_at(node, f"'{form}' is no normal form: write NFC, NFD, NFKC or NFKD")
    return translator.function(node, "normalize", [node.this, exp.Literal.string(form)], scope)


def _subscript(translator: QueryTranslator, node: exp.Bracket, scope: Scope) -> Operand:
    keys = node.expressions
    if len(keys) != 1 or isinstance(keys[0], exp.Slice):
        raise error_at(node, "A subscript must be one position or one key")
    position = int(keys[0].name) if isinstance(keys[0], exp.Literal) and keys[0].is_int else None
    container = translator.expression(node.this, scope)
    return operators.subscript(node, container, translator.expression(keys[0], scope), position)


def _in(translator: QueryTranslator, node: exp.In, scope: Scope) -> Operand:
    value = translator.expression(node.this, scope)
    if node.args.get("query") is not None:
        return comparisons.in_query(node, value, translator, node.args["query"], scope)
    if len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Values):
        return comparisons.in_query(node, value, translator, node.expressions[0], scope)
    if node.args.get("unnest") is not None or not node.expressions:
        raise error_at(node, "IN takes a list or a subquery")
    return comparisons.in_list(node, value, _all(translator, node.expressions, scope))


def _between(translator: QueryTranslator, node: exp.Between, scope: Scope) -> Operand:
    if node.args.get("symmetric"):
        raise error_at(node, "BETWEEN SYMMETRIC is not Trino's")
    return comparisons.between(node, *_all(translator, [node.this, node.args["low"], node.args["high"]], scope))


def _like(translator: QueryTranslator, node: exp.Expr, scope: Scope) -> Operand:
    escape = translator.expression(node.expression, scope) if isinstance(node, exp.Escape) else None
    inner = node.this if isinstance(node, exp.Escape) else node
    if not isinstance(inner, exp.Like):
        raise error_at(node, f"{inner.key.upper()} is not Trino's")
    made = comparisons.like(
        node, translator.expression(inner.this, scope), translator.expression(inner.expression, scope), escape
    )
    return Operand(f"(NOT {made.sql})", BOOLEAN) if inner.args.get("negate") else made


def _subquery(translator: QueryTranslator, node: exp.Expr, scope: Scope) -> Operand:
    relation = translator.query(node, scope)
    if len(relation.fields) != 1:
        types = row(tuple(each.type for each in relation.fields))
        alias = translator.fresh("q")
        made = ", ".join(f"f{place} := {alias}.{each.sql}" for place, each in enumerate(relation.fields))
        return Operand(f"(SELECT struct_pack({made}) FROM ({relation.sql}) AS {alias})", types)
    only = relation.fields[0]
    return derived(Operand(f"({relation.sql})", only.type), [Operand(only.origin, only.type)] if only.origin else [])


def _exists(translator: QueryTranslator, node: exp.Exists, scope: Scope) -> Operand:
    return Operand(f"EXISTS ({translator.query(node.this, scope).sql})", BOOLEAN)


def _dot(translator: QueryTranslator, node: exp.Dot, scope: Scope) -> Operand:
    return operators.dereference(node, translator.expression(node.this, scope))


def _now(translator: QueryTranslator, node: exp.Expr, scope: Scope) -> Operand:
    del translator, scope
    digits = int(node.this.name) if isinstance(node.this, exp.Literal) else 3
    if digits > 6:
        raise error_at(node, "current_timestamp of more than 6 digits is not supported by this emulator")
    return Operand("trino_now()", timestamp_tz(digits))


def _local_now(translator: QueryTranslator, node: exp.Expr, scope: Scope) -> Operand:
    moment = _now(translator, node, scope)
    return Operand(f"CAST({moment.sql} AS TIMESTAMP)", timestamp(moment.type.digits))


def _local_clock(translator: QueryTranslator, node: exp.Expr, scope: Scope) -> Operand:
    moment = _local_now(translator, node, scope)
    return Operand(f"CAST({moment.sql} AS TIME)", Type("time", moment.type.args))


def _paren(translator: QueryTranslator, node: exp.Paren, scope: Scope) -> Operand:
    return translator.expression(node.this, scope)


_PREDICATES: tuple[type[exp.Expr], ...] = (*comparisons.SIGNS, exp.In, exp.Between, exp.Like, exp.Is)
_CHAINED = (*operators.SIGNS, exp.DPipe)
Writer = Callable[..., Operand]
"""Is given the translator, a node of the one kind that it writes, and the scope."""

_SPECIAL: dict[str, Writer] = {
    "coalesce": lambda t, n, s: conditions.coalesce(n, _all(t, n.expressions, s)),
    "nullif": lambda t, n, s: conditions.nullif(n, *_all(t, n.expressions, s)),
    "try": _try,
    "row": _row,
    ARRAY_CALL: _array,
    "date": _date,
    "literal": _literal_call,
    "grouping": aggregation.grouping,
    "json_exists": documents.exists,
    "json_query": documents.query,
    "json_value": documents.value,
    "json_object": documents.made_object,
    "json_array": documents.made_array,
}

_WRITERS: dict[type[exp.Expr], Writer] = {
    exp.Literal: lambda _, node, __: literals.literal(node),
    exp.Null: lambda _, __, ___: literals.null(),
    exp.Boolean: lambda _, n, __: literals.boolean(n),
    exp.HexString: lambda _, n, __: literals.hexadecimal(n),
    exp.UnicodeString: lambda _, n, __: literals.unicode_text(n),
    exp.Interval: lambda _, n, __: literals.interval(n),
    exp.Column: _column,
    exp.Identifier: _identifier,
    exp.Paren: _paren,
    **dict.fromkeys(operators.SIGNS, _binary),
    **dict.fromkeys(comparisons.SIGNS, _comparison),
    exp.Neg: _negation,
    exp.DPipe: _binary,
    exp.And: conditions.connected,
    exp.Or: conditions.connected,
    exp.Not: conditions.negation,
    exp.Is: conditions.is_test,
    exp.Case: conditions.case,
    exp.If: conditions.conditional,
    exp.In: _in,
    exp.Between: _between,
    exp.Like: _like,
    exp.Escape: _like,
    exp.Exists: _exists,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.AtTimeZone: _at_time_zone,
    exp.Extract: _extract,
    exp.Trim: _trim,
    exp.Substring: _substring,
    exp.StrPosition: _position,
    exp.Normalize: _normalize,
    exp.Bracket: _subscript,
    exp.Tuple: _row,
    exp.Struct: _row,
    exp.Dot: _dot,
    exp.CurrentDate: lambda _, __, ___: Operand("trino_today()", DATE),
    exp.CurrentTimestamp: _now,
    exp.Localtimestamp: _local_now,
    exp.Localtime: _local_clock,
    exp.Anonymous: _anonymous,
    exp.Window: aggregation.aggregate,
    exp.Filter: aggregation.aggregate,
    exp.WithinGroup: aggregation.aggregate,
    exp.GroupConcat: aggregation.aggregate,
    exp.Subquery: _subquery,
    exp.Select: _subquery,
    exp.Union: _subquery,
    exp.Values: _subquery,
}
