"""What one check says: of the end of its node, or of what a materialization tells anyway."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import dagster as dg

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import DuneConnectionError, DuneRateLimitError, DuneServerError
from dagster_dune.api.models import ExecutionStatus
from dagster_dune.catalog.checks import DuneCheck, gate_answer
from dagster_dune.errors import DuneError
from dagster_dune.metadata import (
    COLUMN_SCHEMA,
    CREDITS,
    DETAILS_MISSING,
    ENDED_AT,
    EXECUTION_SECONDS,
    OFFENDING_ROWS,
    OFFENDING_SAMPLE,
    PARTITION_ROW_COUNT,
    RANGE_ROW_COUNT,
    ROW_COUNT,
    VALUE,
    VALUE_BEFORE,
)
from dagster_dune.pipeline.settle import Outcome, Result

PATIENCE_SECONDS = 120.0
PAUSE_SECONDS = 2.0

T = TypeVar("T")


class NoAnswerError(Exception):
    """A check has not been answered; the message says why."""


@dataclass(frozen=True)
class CheckAnswer:
    """What a check says.

    Attributes:
        passed: Whether it passed.
        description: Why, in one sentence.
        metadata: What there is to see.
    """

    passed: bool
    description: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


# --- kinds with a query ---


def answer_of_node(
    check: DuneCheck, outcome: Outcome, client: DuneApiClient, value_before: Callable[[], float | None]
) -> CheckAnswer:
    """Read the answer of a check from the end of its node.

    Args:
        check: The check, of a kind with a query.
        outcome: How its node ended.
        client: Reads the count of the rows where the outcome lacks it, and the few rows that are asked for.
        value_before: Reads the value that the check last had.

    Raises:
        NoAnswerError: The node failed to run, was skipped, or answered something else than its kind asks for.
        DuneError: Its result could not be read.
    """
    if outcome.result is Result.SUCCEEDED:
        if check.kind == "gate":
            return CheckAnswer(True, "The gate is open.")
        execution_id = outcome.execution_id
        if execution_id is None:
            raise NoAnswerError("Dune names no execution of it.")
        count = _row_count(outcome, execution_id, client)
        if check.kind == "rows":
            return _of_rows(check, count, execution_id, client)
        return _of_value(check, count, execution_id, client, value_before)
    closed = gate_answer(outcome.reason) if check.kind == "gate" and outcome.result is Result.FAILED else None
    if closed is None:
        raise NoAnswerError(outcome.reason or f"It was {outcome.result.value}.")
    return CheckAnswer(False, f"The gate is closed: {closed}")


def _row_count(outcome: Outcome, execution_id: str, client: DuneApiClient) -> int:
    """The details of a node may be missing; without its count a check has failed to run, so it is asked for again."""
    count = _count_of(outcome.details)
    if count is None:
        count = _patiently(lambda: _count_of(client.get_execution_status(execution_id)))
    if count is None:
        raise NoAnswerError(f"Dune does not tell how many rows execution {execution_id} has returned.")
    return count


def _count_of(details: ExecutionStatus | None) -> int | None:
    shape = details.result_metadata if details else None
    if shape is None:
        return None
    return shape.total_row_count if shape.total_row_count is not None else shape.row_count


def _patiently(read: Callable[[], T | None]) -> T | None:
    """Read until there is an answer, for some time beyond what the client itself repeats."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        pause = PAUSE_SECONDS
        try:
            answer = read()
        except (DuneConnectionError, DuneServerError) as error:
            last: DuneError | None = error
        except DuneRateLimitError as error:
            last, pause = error, error.retry_after or PAUSE_SECONDS
        else:
            if answer is not None:
                return answer
            last = None
        if time.monotonic() + pause > deadline:
            if last is not None:
                raise last
            return None
        time.sleep(pause)


def _of_rows(check: DuneCheck, count: int, execution_id: str, client: DuneApiClient) -> CheckAnswer:
    metadata: dict[str, Any] = {OFFENDING_ROWS: count}
    if count and check.sample_rows:
        metadata |= _sample(check.sample_rows, execution_id, client)
    said = "No row offends." if count == 0 else f"{count} {'row offends' if count == 1 else 'rows offend'}."
    return CheckAnswer(count == 0, said, metadata)


def _sample(limit: int, execution_id: str, client: DuneApiClient) -> dict[str, Any]:
    """Some of the rows to look at; the answer stands without them."""
    try:
        page = client.get_execution_results(execution_id, limit=limit, allow_partial_results=True)
    except DuneError as error:
        return {DETAILS_MISSING: f"The offending rows could not be read. {error}"}
    rows = page.result.rows if page.result else ()
    return {OFFENDING_SAMPLE: _table(rows)} if rows else {}


def _table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    columns = dg.TableSchema([dg.TableColumn(str(name)) for name in rows[0]])
    records = [dg.TableRecord({str(name): _cell(value) for name, value in row.items()}) for row in rows]
    return dg.MetadataValue.table(records, columns)


def _cell(value: Any) -> str | int | float | bool | None:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _of_value(
    check: DuneCheck, count: int, execution_id: str, client: DuneApiClient, value_before: Callable[[], float | None]
) -> CheckAnswer:
    if count != 1:
        raise NoAnswerError(f"A check of kind value returns one row, and this one returned {count}.")
    page = _patiently(lambda: client.get_execution_results(execution_id, limit=1))
    rows = page.result.rows if page and page.result else []
    if len(rows) != 1 or len(rows[0]) != 1:
        raise NoAnswerError("A check of kind value returns one row with one column.")
    (value,) = rows[0].values()
    bounds = any(bound is not None for bound in (check.at_least, check.at_most, check.equals, check.max_change))
    if isinstance(value, bool):
        if bounds:
            raise NoAnswerError("It returned a boolean, and has bounds, which are for numbers.")
        return CheckAnswer(value, f"The query says {str(value).lower()}.", {VALUE: value})
    number = _number(value)
    if not bounds:
        raise NoAnswerError(f"It returned {value!r}, which is no boolean, and has no bounds for numbers.")
    return _within_bounds(check, number, value_before())


def _number(value: Any) -> float:
    try:
        return float(Decimal(str(value)))
    except InvalidOperation as error:
        raise NoAnswerError(f"It returned {value!r}, which is neither a boolean nor a number.") from error


def _within_bounds(check: DuneCheck, number: float, before: float | None) -> CheckAnswer:
    broken = _broken_bounds(check, number)
    metadata: dict[str, Any] = {VALUE: number}
    if check.max_change is not None and before is not None:
        metadata[VALUE_BEFORE] = before
        if abs(number - before) > check.max_change * abs(before):
            broken.append(f"it was {before:g} before, and may change by {check.change_at_most}")
    if broken:
        return CheckAnswer(False, f"The value is {number:g}: {'; '.join(broken)}.", metadata)
    first = check.max_change is not None and before is None
    return CheckAnswer(True, f"The value is {number:g}{', the first that is known' if first else ''}.", metadata)


def _broken_bounds(check: DuneCheck, number: float) -> list[str]:
    broken = []
    if check.equals is not None and number != check.equals:
        broken.append(f"it must be {check.equals:g}")
    if check.at_least is not None and number < check.at_least:
        broken.append(f"it must be at least {check.at_least:g}")
    if check.at_most is not None and number > check.at_most:
        broken.append(f"it must be at most {check.at_most:g}")
    return broken


# --- kinds without ---


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
    broken = _broken_bounds(check, number)
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
    return NoAnswerError(
        f"The materialization of {check.asset} does not tell it ({key}). Details may have been turned off, or Dune did "
        "not tell them in time."
    )
