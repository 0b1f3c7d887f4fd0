"""Memory that pages are received in, which is used again: fresh memory costs more than what is done with it here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from threading import Condition
from time import monotonic

FIRST_BYTES = 2**20
FEW = 2
"""So many pages are received at once where the machine is the slower part: one more is received while one is parsed."""
PATIENCE_SECONDS = 0.25
"""A page that has waited for so long gets more memory, if it may: the network is the slower part."""


class Room:
    """Memory for the text of one page, or of a part of it.

    Attributes:
        text: The memory, as large as has been needed so far.
    """

    def __init__(self) -> None:
        self.text = bytearray(FIRST_BYTES)

    def larger(self, text: bytearray, length: int, usual: int) -> bytearray:
        """Return more memory that begins with the same text.

        Args:
            text: What is too short.
            length: How many bytes are needed.
            usual: What is needed as a rule. More than a quarter above that is not kept for the next page.
        """
        grown = bytearray(max(length, min(2 * length, usual + usual // 8)))
        grown[: len(text)] = text
        if length <= usual + usual // 4:
            self.text = grown
        return grown


class Rooms:
    """The memory of all pages that are received at once: the earliest page gets it first.

    Whatever waits has been asked for, so that its answer is on its way, or stands in the system's own buffers.

    Args:
        most: How many pages are received at once at the most.
    """

    def __init__(self, most: int) -> None:
        self._changed = Condition()
        self._free = [Room() for _ in range(min(FEW, most))]
        self._left = most - len(self._free)
        self._waiting: list[tuple[float, int]] = []
        self._numbers = count()

    @contextmanager
    def room_for(self, place: float) -> Iterator[Room]:
        """Wait for memory, and have it within this block.

        Args:
            place: Which page it is for; what lies lower gets it first.
        """
        room = self._taken((place, next(self._numbers)))
        try:
            yield room
        finally:
            with self._changed:
                self._free.append(room)
                self._changed.notify_all()

    def _taken(self, mine: tuple[float, int]) -> Room:
        ends_at = monotonic() + PATIENCE_SECONDS
        with self._changed:
            self._waiting.append(mine)
            while min(self._waiting) != mine or not (self._free or (self._left and monotonic() >= ends_at)):
                self._changed.wait(PATIENCE_SECONDS / 5)
            self._waiting.remove(mine)
            self._changed.notify_all()
            if self._free:
                return self._free.pop()
            self._left -= 1
            return Room()
