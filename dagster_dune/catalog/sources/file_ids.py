"""Which query a ``.sql`` file is: the id that its header, its name or the comments at its start give it.

A wrong id runs, and pays for, a stranger's query. So a number is taken for an id only where it can hardly be anything
else, and where two could be one, neither is. What comments say is read in `comment_ids` beside this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from dagster_dune.catalog.sources.title_numbers import LIMIT, meaning_of

IdPlace = Literal["prefix", "suffix", "header"]

ID = r"[1-9][0-9]{0,17}"
SHORTEST_SURE_ID = 5
# What may stand around an id: not the signs of amounts (>100000, $50000, 10,000) and of decimals (0.123456).
SEPARATOR = r"(?:_|[^\w$€£¥%<>=≤≥≈~+*^,'])"
WHOLE_ID = rf"(?<![0-9]\.)(?P<id>{ID})(?![0-9]|\.[0-9])"
AT_START = re.compile(rf"^{SEPARATOR}*{WHOLE_ID}(?:{SEPARATOR}|$)")
AT_END = re.compile(rf"(?:^|{SEPARATOR}){WHOLE_ID}{SEPARATOR}*$")
AFTER_ITS_NAME = re.compile(
    rf"(?:^{SEPARATOR}*id|(?:^|{SEPARATOR})(?:q|(?:dune|query|dune{SEPARATOR}query)(?:{SEPARATOR}*id)?))"
    rf"{SEPARATOR}*{WHOLE_ID}(?={SEPARATOR}|$)",
    re.IGNORECASE,
)
INSIDE = re.compile(rf"{SEPARATOR}{WHOLE_ID}(?={SEPARATOR})")
LAST_WORD = re.compile(r"[^\W_]+[\W_]*$")
AROUND = re.compile(rf"^{SEPARATOR}+|{SEPARATOR}+$")
KIND = re.compile(r"\.(?:dune|dunesql|trino|query|sql)$", re.IGNORECASE)
"""A second ending of a file's name: ``volume_4711000.dune.sql``."""
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

WAYS = (
    "Write id: <id> into its header or dune.yml, an id of at least 5 digits into its name (<name>_<id>.sql), a comment "
    "-- https://dune.com/queries/<id> above its SQL, or into dune.yml where ids stand (ids: prefix, suffix or header)"
)


class Found(NamedTuple):
    """What a file says of its query's id.

    Attributes:
        id: The id; None where it is not known.
        slug: The file's name without its id; all of it where the id does not stand there.
        candidates: The numbers that could be the id, where it is not known.
        why: Why it is not known, or what contradicts it; empty where there is nothing to say.
    """

    id: int | None
    slug: str
    candidates: tuple[int, ...] = ()
    why: str = ""


class Number(NamedTuple):
    """A number in a file's name.

    Attributes:
        id: The number.
        place: Where it stands.
        rest: The name without it.
        meaning: What else it may be, such as a date or a count; empty where it can hardly be anything else.
    """

    id: int
    place: IdPlace
    rest: str
    meaning: str

    @property
    def is_long(self) -> bool:
        """Whether it has the digits of an id: shorter ones are versions, years and counts."""
        return len(str(self.id)) >= SHORTEST_SURE_ID


def identify(stem: str, stated: int | None, linked: Sequence[int], allowed: Sequence[IdPlace] = ()) -> Found:
    """Tell which query a file is.

    The id in the header or in ``dune.yml`` counts; else a number of at least five digits in the file's name that reads
    as no date, count, chain or limit; else a link in the comments at its start; else what ``ids:`` in ``dune.yml``
    allows. Two that could both be the id leave it unknown, unless name and comments agree on one, or ``ids:`` decides.

    Args:
        stem: The file's name without its ending.
        stated: The id in the header or in ``dune.yml``.
        linked: The ids that comments at the start name.
        allowed: Where ids stand, as ``ids:`` in ``dune.yml`` says.

    Examples:
        >>> identify("top_100", None, []).id is None
        True
        >>> identify("22258_volume_top_5", None, [])[:2]
        (22258, 'volume_top_5')
        >>> identify("volume_2023", None, [4711])[:2]
        (4711, 'volume_2023')
    """
    names_count = tuple(allowed) != ("header",)
    stem = KIND.sub("", stem)
    numbers = list(numbers_in(stem)) if names_count else []
    sure = [number for number in numbers if number.is_long and not number.meaning]
    if stated is not None:
        # A link to another query was copied along with the query's text; a long number is nobody's decoration.
        others = [f"its name says {number.id}" for number in sure if number.id != stated]
        return Found(stated, _slug(stem, numbers, stated), why=" and ".join(others))
    inside = [number for number in _numbers_inside(stem) if number not in {n.id for n in sure}] if names_count else []
    in_name = [number.id for number in numbers if number.is_long and number.meaning in ("", LIMIT)] + inside
    in_name = in_name if sure else []
    candidates = list(dict.fromkeys([*in_name, *linked]))
    if len(agreed := [number.id for number in sure if number.id in linked]) == 1:
        candidates = agreed
    if len(candidates) != 1 and (chosen := _allowed(numbers, linked, allowed)):
        candidates = [chosen]
    if len(candidates) == 1:
        return Found(candidates[0], _slug(stem, numbers, candidates[0]))
    if candidates:
        places = [f"{number} in its name" for number in in_name]
        places += [f"{link} in a comment at its start" for link in linked if link not in in_name]
        return Found(None, stem, tuple(candidates), f"it could be one of several queries ({' or '.join(places)})")
    return _unknown(stem, numbers, inside)


def _unknown(stem: str, numbers: Sequence[Number], inside: Sequence[int]) -> Found:
    """Say why no number of a name is taken for its id, where neither comments nor settings name one."""
    titles = [number for number in numbers if number.is_long]
    reasons = [f"{number.id} in its name may be {number.meaning}" for number in titles]
    if inside:
        stand = "stand" if len(inside) > 1 else "stands"
        reasons.append(f"{' and '.join(map(str, inside))} {stand} in the middle of its name")
    short = [] if reasons else [str(number.id) for number in numbers]
    if short:
        reasons.append(f"{' and '.join(short)} in its name {'are' if len(short) > 1 else 'is'} too short for an id")
    return Found(None, stem, (*(number.id for number in titles), *inside), " and ".join(reasons))


def numbers_in(stem: str) -> Iterator[Number]:
    """Find the numbers at the places of a file's name where ids stand, each once.

    Examples:
        >>> [number[:2] for number in numbers_in("22258_since_20500")]
        [(22258, 'prefix'), (20500, 'suffix')]
        >>> [number.rest for number in numbers_in("holders (3511234)")]
        ['holders']
    """
    seen = set[int]()
    stem = UUID.sub(lambda uuid: "x" * len(uuid[0]), stem)
    start, end, name = AT_START.search(stem), AT_END.search(stem), AFTER_ITS_NAME.search(stem)
    found: list[tuple[re.Match[str] | None, IdPlace]] = [(start, "prefix"), (end, "suffix"), (name, "suffix")]
    for match, place in found:
        if match is None:
            continue
        number = int(match["id"])
        if number not in seen:
            seen.add(number)
            rest = AROUND.sub("", f"{stem[: match.start()]} {stem[match.end() :]}")
            is_named = name is not None and name["id"] == match["id"]
            yield Number(number, place, rest, meaning_of(number, stem[: match.start("id")], is_named=is_named))


def _numbers_inside(stem: str) -> Iterator[int]:
    """Find the long numbers in the middle of a file's name, which only the account can confirm."""
    stem = UUID.sub("", stem)
    for match in INSIDE.finditer(stem):
        number, before = int(match["id"]), stem[: match.start("id")]
        word = LAST_WORD.search(before)
        meanings = [meaning_of(number, text, is_named=False) for text in (before, word[0] if word else "")]
        if len(match["id"]) >= SHORTEST_SURE_ID and not any(meanings):
            yield number


def _allowed(numbers: Sequence[Number], linked: Sequence[int], allowed: Sequence[IdPlace]) -> int | None:
    """What ``ids:`` takes, where it names several places the first that has a number."""
    for place in allowed:
        found = list(linked) if place == "header" else [number.id for number in numbers if number.place == place]
        if len(set(found)) == 1:
            return found[0]
    return None


def _slug(stem: str, numbers: Sequence[Number], query_id: int) -> str:
    return next((number.rest for number in numbers if number.id == query_id), stem)
