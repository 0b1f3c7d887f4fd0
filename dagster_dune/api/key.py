"""The API key: who may see it, and how it is blotted out of what others write."""

from __future__ import annotations

import base64
import html
import json
import logging
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn
from urllib.parse import quote

from dagster_dune.errors import DuneConfigurationError

BLOT = "********"
SHORTEST_BLOTTED = 6
"""A shorter text is no key of Dune's (these have 32 characters), and would be found in ordinary words."""


class ApiKey:
    """A key that shows itself to nobody but the server. It cannot be pickled, and its repr is a blot.

    Args:
        text: The key.

    Raises:
        DuneConfigurationError: It can be no key.

    Examples:
        >>> key = ApiKey("a-very-secret-key")
        >>> key, key.blotted("The gateway has seen X-Dune-Api-Key: a-very-secret-key")
        (ApiKey(********), 'The gateway has seen X-Dune-Api-Key: ********')
    """

    __slots__ = ("_forms", "_text")

    def __init__(self, text: str) -> None:
        self._text = checked_api_key(text)
        self._forms = _forms(text) if len(text) >= SHORTEST_BLOTTED else ()

    def __repr__(self) -> str:
        return f"ApiKey({BLOT})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("An API key is not pickled: give each process its own, from its environment.")

    def reveal(self) -> str:
        """The key itself, for the header alone."""
        return self._text

    def blotted(self, text: str) -> str:
        """A text without the key, as it is or as JSON, HTML, a URL or base64 write it."""
        for form in self._forms:
            text = text.replace(form, BLOT)
        return text

    def blotted_bytes(self, content: bytes) -> bytes:
        """The same for what a server has sent."""
        for form in self._forms:
            content = content.replace(form.encode(), BLOT.encode())
        return content

    def blotted_stream(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The same for what comes piece by piece, in which the key may be cut in two."""
        held_back = max((len(form) - 1 for form in self._forms), default=0)
        tail = b""
        for piece in pieces:
            content = self.blotted_bytes(tail + piece)
            end = max(0, len(content) - held_back)
            tail = content[end:]
            if end:
                yield content[:end]
        if tail:
            yield tail

    def blotted_json(self, value: Any) -> Any:
        """The same for each text in a JSON value."""
        match value:
            case str():
                return self.blotted(value)
            case list():
                return [self.blotted_json(item) for item in value]
            case dict():
                return {self.blotted(name): self.blotted_json(item) for name, item in value.items()}
        return value


class BlottingFilter(logging.Filter):
    """Keeps a key out of the records of a logger: httpcore tells whole headers of answers at DEBUG."""

    def __init__(self, key: ApiKey) -> None:
        super().__init__()
        self._key = key

    def filter(self, record: logging.LogRecord) -> bool:
        """Let each record pass, without the key."""
        message = record.getMessage()
        if (blotted := self._key.blotted(message)) != message:
            record.msg, record.args = blotted, ()
        return True


def checked_api_key(api_key: str) -> str:
    """Return the key, if it can be one.

    Raises:
        DuneConfigurationError: It is empty, or holds characters that no header can carry.
    """
    if not isinstance(api_key, str):
        raise DuneConfigurationError(
            f"The Dune API key must be a text, not a {type(api_key).__name__}.",
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


def _forms(text: str) -> tuple[str, ...]:
    """The key as the writers of JSON, HTML, URLs and logs put it, the longest first."""
    plain = {text, json.dumps(text)[1:-1], text.replace("/", "\\/"), html.escape(text), quote(text, safe="")}
    encoded = base64.b64encode(text.encode()).decode().rstrip("=")
    return tuple(sorted({*plain, encoded}, key=len, reverse=True))
