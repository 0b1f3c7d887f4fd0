"""The threads and buffers that all pages of one execution share, or of several executions that are read together."""

from __future__ import annotations

import threading
from contextlib import ExitStack

from dagster_dune.api.pool import RequestPool
from dagster_dune.frames.pages.csv_pages import new_block_buffer
from dagster_dune.frames.pages.parser_thread import ParserThread

NIL_LOOKUPS = 8
"""The number of columns that are searched for the text ``<nil>`` at once."""


class PageThreads:
    """Threads to use within a ``with`` block. Each one starts when it is first needed.

    Attributes:
        parser: The thread that parses blocks and pages.
        lookup_pool: The threads that send the requests which tell NULL from the text ``<nil>``.
    """

    def __init__(self) -> None:
        self._exit_stack = ExitStack()
        self.parser = ParserThread()
        self._exit_stack.callback(self.parser.close)
        self.lookup_pool = self._exit_stack.enter_context(RequestPool(NIL_LOOKUPS, "dune-asker"))
        self._local = threading.local()

    def __enter__(self) -> PageThreads:
        return self

    @property
    def buffer(self) -> bytearray:
        """The buffer of the calling thread for the blocks of a page that it receives."""
        if not hasattr(self._local, "buffer"):
            self._local.buffer = new_block_buffer()
        buffer: bytearray = self._local.buffer
        return buffer

    def __exit__(self, *_: object) -> None:
        self._exit_stack.close()
