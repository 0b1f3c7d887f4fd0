"""Files that declare tables."""

import duckdb
import pytest

from dagster_dune.emulator.engine.schemas.schema_files import SchemaFile, read_schema, write_schema
from dagster_dune.emulator.sql_errors import SqlError


def test_yaml_and_csv_say_the_same(tmp_path):
    schema = {"acme.later": {"zebra": "varchar", "apple": "array(double)"}, "acme.a": {"x": "uint256"}}
    (tmp_path / "tables.yaml").write_text(write_schema(SchemaFile(schema)))
    lines = ["table,column,type", "acme.Later,zebra,varchar", "acme.later,apple,array(double)", "acme.a,x,uint256"]
    (tmp_path / "tables.csv").write_text("\n".join(lines))
    assert read_schema(tmp_path / "tables.yaml") == read_schema(tmp_path / "tables.csv") == SchemaFile(schema)
    assert list(read_schema(tmp_path / "tables.yaml").tables["acme.later"]) == ["zebra", "apple"]


def test_a_parquet_file_declares_the_table_it_is_named_after(tmp_path):
    file = tmp_path / "ethereum.logs.parquet"
    duckdb.execute(f"COPY (SELECT 1 AS n, 'x'::BLOB AS topic0, [1.5::DOUBLE] AS shares) TO '{file}'")
    assert read_schema(file).tables == {
        "ethereum.logs": {"n": "integer", "topic0": "varbinary", "shares": "array(double)"}
    }


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "table,kind\nx.y,1", "must have the columns table, column, type"),
        ("a.csv", "table,column,type\nx.y,a,nothing", "has the type 'nothing', which is none of Trino's"),
        ("logs.parquet", "", "must be named after its table"),
        ("a.b.parquet", "no parquet", "cannot be read as Parquet"),
        ("a.yaml", "- 1", "must map the full name"),
    ],
)
def test_a_file_that_declares_nothing_is_refused(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(SqlError, match=words):
        read_schema(tmp_path / name)
