"""Rows on their way to Dune: the shorter format where it is exact, bodies that fit, and a disk that is full."""

import csv
import io
import json
import resource
import tempfile
import tracemalloc
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_dune.api.models import TableColumn
from dagster_dune.errors import DuneConfigurationError, DuneResultError, DuneUploadError
from dagster_dune.frames.uploads import bodies, body_files
from dagster_dune.frames.uploads.bodies import CSV, NDJSON, content_type, is_exact_in_csv, rows_of
from dagster_dune.frames.uploads.body_files import write_bodies
from dagster_dune.frames.uploads.options import WriteOptions
from dagster_dune.frames.uploads.schema import table_columns
from dagster_dune.frames.uploads.sources import rows_in
from dagster_dune.frames.uploads.texts import texts_of

PLAIN = pa.table({"n": [1, 2, None], "t": ["a", None, 'b, "c"']})


def kept(frame, folder, limits=None, **options):
    rows = replace(rows_in(frame), **(limits or {}))
    columns = table_columns(rows.schema)
    return write_bodies(rows, columns, WriteOptions(**options), Path(tempfile.mkdtemp(dir=folder))).bodies


def texts_in(bodies):
    return [body.path.read_text() for body in bodies]


# --- which format ---


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: PLAIN,
        lambda folder: PLAIN.to_batches()[0],
        lambda folder: pl.from_arrow(PLAIN),
        lambda folder: pl.from_arrow(PLAIN).lazy(),
        lambda folder: PLAIN.to_pandas(types_mapper=pd.ArrowDtype),
        lambda folder: PLAIN.to_pylist(),
        lambda folder: pq.write_table(PLAIN, folder / "f.parquet") or folder / "f.parquet",
    ],
)
def test_texts_go_as_csv_where_it_is_exact(tmp_path, make):
    (body,) = kept(make(tmp_path), tmp_path)
    assert body.format == CSV
    assert body.path.read_text() == 'n,t\n1,a\n2,\n,"b, ""c"""\n'


@pytest.mark.parametrize("make", [PLAIN.to_reader, lambda: duckdb.from_arrow(PLAIN)])
def test_texts_of_a_stream_are_json_since_nobody_has_seen_them_all(tmp_path, make):
    (body,) = kept(make(), tmp_path)
    assert body.format == NDJSON
    lines = [json.loads(line) for line in body.path.read_text().splitlines()]
    assert lines == PLAIN.to_pylist()


def test_a_stream_without_texts_is_csv(tmp_path):
    (body,) = kept(pa.table({"n": [1, None], "b": [b"\x01", b""]}).to_reader(), tmp_path)
    assert (body.format, body.path.read_text()) == (CSV, "n,b\n1,0x01\n,0x\n")


@pytest.mark.parametrize("text", ["", "NULL", "null", "<nil>", "\\N", " a", "a ", "a\nb", "a\rb", "\0", "a\t", "NaN"])
def test_what_a_reader_of_csv_may_take_for_another_value_is_json(tmp_path, text):
    frame = pa.table({"n": range(3), "t": ["plain", text, None]})
    (body,) = kept(frame, tmp_path)
    assert body.format == NDJSON
    assert [json.loads(line)["t"] for line in body.path.read_text().splitlines()] == ["plain", text, None]


def test_null_in_one_column_is_json_since_its_line_of_csv_would_be_empty(tmp_path):
    (body,) = kept(pa.table({"n": [1, None, 3]}), tmp_path)
    assert body.path.read_text() == '{"n":1}\n{"n":null}\n{"n":3}\n'
    for frame in (pa.table({"n": [1, 3]}), pa.table({"t": ["1", "3"]})):
        (body,) = kept(frame, tmp_path)
        assert body.path.read_text().splitlines()[1:] == ["1", "3"]
    (body,) = kept(pa.table({"n": [1]}).to_reader(), tmp_path)
    assert body.format == NDJSON


def test_one_text_of_the_last_batch_decides_for_all(tmp_path):
    batches = [pa.record_batch({"n": [1], "t": [text]}) for text in ("a", "b", "")]
    assert {body.format for body in kept(pa.Table.from_batches(batches), tmp_path)} == {NDJSON}


@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_what_is_called_exact_is_read_again_by_a_reader_of_csv(texts):
    array = pa.array(texts, pa.string())
    columns = [TableColumn(name="n", type="bigint"), TableColumn(name="t", type="varchar")]
    batch = pa.record_batch([pa.array(range(len(texts)), pa.int64()), array], names=["n", "t"])
    if is_exact_in_csv(array):
        lines = csv.reader(io.StringIO(bytes(rows_of(batch, columns, CSV)).decode(), newline=""), strict=True)
        assert [line[1] or None for line in lines] == texts
    read = bytes(rows_of(batch, columns, NDJSON)).decode().split("\n")
    assert [json.loads(line)["t"] for line in read if line] == texts


@given(st.data())
def test_a_slice_is_written_like_a_copy_of_it(data):
    values = {
        pa.string(): st.text(st.characters(exclude_categories=["Cs"])),
        pa.binary(): st.binary(max_size=3),
        pa.binary(2): st.binary(min_size=2, max_size=2),
        pa.int64(): st.integers(-9, 9),
        pa.float64(): st.floats(),
        pa.large_string(): st.text("ab"),
        pa.string_view(): st.text("ab"),
    }
    type_ = data.draw(st.sampled_from(list(values)))
    array = pa.array(data.draw(st.lists(st.none() | values[type_], min_size=1, max_size=8)), type_)
    start = data.draw(st.integers(0, len(array)))
    part, columns = array[start:], table_columns(pa.schema([("c", type_)]))
    copy = pa.array(part.to_pylist(), type_)
    written = [
        b"".join(bytes(rows_of(slice_, columns, NDJSON)) for slice_ in rows_in(pa.table({"c": one})).slices(["c"]))
        for one in (part, copy)
    ]
    assert written[0] == written[1]


# --- slices ---

TEXTS, BYTES = ["a" * 20, None, "bb" * 40, "", "c" * 300], [b"a" * 10, None, b"bb" * 20, b"", b"c" * 150]
PLACES = pa.array([4, 0, None, 2, 2, 1, 3, 4, 0, 0], pa.int8())


def dictionary_of(values):
    return pa.DictionaryArray.from_arrays(PLACES, values)


LONG = {
    "string": pa.array(TEXTS * 3),
    "large string": pa.array(TEXTS * 3, pa.large_string()),
    "view": pa.array(TEXTS * 3, pa.string_view())[1:],
    "bytes": pa.array(BYTES * 3),
    "large bytes": pa.array(BYTES * 3, pa.large_binary())[2:],
    "view of bytes": pa.array(BYTES * 3, pa.binary_view()),
    "bytes of one length": pa.array([bytes(90)] * 15, pa.binary(90)),
    "dictionary": dictionary_of(pa.array(TEXTS)),
    "dictionary of large": dictionary_of(pa.array(TEXTS, pa.large_string()))[3:],
    "dictionary of views": dictionary_of(pa.array(TEXTS, pa.string_view()))[3:],
    "dictionary of views of bytes": dictionary_of(pa.array(BYTES, pa.binary_view())),
    "dictionary of numbers": dictionary_of(pa.array([1, 2, None, 4, 5])),
    "no values": pa.DictionaryArray.from_arrays(pa.array([None] * 9, pa.uint8()), pa.array([], pa.string_view())),
    "numbers": pa.array(range(15)),
}


def is_plain(type_):
    return not pa.types.is_dictionary(type_) and "view" not in str(type_)


def size_of(slice_):
    """About what its texts and bytes take where they are written."""
    values = [value for row in slice_.to_pylist() for value in row.values()]
    return sum(len(value) * (1 + isinstance(value, bytes)) for value in values if isinstance(value, str | bytes))


@pytest.mark.parametrize("most", [1, 100, 350, 10_000])
@pytest.mark.parametrize("array", LONG.values(), ids=LONG)
def test_slices_are_plain_and_have_few_rows_where_their_texts_are_long(array, most):
    rows = replace(rows_in(pa.table({"c": array, "also": array})), slice_rows=7, slice_bytes=most)
    slices = list(rows.slices(["c", "also"]))
    assert [row for slice_ in slices for row in slice_.to_pylist()] == [
        {"c": value, "also": value} for value in array.to_pylist()
    ]
    assert all(is_plain(type_) for slice_ in slices for type_ in slice_.schema.types)
    assert all(slice_.num_rows == 1 or size_of(slice_) <= most for slice_ in slices)
    assert max(slice_.num_rows for slice_ in slices) <= 7
    if most == 10_000:
        assert len(slices) == -(-len(array) // 7)


@pytest.mark.parametrize("type_", [pa.string(), pa.string_view(), pa.large_string()])
def test_a_few_long_texts_among_many_short_ones_stand_in_slices_of_their_own(type_):
    texts = ["x"] * 500 + ["y" * 1000] * 5 + ["x"] * 500
    rows = replace(rows_in(pa.table({"t": pa.array(texts, type_)})), slice_bytes=1000)
    assert [slice_.num_rows for slice_ in rows.slices(["t"])] == [500, 1, 1, 1, 1, 1, 500]


def test_the_choice_of_the_format_looks_at_slices_too(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(bodies, "texts_of", lambda array, column: seen.append(array) or texts_of(array, column))
    frame = pl.DataFrame({"t": ["x" * 300] * 20, "kind": ["y" * 300] * 20}, schema_overrides={"kind": pl.Categorical})
    rows = replace(rows_in(frame), slice_bytes=1000)
    assert content_type(table_columns(rows.schema), rows) == CSV
    assert sum(len(array) for array in seen) == 40
    assert {(array.type, len(array)) for array in seen} <= {(pa.large_string(), 1), (pa.large_string(), 2)}


@pytest.mark.parametrize("name", sorted(LONG.keys() - {"numbers", "dictionary of numbers", "no values"}))
def test_a_row_that_is_more_than_an_insert_is_refused_before_it_is_written(name):
    rows = replace(rows_in(pa.table({"n": range(len(LONG[name])), "c": LONG[name]})), row_bytes=70)
    with pytest.raises(DuneConfigurationError, match=r"more than one insert takes \(70\). Shorten the texts"):
        list(rows.slices(["n", "c"]))


LETTERS = ["x", "y", None]


@pytest.mark.parametrize(
    "column",
    [
        pl.Series(LETTERS, dtype=pl.Categorical),
        pl.Series(LETTERS, dtype=pl.Enum(["y", "x"])),
        pa.array(LETTERS).dictionary_encode(),
        pa.DictionaryArray.from_arrays([0, 1, None], pa.array(["x", "y"], pa.string_view())),
        pa.DictionaryArray.from_arrays([0, 1, 2], pa.array(LETTERS, pa.string_view())),
    ],
)
def test_categories_are_written_like_texts(tmp_path, column):
    make = pl.DataFrame if isinstance(column, pl.Series) else pa.table
    (body,) = kept(make({"n": [1, 2, 3], "t": column}), tmp_path)
    assert body.path.read_text() == "n,t\n1,x\n2,y\n3,\n"


# --- kinds of frames ---


def test_mappings_need_not_all_have_the_same_keys():
    rows = rows_in([{"a": 1}, {"a": 2, "b": "x"}])
    assert pa.Table.from_batches(rows.slices(["a", "b"])).to_pylist() == [{"a": 1, "b": None}, {"a": 2, "b": "x"}]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ([{"a": Path("x")}], "Column 'a' of the list cannot be read as one type"),
        ([1], "A list with a int in it is no frame"),
        ([0], "A list with a int in it is no frame"),
        ([{"a": 1}, ""], "A list with a str in it is no frame"),
        ([None, {"a": 1}], "A list with a NoneType in it is no frame"),
        (pd.DataFrame({"a": [1j]}), "The DataFrame cannot be read as columns of one type each"),
        ("no/such.parquet", "'no/such.parquet' cannot be read as a Parquet file"),
        (__file__, "cannot be read as a Parquet file"),
        (7, "A int is no frame"),
        (pl.Series("n", [1]), "A Series is no frame"),
        (pd.Series([1], name="n"), "A Series is no frame"),
        (pa.chunked_array([[1]]), "A ChunkedArray is no frame"),
    ],
)
def test_what_is_no_frame_is_said(frame, words):
    with pytest.raises(DuneConfigurationError, match=words):
        rows_in(frame)


@pytest.mark.parametrize("type_", [pl.Object, pl.Array(pl.Object, 1)])
def test_python_objects_of_polars_are_refused_by_the_type_of_their_column(type_):
    frame = pl.DataFrame({"n": [], "o": []}, schema={"n": pl.Int8, "o": type_})
    with pytest.raises(DuneConfigurationError, match=r"Column 'o' holds Python objects \(polars.Object\).*Cast it to"):
        rows_in(frame)


@pytest.mark.parametrize("name", ["Int128", "UInt128"])
def test_whole_numbers_of_128_bits_of_polars_are_refused_by_their_column(name):
    if not hasattr(pl, name):
        pytest.skip("polars before 1.37 has none")
    words = f"""'b' is polars.{name}.*Cast it to polars.String, and .* types={{'b': "u?int256"}}"""
    with pytest.raises(DuneConfigurationError, match=words):
        rows_in(pl.DataFrame({"a": [1], "b": [2**100]}, schema={"a": pl.Int8, "b": getattr(pl, name)}))


@pytest.mark.parametrize("number", [5, 2**128 - 1])
def test_uhugeint_of_duckdb_is_refused(number):
    words = r"""'u' is UHUGEINT.*Cast it to VARCHAR, and write it with types={'u': "uint256"}"""
    with pytest.raises(DuneConfigurationError, match=words):
        rows_in(duckdb.sql(f"SELECT 1 AS n, {number}::UHUGEINT AS u"))


def test_bits_of_duckdb_are_refused_since_they_come_as_its_own_bytes():
    with pytest.raises(DuneConfigurationError, match=r"'b' is BIT, .*Cast it to VARCHAR\."):
        rows_in(duckdb.sql("SELECT 1 AS n, '101'::BIT AS b"))


# --- frames of classes that are derived from those of a package ---


class OwnPandas(pd.DataFrame):
    """As geopandas has one."""


class OwnPolars(pl.DataFrame):
    """As patito has one."""


class OwnLazy(pl.LazyFrame):
    pass


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (OwnPandas({"a": [date(2026, 1, 1), datetime(2026, 1, 1, 5)]}), "'a' holds values of several types"),  # noqa: DTZ001
        (OwnPolars({"o": [object()]}, schema={"o": pl.Object}), "'o' holds Python objects"),
    ],
)
def test_a_frame_of_a_derived_class_is_checked_like_one_of_its_package(frame, words):
    with pytest.raises(DuneConfigurationError, match=words):
        rows_in(frame)


@pytest.mark.parametrize(
    "frame",
    [
        OwnPandas({"n": [1, 2**70], "t": ["a", "b"]}, index=[7, 7]),
        OwnPolars({"n": ["1", str(2**70)], "t": ["a", "b"]}),
        OwnLazy({"n": ["1", str(2**70)], "t": ["a", "b"]}),
    ],
)
def test_a_frame_of_a_derived_class_is_written_like_one_of_its_package(tmp_path, frame):
    assert texts_in(kept(frame, tmp_path)) == [f"n,t\n1,a\n{2**70},b\n"]


# --- sources that fail ---


def closed_relation(_):
    with duckdb.connect() as connection:
        return connection.sql("SELECT 1 AS n")


def failing_reader(error):
    def batches():
        yield pa.record_batch({"n": [1]})
        raise error

    return pa.RecordBatchReader.from_batches(pa.schema([("n", pa.int64())]), batches())


def damaged_file(folder):
    path = folder / "damaged.parquet"
    pq.write_table(pa.table({"n": range(10_000), "m": range(10_000)}), path)
    content = bytearray(path.read_bytes())
    content[40:4000] = bytes(3960)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: failing_reader(KeyError("no such key")), "The RecordBatchReader fails .*KeyError: .*key"),
        (closed_relation, "The DuckDBPyRelation fails .*Connection has already been closed"),
        (lambda folder: failing_reader(OSError("gone")), "The RecordBatchReader fails .*OSError: gone"),
        (
            lambda folder: duckdb.sql(
                "SELECT CAST(CASE WHEN range > 5000 THEN 'x' ELSE '1' END AS INTEGER) AS n FROM range(90000)"
            ),
            "The DuckDBPyRelation fails .*Could not convert string 'x'",
        ),
        (lambda folder: duckdb.sql("SELECT error('no') AS n"), "The DuckDBPyRelation fails .*no"),
        (damaged_file, r"'.*damaged.parquet' fails while its rows are read: "),
        (lambda folder: pl.LazyFrame({"t": ["x"]}).select(pl.col("t").cast(int)), "The LazyFrame fails .*x"),
    ],
)
def test_a_source_that_fails_is_named_before_anything_is_sent(tmp_path, make, words):
    with pytest.raises(DuneUploadError, match=rf"(?s){words}.*Nothing was sent. Mend what"):
        kept(make(tmp_path), tmp_path)


def test_an_error_of_this_library_in_a_stream_stays_what_it_is(tmp_path):
    with pytest.raises(DuneResultError, match=r"^A page is short.$"):
        kept(failing_reader(DuneResultError("A page is short.")), tmp_path)


def test_a_reader_that_was_read_before_is_no_table_without_rows(tmp_path):
    reader = PLAIN.to_reader()
    assert rows_in(reader).schema == rows_in(reader).schema == PLAIN.schema  # which takes none of its rows
    kept(reader, tmp_path)
    with pytest.raises(DuneConfigurationError, match=r"was read before, and its rows are gone. Make a new one"):
        rows_in(reader)
    rows_in(PLAIN.to_reader())


# --- bodies ---


def test_a_body_holds_as_many_rows_as_fit(tmp_path):
    frame = pa.table({"n": list(range(1000)), "m": list(range(1000))})
    bodies = kept(frame, tmp_path, max_request_bytes=500)
    assert max(body.bytes for body in bodies) <= 500
    assert [body.bytes for body in bodies] == [body.path.stat().st_size for body in bodies]
    assert sum(body.rows for body in bodies) == 1000
    assert "".join(text.removeprefix("n,m\n") for text in texts_in(bodies)) == "".join(
        f"{n},{n}\n" for n in range(1000)
    )


def test_the_order_of_the_rows_is_kept_across_slices(tmp_path):
    (body,) = kept(pa.table({"n": list(range(500)), "m": list(range(500))}), tmp_path, {"slice_rows": 7})
    assert [line.split(",")[0] for line in body.path.read_text().splitlines()[1:]] == list(map(str, range(500)))


def test_long_texts_are_written_few_at_a_time(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(body_files, "rows_of", lambda rows, *rest: seen.append(rows.num_rows) or rows_of(rows, *rest))
    (body,) = kept(pa.table({"n": range(20), "t": ["x" * 300] * 20}), tmp_path, {"slice_bytes": 1000})
    assert (max(seen), body.rows) == (3, 20)


def test_a_stream_is_never_held_whole(tmp_path):
    batch = pa.record_batch({"n": pa.array(range(20_000)), "b": pa.array([bytes(200)] * 20_000)})
    reader = pa.RecordBatchReader.from_batches(batch.schema, (batch for _ in range(20)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    bodies = kept(reader, tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(body.bytes for body in bodies) > 160 * 10**6
    assert peak < 60 * 10**6
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 120 * 10**6


def test_an_error_of_a_slice_ends_the_writing(tmp_path):
    years = pa.array([0] * 50 + [4 * 10**14] + [0] * 50, pa.timestamp("ms"))
    with pytest.raises(DuneConfigurationError, match="a year that is none of 0 to 9999"):
        kept(pa.table({"n": range(101), "at": years}), tmp_path, {"slice_rows": 5})


def test_a_disk_without_room_is_told_before_anything_is_sent(tmp_path):
    with pytest.raises(
        DuneUploadError, match=r"cannot be kept in .*Nothing was sent. Make room there, or name.*TMPDIR"
    ):
        write_bodies(rows_in(PLAIN), table_columns(PLAIN.schema), WriteOptions(), tmp_path / "gone")


@pytest.mark.parametrize("seconds", [2**60, -(2**60)])
def test_a_second_far_out_of_range_is_a_wrong_year(tmp_path, seconds):
    with pytest.raises(DuneConfigurationError, match="a year that is none of 0 to 9999"):
        kept(pa.table({"n": [1], "at": pa.array([seconds], pa.timestamp("s"))}), tmp_path)
