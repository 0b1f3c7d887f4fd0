"""What the pages of one execution, or of several that are read together, share: threads, and memory to receive in."""

from __future__ import annotations

import threading
from contextlib import ExitStack

from dagster_dune.api.pool import RequestPool
from dagster_dune.frames.pages.csv_pages import new_block_buffer
from dagster_dune.frames.pages.parser_thread import ParserThread

QUESTIONS = 8
"""So many columns are asked at once whether they hold a real ``<nil>``."""


class PageThreads:
    """Threads to use within a ``with`` block, each of which starts when it is first needed.

    Attributes:
        parser: The one that parses what comes.
        asker: Those that ask about NULL.
    """

    def __init__(self) -> None:
        self._ends = ExitStack()
        self.parser = ParserThread()
        self._ends.callback(self.parser.close)
        self.asker = self._ends.enter_context(RequestPool(QUESTIONS, "dune-asker"))
        self._local = threading.local()

    def __enter__(self) -> PageThreads:
        return self

    @property
    def buffer(self) -> bytearray:
        """Memory for the blocks of a page that the calling thread receives."""
        if not hasattr(self._local, "buffer"):
            self._local.buffer = new_block_buffer()
        buffer: bytearray = self._local.buffer
        return buffer

    def __exit__(self, *_: object) -> None:
        self._ends.close()
