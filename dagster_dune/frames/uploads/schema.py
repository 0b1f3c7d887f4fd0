"""The columns of a Dune table for those of a frame, and the names that they can have."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa

from dagster_dune.api.models import ColumnInfo, TableColumn
from dagster_dune.catalog.names import RESERVED
from dagster_dune.errors import DuneConfigurationError
from dagster_dune.frames.types.columns import SHORT_DIGITS, TYPE_KEY
from dagster_dune.frames.types.dune_types import parse_type

ZONED = "timestamp with time zone"
WIDE = ("uint256", "int256")

_TYPES: dict[pa.DataType, str] = {
    pa.bool_(): "boolean",
    pa.int8(): "tinyint",
    pa.int16(): "smallint",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.uint8(): "smallint",
    pa.uint16(): "integer",
    pa.uint32(): "bigint",
    pa.uint64(): "uint256",
    pa.float32(): "real",
    pa.float64(): "double",
    pa.date32(): "date",
}
_NUMBERS = {
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
}
_DECIMAL = re.compile(r"decimal\(([1-9][0-9]?), ?([0-9]{1,2})\)")
_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def table_columns(schema: pa.Schema, types: Mapping[str, str] | None = None) -> list[TableColumn]:
    """Choose the columns of a table for a frame.

    Args:
        schema: The frame's. A field that was read from Dune keeps its type, by its metadata.
        types: Dune's types by column, for those that are to be others: a text column can be ``uint256``, and
            numbers another type of numbers.

    Returns:
        A column for each field.

    Raises:
        DuneConfigurationError: A name or a type is none that a table can have.
    """
    wanted = dict(types or {})
    if unknown := wanted.keys() - set(schema.names):
        raise DuneConfigurationError(f"types names {min(unknown)!r}, which is no column of the frame.")
    if not schema.names:
        raise DuneConfigurationError("The frame has no columns.")
    _check_names(schema.names)
    return [TableColumn(name=field.name, type=_type_of(field, wanted.get(field.name))) for field in schema]


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if not _COLUMN.fullmatch(name) or name.lower() in RESERVED:
            raise DuneConfigurationError(
                f"{name!r} can be no name of a column on Dune: write letters, digits and underscores, a letter first, "
                "and no word that DuneSQL reserves."
            )
    lowered = [name.lower() for name in names]
    if twice := next((name for name in lowered if lowered.count(name) > 1), None):
        raise DuneConfigurationError(f"The frame has several columns {twice!r}; DuneSQL knows no case.")


def _type_of(field: pa.Field, wanted: str | None) -> str:
    type_ = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    natural = _natural(type_)
    declared = parse_type((field.metadata or {}).get(TYPE_KEY, b"").decode()).name
    if wanted is None:
        wanted = declared if declared in WIDE and _can_be_wide(type_) else natural
    if wanted is None:
        raise DuneConfigurationError(
            f"Column {field.name!r} is {type_}, which no table on Dune takes.", hint=_advice(field.name, type_)
        )
    if pa.types.is_null(type_) and _is_taken(wanted):
        return wanted
    if wanted != natural and not (wanted in WIDE and _can_be_wide(type_)) and not _can_be_number(type_, wanted):
        raise DuneConfigurationError(
            f"Column {field.name!r} is {type_}, and cannot be written as {wanted}.",
            hint=f"It can be {natural}." if natural else _advice(field.name, type_),
        )
    return wanted


def _is_taken(type_: object) -> bool:
    """Whether a table has columns of a type of Dune's."""
    if type_ in (*_TYPES.values(), *WIDE, "timestamp", ZONED, "varchar", "varbinary"):
        return True
    return number_in_arrow(type_) is not None


def number_in_arrow(type_: object) -> pa.DataType | None:
    """The type of Arrow's for a type of whole numbers, decimals or doubles of Dune's; None for all others."""
    if not isinstance(type_, str):
        return None
    if (found := _DECIMAL.fullmatch(type_)) and int(found[2]) <= int(found[1]) <= SHORT_DIGITS:
        return pa.decimal128(int(found[1]), int(found[2]))
    return _NUMBERS.get(type_)


def _can_be_number(type_: pa.DataType, wanted: object) -> bool:
    """Whether numbers may go as another type of numbers, which must hold each of them exactly."""
    target = number_in_arrow(wanted)
    if target is None or not (pa.types.is_integer(type_) or pa.types.is_decimal(type_)):
        return False
    return pa.types.is_integer(type_) or not pa.types.is_floating(target)


def _natural(type_: pa.DataType) -> str | None:
    if type_ in _TYPES:
        return _TYPES[type_]
    if pa.types.is_decimal(type_):
        fits = type_.precision <= SHORT_DIGITS and 0 <= type_.scale <= type_.precision
        return f"decimal({type_.precision},{type_.scale})" if fits else None
    if pa.types.is_timestamp(type_):
        return ZONED if type_.tz else "timestamp"
    if is_text(type_):
        return "varchar"
    return "varbinary" if is_bytes(type_) else None


def is_text(type_: pa.DataType) -> bool:
    """Whether a type of Arrow's holds texts."""
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


def is_bytes(type_: pa.DataType) -> bool:
    """Whether a type of Arrow's holds bytes."""
    is_binary = pa.types.is_binary(type_) or pa.types.is_large_binary(type_) or pa.types.is_binary_view(type_)
    return bool(is_binary or pa.types.is_fixed_size_binary(type_))


def _can_be_wide(type_: pa.DataType) -> bool:
    is_whole = pa.types.is_integer(type_) or (pa.types.is_decimal(type_) and type_.scale == 0)
    return is_whole or is_text(type_) or (pa.types.is_fixed_size_binary(type_) and type_.byte_width == 32)


def _advice(name: str, type_: pa.DataType) -> str:
    if pa.types.is_null(type_):
        return f'It has no value. Name its type, as in types={{{name!r}: "varchar"}}, or cast it.'
    return f"Cast it to {_cast_of(type_)}."


def _cast_of(type_: pa.DataType) -> str:
    if pa.types.is_decimal(type_):
        return "a decimal of at most 38 digits, to text, or name it uint256 in types"
    if pa.types.is_time(type_) or pa.types.is_nested(type_):
        return "text"
    if pa.types.is_duration(type_):
        return "a whole number of seconds"
    if pa.types.is_date64(type_):
        return "date32"
    return "float32" if pa.types.is_float16(type_) else "text, or to the type that its values have"


def differences(have: Sequence[ColumnInfo], wanted: Sequence[TableColumn]) -> list[str]:
    """Say how a table that exists differs from what a frame needs; nothing where the frame fits."""
    there = {column.name: _plain(column.type) for column in have}
    needed = {column.name: _plain(column.type) for column in wanted}
    lines = [
        f"{name} is {there[name]}, not {type_}" for name, type_ in needed.items() if there.get(name, type_) != type_
    ]
    lines += [f"{name} {type_} is missing" for name, type_ in needed.items() if name not in there]
    lines += [f"{name} {type_} is not in the frame" for name, type_ in there.items() if name not in needed]
    return lines


def _plain(type_: str | object) -> str:
    """A type as it compares, by its own name: precision of times, blanks and aliases are no difference."""
    parsed = parse_type(str(type_))
    if not parsed.name:
        return str(type_)
    arguments = f"({','.join(map(str, parsed.arguments))})" if parsed.name == "decimal" else ""
    return parsed.name + arguments
