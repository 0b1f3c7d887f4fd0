"""Finds the ids that the comments at the start of a ``.sql`` file give to its query.

Comments also name other queries, such as the one that a file was forked from, or those that it reads. So the number in
a line is an id only if neither the text of the line nor the line above gives it another meaning.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from dagster_dune.catalog.sources.file_ids import ID, SHORTEST_SURE_ID
from dagster_dune.catalog.sources.title_numbers import CHAINS, is_date

MARKDOWN_LINK = re.compile(r"\[([^\[\]]{1,60})\]\(([^()]{1,200})\)")
MARKUP = str.maketrans("", "", "*`'\"")
DECORATION = re.compile(r"^[^\w\[(<]+")
END_OF_ID = r"(?!\w)(?!-[0-9a-f]{4}-)"  # not the start of a UUID: 12345678-0212-6f84-...

# A line that links to the query of the file. Lines such as "forked from <link>" and "see also <link>" do not match.
ADDRESS = (
    r"(?:https?://)?(?:(?:(?:www\.)?dune\.(?:com|xyz)|(?:explore\.)?duneanalytics\.com)/(?:queries|embeds)|"
    rf"api\.dune\.com/api/v1/query)/(?P<id>{ID}){END_OF_ID}"
)
LINK = re.compile(rf"(?:(?P<label>[a-z _-]{{1,30}})[:=>\u2192]? ?)?[<(\[]?{ADDRESS}", re.IGNORECASE)
# The query's title may come before the link: "Query: Volumes by day (https://dune.com/queries/4711)".
TITLED = re.compile(
    rf"(?:dune )?(?:query|title)(?: name)?: (?P<title>[^:/]{{1,120}}?)[ (\[<\u2013\u2014-]{ADDRESS}"
    r"[^\s,;)\]>]*[)\]>]?$",
    re.IGNORECASE,
)
OTHER_QUERY_WORD = re.compile(
    r"\b(?:fork|cop(?:y|ied)|original|deriv|inspir|adapt|credit|upstream|depend|replac|see\b|also\b|parent|previous|old)",
    re.IGNORECASE,
)
AFTER_LINK = re.compile(r"^[^\s,;]*[\s,;&|+>)\]]*")
# fmt: off
LABEL_WORDS = frozenset(
    (
        "view", "open", "run", "this", "the", "is", "on", "in", "at", "of", "to", "dune", "query", "link", "url",
        "permalink", "page", "saved", "live", "published", "and", "or", "id", "here", "edit", "editor", "analytics",
        "sql", "file",
    )
)
OPEN_ENDINGS = frozenset(
    (
        "from", "of", "by", "on", "to", "with", "and", "in", "see", "also", "replaces", "replaced", "via", "than",
        "like", "as", "at", "for", "reads", "uses", "join",
    )
)
HEADINGS = frozenset(
    (
        "input", "inputs", "dependency", "dependencies", "upstream", "related", "reference", "references", "sources",
        "requires", "reads", "uses", "parents", "credits",
    )
)
HEADING_FILLERS = frozenset(("query", "queries", "dune", "on", "of", "and", "other", "the"))
# fmt: on
DUNE = r"(?:dune(?:[ _-]?(?:analytics|sql))?[ _-]?)?"
LABEL = (
    rf"{DUNE}query (?:number|n[or]\.?)|{DUNE}(?:q(?:uery)?[ _-]?)?id|"
    r"(?:dune )?saved (?:as|query|(?:on|in|to) dune(?: as)?)"
)
NAMED = re.compile(
    rf"(?:this is )?(?:(?P<label>{LABEL})|(?:dune (?:analytics )?)?query|dune(?: analytics)?)"
    rf"[ _:=#\u2192\u2013\u2014-]{{1,4}}"
    rf"[\[(<]?(?:dune )?(?:query[ _#-])?(?P<id>{ID}){END_OF_ID}(?P<more>[^:.,;(]*)",
    re.IGNORECASE,
)
SHORTEST_NAMED_ID = 4  # shorter numbers count queries: "Dune query 2 of 5"
NAME_IN_SQL = re.compile(r"query_[0-9]", re.IGNORECASE)
"""A line with more text after the name explains a dependency: ``query_4711 = Volumes``."""
# Text after a number that says that it is the id of another query.
OTHER_QUERY_SUFFIX = re.compile(
    r"\S*\s*(?:\((?:the )?(?:original|upstream|parent|base|source|previous|dependency|input)(?: query| version)?\)|"
    r"[\u2013\u2014-] ?(?:the )?original\b|forked$)",
    re.IGNORECASE,
)
DUNE_LABEL = re.compile(r"dune|query[ _-]?id|saved", re.IGNORECASE)
YEARS = range(2000, 2100)
LONGEST_LINE = 500

# "Dune query 4711 was replaced": the line is a sentence about a query.
SENTENCE = re.compile(
    r"\s*(?:is|was|are|were|has|had|does|did|can|will|must|should|gives?|feeds?|reads?|uses?|holds?|counts?|comes?|"
    r"replaces?|replaced|used|and|or|which|that|above|below|instead)\b"
)
SENTENCE_AFTER_LINK = re.compile(r"[^\s,;]*" + SENTENCE.pattern.replace("(?:", "(?P<verb>", 1))


def ids_in_comment(comment: str) -> Iterator[int]:
    r"""Find the ids that the lines of one or several successive comments give to the query of their file.

    Examples:
        >>> list(ids_in_comment(" query link: https://dune.com/queries/4711"))
        [4711]
        >>> list(ids_in_comment("SAVED AS: query_4711")), list(ids_in_comment("forked from dune.com/queries/4711"))
        ([4711], [])
        >>> list(ids_in_comment("Depends on:\nhttps://dune.com/queries/4711"))
        []
    """
    is_other_query = False
    for text in comment.splitlines():
        if len(text) > LONGEST_LINE:
            continue
        line = _normalized(text)
        link, named = LINK.match(line), NAMED.match(line)
        if link and not (is_other_query and not link["label"]):
            yield from _ids_of_links(line)
        elif named and not link and not (is_other_query and not named["label"]):
            yield from _id_after_name(line, named)
        elif not link and not named and (titled := TITLED.match(line)):
            yield from _id_after_title(titled)
        elif not link and not named:
            is_other_query = _introduces_other_queries(line)


def _normalized(text: str) -> str:
    """Return a line without decoration and repeated blanks, and with full-width characters normalized."""
    line = DECORATION.sub("", unicodedata.normalize("NFKC", text)).translate(MARKUP)
    return MARKDOWN_LINK.sub(r"\1: \2", " ".join(line.split()))


def _introduces_other_queries(line: str) -> bool:
    """Whether a line introduces the lines below it, and these name queries other than that of the file."""
    words = re.findall(r"\w+", line.lower())
    is_open = line.endswith((":", ",")) or (bool(words) and words[-1] in OPEN_ENDINGS)
    is_heading = not HEADINGS.isdisjoint(words) and (HEADINGS | HEADING_FILLERS).issuperset(words)
    return is_heading or (is_open and not LABEL_WORDS.issuperset(words))


def _id_after_title(titled: re.Match[str]) -> Iterator[int]:
    """Yield the id of the link after a title, unless the title introduces another query."""
    words = re.findall(r"\w+", titled["title"].lower())
    if words and words[-1] not in OPEN_ENDINGS and not OTHER_QUERY_WORD.search(titled["title"]):
        yield int(titled["id"])


def _id_after_name(line: str, named: re.Match[str]) -> Iterator[int]:
    """Yield the id of a line such as "Dune query 4711", unless the line gives the number another meaning."""
    number, digits, more = int(named["id"]), len(named["id"]), named["more"]
    if not named["label"] and (number in YEARS or is_date(number) or SENTENCE.match(line, named.end("id"))):
        return
    if OTHER_QUERY_SUFFIX.match(line, named.end("id")) or (number in CHAINS and not DUNE_LABEL.match(line)):
        return
    if NAME_IN_SQL.match(line) and line[named.end("id") :] not in ("", ".sql"):
        return
    is_alone = digits == SHORTEST_NAMED_ID and DUNE_LABEL.match(named[0]) and not more.strip(" )]>")
    if digits >= SHORTEST_SURE_ID or is_alone:
        yield number


def _ids_of_links(line: str) -> Iterator[int]:
    """Yield the ids of successive links at the start of a line, up to the first link with another meaning."""
    while link := LINK.match(line):
        if not LABEL_WORDS.issuperset(filter(None, re.split(r"[ _-]+", (link["label"] or "").lower()))):
            return
        if OTHER_QUERY_SUFFIX.match(line, link.end()) or (not link["label"] and _is_sentence(line, link)):
            return
        yield int(link["id"])
        line = AFTER_LINK.sub("", line[link.end() :])


def _is_sentence(line: str, link: re.Match[str]) -> bool:
    """Whether the text after a link makes it a sentence about the linked query, as "<link> is the base of this"."""
    sentence = SENTENCE_AFTER_LINK.match(line, link.end())
    return sentence is not None and sentence["verb"] not in ("and", "or")
