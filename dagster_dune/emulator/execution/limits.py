"""Limits the memory and the time of executions."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from dagster_dune.emulator.sql_errors import SqlError

CHECK_SECONDS = 0.02
_STATM = Path("/proc/self/statm")


# Assumption: local-resource-limits.
@dataclass(frozen=True)
class ResourceLimits:
    """The limits of executions.

    Attributes:
        seconds: The maximum duration of the SQL; on Dune, 30 minutes.
        bytes_each: The maximum growth of the process while one execution runs.
        bytes_in_all: The maximum growth of the process since no execution was running.
    """

    seconds: float = 1800.0
    bytes_each: int = 1_000_000_000
    bytes_in_all: int = 4_000_000_000


def memory_bytes() -> int:
    """Return the memory of this process, or its maximum so far if the system does not tell the current value."""
    if _STATM.exists():
        return int(_STATM.read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    try:
        import resource  # noqa: PLC0415 - not there on Windows, where DuckDB's own bound is all there is
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@dataclass
class Usage:
    """The start of an execution, from which its usage is computed."""

    began_at: float = field(default_factory=time.monotonic)
    bytes_before: int = field(default_factory=memory_bytes)


class ResourceMonitor:
    """Decides which running execution has to stop.

    DuckDB has its own limit for tables, sorts and aggregates. Other memory (long texts, rows in Python) is only visible
    in the size of the process, and not by execution. If several run, the one that started last is stopped first.
    """

    def __init__(self, limits: ResourceLimits) -> None:
        self.limits = limits
        self._running: list[Usage] = []
        self._idle_bytes = 0

    def begin(self) -> Usage:
        """Record the start of an execution."""
        usage = Usage()
        if not self._running:
            self._idle_bytes = usage.bytes_before
        self._running.append(usage)
        return usage

    def end(self, usage: Usage) -> None:
        """Record the end of an execution."""
        self._running.remove(usage)

    def check(self, usage: Usage) -> None:
        """Check that an execution is within the limits.

        Raises:
            SqlError: It is not; the message is Trino's.
        """
        limits = self.limits
        if time.monotonic() - usage.began_at > limits.seconds:
            raise _exceeded(f"maximum time limit of {limits.seconds / 60:.2f}m")
        if self._running[-1] is not usage:
            return
        held = memory_bytes()
        if held - usage.bytes_before > limits.bytes_each:
            raise _exceeded(f"per-query memory limit of {limits.bytes_each / 1e9:g}GB")
        if held - self._idle_bytes > limits.bytes_in_all:
            raise _exceeded(f"memory limit of {limits.bytes_in_all / 1e9:g}GB for all queries together")


def _exceeded(what: str) -> SqlError:
    return SqlError(f"Query exceeded {what}", type="FAILED_TYPE_EXECUTION_FAILED")
