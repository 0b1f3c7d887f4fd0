"""Cuts the rows of a frame into slices that Arrow can write.

A slice has few rows if their texts are long: a string array of Arrow holds at most 2 GB, and some casts do not check.
Its columns have no views and no dictionaries: Arrow has few functions for views, and none for dictionaries of views.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dagster_dune.errors import DuneConfigurationError
from dagster_dune.frames.uploads.schema import is_bytes, is_text

_WITHOUT_VIEWS = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}


def slices_of(batch: pa.RecordBatch, rows: int, bytes_: int, row_bytes: int) -> Iterator[pa.RecordBatch]:
    """Cut rows into slices.

    Args:
        batch: The rows, in columns that a table takes.
        rows: The maximum number of rows of a slice.
        bytes_: The approximate maximum size of the texts and bytes of a slice with more than one row.
        row_bytes: The maximum size of one row.

    Yields:
        The rows in their order, without views and dictionaries.

    Raises:
        DuneConfigurationError: A row is larger than `row_bytes`.
    """
    names = batch.schema.names
    batch = pa.RecordBatch.from_arrays([_with_plain_values(array) for array in batch.columns], names=names)
    for start in range(0, batch.num_rows, rows):
        part = batch.slice(start, rows)
        sizes = sum((_sizes(array) for array in part.columns), np.zeros(part.num_rows, np.int64))
        if sizes.max() > row_bytes:
            raise DuneConfigurationError(
                f"A row has about {sizes.max():,} bytes of texts, more than one insert takes ({row_bytes:,}).",
                hint="Shorten the texts of such rows, or leave them out.",
            )
        for begin, end in _cuts(sizes, bytes_):
            cut = part.slice(begin, end - begin)
            yield pa.RecordBatch.from_arrays([_plain(array) for array in cut.columns], names=names)


def _cuts(sizes: npt.NDArray[np.int64], most: int) -> Iterator[tuple[int, int]]:
    """Yield where each slice begins and ends. It takes as many rows as fit into `most` bytes, and at least one."""
    totals = np.cumsum(sizes)
    begin = 0
    while begin < len(sizes):
        before = totals[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(totals, before + most, side="right")))
        yield begin, end
        begin = end


def _sizes(array: pa.Array) -> npt.NDArray[np.int64]:
    """Return the approximate encoded size of each value, and 0 for types other than texts and bytes."""
    if pa.types.is_dictionary(array.type):
        values = np.append(_sizes(array.dictionary), 0)
        places = pc.fill_null(array.indices.cast(pa.int64()), len(values) - 1)
        return np.asarray(values[places.to_numpy()])
    if is_bytes(array.type):
        return 2 * _lengths(array)  # two hexadecimal digits each
    return _lengths(array) if is_text(array.type) else np.zeros(len(array), np.int64)


def _lengths(array: pa.Array) -> npt.NDArray[np.int64]:
    """Return the length of each value in memory, which a view has in its first four bytes."""
    first, last = array.offset, array.offset + len(array)
    if pa.types.is_fixed_size_binary(array.type):
        return np.full(len(array), array.type.byte_width, np.int64)
    if not len(array):
        return np.zeros(0, np.int64)
    if array.type in _WITHOUT_VIEWS:
        lengths = np.frombuffer(array.buffers()[1], np.int32)[4 * first : 4 * last : 4]
        return np.where(array.is_valid().to_numpy(zero_copy_only=False), lengths, 0).astype(np.int64)
    is_large = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    offsets = np.frombuffer(array.buffers()[1], np.int64 if is_large else np.int32)
    return np.diff(offsets[first : last + 1]).astype(np.int64)


def _with_plain_values(array: pa.Array) -> pa.Array:
    """Convert the values of a dictionary once, instead of for each slice."""
    if not pa.types.is_dictionary(array.type):
        return array
    return pa.DictionaryArray.from_arrays(array.indices, _plain(array.dictionary))


def _plain(array: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        return array.dictionary_decode()
    return array.cast(_WITHOUT_VIEWS[array.type]) if array.type in _WITHOUT_VIEWS else array
