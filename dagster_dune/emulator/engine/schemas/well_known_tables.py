"""The columns of tables that all accounts on Dune can read: raw tables of EVM chains, transfers, prices, tokens.

The inference of columns begins with them. Queries may use further columns, which Dune has added since.
See https://docs.dune.com/data-catalog/overview.
"""

from __future__ import annotations

import re
from functools import lru_cache

from dagster_dune.emulator.dunesql.types.parsing import read_type
from dagster_dune.emulator.dunesql.types.trino import Type

_TIME = "timestamp(3) with time zone"
_BLOCK = f"block_time {_TIME}, block_number bigint, block_date date, block_hash varbinary"
_EVENT = (
    "contract_address varbinary, evt_tx_hash varbinary, evt_tx_from varbinary, evt_tx_to varbinary, "
    f"evt_tx_index bigint, evt_index bigint, evt_block_time {_TIME}, evt_block_number bigint, evt_block_date date"
)
_CHAIN = (
    r"(ethereum|arbitrum|avalanche_c|base|blast|bnb|celo|fantom|gnosis|linea|mantle|optimism|polygon|scroll|zksync)"
)
_TABLES: dict[str, str] = {
    rf"{_CHAIN}\.transactions": (
        f"{_BLOCK}, hash varbinary, from varbinary, to varbinary, value uint256, data varbinary, gas_limit bigint, "
        "gas_price bigint, gas_used bigint, max_fee_per_gas bigint, max_priority_fee_per_gas bigint, "
        "priority_fee_per_gas bigint, nonce bigint, index bigint, success boolean, type varchar"
    ),
    rf"{_CHAIN}\.logs": (
        f"{_BLOCK}, contract_address varbinary, topic0 varbinary, topic1 varbinary, topic2 varbinary, "
        "topic3 varbinary, data varbinary, tx_hash varbinary, tx_from varbinary, tx_to varbinary, "
        "tx_index bigint, index bigint"
    ),
    rf"{_CHAIN}\.traces": (
        f"{_BLOCK}, tx_hash varbinary, tx_from varbinary, tx_to varbinary, tx_index bigint, tx_success boolean, "
        "from varbinary, to varbinary, value uint256, gas bigint, gas_used bigint, input varbinary, output varbinary, "
        "call_type varchar, type varchar, trace_address array(bigint), sub_traces bigint, success boolean, "
        "error varchar, code varbinary, address varbinary, refund_address varbinary"
    ),
    rf"{_CHAIN}\.blocks": (
        f"time {_TIME}, date date, number bigint, hash varbinary, parent_hash varbinary, miner varbinary, "
        "gas_limit bigint, gas_used bigint, base_fee_per_gas bigint, difficulty bigint, total_difficulty bigint, "
        "size bigint, nonce varbinary"
    ),
    rf"erc20_{_CHAIN}\.evt_transfer": f'{_EVENT}, from varbinary, to varbinary, value uint256',
    rf"erc20_{_CHAIN}\.evt_approval": f'{_EVENT}, owner varbinary, spender varbinary, value uint256',
    rf"erc721_{_CHAIN}\.evt_transfer": f'{_EVENT}, from varbinary, to varbinary, tokenid uint256',
    r"prices\.(usd|minute|hour|day)": (
        "blockchain varchar, contract_address varbinary, symbol varchar, decimals bigint, price double, "
        f"minute {_TIME}, timestamp {_TIME}, volume double"
    ),
    r"tokens\.erc20": "blockchain varchar, contract_address varbinary, symbol varchar, name varchar, decimals bigint",
}  # fmt: skip


@lru_cache(maxsize=1024)
def well_known(table: str) -> dict[str, Type] | None:
    """Return the columns of a well-known table by its full name in lower case; None if it is not well known."""
    for pattern, columns in _TABLES.items():
        if re.fullmatch(pattern, table):
            parts = (column.strip().split(" ", 1) for column in re.split(r",(?![^(]*\))", columns))
            return {name: read_type(type_) for name, type_ in parts}
    return None
