"""Generates rows for tables of which only the columns are known: the same in each run, and such that joins match.

The values of a column depend on the texts that the SQL compares it with, else on its name, else on its type. Addresses,
hashes and times in the same row of different tables are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

from dagster_dune.emulator.dunesql.types.parsing import read_type
from dagster_dune.emulator.dunesql.types.trino import Type

_LAST = datetime(2026, 6, 30, 18, tzinfo=UTC)
"""Shortly before the fixed time of the local Dune."""
_ADDRESSES = 4
_TEXTS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("blockchain", "chain", "network"), ("ethereum", "base", "arbitrum", "optimism")),
    (("symbol",), ("WETH", "USDC", "DAI", "WBTC")),
    (("project", "protocol"), ("uniswap", "curve", "balancer", "sushiswap")),
    (("type",), ("call", "create", "call", "suicide")),
    (("name", "label"), ("Alice", "Bob", "Carol", "Dave")),
)
"""The texts in columns with certain names. Other texts are digits, which can be cast to numbers."""


def draw_rows(
    columns: Mapping[str, str], count: int, compared: Mapping[str, Sequence[str]] | None = None
) -> list[dict[str, Any]]:
    """Return rows for `DuneEmulator.load_table`.

    Args:
        columns: The Trino type of each column.
        count: The number of rows.
        compared: By column, the texts that the SQL compares it with, which the rows contain in turn.

    Examples:
        >>> draw_rows({"blockchain": "varchar", "amount_usd": "double"}, 2)
        [{'blockchain': 'ethereum', 'amount_usd': 1.5}, {'blockchain': 'base', 'amount_usd': 3.0}]
        >>> draw_rows({"version": "integer"}, 3, {"version": ["2", "3"]})
        [{'version': 2}, {'version': 3}, {'version': 2}]
    """
    types = {column: read_type(type_) for column, type_ in columns.items()}
    given = {column: list(texts) for column, texts in (compared or {}).items() if texts}
    return [
        {
            column: _compared_value(given[column], type_, row)
            if column in given
            else _value(column.lower(), type_, row)
            for column, type_ in types.items()
        }
        for row in range(count)
    ]


def _compared_value(texts: Sequence[str], type_: Type, row: int) -> Any:
    text = texts[row % len(texts)]
    return int(text) if type_.is_number and text.lstrip("-").isdigit() else text


def _value(column: str, type_: Type, row: int) -> Any:
    if type_.name == "array":
        return [_value(column, type_.of[0], row + place) for place in range(2)]
    if type_.name == "map":
        return {_value(column, type_.of[0], row): _value(column, type_.of[1], row)}
    if type_.name == "row":
        return [_value(name or "", part, row) for name, part in zip(type_.names, type_.of, strict=True)]
    if type_.is_number:
        return _number(column, type_, row)
    draw = _GENERATORS.get(type_.name)
    return draw(column, row) if draw else None


def _text(column: str, row: int) -> str:
    for names, words in _TEXTS:
        if any(name in column for name in names):
            return words[row % len(words)]
    return str(10 + row)


def _bytes(column: str, row: int) -> bytes:
    if any(word in column for word in ("hash", "topic", "uid")):
        return sha256(f"hash {row}".encode()).digest()
    if column in ("data", "input", "output", "bytecode", "code"):
        return sha256(f"data {row}".encode()).digest() * 4
    return sha256(f"address {row % _ADDRESSES}".encode()).digest()[:20]


def _number(column: str, type_: Type, row: int) -> Any:
    if column == "decimals":
        return 18
    if type_.is_wide:
        return (row + 1) * 10**18
    if type_.is_integer:
        is_block = "block" in column and type_.name in ("integer", "bigint")
        return 25_000_000 - row if is_block else row % 100 + 1
    if type_.name == "decimal":
        most = Decimal(10 ** type_.args[0] - 1).scaleb(-type_.args[1])
        return min(most, Decimal(row + 1))
    return (row + 1) * 1.5


def _time(row: int) -> datetime:
    return _LAST - timedelta(hours=7 * row)


_GENERATORS: dict[str, Callable[[str, int], Any]] = {
    **dict.fromkeys(("varchar", "char", "json"), _text),
    "varbinary": _bytes,
    "boolean": lambda _, row: row % 3 != 2,
    "date": lambda _, row: _time(row).date(),
    "timestamp": lambda _, row: _time(row).replace(tzinfo=None),
    "timestamp with time zone": lambda _, row: _time(row),
}
