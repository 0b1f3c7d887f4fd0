"""The usual types of columns by their names."""

from __future__ import annotations

import re

from dagster_dune.emulator.dunesql.types.parsing import read_type
from dagster_dune.emulator.dunesql.types.trino import Type

_USUAL: tuple[tuple[str, str], ...] = (
    (r"(evt_|call_|min_|max_)?block_number|(evt_|tx_)?index|nonce|decimals", "bigint"),
    (r"day|date|week|month|.*_date", "date"),
    (r"time|timestamp|minute|hour|.*_(at|time|timestamp)", "timestamp(3) with time zone"),
    (r".*trace_address", "array(bigint)"),
    (r".*(hash|address|_contract|topic\d|_uid)", "varbinary"),
    (r"data|bytecode|input|output|from|to|taker|maker|tx_from|tx_to", "varbinary"),
    (r".*(_usd|price|_ratio|_rate|percent|fee|volume)|.*amount", "double"),
    (r".*(_raw|wad)|value|gas_price|gas_used|gas_limit", "uint256"),
    (r"success|.*_success|is_.*|has_.*", "boolean"),
)  # fmt: skip
"""The types of columns on Dune by patterns of their names, if no use determines them."""


def filled_type(type_: Type, column: str) -> Type:
    """Return a type in which unknown elements are replaced: `amounts` has elements of the type of `amount`."""
    if type_.name == "unknown":
        singular = (column.removesuffix(ending) for ending in ("es", "s") if column.endswith(ending))
        return next((usual for name in singular if (usual := usual_type(name)) is not None), Type("varchar"))
    of = tuple(filled_type(part, column) for part in type_.of)
    return Type(type_.name, type_.args, of, type_.names, type_.zoned)


def widest_type(column: str, target: Type) -> Type:
    """Return the widest type for a use: a varchar of any length, or the usual number for the name of the column."""
    if target.name in ("varchar", "char"):
        return Type("varchar")
    usual = usual_type(column)
    if target.name.startswith(("date", "timestamp")):
        return usual if usual is not None and usual.name.startswith(("date", "timestamp")) else target
    if not target.is_number or target.is_wide:
        return target
    return usual if usual is not None and usual.is_number else Type("double")


def usual_type(column: str) -> Type | None:
    """Return the usual type of columns with a name; None if there is none."""
    name = column.rpartition(".")[2]
    return next((read_type(usual) for pattern, usual in _USUAL if re.fullmatch(pattern, name)), None)
