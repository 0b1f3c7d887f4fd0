"""Taking owners, names, SQL and rows out of requests and answers, the same always in the same way.

A replacement is made of a text and the salt of its cassette. So a replay that is asked with the real names finds what
was recorded without them, and the cassette does not hold them.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from typing import Any
from urllib.parse import quote, unquote

NAMES = frozenset(
    {
        "name",
        "owner",
        "handle",
        "full_name",
        "sql_id",
        "table_name",
        "namespace",
        "slug",
        "title",
        "description",
        "customer_id",
        "api_key_id",
        "key",
        "example_query",
        "columnName",
        "created_by",
        "tags",
        "column_names",
        "value",
        "values",
        "enumOptions",
        "columns",
        "filters",
        "sort_by",
    }
)
SQL = frozenset({"query_sql", "sql", "data"})
ROWS = frozenset({"rows"})
VALUES = frozenset({"query_parameters", "params"})
SENTENCES = frozenset({"error", "message"})
TABLE = re.compile(r'(?<![\w.])dune\."?([\w-]+)"?\."?(result_|dataset_)?([\w-]+)"?')
QUOTED = re.compile(r"'([^']+)'")
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
HEX = re.compile(r"0x[0-9a-fA-F]*")
TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(.*)", re.DOTALL)
KEPT_TEXTS = frozenset({"", "<nil>", "true", "false", "NaN", "Infinity", "-Infinity"})


class Anonymous:
    """Replaces what is the account's.

    Args:
        salt: What replacements are made with.

    Attributes:
        real: By replacement, what it stands for, of everything that was replaced here. It is never written down.
    """

    def __init__(self, salt: str) -> None:
        self._salt = salt
        self.real: dict[str, str] = {}

    def path(self, path: str) -> str:
        """A path with the names of tables replaced; ids stay.

        Examples:
            >>> Anonymous("salt").path("/api/v1/query/1/results")
            '/api/v1/query/1/results'
        """
        return "/".join(self._segment(part) for part in path.split("/"))

    def _segment(self, part: str) -> str:
        plain = unquote(part)
        return quote(self.sentence(plain), safe="") if TABLE.search(plain) else part

    def options(self, options: dict[str, str]) -> dict[str, str]:
        """The fields of a query string."""
        return {
            name: self.name(value) if name in NAMES or name.startswith("params.") else value
            for name, value in options.items()
        }

    def json(self, value: Any, field: str = "") -> Any:
        """A JSON value."""
        match value:
            case list() if field in ROWS:
                return [self._row(row) for row in value]
            case dict() if field in VALUES:
                return {self.name(name): self.value(item) for name, item in value.items()}
            case dict():
                return {name: self.json(item, name) for name, item in value.items()}
            case list():
                return [self.json(item, field) for item in value]
            case str():
                return self._text(value, field)
        return self.value(value) if field == "created_by" else value

    def csv(self, text: str) -> str:
        """A page of CSV with its header."""
        rows = list(csv.reader(io.StringIO(text, newline="")))
        written = io.StringIO(newline="")
        writer = csv.writer(written, lineterminator="\n")
        for number, row in enumerate(rows):
            writer.writerow([self.value(cell) if number else self.name(cell) for cell in row])
        return written.getvalue()

    def _text(self, text: str, field: str) -> str:
        if field in SQL:
            return self._known(f"SELECT 'sql_{self._digest(text)}'", text)
        if field in NAMES:
            return self.name(text)
        return self.sentence(text) if field in SENTENCES else text

    def _row(self, row: Any) -> Any:
        return {self.name(name): self.value(item) for name, item in row.items()} if isinstance(row, dict) else row

    def name(self, text: str) -> str:
        """A name: of a table part by part, so that it stays one."""
        if not text or text in ("dune", "text", "number"):
            return text
        return self.sentence(text) if TABLE.fullmatch(text) else self._known(f"name_{self._digest(text)}", text)

    def sentence(self, text: str) -> str:
        """A sentence: the tables in it, and what it quotes."""
        text = TABLE.sub(self._table, text)
        return QUOTED.sub(lambda found: f"'{self.name(found[1])}'", text)

    def _table(self, found: re.Match[str]) -> str:
        team, kind, name = found[1], found[2] or "", found[3]
        shown = f"dune.team_{self._digest(team)}.{kind}{self._digest(name)}"
        return self._known(shown, found[0].replace('"', ""))

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
            digest = hashlib.shake_256(f"{self._salt} {text}".encode()).hexdigest(len(text))
            return "0x" + digest[: len(text) - 2]
        if found := TIME.fullmatch(text):
            number = int(self._digest(text), 16)
            return f"20{number % 30:02d}-{number % 12 + 1:02d}-{number % 28 + 1:02d}{found[2]}"
        return f"text_{self._digest(text)}"

    def _digits(self, text: str) -> str:
        """Another number of the same length."""
        drawn = iter(str(int(hashlib.shake_256(f"{self._salt} {text}".encode()).hexdigest(len(text) + 1), 16)))
        made = "".join(next(drawn) if letter.isdigit() else letter for letter in text)
        return made if text.lstrip("-")[0] != "0" else text[: text.index("0") + 1] + made[text.index("0") + 1 :]

    def _digest(self, text: str) -> str:
        return hashlib.sha256(f"{self._salt} {text.lower()}".encode()).hexdigest()[:10]

    def _known(self, shown: str, real: str) -> str:
        self.real[shown] = real
        return shown

    def with_real_names(self, text: str) -> str:
        """An answer with the names that this was asked with."""
        for shown, real in self.real.items():
            if not shown.startswith("SELECT"):
                text = text.replace(shown, json.dumps(real)[1:-1])
        return text
