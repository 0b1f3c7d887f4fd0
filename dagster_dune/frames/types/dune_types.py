"""Parses the types that Dune declares: ``bigint``, ``decimal(38,0)``, ``array(row(a bigint, b varchar))``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from dagster_dune._splitting import split_at_commas

MAX_DEPTH = 32
TIMESTAMP_ZONED = "timestamp with time zone"
NESTED = frozenset({"array", "map", "row"})

_ALIASES = {"int": "integer", "double precision": "double", "string": "varchar", "bytes": "varbinary"}
_KNOWN = frozenset(
    {
        "boolean", "tinyint", "smallint", "integer", "bigint", "real", "double", "decimal", "varchar", "char",
        "varbinary", "date", "time", "time with time zone", "timestamp", TIMESTAMP_ZONED, "interval day to second",
        "interval year to month", "json", "uuid", "ipaddress", "uint256", "int256", "unknown", *NESTED,
    }
)  # fmt: skip
_ARGUMENTS = re.compile(r"([a-z_0-9 ]+?)\s*\(([^()]*)\)\s*([a-z ]*)")


@dataclass(frozen=True)
class DuneType:
    """A declared type.

    Attributes:
        text: The type as Dune writes it.
        name: The name without precision, in lower case: ``decimal``, ``timestamp with time zone``; empty if unknown.
        arguments: The numbers in parentheses.
        fields: The names and types inside it: one for an array, two for a map, and all fields of a row. The name is
            None in arrays and maps, and for a field without a name.
    """

    text: str
    name: str
    arguments: tuple[int, ...] = ()
    fields: tuple[tuple[str | None, DuneType], ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether this type and all types inside it are known."""
        return bool(self.name) and all(type_.is_known for _, type_ in self.fields)

    @property
    def is_nested(self) -> bool:
        """Whether it holds values of other types, or JSON; how CSV writes it is not known."""
        return self.name in NESTED or self.name == "json"

    @property
    def is_text(self) -> bool:
        """Whether any text is a valid value."""
        return self.name in ("varchar", "char", "")


@lru_cache(maxsize=1024)
def parse_type(text: str) -> DuneType:
    """Parse a declared type. A text that cannot be parsed gives an unknown type.

    Args:
        text: One of ``column_types``.

    Returns:
        The type.

    Examples:
        >>> parse_type("decimal(38, 2)").arguments, parse_type("timestamp(3) with time zone").name
        ((38, 2), 'timestamp with time zone')
        >>> parse_type('row("a b" bigint, varchar)').fields[0][0], parse_type("geometry").name
        ('a b', '')
    """
    return _parse(text, 0)


def _parse(text: str, depth: int) -> DuneType:
    unknown = DuneType(text, "")
    if depth > MAX_DEPTH:
        return unknown
    stripped = text.strip()
    outer, bracket, rest = stripped.partition("(")
    kind = outer.strip().lower()
    if bracket and kind in NESTED:
        parts = split_at_commas(rest.removesuffix(")")) if rest.endswith(")") else []
        if not all(parts) or len(parts) != {"array": 1, "map": 2}.get(kind, len(parts)) or not parts:
            return unknown
        fields = tuple(_field(part, depth) if kind == "row" else (None, _parse(part, depth + 1)) for part in parts)
        return DuneType(text, kind, fields=fields)
    words = re.sub(r"\s+", " ", stripped.lower())
    arguments: tuple[int, ...] = ()
    if match := _ARGUMENTS.fullmatch(words):
        numbers = [number.strip() for number in match[2].split(",")]
        if not all(number.isascii() and number.isdigit() and len(number) < 10 for number in numbers):
            return unknown
        arguments = tuple(int(number) for number in numbers)
        words = f"{match[1]} {match[3]}".strip()
    name = _ALIASES.get(words, words)
    if name not in _KNOWN or name in NESTED or (name == "decimal" and not _is_decimal(arguments)):
        return unknown
    return DuneType(text, name, arguments)


def without_lengths(type_: DuneType) -> DuneType:
    """Return the type without the lengths of texts and the precision of times, but with the digits of decimals.

    Examples:
        >>> without_lengths(parse_type("array(row(a varchar(4), decimal(38, 2), timestamp(3)))")).text
        'array(row("a" varchar, decimal(38,2), timestamp))'
    """
    if not type_.name:
        return type_
    if type_.fields:
        fields = tuple((name, without_lengths(part)) for name, part in type_.fields)
        return DuneType(f"{type_.name}({', '.join(_written(*field) for field in fields)})", type_.name, fields=fields)
    arguments = type_.arguments if type_.name == "decimal" else ()
    written = f"{type_.name}({','.join(map(str, arguments))})" if arguments else type_.name
    return DuneType(written, type_.name, arguments)


def _written(name: str | None, type_: DuneType) -> str:
    return type_.text if name is None else '"' + name.replace('"', '""') + f'" {type_.text}'


def _is_decimal(arguments: tuple[int, ...]) -> bool:
    precision, scale = (*arguments, *(38, 0)[len(arguments) :])[:2]
    return len(arguments) <= 2 and 1 <= precision <= 76 and scale <= precision


def _field(text: str, depth: int) -> tuple[str | None, DuneType]:
    """Parse a field of a row: a name and a type, or only a type, which may itself contain blanks."""
    if quoted := re.match(r'\s*"((?:[^"]|"")*)"\s+', text):
        return quoted[1].replace('""', '"'), _parse(text[quoted.end() :], depth + 1)
    alone = _parse(text, depth + 1)
    name, _, rest = text.strip().partition(" ")
    if alone.name or not rest or "(" in name:
        return None, alone
    return name, _parse(rest, depth + 1)
