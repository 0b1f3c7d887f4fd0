"""Ctrl-C, pressed by another thread of a test than the main one, which it interrupts.

As in a process that has imported polars, the system resumes what the main thread waits for after the signal.
"""

import os
import signal
import sys

from waiting import wait_until


def press_ctrl_c():
    """Interrupt the main thread, whatever it does."""
    signal.siginterrupt(signal.SIGINT, False)
    os.kill(os.getpid(), signal.SIGINT)


def press_ctrl_c_in(module, thread):
    """Interrupt the main thread once it stands in a function of a module, or in what that has called."""

    def modules():
        frame = sys._current_frames()[thread]
        while frame is not None:
            yield frame.f_globals["__name__"]
            frame = frame.f_back

    wait_until(lambda: module in modules())
    press_ctrl_c()
