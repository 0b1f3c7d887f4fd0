"""Runs a command with additional environment variables, and forwards signals to it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from dagster_dune.cli.env_file import check_env_file
from dagster_dune.errors import DuneError

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_with(command: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run a command with additional environment variables, forward signals to it, and return its exit code.

    Raises:
        DuneError: It cannot be run, or the file ``.env`` would overwrite one of the variables.
    """
    check_env_file(variables)
    try:
        process = subprocess.Popen(command, env={**os.environ, **variables})  # noqa: S603  (what the user has asked for)
    except OSError as error:
        raise DuneError(f"{command[0]} cannot be run: {error.strerror}.") from error
    before = {number: signal.signal(number, lambda number, _: process.send_signal(number)) for number in STOP_SIGNALS}
    try:
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code
