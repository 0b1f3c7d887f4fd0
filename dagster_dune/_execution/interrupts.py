"""Whether an interrupt is the end: a user has terminated the run, or nobody can ever take its pipeline over."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg

TEMPORARY_HOME = ".tmp_dagster_home_"
"""How the folders begin that `dg dev`, `dg launch` and others make where there is no DAGSTER_HOME."""
TERMINATED = (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED)


def ends_with_process(instance: dg.DagsterInstance) -> bool:
    """Whether an instance is lost with the process that made it, so that no later run can read its records."""
    return instance.is_ephemeral or any(part.startswith(TEMPORARY_HOME) for part in Path(instance.root_directory).parts)


def is_terminated(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether somebody has asked for the end of a run: a user, or Dagster where it took longer than `max_runtime`.

    The run's status alone does not tell: by the time that a step looks, it may be FAILURE already.
    """
    run = instance.get_run_by_id(run_id)
    if run is not None and run.status in TERMINATED:
        return True
    return bool(instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.RUN_CANCELING, limit=1).records)


def tell_terminal(words: str) -> None:
    """Write a line to the terminal in whose foreground this process runs, if it does.

    What a step logs reaches a terminal through a process that Ctrl-C ends too, so that the last words are lost there.
    """
    with suppress(OSError):  # no terminal, as in every deployment
        terminal = os.open("/dev/tty", os.O_WRONLY | os.O_NOCTTY)
        try:
            if os.tcgetpgrp(terminal) == os.getpgrp():
                os.write(terminal, f"{words}\r\n".encode())
        finally:
            os.close(terminal)


class InTurn(logging.LoggerAdapter[logging.Logger]):
    """A log that several threads tell something, one at a time: not every storage of Dagster bears them at once."""

    _turn = threading.Lock()

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        """Log once nobody else does."""
        with self._turn:
            super().log(level, msg, *args, **kwargs)
