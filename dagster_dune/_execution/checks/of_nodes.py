"""The answer of a check with a query, from the outcome of its node and the few rows that its kind reads."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import dagster as dg

from dagster_dune._execution.checks.answers import CheckAnswer, NoAnswerError, broken_bounds, gate_refusal
from dagster_dune._execution.checks.values_before import ValuesBefore
from dagster_dune._execution.error_places import shortened
from dagster_dune._formatting import counted
from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import DuneConnectionError, DuneRateLimitError, DuneServerError
from dagster_dune.api.models import ExecutionStatus
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.catalog.settings.partitions import Partition
from dagster_dune.errors import DuneError
from dagster_dune.metadata import (
    DETAILS_MISSING,
    OFFENDING_ROWS,
    OFFENDING_SAMPLE,
    VALUE,
    VALUE_BEFORE,
    VALUE_BEFORE_OF,
)
from dagster_dune.pipeline.settle import Outcome, Result

READ_SECONDS = 120.0
PAUSE_SECONDS = 2.0

T = TypeVar("T")


def answer_of_node(
    check: DuneCheck, outcome: Outcome, client: DuneApiClient, values_before: ValuesBefore | None, sample_rows: int
) -> CheckAnswer:
    """Read the answer of a check from the outcome of its node.

    Args:
        check: The check, of a kind with a query.
        outcome: How its node ended.
        client: Reads the row count if the outcome lacks it, and the few rows that the kind of check needs.
        values_before: The earlier values of the check; None if it compares with none.
        sample_rows: How many of the offending rows to read.

    Raises:
        NoAnswerError: The node failed to run, was skipped, or returned something else than its kind must return.
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
            return _of_rows(count, execution_id, client, sample_rows)
        value = _value(count, execution_id, client)
        return _of_value(check, value, outcome.node.partition, execution_id, values_before)
    refusal = gate_refusal(outcome)
    if refusal is None:
        raise NoAnswerError(outcome.reason or f"It was {outcome.result.value}.")
    return CheckAnswer(False, f"The gate is closed: {shortened(refusal)}")


def _row_count(outcome: Outcome, execution_id: str, client: DuneApiClient) -> int:
    """Return the row count, reading it from Dune if the details of the node are missing: the check needs it."""
    count = _count_of(outcome.details)
    if count is None:
        count = read_repeatedly(lambda: _count_of(client.get_execution_status(execution_id)))
    if count is None:
        raise NoAnswerError(f"Dune does not tell how many rows execution {execution_id} has returned.")
    return count


def _count_of(details: ExecutionStatus | None) -> int | None:
    shape = details.result_metadata if details else None
    if shape is None:
        return None
    return shape.total_row_count if shape.total_row_count is not None else shape.row_count


def read_repeatedly(read: Callable[[], T | None]) -> T | None:
    """Read until there is an answer, for two minutes beyond the retries of the client.

    Returns:
        The answer; None if there was none within two minutes.

    Raises:
        DuneError: Dune refused the request, or could not be reached within the two minutes.
    """
    deadline = time.monotonic() + READ_SECONDS
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


def _of_rows(count: int, execution_id: str, client: DuneApiClient, sample_rows: int) -> CheckAnswer:
    metadata: dict[str, Any] = {OFFENDING_ROWS: count}
    if count and sample_rows:
        metadata |= _sample(sample_rows, execution_id, client)
    description = "No row offends." if count == 0 else f"{counted(count, 'row offends', 'rows offend')}."
    return CheckAnswer(count == 0, description, metadata)


def _sample(limit: int, execution_id: str, client: DuneApiClient) -> dict[str, Any]:
    """Return a sample of the offending rows; the answer does not depend on it."""
    try:
        page = client.get_execution_results(execution_id, limit=limit, allow_partial_results=True)
    except DuneError as error:
        return {DETAILS_MISSING: f"The offending rows could not be read. {error}"}
    rows = page.result.rows if page.result else ()
    return {OFFENDING_SAMPLE: _table(rows)} if rows else {}


def sampled_rows(answer: CheckAnswer) -> Sequence[Mapping[str, Any]]:
    """Return the sample of offending rows in an answer."""
    table = answer.metadata.get(OFFENDING_SAMPLE)
    return [record.data for record in table.records] if isinstance(table, dg.TableMetadataValue) else []


def offending_rows_of(answers: Mapping[str, CheckAnswer]) -> dict[str, Any]:
    """Return the metadata of the offending rows of several partitions; each sampled row names its partition."""
    counts = [answer.metadata[OFFENDING_ROWS] for answer in answers.values() if OFFENDING_ROWS in answer.metadata]
    rows = [(label, row) for label, answer in answers.items() for row in sampled_rows(answer)]
    metadata = {OFFENDING_ROWS: sum(counts)} if counts else {}
    if rows:
        column = "partition_key" if "partition" in rows[0][1] else "partition"
        metadata[OFFENDING_SAMPLE] = _table([{column: label, **row} for label, row in rows])
    return metadata


def _table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    columns = dg.TableSchema([dg.TableColumn(str(name)) for name in rows[0]])
    records = [dg.TableRecord({str(name): _cell(value) for name, value in row.items()}) for row in rows]
    return dg.MetadataValue.table(records, columns)


def _cell(value: Any) -> str | int | float | bool | None:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _value(count: int, execution_id: str, client: DuneApiClient) -> Any:
    if count != 1:
        raise NoAnswerError(f"A check of kind value returns one row, and this one returned {count}.")
    page = read_repeatedly(lambda: client.get_execution_results(execution_id, limit=1))
    rows = page.result.rows if page and page.result else []
    if len(rows) != 1 or len(rows[0]) != 1:
        raise NoAnswerError("A check of kind value returns one row with one column.")
    (value,) = rows[0].values()
    return value


def _of_value(
    check: DuneCheck, value: Any, partition: Partition | None, execution_id: str, values_before: ValuesBefore | None
) -> CheckAnswer:
    bounds = any(bound is not None for bound in (check.at_least, check.at_most, check.equals, check.max_change))
    if isinstance(value, bool):
        if bounds:
            raise NoAnswerError("It returned a boolean, and has bounds, which are for numbers.")
        return CheckAnswer(value, f"The query says {str(value).lower()}.", {VALUE: value})
    number = _number(value)
    if not bounds:
        raise NoAnswerError(f"It returned {value!r}, which is no boolean, and has no bounds for numbers.")
    broken = broken_bounds(check, number)
    if not math.isfinite(number):  # Dagster's pages cannot read such a number
        broken += ["no change of it can be told"] if check.max_change is not None else []
        return CheckAnswer(not broken, f"The value is {number:g}{': ' if broken else ''}{'; '.join(broken)}.")
    metadata: dict[str, Any] = {VALUE: number}
    first = ""
    if values_before is not None and check.max_change is not None:
        before = values_before.of(partition, execution_id)
        values_before.note(partition, number)
        if before is None:
            first = f", the first that is known{f' for {partition.label}' if partition else ''}"
        else:
            metadata |= {
                VALUE_BEFORE: before.value,
                **({VALUE_BEFORE_OF: before.partition} if before.partition else {}),
            }
            if abs(number - before.value) > check.max_change * abs(before.value):
                when = f"for {before.partition}" if before.partition else "before"
                broken.append(f"it was {before.value:g} {when}, and may change by {check.change_at_most}")
    if broken:
        return CheckAnswer(False, f"The value is {number:g}: {'; '.join(broken)}.", metadata)
    return CheckAnswer(True, f"The value is {number:g}{first}.", metadata)


def _number(value: Any) -> float:
    try:
        return float(Decimal(str(value)))
    except InvalidOperation as error:
        raise NoAnswerError(f"It returned {value!r}, which is neither a boolean nor a number.") from error
