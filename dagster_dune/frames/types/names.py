"""Makes names unique, for targets that do not allow duplicates."""

from __future__ import annotations

from collections.abc import Sequence


def deduplicated_names(names: Sequence[str], *, fold_case: bool = False) -> list[str]:
    """Return the names with a number appended to duplicates: the second ``a`` becomes ``a_2``.

    Args:
        names: The names.
        fold_case: Whether names that differ only in case are duplicates.

    Examples:
        >>> deduplicated_names(["a", "b", "a", "a_2"]), deduplicated_names(["a", "A"], fold_case=True)
        (['a', 'b', 'a_3', 'a_2'], ['a', 'A_2'])
    """

    def key(name: str) -> str:
        return name.casefold() if fold_case else name

    given, taken = set[str](), {key(name) for name in names}
    result = []
    for name in names:
        chosen, number = name, 2
        while key(chosen) in given or (chosen != name and key(chosen) in taken):
            chosen, number = f"{name}_{number}", number + 1
        given.add(key(chosen))
        result.append(chosen)
    return result


def renamings(names: Sequence[str], renamed: Sequence[str]) -> list[str]:
    """Return a text for each name that was changed.

    Examples:
        >>> renamings(["a", "a"], ["a", "a_2"])
        ["'a' -> 'a_2'"]
    """
    return [f"{old!r} -> {new!r}" for old, new in zip(names, renamed, strict=True) if old != new]
