"""What the pages of one execution, or of several that are read together, share: threads, and memory to receive in."""

from __future__ import annotations

from contextlib import ExitStack

from dagster_dune.api.pool import RequestPool
from dagster_dune.frames.pages.parser_thread import ParserThread
from dagster_dune.frames.pages.rooms import Rooms

QUESTIONS = 8
"""So many columns are asked at once whether they hold a real ``<nil>``."""


class PageThreads:
    """Threads to use within a ``with`` block, each of which starts when it is first needed.

    Args:
        concurrency: How many pages are asked for at once. At most half of them are received at once; what has come of
            the others waits in the buffers of the system.

    Attributes:
        parser: The one that parses what comes.
        asker: Those that ask about NULL.
        rooms: The memory that pages are received in.
    """

    def __init__(self, concurrency: int) -> None:
        self._ends = ExitStack()
        self.parser = ParserThread()
        self._ends.callback(self.parser.close)
        self.asker = self._ends.enter_context(RequestPool(QUESTIONS, "dune-asker"))
        self.rooms = Rooms(max(1, concurrency // 2))

    def __enter__(self) -> PageThreads:
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()
