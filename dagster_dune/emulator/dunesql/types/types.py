"""Types: which of Trino's a type of DuckDB's stands for.

DuckDB's BIGNUM, an integer without bounds, stands for Dune's uint256 and int256. Nothing in it tells the two apart, so
a column of a result is an int256 if it holds a negative number, and a uint256 otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ZONED_FIELDS = ("zoned_instant", "zoned_local", "zoned_name")
"""The fields of the struct that stands for a time in another zone than UTC; see `zones`."""

UINT256_MAX = 2**256 - 1
INT256_MIN = -(2**255)

_INTEGERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT"}
)

_FAMILIES = {
    "VARCHAR": "text",
    "BLOB": "bytes",
    "BOOLEAN": "boolean",
    "DATE": "time",
    "TIMESTAMP": "time",
    "TIMESTAMP WITH TIME ZONE": "time",
    "INTERVAL": "interval",
    "ZONED": "time",
    "LIST": "array",
    "MAP": "map",
    "STRUCT": "row",
    "TUPLE": "row",
    "JSON": "json",
}

_LITERALS = {"INTEGER_LITERAL": "INTEGER", "STRING_LITERAL": "VARCHAR"}

_TRINO = {
    "BOOLEAN": "boolean",
    "TINYINT": "tinyint",
    "SMALLINT": "smallint",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "FLOAT": "real",
    "DOUBLE": "double",
    "BIGNUM": "uint256",
    "VARCHAR": "varchar",
    "BLOB": "varbinary",
    "DATE": "date",
    "TIME": "time(3)",
    "TIMESTAMP": "timestamp(3)",
    "TIMESTAMP WITH TIME ZONE": "timestamp(3) with time zone",
    "ZONED": "timestamp(3) with time zone",
    "INTERVAL": "interval day to second",
    "JSON": "json",
    "UUID": "uuid",
    "LIST": "array",
    "STRUCT": "row",
    "TUPLE": "row",
    "MAP": "map",
    '"NULL"': "unknown",
    "NULL": "unknown",
}


@dataclass(frozen=True)
class Type:
    """A type of DuckDB's, as its binder gives it to an expression.

    Attributes:
        id: Its name, such as ``BIGINT``, ``DECIMAL`` or ``LIST``.
        width: The digits of a decimal.
        scale: Those after its point.
        fields: The names and types inside it: of an array one without a name, of a map two, of a row all its fields.
    """

    id: str
    width: int = 0
    scale: int = 0
    fields: tuple[tuple[str, Type], ...] = field(default=(), repr=False)

    @classmethod
    def from_plan(cls, plan: Mapping[str, Any]) -> Type:
        """Read a type in a serialized plan."""
        info = plan.get("type_info") or {}
        if info.get("alias") == "JSON":
            return cls("JSON")
        name = _LITERALS.get(str(plan["id"]), str(plan["id"]))
        fields = _planned_fields(name, info)
        if tuple(field_name for field_name, _ in fields) == ZONED_FIELDS:
            return cls("ZONED")
        return cls(name, int(info.get("width", 0)), int(info.get("scale", 0)), fields)

    @property
    def element(self) -> Type | None:
        """The type of an array's elements, None where it is no array."""
        return self.fields[0][1] if self.id == "LIST" and self.fields else None

    @property
    def is_row(self) -> bool:
        """Whether it is a row, with names of its fields or without."""
        return self.id in ("STRUCT", "TUPLE")

    @property
    def trino_name(self) -> str:
        """Trino's name of it, for messages."""
        return trino_type(type_name(self))

    @property
    def is_null(self) -> bool:
        """Whether it is the type of NULL alone."""
        return self.id.strip('"') == "NULL"

    @property
    def is_integer(self) -> bool:
        """Whether it is one of the integers that fit a processor's word."""
        return self.id in _INTEGERS

    @property
    def family(self) -> str:
        """What it can be compared with; empty for a type that says nothing, such as that of NULL."""
        if self.is_integer or self.is_float or self.id in ("DECIMAL", "BIGNUM"):
            return "number"
        return _FAMILIES.get(self.id, "")

    @property
    def is_float(self) -> bool:
        """Whether it is a real or a double."""
        return self.id in ("FLOAT", "DOUBLE")

    def as_decimal(self) -> Type:
        """The decimal that holds every number of this type, as Trino coerces an integer."""
        digits = {"TINYINT": 3, "SMALLINT": 5, "INTEGER": 10}
        return self if self.id == "DECIMAL" else Type("DECIMAL", digits.get(self.id, 19), 0)


def _planned_fields(name: str, info: Mapping[str, Any]) -> tuple[tuple[str, Type], ...]:
    if name == "LIST":
        return (("", Type.from_plan(info.get("child_type") or {"id": "NULL"})),)
    if name == "MAP":
        return _planned_fields("STRUCT", info["child_type"]["type_info"])
    return tuple((str(child["first"]), Type.from_plan(child["second"])) for child in info.get("child_types", ()))


def literal_type(literal: str, *, is_text: bool) -> Type:
    """Tell the type of a literal: ``1`` is an integer, ``1.5`` a decimal, ``1e0`` a double.

    Args:
        literal: The text of it, without quotes.
        is_text: Whether it stood in quotes.

    Returns:
        The type that Trino and DuckDB both give it.

    Examples:
        >>> literal_type("1.50", is_text=False)
        Type(id='DECIMAL', width=3, scale=2)
    """
    if is_text:
        return Type("VARCHAR")
    if "e" in literal.lower():
        return Type("DOUBLE")
    whole, point, fraction = literal.partition(".")
    if point:
        return Type("DECIMAL", max(1, len(whole + fraction)), len(fraction))
    return Type("INTEGER" if int(literal) < 2**31 else "BIGINT")


def type_name(type_: Type) -> str:
    """Write a type as DuckDB does.

    Examples:
        >>> type_name(Type("LIST", fields=(("", Type("DECIMAL", 5, 2)),)))
        'DECIMAL(5,2)[]'
    """
    inside = [type_name(part) for _, part in type_.fields]
    if type_.id == "LIST":
        return f"{inside[0]}[]"
    if type_.id == "DECIMAL":
        return f"DECIMAL({type_.width},{type_.scale})"
    if type_.id == "STRUCT":
        names = [name.replace('"', '""') for name, _ in type_.fields]
        inside = [f'"{name}" {part}' for name, part in zip(names, inside, strict=True)]
    return f"{type_.id}({', '.join(inside)})" if inside else _WRITTEN.get(type_.id, type_.id)


_WRITTEN = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}


def trino_type(name: str) -> str:
    """Find Trino's name of a type.

    Args:
        name: As DuckDB describes a column: ``BIGINT``, ``DECIMAL(38,0)``, ``VARCHAR[]``.

    Returns:
        Such as ``bigint``, ``decimal(38,0)``, ``array(varchar)``.

    Examples:
        >>> trino_type("DECIMAL(38,2)[]"), trino_type("MAP(VARCHAR, BIGINT)")
        ('array(decimal(38,2))', 'map(varchar, bigint)')
    """
    if name.endswith("[]"):
        return f"array({trino_type(name[:-2])})"
    if name.startswith("DECIMAL"):
        return name.lower()
    kind, inside = _NESTED_NAMES.get(name.partition("(")[0]), name.partition("(")[2][:-1]
    if kind is None:
        return _TRINO.get(name, name.lower())
    if inside.startswith(f"{ZONED_FIELDS[0]} "):
        return _TRINO["ZONED"]
    parts = [_field(part) if name.startswith("STRUCT") else trino_type(part) for part in split_types(inside)]
    return f"{kind}({', '.join(parts)})"


_NESTED_NAMES = {"MAP": "map", "STRUCT": "row", "TUPLE": "row"}


def _field(text: str) -> str:
    """Write a field of a row, whose name DuckDB puts in quotes where it must."""
    quoted = re.match(r'"((?:[^"]|"")*)" ', text)
    name, type_name = (quoted[1].replace('""', '"'), text[quoted.end() :]) if quoted else text.split(" ", 1)
    return f"{name} {trino_type(type_name)}"


def split_types(text: str) -> list[str]:
    """Split a list of DuckDB's types at the commas that stand in no parentheses and no quotes."""
    parts, depth, is_quoted = [""], 0, False
    for character in text:
        is_quoted ^= character == '"'
        depth += 0 if is_quoted else {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0 and not is_quoted:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]
