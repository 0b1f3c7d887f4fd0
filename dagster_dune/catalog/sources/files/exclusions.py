"""Finds what the patterns of ``exclude`` match among the files of a folder."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from dagster_dune.catalog.settings.wrong_values import MAX_TEXT_SHOWN

logger = logging.getLogger(__name__)

_HIDDEN = re.compile(r"(^|/)\.[^./]")
_GLOB = re.compile(r"[*?\[]")


def comparable(name: str) -> str:
    """Return a name of a file as it is compared: macOS and Linux write one letter with an accent in different ways."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


class Exclusions:
    """The files of a folder that patterns match by the names and paths of the files and of the folders in it.

    Args:
        folder: The folder that paths are relative to.
        files: The files in it and below it.

    Examples:
        >>> files = Exclusions(Path("queries"), [Path("queries/dex/_deprecated/old.sql")])
        >>> [len(files.matched([pattern])) for pattern in ("_deprecated", "dex/*/old.sql", "old")]
        [1, 1, 0]
    """

    def __init__(self, folder: Path, files: Iterable[Path]) -> None:
        self._folder = folder
        self._files = files

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for file in self._files:
            parts = comparable(file.relative_to(self._folder).as_posix()).split("/")
            for name in {*parts, *("/".join(parts[:end]) for end in range(1, len(parts) + 1))}:
                found.setdefault(name, []).append(file)
        return found

    def matched(self, patterns: Sequence[str]) -> set[Path]:
        """Return the files that a pattern matches, or that are in a folder which one matches."""
        found = set[Path]()
        for pattern in patterns:
            glob = comparable(pattern.strip().removeprefix("./").rstrip("/"))
            names = [name for name in self._by_name if fnmatchcase(name, glob)] if _GLOB.search(glob) else [glob]
            found.update(file for name in names for file in self._by_name.get(name, ()))
        return found

    def warn_of_unmatched(self, patterns: Sequence[str], location_of: Callable[[int], str]) -> None:
        """Warn of patterns that match nothing, except patterns of hidden files, which are not read anyway.

        Args:
            patterns: The patterns.
            location_of: Returns the place of a pattern, given its index.
        """
        for index, pattern in enumerate(patterns):
            if not _HIDDEN.search(pattern.strip()) and not self.matched([pattern]):
                close = get_close_matches(pattern[:MAX_TEXT_SHOWN], self._names, n=1)
                hint = f"Did you mean {close[0]}?" if close else "Write names, paths as seen from there, or globs."
                logger.warning("%s: %r of exclude matches no file or folder. %s", location_of(index), pattern, hint)

    @cached_property
    def _names(self) -> list[str]:
        return sorted(self._by_name)
