"""What executions may use: memory, each and in all, and time."""

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
    """The bounds of executions.

    Attributes:
        seconds: How long the SQL of one may run; on Dune, 30 minutes.
        bytes_each: How much the process may grow while one runs.
        bytes_in_all: How much it may grow beyond what it held when none ran.
    """

    seconds: float = 1800.0
    bytes_each: int = 1_000_000_000
    bytes_in_all: int = 4_000_000_000


def memory_bytes() -> int:
    """Return the size of this process in memory; where the system does not say, the most that it has ever been."""
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
    """What one execution has used since it began to run."""

    began_at: float = field(default_factory=time.monotonic)
    bytes_before: int = field(default_factory=memory_bytes)


class ResourceMonitor:
    """Says which of the executions that run has to stop.

    DuckDB keeps its own bound for tables, sorts and aggregates. What it does not count (long texts, rows on their way
    to Python) shows in the size of the process alone, which belongs to no execution: where several run, the one that
    began last is stopped first.
    """

    def __init__(self, limits: ResourceLimits) -> None:
        self.limits = limits
        self._running: list[Usage] = []
        self._idle_bytes = 0

    def begin(self) -> Usage:
        """Note that an execution begins to run."""
        usage = Usage()
        if not self._running:
            self._idle_bytes = usage.bytes_before
        self._running.append(usage)
        return usage

    def end(self, usage: Usage) -> None:
        """Note that it has ended."""
        self._running.remove(usage)

    def check(self, usage: Usage) -> None:
        """Let an execution go on that keeps the bounds.

        Raises:
            SqlError: It does not, in Trino's words.
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
