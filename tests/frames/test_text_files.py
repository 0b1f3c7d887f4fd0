"""CSV of results as its usual readers take it: no row is lost, and NULL is NULL."""

import csv
import json

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from dagster_dune.frames.text_files import write_csv, write_ndjson
from dagster_dune.paging.options import Export

READERS = {
    "pandas": lambda path: [None if pd.isna(value) else value for value in pd.read_csv(path).iloc[:, 0]],
    "polars": lambda path: pl.read_csv(path, null_values="").to_series(0).to_list(),
    "duckdb": lambda path: [row[0] for row in duckdb.execute("FROM read_csv($path)", {"path": str(path)}).fetchall()],
}


class Rows:
    """A source of rows that are there, two a batch."""

    def __init__(self, columns):
        self.table = pa.table(columns)
        self.schema, self.export = self.table.schema, Export()

    def batches(self):
        yield from self.table.to_batches(max_chunksize=2)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "values",
    [
        ["a", None, "b", None],
        [None, None, "b\n\nc", 'd,"e"'],
        [1, None, -2, None, None],
        [1.5, None],
        [None, True, None, False],
        [None, 1],
    ],
)
def test_an_only_column_keeps_its_rows_and_its_nulls(tmp_path, reader, values):
    write_csv(Rows({"c": values}), tmp_path / "out.csv")
    assert READERS[reader](tmp_path / "out.csv") == values


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("type_", [pa.binary(), pa.timestamp("us", "UTC"), pa.duration("us"), pa.decimal128(5, 2)])
def test_an_only_column_of_nulls_has_as_many_rows(tmp_path, reader, type_):
    write_csv(Rows({"c": pa.array([None] * 3, type_)}), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == b'"c"\n""\n""\n""\n'
    assert READERS[reader](tmp_path / "out.csv") == [None] * 3


def test_beside_other_columns_an_empty_text_is_no_null(tmp_path):
    write_csv(Rows({"a": ["x", None, ""], "b": [None, None, 1]}), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == b'"a","b"\n"x",\n,\n"",1\n'


def test_a_file_without_rows_has_a_header(tmp_path):
    write_csv(Rows({"c": pa.array([], pa.int64())}), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == b'"c"\n'


def test_a_real_has_the_digits_of_one_in_both_kinds_of_file(tmp_path):
    real, nan = pa.float32(), float("nan")
    nested = pa.struct([("list", pa.list_(real)), ("map", pa.map_(pa.string(), real)), ("double", pa.float64())])
    rows = Rows(
        {
            "r": pa.array([1.1, None, nan], real),
            "n": pa.array([{"list": [0.3, None], "map": [("k", 16777216.0)], "double": 0.1}, None, None], nested),
        }
    )
    write_csv(rows, tmp_path / "out.csv")
    write_ndjson(rows, tmp_path / "out.ndjson")
    held = {"list": [0.3, None], "map": [["k", 16777216.0]], "double": 0.1}
    lines = [json.loads(line) for line in (tmp_path / "out.ndjson").read_text("utf-8").splitlines()]
    assert lines == [{"r": 1.1, "n": held}, {"r": None, "n": None}, {"r": "NaN", "n": None}]
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        first = list(csv.reader(file))[1]
    assert (first[0], json.loads(first[1])) == ("1.1", held)
