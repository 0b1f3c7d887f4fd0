"""Which query the comments at the start of a ``.sql`` file say that it is.

Comments name other queries too: what a file was forked from, what it reads. A line counts only where neither its own
words nor those of the line above give its number another meaning.
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
NO_MORE_OF_IT = r"(?!\w)(?!-[0-9a-f]{4}-)"  # an id of another system may begin with digits: 12345678-0212-6f84-...

# A comment's line that says which query the file is. What else links to queries (forked from, see also) does not.
ADDRESS = (
    r"(?:https?://)?(?:(?:(?:www\.)?dune\.(?:com|xyz)|(?:explore\.)?duneanalytics\.com)/(?:queries|embeds)|"
    rf"api\.dune\.com/api/v1/query)/(?P<id>{ID}){NO_MORE_OF_IT}"
)
LINK = re.compile(rf"(?:(?P<label>[a-z _-]{{1,30}})[:=>\u2192]? ?)?[<(\[]?{ADDRESS}", re.IGNORECASE)
# Its title may stand before the link: "Query: Volumes by day (https://dune.com/queries/4711)".
TITLED = re.compile(
    rf"(?:dune )?(?:query|title)(?: name)?: (?P<title>[^:/]{{1,120}}?)[ (\[<\u2013\u2014-]{ADDRESS}"
    r"[^\s,;)\]>]*[)\]>]?$",
    re.IGNORECASE,
)
OF_ANOTHER = re.compile(
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
UNFINISHED = frozenset(
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
OF_HEADINGS = frozenset(("query", "queries", "dune", "on", "of", "and", "other", "the"))
# fmt: on
DUNE = r"(?:dune(?:[ _-]?(?:analytics|sql))?[ _-]?)?"
LABEL = (
    rf"{DUNE}query (?:number|n[or]\.?)|{DUNE}(?:q(?:uery)?[ _-]?)?id|"
    r"(?:dune )?saved (?:as|query|(?:on|in|to) dune(?: as)?)"
)
NAMED = re.compile(
    rf"(?:this is )?(?:(?P<label>{LABEL})|(?:dune (?:analytics )?)?query|dune(?: analytics)?)"
    rf"[ _:=#\u2192\u2013\u2014-]{{1,4}}"
    rf"[\[(<]?(?:dune )?(?:query[ _#-])?(?P<id>{ID}){NO_MORE_OF_IT}(?P<more>[^:.,;(]*)",
    re.IGNORECASE,
)
SHORTEST_NAMED_ID = 4  # a line such as "Dune query 2 of 5" numbers queries by itself
NAME_IN_SQL = re.compile(r"query_[0-9]", re.IGNORECASE)
"""With more words it explains what is read: ``query_4711 = Volumes``."""
# What may stand behind a query's number, and says that it is another one.
MEANT_OTHERWISE = re.compile(
    r"\S*\s*(?:\((?:the )?(?:original|upstream|parent|base|source|previous|dependency|input)(?: query| version)?\)|"
    r"[\u2013\u2014-] ?(?:the )?original\b|forked$)",
    re.IGNORECASE,
)
NAMED_BY_DUNE = re.compile(r"dune|query[ _-]?id|saved", re.IGNORECASE)
YEARS = range(2000, 2100)
LONGEST_LINE = 500

# "Dune query 4711 was replaced": the line is a sentence about a query.
SENTENCE = re.compile(
    r"\s*(?:is|was|are|were|has|had|does|did|can|will|must|should|gives?|feeds?|reads?|uses?|holds?|counts?|comes?|"
    r"replaces?|replaced|used|and|or|which|that|above|below|instead)\b"
)
SENTENCE_BEHIND = re.compile(r"[^\s,;]*" + SENTENCE.pattern.replace("(?:", "(?P<verb>", 1))


def ids_in_comment(comment: str) -> Iterator[int]:
    r"""Find the ids that the lines of a comment, or of several in a row, give to their file.

    Examples:
        >>> list(ids_in_comment(" query link: https://dune.com/queries/4711"))
        [4711]
        >>> list(ids_in_comment("SAVED AS: query_4711")), list(ids_in_comment("forked from dune.com/queries/4711"))
        ([4711], [])
        >>> list(ids_in_comment("Depends on:\nhttps://dune.com/queries/4711"))
        []
    """
    is_of_another = False
    for text in comment.splitlines():
        if len(text) > LONGEST_LINE:
            continue
        line = _plain(text)
        link, named = LINK.match(line), NAMED.match(line)
        if link and not (is_of_another and not link["label"]):
            yield from _linked(line)
        elif named and not link and not (is_of_another and not named["label"]):
            yield from _named(line, named)
        elif not link and not named and (titled := TITLED.match(line)):
            yield from _titled(titled)
        elif not link and not named:
            is_of_another = _leads_on(line)


def _plain(text: str) -> str:
    """A line without signs around it, with one blank in the place of several, and signs of full width made plain."""
    line = DECORATION.sub("", unicodedata.normalize("NFKC", text)).translate(MARKUP)
    return MARKDOWN_LINK.sub(r"\1: \2", " ".join(line.split()))


def _leads_on(line: str) -> bool:
    """Whether a line says what those below it are, and that they are not the file itself."""
    words = re.findall(r"\w+", line.lower())
    is_open = line.endswith((":", ",")) or (bool(words) and words[-1] in UNFINISHED)
    is_heading = not HEADINGS.isdisjoint(words) and (HEADINGS | OF_HEADINGS).issuperset(words)
    return is_heading or (is_open and not LABEL_WORDS.issuperset(words))


def _titled(titled: re.Match[str]) -> Iterator[int]:
    """The link behind a title, unless that leads on to another query."""
    words = re.findall(r"\w+", titled["title"].lower())
    if words and words[-1] not in UNFINISHED and not OF_ANOTHER.search(titled["title"]):
        yield int(titled["id"])


def _named(line: str, named: re.Match[str]) -> Iterator[int]:
    number, digits, more = int(named["id"]), len(named["id"]), named["more"]
    if not named["label"] and (number in YEARS or is_date(number) or SENTENCE.match(line, named.end("id"))):
        return
    if MEANT_OTHERWISE.match(line, named.end("id")) or (number in CHAINS and not NAMED_BY_DUNE.match(line)):
        return
    if NAME_IN_SQL.match(line) and line[named.end("id") :] not in ("", ".sql"):
        return
    is_alone = digits == SHORTEST_NAMED_ID and NAMED_BY_DUNE.match(named[0]) and not more.strip(" )]>")
    if digits >= SHORTEST_SURE_ID or is_alone:
        yield number


def _linked(line: str) -> Iterator[int]:
    """The links of a line that begins with one, up to the first that is given another meaning."""
    while link := LINK.match(line):
        if not LABEL_WORDS.issuperset(filter(None, re.split(r"[ _-]+", (link["label"] or "").lower()))):
            return
        if MEANT_OTHERWISE.match(line, link.end()) or (not link["label"] and _is_sentence(line, link)):
            return
        yield int(link["id"])
        line = AFTER_LINK.sub("", line[link.end() :])


def _is_sentence(line: str, link: re.Match[str]) -> bool:
    """Whether the words behind a link say what its query does, as "... is the base of this"."""
    behind = SENTENCE_BEHIND.match(line, link.end())
    return behind is not None and behind["verb"] not in ("and", "or")
