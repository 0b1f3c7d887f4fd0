"""Leaves out the files of objects that several files of a folder are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dagster_dune.catalog.names import query_name
from dagster_dune.catalog.objects import MaterializedView, Query
from dagster_dune.catalog.sources.left_out import LeftOut


def one_file_each(
    objects: Iterable[list[MaterializedView | Query]], left_out: LeftOut
) -> list[MaterializedView | Query]:
    """Return the objects that one file is, or whose files have the same SQL.

    Args:
        objects: The objects with the same name, for each name.
        left_out: Records the copies of a file, and files with different SQL for one object or query.
    """
    return _distinct_ids([only for versions in objects if (only := _first_of_copies(versions, left_out))], left_out)


def _first_of_copies(versions: list[MaterializedView | Query], left_out: LeftOut) -> MaterializedView | Query | None:
    """Return the first of the files of one object, or None if their SQL differs; leave out the other files."""
    first, *others = versions
    if _leave_out_versions(versions, first.sql_name, left_out):
        return None
    for other in others:
        _leave_out_copy(other, first, left_out)
    return first


def _distinct_ids(objects: Sequence[MaterializedView | Query], left_out: LeftOut) -> list[MaterializedView | Query]:
    """Leave out objects with the same query id and different SQL, and queries with the id and the SQL of a matview."""
    by_id: dict[int, list[MaterializedView | Query]] = {}
    for obj in objects:
        if obj.query_id is not None:
            by_id.setdefault(obj.query_id, []).append(obj)
    conflicting = {number for number, same in by_id.items() if _leave_out_versions(same, query_name(number), left_out)}
    kept = [obj for obj in objects if obj.query_id not in conflicting]
    backed = {obj.query_id: obj for obj in kept if isinstance(obj, MaterializedView) and obj.query_id is not None}
    for obj in kept:
        if isinstance(obj, Query) and obj.query_id in backed:
            _leave_out_copy(obj, backed[obj.query_id], left_out)
    return [obj for obj in kept if isinstance(obj, MaterializedView) or obj.query_id not in backed]


def _leave_out_copy(copy: MaterializedView | Query, first: MaterializedView | Query, left_out: LeftOut) -> None:
    left_out.add(f"{copy.source} is {copy.sql_name}, as {first.source} is, with the same SQL. Remove one of the files.")


def _leave_out_versions(versions: Sequence[MaterializedView | Query], name: str, left_out: LeftOut) -> bool:
    """Leave out the files of one object if their SQL differs; return whether it does."""
    if len({obj.fingerprint for obj in versions}) == 1:
        return False
    places = " and ".join(str(obj.source) for obj in versions)
    left_out.add(
        f"{places} are {'both' if len(versions) == 2 else 'all'} {name}, with different SQL. "
        "Remove all but one of the files, or correct their ids.",
        {name, *(obj.sql_name for obj in versions)},
    )
    return True
