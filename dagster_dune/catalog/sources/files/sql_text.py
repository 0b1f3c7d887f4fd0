"""Parses the text of a ``.sql`` file: its header, the links in the comments at its start, and its SQL.

The header is a block comment whose first line is the word ``dune``, and whose other lines are YAML::

    /* dune
    id: 4711
    performance: large
    parameters:
      chain: ethereum
    */
    SELECT * FROM dex.trades WHERE blockchain = '{{chain}}'

All values are read as texts: YAML would read ``0x10`` as 16, and lose digits of long numbers.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import ValidationError

from dagster_dune.catalog.settings.wrong_values import message_and_hint
from dagster_dune.catalog.sources.comment_ids import ids_in_comment
from dagster_dune.catalog.sources.files.folder_settings import FILE_NAME, SettingsEntry
from dagster_dune.catalog.sources.files.header import Header
from dagster_dune.catalog.sources.files.text_files import check_no_conflict
from dagster_dune.catalog.sources.files.yaml_text import YamlText
from dagster_dune.errors import DuneCatalogError

logger = logging.getLogger(__name__)

COMMENT = re.compile(r"\s*(?:--(?P<line>[^\n]*)|/\*(?P<block>.*?)\*/)", re.DOTALL)
HEADER_START = re.compile(r"\s*dune[ \t]*\n")
UNCLOSED_HEADER = re.compile(r"\s*/\*\s*dune[ \t]*\n")
UNCLOSED_COMMENT = re.compile(r"\s*/\*")
KEYS = "|".join(Header.model_fields)
BLOCK = rf"/\*\s*(?!(?-i:dune)[ \t]*\n)dune\b(?:[ \t]*[:,;-])?\s*(?:{KEYS})[ \t]*:"
LINES = rf"--[ \t]*dune(?:[ \t]*[:;])?[ \t]*\n[ \t]*--[ \t]*(?:{KEYS})[ \t]*:"
NEARLY_A_HEADER = re.compile(rf"(?:\s*--[^\n]*\n)*?\s*(?P<what>{BLOCK}|{LINES})", re.IGNORECASE)
LATE_HEADER = re.compile(rf"(?P<what>/\*\s*dune[ \t]*\n\s*(?:{KEYS})[ \t]*:)")


@dataclass(frozen=True)
class SqlText:
    """The parsed text of a file.

    Attributes:
        source: The file's name, for messages.
        header: The content of its header.
        sql: The text without the header.
        line: The line at which `sql` starts.
        code_line: The line of its first word outside of comments.
        linked: The ids in comments at the start, such as ``-- query link: https://dune.com/queries/4711``.
        yaml: The text of the header; None if there is none.
        entries: The entries of ``dune.yml`` files for it, the nearest file last.
    """

    source: str
    header: Header
    sql: str
    line: int
    code_line: int
    linked: tuple[int, ...]
    yaml: YamlText | None = None
    entries: Sequence[SettingsEntry] = ()

    @contextmanager
    def located(self, *keys: str) -> Iterator[None]:
        """Add a location to the errors of a block: the line of a setting, or of the SQL if it is not set.

        Args:
            keys: The path of the setting's keys in the header, or else in an entry of a ``dune.yml``.

        Raises:
            DuneCatalogError: The block has raised a DuneCatalogError or a ValidationError.
        """
        try:
            yield
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            message, hint = message_and_hint(first)
            raise self._located(DuneCatalogError(f"{field} is wrong: {message}.", hint=hint), keys) from error
        except DuneCatalogError as error:
            raise self._located(error, keys) from error

    def _located(self, error: DuneCatalogError, keys: Sequence[str]) -> DuneCatalogError:
        if keys and self.yaml and self.header.sets(keys):
            return DuneCatalogError(f"{self.source}, line {self.yaml.line_of(*keys)}: {error}")
        places = (entry.location_of(keys) for entry in reversed(self.entries) if keys)
        if place := next(filter(None, places), ""):
            return DuneCatalogError(f"{place}: {error} So {self.source} is left out.")
        return DuneCatalogError(f"{self.source}, line {self.code_line}: {error}")

    def place_of(self, *keys: str) -> str:
        """Return what has a setting, for messages: the header, or ``dune.yml``."""
        return "the header" if self.header.sets(keys) or not self.entries else FILE_NAME


def parse_sql_text(text: str, source: str) -> SqlText:
    r"""Parse the text of a ``.sql`` file.

    Args:
        text: The text, with ``\n`` at the ends of its lines.
        source: The file's name, for messages.

    Returns:
        Its header, its SQL without the header, and the ids of the queries that it links to.

    Raises:
        DuneCatalogError: There is a merge conflict, a comment is not closed, there are two headers, the header is not
            YAML or has an unknown key or a wrong value, or there is no SQL.

    Examples:
        >>> parsed = parse_sql_text("/* dune\nid: 4711\n*/\nSELECT 1", "one.sql")
        >>> parsed.header.id, parsed.sql
        (4711, 'SELECT 1')
    """
    comments = list(_leading_comments(text))
    end = comments[-1].end() if comments else 0
    check_no_conflict(text, source)
    if UNCLOSED_HEADER.match(text, end):
        raise DuneCatalogError(f"{_location(source, text, end)}: the header is not closed.", hint="Write */ after it.")
    if UNCLOSED_COMMENT.match(text, end):
        raise DuneCatalogError(
            f"{_location(source, text, end)}: the comment is not closed, so that the file holds no SQL.",
            hint="Write */ after it.",
        )
    if not any(letter.isprintable() and letter not in " ;" for letter in text[end:]):
        raise DuneCatalogError(f"{source} holds no SQL.", hint="Write the query, or remove the file.")
    headers = [comment for comment in comments if HEADER_START.match(comment["block"] or "")]
    others = [comment for comment in comments if comment not in headers]
    linked = tuple(dict.fromkeys(ids_in_comment("\n".join(_comment_text(comment) for comment in others))))
    code_line = _line(text, end)
    if nearly := NEARLY_A_HEADER.match(text) or LATE_HEADER.search(text, end):
        logger.warning(
            "%s: this comment is not read as a header. One begins with a line /* dune above the SQL, ends with */, and "
            "holds lines key: value.",
            _location(source, text, nearly.start("what")),
        )
    if not headers:
        return SqlText(source, Header(), text.strip(), _line(text, 0), code_line, linked)
    if len(headers) > 1:
        second = _location(source, text, headers[1].start())
        raise DuneCatalogError(f"{second}: this is the file's second header.", hint="Join the two.")
    yaml = _header_text(source, text, headers[0].start("block"), headers[0]["block"])
    header = yaml.read(Header)
    before, after = text[: headers[0].start()], text[headers[0].end() :]
    line = _line(text, 0 if before.strip() else headers[0].end())
    return SqlText(source, header, f"{before}\n{after}".strip(), line, code_line, linked, yaml)


def code_line_of(text: str) -> int:
    r"""Return the line of the first word outside of comments, counted from 1.

    Examples:
        >>> code_line_of("-- daily\n/* two\nlines */\n\nSELECT 1")
        5
    """
    comments = list(_leading_comments(text))
    return _line(text, comments[-1].end() if comments else 0)


def _header_text(source: str, text: str, start: int, block: str) -> YamlText:
    yaml = HEADER_START.sub(lambda first: "\n" * first[0].count("\n"), block, count=1)
    return YamlText(yaml, source=source, what="the header", lines_before=text.count("\n", 0, start))


def _leading_comments(text: str) -> Iterator[re.Match[str]]:
    comment = COMMENT.match(text)
    while comment:
        yield comment
        comment = COMMENT.match(text, comment.end())


def _comment_text(comment: re.Match[str]) -> str:
    return comment["line"] or comment["block"] or ""


def _location(source: str, text: str, position: int) -> str:
    return f"{source}, line {_line(text, position)}"


def _line(text: str, position: int) -> int:
    """Return the line of the first non-blank character at or after a position."""
    start = len(text) - len(text[position:].lstrip())
    return text.count("\n", 0, start) + 1
