"""How much work a function does, on any machine: the calls that it makes, of Python's functions and of C's."""

import sys
from collections.abc import Callable

CALLS = ("call", "c_call")


def calls_of(act: Callable[[], object]) -> int:
    """Count the calls that a function makes, directly or not, in this thread."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in CALLS

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(before)
    return count


def growth_of(act: Callable[[int], Callable[[], object]], few: int, many: int) -> float:
    """How many times the calls for a few things those for many things are.

    Args:
        act: Makes, for a number of things, what is judged; what making it takes does not count.
        few: The smaller number.
        many: The larger number.
    """
    act(few)()  # what happens once a process, such as imports and compiled patterns
    return calls_of(act(many)) / calls_of(act(few))
