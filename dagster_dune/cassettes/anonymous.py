"""Taking owners, names, SQL and rows out of requests and answers, the same always in the same way.

A replacement is made of a text and the salt of its cassette. So a replay that is asked with the real names finds what
was recorded without them, and the cassette does not hold them. What is replaced already stays as it is, so that a
replay may also be asked with what it has answered.

Of each part it is said what may stay; everything else is replaced, and so is what Dune adds.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from dagster_dune._csv_lines import csv_lines
from dagster_dune.cassettes.times import other_time

WORDS = frozenset(
    {
        "status",
        "state",
        "type",
        "performance",
        "query_engine",
        "cron_expression",
        "execution_id",
        "pipeline_execution_id",
        "last_execution_ids",
    }
)
"""The fields of JSON and of query strings whose texts are Dune's own words and ids."""

SENTENCES = frozenset({"error", "message"})
TYPES = frozenset({"column_types", "type"})
ADDRESSES = frozenset({"next_uri", "x-dune-next-uri"})
SQL = frozenset({"query_sql", "sql", "data"})
ROWS = frozenset({"rows"})
VALUES = frozenset({"query_parameters", "params"})
OWNERS = frozenset({"created_by", "owner_user_id", "owner_team_id"})

PATH_WORD = re.compile(
    "api|v1|whoami|usage|sql|query|queries|pipelines?|execute|executions?|status|results|csv|cancel|materialized-views|"
    "refresh|datasets|search|search-by-contract|uploads?|tables?|create|insert|clear|(un)?archive|(un)?private|endpoints"
)
TYPE_WORD = re.compile(
    "array|bigint|boolean|char|date|day|decimal|double|int|int256|integer|interval|json|map|month|real|row|second|"
    "smallint|time|timestamp|tinyint|to|uint256|unknown|uuid|varbinary|varchar|with|without|year|zone",
    re.IGNORECASE,
)
SENTENCE_WORD = re.compile("line|column|error|table|query|node|pipeline|execution|name|text|number", re.IGNORECASE)
"""A name like one of these stays in sentences: it tells nothing, and without it these could not be read."""

ID = re.compile(r"[0-9]+|[0-9A-Z]{26}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TABLE = re.compile(r'(?<![\w.])dune\."?([\w-]+)"?\."?(result_|dataset_)?([\w-]+)"?')
# What a gate says when it says no begins with these words, which runs look for.
QUOTED = re.compile(r"(['\"`])(gate closed: *)?((?:(?!\1).)*)(\1)", re.DOTALL)
DOTTED = re.compile(r"(?<![\w.])(?!dune\.)[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
AFTER_CAST = re.compile(r"(cast to [\w ]+(?:\([0-9, ]+\))?: )(.+)", re.DOTALL)
NAME_IN_TYPE = re.compile(r'"([^"]*)"|([A-Za-z_]\w*)')
REPLACED = re.compile(r"name_[0-9a-f]{10}")
REPLACED_SQL = re.compile(r"SELECT 'sql_[0-9a-f]{10}'")
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
HEX = re.compile(r"0x[0-9a-fA-F]*")
KEPT_TEXTS = frozenset({"", "<nil>", "true", "false", "NaN", "Infinity", "-Infinity"})
SHORTEST_NAME_IN_A_SENTENCE = 3


class Anonymous:
    """Replaces what is the account's.

    Args:
        salt: What replacements are made with.

    Attributes:
        real: By replacement, what it stands for, of every name that was replaced here. It is never written down.
    """

    def __init__(self, salt: str) -> None:
        self._salt = salt
        self.real: dict[str, str] = {}

    # --- requests ---

    def path(self, path: str) -> str:
        """A path with names replaced; ids stay.

        Examples:
            >>> Anonymous("salt").path("/api/v1/query/1/results")
            '/api/v1/query/1/results'
        """
        parts = path.split("/")
        return "/".join(self._segment(part, before) for before, part in zip(["", *parts], parts, strict=False))

    def _segment(self, part: str, before: str) -> str:
        plain = unquote(part)
        if PATH_WORD.fullmatch(plain) or ID.fullmatch(plain) or before in ("execution", "executions"):
            return part
        return quote(self.name(plain), safe="")

    def options(self, options: dict[str, str]) -> dict[str, str]:
        """The fields of a query string: numbers, yes and no, and Dune's own words stay."""
        return {name: self._option(name, value) for name, value in options.items()}

    def _option(self, name: str, value: str) -> str:
        is_plain = NUMBER.fullmatch(value) is not None or value in KEPT_TEXTS
        is_value = name.startswith("params.") or name in VALUES
        return value if name in WORDS or (is_plain and not is_value) else self.name(value)

    def sent(self, path: str, body: Any) -> Any:
        """The body of a request; rows of tables, in whatever form, are replaced as a whole."""
        if body is None:
            return None
        if isinstance(body, str) or path.endswith("/insert"):
            return f"data_{self._digest(body if isinstance(body, str) else json.dumps(body, sort_keys=True))}"
        return self.json(body)

    # --- answers ---

    def answered(self, path: str, body: Any) -> Any:
        """The body of an answer, as JSON or text."""
        if isinstance(body, str):
            return self.csv(body) if path.endswith("/csv") else f"text_{self._digest(body)}"
        return self.json(body)

    def header(self, name: str, value: str) -> str:
        """A header of an answer."""
        return self._address(value) if name in ADDRESSES else value

    def csv(self, text: str) -> str:
        """A page of CSV with its header."""
        rows = list(csv_lines(io.StringIO(text, newline=""), strict=False))
        written = io.StringIO(newline="")
        writer = csv.writer(written, lineterminator="\n")
        for number, row in enumerate(rows):
            writer.writerow([self.value(cell) if number else self.name(cell) for cell in row])
        return written.getvalue()

    # --- both ---

    def json(self, value: Any, field: str = "") -> Any:
        """A JSON value."""
        match value:
            case list() if field in ROWS:
                return [self.value(row) for row in value]
            case dict() if field in VALUES:
                return {self.name(name): self.value(item) for name, item in value.items()}
            case dict():
                return {name: self.json(item, name) for name, item in value.items()}
            case list():
                return [self.json(item, field) for item in value]
            case str():
                return self._text(value, field)
        return self.value(value) if field in OWNERS else value

    def _text(self, text: str, field: str) -> str:
        if field in SQL:
            return text if REPLACED_SQL.fullmatch(text) else f"SELECT 'sql_{self._digest(text)}'"
        if field in TYPES and (field != "type" or "(" in text):
            return NAME_IN_TYPE.sub(self._type_word, text)
        if field in SENTENCES:
            return self.sentence(text)
        if field in ADDRESSES:
            return self._address(text)
        return text if field in WORDS or other_time(text, "") else self.name(text)

    def _type_word(self, found: re.Match[str]) -> str:
        word = found[1] if found[2] is None else found[2]
        return word if TYPE_WORD.fullmatch(word) else self.name(word)

    def _address(self, address: str) -> str:
        start, api, rest = address.partition("/api/")
        path, _, query = rest.partition("?")
        options = urlencode(self.options(dict(parse_qsl(query, keep_blank_values=True))))
        return f"{start}{self.path(api + path)}{'?' if options else ''}{options}" if api else self.name(address)

    def name(self, text: str) -> str:
        """A name: of a table part by part, so that it stays one."""
        if not text or text == "dune" or REPLACED.fullmatch(text):
            return text
        if TABLE.fullmatch(text):
            return TABLE.sub(self._table, text)
        shown = f"name_{self._digest(text)}"
        self.real[shown] = text
        return shown

    def _table(self, found: re.Match[str]) -> str:
        return f"dune.{self.name(found[1])}.{found[2] or ''}{self.name(found[3])}"

    def sentence(self, text: str) -> str:
        """A sentence: the tables in it, what it quotes, and each name that came before."""
        text = TABLE.sub(self._table, text)
        text = QUOTED.sub(lambda found: found[1] + (found[2] or "") + self.name(found[3]) + found[4], text)
        text = AFTER_CAST.sub(lambda found: found[1] + str(self.value(found[2])), text)
        text = DOTTED.sub(lambda found: ".".join(self.name(part) for part in found[0].split(".")), text)
        for shown, real in self.real.items():
            if len(real) >= SHORTEST_NAME_IN_A_SENTENCE and real in text and not SENTENCE_WORD.fullmatch(real):
                text = re.sub(rf"(?<!\w){re.escape(real)}(?!\w)", shown, text)
        return text

    def value(self, value: Any) -> Any:
        """A value of a row: of the same kind, and as long where it is a number."""
        match value:
            case bool() | None:
                return value
            case int():
                return int(self._digits(str(value)))
            case float():
                return float(self._digits(repr(value))) if NUMBER.fullmatch(repr(value)) else value
            case str():
                return self._value_text(value)
            case list():
                return [self.value(item) for item in value]
        return {self.name(name): self.value(item) for name, item in value.items()}

    def _value_text(self, text: str) -> str:
        if text in KEPT_TEXTS:
            return text
        if NUMBER.fullmatch(text):
            return self._digits(text)
        if HEX.fullmatch(text):
            return "0x" + self._hex(text, len(text))[: len(text) - 2]
        return other_time(text, self._hex(text, 32)) or f"text_{self._digest(text)}"

    def _digits(self, text: str) -> str:
        """Another number of the same length."""
        drawn = iter(self._hex(text, len(text)))
        made = "".join(str(int(next(drawn), 16) % 10) if letter.isdigit() else letter for letter in text)
        return made if text.lstrip("-")[0] != "0" else text[: text.index("0") + 1] + made[text.index("0") + 1 :]

    def _hex(self, text: str, length: int) -> str:
        return hashlib.shake_256(f"{self._salt} {text}".encode()).hexdigest(length)

    def _digest(self, text: str) -> str:
        return hashlib.sha256(f"{self._salt} {text.lower()}".encode()).hexdigest()[:10]

    # --- back ---

    def csv_with_real_names(self, text: str) -> str:
        """A page of CSV, in whose header alone are names."""
        header, end, rows = text.partition("\n")
        written = io.StringIO(newline="")
        names = [self.with_real_names(name) for name in next(csv.reader([header]), [])]
        csv.writer(written, lineterminator=end).writerow(names)
        return written.getvalue() + rows

    def with_real_names(self, value: Any) -> Any:
        """An answer, as JSON or text, with the names that this was asked with; addresses stay as they are."""
        match value:
            case str():
                return REPLACED.sub(lambda found: self.real.get(found[0], found[0]), value)
            case list():
                return [self.with_real_names(item) for item in value]
            case dict():
                return {
                    self.with_real_names(name): item if name in ADDRESSES else self.with_real_names(item)
                    for name, item in value.items()
                }
        return value
