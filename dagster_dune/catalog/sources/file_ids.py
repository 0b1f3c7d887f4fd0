"""Which query a ``.sql`` file is: the id that its header, its name or the comments at its start give it.

A wrong id runs, and pays for, a stranger's query. So a number is taken for an id only where it can hardly be anything
else, and where two could be one, neither is. What comments say is read in `comment_ids` beside this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

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
AROUND = re.compile(rf"^{SEPARATOR}+|{SEPARATOR}+$")
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

DATE_FORMS = ("%Y%m%d", "%d%m%Y", "%m%d%Y", "%Y%m", "%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S")
DATE_YEARS = range(1990, 2100)
EPOCH = range(1_000_000_000, 2_500_000_000)
TIME_AFTER_DATE = re.compile(
    r"(?P<date>[0-9]{8}|[0-9]{4}[ _.-][0-9]{2}[ _.-][0-9]{2})[ _.-]+(?:1[0-9]|2[0-3])(?:[0-5][0-9]){2}$"
)

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
        is_title: Whether it reads as a date, as the time of day after one, or as a count: a digit with zeros.
    """

    id: int
    place: IdPlace
    rest: str
    is_title: bool

    @property
    def is_long(self) -> bool:
        """Whether it has the digits of an id: shorter ones are versions, years and counts."""
        return len(str(self.id)) >= SHORTEST_SURE_ID


def identify(stem: str, stated: int | None, linked: Sequence[int], allowed: Sequence[IdPlace] = ()) -> Found:
    """Tell which query a file is.

    The id in the header or in ``dune.yml`` counts; else a number of at least five digits in the file's name that reads
    as no date and no count; else a link in the comments at its start; else what ``ids:`` in ``dune.yml`` allows. Two
    that could both be the id leave it unknown, unless ``ids:`` decides.

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
    numbers = list(numbers_in(stem)) if names_count else []
    sure = [number for number in numbers if number.is_long and not number.is_title]
    if stated is not None:
        # A link to another query was copied along with the query's text; a long number is nobody's decoration.
        others = [f"its name says {number.id}" for number in sure if number.id != stated]
        return Found(stated, _slug(stem, numbers, stated), why=" and ".join(others))
    candidates = list(dict.fromkeys([*(number.id for number in sure), *linked]))
    if len(candidates) != 1 and (chosen := _allowed(numbers, linked, allowed)):
        candidates = [chosen]
    if len(candidates) == 1:
        return Found(candidates[0], _slug(stem, numbers, candidates[0]))
    if candidates:
        places = [f"{number.id} in its name" for number in sure]
        places += [f"{link} in a comment at its start" for link in linked if link not in {n.id for n in sure}]
        return Found(None, stem, tuple(candidates), f"it could be one of several queries ({' or '.join(places)})")
    titles = [number.id for number in numbers if number.is_long]
    if titles:
        shown = " and ".join(map(str, titles))
        what = "count" if all(map(_is_round, titles)) else "date"
        return Found(None, stem, tuple(titles), f"{shown} in its name may be a {what}")
    inside = list(_numbers_inside(stem)) if names_count else []
    if inside:
        shown, stand = " and ".join(map(str, inside)), "stand" if len(inside) > 1 else "stands"
        return Found(None, stem, tuple(inside), f"{shown} {stand} in the middle of its name")
    short = [str(number.id) for number in numbers]
    are = "are" if len(short) > 1 else "is"
    return Found(None, stem, why=f"{' and '.join(short)} in its name {are} too short for an id" if short else "")


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
            is_title = is_date(number) or _is_time(stem[: match.end("id")])
            is_count = _is_round(number) and (name is None or name["id"] != match["id"])
            yield Number(number, place, rest, is_title or is_count)


def _numbers_inside(stem: str) -> Iterator[int]:
    """Find the long numbers in the middle of a file's name, which only the account can confirm."""
    for match in INSIDE.finditer(UUID.sub("", stem)):
        number = int(match["id"])
        if len(match["id"]) >= SHORTEST_SURE_ID and not is_date(number) and not _is_round(number):
            yield number


def _is_round(number: int) -> bool:
    """Whether a number is a digit with zeros behind it, as in ``top_10000``."""
    return str(number)[1:].strip("0") == ""


def is_date(number: int) -> bool:
    """Whether a number reads as a date, with or without a time of day, or as seconds or milliseconds since 1970.

    Examples:
        >>> is_date(20240131), is_date(202401), is_date(22258), is_date(20241301)
        (True, True, False, False)
    """
    text = str(number)
    if number in EPOCH or number // 1000 in EPOCH:
        return True
    for form in DATE_FORMS:
        digits = {"%Y": 4}.get(form[:2], 2) + 2 * (form.count("%") - 1) + (2 if form.endswith("%Y") else 0)
        if len(text) != digits:
            continue
        try:
            moment = datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        if moment.year in DATE_YEARS:
            return True
    return False


def _is_time(until: str) -> bool:
    """Whether the number at the end of a text is the time of day after a date."""
    time = TIME_AFTER_DATE.search(until)
    return time is not None and is_date(int(re.sub(r"[^0-9]", "", time["date"])))


def _allowed(numbers: Sequence[Number], linked: Sequence[int], allowed: Sequence[IdPlace]) -> int | None:
    """What ``ids:`` takes, where it names several places the first that has a number."""
    for place in allowed:
        found = list(linked) if place == "header" else [number.id for number in numbers if number.place == place]
        if len(set(found)) == 1:
            return found[0]
    return None


def _slug(stem: str, numbers: Sequence[Number], query_id: int) -> str:
    return next((number.rest for number in numbers if number.id == query_id), stem)
