"""Trino's types, with Dune's uint256 and int256, and the DuckDB types that represent them.

A timestamp with more than six digits is a struct of microseconds and picoseconds. A timestamp with time zone is a
``TIMESTAMPTZ`` if the zone is known to be UTC, and otherwise a struct of the instant and the name of the zone. Rows are
structs with fields named by position, intervals are integers of milliseconds or months, and JSON is text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

MOMENT, ZONE = "zoned_instant", "zoned_name"
"""The fields of the struct that represents a time in another zone than UTC."""
MICROS, PICOS = "micros", "picos"
"""The fields of the struct that represents a timestamp with more than six digits."""
UINT256_MAX = 2**256 - 1
INT256_MIN, INT256_MAX = -(2**255), 2**255 - 1
INTEGERS = ("tinyint", "smallint", "integer", "bigint")
FLOATS = ("real", "double")
WIDE = ("uint256", "int256")
DAY_TO_SECOND, YEAR_TO_MONTH = "interval day to second", "interval year to month"
TIMESTAMPS = ("timestamp", "timestamp with time zone")


@dataclass(frozen=True)
class Type:
    """A Trino type.

    Attributes:
        name: The base name, such as ``decimal``, ``array`` or ``timestamp with time zone``.
        args: The numeric arguments: the length of a text, precision and scale of a decimal, the precision of a time.
        of: The type arguments: of an array one, of a map two, of a row its fields, of a function its parameters and its
            result.
        names: The names of a row's fields, None if a field has none.
        zoned: Whether values of a timestamp with time zone have zones; otherwise all are UTC.
    """

    name: str
    args: tuple[int, ...] = ()
    of: tuple[Type, ...] = ()
    names: tuple[str | None, ...] = ()
    zoned: bool = False

    def __str__(self) -> str:
        """Return the type as ``typeof`` does."""
        return self._formatted(full=True)

    @property
    def shown(self) -> str:
        """The type in results: texts without length, and times with zones with at least three digits."""
        return self._formatted(full=False)

    def _formatted(self, *, full: bool) -> str:
        if self.name == "row":
            fields = (
                f"{field_name(name)} {type_._formatted(full=full)}" if name else type_._formatted(full=full)
                for name, type_ in zip(self.names, self.of, strict=True)
            )
            return f"row({', '.join(fields)})"
        if self.of:
            return f"{self.name}({', '.join(type_._formatted(full=full) for type_ in self.of)})"
        if self.name == "varchar" and not full:
            return "varchar"
        args = (max(3, self.args[0]),) if self.name.endswith("time zone") and not full and self.args else self.args
        if self.name.endswith(" with time zone") and args:
            return f"{self.name.split()[0]}({args[0]}) with time zone"
        return f"{self.name}({','.join(map(str, args))})" if args else self.name

    @property
    def is_integer(self) -> bool:
        """Whether it is an integer of at most 64 bits."""
        return self.name in INTEGERS

    @property
    def is_float(self) -> bool:
        """Whether it is a real or a double."""
        return self.name in FLOATS

    @property
    def is_wide(self) -> bool:
        """Whether it is uint256 or int256."""
        return self.name in WIDE

    @property
    def is_number(self) -> bool:
        """Whether it is numeric."""
        return self.is_integer or self.is_float or self.is_wide or self.name == "decimal"

    @property
    def is_interval(self) -> bool:
        """Whether it is an interval."""
        return self.name in (DAY_TO_SECOND, YEAR_TO_MONTH)

    @property
    def is_precise(self) -> bool:
        """Whether it is a timestamp with more digits than DuckDB's."""
        return self.name == "timestamp" and self.digits > 6

    @property
    def digits(self) -> int:
        """The digits of the fraction of a time."""
        return self.args[0] if self.args else 3

    @property
    def duckdb(self) -> str:
        """The DuckDB type that represents its values."""
        if self.name in ("array", "qdigest"):
            return f"{self.of[0].duckdb}[]"
        if self.name == "map":
            return f"MAP({self.of[0].duckdb}, {self.of[1].duckdb})"
        if self.name == "row":
            fields = (f"f{place} {type_.duckdb}" for place, type_ in enumerate(self.of))
            return f"STRUCT({', '.join(fields)})"
        if self.name == "decimal":
            return f"DECIMAL({self.args[0]},{self.args[1]})"
        if self.is_precise:
            return f"STRUCT({MICROS} TIMESTAMP, {PICOS} INTEGER)"
        if self.zoned:
            return f"STRUCT({MOMENT} TIMESTAMPTZ, {ZONE} VARCHAR)"
        return _DUCKDB[self.name]

    def find(self, *names: str) -> Type | None:
        """Return the first type with one of some names: the type itself, or one inside it."""
        if self.name in names:
            return self
        return next((found for part in self.of if (found := part.find(*names))), None)

    @property
    def has_zones(self) -> bool:
        """Whether its values, or values inside them, have zones."""
        return self.zoned or any(part.has_zones for part in self.of)


_DUCKDB = {
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "real": "FLOAT",
    "double": "DOUBLE",
    "uint256": "BIGNUM",
    "int256": "BIGNUM",
    "varchar": "VARCHAR",
    "char": "VARCHAR",
    "varbinary": "BLOB",
    "json": "VARCHAR",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMPTZ",
    DAY_TO_SECOND: "BIGINT",
    YEAR_TO_MONTH: "INTEGER",
    "uuid": "UUID",
    "unknown": "INTEGER",
    "hyperloglog": "VARCHAR[]",
    "tdigest": "DOUBLE[]",
}


def field_name(name: str) -> str:
    """Return the name of a row's field, in quotes if necessary."""
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'


def named(name: str) -> Type:
    """Return a type without arguments."""
    return Type(name)


BOOLEAN, TINYINT, SMALLINT, INTEGER, BIGINT, REAL, DOUBLE, VARCHAR, VARBINARY, JSON, DATE, UINT256, INT256, UNKNOWN = (
    Type(name)
    for name in (
        "boolean", "tinyint", "smallint", "integer", "bigint", "real", "double", "varchar", "varbinary", "json",
        "date", "uint256", "int256", "unknown",
    )
)  # fmt: skip
SKETCHES = ("hyperloglog", "tdigest", "qdigest")
"""Types of approximate aggregates, which contain all values here, and are not comparable."""
INTERVAL_DAY, INTERVAL_MONTH = Type(DAY_TO_SECOND), Type(YEAR_TO_MONTH)


def decimal(precision: int, scale: int) -> Type:
    """Return a decimal type, with at most 38 digits."""
    return Type("decimal", (min(38, precision), scale))


def timestamp(digits: int) -> Type:
    """Return a timestamp type."""
    return Type("timestamp", (digits,))


def timestamp_tz(digits: int, *, zoned: bool = False) -> Type:
    """Return a type of timestamps with time zone."""
    return Type("timestamp with time zone", (digits,), zoned=zoned)


def array(element: Type) -> Type:
    """Return an array type."""
    return Type("array", of=(element,))


def row(fields: tuple[Type, ...], names: tuple[str | None, ...] = ()) -> Type:
    """Return a row type."""
    return Type("row", of=fields, names=names or (None,) * len(fields))


def without_zones(type_: Type) -> Type:
    """Return the type with all times in UTC."""
    return replace(type_, zoned=False, of=tuple(map(without_zones, type_.of)))
