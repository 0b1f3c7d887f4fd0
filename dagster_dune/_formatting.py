"""Formats lists, durations, sizes and URLs for messages and metadata."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

NAMES_SHOWN = 5


def abbreviated(names: Iterable[str], most: int = NAMES_SHOWN) -> str:
    """List the first names, and the number of the others.

    Examples:
        >>> abbreviated(["a", "b", "c"]), abbreviated(["a", "b", "c"], most=2)
        ('a, b, c', 'a, b and 1 more')
    """
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def counted(count: int, one: str, several: str = "") -> str:
    """Write a number with a noun in singular or plural.

    Args:
        count: The number.
        one: The singular.
        several: The plural; the singular with an s if empty.

    Examples:
        >>> counted(1, "query", "queries"), counted(2, "query", "queries"), counted(1_500, "node")
        ('1 query', '2 queries', '1,500 nodes')
    """
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def with_article(word: str) -> str:
    """Write a word with its indefinite article.

    Examples:
        >>> with_article("str"), with_article("int"), with_article("UnidentifiedQuery"), with_article("UnionType")
        ('a str', 'an int', 'an UnidentifiedQuery', 'a UnionType')
    """
    return f"{'an' if re.match('[aeio]|un(?!i[^d])', word, re.IGNORECASE) else 'a'} {word}"


def readable_seconds(seconds: float) -> str:
    """Write a duration in hours, minutes and seconds.

    Examples:
        >>> [readable_seconds(seconds) for seconds in (0.25, 42, 63.4, 7384)]
        ['0.25 s', '42 s', '1 min 3 s', '2 h 3 min']
    """
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.3g} s"


def readable_bytes(count: int) -> str:
    """Write a size in decimal units.

    Examples:
        >>> [readable_bytes(count) for count in (0, 999, 1_500, 82_000_000, 32_000_000_000)]
        ['0 B', '999 B', '1.5 kB', '82 MB', '32 GB']
    """
    size, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.3g} {unit}"


def without_password(url: str | os.PathLike[str]) -> str:
    """Write a path or a URL without its password and without the values of its query string, such as signatures.

    Examples:
        >>> without_password("sftp://user:secret@host/folder"), without_password("data/folder")
        ('sftp://user:***@host/folder', 'data/folder')
        >>> without_password("https://host/folder?sig=secret")
        'https://host/folder?sig=***'
    """
    shown = re.sub(r"(://[^/:@]*):[^/]*@", r"\1:***@", os.fspath(url))
    return re.sub(r"([?&][^=&?/]+=)[^&\s]*", r"\1***", shown) if "://" in shown else shown
