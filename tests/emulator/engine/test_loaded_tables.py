"""Tables of any name: what they hold, how their types are told, and that a reset takes them away."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import pytest
from waiting import finished_over

from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.emulator.sql_errors import SqlError

POOLS = "uniswap_v3_ethereum.Factory_evt_PoolCreated"
VALUES = {
    "flag": True,
    "small": 7,
    "big": 2**256 - 1,
    "share": 0.5,
    "price": Decimal("1.50"),
    "hash": b"\x01\xff",
    "at": datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
    "moment": datetime(2024, 1, 2, 3, 4, 5),  # noqa: DTZ001 - a time without a zone
    "day": date(2024, 1, 2),
    "from": "it's",
    "numbers": [1, None],
    "words": ["a, b", '"', None],
    "nothing": None,
}
TYPES = {
    "flag": "boolean",
    "small": "bigint",
    "big": "uint256",
    "share": "double",
    "price": "decimal(38,2)",
    "hash": "varbinary",
    "at": "timestamp with time zone",
    "moment": "timestamp(3)",
    "day": "date",
    "from": "varchar",
    "numbers": "array(bigint)",
    "words": "array(varchar)",
    "nothing": "varchar",
}


@pytest.fixture
def result(http):
    """A function that executes SQL and returns the whole result, or the error."""

    def run(sql):
        execution = http.post("/sql/execute", json={"sql": sql}).json()["execution_id"]
        status = finished_over(http, execution)
        return status.get("error") or http.get(f"/execution/{execution}/results").json()["result"]

    return run


def test_types_are_told_by_values(dune, result):
    dune.load_table(POOLS, [VALUES, {}])
    answer = result(f"SELECT * FROM {POOLS} ORDER BY small")
    metadata = answer["metadata"]
    assert dict(zip(metadata["column_names"], metadata["column_types"], strict=True)) == TYPES
    row, empty = answer["rows"]
    assert empty == dict.fromkeys(VALUES)
    assert row == VALUES | {
        "big": str(2**256 - 1),
        "price": "1.50",
        "hash": "0x01ff",
        "at": "2024-01-02 03:04:05.000 UTC",
        "moment": "2024-01-02 03:04:05.000",
        "day": "2024-01-02",
    }


def test_types_are_declared(dune, result):
    dune.load_table(
        "a.b", [{"n": "7", "amount": 8}], columns={"n": "integer", "amount": "uint256", "_more": "varbinary"}
    )
    assert result("SELECT * FROM a.b")["metadata"]["column_types"] == ["integer", "uint256", "varbinary"]
    dune.load_table("a.b", [], columns={"n": "double"})
    answer = result("SELECT * FROM a.b")
    assert (answer["rows"], answer["metadata"]["column_types"]) == ([], ["double"])


def test_names_of_each_form(dune, result):
    for name in ("ethereum.logs", "dune.other.result_x", 'dune."21co".dataset_y', "dune.acme.result_z"):
        dune.load_table(name, [{"n": 1}])
        assert result(f"SELECT n FROM {name}")["rows"] == [{"n": 1}]
    for name in ("logs", "main.logs", "information_schema.tables", "a.b.c.d"):
        with pytest.raises(SqlError, match="name of a table"):
            dune.load_table(name, [{"n": 1}])


def test_a_reset_brings_the_samples_back(dune, result):
    dune.load_table("dex.trades", [{"n": 1}])
    dune.load_table("made.up", [{"n": 1}])
    assert result("SELECT n FROM dex.trades")["rows"] == [{"n": 1}]
    dune.reset()
    assert result("SELECT count(*) AS n, max(blockchain) AS c FROM dex.trades")["rows"][0]["n"] == 30_000
    assert "made.up" in result("SELECT * FROM made.up")["message"]


def test_files(dune, result, tmp_path):
    (tmp_path / "t.csv").write_text("n,s\n1,x\n2,\n")
    lines = [{"n": 1, "s": "x"}, {"n": 2**100, "s": None}]
    (tmp_path / "t.ndjson").write_text("\n".join(map(json.dumps, lines)))
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT 1::UBIGINT AS n, 'x' AS s, [1::UTINYINT] AS a, 'ab'::BLOB AS b, 1.5::DECIMAL(9,2) AS d) "
            f"TO '{tmp_path / 't.parquet'}'"
        )
    dune.load_table("f.csv", tmp_path / "t.csv", columns={"n": "integer"})
    assert result("SELECT * FROM f.csv ORDER BY n")["rows"] == [{"n": 1, "s": "x"}, {"n": 2, "s": None}]
    dune.load_table("f.ndjson", str(tmp_path / "t.ndjson"))
    assert result("SELECT * FROM f.ndjson ORDER BY n")["rows"] == [{"n": "1", "s": "x"}, {"n": str(2**100), "s": None}]
    dune.load_table("f.parquet", tmp_path / "t.parquet")
    answer = result("SELECT * FROM f.parquet")
    assert answer["metadata"]["column_types"] == ["uint256", "varchar", "array(smallint)", "varbinary", "decimal(9,2)"]
    assert answer["rows"] == [{"n": "1", "s": "x", "a": [1], "b": "0x6162", "d": "1.50"}]


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        ([], {}, "neither rows nor columns"),
        ([{"n": 1}, {"n": "x"}], {}, "Column 'n' holds values of several types"),
        ([{"n": object()}], {}, "is of no type"),
        ([{"n": "x"}], {"n": "bigint"}, "'x' is no bigint"),
        ([{"n": 1}], {"n": "number"}, "none of Trino's"),
    ],
)
def test_what_is_no_table(dune, rows, columns, words):
    with pytest.raises(SqlError, match=words):
        dune.load_table("a.b", rows, columns=columns)


@pytest.mark.parametrize(
    ("name", "text"), [("t.xlsx", ""), ("t.csv", "a,b\n1\n"), ("t.ndjson", "{"), ("t.parquet", "x")]
)
def test_what_is_no_file(dune, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(SqlError, match=name):
        dune.load_table("a.b", tmp_path / name)
    with pytest.raises(SqlError, match="cannot be read"):
        dune.load_table("a.b", tmp_path / "missing.csv")


def test_a_loaded_table_stays_in_a_database_file(tmp_path):
    with DuneEmulator(database=tmp_path / "dune.db") as dune:
        dune.load_table("made.up", [{"n": 1}])
    with DuneEmulator(database=tmp_path / "dune.db") as dune:
        assert dune._state.dune.engine.has("made.up")
        dune.reset()
        assert not dune._state.dune.engine.has("made.up")
