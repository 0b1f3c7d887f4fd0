"""Finds the query id of a ``.sql`` file in its header, its name or the comments at its start.

A wrong id would run, and pay for, someone else's query. So a number is only taken for an id if it is very unlikely to
be anything else, and none is taken if several are possible. `comment_ids`, beside this module, reads the comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from dagster_dune.catalog.sources.title_numbers import LIMIT, meaning_of

IdPlace = Literal["prefix", "suffix", "header"]

ID = r"[1-9][0-9]{0,17}"
SHORTEST_SURE_ID = 5
# A character beside an id: not the signs of amounts (>100000, $50000, 10,000) and of decimals (0.123456).
SEPARATOR = r"(?:_|[^\w$€£¥%<>=≤≥≈~+*^,'])"
WHOLE_ID = rf"(?<![0-9]\.)(?P<id>{ID})(?![0-9]|\.[0-9])"
AT_START = re.compile(rf"^{SEPARATOR}*{WHOLE_ID}(?:{SEPARATOR}|$)")
AT_END = re.compile(rf"(?:^|{SEPARATOR}){WHOLE_ID}{SEPARATOR}*$")
AFTER_LABEL = re.compile(
    rf"(?:^{SEPARATOR}*id|(?:^|{SEPARATOR})(?:q|(?:dune|query|dune{SEPARATOR}query)(?:{SEPARATOR}*id)?))"
    rf"{SEPARATOR}*{WHOLE_ID}(?={SEPARATOR}|$)",
    re.IGNORECASE,
)
INSIDE = re.compile(rf"{SEPARATOR}{WHOLE_ID}(?={SEPARATOR})")
LAST_WORD = re.compile(r"[^\W_]+[\W_]*$")
OUTER_SEPARATORS = re.compile(rf"^{SEPARATOR}+|{SEPARATOR}+$")
SECOND_SUFFIX = re.compile(r"\.(?:dune|dunesql|trino|query|sql)$", re.IGNORECASE)
"""A second suffix of a file's name: ``volume_4711000.dune.sql``."""
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

ID_HINT = (
    "Write id: <id> into its header or dune.yml, an id of at least 5 digits into its name (<name>_<id>.sql), a comment "
    "-- https://dune.com/queries/<id> above its SQL, or into dune.yml where ids stand (ids: prefix, suffix or header)"
)


class Identification(NamedTuple):
    """The query id of a file, or why it is not known.

    Attributes:
        id: The id; None if it is not known.
        slug: The file's name without the id, if it contains the id.
        candidates: The numbers that could be the id, if it is not known.
        why: Why the id is not known, or which number contradicts it; empty if there is no such reason.
    """

    id: int | None
    slug: str
    candidates: tuple[int, ...] = ()
    why: str = ""


class Number(NamedTuple):
    """A number in a file's name.

    Attributes:
        id: The number.
        place: Its place in the name.
        rest: The name without the number.
        meaning: What else it may be, such as a date or a count; empty if it is very unlikely to be anything but an id.
    """

    id: int
    place: IdPlace
    rest: str
    meaning: str

    @property
    def is_long(self) -> bool:
        """Whether it has enough digits for an id. Shorter numbers are versions, years and counts."""
        return len(str(self.id)) >= SHORTEST_SURE_ID


def identify(stem: str, stated: int | None, linked: Sequence[int], allowed: Sequence[IdPlace] = ()) -> Identification:
    """Find the query id of a file.

    It is the id in the header or in ``dune.yml``, if there is one. Otherwise it is a number of at least five digits in
    the file's name that does not look like a date, count, chain or limit; or else the id of a link in the comments at
    the start; or else a number at a place that ``ids:`` in ``dune.yml`` allows. If two numbers could be the id, it is
    not known, unless the name and the comments agree on one of them, or ``ids:`` allows one of them.

    Args:
        stem: The file's name without its suffix.
        stated: The id in the header or in ``dune.yml``.
        linked: The ids in the comments at the start.
        allowed: The places of ids according to ``ids:`` in ``dune.yml``.

    Examples:
        >>> identify("top_100", None, []).id is None
        True
        >>> identify("22258_volume_top_5", None, [])[:2]
        (22258, 'volume_top_5')
        >>> identify("volume_2023", None, [4711])[:2]
        (4711, 'volume_2023')
    """
    use_name = tuple(allowed) != ("header",)
    stem = SECOND_SUFFIX.sub("", stem)
    numbers = list(numbers_in(stem)) if use_name else []
    sure = [number for number in numbers if number.is_long and not number.meaning]
    if stated is not None:
        # Links to other queries are often copied with the SQL, so they do not contradict it. Long numbers in names do.
        others = [f"its name says {number.id}" for number in sure if number.id != stated]
        return Identification(stated, _slug(stem, numbers, stated), why=" and ".join(others))
    inside = [number for number in _numbers_inside(stem) if number not in {n.id for n in sure}] if use_name else []
    in_name = [number.id for number in numbers if number.is_long and number.meaning in ("", LIMIT)] + inside
    in_name = in_name if sure else []
    candidates = list(dict.fromkeys([*in_name, *linked]))
    if len(agreed := [number.id for number in sure if number.id in linked]) == 1:
        candidates = agreed
    if len(candidates) != 1 and (chosen := _id_at_allowed_place(numbers, linked, allowed)):
        candidates = [chosen]
    if len(candidates) == 1:
        return Identification(candidates[0], _slug(stem, numbers, candidates[0]))
    if candidates:
        places = [f"{number} in its name" for number in in_name]
        places += [f"{link} in a comment at its start" for link in linked if link not in in_name]
        return Identification(
            None, stem, tuple(candidates), f"it could be one of several queries ({' or '.join(places)})"
        )
    return _unknown(stem, numbers, inside)


def _unknown(stem: str, numbers: Sequence[Number], inside: Sequence[int]) -> Identification:
    """Return an unknown id, with the reason why no number in the name was taken for it."""
    long = [number for number in numbers if number.is_long]
    reasons = [f"{number.id} in its name may be {number.meaning}" for number in long]
    if inside:
        stand = "stand" if len(inside) > 1 else "stands"
        reasons.append(f"{' and '.join(map(str, inside))} {stand} in the middle of its name")
    short = [] if reasons else [str(number.id) for number in numbers]
    if short:
        reasons.append(f"{' and '.join(short)} in its name {'are' if len(short) > 1 else 'is'} too short for an id")
    return Identification(None, stem, (*(number.id for number in long), *inside), " and ".join(reasons))


def numbers_in(stem: str) -> Iterator[Number]:
    """Find the distinct numbers at the places of a file's name where ids may be.

    Examples:
        >>> [number[:2] for number in numbers_in("22258_since_20500")]
        [(22258, 'prefix'), (20500, 'suffix')]
        >>> [number.rest for number in numbers_in("holders (3511234)")]
        ['holders']
    """
    seen = set[int]()
    stem = UUID.sub(lambda uuid: "x" * len(uuid[0]), stem)
    start, end, name = AT_START.search(stem), AT_END.search(stem), AFTER_LABEL.search(stem)
    found: list[tuple[re.Match[str] | None, IdPlace]] = [(start, "prefix"), (end, "suffix"), (name, "suffix")]
    for match, place in found:
        if match is None:
            continue
        number = int(match["id"])
        if number not in seen:
            seen.add(number)
            rest = OUTER_SEPARATORS.sub("", f"{stem[: match.start()]} {stem[match.end() :]}")
            is_named = name is not None and name["id"] == match["id"]
            yield Number(number, place, rest, meaning_of(number, stem[: match.start("id")], is_named=is_named))


def _numbers_inside(stem: str) -> Iterator[int]:
    """Find the long numbers in the middle of a file's name, which are ids only if the account has them."""
    stem = UUID.sub("", stem)
    for match in INSIDE.finditer(stem):
        number, before = int(match["id"]), stem[: match.start("id")]
        word = LAST_WORD.search(before)
        meanings = [meaning_of(number, text, is_named=False) for text in (before, word[0] if word else "")]
        if len(match["id"]) >= SHORTEST_SURE_ID and not any(meanings):
            yield number


def _id_at_allowed_place(numbers: Sequence[Number], linked: Sequence[int], allowed: Sequence[IdPlace]) -> int | None:
    """Return the number at the first of the allowed places that has exactly one; None if there is none."""
    for place in allowed:
        found = list(linked) if place == "header" else [number.id for number in numbers if number.place == place]
        if len(set(found)) == 1:
            return found[0]
    return None


def _slug(stem: str, numbers: Sequence[Number], query_id: int) -> str:
    return next((number.rest for number in numbers if number.id == query_id), stem)
