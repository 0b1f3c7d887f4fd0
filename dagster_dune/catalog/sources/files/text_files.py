"""Finds the files of a folder, and reads them as text."""

from __future__ import annotations

import codecs
import os
import re
import stat
from pathlib import Path

from dagster_dune.catalog.sources.left_out import LeftOut
from dagster_dune.errors import DuneCatalogError

MAX_BYTES = 2_000_000
UNREADABLE = "Let this process read it, remove it, or list it in exclude."
CONFLICT = re.compile(
    r"^<{7}(?: [^\n]*)?$.*?^={7}$.*?^>{7}(?: [^\n]*)?$",
    re.MULTILINE | re.DOTALL,
)
"""The lines with which Git marks the two sides of a merge that it could not join."""


def visible_files(folder: Path, left_out: LeftOut) -> list[Path]:
    """Find the files of a folder, and of the folders in it, except hidden ones and those in hidden folders.

    Symbolic links to folders are followed. Each folder is read only once, so that circular links do no harm.
    """
    found = []
    top = Path(os.path.realpath(folder))
    walked = {top}

    def unreadable(error: OSError) -> None:
        name = shown(Path(error.filename))
        left_out.add(f"The folder {name} cannot be read: {error.strerror}. Let this process read it, or remove it.")

    def is_new(path: Path) -> bool:
        real = Path(os.path.realpath(path))
        is_link = os.path.islink(path)  # noqa: PTH114  (Path.is_symlink raises where a path is too long)
        is_reached_otherwise = is_link and (real in top.parents or top in real.parents)
        if is_reached_otherwise or real in walked:
            return False
        walked.add(real)
        return True

    for parent, folders, files in os.walk(folder, onerror=unreadable, followlinks=True):
        folders[:] = [name for name in sorted(folders) if not name.startswith(".") and is_new(Path(parent, name))]
        found += [Path(parent, name) for name in files if not name.startswith(".")]
    return sorted(found)


def shown(path: Path) -> str:
    """Return a path as a text for messages, even if its name is not valid UTF-8."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def read_text(file: Path) -> str:
    """Read a file.

    Raises:
        DuneCatalogError: It cannot be read, is too large, or is not UTF-8 text.
    """
    name = shown(file)
    if name != str(file):
        raise DuneCatalogError(f"{name} cannot be read: its name is no UTF-8 text.", hint="Rename it.")
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DuneCatalogError(
                f"{name} cannot be read: it is no regular file.", hint="Remove it, or list it in exclude."
            )
        if status.st_size > MAX_BYTES:
            raise DuneCatalogError(
                f"{name} is too large: {status.st_size:,} bytes.", hint=f"The most is {MAX_BYTES:,} bytes."
            )
        content = file.read_bytes()
    except OSError as error:
        raise DuneCatalogError(f"{name} cannot be read: {error.strerror or error}.", hint=UNREADABLE) from error
    try:
        text = content.decode("utf-8").lstrip("\ufeff")  # concatenated files have several
    except UnicodeDecodeError as error:
        encoding = "UTF-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "another encoding"
        line = content.count(b"\n", 0, error.start) + 1
        raise DuneCatalogError(
            f"{name}, line {line}: this is no UTF-8 text; the file looks like {encoding}.", hint="Save it as UTF-8."
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DuneCatalogError(
            f"{name}, line {line}: there are null characters, so the file is no text.", hint="Save it as UTF-8."
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def check_no_conflict(text: str, source: str) -> None:
    """Check that a text is not what Git leaves where it could not join two sides.

    Raises:
        DuneCatalogError: It has the marks of a merge conflict.
    """
    if "<<<<<<<" in text and (conflict := CONFLICT.search(text)):
        line = text.count("\n", 0, conflict.start()) + 1
        raise DuneCatalogError(
            f"{source}, line {line}: a conflict of a Git merge is not resolved.",
            hint="Keep one side, and remove the lines <<<<<<<, ======= and >>>>>>>.",
        )
