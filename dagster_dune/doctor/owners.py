"""Decides which run of the doctor owns an object on Dune, and whether that run has ended.

A run puts a mark into the names of its objects: the time of its start and eight random digits. While it runs, it locks
a local file that is named after the mark; the operating system releases the lock when the process ends.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import secrets
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

TIME_FORMAT = "%Y%m%dt%H%M%S"
MARK = re.compile(r"(\d{8}t\d{6})_[0-9a-f]{8}")

MAX_DURATION = timedelta(hours=6)
"""Well above the two hours that 17 executions of at most five minutes each can take."""


class Owner:
    """One run of the doctor, which owns the objects that it creates.

    Args:
        folder: The folder of the lock files; if None, a folder of the user below the system's temporary folder.

    Attributes:
        mark: The mark in the names of its objects.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or _folder_of_user()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.mark = f"{datetime.now(UTC).strftime(TIME_FORMAT)}_{secrets.token_hex(4)}"
        self._lock = FileLock(self._file(self.mark))
        self._lock.acquire()

    def give_up(self) -> None:
        """Release the lock and keep its file, which tells the next run that it may delete the remaining objects."""
        self._lock.release()

    def close(self) -> None:
        """Release the lock and delete its file, since no objects remain."""
        self._lock.release()
        self._file(self.mark).unlink(missing_ok=True)

    def may_clear(self, name: str) -> bool:
        """Return whether an object belongs to this run, or to one that has certainly ended.

        Args:
            name: The name of the object on Dune.
        """
        match = MARK.search(name)
        if match is None or match[0] == self.mark:
            return True
        file = self._file(match[0])
        if file.exists():
            return self._is_free(file)
        begun = datetime.strptime(match[1], TIME_FORMAT).replace(tzinfo=UTC)
        return abs(datetime.now(UTC) - begun) > MAX_DURATION

    def _file(self, mark: str) -> Path:
        return self._folder / f"{mark}.lock"

    def _is_free(self, file: Path) -> bool:
        lock = FileLock(file)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return False
        lock.release()
        return True


def _folder_of_user() -> Path:
    # A container may run as a user without a name.
    name = str(os.getuid()) if hasattr(os, "getuid") else getpass.getuser()
    user = hashlib.sha256(name.encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"dagster-dune-doctor-{user}"
