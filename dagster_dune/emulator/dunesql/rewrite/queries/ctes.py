"""Common table expressions, also recursive ones, at the head of the query that holds them.

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
    """A common table expression: written where it is read first, and put at the head of its query.

    Attributes:
        name: Its name in DuckDB.
        relation: What it is.
        steps: Those of a recursive one: common table expressions before it.
        reads: The others of its WITH that it reads.
        is_read: Whether the query reads it.
    """

    name: str
    relation: Relation
    steps: tuple[str, ...] = ()
    reads: tuple[Cte, ...] = ()
    is_read: bool = False


def mark_read(cte: Cte) -> None:
    """Note that a query reads one, and so those that it reads."""
    if not cte.is_read:
        cte.is_read = True
        for each in cte.reads:
            mark_read(each)


def headed(sql: str, ctes: Sequence[Cte]) -> str:
    """Put those that are read at the head of their query."""
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


def unrolled(name: str, start: Relation, step: str, *, is_distinct: bool) -> tuple[tuple[str, ...], str]:
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


def with_names(node: exp.CTE, relation: Relation, columns: list[str]) -> Relation:
    """Name the columns as WITH does."""
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
