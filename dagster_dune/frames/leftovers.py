"""Finds files and folders that killed writers left, so that the next writer removes them.

A writer holds a lock on its file as long as it lives.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from dagster_dune.errors import DuneConfigurationError

LEFTOVER_SECONDS = 86_400.0
_PREFIX = "dagster-dune-rows-"
_LOCK = "lock"

try:
    import fcntl as _fcntl
except ImportError:  # Windows has no such locks
    _fcntl = None  # type: ignore[assignment]


def lock_new_file(file: IO[bytes]) -> bool:
    """Lock a new file until it is closed, or its process has ended.

    Args:
        file: The file, open.

    Returns:
        False if another process has locked it in between; True if it is locked, or there are no locks.
    """
    return _lock(file) is not False


def is_abandoned(path: Path, file: IO[bytes]) -> bool:
    """Return whether the writer of a file has ended; without locks, whether the file is a day old.

    Args:
        path: The path of the file.
        file: The open file, which is locked afterwards if its writer has ended.
    """
    is_locked = _lock(file)
    return _is_old(path) if is_locked is None else is_locked


def _lock(file: IO[bytes]) -> bool | None:
    """Lock a file, and return whether that succeeded; None if the operating system or the file system has no locks."""
    if _fcntl is None:
        return None
    try:
        _fcntl.flock(file, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is_old(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > LEFTOVER_SECONDS


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Create a folder for rows, and remove it afterwards. Folders that killed processes left are removed first.

    Yields:
        The folder, inside the folder of temporary files, which ``TMPDIR`` sets.

    Raises:
        DuneConfigurationError: No folder can be made there.
    """
    try:
        _remove_abandoned_folders(Path(tempfile.gettempdir()))
        folder, lock = _new_folder()
    except OSError as error:
        raise DuneConfigurationError(
            f"Rows are kept on disk on their way, and no folder can be made for them: {error}.",
            hint="Name a folder in TMPDIR that can be written to.",
        ) from error
    try:
        with lock:
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _new_folder() -> tuple[Path, IO[bytes]]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        path = folder / _LOCK
        lock = path.open("xb")
        if lock_new_file(lock) and path.exists():  # nobody took it for a leftover before it was locked
            return folder, lock
        lock.close()


def _remove_abandoned_folders(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        lock = folder / _LOCK
        with suppress(OSError):  # that of another user, or gone meanwhile
            if not lock.exists():  # its writer is making it, or was killed then
                if _is_old(folder):
                    shutil.rmtree(folder)
                continue
            with lock.open("rb+") as file:
                if is_abandoned(lock, file):
                    shutil.rmtree(folder)
