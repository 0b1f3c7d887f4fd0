"""Trino's types, with Dune's uint256 and int256, and the types of DuckDB's that hold their values.

A timestamp of more than six digits is a struct of microseconds and picoseconds; a timestamp with a time zone is a
``TIMESTAMPTZ`` where the zone is known to be UTC, and else a struct of the moment and the zone's name. Rows are structs
whose fields are named by their place, intervals are whole numbers of milliseconds or months, JSON is text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

MOMENT, ZONE = "zoned_instant", "zoned_name"
"""The fields of the struct that stands for a time in another zone than UTC."""
MICROS, PICOS = "micros", "picos"
"""The fields of the struct that stands for a timestamp of more than six digits."""
UINT256_MAX = 2**256 - 1
INT256_MIN, INT256_MAX = -(2**255), 2**255 - 1
INTEGERS = ("tinyint", "smallint", "integer", "bigint")
FLOATS = ("real", "double")
WIDE = ("uint256", "int256")
DAY_TO_SECOND, YEAR_TO_MONTH = "interval day to second", "interval year to month"
TIMESTAMPS = ("timestamp", "timestamp with time zone")


@dataclass(frozen=True)
class Type:
    """A type of Trino's.

    Attributes:
        name: Its base name, such as ``decimal``, ``array`` or ``timestamp with time zone``.
        args: Its numbers: the length of a text, precision and scale of a decimal, the digits of a time.
        of: The types inside it: of an array one, of a map two, of a row its fields, of a function those of its
            arguments and of its result.
        names: The names of a row's fields, None where a field has none.
        zoned: Whether a timestamp with time zone keeps a zone with each value, where all others are UTC.
    """

    name: str
    args: tuple[int, ...] = ()
    of: tuple[Type, ...] = ()
    names: tuple[str | None, ...] = ()
    zoned: bool = False

    def __str__(self) -> str:
        """Write it as ``typeof`` does."""
        return self._written(full=True)

    @property
    def shown(self) -> str:
        """Write it as a result's column has it: texts without a length, no less than three digits beside a zone."""
        return self._written(full=False)

    def _written(self, *, full: bool) -> str:
        if self.name == "row":
            fields = (
                f"{field_name(name)} {type_._written(full=full)}" if name else type_._written(full=full)
                for name, type_ in zip(self.names, self.of, strict=True)
            )
            return f"row({', '.join(fields)})"
        if self.of:
            return f"{self.name}({', '.join(type_._written(full=full) for type_ in self.of)})"
        if self.name == "varchar" and not full:
            return "varchar"
        args = (max(3, self.args[0]),) if self.name.endswith("time zone") and not full and self.args else self.args
        if self.name.endswith(" with time zone") and args:
            return f"{self.name.split()[0]}({args[0]}) with time zone"
        return f"{self.name}({','.join(map(str, args))})" if args else self.name

    @property
    def is_integer(self) -> bool:
        """Whether it is one of the integers that fit a processor's word."""
        return self.name in INTEGERS

    @property
    def is_float(self) -> bool:
        """Whether it is a real or a double."""
        return self.name in FLOATS

    @property
    def is_wide(self) -> bool:
        """Whether it is one of Dune's integers of 256 bits."""
        return self.name in WIDE

    @property
    def is_number(self) -> bool:
        """Whether it is any number."""
        return self.is_integer or self.is_float or self.is_wide or self.name == "decimal"

    @property
    def is_interval(self) -> bool:
        """Whether it is an interval."""
        return self.name in (DAY_TO_SECOND, YEAR_TO_MONTH)

    @property
    def is_precise(self) -> bool:
        """Whether it is a timestamp of more digits than DuckDB's have."""
        return self.name == "timestamp" and self.digits > 6

    @property
    def digits(self) -> int:
        """The digits of a time's fraction."""
        return self.args[0] if self.args else 3

    @property
    def duckdb(self) -> str:
        """The type of DuckDB's that holds its values."""
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
        """Find a type of one of some names in it, or itself."""
        if self.name in names:
            return self
        return next((found for part in self.of if (found := part.find(*names))), None)

    @property
    def has_zones(self) -> bool:
        """Whether values of it, or inside it, keep a zone each."""
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
    """Write the name of a row's field, in quotes where it must be."""
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'


def named(name: str) -> Type:
    """Make a type that has a name alone."""
    return Type(name)


BOOLEAN, TINYINT, SMALLINT, INTEGER, BIGINT, REAL, DOUBLE, VARCHAR, VARBINARY, JSON, DATE, UINT256, INT256, UNKNOWN = (
    Type(name)
    for name in (
        "boolean", "tinyint", "smallint", "integer", "bigint", "real", "double", "varchar", "varbinary", "json",
        "date", "uint256", "int256", "unknown",
    )
)  # fmt: skip
SKETCHES = ("hyperloglog", "tdigest", "qdigest")
"""Types of approximate aggregates, which hold all values here; nothing compares them."""
INTERVAL_DAY, INTERVAL_MONTH = Type(DAY_TO_SECOND), Type(YEAR_TO_MONTH)


def decimal(precision: int, scale: int) -> Type:
    """Make the type of decimals, of 38 digits at the most."""
    return Type("decimal", (min(38, precision), scale))


def timestamp(digits: int) -> Type:
    """Make a timestamp type."""
    return Type("timestamp", (digits,))


def timestamp_tz(digits: int, *, zoned: bool = False) -> Type:
    """Make the type of timestamps with time zone."""
    return Type("timestamp with time zone", (digits,), zoned=zoned)


def array(element: Type) -> Type:
    """Make an array type."""
    return Type("array", of=(element,))


def row(fields: tuple[Type, ...], names: tuple[str | None, ...] = ()) -> Type:
    """Make a row type."""
    return Type("row", of=fields, names=names or (None,) * len(fields))


def without_zones(type_: Type) -> Type:
    """The same type, whose values are all UTC."""
    return replace(type_, zoned=False, of=tuple(map(without_zones, type_.of)))
