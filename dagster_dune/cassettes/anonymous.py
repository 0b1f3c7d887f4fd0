"""Replaces owners, names, SQL and rows in requests and answers, equal texts by equal replacements.

A replacement is a hash of the text and of the cassette's salt. So the request of a replay, which has the real names, is
found among the recorded ones, and the cassette does not contain the names. Replacements are not replaced again, so that
a replay also finds requests with names from its own answers.

For each part it is declared what is kept. Everything else is replaced, including fields that Dune adds later.
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

ENUM_FIELDS = frozenset(
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
"""Fields of JSON and of query strings whose values are Dune's own words and ids."""

SENTENCE_FIELDS = frozenset({"error", "message"})
TYPE_FIELDS = frozenset({"column_types", "type"})
ADDRESS_FIELDS = frozenset({"next_uri", "x-dune-next-uri"})
SQL_FIELDS = frozenset({"query_sql", "sql", "data"})
ROW_FIELDS = frozenset({"rows"})
PARAMETER_FIELDS = frozenset({"query_parameters", "params"})
OWNER_FIELDS = frozenset({"created_by", "owner_user_id", "owner_team_id"})

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
"""Names that are kept in sentences: they reveal nothing, and replacing them would make sentences unreadable."""

ID = re.compile(r"[0-9]+|[0-9A-Z]{26}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TABLE = re.compile(r'(?<![\w.])dune\."?([\w-]+)"?\."?(result_|dataset_)?([\w-]+)"?')
# The error of a gate that does not pass begins with "gate closed:", which runs search for.
QUOTED = re.compile(r"(['\"`])(gate closed: *)?((?:(?!\1).)*)(\1)", re.DOTALL)
DOTTED = re.compile(r"(?<![\w.])(?!dune\.)[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
AFTER_CAST = re.compile(r"(cast to [\w ]+(?:\([0-9, ]+\))?: )(.+)", re.DOTALL)
NAME_IN_TYPE = re.compile(r'"([^"]*)"|([A-Za-z_]\w*)')
REPLACED = re.compile(r"name_[0-9a-f]{10}")
REPLACED_SQL = re.compile(r"SELECT 'sql_[0-9a-f]{10}'")
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
HEX = re.compile(r"0x[0-9a-fA-F]*")
KEPT_VALUES = frozenset({"", "<nil>", "true", "false", "NaN", "Infinity", "-Infinity"})
MIN_NAME_LENGTH_IN_SENTENCES = 3


class Anonymous:
    """Replaces data of the account.

    Args:
        salt: The salt of the hashes.

    Attributes:
        real: The names that were replaced, by their replacements. They are never written to a file.
    """

    def __init__(self, salt: str) -> None:
        self._salt = salt
        self.real: dict[str, str] = {}

    # --- requests ---

    def path(self, path: str) -> str:
        """Replace the names in a path; ids are kept.

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
        """Replace the fields of a query string, except numbers, booleans and Dune's own words."""
        return {name: self._option(name, value) for name, value in options.items()}

    def _option(self, name: str, value: str) -> str:
        is_plain = NUMBER.fullmatch(value) is not None or value in KEPT_VALUES
        is_value = name.startswith("params.") or name in PARAMETER_FIELDS
        return value if name in ENUM_FIELDS or (is_plain and not is_value) else self.name(value)

    def sent(self, path: str, body: Any) -> Any:
        """Replace the body of a request; rows for a table are replaced as a whole, whatever their format."""
        if body is None:
            return None
        if isinstance(body, str) or path.endswith("/insert"):
            return f"data_{self._digest(body if isinstance(body, str) else json.dumps(body, sort_keys=True))}"
        return self.json(body)

    # --- answers ---

    def answered(self, path: str, body: Any) -> Any:
        """Replace the body of an answer, which is JSON or text."""
        if isinstance(body, str):
            return self.csv(body) if path.endswith("/csv") else f"text_{self._digest(body)}"
        return self.json(body)

    def header(self, name: str, value: str) -> str:
        """Replace the value of a header of an answer."""
        return self._address(value) if name in ADDRESS_FIELDS else value

    def csv(self, text: str) -> str:
        """Replace names and values in a CSV page, which begins with a header."""
        rows = list(csv_lines(io.StringIO(text, newline=""), strict=False))
        written = io.StringIO(newline="")
        writer = csv.writer(written, lineterminator="\n")
        for number, row in enumerate(rows):
            writer.writerow([self.value(cell) if number else self.name(cell) for cell in row])
        return written.getvalue()

    # --- both ---

    def json(self, value: Any, field: str = "") -> Any:
        """Replace names and values in a JSON value, which is that of a field if one is given."""
        match value:
            case list() if field in ROW_FIELDS:
                return [self.value(row) for row in value]
            case dict() if field in PARAMETER_FIELDS:
                return {self.name(name): self.value(item) for name, item in value.items()}
            case dict():
                return {name: self.json(item, name) for name, item in value.items()}
            case list():
                return [self.json(item, field) for item in value]
            case str():
                return self._text(value, field)
        return self.value(value) if field in OWNER_FIELDS else value

    def _text(self, text: str, field: str) -> str:
        if field in SQL_FIELDS:
            return text if REPLACED_SQL.fullmatch(text) else f"SELECT 'sql_{self._digest(text)}'"
        if field in TYPE_FIELDS and (field != "type" or "(" in text):
            return NAME_IN_TYPE.sub(self._type_word, text)
        if field in SENTENCE_FIELDS:
            return self.sentence(text)
        if field in ADDRESS_FIELDS:
            return self._address(text)
        return text if field in ENUM_FIELDS or other_time(text, "") else self.name(text)

    def _type_word(self, found: re.Match[str]) -> str:
        word = found[1] if found[2] is None else found[2]
        return word if TYPE_WORD.fullmatch(word) else self.name(word)

    def _address(self, address: str) -> str:
        start, api, rest = address.partition("/api/")
        path, _, query = rest.partition("?")
        options = urlencode(self.options(dict(parse_qsl(query, keep_blank_values=True))))
        return f"{start}{self.path(api + path)}{'?' if options else ''}{options}" if api else self.name(address)

    def name(self, text: str) -> str:
        """Replace a name; the parts of a table name one by one, so that it remains a table name."""
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
        """Replace tables, quoted texts and the names that were replaced before in a sentence."""
        text = TABLE.sub(self._table, text)
        text = QUOTED.sub(lambda found: found[1] + (found[2] or "") + self.name(found[3]) + found[4], text)
        text = AFTER_CAST.sub(lambda found: found[1] + str(self.value(found[2])), text)
        text = DOTTED.sub(lambda found: ".".join(self.name(part) for part in found[0].split(".")), text)
        for shown, real in self.real.items():
            if len(real) >= MIN_NAME_LENGTH_IN_SENTENCES and real in text and not SENTENCE_WORD.fullmatch(real):
                text = re.sub(rf"(?<!\w){re.escape(real)}(?!\w)", shown, text)
        return text

    def value(self, value: Any) -> Any:
        """Replace a value of a row by one of the same type; numbers keep their lengths."""
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
        if text in KEPT_VALUES:
            return text
        if NUMBER.fullmatch(text):
            return self._digits(text)
        if HEX.fullmatch(text):
            return "0x" + self._hex(text, len(text))[: len(text) - 2]
        return other_time(text, self._hex(text, 32)) or f"text_{self._digest(text)}"

    def _digits(self, text: str) -> str:
        """Return another number of the same length."""
        drawn = iter(self._hex(text, len(text)))
        made = "".join(str(int(next(drawn), 16) % 10) if letter.isdigit() else letter for letter in text)
        return made if text.lstrip("-")[0] != "0" else text[: text.index("0") + 1] + made[text.index("0") + 1 :]

    def _hex(self, text: str, length: int) -> str:
        return hashlib.shake_256(f"{self._salt} {text}".encode()).hexdigest(length)

    def _digest(self, text: str) -> str:
        return hashlib.sha256(f"{self._salt} {text.lower()}".encode()).hexdigest()[:10]

    # --- restoring names ---

    def csv_with_real_names(self, text: str) -> str:
        """Restore the real names in a CSV page, which only its header contains."""
        header, end, rows = text.partition("\n")
        written = io.StringIO(newline="")
        names = [self.with_real_names(name) for name in next(csv.reader([header]), [])]
        csv.writer(written, lineterminator=end).writerow(names)
        return written.getvalue() + rows

    def with_real_names(self, value: Any) -> Any:
        """Restore the real names in an answer, which is JSON or text, except in addresses."""
        match value:
            case str():
                return REPLACED.sub(lambda found: self.real.get(found[0], found[0]), value)
            case list():
                return [self.with_real_names(item) for item in value]
            case dict():
                return {
                    self.with_real_names(name): item if name in ADDRESS_FIELDS else self.with_real_names(item)
                    for name, item in value.items()
                }
        return value
