"""Stores recorded requests with their answers in a file, and finds the answer to a request again."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from dagster_dune.errors import DuneConfigurationError

FORMAT = "dagster-dune cassette 1"
BASE_URL_PLACEHOLDER = "{base}"
"""Replaces the address of the server in answers."""


@dataclass(frozen=True)
class RecordedRequest:
    """A recorded request, without its headers.

    Attributes:
        method: The HTTP method.
        path: The path, ``/api/...``.
        options: The fields of the query string, without the API key.
        body: The body as JSON, as text if it is no JSON, None if it is empty.
    """

    method: str
    path: str
    options: dict[str, str]
    body: Any

    @property
    def text(self) -> str:
        """The request as text, which does not depend on the order of fields."""
        options = "&".join(f"{name}={value}" for name, value in sorted(self.options.items()))
        body = "" if self.body is None else " " + json.dumps(self.body, sort_keys=True, ensure_ascii=False)
        return f"{self.method} {self.path}{'?' + options if options else ''}{body}"


@dataclass(frozen=True)
class Interaction:
    """A request and its answer.

    Attributes:
        asked: The request.
        status: The HTTP status of the answer.
        headers: The headers of the answer that clients read.
        answer: The body of the answer, JSON or text.
        seconds: The seconds from the start of the recording to the request.
        took: The seconds from the request to its answer.
    """

    asked: RecordedRequest
    status: int
    headers: dict[str, str]
    answer: Any
    seconds: float
    took: float


class Cassette:
    """Recorded interactions, and how many of each request a replay has answered.

    Args:
        interactions: In the order of the requests.
        salt: The salt of the replacements; None if names were kept.
    """

    def __init__(self, interactions: Iterable[Interaction], salt: str | None = None) -> None:
        self.interactions = tuple(interactions)
        self.salt = salt
        self._by_text = defaultdict[str, list[Interaction]](list)
        for interaction in self.interactions:
            self._by_text[interaction.asked.text].append(interaction)
        self._play_counts = defaultdict[str, int](int)

    @classmethod
    def read(cls, path: Path) -> Cassette:
        """Read a file.

        Raises:
            DuneConfigurationError: The file is no cassette.
        """
        try:
            document = json.loads(path.read_text("utf-8"))
            interactions = [
                Interaction(**{**fields, "asked": RecordedRequest(**fields["asked"])})
                for fields in document["interactions"]
            ]
            salt, format_ = document["salt"], document["format"]
        except (OSError, ValueError, TypeError, KeyError) as error:
            why = f"it has no {error}" if isinstance(error, KeyError) else error
            raise DuneConfigurationError(
                f"{path} is no cassette that can be read: {why}.", hint="dagster-dune record makes one."
            ) from error
        if format_ != FORMAT:
            raise DuneConfigurationError(f"{path} is of another format: {format_!r}.", hint="Record it again.")
        return cls(interactions, salt)

    def write(self, path: Path) -> None:
        """Write the cassette to a temporary file, and rename it when it is complete."""
        document = {"format": FORMAT, "salt": self.salt, "interactions": [asdict(one) for one in self.interactions]}
        unfinished = path.with_name(f".{path.name}.unfinished")
        unfinished.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
        unfinished.replace(path)

    def rewind(self) -> None:
        """Replay from the start."""
        self._play_counts.clear()

    def play(self, asked: RecordedRequest) -> Interaction | None:
        """Return the next answer to a request; a GET that is repeated more often than recorded gets the last one.

        Returns:
            None if the request was not recorded, or is no GET and is repeated more often than recorded.
        """
        recorded, played = self._by_text.get(asked.text, []), self._play_counts[asked.text]
        if not recorded or (asked.method != "GET" and played >= len(recorded)):
            return None
        self._play_counts[asked.text] += 1
        return recorded[min(played, len(recorded) - 1)]

    def nearest(self, asked: RecordedRequest) -> str:
        """Return a sentence with the recorded request that is most similar to one."""
        texts = [*self._by_text]
        if not texts:
            return "The cassette is empty."
        if asked.text in self._by_text:
            return f"It was recorded {len(self._by_text[asked.text])} times, and has been answered as often."
        best = max(texts, key=lambda text: SequenceMatcher(None, text[:2000], asked.text[:2000]).ratio())
        return f"The nearest that was recorded: {best}"
