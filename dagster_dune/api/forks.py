"""What a forked process begins anew: connections and locks are those of the process that has made them.

Two processes on one connection read what was answered to the other. A lock that a thread held at the moment of the fork
is held for ever in the new process, which has no such thread.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class BeginsAnew(Protocol):
    """What has connections or locks of its own."""

    def begin_anew(self) -> None:
        """Forget the connections and locks of the process that this one was forked from, and close none of them."""


_every: WeakSet[BeginsAnew] = WeakSet()


def begin_anew_in_forks(it: BeginsAnew) -> None:
    """Let it begin anew in each process that is forked from this one."""
    _every.add(it)


def _begin_anew() -> None:
    for it in list(_every):
        it.begin_anew()


if hasattr(os, "register_at_fork"):  # not on Windows, where there is no fork
    os.register_at_fork(after_in_child=_begin_anew)
