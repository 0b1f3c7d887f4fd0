"""Translates FROM: tables, subqueries, joins and LATERAL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.registry import Operand
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.casts.conversion import coerced
from dagster_dune.emulator.dunesql.rewrite.expressions import documents
from dagster_dune.emulator.dunesql.rewrite.expressions.comparisons import comparison
from dagster_dune.emulator.dunesql.rewrite.expressions.conditions import condition
from dagster_dune.emulator.dunesql.rewrite.observation import link
from dagster_dune.emulator.dunesql.rewrite.queries.unnesting import unnest, with_offset_name
from dagster_dune.emulator.dunesql.rewrite.queries.values import values
from dagster_dune.emulator.dunesql.rewrite.scopes import Field, Relation, Scope, Translator, in_outer_query, is_open
from dagster_dune.emulator.dunesql.types.coercion import common_type


def from_clause(translator: Translator, node: exp.Expr, scope: Scope) -> Relation:
    """Translate FROM.

    Args:
        translator: The translator.
        node: The SELECT.
        scope: The scope around it.

    Returns:
        The SQL after FROM, empty if there is no FROM, and its columns.
    """
    clause = node.args.get("from_")
    if clause is None:
        return Relation("", ())
    joins = node.args.get("joins") or []
    if node.args.get("sample") is not None and joins:
        raise error_at(
            node, "TABLESAMPLE of a query beside a JOIN is not supported by this emulator; put it in a query"
        )
    relation = _sampled(translator, node, _source(translator, clause.this, scope, ()))
    return _with_joins(translator, relation, joins, scope)


def _with_joins(translator: Translator, relation: Relation, joins: Sequence[exp.Expr], scope: Scope) -> Relation:
    for join in joins:
        relation = _joined(translator, relation, join, scope)
    return relation


def _source(translator: Translator, node: exp.Expr, scope: Scope, left: tuple[Field, ...]) -> Relation:
    """Translate an item of FROM, in which the columns of items before it are in scope if it is lateral."""
    joins = node.args.get("joins") or []
    if isinstance(node, exp.Paren):
        return _source(translator, node.this, scope, left)
    if isinstance(node, exp.Subquery) and _is_relation(node.this):
        inner = _source(translator, node.this, scope, left)
        relation = Relation(f"({inner.sql})" if node.this.args.get("joins") else inner.sql, inner.fields)
        if node.args.get("alias") is not None:
            relation = renamed(node, relation)
        return _with_joins(translator, relation, joins, scope)
    relation = _item(translator, node, scope, left)
    relation = _sampled(translator, node, relation)
    return _with_joins(translator, relation, joins, scope)


def _is_relation(node: exp.Expr) -> bool:
    """Return whether parentheses contain a table with its alias and joins, and no query."""
    is_named = bool(node.args.get("joins") or node.args.get("alias"))
    if isinstance(node, exp.Subquery) and not is_named:
        return _is_relation(node.this)
    return isinstance(node, exp.Table) or (is_named and isinstance(node, exp.Subquery | exp.Unnest | exp.Values))


def _item(translator: Translator, node: exp.Expr, scope: Scope, left: tuple[Field, ...]) -> Relation:
    lateral = Scope(fields=left, parent=scope) if left else scope
    if isinstance(node, exp.Unnest):
        return renamed(with_offset_name(node), unnest(translator, node, lateral))
    if isinstance(node, exp.Lateral):
        inner = translator.query(_query_of(node.this), replace(lateral, place=""))
        return _aliased(translator, node, inner, "LATERAL ")
    if isinstance(node, exp.Subquery | exp.Select | exp.Union | exp.Except | exp.Intersect):
        return _aliased(translator, node, translator.query(_query_of(node), _outer(scope)), "")
    if isinstance(node, exp.Values):
        return _aliased(translator, node, values(translator, node, scope), "")
    if isinstance(node, exp.Table) and isinstance(node.this, exp.JSONTable):
        alias = translator.fresh("t")
        made = documents.table(translator, node.this, alias, lateral)
        return renamed(node, Relation(f"LATERAL {made.sql} AS {alias}", made.fields))
    if isinstance(node, exp.Table) and isinstance(node.this, exp.Values):
        return _aliased(translator, node, values(translator, node.this, scope), "")
    if isinstance(node, exp.Table):
        return renamed(node, translator.table(node), _qualifier(node))
    raise error_at(node, f"{node.key.upper()} in FROM is not supported by this emulator")


def _outer(scope: Scope) -> Scope | None:
    """Return the scope of a subquery in FROM: the one around the query."""
    return scope if scope.fields or scope.parent or scope.variables else None


def _query_of(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Subquery) and not isinstance(node.this, exp.Table) and not _has_own_clauses(node):
        return _query_of(node.this)
    return node


def _has_own_clauses(node: exp.Expr) -> bool:
    return any(node.args.get(name) for name in ("order", "limit", "offset", "with_"))


def _qualifier(node: exp.Table) -> tuple[str, ...]:
    return tuple(part.name.lower() for part in node.parts)


def _sampled(translator: Translator, node: exp.Expr, relation: Relation) -> Relation:
    sample = node.args.get("sample")
    if sample is None:
        return relation
    percent = sample.args.get("percent")
    method = (sample.args.get("method") or exp.Var(this="")).name.upper()
    if percent is None or method not in ("BERNOULLI", "SYSTEM"):
        raise error_at(node, "TABLESAMPLE takes BERNOULLI or SYSTEM, and a percentage in parentheses")
    share = translator.expression(percent, Scope())
    if not share.is_constant:
        raise error_at(node, "The percentage of TABLESAMPLE must be written out as a number")
    return Relation(f"{relation.sql} TABLESAMPLE BERNOULLI({percent.name}%)", relation.fields)


def _aliased(translator: Translator, node: exp.Expr, inner: Relation, prefix: str) -> Relation:
    """Return a query in FROM with a unique alias."""
    alias = translator.fresh("t")
    fields = tuple(in_outer_query(each, alias) for each in inner.fields)
    for each in inner.fields:
        translator.note_origin(f"{alias}.{each.sql}", each.origin)
    return renamed(node, Relation(f"{prefix}({inner.sql}) AS {alias}", fields))


def renamed(node: exp.Expr, relation: Relation, qualifier: tuple[str, ...] = ()) -> Relation:
    """Rename a relation and its columns as AS specifies."""
    alias = node.args.get("alias")
    name = (alias.this.name.lower(),) if alias is not None and alias.this is not None else qualifier
    columns = [column.name for column in alias.columns] if alias is not None else []
    if columns and is_open(relation):
        columns = []
    if columns and len(columns) != len(relation.fields):
        shown = ".".join(name) or "the table"
        raise error_at(
            node,
            f"Column alias list has {len(columns)} entries but '{shown}' has {len(relation.fields)} columns available",
        )
    fields = tuple(
        replace(field, qualifier=name, name=columns[place] if columns else field.name)
        for place, field in enumerate(relation.fields)
    )
    return Relation(relation.sql, fields)


def _joined(translator: Translator, left: Relation, join: exp.Expr, scope: Scope) -> Relation:
    side, kind = str(join.args.get("side") or "").upper(), str(join.args.get("kind") or "").upper()
    if join.args.get("method") or kind in ("SEMI", "ANTI", "ASOF", "STRAIGHT"):
        raise error_at(
            join, f"{join.args.get('method') or kind} JOIN is not supported: name the columns with ON or USING"
        )
    visible = tuple(field for field in left.fields)
    if isinstance(join.this, exp.Unnest) and side == "LEFT" and _is_true(join.args.get("on")):
        made = unnest(translator, join.this, Scope(fields=visible, parent=scope), keeps_rows=True)
        right = renamed(with_offset_name(join.this), made)
        return Relation(f"{left.sql} CROSS JOIN {right.sql}", (*left.fields, *right.fields))
    right = _source(translator, join.this, scope, visible)
    both = (*left.fields, *right.fields)
    using = join.args.get("using") or []
    on = join.args.get("on")
    if using:
        return _using(join, left, right, side, [column.name for column in using])
    if on is None:
        if side or kind in ("INNER", "LEFT"):
            raise error_at(join, "A JOIN needs ON or USING; write CROSS JOIN for all pairs")
        return Relation(f"{left.sql} CROSS JOIN {right.sql}", both)
    is_limited = isinstance(join.this, exp.Unnest) or (isinstance(join.this, exp.Lateral) and side in ("RIGHT", "FULL"))
    if is_limited and not _is_true(on):
        name = "UNNEST" if isinstance(join.this, exp.Unnest) else "LATERAL relation"
        raise error_at(join, f"{side or 'INNER'} JOIN involving {name} is only supported with condition ON TRUE")
    if kind == "CROSS":
        raise error_at(join, "mismatched input 'ON': a CROSS JOIN takes no condition")
    inner = Scope(fields=both, parent=scope, place="JOIN clause")
    test = condition(translator, on, inner, "JOIN ON clause")
    return Relation(f"{left.sql} {side or 'INNER'} JOIN {right.sql} ON {test.sql}", both)


def _is_true(condition: exp.Expr | None) -> bool:
    return isinstance(condition, exp.Boolean) and bool(condition.this)


def _using(join: exp.Expr, left: Relation, right: Relation, side: str, names: list[str]) -> Relation:
    """Translate USING, which merges each pair of columns into one without qualifier, before the other columns."""
    tests, merged = [], []
    lowered = [name.lower() for name in names]
    if twice := next((name for name in names if lowered.count(name.lower()) > 1), None):
        raise error_at(join, f"Column '{twice}' appears multiple times in USING clause")
    for name in names:
        one, other = (_only(join, relation, name) for relation in (left, right))
        link([Operand(each.sql, each.type) for each in (one, other)])
        common = common_type(one.type, other.type)
        if common is None:
            raise error_at(join, f"Column types of '{name}' do not match in USING: {one.type} vs {other.type}")
        pair = [coerced(Operand(field.sql, field.type), common) for field in (one, other)]
        tests.append(comparison(join, "=", pair[0], pair[1], common))
        sql = f"coalesce({pair[0].sql}, {pair[1].sql})" if side == "FULL" else pair[1 if side == "RIGHT" else 0].sql
        merged.append(Field(one.name, sql, common))
    rest = [field for field in (*left.fields, *right.fields) if (field.name or "").lower() not in lowered]
    return Relation(f"{left.sql} {side or 'INNER'} JOIN {right.sql} ON {' AND '.join(tests)}", (*merged, *rest))


def _only(join: exp.Expr, relation: Relation, name: str) -> Field:
    found = [field for field in relation.fields if field.matches(name.lower(), ())]
    if not found and is_open(relation):
        found = [
            Field(name, *field.discover(name.lower(), is_qualified=True), field.qualifier)
            for field in relation.fields
            if field.discover is not None
        ][:1]
    if len(found) != 1:
        words = "is ambiguous" if found else "is missing from one side"
        raise error_at(join, f"Column '{name}' of USING {words}")
    return found[0]
