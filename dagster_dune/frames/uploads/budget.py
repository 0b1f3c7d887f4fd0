"""Counts the credits of a write, and compares them with the limit."""

from __future__ import annotations

ROUNDING = 1e-9
"""The rounding error of a sum of prices: sums of the same prices in another order may differ by this."""


class CreditBudget:
    """The credits of one write.

    Counting the rows of a marker is a query, whose price is known only after it has run. The next count is assumed to
    cost as much as the most expensive one so far.

    Args:
        most: The maximum number of credits; no limit if None.

    Attributes:
        spent: The credits spent so far.
        count_price: The estimated price of another count of rows; 0 before the first one.
        reserved: The price of all inserts that are still to be sent.
    """

    def __init__(self, most: float | None) -> None:
        self.most = most
        self.spent = 0.0
        self.count_price = 0.0
        self.reserved = 0.0

    @property
    def spent_sentence(self) -> str:
        """The credits spent, as a sentence to append to a message; empty if there are none."""
        return f" {self.spent:g} credits are spent." if self.spent else ""

    def add_count(self, credits_: float | None) -> None:
        """Add the price of a count of rows; None if Dune does not say what it cost."""
        self.spent += credits_ or 0.0
        self.count_price = max(self.count_price, credits_ or 0.0)

    def is_passed_by(self, price: float) -> bool:
        """Whether the limit would be passed by spending this price and all that is reserved."""
        return self.most is not None and self.spent + self.reserved + price > self.most + ROUNDING
