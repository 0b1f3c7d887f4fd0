"""What a write has cost, and how much more it may cost."""

from __future__ import annotations

ROUNDING = 1e-9
"""Sums of the same prices in another order may differ by so much."""


class CreditBudget:
    """The credits of one write.

    A look for a marker is a query, whose price is known when it has run: the dearest one so far stands for the next.

    Args:
        most: What may be spent; anything if None.

    Attributes:
        spent: What has been spent so far.
        look: About what another look costs; 0 before the first one.
        reserved: What all that is still to be sent will cost.
    """

    def __init__(self, most: float | None) -> None:
        self.most = most
        self.spent = 0.0
        self.look = 0.0
        self.reserved = 0.0

    @property
    def told(self) -> str:
        """What has been spent, as a sentence after another; nothing where nothing was."""
        return f" {self.spent:g} credits are spent." if self.spent else ""

    def add_look(self, credits_: float | None) -> None:
        """Count a look that has been made; None is a price that Dune does not tell."""
        self.spent += credits_ or 0.0
        self.look = max(self.look, credits_ or 0.0)

    def is_passed_by(self, price: float) -> bool:
        """Whether something more would cost too much, beside what is reserved."""
        return self.most is not None and self.spent + self.reserved + price > self.most + ROUNDING
