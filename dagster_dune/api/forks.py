"""What a forked process begins anew: connections and locks are those of the process that has made them.

Two processes on one connection read what was answered to the other. A lock that a thread held at the moment of the fork
is held for ever in the new process, which has no such thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from weakref import WeakMethod

_every: set[WeakMethod[Callable[[], None]]] = set()


def call_in_forks(method: Callable[[], None]) -> None:
    """Call a method in each process that is forked from this one, before anything else runs there.

    Args:
        method: The method of an object, which is not kept alive.
    """
    _every.add(WeakMethod(method, _every.discard))


def _call_all() -> None:
    for reference in list(_every):
        if method := reference():
            method()


if hasattr(os, "register_at_fork"):  # not on Windows, where there is no fork
    os.register_at_fork(after_in_child=_call_all)
