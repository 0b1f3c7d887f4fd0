"""One check result for several partitions: a table with the answer of each partition, written and read here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from dagster_dune._execution.checks.answers import CheckAnswer, raw
from dagster_dune._formatting import abbreviated
from dagster_dune.metadata import (
    BY_PARTITION,
    EXECUTION_ID,
    PIPELINE_EXECUTION_ID,
    SAID_IN_RUN,
    VALUE,
    VALUE_BEFORE,
    VALUE_BEFORE_OF,
)

PARTITION_COLUMN, PASSED_COLUMN, WHAT_COLUMN = "partition", "passed", "what"
KEPT = {
    VALUE: dg.TableColumn("value", "float"),
    VALUE_BEFORE: dg.TableColumn("value_before", "float"),
    VALUE_BEFORE_OF: dg.TableColumn("value_before_of"),
    EXECUTION_ID: dg.TableColumn("execution_id"),
    PIPELINE_EXECUTION_ID: dg.TableColumn("pipeline_execution_id"),
    SAID_IN_RUN: dg.TableColumn("said_in_run"),
}
"""By metadata key, the column with the value of a partition. Results of versions before 0.2 have no such columns."""


def joined(answers: Mapping[str, CheckAnswer], metadata: Mapping[str, Any]) -> CheckAnswer:
    """Join the answers of several partitions.

    Args:
        answers: The answers by the label of their partition, which is an empty text where there are no partitions.
        metadata: What the metadata of a joined answer holds beside the table.

    Returns:
        The answer itself if there is only one; otherwise an answer with a table of all partitions.
    """
    if len(answers) == 1:
        return next(iter(answers.values()))
    answers = dict(sorted(answers.items()))  # they are in the order in which their executions ended
    failed = [label for label, answer in answers.items() if not answer.passed]
    description = (
        f"{len(failed)} of {len(answers)} partitions failed: {abbreviated(failed)}." if failed else "All passed."
    )
    pipelines = {raw(answer.metadata.get(PIPELINE_EXECUTION_ID)) for answer in answers.values()}
    pipeline = {PIPELINE_EXECUTION_ID: pipelines.pop()} if len(pipelines) == 1 and None not in pipelines else {}
    return CheckAnswer(not failed, description, {BY_PARTITION: _table(answers), **metadata, **pipeline})


def _table(answers: Mapping[str, CheckAnswer]) -> dg.TableMetadataValue:
    kept = [key for key in KEPT if any(key in answer.metadata for answer in answers.values())]
    columns = [dg.TableColumn(PARTITION_COLUMN), dg.TableColumn(PASSED_COLUMN, "bool"), dg.TableColumn(WHAT_COLUMN)]
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    PARTITION_COLUMN: label,
                    PASSED_COLUMN: answer.passed,
                    WHAT_COLUMN: answer.description,
                    **{KEPT[key].name: raw(answer.metadata.get(key)) for key in kept},
                }
            )
            for label, answer in answers.items()
        ],
        dg.TableSchema([*columns, *(KEPT[key] for key in kept)]),
    )


def records_of(metadata: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the rows of a result's table, each with its partition's metadata by key; none if it has no table."""
    table = metadata.get(BY_PARTITION)
    if not isinstance(table, dg.TableMetadataValue):
        return []
    return [
        {**record.data, **{key: record.data.get(column.name) for key, column in KEPT.items()}}
        for record in table.records
    ]
