"""Tables of DuckDB: what comes is what the table has, and names are those of tables."""

import datetime as dt
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest

from dagster_dune import DuneConfigurationError, DuneResultError
from dagster_dune.frames import duckdb_transactions
from dagster_dune.frames.duckdb_tables import write_duckdb
from dagster_dune.paging.options import Export


class Rows:
    """A source of rows that are there."""

    def __init__(self, columns):
        self.table = pa.table(columns)
        self.schema, self.export = self.table.schema, Export()

    def batches(self):
        yield from self.table.to_batches()


def rows_of(path, table):
    with duckdb.connect(str(path)) as connection:
        return connection.execute(f"FROM {table} ORDER BY ALL").fetchall()


DECIMAL = pa.decimal128
MIDNIGHT = dt.datetime(2026, 1, 1)  # noqa: DTZ001 - a timestamp without a zone


@pytest.mark.parametrize(
    ("first", "second", "difference"),
    [
        ({"a": [1], "b": ["x"]}, {"a": [2]}, "b VARCHAR does not come"),
        ({"a": [1]}, {"a": [2], "b": ["x"]}, "b VARCHAR does not exist"),
        ({"a": [1]}, {"b": [1]}, "b BIGINT does not exist; a BIGINT does not come"),
        ({"a": [1]}, {"a": [2.5]}, "a is BIGINT and comes as DOUBLE"),
        ({"a": [1.5]}, {"a": ["2"]}, "a is DOUBLE and comes as VARCHAR"),
        ({"a": ["x"]}, {"a": [2]}, "a is VARCHAR and comes as BIGINT"),
        ({"a": [1]}, {"A": pa.array([2], pa.int32())}, "A is BIGINT and comes as INTEGER"),
        ({"a": [MIDNIGHT.date()]}, {"a": [MIDNIGHT]}, "a is DATE and comes as TIMESTAMP"),
        ({"a": pa.array([Decimal("1.5")], DECIMAL(10, 2))}, {"a": pa.array([Decimal("1.555")], DECIMAL(38, 18))},
         r"a is DECIMAL\(10,2\) and comes as DECIMAL\(38,18\)"),
        ({"a": [[1]]}, {"a": [["x"]]}, r"a is BIGINT\[\] and comes as VARCHAR\[\]"),
    ],
)  # fmt: skip
def test_a_partition_with_other_columns_changes_nothing(tmp_path, first, second, difference):
    path = tmp_path / "a.duckdb"
    write_duckdb(Rows(first), path, "raw.t", partition_key="x")
    before = rows_of(path, "raw.t")
    for key in ("x", "y"):
        with pytest.raises(
            DuneResultError, match=rf"The table raw\.t has other columns: {difference}\. It is as it was"
        ):
            write_duckdb(Rows(second), path, "raw.t", partition_key=key)
    assert rows_of(path, "raw.t") == before
    write_duckdb(Rows(second), path, "raw.t")  # a table as a whole may change
    assert len(rows_of(path, "raw.t")) == 1


def test_a_table_without_partitions_takes_none(tmp_path):
    path = tmp_path / "a.duckdb"
    write_duckdb(Rows({"a": [1]}), path, "t")
    with pytest.raises(DuneResultError, match="other columns: dagster_partition VARCHAR does not exist"):
        write_duckdb(Rows({"a": [2]}), path, "t", partition_key="x")
    assert rows_of(path, "t") == [(1,)]


def test_columns_may_come_in_another_order_and_case(tmp_path):
    path = tmp_path / "a.duckdb"
    write_duckdb(Rows({"a": [1], "b": ["x"]}), path, "t", partition_key="x")
    write_duckdb(Rows({"B": ["y"], "A": [2]}), path, "t", partition_key="y")
    assert rows_of(path, "t") == [(1, "x", "x"), (2, "y", "y")]


@pytest.mark.parametrize("table", ["incoming", "empty", "a.t", "a.a", "temp.t", "order.select x", 'my "own".table'])
def test_a_table_has_any_name(tmp_path, table):
    path = tmp_path / "a.duckdb"
    for _ in range(2):
        write_duckdb(Rows({"n": [1]}), path, table)
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [(table.rpartition(".")[2],)]


@pytest.mark.parametrize("table", ["incoming", "empty", "a.t"])
def test_partitions_of_a_table_have_any_name(tmp_path, table):
    path = tmp_path / "a.duckdb"
    for key in ("x", "y", "x"):
        write_duckdb(Rows({"n": [1]}), path, table, partition_key=key)
    schema, _, name = table.rpartition(".")
    with duckdb.connect(str(path)) as connection:
        counts = f'SELECT dagster_partition, count(*) FROM a."{schema or "main"}"."{name}" GROUP BY 1 ORDER BY 1'
        assert connection.execute(counts).fetchall() == [("x", 1), ("y", 1)]


def test_a_view_of_that_name_is_told_as_it_is(tmp_path):
    path = tmp_path / "a.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE VIEW t AS SELECT 1::BIGINT AS a, 'x' AS dagster_partition")
    for key in (None, "x"):
        with pytest.raises(DuneResultError, match=r"could not be written: .* The table is as it was"):
            write_duckdb(Rows({"a": [1]}), path, "t", partition_key=key)


def test_a_path_with_the_word_of_a_lock_is_waited_for_no_longer_than_others(tmp_path, monkeypatch):
    """Blocks are what is stored most."""
    monkeypatch.setattr(duckdb_transactions.time, "sleep", lambda _: pytest.fail("it waits for another writer"))
    place = tmp_path / "set lock on file" / "blocks.duckdb"
    place.mkdir(parents=True)
    with pytest.raises(DuneResultError, match="could not be written") as raised:
        write_duckdb(Rows({"a": [1]}), place, "t")
    assert "Another writer" not in str(raised.value)


def test_a_url_is_no_file_of_duckdb(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DuneConfigurationError, match=r"A DuckDB file is a local one, not 's3://b/x\.duckdb'"):
        write_duckdb(Rows({"a": [1]}), "s3://b/x.duckdb", "t")
    assert list(tmp_path.iterdir()) == []
