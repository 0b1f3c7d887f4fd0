"""What a check without a query says: of what a materialization tells anyway, so that it costs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from dagster_dune._execution.checks.answers import CheckAnswer, NoAnswerError, broken_bounds
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.metadata import (
    COLUMN_SCHEMA,
    CREDITS,
    ENDED_AT,
    EXECUTION_SECONDS,
    PARTITION_ROW_COUNT,
    RANGE_ROW_COUNT,
    ROW_COUNT,
    VALUE,
    VALUE_BEFORE,
)


def answer_of_known(
    check: DuneCheck, metadata: Mapping[str, Any], before: Sequence[Mapping[str, Any]], now: datetime
) -> CheckAnswer:
    """Read the answer of a check from what a materialization tells.

    Args:
        check: The check, of a kind without a query.
        metadata: That of the materialization.
        before: That of the last materializations, this one among them or not; the newest first.
        now: The time.

    Raises:
        NoAnswerError: The materialization does not tell what the check needs.
    """
    if check.kind == "columns":
        return _of_columns(check, metadata)
    if check.kind == "freshness":
        return _of_freshness(check, metadata, now)
    keys = {
        "row_count": (ROW_COUNT, PARTITION_ROW_COUNT, RANGE_ROW_COUNT),
        "credits": (CREDITS,),
        "seconds": (EXECUTION_SECONDS,),
    }[check.kind]
    number = _told(metadata, *keys)
    if number is None:
        raise _missing(check, keys[0])
    broken = broken_bounds(check, number)
    told: dict[str, Any] = {VALUE: number}
    if check.factor_at_most is not None:
        earlier = _earlier(metadata, before, keys)[: check.last]
        if earlier:
            mean = sum(earlier) / len(earlier)
            told[VALUE_BEFORE] = mean
            if not mean / check.factor_at_most <= number <= mean * check.factor_at_most:
                broken.append(
                    f"the mean of the last {len(earlier)} is {mean:g}, and it may differ by a factor of "
                    f"{check.factor_at_most:g}"
                )
    words = check.kind.replace("_", " ")
    said = f"The {words} {'are' if words.endswith('s') else 'is'} {number:g}"
    return CheckAnswer(not broken, f"{said}: {'; '.join(broken)}." if broken else f"{said}.", told)


def metadata_before(instance: dg.DagsterInstance, key: dg.AssetKey, check: DuneCheck) -> list[Mapping[str, Any]]:
    """Read the metadata of an asset's last materializations, where a check compares with them; the newest first."""
    if check.factor_at_most is None:
        return []
    records = instance.fetch_materializations(key, limit=check.last + 1).records
    return [record.asset_materialization.metadata for record in records if record.asset_materialization]


def _earlier(metadata: Mapping[str, Any], before: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[float]:
    """The numbers of the materializations before this one."""
    this = _raw(metadata.get(ENDED_AT))
    others = [other for other in before if this is None or _raw(other.get(ENDED_AT)) != this]
    return [number for other in others if (number := _told(other, *keys)) is not None]


def _of_columns(check: DuneCheck, metadata: Mapping[str, Any]) -> CheckAnswer:
    value = metadata.get(COLUMN_SCHEMA)
    schema = value.schema if isinstance(value, dg.TableSchemaMetadataValue) else value
    if not isinstance(schema, dg.TableSchema):
        raise _missing(check, COLUMN_SCHEMA)
    found = {column.name: column.type for column in schema.columns}
    wanted = check.columns
    differences = [
        *(f"{name} is missing" for name in wanted if name not in found),
        *(f"{name} is new" for name in found if name not in wanted),
        *(
            f"{name} is {found[name]}, and was to be {type_}"
            for name, type_ in wanted.items()
            if name in found and found[name].lower() != type_.lower()
        ),
    ]
    if differences:
        return CheckAnswer(False, f"The columns have changed: {'; '.join(differences)}.")
    return CheckAnswer(True, "The columns are as pinned.")


def _of_freshness(check: DuneCheck, metadata: Mapping[str, Any], now: datetime) -> CheckAnswer:
    ended_at = _told(metadata, ENDED_AT)
    if ended_at is None or check.max_age is None:
        raise _missing(check, ENDED_AT)
    age = now - datetime.fromtimestamp(ended_at, UTC)
    hours = age / timedelta(hours=1)
    passed = age <= check.max_age
    said = f"Its execution ended {hours:.1f} hours ago" + ("." if passed else f", more than {check.max_age_hours:g}.")
    return CheckAnswer(passed, said, {VALUE: hours})


def _told(metadata: Mapping[str, Any], *keys: str) -> float | None:
    for key in keys:
        value = _raw(metadata.get(key))
        if value is not None:
            return float(value)
    return None


def _raw(value: Any) -> Any:
    return value.value if isinstance(value, dg.MetadataValue) else value


def _missing(check: DuneCheck, key: str) -> NoAnswerError:
    return NoAnswerError(f"The materialization of {check.asset} does not tell it ({key}), and neither did Dune.")
