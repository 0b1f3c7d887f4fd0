"""The rows of several executions, such as those of some partitions, one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from dagster_dune.api.client import DuneApiClient
from dagster_dune.errors import DuneConfigurationError, DuneResultError
from dagster_dune.frames.result_reader import ResultReader
from dagster_dune.frames.types.columns import ARROW_DIGITS
from dagster_dune.paging.options import Export, ReadOptions


class ResultReaders:
    """Reads the rows of several executions with the same columns, one after another; see `ResultReader`."""

    def __init__(
        self,
        client: DuneApiClient,
        execution_ids: Sequence[str],
        options: ReadOptions,
        *,
        digits: int = ARROW_DIGITS,
        on_progress: Callable[[Export], None] | None = None,
    ) -> None:
        if not execution_ids:
            raise DuneConfigurationError("There is no execution to read.")
        if options.limit is not None or options.sample is not None:
            raise DuneConfigurationError("limit and sample are of one execution, and cannot be asked of several.")
        self._on_progress = on_progress or (lambda _: None)
        self._readers = [ResultReader(client, execution_id, options, digits=digits) for execution_id in execution_ids]
        self.columns, self.schema = self._readers[0].columns, self._readers[0].schema
        for reader in self._readers[1:]:
            if not reader.schema.equals(self.schema, check_metadata=True):
                raise DuneResultError(
                    f"The columns of executions {execution_ids[0]} and {reader.execution_id} differ: "
                    f"{_differing(self, reader)}.",
                    hint="The SQL was changed between them: execute the older ones again, or read them one by one.",
                )
        sizes = [reader.export.total_bytes for reader in self._readers]
        known = [size for size in sizes if size is not None]
        self.export = Export(total_bytes=sum(known) if len(known) == len(sizes) else None)
        if options.max_bytes is not None and sum(known) > options.max_bytes:
            raise DuneResultError(
                f"The results of {self.name} have {sum(known):,} bytes, more than max_bytes={options.max_bytes:,}."
            )

    @property
    def name(self) -> str:
        """What it reads, for messages."""
        return f"{len(self._readers)} executions"

    @property
    def expected_rows(self) -> int | None:
        """How many rows there will be; None where only reading them tells."""
        rows = [reader.expected_rows for reader in self._readers]
        return None if None in rows else sum(count for count in rows if count is not None)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read the rows; see `ResultReader.batches`."""
        done = Export()
        for reader in self._readers:
            for batch in reader.batches():
                self.export.rows = done.rows + reader.export.rows
                self.export.bytes = done.bytes + reader.export.bytes
                self.export.extra_bytes = done.extra_bytes + reader.export.extra_bytes
                yield batch
                self._on_progress(self.export)
            done = Export(self.export.rows, self.export.bytes, self.export.extra_bytes)


def _differing(one: ResultReaders, other: ResultReader) -> str:
    first, second = ({(column.name, column.type.text) for column in reader.columns} for reader in (one, other))
    return ", ".join(f"{name} {type_}" for name, type_ in sorted(first ^ second)) or "their order"
