"""Functions of words and digits: Soundex, distances, stems and check digits."""

from __future__ import annotations

import re

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native


@native("VARCHAR", "VARCHAR")
def soundex(text: str) -> str:
    """Return the Soundex code of a word."""
    codes = {**dict.fromkeys("BFPV", "1"), **dict.fromkeys("CGJKQSXZ", "2"), **dict.fromkeys("DT", "3"), "L": "4",
             **dict.fromkeys("MN", "5"), "R": "6"}  # fmt: skip
    letters = [letter for letter in text.upper() if letter.isalpha()]
    if not letters:
        return ""
    if any(letter > "Z" for letter in letters):
        raise FunctionError(f"The character is not mapped: {text}")
    made, last = letters[0], codes.get(letters[0], "")
    for letter in letters[1:]:
        code = codes.get(letter, "")
        if code and code != last:
            made += code
        if letter not in "HW":
            last = code
    return (made + "000")[:4]


_MOST_STEPS = 1_000_000


@native("BIGINT", "VARCHAR", "VARCHAR")
def levenshtein_distance(left: str, right: str) -> int:
    """Return the Levenshtein distance of two texts."""
    if len(left) * len(right) > _MOST_STEPS:
        raise FunctionError(
            f"The combined inputs size exceeded max Levenshtein distance calculation size {_MOST_STEPS}"
        )
    before = list(range(len(right) + 1))
    for row, letter in enumerate(left, start=1):
        now = [row]
        for column, other in enumerate(right, start=1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (letter != other)))
        before = now
    return before[-1]


@native("BIGINT", "VARCHAR", "VARCHAR")
def hamming_distance(left: str, right: str) -> int:
    """Return the Hamming distance of two texts of equal lengths."""
    if len(left) != len(right):
        raise FunctionError("The input strings to hamming_distance function must have the same length")
    return sum(one != other for one, other in zip(left, right, strict=True))


@native("BOOLEAN", "VARCHAR")
def luhn_check(digits: str) -> bool:
    """Return whether the last digit is the Luhn check digit."""
    if not re.fullmatch(r"[0-9]*", digits):
        raise FunctionError(f"Input must contain only digits: {digits}")
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return bool(digits) and total % 10 == 0


@native("VARCHAR", "VARCHAR")
def initcap(text: str) -> str:
    """Capitalize the first letter of each word."""
    return re.sub(r"[^\W_]+", lambda word: word[0][0].upper() + word[0][1:].lower(), text)


@native("VARCHAR", "VARCHAR", "VARCHAR")
def word_stem(word: str, language: str) -> str:
    """Return the stem of an English word."""
    if language != "en":
        raise FunctionError(f"word_stem knows English alone in this emulator, not '{language}'")
    import snowballstemmer  # noqa: PLC0415

    return str(snowballstemmer.stemmer("english").stemWord(word))
