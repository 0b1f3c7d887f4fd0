"""Texts of equal length as a matrix of their bytes, which numpy handles all at once, as for most hashes and times."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Matrix = npt.NDArray[np.uint8]


def matrix_of(texts: pa.Array) -> Matrix | None:
    """Return a view of the bytes of the texts, with a row for each text that is not NULL.

    Args:
        texts: An array of strings.

    Returns:
        The matrix; None if the lengths of the texts differ, or if all are NULL or empty.

    Examples:
        >>> matrix_of(pa.array(["0xab", None, "0xcd"])).tobytes()
        b'0xab0xcd'
        >>> matrix_of(pa.array(["a", "bc"])) is None
        True
    """
    offsets = offsets_of(texts)
    size, count = int(offsets[-1] - offsets[0]), len(texts) - texts.null_count
    if not size or not count or size % count:
        return None
    width = size // count
    expected: Any = width if not texts.null_count else width * _is_valid(texts)
    if not (np.diff(offsets) == expected).all():
        return None
    return content_of(texts).reshape(count, width)


def with_content(texts: pa.Array, type_: pa.DataType, content: bytes) -> pa.Array:
    """Return an array with the NULLs of some texts, and with other values of equal length in place of the texts.

    Args:
        texts: Texts for which `matrix_of` returns a matrix.
        type_: The type of the new values: string or binary.
        content: The bytes of the new values that are not NULL, one after another.
    """
    offsets = offsets_of(texts)
    count = len(texts) - texts.null_count
    old, new = int(offsets[-1] - offsets[0]) // count, len(content) // count
    starts = ((offsets - offsets[0]) // old * new).astype(np.int32)
    return pa.Array.from_buffers(
        type_,
        len(texts),
        [validity_of(texts), pa.py_buffer(starts), pa.py_buffer(content)],
        null_count=texts.null_count,
    )


def content_of(texts: pa.Array) -> npt.NDArray[np.uint8]:
    """Return the bytes of all texts, one after another."""
    offsets, data = offsets_of(texts), texts.buffers()[2]
    return np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]] if data else np.zeros(0, np.uint8)


def offsets_of(texts: pa.Array) -> npt.NDArray[np.int32]:
    """Return the offset at which each text begins in its buffer, and the end of the last one."""
    buffer = texts.buffers()[1]
    return (
        np.frombuffer(buffer, np.int32)[texts.offset : texts.offset + len(texts) + 1] if buffer else np.zeros(1, "i4")
    )


def validity_of(array: pa.Array) -> pa.Buffer | None:
    """Return a bitmap of the values that are not NULL; None if no value is NULL."""
    if not array.null_count:
        return None
    return pa.py_buffer(np.packbits(_is_valid(array), bitorder="little"))


def _is_valid(array: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(array.is_valid().to_numpy(zero_copy_only=False))
