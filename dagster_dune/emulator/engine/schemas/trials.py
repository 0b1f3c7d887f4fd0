"""Tries other types for the columns that a query used last, if it cannot be translated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from dagster_dune.emulator.dunesql.compiler import Compiled
from dagster_dune.emulator.dunesql.types.parsing import read_type
from dagster_dune.emulator.dunesql.types.trino import Type
from dagster_dune.emulator.engine.schemas.found_columns import KnownTables, Place
from dagster_dune.emulator.engine.schemas.table_reads import attempt, read_query
from dagster_dune.emulator.engine.schemas.usual_types import usual_type

_TRIED_COLUMNS = 5
_MAX_TRIALS = 34
_MAX_CHECKED_QUERIES = 6
_TYPE_ERROR = re.compile(
    r"Cannot (apply|negate|cast|use|unnest)|same type|incompatible types|Unexpected parameters|must evaluate"
    r"|is not a valid"
)
"""Errors that another type of a column may resolve."""
_CANDIDATES = tuple(
    map(
        read_type,
        (
            "varbinary", "varchar", "double", "uint256", "bigint", "timestamp(3) with time zone", "date", "boolean",
            "array(varbinary)", "array(varchar)", "array(uint256)", "array(double)", "map(varchar, varchar)",
            "map(varchar, boolean)", "map(varchar, double)",
        ),
    )
)  # fmt: skip
"""The types that are tried, in this order."""


def resolved_by_trials(
    given: Sequence[Compiled], tables: KnownTables, before: Mapping[int, str], unsure: set[int]
) -> dict[int, str]:
    """Try other types for queries with errors, and keep those that resolve one and cause no other."""
    problems = dict(before)
    for place, query in enumerate(given):
        if place not in unsure:
            continue
        trials = _MAX_TRIALS
        words, used = attempt(query, tables)
        while words is not None and trials > 0 and _TYPE_ERROR.search(words):
            resolved = None
            for column, type_ in _candidates(tables, used, words):
                trials -= 1
                was = tables.set_type(column, type_)
                new_words, new_used = attempt(query, tables)
                is_better = new_words is None or (new_words != words and len(new_used) > len(used))
                if is_better and not _breaks_others(given, tables, {table for table, _ in was}, place, problems):
                    resolved = (new_words, new_used)
                    break
                for (table, name), old in was.items():
                    tables.known[table][name] = old
                if trials <= 0:
                    break
            if resolved is None:
                break
            words, used = resolved
        if words is None:
            problems.pop(place, None)
        else:
            problems[place] = words
    return problems


def _candidates(tables: KnownTables, used: Sequence[Place], words: str) -> Iterator[tuple[Place, Type]]:
    """Yield other types for the columns that were used last, first for those whose type is in the error."""

    def unlikely(place: Place) -> tuple[bool, bool]:
        return str(tables.type_of(place)) not in words, usual_type(place[1]) is not None

    for column in sorted(used[:_TRIED_COLUMNS], key=unlikely):
        if column[0] in tables.declared or column[1] not in tables.known.get(column[0], {}):
            continue
        if tables.is_well_known(column):
            continue
        was = tables.known[column[0]][column[1]]
        for type_ in sorted(_CANDIDATES, key=lambda type_: type_.is_number != was.is_number):
            if type_ != was:
                yield column, type_


def _breaks_others(
    given: Sequence[Compiled], tables: KnownTables, changed: set[str], beside: int, problems: Mapping[int, str]
) -> bool:
    """Return whether a query without error gets one. Of many queries, only the first few are checked."""
    readers = [
        query
        for place, query in enumerate(given)
        if place != beside and place not in problems and changed & query.tables
    ]
    return any(read_query(query, tables) is not None for query in readers[:_MAX_CHECKED_QUERIES])
