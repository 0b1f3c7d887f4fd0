"""Bodies of answers: unpacked and counted as they come, and read as JSON or as a text for people."""

from __future__ import annotations

import html
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic_core import from_json

MAX_ANSWER_BYTES = 32 * 2**20
"""More than any answer but a result can have: the status of a pipeline of 1,000 nodes has 130 kB."""

MAX_RESULT_PAGE_BYTES = 256 * 2**20
"""One page of a result that is read whole. Streams have no bound: they never stand in memory."""

PIECE_BYTES = 2**16
TEXT_BYTES = 2000

_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)


class UnreadableAnswer(Exception):  # noqa: N818  (it says what an answer is)
    """An answer came, and cannot be what Dune would send. The message says why."""


def pieces_of(file: Path) -> Iterator[bytes]:
    """Yield what a file holds."""
    with file.open("rb") as opened:
        while piece := opened.read(2**20):
            yield piece


def gathered(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield the same bytes in pieces of a size at least: what is encrypted comes in 16 kB, and each piece costs.

    Examples:
        >>> list(gathered([b"a", b"bc", b"d"], 2))
        [b'abc', b'd']
    """
    held, length = list[bytes](), 0
    for chunk in chunks:
        held.append(chunk)
        length += len(chunk)
        if length >= size:
            yield b"".join(held)
            held, length = [], 0
    if held:
        yield b"".join(held)


def unpacked(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yield a body as it was before it was compressed, in pieces of 64 kB at the most, however well it compresses.

    Args:
        chunks: What came over the wire.
        encoding: The answer's ``Content-Encoding``.

    Raises:
        UnreadableAnswer: It is encoded in a way that was not asked for, or does not end where it should.
    """
    match encoding.strip().lower():
        case "" | "identity":
            yield from chunks
        case "gzip" | "x-gzip":
            yield from _gunzipped(chunks)
        case _:
            raise UnreadableAnswer(f"its Content-Encoding is {encoding!r}, which was not asked for")


def _gunzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    packed = zlib.decompressobj(wbits=31)
    is_whole = True
    for chunk in _short(chunks):
        rest = chunk
        while rest:
            if packed.eof:
                packed = zlib.decompressobj(wbits=31)
            try:
                piece = packed.decompress(rest, PIECE_BYTES)
            except zlib.error as error:
                raise UnreadableAnswer(f"it is no gzip, as its Content-Encoding says ({error})") from None
            rest = packed.unconsumed_tail or packed.unused_data
            is_whole = packed.eof
            if piece:
                yield piece
    if not is_whole:
        raise UnreadableAnswer("its gzip ends too early")


def _short(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same chunks, none longer than a piece: zlib copies what it has not unpacked yet, again and again."""
    for chunk in chunks:
        for start in range(0, len(chunk), PIECE_BYTES):
            yield chunk[start : start + PIECE_BYTES]


def check_end_is_told(headers: Mapping[str, str]) -> None:
    """Check that a body which was cut off would be seen to be: one in CSV is as good without its last rows.

    Args:
        headers: Those of the answer.

    Raises:
        UnreadableAnswer: It ends with its connection, whyever that ends.
    """
    is_chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
    is_packed = "gzip" in headers.get("Content-Encoding", "").lower()
    if not is_chunked and not is_packed and "Content-Length" not in headers:
        raise UnreadableAnswer(
            "it is CSV, and neither has a Content-Length nor comes in chunks, so that rows could be missing at its end"
        )


def bounded(pieces: Iterable[bytes], limit: float) -> Iterator[bytes]:
    """Yield a body, if it is not longer than it may be.

    Raises:
        UnreadableAnswer: It is longer.
    """
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > limit:
            raise UnreadableAnswer(f"it is longer than {limit / 2**20:g} MiB, and was not read further")
        yield piece


def json_object(body: bytes) -> dict[str, Any]:
    """Read a body that must be a JSON object.

    Raises:
        UnreadableAnswer: It is none. The message says what it is instead.
    """
    content = body.removeprefix(b"\xef\xbb\xbf")
    if not content.strip():
        raise UnreadableAnswer("it is empty")
    try:
        value = from_json(content)
    except ValueError as error:
        raise UnreadableAnswer(f"it is no JSON but {described(content)} ({error})") from None
    if not isinstance(value, dict):
        raise UnreadableAnswer(f"it is no JSON object but {described(content)}")
    return value


def described(body: bytes) -> str:
    """Say what a body is that is not what was expected: the title of an HTML page, or its first words."""
    if b"\0" in body[:TEXT_BYTES]:
        return f"{len(body)} bytes that are no text"
    text = body[:TEXT_BYTES].decode("utf-8", "replace")
    if is_html(body):
        title = _TITLE.search(text)
        return f"an HTML page titled {readable(html.unescape(title[1]))!r}" if title else "an HTML page"
    return repr(readable(text)[:300])


def is_html(body: bytes) -> bool:
    """Whether a body looks like a page for a browser."""
    return (
        body[:TEXT_BYTES]
        .lstrip(b"\xef\xbb\xbf \t\r\n")
        .lower()
        .startswith((b"<!doctype html", b"<html", b"<head", b"<body"))
    )


def readable(text: str) -> str:
    """A server's text on one line, without what would write over a terminal or a log."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
