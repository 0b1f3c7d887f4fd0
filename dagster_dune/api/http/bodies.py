"""Bodies of answers: decompressed and bounded as they arrive, and read as JSON or as a text for messages."""

from __future__ import annotations

import html
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic_core import from_json

MAX_ANSWER_BYTES = 32 * 2**20
"""More than any answer has, except a result: the status of a pipeline of 1,000 nodes has 130 kB."""

MAX_RESULT_PAGE_BYTES = 256 * 2**20
"""The limit of a page of a result that is read into memory. Streams have no limit."""

PIECE_BYTES = 2**16
TEXT_BYTES = 2000

_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)


class UnreadableAnswer(Exception):  # noqa: N818  (it says what an answer is)
    """An answer arrived that cannot be Dune's. The message says why."""


def pieces_of(file: Path) -> Iterator[bytes]:
    """Yield the content of a file in pieces."""
    with file.open("rb") as opened:
        while piece := opened.read(2**20):
            yield piece


def gathered(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield the same bytes in pieces of at least a size: TLS records have 16 kB, and each piece costs time.

    Examples:
        >>> list(gathered([b"a", b"bc", b"d"], 2))
        [b'abc', b'd']
    """
    pending, length = list[bytes](), 0
    for chunk in chunks:
        pending.append(chunk)
        length += len(chunk)
        if length >= size:
            yield b"".join(pending)
            pending, length = [], 0
    if pending:
        yield b"".join(pending)


def unpacked(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yield a body decompressed, in pieces of 64 kB at the most, however well it compresses.

    Args:
        chunks: The bytes of the connection.
        encoding: The answer's ``Content-Encoding``.

    Raises:
        UnreadableAnswer: The body is encoded in a way that was not asked for, or its gzip is invalid or cut off.
    """
    match encoding.strip().lower():
        case "" | "identity":
            yield from chunks
        case "gzip" | "x-gzip":
            yield from _gunzipped(chunks)
        case _:
            raise UnreadableAnswer(f"its Content-Encoding is {encoding!r}, which was not asked for")


def _gunzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    decompressor = zlib.decompressobj(wbits=31)
    is_complete = True
    for chunk in _split(chunks):
        rest = chunk
        while rest:
            if decompressor.eof:
                decompressor = zlib.decompressobj(wbits=31)
            try:
                piece = decompressor.decompress(rest, PIECE_BYTES)
            except zlib.error as error:
                raise UnreadableAnswer(f"it is no gzip, as its Content-Encoding says ({error})") from None
            rest = decompressor.unconsumed_tail or decompressor.unused_data
            is_complete = decompressor.eof
            if piece:
                yield piece
    if not is_complete:
        raise UnreadableAnswer("its gzip ends too early")


def _split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in chunks no longer than a piece: zlib copies the unread rest of a chunk at each call."""
    for chunk in chunks:
        for start in range(0, len(chunk), PIECE_BYTES):
            yield chunk[start : start + PIECE_BYTES]


def check_end_is_detectable(headers: Mapping[str, str]) -> None:
    """Check that a body that is cut off would be detected: CSV without its last rows is still valid CSV.

    Args:
        headers: The headers of the answer.

    Raises:
        UnreadableAnswer: The body ends where its connection ends, for whatever reason.
    """
    is_chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
    is_packed = "gzip" in headers.get("Content-Encoding", "").lower()
    if not is_chunked and not is_packed and "Content-Length" not in headers:
        raise UnreadableAnswer(
            "it is CSV, and neither has a Content-Length nor comes in chunks, so that rows could be missing at its end"
        )


def bounded(pieces: Iterable[bytes], limit: float) -> Iterator[bytes]:
    """Yield a body, and check that it is not longer than a limit.

    Raises:
        UnreadableAnswer: The body is longer.
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
        UnreadableAnswer: It is not a JSON object. The message says what it is instead.
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
    """Describe an unexpected body: by the title of an HTML page, or by its first words."""
    if b"\0" in body[:TEXT_BYTES]:
        return f"{len(body)} bytes that are no text"
    text = body[:TEXT_BYTES].decode("utf-8", "replace")
    if is_html(body):
        title = _TITLE.search(text)
        return f"an HTML page titled {readable(html.unescape(title[1]))!r}" if title else "an HTML page"
    return repr(readable(text)[:300])


def is_html(body: bytes) -> bool:
    """Whether a body looks like an HTML page."""
    return (
        body[:TEXT_BYTES]
        .lstrip(b"\xef\xbb\xbf \t\r\n")
        .lower()
        .startswith((b"<!doctype html", b"<html", b"<head", b"<body"))
    )


def readable(text: str) -> str:
    """Return a server's text on one line, without control characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
