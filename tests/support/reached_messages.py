"""Which messages of the library the tests reach: where each error and each warning of ours was made.

With DAGSTER_DUNE_REACHED=FILE, every process of pytest adds the lines of the code to that file.
"""

import logging
import sys
from contextlib import contextmanager
from pathlib import Path

import dagster_dune
from dagster_dune.catalog.sources.left_out import LeftOut
from dagster_dune.errors import DuneError

PACKAGE = str(Path(dagster_dune.__file__).parent) + "/"


@contextmanager
def noted(lines):
    """Put the lines that make errors and warnings into a set, as ``catalog/names.py:97``."""
    make, warn, leave_out = DuneError.__init__, logging.Logger.warning, LeftOut.add

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

    def leaving_out(self, *args, **options):  # which is told at the end, where it is an error
        note()
        leave_out(self, *args, **options)

    DuneError.__init__, logging.Logger.warning, LeftOut.add = making, warning, leaving_out
    try:
        yield
    finally:
        DuneError.__init__, logging.Logger.warning, LeftOut.add = make, warn, leave_out
