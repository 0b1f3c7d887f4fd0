"""Chooses the columns of a Dune table for a frame, and checks their names."""

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
        schema: The schema of the frame. The metadata of a field that was read from Dune keeps its uint256 or int256.
        types: Dune's types by column, for columns that are not to have the default type: a text column can be
            ``uint256``, and numbers can have another numeric type.

    Returns:
        A column for each field.

    Raises:
        DuneConfigurationError: A table cannot have a name or a type.
    """
    chosen = dict(types or {})
    if unknown := chosen.keys() - set(schema.names):
        raise DuneConfigurationError(f"types names {min(unknown)!r}, which is no column of the frame.")
    if not schema.names:
        raise DuneConfigurationError("The frame has no columns.")
    _check_names(schema.names)
    return [TableColumn(name=field.name, type=_type_of(field, chosen.get(field.name))) for field in schema]


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


def _type_of(field: pa.Field, chosen: str | None) -> str:
    type_ = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    default = _default_type(type_)
    declared = parse_type((field.metadata or {}).get(TYPE_KEY, b"").decode()).name
    if chosen is None:
        chosen = declared if declared in WIDE and _can_be_wide(type_) else default
    if chosen is None:
        raise DuneConfigurationError(
            f"Column {field.name!r} is {type_}, which no table on Dune takes.", hint=_advice(field.name, type_)
        )
    if pa.types.is_null(type_) and _is_supported(chosen):
        return chosen
    if chosen != default and not (chosen in WIDE and _can_be_wide(type_)) and not _can_be_number(type_, chosen):
        raise DuneConfigurationError(
            f"Column {field.name!r} is {type_}, and cannot be written as {chosen}.",
            hint=f"It can be {default}." if default else _advice(field.name, type_),
        )
    return chosen


def _is_supported(type_: object) -> bool:
    """Return whether a table can have columns of a Dune type."""
    if type_ in (*_TYPES.values(), *WIDE, "timestamp", ZONED, "varchar", "varbinary"):
        return True
    return number_in_arrow(type_) is not None


def number_in_arrow(type_: object) -> pa.DataType | None:
    """Return the Arrow type for a Dune type of integers, decimals or doubles; None for other types."""
    if not isinstance(type_, str):
        return None
    if (found := _DECIMAL.fullmatch(type_)) and int(found[2]) <= int(found[1]) <= SHORT_DIGITS:
        return pa.decimal128(int(found[1]), int(found[2]))
    return _NUMBERS.get(type_)


def _can_be_number(type_: pa.DataType, chosen: object) -> bool:
    """Return whether numbers may be written as another numeric type; the values must then fit it exactly."""
    target = number_in_arrow(chosen)
    if target is None or not (pa.types.is_integer(type_) or pa.types.is_decimal(type_)):
        return False
    return pa.types.is_integer(type_) or not pa.types.is_floating(target)


def _default_type(type_: pa.DataType) -> str | None:
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
    """Return whether an Arrow type holds texts."""
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


def is_bytes(type_: pa.DataType) -> bool:
    """Return whether an Arrow type holds bytes."""
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


def differences(existing: Sequence[ColumnInfo], chosen: Sequence[TableColumn]) -> list[str]:
    """Return a text for each difference between an existing table and the columns of a frame; empty if they match.

    The case of names is none.
    """
    present = {column.name.lower(): _normalized(column.type) for column in existing}
    required = {column.name.lower(): _normalized(column.type) for column in chosen}
    lines = [
        f"{name} is {present[name]}, not {type_}"
        for name, type_ in required.items()
        if present.get(name, type_) != type_
    ]
    lines += [f"{name} {type_} is missing" for name, type_ in required.items() if name not in present]
    lines += [f"{name} {type_} is not in the frame" for name, type_ in present.items() if name not in required]
    return lines


def _normalized(type_: str | object) -> str:
    """Return a type in the form that is compared, without aliases, blanks and the precision of times."""
    parsed = parse_type(str(type_))
    if not parsed.name:
        return str(type_)
    arguments = f"({','.join(map(str, parsed.arguments))})" if parsed.name == "decimal" else ""
    return parsed.name + arguments
