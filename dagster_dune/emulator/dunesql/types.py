"""Types: which of Trino's a type of DuckDB's stands for.

DuckDB's BIGNUM, an integer without bounds, stands for Dune's uint256 and int256. Nothing in it tells the two apart, so
a column of a result is an int256 if it holds a negative number, and a uint256 otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
    "LIST": "array",
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
    "INTERVAL": "interval day to second",
    "JSON": "json",
    "UUID": "uuid",
    "LIST": "array",
    "STRUCT": "row",
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
        element: The name of the type of an array's elements.
    """

    id: str
    width: int = 0
    scale: int = 0
    element: str = field(default="", repr=False)

    @classmethod
    def from_plan(cls, plan: Mapping[str, Any]) -> Type:
        """Read a type in a serialized plan."""
        info = plan.get("type_info") or {}
        if info.get("alias") == "JSON":
            return cls("JSON")
        name = _LITERALS.get(str(plan["id"]), str(plan["id"]))
        element = (info.get("child_type") or {}).get("id", "") if name == "LIST" else ""
        return cls(name, int(info.get("width", 0)), int(info.get("scale", 0)), str(element))

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
    if name.startswith("MAP("):
        key, value = _split(name[len("MAP(") : -1])
        return f"map({trino_type(key)}, {trino_type(value)})"
    if name.startswith("STRUCT("):
        return "row" + name[len("STRUCT") :].lower()
    return _TRINO.get(name, name.lower())


def _split(text: str) -> tuple[str, str]:
    depth = 0
    for position, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            return text[:position], text[position + 1 :].strip()
    raise ValueError(f"{text!r} is no pair of types")
