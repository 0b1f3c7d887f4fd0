"""Which messages of the library the tests reach: where each error and each warning of ours was made.

With ``--every-message``, as ``make test`` has it, pytest fails where a message of docs/errors.md is reached by no test.
"""

import logging
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

import dagster_dune
from dagster_dune.catalog.sources.left_out import LeftOut
from dagster_dune.errors import DuneError
from scripts.document_errors import messages, one_line, unreached

PACKAGE = str(Path(dagster_dune.__file__).parent) + "/"


@contextmanager
def noted(lines):
    """Put the lines that make errors and warnings into a set, as ``catalog/names.py:97``."""
    make, warn, leave_out = DuneError.__init__, logging.Logger.warning, LeftOut.add
    warn_through = logging.LoggerAdapter.warning

    def note():
        frame = sys._getframe(2)
        while frame is not None:
            if frame.f_code.co_filename.startswith(PACKAGE):
                lines.add(f"{frame.f_code.co_filename.removeprefix(PACKAGE)}:{frame.f_lineno}")
            frame = frame.f_back

    def making(self, *args, **options):
        note()
        make(self, *args, **options)

    def warning(self, *args, **options):
        note()
        warn(self, *args, **options | {"stacklevel": options.get("stacklevel", 1) + 1})

    def warning_through(self, *args, **options):
        note()
        warn_through(self, *args, **options)

    def leaving_out(self, *args, **options):  # which is told at the end, where it is an error
        note()
        leave_out(self, *args, **options)

    DuneError.__init__, logging.Logger.warning, LeftOut.add = making, warning, leaving_out
    logging.LoggerAdapter.warning = warning_through
    try:
        yield
    finally:
        DuneError.__init__, logging.Logger.warning, LeftOut.add = make, warn, leave_out
        logging.LoggerAdapter.warning = warn_through


class ReachedMessages:
    """The plugin of pytest. Where xdist runs the tests, its processes note, and the one that waits for them judges."""

    def __init__(self):
        self.lines = set()
        self.verdict = ""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self):
        with noted(self.lines):
            return (yield)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node):
        self.lines.update(getattr(node, "workeroutput", {}).get("reached_messages", ()))  # nothing if it has crashed

    def pytest_sessionfinish(self, session):
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["reached_messages"] = sorted(self.lines)
        elif session.exitstatus == pytest.ExitCode.OK:  # nobody knows what a failed test would have reached
            missing, count = unreached(self.lines), len(messages())
            self.verdict = f"{count - len(missing)} of {count} messages were reached by tests."
            if missing:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
                self.verdict += "\nNo test reaches these:\n" + "\n".join(map(one_line, missing))

    def pytest_terminal_summary(self, terminalreporter):
        if self.verdict:
            terminalreporter.write_line(self.verdict)


def pytest_addoption(parser):
    parser.addoption("--every-message", action="store_true", help="fail where a message of the library is not reached")


def pytest_configure(config):
    if config.option.every_message:
        config.pluginmanager.register(ReachedMessages())
