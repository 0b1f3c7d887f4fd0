"""Rows that are drawn for tables of which only the columns are known."""

import pytest
from waiting import finished

from dagster_dune.api.client import DuneApiClient
from dagster_dune.emulator.engine.schemas.drawn_rows import draw_rows
from dagster_dune.emulator.server import DuneEmulator

COLUMNS = {
    "tx_hash": "varbinary",
    "wallet": "varbinary",
    "block_time": "timestamp(3) with time zone",
    "day": "date",
    "at": "timestamp(6)",
    "amount": "uint256",
    "change": "int256",
    "share": "decimal(3,2)",
    "price": "double",
    "rate": "real",
    "tiny": "tinyint",
    "is_open": "boolean",
    "blockchain": "varchar",
    "topics": "array(varbinary)",
    "scores": "map(varchar, double)",
    "pair": "row(token varbinary, amounts array(bigint))",
    "document": "json",
}


def rows_of(dune, sql):
    with DuneApiClient(dune.api_key, dune.url) as client:
        execution = client.execute_sql(sql).execution_id
        finished(client, execution)
        return client.get_execution_results(execution).result.rows


def test_a_table_of_all_types_takes_its_rows():
    drawn = draw_rows(COLUMNS, 200)
    with DuneEmulator() as dune:
        dune.load_table("acme.drawn", drawn, columns=COLUMNS)
        (row,) = rows_of(
            dune,
            """
            SELECT count(*) AS n, count(DISTINCT wallet) AS wallets, max(length(tx_hash)) AS size,
                max(pair.token) = max(wallet) AS same, sum(element_at(scores, '10')) AS first,
                min(cardinality(topics)) AS topics,
                count(json_parse(json_format(document))) AS documents, max(share) AS share,
                max(block_time) < now() AS old
            FROM acme.drawn
            """,
        )
    assert row == {
        "n": 200, "wallets": 4, "size": 32, "same": True, "first": 1.5, "topics": 2, "documents": 200, "share": "9.99",
        "old": True,
    }  # fmt: skip


def test_the_same_rows_each_time_and_alike_in_all_tables():
    assert draw_rows(COLUMNS, 5) == draw_rows(COLUMNS, 5)
    one, other = draw_rows({"tx_hash": "varbinary"}, 3), draw_rows({"evt_tx_hash": "varbinary"}, 3)
    assert [row["tx_hash"] for row in one] == [row["evt_tx_hash"] for row in other]


@pytest.mark.parametrize(
    ("type_", "texts", "values"),
    [
        ("varchar", ["swap", "mint"], ["swap", "mint", "swap"]),
        ("bigint", ["7"], [7, 7, 7]),
        ("varbinary", ["0xab"], ["0xab"] * 3),
    ],
)
def test_columns_hold_what_they_are_compared_with(type_, texts, values):
    assert [row["x"] for row in draw_rows({"x": type_}, 3, {"x": texts})] == values
