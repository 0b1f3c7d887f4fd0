"""The API key, and how it is redacted out of texts of servers and logs."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import Any, NoReturn

from dagster_dune._formatting import with_article
from dagster_dune.api.key_forms import SIGNS_OF_ESCAPES, decoded, forms_of
from dagster_dune.errors import DuneConfigurationError

REDACTED = "********"
DEFAULT_VARIABLE = "DUNE_API_KEY"
SHORTEST_KEY = 20
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

SHORTEST_PART = 12
"""A part of a key is redacted if it has half of its characters, and at least so many."""

LONGEST_SEARCHED = 2**20
"""A longer content is a result, in which only the readable forms of the key are searched."""

HEAD_OF_STREAM = 2**16
"""A page of a gateway may hold any form of the key within so many bytes; what follows is searched like a result."""


class HiddenText(str):
    """A secret: a text whose repr does not show it, and which cannot be pickled.

    Args:
        text: The secret.
        variable: The environment variable that it was read from, for messages; empty if there is none.

    Examples:
        >>> key = HiddenText("a-secret")
        >>> key, [key], key == "a-secret"
        (********, [********], True)
    """

    variable: str

    def __new__(cls, text: str, variable: str = "") -> HiddenText:
        """Make a hidden text."""
        hidden = super().__new__(cls, text)
        hidden.variable = variable
        return hidden

    def __repr__(self) -> str:
        return REDACTED

    def __copy__(self) -> HiddenText:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> HiddenText:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise DuneConfigurationError(
            "The Dune API key cannot be pickled, since it would stand in the file.",
            hint="Name its variable of the environment (EnvVar('DUNE_API_KEY')), and return results from assets, not "
            "the resource.",
        )


class ApiKey:
    """A key that is shown to the server only. It cannot be pickled, and its repr does not show it.

    Args:
        text: The key.

    Attributes:
        variable: The environment variable that it was read from; empty if that is not known.

    Raises:
        DuneConfigurationError: The text cannot be a key.

    Examples:
        >>> key = ApiKey("a-very-secret-key")
        >>> key, key.redacted("The gateway has seen X-Dune-Api-Key: a-very-secret-key")
        (ApiKey(********), 'The gateway has seen X-Dune-Api-Key: ********')
    """

    __slots__ = ("_forms", "_parts", "_plain", "_text", "variable")

    def __init__(self, text: str) -> None:
        self.variable: str = getattr(text, "variable", "")
        self._text = checked_api_key(text)
        self._forms, self._plain = forms_of(text)
        part, key = max(SHORTEST_PART, len(text) // 2), text.lower().encode()
        self._parts = (key[:part], key[-part:]) if self._forms else ()

    def __repr__(self) -> str:
        return f"ApiKey({REDACTED})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("An API key is not pickled: give each process its own, from its environment.")

    def reveal(self) -> str:
        """Return the key itself; use it for the header only."""
        return self._text

    def redacted(self, text: str) -> str:
        """Return a text without the key or half of it, as it is or as JSON, HTML, a URL, hex or base64 write it."""
        return self.redacted_bytes(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def redacted_bytes(self, content: bytes) -> bytes:
        """Do the same for the bytes of a server. If the key is hidden by escapes, all escapes are decoded."""
        if len(content) > LONGEST_SEARCHED:
            return _without(content, self._plain)
        if any(sign in content for sign in SIGNS_OF_ESCAPES):
            plain = decoded(content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
            if (redacted := self._without_parts(_without(plain, self._forms))) != plain:
                return redacted
        return self._without_parts(_without(content, self._forms))

    def _without_parts(self, content: bytes) -> bytes:
        """Redact the key in any mix of upper and lower case, and parts of a key that was cut short."""
        key = self._text.lower().encode()
        for part in self._parts:
            at, lowered = key.find(part), content.lower()
            kept, end = list[bytes](), 0
            while (found := lowered.find(part, end)) >= 0:
                before = lowered[max(end, found - at) : found]
                after = lowered[found + len(part) : found + len(key)]
                start = found - _common_length(before[::-1], key[:at][::-1])
                kept += [content[end:start], REDACTED.encode()]
                end = found + len(part) + _common_length(after, key[at + len(part) :])
            content = b"".join([*kept, content[end:]])
        return content

    def redacted_stream(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Do the same for a stream of pieces, at whose boundaries the key may be cut in two.

        Large pieces are yielded as they are, without a copy.
        """
        overlap = max((len(form) - 1 for form in self._forms), default=0)
        pending, position = b"", 0
        try:
            for piece in _split_head(pieces):
                is_long = overlap <= min(len(pending), len(piece))
                is_separate = is_long and not self._contains_key(_boundary(pending, piece, overlap), position)
                content = self._without_key(piece if is_separate else pending + piece, position)
                end = max(0, len(content) - overlap)
                complete, pending = (pending, content) if is_separate else (content[:end], content[end:])
                position += len(piece)
                if complete:
                    yield complete
            if pending:
                yield pending
        finally:  # error trackers show the local variables of an error's frames
            piece = content = complete = pending = b""

    def _contains_key(self, content: bytes, position: int) -> bool:
        return any(form in content for form in (self._forms if position < HEAD_OF_STREAM else self._plain))

    def _without_key(self, content: bytes, position: int) -> bytes:
        return _without(content, self._forms if position < HEAD_OF_STREAM else self._plain)

    def redacted_json(self, value: Any) -> Any:
        """Do the same for each text in a JSON value."""
        match value:
            case str():
                return self.redacted(value)
            case list():
                return [self.redacted_json(item) for item in value]
            case dict():
                return {self.redacted(name): self.redacted_json(item) for name, item in value.items()}
        return value


class RedactingFilter(logging.Filter):
    """Keeps a key out of the records of a logger: httpcore logs complete headers of answers at DEBUG."""

    def __init__(self, key: ApiKey) -> None:
        super().__init__()
        self._key = key

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record, and let it pass."""
        message = record.getMessage()
        if (redacted := self._key.redacted(message)) != message:
            record.msg, record.args = redacted, ()
        return True


def checked_variable(name: str) -> str:
    """Return the name of the environment variable that holds a key, unless the name looks like a key itself.

    Names are shown in definitions, run configuration and messages.

    Raises:
        DuneConfigurationError: It cannot be the name of a variable, or is an unlikely one.
    """
    is_set = name in os.environ
    if not is_set and (not NAME.fullmatch(name) or (len(name) >= SHORTEST_KEY and "_" not in name)):
        raise DuneConfigurationError(
            "The Dune API key is named by a variable of the environment, and what is given as its name looks like a "
            "key itself; it is not shown here.",
            hint="Write the name of the variable, as in EnvVar('DUNE_API_KEY') or api_key_env: DUNE_API_KEY. A key "
            "that was written into a file should be replaced (dune.com/settings/api).",
        )
    return name


def checked_api_key(api_key: str) -> str:
    """Return the key, if it can be one.

    Raises:
        DuneConfigurationError: It is empty, or contains characters that a header cannot have.
    """
    if not isinstance(api_key, str):
        raise DuneConfigurationError(
            f"The Dune API key must be a text, not {with_article(type(api_key).__name__)}.",
            hint="Set DUNE_API_KEY, or pass api_key (see dune.com/settings/api).",
        )
    if not api_key.strip():
        raise DuneConfigurationError(
            "The Dune API key is empty.",
            hint="Set DUNE_API_KEY, or pass api_key (see dune.com/settings/api).",
        )
    if set(api_key) == {"*"}:
        raise DuneConfigurationError(
            "The Dune API key is a row of asterisks, which Dagster's launchpad shows in place of a secret.",
            hint="Set DUNE_API_KEY where runs are executed, or remove the resources section from the launchpad's "
            "configuration: the key then comes from your code.",
        )
    if not api_key.isascii() or not api_key.isprintable() or api_key != api_key.strip():
        raise DuneConfigurationError(
            "The Dune API key holds characters that no key has (spaces around it, a line break, non-ASCII).",
            hint="Copy it again from dune.com/settings/api.",
        )
    return api_key


def _split_head(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same pieces; the one in which the head of the stream ends is cut there."""
    left = HEAD_OF_STREAM
    for piece in pieces:
        if 0 < left < len(piece):
            yield piece[:left]
            yield piece[left:]
        else:
            yield piece
        left -= len(piece)
        del piece  # see `redacted_stream`


def _boundary(one: bytes, other: bytes, overlap: int) -> bytes:
    """Return the bytes around the boundary of two pieces in which a form of the key could lie in both."""
    return one[len(one) - overlap :] + other[:overlap]


def _without(content: bytes, forms: Iterable[bytes]) -> bytes:
    for form in forms:
        content = content.replace(form, REDACTED.encode())
    return content


def _common_length(one: bytes, other: bytes) -> int:
    """Return the length of the common prefix of two texts."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
