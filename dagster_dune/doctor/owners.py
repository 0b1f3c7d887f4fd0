"""Which doctor an object on Dune belongs to, and whether that one still runs.

A run's mark stands in the name of everything that it makes: when it began, and eight random digits. While it runs it
holds a lock on a file of this machine that is named after the mark, and a system takes locks away from what has died.
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

FORM = "%Y%m%dt%H%M%S"
MARK = re.compile(r"(\d{8}t\d{6})_[0-9a-f]{8}")

LONGEST = timedelta(hours=6)
"""A run ends within two: it waits for no more than 17 executions, five minutes each."""


class Owner:
    """One run of the doctor, from its first object to its end.

    Args:
        folder: Where the locks of this machine are; the user's own below the system's folder for temporary files if
            None.

    Attributes:
        mark: What stands in the name of everything that it makes.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or _folder_of_user()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.mark = f"{datetime.now(UTC).strftime(FORM)}_{secrets.token_hex(4)}"
        self._lock = FileLock(self._file(self.mark))
        self._lock.acquire()

    def give_up(self) -> None:
        """Leave what is still there to the next run: the file says whose it was, and that nobody holds it."""
        self._lock.release()

    def close(self) -> None:
        """Say that this run has ended, and that nothing of it is there any more."""
        self._lock.release()
        self._file(self.mark).unlink(missing_ok=True)

    def may_clear(self, name: str) -> bool:
        """Whether an object is this run's, or that of a run that has surely ended.

        Args:
            name: The object's name on Dune.
        """
        match = MARK.search(name)
        if match is None or match[0] == self.mark:
            return True
        file = self._file(match[0])
        if file.exists():
            return self._is_free(file)
        begun = datetime.strptime(match[1], FORM).replace(tzinfo=UTC)
        return abs(datetime.now(UTC) - begun) > LONGEST

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
