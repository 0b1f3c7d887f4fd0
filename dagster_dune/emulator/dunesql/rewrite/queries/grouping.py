"""Translates GROUP BY with ROLLUP, CUBE and GROUPING SETS.

See https://trino.io/docs/current/sql/select.html#group-by-clause.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import chain, combinations, product
from math import prod

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.registry import Operand
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.expressions.comparisons import key_sql
from dagster_dune.emulator.dunesql.rewrite.scopes import Grouping, Translator
from dagster_dune.emulator.dunesql.types.trino import SKETCHES

_QUOTED = r"""'(?:[^']|'')*'|"(?:[^"]|"")*\""""
_ALIAS = re.compile(rf"{_QUOTED}|\bAS ([gjqtu]\d+)\b")
_NAME = re.compile(rf"{_QUOTED}|\b[gjqtu]\d+\b")


def alike(sql: str) -> str:
    """Number the relations of subqueries anew in an expression, so that it is the same text wherever it stands."""
    if "(SELECT" not in sql:
        return sql
    made = dict.fromkeys(match[1] for match in _ALIAS.finditer(sql) if match[1])
    numbered = {name: f"dune_n{place}" for place, name in enumerate(made)}
    return _NAME.sub(lambda match: numbered.get(match[0], match[0]), sql)


def group_by(
    translator: Translator, group: exp.Expr, grouping: Grouping, value_of: Callable[[exp.Expr], Operand]
) -> str:
    """Translate GROUP BY, and add its keys to a grouping.

    Args:
        translator: The translator.
        group: The clause.
        grouping: The grouping that gets the keys.
        value_of: Translates an expression, or the item at a position of the SELECT list.
    """
    if group.args.get("all") and not group.expressions and not any(group.args.get(name) for name in _SET_CLAUSES):
        raise error_at(group, "GROUP BY ALL alone is not Trino's")

    def key(each: exp.Expr) -> str:
        value = value_of(each)
        if value.type.find(*SKETCHES) or (value.type.has_zones and not value.type.zoned):
            raise error_at(each, f"{value.type} cannot be grouped by in this emulator")
        sql = alike(value.sql)
        found = grouping.keys.get(sql)
        if found is None:
            name = f"dune_k{len(grouping.keys)}"
            found = grouping.keys[sql] = Operand(f"{grouping.alias}.{name}", value.type)
            translator.note_origin(found.sql, value.sql)
        return found.sql.partition(".")[2]

    def several(each: exp.Expr) -> _Set:
        parts = (
            each.expressions if isinstance(each, exp.Tuple) else [each.this] if isinstance(each, exp.Paren) else [each]
        )
        if wrong := next((part for part in parts if not isinstance(part, exp.Column | exp.Dot)), None):
            raise error_at(wrong, f"GROUP BY expression must be a column reference: {wrong.sql('trino')}")
        return tuple(map(key, parts))

    elements = [*group.expressions, *(each for name in _SET_CLAUSES for each in group.args.get(name) or [])]
    elements.sort(key=lambda each: isinstance(each, _SETS))
    choices = [_sets_of(each, key, several) for each in elements]
    if any(operand.type.zoned for operand in grouping.keys.values()):
        return _by_moments(group, grouping, is_plain=all(len(choice) == 1 for choice in choices))
    sets = [f"({', '.join(each)})" for each in _grouping_sets(group, choices)]
    return (
        f" GROUP BY GROUPING SETS ({', '.join(sets)})" if len(sets) > 1 else f" GROUP BY {sets[0].strip('()') or '()'}"
    )


_Set = tuple[str, ...]
_SETS = (exp.GroupingSets, exp.Rollup, exp.Cube)
_SET_CLAUSES = ("grouping_sets", "rollup", "cube")
_MAX_SETS = 2048


def _sets_of(each: exp.Expr, key: Callable[[exp.Expr], str], several: Callable[[exp.Expr], _Set]) -> list[_Set]:
    """Return the grouping sets of an element of GROUP BY."""
    if isinstance(each, exp.GroupingSets):
        parts = ((_sets_of(p, key, several) if isinstance(p, _SETS) else [several(p)]) for p in each.expressions)
        return list(chain.from_iterable(parts))
    if isinstance(each, exp.Rollup):
        names = [several(part) for part in each.expressions]
        return [tuple(chain.from_iterable(names[:size])) for size in range(len(names), -1, -1)]
    if isinstance(each, exp.Cube):
        names = [several(part) for part in each.expressions]
        if 2 ** len(names) > _MAX_SETS:
            raise error_at(each, f"Query has {2 ** len(names)} grouping sets but can only have at most {_MAX_SETS}")
        sizes = range(len(names), -1, -1)
        return [tuple(chain.from_iterable(some)) for size in sizes for some in combinations(names, size)]
    if isinstance(each, exp.Tuple):
        return [tuple(map(key, each.expressions))]
    return [(key(each),)]


def _grouping_sets(group: exp.Expr, choices: Sequence[list[_Set]]) -> list[_Set]:
    """Return the cross product of the grouping sets of elements, without duplicates if GROUP BY is DISTINCT."""
    if (count := prod(map(len, choices))) > _MAX_SETS:
        raise error_at(group, f"Query has {count} grouping sets but can only have at most {_MAX_SETS}")
    sets = [tuple(dict.fromkeys(chain.from_iterable(chosen))) for chosen in product(*choices)]
    is_distinct = group.args.get("all") is False
    return list({frozenset(each): each for each in reversed(sets)}.values())[::-1] if is_distinct else sets


def _by_moments(group: exp.Expr, grouping: Grouping, *, is_plain: bool) -> str:
    """Group times with zones by their instants, and select one of the zones."""
    if not is_plain:
        raise error_at(group, "Times in zones cannot stand in GROUPING SETS in this emulator; write AT TIME ZONE 'UTC'")
    return f" GROUP BY {', '.join(key_sql(sql, operand.type) for sql, operand in grouping.keys.items())}"
