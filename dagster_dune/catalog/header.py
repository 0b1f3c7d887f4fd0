"""What the comments at the start of a ``.sql`` file say about its query.

The header is a block comment whose first line is the word ``dune``, and whose other lines are YAML::

    /* dune
    id: 4711
    performance: large
    parameters:
      chain: ethereum
    */
    SELECT * FROM dex.trades WHERE blockchain = '{{chain}}'

Every value is taken as the text that stands there: YAML would read ``0x10`` as 16, and lose digits of long numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from dagster_dune.api.models import Performance
from dagster_dune.catalog.parameters import ParameterType
from dagster_dune.errors import DuneCatalogError

COMMENT = re.compile(r"\s*(?:--(?P<line>[^\n]*)|/\*(?P<block>.*?)\*/)", re.DOTALL)
HEADER_START = re.compile(r"\s*dune[ \t]*\n")
UNCLOSED_HEADER = re.compile(r"\s*/\*\s*dune[ \t]*\n")
QUERY_LINK = re.compile(
    r"\s*(?:(?:query|dune)?[ _-]*(?:link|url|query)?\s*:\s*)?(?:https://)?(?:www\.)?dune\.com/queries/(?P<id>[1-9]\d*)\b",
    re.IGNORECASE,
)


class _HeaderPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HeaderParameter(_HeaderPart):
    """What a header says about one parameter.

    Attributes:
        type: Its type on Dune; taken from the value where it is left out.
        value: Dune's saved default, which is also sent with each execution; or several where it takes several.
        options: The values that an enum allows.
        multiple: Whether it takes several values; so it is where several are given.
    """

    type: ParameterType | None = None
    value: str | tuple[str, ...] | None = None
    options: tuple[str, ...] = ()
    multiple: bool | None = None


def _value_alone(value: Any) -> Any:
    """Read ``key: value`` as ``key: {value: value}``, and ``key:`` as a parameter without a value."""
    return value if isinstance(value, Mapping) else {"value": value or None}


class Header(_HeaderPart):
    """What a header says.

    Attributes:
        id: The query's id; the backing query's if there is a `matview`.
        name: The query's title on Dune.
        matview: The full name of the matview that the query backs.
        description: What it is, in Markdown.
        performance: The engine tier of its executions.
        parameters: The parameters that the query declares, and the values that its executions are given.
        deps: Names that it reads, beside those found in its SQL.
        tags: Its tags on Dune.
        private: Whether only its owner may see it.
    """

    id: int | None = Field(default=None, gt=0)
    name: str | None = None
    matview: str | None = None
    description: str | None = None
    performance: Performance | None = None
    parameters: dict[str, Annotated[HeaderParameter, BeforeValidator(_value_alone)]] = {}
    deps: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    private: bool | None = None


@dataclass(frozen=True)
class SqlText:
    """A file's text, taken apart.

    Attributes:
        header: What its header says.
        sql: The rest of the text.
        linked_id: The query that a comment at the start links to, as ``-- query link: https://dune.com/queries/1``.
    """

    header: Header
    sql: str
    linked_id: int | None


def parse_sql_text(text: str, source: str) -> SqlText:
    r"""Take the text of a ``.sql`` file apart.

    Args:
        text: The text, with ``\n`` at the ends of its lines.
        source: The file's name, for messages.

    Returns:
        Its header, its SQL without the header, and the query that it links to.

    Raises:
        DuneCatalogError: The header is not closed, stands twice, is no YAML, or holds an unknown key or a wrong value;
            or there is no SQL.

    Examples:
        >>> parsed = parse_sql_text("/* dune\nid: 4711\n*/\nSELECT 1", "one.sql")
        >>> parsed.header.id, parsed.sql
        (4711, 'SELECT 1')
    """
    comments = list(_leading_comments(text))
    end = comments[-1].end() if comments else 0
    if UNCLOSED_HEADER.match(text, end):
        raise DuneCatalogError(f"{_place(source, text, end)}: the header is not closed.", hint="Write */ after it.")
    if not text[end:].strip(" \t\n;"):
        raise DuneCatalogError(f"{source} holds no SQL.", hint="Write the query, or remove the file.")
    headers = [comment for comment in comments if HEADER_START.match(comment["block"] or "")]
    linked_id = next((linked for comment in comments for linked in _links(comment)), None)
    if not headers:
        return SqlText(Header(), text.strip(), linked_id)
    if len(headers) > 1:
        second = _place(source, text, headers[1].end())
        raise DuneCatalogError(f"{second}: this is the file's second header.", hint="Join the two.")
    header = _HeaderReader(source, text, headers[0].start("block")).read(headers[0]["block"])
    sql = text[: headers[0].start()] + text[headers[0].end() :]
    return SqlText(header, sql.strip(), linked_id)


def _leading_comments(text: str) -> Iterator[re.Match[str]]:
    comment = COMMENT.match(text)
    while comment:
        yield comment
        comment = COMMENT.match(text, comment.end())


def _links(comment: re.Match[str]) -> Iterator[int]:
    for line in (comment["line"] or comment["block"] or "").split("\n"):
        if link := QUERY_LINK.match(line):
            yield int(link["id"])


def _place(source: str, text: str, position: int) -> str:
    start = position + len(text[position:]) - len(text[position:].lstrip())
    return f"{source}, line {text.count(chr(10), 0, start) + 1}"


class _HeaderReader:
    """Reads a header's YAML, and knows the line of each key for its messages."""

    def __init__(self, source: str, text: str, start: int) -> None:
        self._source = source
        self._lines_before = text.count("\n", 0, start)

    def read(self, block: str) -> Header:
        blank_first_line = HEADER_START.sub(lambda start: "\n" * start[0].count("\n"), block, count=1)
        try:
            loader = yaml.BaseLoader(blank_first_line)
            root = loader.get_single_node()
            self._check_keys(root)
            data = loader.construct_document(root) if root else {}
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line if error.problem_mark else 0
            raise self._error(
                line, f"the header is no YAML: {error.problem}", hint="Quote texts with : or # in them."
            ) from error
        try:
            return Header.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise self._wrong(root, first["loc"], first["type"], first["msg"]) from error

    def _check_keys(self, node: yaml.Node | None) -> None:
        """Refuse keys that stand twice, of which YAML would keep the last."""
        if not isinstance(node, yaml.MappingNode):
            return
        seen = set[str]()
        for key, value in node.value:
            if key.value in seen:
                raise self._error(key.start_mark.line, f"{key.value!r} stands twice in the header.", hint="Remove one.")
            seen.add(key.value)
            self._check_keys(value)

    def _wrong(self, root: yaml.Node | None, place: tuple[int | str, ...], kind: str, message: str) -> DuneCatalogError:
        line, keys = self._find(root, place)
        if kind == "extra_forbidden":
            valid = HeaderParameter.model_fields if len(keys) > 1 else Header.model_fields
            close = get_close_matches(keys[-1], valid, n=1)
            hint = (f"Did you mean {close[0]!r}? " if close else "") + f"The keys are: {', '.join(valid)}."
            return self._error(line, f"the header has no key {'.'.join(keys)!r}.", hint=hint)
        if not keys:
            return self._error(line, "the header is no list of keys and values.", hint="Write one 'key: value' a line.")
        return self._error(line, f"{'.'.join(keys)} in the header is wrong: {message}.")

    def _find(self, node: yaml.Node | None, place: tuple[int | str, ...]) -> tuple[int, list[str]]:
        """Follow a place in the data as far as it leads into the YAML; return its line, and its keys."""
        line, keys = node.start_mark.line if node else 0, []
        for step in place:
            if not isinstance(node, yaml.MappingNode):
                break
            entry = next(((key, value) for key, value in node.value if key.value == step), None)
            if entry is None:
                break
            line, node = entry[0].start_mark.line, entry[1]
            keys.append(str(step))
        return line, keys

    def _error(self, line: int, message: str, hint: str = "") -> DuneCatalogError:
        return DuneCatalogError(f"{self._source}, line {self._lines_before + line + 1}: {message}", hint=hint)
