"""The answer of a check without a query. It is read from the metadata of a materialization, and costs no credits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from dagster_dune._execution.checks.answers import CheckAnswer, NoAnswerError, broken_bounds, number_of
from dagster_dune._execution.checks.counts_before import ROW_COUNTS, extent_of
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.metadata import (
    COLUMN_SCHEMA,
    CREDITS,
    ENDED_AT,
    EXECUTION_SECONDS,
    RANGE_PARTITIONS,
    VALUE,
    VALUE_BEFORE,
)


def answer_of_known(
    check: DuneCheck, metadata: Mapping[str, Any], before: Sequence[float], now: datetime
) -> CheckAnswer:
    """Read the answer of a check from the metadata of a materialization.

    Args:
        check: The check, of a kind without a query.
        metadata: The metadata of the materialization.
        before: The earlier row counts that the check compares with.
        now: The time.

    Raises:
        NoAnswerError: The metadata does not hold what the check needs.
    """
    if check.kind == "columns":
        return _of_columns(check, metadata)
    if check.kind == "freshness":
        return _of_freshness(check, metadata, now)
    keys = {
        "row_count": ROW_COUNTS,
        "credits": (CREDITS,),
        "seconds": (EXECUTION_SECONDS,),
    }[check.kind]
    number = _first_number(metadata, *keys)
    if number is None:
        raise _missing(check, keys[0])
    broken = broken_bounds(check, number)
    answer_metadata: dict[str, Any] = {VALUE: number}
    if check.factor_at_most is not None and before:
        mean = sum(before) / len(before)
        answer_metadata[VALUE_BEFORE] = mean
        if not mean / check.factor_at_most <= number <= mean * check.factor_at_most:
            broken.append(
                f"the mean of the last {len(before)} is {mean:g}, and it may differ by a factor of "
                f"{check.factor_at_most:g}"
            )
    quantity = check.kind.replace("_", " ")
    if check.kind == "row_count" and RANGE_PARTITIONS in metadata and (together := extent_of(metadata, None)):
        quantity += f" of {together} partitions together"
    measured = f"The {quantity} {'is' if check.kind == 'row_count' else 'are'} {number:g}"
    return CheckAnswer(not broken, f"{measured}: {'; '.join(broken)}." if broken else f"{measured}.", answer_metadata)


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
    ended_at = _first_number(metadata, ENDED_AT)
    if ended_at is None or check.max_age is None:
        raise _missing(check, ENDED_AT)
    try:
        age = now - datetime.fromtimestamp(ended_at, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise _missing(check, ENDED_AT) from error
    hours = age / timedelta(hours=1)
    passed = age <= check.max_age
    excess = "" if passed else f", more than {check.max_age_hours:g}"
    return CheckAnswer(passed, f"Its execution ended {hours:.1f} hours ago{excess}.", {VALUE: hours})


def _first_number(metadata: Mapping[str, Any], *keys: str) -> float | None:
    return next((number for key in keys if (number := number_of(metadata.get(key))) is not None), None)


def _missing(check: DuneCheck, key: str) -> NoAnswerError:
    return NoAnswerError(f"The materialization of {check.asset} does not tell it ({key}), and neither did Dune.")
