"""The Arrow columns of a result, which depend only on the declared types.

No value affects a type, so pages, partitions and days have the same types. Timestamps have microseconds, whatever
precision Dune declares.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from dagster_dune._formatting import abbreviated
from dagster_dune.errors import DuneConfigurationError
from dagster_dune.frames.types.dune_types import TIMESTAMP_ZONED, DuneType, parse_type
from dagster_dune.frames.types.names import deduplicated_names, renamings
from dagster_dune.paging.options import Timestamps, Uint256, check_choices

ARROW_DIGITS = 76
SHORT_DIGITS = 38
TYPE_KEY = b"dagster-dune/type"
TYPES_KEY = b"dagster-dune/column_types"

_PLAIN: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double": pa.float64(),
    "varbinary": pa.binary(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    TIMESTAMP_ZONED: pa.timestamp("us", "UTC"),
    "interval day to second": pa.duration("us"),
}
"""The types without parameters. Types that neither this nor `Column.arrow_type_of` names become text."""


@dataclass(frozen=True)
class Choices:
    """The caller's choices for types that have several possible Arrow types.

    Attributes:
        uint256: The representation of uint256 and int256, for all columns or by column; other columns are texts.
        timestamps: What happens to timestamps that do not fit.
        digits: The digits of the widest decimal of the target.
    """

    uint256: Uint256 | Mapping[str, Uint256] = "text"
    timestamps: Timestamps = "exact"
    digits: int = ARROW_DIGITS

    def __post_init__(self) -> None:
        check_choices(self.uint256, self.timestamps)

    def uint256_of(self, column: str) -> Uint256:
        """Return the representation of uint256 and int256 in a column."""
        return self.uint256.get(column, "text") if isinstance(self.uint256, Mapping) else self.uint256


@dataclass(frozen=True)
class Column:
    """A column of a result.

    Attributes:
        name: The name, which may be empty, or the name of another column too.
        type: The declared type.
        uint256: The representation of uint256 and int256.
        timestamps: What happens to timestamps that do not fit.
        digits: The digits of the widest decimal that the column may have.
    """

    name: str
    type: DuneType
    uint256: Uint256 = "text"
    timestamps: Timestamps = "exact"
    digits: int = ARROW_DIGITS

    @property
    def arrow_type(self) -> pa.DataType:
        """The Arrow type of the column."""
        return self.arrow_type_of(self.type)

    def arrow_type_of(self, type_: DuneType) -> pa.DataType:
        """Return the Arrow type for the type of this column, or for a type inside it."""
        name = type_.name
        if name in _PLAIN:
            return _PLAIN[name]
        if name in ("uint256", "int256"):
            return self._wide_integer
        if name == "decimal":
            precision, scale = (*type_.arguments, *(38, 0)[len(type_.arguments) :])
            precision, scale = min(precision, self.digits), min(scale, self.digits)
            return pa.decimal128(precision, scale) if precision <= SHORT_DIGITS else pa.decimal256(precision, scale)
        return self._nested(type_) if type_.fields else pa.string()

    def _nested(self, type_: DuneType) -> pa.DataType:
        inside = [self.arrow_type_of(part) for _, part in type_.fields]
        if type_.name == "array":
            return pa.list_(inside[0])
        if type_.name == "map":
            return pa.map_(inside[0], inside[1])
        return pa.struct(list(zip(field_names(type_), inside, strict=True)))

    @property
    def _wide_integer(self) -> pa.DataType:
        if self.uint256 == "decimal":
            return pa.decimal256(self.digits, 0) if self.digits > SHORT_DIGITS else pa.decimal128(self.digits, 0)
        return {"text": pa.string(), "float": pa.float64(), "binary": pa.binary(32)}[self.uint256]


def field_names(row: DuneType) -> list[str]:
    """Return the names of a row's fields. Fields without a name get one from their position, from ``field0``.

    The names are unique even if case is ignored: few targets allow others, and all targets have the same names.
    """
    return deduplicated_names(_declared_names(row), fold_case=True)


def _declared_names(row: DuneType) -> list[str]:
    return [f"field{place}" if name is None else name for place, (name, _) in enumerate(row.fields)]


def _renamed_fields(type_: DuneType) -> list[str]:
    """Return a text for each field, in the type or nested in it, whose name differs from Dune's."""
    inside = [renamed for _, part in type_.fields for renamed in _renamed_fields(part)]
    return inside + (renamings(_declared_names(type_), field_names(type_)) if type_.name == "row" else [])


def columns_of(names: Sequence[str], types: Sequence[str], choices: Choices) -> tuple[Column, ...]:
    """Return the columns of a result. One warning lists unknown types, which become text, and one the renamed fields.

    Args:
        names: The names, from ``column_names``.
        types: The declared types, from ``column_types``.
        choices: The caller's choices.

    Returns:
        A column for each name.

    Raises:
        DuneConfigurationError: A choice names a column that does not exist.
    """
    columns = tuple(
        Column(name, parse_type(type_), choices.uint256_of(name), choices.timestamps, choices.digits)
        for name, type_ in zip(names, types, strict=True)
    )
    if isinstance(choices.uint256, Mapping) and (strange := choices.uint256.keys() - set(names)):
        raise DuneConfigurationError(
            f"uint256 names {min(strange)!r}, which is no column of the result.",
            hint=f"It has {abbreviated(names, most=20)}.",
        )
    unknown = sorted({column.type.text for column in columns if not column.type.is_known})
    if unknown:
        text = ", ".join(unknown)
        warnings.warn(f"Types that dagster-dune does not know are read as text: {text}.", stacklevel=2)
    if renamed := list(dict.fromkeys(field for column in columns for field in _renamed_fields(column.type))):
        text = ", ".join(renamed)
        warnings.warn(f"Fields of rows without a name of their own are renamed: {text}.", stacklevel=2)
    return columns


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """Return the schema of a result. The metadata of each field and of the schema hold the types that Dune declares."""
    fields = [
        pa.field(column.name, column.arrow_type, metadata={TYPE_KEY: column.type.text.encode()}) for column in columns
    ]
    types = json.dumps([[column.name, column.type.text] for column in columns])
    return pa.schema(fields, metadata={TYPES_KEY: types.encode()})
