"""Reads the rows of any kind of frame, in slices."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import pyarrow as pa

from dagster_dune.errors import DuneConfigurationError, DuneError, DuneUploadError
from dagster_dune.frames.uploads.options import MAX_INSERT_BYTES
from dagster_dune.frames.uploads.python_values import table_of_mappings, table_of_pandas
from dagster_dune.frames.uploads.slices import slices_of

SLICE_ROWS = 20_000
SLICE_BYTES = 16 * 2**20
KINDS = (
    "It takes frames of polars, pandas and Arrow, record batch readers, DuckDB relations, lists of dicts and paths of "
    "Parquet files."
)
_IN_MEMORY = ("polars", "pandas", "pyarrow")
"""The packages whose frames are in memory, so that they can be read twice."""
_INTEGERS_OF_128_BITS = {"Int128": "int256", "UInt128": "uint256"}
"""Types of polars, and the Dune types that can hold their values."""
_NOT_AS_IN_DUCKDB = {
    "UHUGEINT": "whose larger values DuckDB gives Arrow as other numbers",
    "BIT": "which DuckDB gives Arrow as bytes of its own, with one more that counts unused bits",
}
_DUCKDB = ("duckdb", "_duckdb")
_PACKAGES = (*_IN_MEMORY, *_DUCKDB)
_CONSUMED: WeakSet[pa.RecordBatchReader] = WeakSet()
"""The readers that have been read: a consumed reader looks like one that never had any rows."""


@dataclass(frozen=True)
class Rows:
    """The rows that are to be written, which are read with `slices`.

    Attributes:
        schema: The Arrow schema of the rows.
        can_be_read_again: Whether the rows can be read more than once; False for streams.
        slice_rows: The maximum number of rows of a slice.
        slice_bytes: The approximate maximum size of the texts and bytes of a slice with more than one row.
        row_bytes: The maximum size of the texts and bytes of one row.
    """

    schema: pa.Schema
    _batches: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]
    can_be_read_again: bool
    slice_rows: int = SLICE_ROWS
    slice_bytes: int = SLICE_BYTES
    row_bytes: int = MAX_INSERT_BYTES

    def slices(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read some of the columns, whose types a table must be able to have.

        Raises:
            DuneConfigurationError: A row is larger than `row_bytes`.
            DuneUploadError: Reading the rows failed.
        """
        for batch in self._batches(names):
            yield from slices_of(batch, self.slice_rows, self.slice_bytes, self.row_bytes)


def rows_in(frame: Any) -> Rows:
    """Return the rows of a frame.

    Args:
        frame: A frame of polars, pandas or Arrow, a record batch reader, a DuckDB relation, a list of mappings, or the
            path of a Parquet file.

    Raises:
        DuneConfigurationError: It is none of these, or cannot be read, or is a reader that was read before.
        DuneUploadError: The source of the frame fails.

    Examples:
        >>> rows_in([{"a": 1}, {"a": 2, "b": "x"}]).schema.names
        ['a', 'b']
    """
    if isinstance(frame, str | os.PathLike):
        return _of_parquet(frame)
    package = _package_of(frame)
    if package == "polars" and hasattr(frame, "collect"):  # a lazy frame
        with _reading("The LazyFrame"):
            frame = frame.collect()
    if isinstance(frame, list):
        frame, package = _table_of(frame), "pyarrow"
    if isinstance(frame, pa.RecordBatch):
        frame = pa.Table.from_batches([frame])
    if not hasattr(frame, "__arrow_c_stream__") or _is_one_column(frame):
        raise DuneConfigurationError(f"A {type(frame).__name__} is no frame that can be written to Dune.", hint=KINDS)
    source = f"The {type(frame).__name__}"
    with _reading(source):
        _check_package_types(frame, package)
    if package == "pandas" and hasattr(frame, "columns"):  # each reader of a pandas frame converts all columns again
        with _readable(frame):
            frame = table_of_pandas(frame)
    if isinstance(frame, pa.RecordBatchReader):
        return _of_reader(frame)
    with _reading(source), _readable(frame):
        reader = pa.RecordBatchReader.from_stream(frame)
    if package not in _IN_MEMORY:
        return Rows(reader.schema, lambda names: _selected(reader, names, source), can_be_read_again=False)

    def batches(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        return _selected(pa.RecordBatchReader.from_stream(frame), names, source)

    return Rows(reader.schema, batches, can_be_read_again=True)


def _package_of(frame: Any) -> str:
    """Return the package of a frame's class or of one of its base classes; empty for other packages."""
    origins = (kind.__module__.partition(".")[0] for kind in type(frame).__mro__)
    return next((package for package in origins if package in _PACKAGES), "")


def _check_package_types(frame: Any, package: str) -> None:
    """Refuse columns whose values the frame's package changes when it converts them to Arrow."""
    if package == "polars" and (names := [name for name, type_ in _polars_types(frame) if _has_objects(type_)]):
        raise DuneConfigurationError(
            f"Column {names[0]!r} holds Python objects (polars.Object), of which Arrow sees the addresses alone.",
            hint="Cast it to the type that its values have, such as polars.String.",
        )
    for name, type_ in _polars_types(frame) if package == "polars" else ():
        if wide := _INTEGERS_OF_128_BITS.get(str(type_)):
            raise DuneConfigurationError(
                f"Column {name!r} is polars.{type_}, which Arrow does not have.",
                hint=f'Cast it to polars.String, and write it with types={{{name!r}: "{wide}"}}.',
            )
    for name, type_ in _duckdb_types(frame) if package in _DUCKDB else ():
        if why := _NOT_AS_IN_DUCKDB.get(str(type_)):
            wide = f', and write it with types={{{name!r}: "uint256"}}' if str(type_) == "UHUGEINT" else ""
            raise DuneConfigurationError(f"Column {name!r} is {type_}, {why}.", hint=f"Cast it to VARCHAR{wide}.")


def _is_one_column(frame: Any) -> bool:
    """Return whether it is a Series of polars or pandas, or an Arrow column, whose streams have no column names."""
    return isinstance(frame, pa.ChunkedArray) or (hasattr(frame, "to_frame") and not hasattr(frame, "columns"))


def _polars_types(frame: Any) -> Iterable[tuple[str, Any]]:
    return frame.schema.items() if hasattr(frame, "schema") else ()


def _duckdb_types(relation: Any) -> Iterable[tuple[str, Any]]:
    return zip(relation.columns, relation.types, strict=True) if hasattr(relation, "types") else ()


def _has_objects(type_: Any) -> bool:
    """Return whether a polars type is Object, or contains it."""
    inner = [*(field.dtype for field in getattr(type_, "fields", ())), getattr(type_, "inner", None)]
    return str(type_) == "Object" or any(_has_objects(part) for part in inner if part is not None)


def _of_reader(reader: pa.RecordBatchReader) -> Rows:
    if reader in _CONSUMED:
        raise DuneConfigurationError(
            "The RecordBatchReader was read before, and its rows are gone.", hint="Make a new one for each time."
        )

    def batches(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        _CONSUMED.add(reader)
        return _selected(reader, names, "The RecordBatchReader")

    return Rows(reader.schema, batches, can_be_read_again=False)


def _of_parquet(path: str | os.PathLike[str]) -> Rows:
    import pyarrow.parquet as pq  # noqa: PLC0415  (frames need none of it)

    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise DuneConfigurationError(f"{os.fspath(path)!r} cannot be read as a Parquet file: {error}.") from error

    def batches(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        with _reading(repr(os.fspath(path))), pq.ParquetFile(path) as file:
            yield from file.iter_batches(SLICE_ROWS, columns=list(names))

    return Rows(schema, batches, can_be_read_again=True)


def _table_of(rows: Sequence[Any]) -> pa.Table:
    if not_mappings := [row for row in rows if not isinstance(row, Mapping)]:
        raise DuneConfigurationError(f"A list with a {type(not_mappings[0]).__name__} in it is no frame.", hint=KINDS)
    return table_of_mappings(rows)


def _selected(reader: pa.RecordBatchReader, names: Sequence[str], source: str) -> Iterator[pa.RecordBatch]:
    with _reading(source):
        for batch in reader:
            yield batch if names == reader.schema.names else batch.select(list(names))


@contextmanager
def _reading(source: str) -> Iterator[None]:
    """Turn the errors of a source into one that names it. All rows are read before the first is sent."""
    try:
        yield
    except DuneError:
        raise
    except Exception as error:  # each source has its own
        raise DuneUploadError(
            f"{source} fails while its rows are read: {type(error).__name__}: {error}.",
            hint="Nothing was sent. Mend what the rows come from, then write them again.",
        ) from error


@contextmanager
def _readable(frame: Any) -> Iterator[None]:
    """Turn Arrow's errors about a frame into one that says what is wrong with it."""
    try:
        yield
    except (pa.ArrowException, ValueError, TypeError, ArithmeticError) as error:
        raise DuneConfigurationError(
            f"The {type(frame).__name__} cannot be read as columns of one type each: {error}.",
            hint="Cast the column to the type that its values have, such as text.",
        ) from error
