"""Resets connections and locks in forked processes.

Two processes that share a connection would read each other's answers. A lock that another thread held at the moment of
the fork stays locked for ever in the child, which has no such thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from weakref import WeakMethod

_methods: set[WeakMethod[Callable[[], None]]] = set()


def call_after_fork(method: Callable[[], None]) -> None:
    """Call a method in each process that is forked from this one, before anything else runs there.

    Args:
        method: The method of an object. Only a weak reference to the object is kept.
    """
    _methods.add(WeakMethod(method, _methods.discard))


def _call_all() -> None:
    for reference in list(_methods):
        if method := reference():
            method()


if hasattr(os, "register_at_fork"):  # not on Windows, where there is no fork
    os.register_at_fork(after_in_child=_call_all)
