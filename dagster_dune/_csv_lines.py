"""Reads CSV with fields of any size. Python's default limit is 131,072 characters, and texts on Dune can exceed it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

_MAX_FIELD_LENGTH = 2**31 - 1  # what fits a C long on every platform


def csv_lines(lines: Iterable[str], *, strict: bool = True) -> Iterator[list[str]]:
    """Read CSV.

    Args:
        lines: A file, or its lines with their ends.
        strict: Whether what is no CSV is an error.

    Raises:
        csv.Error: It is no CSV.

    Examples:
        >>> list(csv_lines(['a,b', '1,"x, y"']))
        [['a', 'b'], ['1', 'x, y']]
    """
    csv.field_size_limit(_MAX_FIELD_LENGTH)
    return csv.reader(lines, strict=strict)
