"""A cassette: requests and their answers in the order in which they came."""

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
BASE = "{base}"
"""What stands for the address of the server in answers."""


@dataclass(frozen=True)
class Asked:
    """A request without its headers.

    Attributes:
        method: The HTTP method.
        path: The path, ``/api/...``.
        options: The fields of the query string, without any key.
        body: The body as JSON, as text where it is none, None where there is none.
    """

    method: str
    path: str
    options: dict[str, str]
    body: Any

    @property
    def text(self) -> str:
        """The same for the same request, whatever the order of its fields."""
        options = "&".join(f"{name}={value}" for name, value in sorted(self.options.items()))
        body = "" if self.body is None else " " + json.dumps(self.body, sort_keys=True, ensure_ascii=False)
        return f"{self.method} {self.path}{'?' + options if options else ''}{body}"


@dataclass(frozen=True)
class Interaction:
    """A request and its answer.

    Attributes:
        asked: The request.
        status: The answer's status.
        headers: Those of the answer's headers that clients read.
        answer: Its body, JSON or text.
        seconds: When the request came, counted from the first.
        took: The seconds until its answer.
    """

    asked: Asked
    status: int
    headers: dict[str, str]
    answer: Any
    seconds: float
    took: float


class Cassette:
    """Interactions, and which of them is next.

    Args:
        interactions: In the order of the requests.
        salt: What the replacements of names are made with; None where everything was kept.
    """

    def __init__(self, interactions: Iterable[Interaction], salt: str | None = None) -> None:
        self.interactions = tuple(interactions)
        self.salt = salt
        self._by_text = defaultdict[str, list[Interaction]](list)
        for interaction in self.interactions:
            self._by_text[interaction.asked.text].append(interaction)
        self._played = defaultdict[str, int](int)

    @classmethod
    def read(cls, path: Path) -> Cassette:
        """Read a file.

        Raises:
            DuneConfigurationError: It is no cassette.
        """
        try:
            document = json.loads(path.read_text("utf-8"))
            interactions = [
                Interaction(**{**fields, "asked": Asked(**fields["asked"])}) for fields in document["interactions"]
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
        """Write it into a file, which stands under its name when it is whole."""
        document = {"format": FORMAT, "salt": self.salt, "interactions": [asdict(one) for one in self.interactions]}
        unfinished = path.with_name(f".{path.name}.unfinished")
        unfinished.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
        unfinished.replace(path)

    def rewind(self) -> None:
        """Begin again."""
        self._played.clear()

    def play(self, asked: Asked) -> Interaction | None:
        """Return the next answer to a request; reads that come more often than they were recorded get the last.

        Returns:
            None where it was not recorded, or where a change comes more often than it was.
        """
        recorded, played = self._by_text.get(asked.text, []), self._played[asked.text]
        if not recorded or (asked.method != "GET" and played >= len(recorded)):
            return None
        self._played[asked.text] += 1
        return recorded[min(played, len(recorded) - 1)]

    def nearest(self, asked: Asked) -> str:
        """The recorded request that is most like one, in words."""
        texts = [*self._by_text]
        if not texts:
            return "The cassette is empty."
        if asked.text in self._by_text:
            return f"It was recorded {len(self._by_text[asked.text])} times, and has been answered as often."
        best = max(texts, key=lambda text: SequenceMatcher(None, text[:2000], asked.text[:2000]).ratio())
        return f"The nearest that was recorded: {best}"
