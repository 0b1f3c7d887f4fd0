"""A text that is at hand where it is asked for, and shows itself nowhere else."""

from __future__ import annotations

from typing import Any, NoReturn

from dagster_dune.errors import DuneConfigurationError

BLOT = "********"


class HiddenText(str):
    """A secret: a text like any other, but its repr is a blot, and it cannot be pickled.

    Args:
        text: The secret.
        variable: The variable of the environment that it was read from, for messages; empty where there is none.

    Examples:
        >>> key = HiddenText("a-secret")
        >>> key, [key], key == "a-secret"
        (********, [********], True)
    """

    variable: str

    def __new__(cls, text: str, variable: str = "") -> HiddenText:
        """Make one."""
        hidden = super().__new__(cls, text)
        hidden.variable = variable
        return hidden

    def __repr__(self) -> str:
        return BLOT

    def __copy__(self) -> HiddenText:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> HiddenText:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise DuneConfigurationError(
            "The Dune API key cannot be pickled, since it would stand in the file.",
            hint="Name its variable of the environment (EnvVar('DUNE_API_KEY')), and return results from assets, not "
            "the resource.",
        )
