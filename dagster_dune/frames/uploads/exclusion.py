"""What keeps writes of one table apart, where there is somebody who knows of the others."""

from __future__ import annotations

from typing import Protocol

from dagster_dune.api.errors import DuneApiError


class Exclusion(Protocol):
    """Knows of all writes, those of this one too."""

    def begin(self) -> bool:
        """Wait until no other write can come between; return whether it has waited."""

    def go_on(self) -> None:
        """Another request that inserts rows is about to be sent."""

    def end(self) -> None:
        """Nothing of this write can come any more."""


class NoExclusion:
    """Where nobody knows of other writes, as in a script."""

    def begin(self) -> bool:
        """There are none."""
        return False

    def go_on(self) -> None:
        """Nobody wants to know."""

    def end(self) -> None:
        """Nobody waits."""


def may_yet_come(error: BaseException | None) -> bool:
    """Whether a request may be carried out after the error that it ended in: it got no answer, or none of Dune's."""
    if error is None:
        return False
    if isinstance(error, DuneApiError) and (error.status is None or error.status >= 500):
        return True
    return may_yet_come(error.__cause__ or error.__context__)
