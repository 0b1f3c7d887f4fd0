"""Whether an interrupt ends a run for good: a user terminated it, or no later run can take over its pipelines."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_dune._execution.event_log import read_with_retries, records_of_run

TEMPORARY_HOME = ".tmp_dagster_home_"
"""The beginning of the names of folders that `dg dev`, `dg launch` and others create if DAGSTER_HOME is not set."""
TERMINATED = (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED)


def ends_with_process(instance: dg.DagsterInstance) -> bool:
    """Whether an instance is deleted when the process that made it ends, so that no later run can read its records."""
    return instance.is_ephemeral or any(part.startswith(TEMPORARY_HOME) for part in Path(instance.root_directory).parts)


def is_terminated(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a run was asked to terminate, by a user or, after `max_runtime`, by Dagster.

    The status of the run is not enough: when a step reads it, it may already be FAILURE.
    """
    run = read_with_retries(lambda: instance.get_run_by_id(run_id))
    if run is not None and run.status in TERMINATED:
        return True
    return next(records_of_run(instance, run_id, dg.DagsterEventType.RUN_CANCELING), None) is not None


def write_to_terminal(line: str) -> None:
    """Write a line to the terminal if this process runs in its foreground.

    The log of a step reaches the terminal through another process. Ctrl-C ends that process too, so that the last lines
    of the log do not reach the terminal.
    """
    with suppress(OSError):  # no terminal, as in every deployment
        terminal = os.open("/dev/tty", os.O_WRONLY | os.O_NOCTTY)
        try:
            if os.tcgetpgrp(terminal) == os.getpgrp():
                os.write(terminal, f"{line}\r\n".encode())
        finally:
            os.close(terminal)


class SerializedLog(logging.LoggerAdapter[logging.Logger]):
    """A log in which threads write one at a time, since some storages of Dagster cannot store from several at once."""

    _lock = threading.Lock()

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        """Log a message when no other thread is logging."""
        with self._lock:
            super().log(level, msg, *args, **kwargs)
