"""Translates common table expressions, including recursive ones.

See https://trino.io/docs/current/sql/select.html#with-clause.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.scopes import Relation, is_open


@dataclass
class Cte:
    """A common table expression, which is added to the query if it is read.

    Attributes:
        name: The name in DuckDB.
        relation: The translated query.
        steps: The steps of a recursive one, which are common table expressions before it.
        reads: The other common table expressions of the same WITH that it reads.
        is_read: Whether the query reads it.
    """

    name: str
    relation: Relation
    steps: tuple[str, ...] = ()
    reads: tuple[Cte, ...] = ()
    is_read: bool = False


def mark_read(cte: Cte) -> None:
    """Record that a query reads one, and therefore those that it reads."""
    if not cte.is_read:
        cte.is_read = True
        for each in cte.reads:
            mark_read(each)


def headed(sql: str, ctes: Sequence[Cte]) -> str:
    """Add WITH to a query, with the common table expressions that are read."""
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
_MAX_STEPS = 10


def unrolled(name: str, start: Relation, step: str, *, is_distinct: bool) -> tuple[tuple[str, ...], str]:
    """Unroll a recursive query as Trino does: a fixed number of steps, each over the rows of the previous one."""
    names = ", ".join(each.sql for each in start.fields)
    reads = re.compile(rf"\b{name} AS ")
    texts = [start.sql, *(reads.sub(f"{name}_{number} AS ", step) for number in range(_MAX_STEPS + 1))]
    steps = tuple(f"{name}_{number}({names}) AS MATERIALIZED ({text})" for number, text in enumerate(texts))
    parts = [f"SELECT {names} FROM {name}_{number}" for number in range(_MAX_STEPS + 1)]
    words = f"'trino: Recursion depth limit exceeded ({_MAX_STEPS})'"
    row = f"left(coalesce(CAST({start.fields[0].sql} AS VARCHAR), ''), 0)"
    parts.append(f"SELECT {names} FROM {name}_{_MAX_STEPS + 1} WHERE CAST({words} || {row} AS BIGINT) = 0")
    whole = " UNION ALL ".join(parts)
    return steps, f"SELECT DISTINCT {names} FROM ({whole}) AS dune_steps" if is_distinct else whole


def with_names(node: exp.CTE, relation: Relation, columns: list[str]) -> Relation:
    """Rename the columns as WITH specifies."""
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
