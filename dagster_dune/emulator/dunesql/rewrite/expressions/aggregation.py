"""Translates aggregates and window functions.

An aggregated query becomes two: an inner one with the grouping keys and the aggregates, and an outer one with the
expressions over these. So expressions are compared with the keys of GROUP BY by their SQL, and windows and TRY can
contain aggregates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.catalog import AGGREGATES, WINDOWS
from dagster_dune.emulator.dunesql.functions.registry import Operand
from dagster_dune.emulator.dunesql.parse.functions import function_name
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.expressions.calls import bound_call, written
from dagster_dune.emulator.dunesql.rewrite.expressions.conditions import condition
from dagster_dune.emulator.dunesql.rewrite.observation import derived
from dagster_dune.emulator.dunesql.rewrite.scopes import Scope, Translator
from dagster_dune.emulator.dunesql.types.trino import BIGINT, SKETCHES


@dataclass(frozen=True)
class _Parts:
    """The parts of a call of an aggregate or a window function."""

    node: exp.Expr
    name: str
    arguments: list[exp.Expr]
    distinct: bool = False
    order: tuple[exp.Expr, ...] = ()
    filter: exp.Expr | None = None
    window: exp.Window | None = None
    ignores_nulls: bool = False


def has_aggregate(node: exp.Expr) -> bool:
    """Return whether an expression contains an aggregate without OVER, outside of subqueries."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, exp.Query | exp.Subquery):
            continue
        if isinstance(each, exp.Window):
            inner = each.this
            while isinstance(inner, exp.IgnoreNulls | exp.RespectNulls | exp.Filter | exp.WithinGroup):
                inner = inner.this
            waiting += [*inner.iter_expressions(), *(part for part in each.iter_expressions() if part is not each.this)]
            continue
        name = function_name(each)
        if name in AGGREGATES or name == "grouping":
            return True
        waiting += each.iter_expressions()
    return False


def is_aggregate_part(node: exp.Expr) -> bool:
    """Return whether a node is an aggregate or a part of one."""
    return isinstance(node, exp.Window | exp.Filter | exp.WithinGroup | exp.GroupConcat) or (
        function_name(node) in AGGREGATES | WINDOWS
    )


def aggregate(translator: Translator, node: exp.Expr, scope: Scope) -> Operand:
    """Translate an aggregate or a window function with all of its parts."""
    parts = _parts_of(node, scope)
    if parts.name not in AGGREGATES and parts.name not in WINDOWS:
        raise error_at(node, f"{parts.name or 'This'} is no aggregate and no window function")
    if scope.place:
        raise error_at(
            parts.node,
            f"{scope.place} cannot contain aggregations, window functions or grouping operations: {parts.name}",
        )
    if parts.window is not None:
        return _windowed(translator, parts, scope)
    if parts.name in WINDOWS:
        raise error_at(parts.node, f"Window function {parts.name} requires an OVER clause")
    if scope.grouping is None:
        raise error_at(parts.node, f"{parts.name} cannot stand here: aggregates belong to a SELECT")
    sql, operand, sources = _call(translator, parts, scope.source.inside("An aggregate"))
    whole = _modified(sql, parts, translator, scope.source.inside("An aggregate"), "")
    return derived(scope.grouping.add(whole, operand.type), sources)


def grouping(translator: Translator, node: exp.Expr, scope: Scope) -> Operand:
    """Translate ``grouping(a, b)``: a bit for each expression that is not a key in the grouping set of the row."""
    if scope.grouping is None:
        raise error_at(
            node,
            "A GROUPING() operation can only be used with a corresponding GROUPING SET/CUBE/ROLLUP/GROUP BY clause",
        )
    if other := next((each for each in node.expressions if not isinstance(each, exp.Column)), None):
        raise error_at(other, "GROUPING takes columns, by their names")
    keys = [translator.expression(argument, scope) for argument in node.expressions]
    names = [key.sql.partition(".")[2] for key in keys]
    return scope.grouping.add(f"grouping({', '.join(names)})", Operand("", BIGINT).type)


def _parts_of(node: exp.Expr, scope: Scope) -> _Parts:
    parts = _Parts(node, "", [])
    while True:
        if isinstance(node, exp.Window):
            parts, node = replace(parts, window=node), node.this
        elif isinstance(node, exp.Filter):
            parts, node = replace(parts, filter=node.expression.this), node.this
        elif isinstance(node, exp.WithinGroup):
            parts, node = replace(parts, order=tuple(node.expression.expressions)), node.this
        elif isinstance(node, exp.IgnoreNulls | exp.RespectNulls):
            parts, node = replace(parts, ignores_nulls=isinstance(node, exp.IgnoreNulls)), node.this
        else:
            break
    del scope
    arguments = list(node.expressions)
    if isinstance(node, exp.GroupConcat):
        separator = node.args.get("separator")
        arguments = [each for each in (node.this, separator) if each is not None]
    parts = replace(parts, node=node, name=function_name(node), arguments=arguments)
    parts = _unwrapped(parts)
    if parts.name == "listagg" and not parts.order:
        raise error_at(node, "mismatched input: listagg(...) needs WITHIN GROUP (ORDER BY ...)")
    return parts


def _unwrapped(parts: _Parts) -> _Parts:
    """Extract DISTINCT and ORDER BY from the arguments."""
    arguments: list[exp.Expr] = []
    for argument in parts.arguments:
        inner = argument
        while isinstance(inner, exp.Order | exp.Distinct | exp.IgnoreNulls | exp.RespectNulls):
            if isinstance(inner, exp.Order):
                parts, inner = replace(parts, order=tuple(inner.expressions)), inner.this
            elif isinstance(inner, exp.Distinct):
                arguments += inner.expressions[:-1]
                parts, inner = replace(parts, distinct=True), inner.expressions[-1]
            else:
                parts, inner = replace(parts, ignores_nulls=isinstance(inner, exp.IgnoreNulls)), inner.this
        arguments += (
            [inner] if inner is not None else []
        )  # a constant in listagg() WITHIN GROUP (ORDER BY 1) has no effect
    if parts.name == "count" and len(arguments) == 1 and isinstance(arguments[0], exp.Star):
        arguments = []
    return replace(parts, arguments=arguments)


def _call(translator: Translator, parts: _Parts, scope: Scope) -> tuple[str, Operand, list[Operand]]:
    found = bound_call(translator, parts.node, parts.name, parts.arguments, scope)
    if parts.distinct and any(argument.type.find(*SKETCHES) for argument in found.call.arguments):
        raise error_at(parts.node, f"DISTINCT can only be applied to comparable types: {parts.name}")
    return written(parts.node, found), Operand("", found.call.result), found.like_result


def _modified(sql: str, parts: _Parts, translator: Translator, scope: Scope, over: str) -> str:
    """Add DISTINCT, ORDER BY, FILTER and OVER to each call in a template."""
    order = f" ORDER BY {', '.join(ordered(translator, each, scope) for each in parts.order)}" if parts.order else ""
    given = condition(translator, parts.filter, scope, "FILTER").sql if parts.filter is not None else ""

    def piece(match: dict[str, str]) -> str:
        arguments = match["arguments"]
        if parts.distinct and not arguments.startswith("DISTINCT ") and arguments != "*":
            arguments = f"DISTINCT {arguments}"
        nulls = " IGNORE NULLS" if parts.ignores_nulls else ""
        conditions = " AND ".join(part for part in (given, match["condition"]) if part)
        kept = f" FILTER (WHERE {conditions})" if conditions else ""
        inside_order = order if match["name"] in _ORDER_SENSITIVE else ""
        return f"{match['name']}({arguments}{nulls}{inside_order}){kept}{over}"

    return _with_replaced_calls(sql, piece)


_ORDER_SENSITIVE = ("list", "listagg", "any_value", "arg_max", "arg_min", "arg_max_null", "arg_min_null")


def _with_replaced_calls(sql: str, piece: Callable[[dict[str, str]], str]) -> str:
    """Replace each «...», whose arguments may contain any parentheses."""
    made, place = "", 0
    while (start := sql.find("«", place)) >= 0:
        end, depth = start + 1, 1
        while depth:
            depth += {"«": 1, "»": -1}.get(sql[end], 0)
            end += 1
        whole = sql[start + 1 : end - 1]
        head, bar, extra = whole.rpartition(")|")
        name, _, arguments = (head + ")" if bar else whole).partition("(")
        match = {"name": name, "arguments": arguments[:-1], "condition": extra if bar else ""}
        made += sql[place:start] + piece(match)
        place = end
    return made + sql[place:]


def _windowed(translator: Translator, parts: _Parts, scope: Scope) -> Operand:
    assert parts.window is not None  # noqa: S101 - the caller has looked
    if parts.ignores_nulls and parts.name not in WINDOWS:
        raise error_at(parts.node, f"Cannot specify null treatment clause for {parts.name} function")
    if parts.distinct and parts.name in WINDOWS:
        raise error_at(parts.node, f"Cannot specify DISTINCT for {parts.name} function")
    if parts.order and parts.name != "listagg":
        raise error_at(parts.node, f"Window function with ORDER BY is not supported: {parts.name}")
    if parts.filter is not None:
        raise error_at(parts.node, f"FILTER is not yet supported for window functions: {parts.name}")
    if parts.name in ("lag", "lead"):
        _check_offset(parts, scope)
    inside = scope.inside("A window function")
    if scope.grouping is not None:
        inside = replace(scope, place="")
    sql, operand, sources = _call(translator, parts, inside)
    over = f" OVER ({window_sql(translator, parts.window, scope)})"
    return derived(Operand(_modified(sql, parts, translator, inside, over), operand.type), sources)


def _check_offset(parts: _Parts, scope: Scope) -> None:
    """Check the offset and the clauses of lag and lead."""
    assert parts.window is not None  # noqa: S101 - the caller has looked
    _, order, spec = _window_parts(parts.window, scope)
    if not order:
        raise error_at(parts.node, f"{parts.name} function requires an ORDER BY window clause")
    if spec is not None:
        raise error_at(parts.node, f"Cannot specify window frame for {parts.name} function")


def _window_parts(node: exp.Expr, scope: Scope) -> tuple[Sequence[exp.Expr], Sequence[exp.Expr], exp.Expr | None]:
    """Return PARTITION BY, ORDER BY and the frame of a window; missing parts are those of its base window."""
    base = node.args.get("alias")
    partition = node.args.get("partition_by") or []
    order = node.args["order"].expressions if node.args.get("order") else []
    spec = node.args.get("spec")
    if base is None:
        return partition, order, spec
    named = scope.windows.get(base.name.lower())
    if named is None or named is node:
        raise error_at(node, f"Cannot resolve WINDOW name {base.name}")
    base_partition, base_order, base_spec = _window_parts(named, scope)
    if partition or (order and base_order) or (base_spec and (order or spec)):
        words = "PARTITION BY" if partition else "ORDER BY" if order and base_order else "ORDER BY or a frame"
        raise error_at(node, f"A window over the named WINDOW {base.name} cannot have {words} of its own")
    return base_partition, order or base_order, spec or base_spec


def window_sql(translator: Translator, node: exp.Expr, scope: Scope) -> str:
    """Translate the specification in OVER (...)."""
    partition, order, spec = _window_parts(node, scope)
    for each in (*partition, *order):
        if inner := next(each.find_all(exp.Window), None):
            raise error_at(inner, "Cannot nest window functions inside window specification")
    pieces = []
    if partition:
        pieces.append("PARTITION BY " + ", ".join(translator.expression(each, scope).sql for each in partition))
    if order:
        pieces.append("ORDER BY " + ", ".join(ordered(translator, each, scope) for each in order))
    if spec is not None:
        pieces.append(_frame(translator, spec, scope, [each.this for each in order]))
    return " ".join(pieces)


def _frame(translator: Translator, spec: exp.Expr, scope: Scope, order: Sequence[exp.Expr]) -> str:
    kind = (spec.args.get("kind") or "RANGE").upper()

    def edge(name: str) -> str:
        value, side = spec.args.get(name), spec.args.get(f"{name}_side") or ""
        if value is None or isinstance(value, str):
            return f"{value or 'CURRENT ROW'} {side}".strip()
        amount = translator.expression(value, scope)
        sql = amount.sql if amount.is_constant and "-" not in amount.sql else f"trino_frame_offset({amount.sql})"
        is_whole = amount.type.is_integer or (amount.type.name == "decimal" and amount.type.args[1] == 0)
        if kind != "RANGE" and not is_whole:
            raise error_at(value, f"Window frame {kind} offset must be an exact number without a fraction")
        if kind == "GROUPS" and not order:
            raise error_at(value, "Window frame of type GROUPS PRECEDING or FOLLOWING requires ORDER BY")
        if kind == "RANGE" and len(order) != 1:
            raise error_at(value, "Window frame of type RANGE PRECEDING or FOLLOWING requires single sort item")
        if amount.type.name == "decimal" and is_whole:
            sql = f"CAST(least({sql}, 9223372036854775807) AS BIGINT)"
        if amount.type.is_interval:
            sql = f"{'to_months' if amount.type.name.endswith('month') else 'to_milliseconds'}({sql})"
        return f"{sql} {side}"

    if spec.args.get("exclude"):
        raise error_at(spec, "mismatched input 'EXCLUDE': Trino's window frames leave out nothing")
    end = edge("end") if spec.args.get("end") else "CURRENT ROW"
    return f"{kind} BETWEEN {edge('start')} AND {end}"


def ordered(translator: Translator, node: exp.Expr, scope: Scope) -> str:
    """Translate an item of ORDER BY; NULL comes last unless the query has NULLS FIRST."""
    value = translator.expression(node.this, scope)
    check_orderable(node, [value])
    return order_sql(value.sql, node)


def order_sql(sql: str, node: exp.Expr) -> str:
    """Add the direction of an item of ORDER BY."""
    direction = "DESC" if node.args.get("desc") else "ASC"
    return f"{sql} {direction} NULLS {'FIRST' if node.args.get('nulls_first') else 'LAST'}"


def check_orderable(node: exp.Expr, values: Sequence[Operand]) -> None:
    """Check that values are orderable."""
    for value in values:
        if value.type.find("map", "json", *SKETCHES):
            raise error_at(node, f"Type {value.type} is not orderable, and therefore cannot be used in ORDER BY")
