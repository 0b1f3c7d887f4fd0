"""Recognizes long numbers in a file's name that may not be its query's id: dates, counts, chains and limits."""

from __future__ import annotations

import re
from datetime import UTC, datetime

DATE_FORMS = ("%Y%m%d", "%d%m%Y", "%m%d%Y", "%Y%m", "%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S")
DATE_YEARS = range(1990, 2100)
WEEKS = range(1, 54)
EPOCH = range(1_000_000_000, 2_500_000_000)
TIME_AFTER_DATE = re.compile(
    r"(?P<date>[0-9]{8}|[0-9]{4}[ _.-][0-9]{2}[ _.-][0-9]{2})[ _.-]+(?:1[0-9]|2[0-3])(?:[0-5][0-9]){2}$"
)
ROUND = re.compile(r"[0-9]0+|[0-9]{2}0{3,}")

# The ids of blockchains: https://chainlist.org.
# fmt: off
CHAINS = frozenset(
    (
        33139, 34443, 42161, 42170, 42220, 43113, 43114, 48900, 50104, 57073, 59144, 60808, 80001, 80002, 80069, 80094,
        81457, 84532, 98866, 167000, 200901, 421614, 432204, 534351, 534352, 660279, 747474, 810180, 7777777, 11155111,
        11155420, 21000000, 245022934, 666666666, 728126428, 888888888, 994873017, 1313161554,
    )
)
LIMIT = "a limit, or an id of something else"
LIMITS = frozenset(
    (
        "since", "after", "before", "until", "till", "from", "over", "above", "under", "below", "than", "least", "most",
        "beyond", "exceeding",
    )
)
OTHER_THINGS = frozenset(
    (
        "account", "agent", "auction", "batch", "campaign", "chain", "epoch", "game", "market", "network", "nft",
        "order", "pool", "position", "project", "proposal", "round", "season", "token", "user", "validator", "vault",
    )
)
# fmt: on
NUMBERED = frozenset(("proposal", "fid", "pid", "eip", "erc", "aip", "sip", "cip", "gip", "issue", "ticket"))
PLACES = frozenset(("block", "blocknumber", "slot", "epoch", "height", "number"))
ALONE = PLACES | NUMBERED | {"batch", "build", "chunk", "nft", "page", "part", "pr", "round", "validator", "version"}
"""Words that give a number its meaning if they are the only word before it: ``block_19426587``."""
PLACE_WORDS = LIMITS | {"start", "end", "at", "block", "latest", "genesis"}
BEFORE_TITLE_WORD = frozenset(("by", "per", "each", "every", "of", "all", "and"))
"""After one of these, a word belongs to a title: ``volume_by_proposal``."""


def meaning_of(number: int, before: str, *, is_named: bool) -> str:
    """Return what a number may be other than the query's id; empty if it is very unlikely to be anything else.

    Args:
        number: The number.
        before: The text before the number in the file's name.
        is_named: Whether `before` ends with ``query``, ``dune`` or the like.

    Examples:
        >>> meaning_of(20240131, "volume", is_named=False), meaning_of(25000, "holders over", is_named=False)
        ('a date', 'a count')
        >>> meaning_of(42161, "arbitrum", is_named=False), meaning_of(4100001, "volume by chain", is_named=False)
        ('the id of a chain', '')
    """
    if is_date(number) or _is_time(f"{before}{number}"):
        return "a date"
    if is_named:
        return ""
    if _is_week_or_season(number):
        return "a date"
    if ROUND.fullmatch(str(number)):
        return "a count"
    if number in CHAINS:
        return "the id of a chain"
    return LIMIT if _is_limit_or_other_id(before) else ""


def _is_limit_or_other_id(before: str) -> bool:
    """Whether the words before a number make it a limit or the id of something else."""
    *_, before_last, last = ["", "", *re.findall(r"[^\W_]+", before.lower())]
    if last in LIMITS or (not before_last and last in ALONE):
        return True
    if before_last in BEFORE_TITLE_WORD:
        return False
    names_another = last.removesuffix("id") in OTHER_THINGS and last.endswith("id")
    is_its_id = last == "id" and before_last in OTHER_THINGS
    return last in NUMBERED or names_another or is_its_id or (last in PLACES and before_last in PLACE_WORDS)


def is_date(number: int) -> bool:
    """Whether a number looks like a date, with or without a time of day, or a Unix time in seconds or milliseconds.

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


def _is_week_or_season(number: int) -> bool:
    """Whether a number is a year with its week or with the year that follows, in two digits or in four."""
    year, rest = divmod(number, 100 if len(str(number)) == 6 else 10_000)
    return year in DATE_YEARS and rest in ({year + 1} if rest >= 100 else {*WEEKS, (year + 1) % 100})
