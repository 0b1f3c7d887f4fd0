"""Frames as tables on Dune: exact, in few requests, refused before anything is sent, and never written twice."""

import datetime as dt
import logging
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from decimal import Context, Decimal

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dagster_dune import AmbiguousSubmission, DuneApiClient, DuneApiError, DuneConfigurationError
from dagster_dune.api.models import ColumnInfo, TableColumn
from dagster_dune.catalog.names import RESERVED
from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.errors import DuneUploadError
from dagster_dune.frames.results import get_result, run_sql
from dagster_dune.frames.uploads.options import table_parts
from dagster_dune.frames.uploads.schema import WIDE, differences, table_columns
from dagster_dune.frames.uploads.tables import write_table
from dagster_dune.frames.uploads.texts import FIRST_DAY, LAST_DAY

NAME = "dune.acme.labels"
INSERT = "/api/v1/uploads/acme/labels/insert"
LOOK = "/api/v1/sql/execute"
KILLS = int(os.environ.get("DAGSTER_DUNE_KILLS", "5"))
FRAME = pa.table({"address": pa.array([b"\x01", b"\x02"]), "label": ["exchange", None]})


def rows(client, sql=f"SELECT * FROM {NAME}", **options):
    return get_result(client, run_sql(client, sql).execution_id, **options)


def count(client):
    return rows(client, f"SELECT count(*) AS n FROM {NAME}").column("n")[0].as_py()


def sent(dune, *parts):
    """The requests to the paths that end like this."""
    return [entry for entry in dune.journal() if entry["method"] == "POST" and entry["path"].endswith(parts)]


# --- exact ---

ODD_TEXTS = st.sampled_from(["<nil>", "", "0x", "NULL", 'a,"b"\r\n\0'])
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | ODD_TEXTS
MOMENTS = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
TABLE = {
    "boolean": (pa.bool_(), st.booleans()),
    "tinyint": (pa.int8(), st.integers(-128, 127)),
    "smallint": (pa.int16(), st.integers(-(2**15), 2**15 - 1)),
    "integer": (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "bigint": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "real": (pa.float32(), st.floats(width=32)),
    "double": (pa.float64(), st.floats()),
    "decimal(38,9)": (
        pa.decimal128(38, 9),
        st.integers(-(10**38) + 1, 10**38 - 1).map(lambda n: Context(prec=60).scaleb(Decimal(n), -9)),
    ),
    "varchar": (pa.string(), TEXTS),
    "varbinary": (pa.binary(), st.binary()),
    "date": (pa.date32(), st.dates()),
    "timestamp": (pa.timestamp("us"), MOMENTS),
    "timestamp with time zone": (pa.timestamp("us", "UTC"), MOMENTS.map(lambda m: m.replace(tzinfo=dt.UTC))),
    "uint256": (pa.string(), st.integers(0, 2**256 - 1).map(str)),
    "int256": (pa.string(), st.integers(-(2**255), 2**255 - 1).map(str)),
}


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_written_is_read_again_by_both_formats(client, data):
    types = data.draw(st.lists(st.sampled_from(sorted(TABLE)), min_size=1, max_size=6))
    length = data.draw(st.integers(1, 4))
    names = [f"c{number}" for number in range(len(types))]
    arrays = [
        pa.array(data.draw(st.lists(st.none() | TABLE[t][1], min_size=length, max_size=length)), TABLE[t][0])
        for t in types
    ]
    frame = pa.table([pa.array(range(length)), *arrays], names=["row", *names])
    wide = {name: type_ for name, type_ in zip(names, types, strict=True) if type_ in WIDE}
    write_table(client, frame, NAME, types=wide, on_schema_change="replace")
    execution = run_sql(client, f"SELECT * FROM {NAME}").execution_id
    for wire in ("csv", "json"):
        read = get_result(client, execution, wire=wire).sort_by("row")
        assert read.schema.equals(frame.schema)
        assert str(read.to_pylist()) == str(frame.to_pylist())  # NaN is equal to nothing


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: FRAME,
        lambda folder: FRAME.to_batches()[0],
        lambda folder: FRAME.to_reader(),
        lambda folder: pl.from_arrow(FRAME),
        lambda folder: pl.from_arrow(FRAME).lazy(),
        lambda folder: FRAME.to_pandas(types_mapper=pd.ArrowDtype),
        lambda folder: duckdb.from_arrow(FRAME),
        lambda folder: pq.write_table(FRAME, folder / "f.parquet") or folder / "f.parquet",
        lambda folder: FRAME.to_pylist(),
        lambda folder: FRAME.set_column(1, "label", FRAME["label"].dictionary_encode()),
    ],
)
def test_every_kind_of_frame_can_be_written(client, tmp_path, make):
    written = write_table(client, make(tmp_path), NAME)
    assert (written.rows, written.inserts, written.was_created) == (2, 1, True)
    assert rows(client).to_pylist() == FRAME.to_pylist()


def test_the_first_and_the_last_moments_of_the_years_0_to_9999_are_written(client):
    first, last = FIRST_DAY * 86_400_000, (LAST_DAY + 1) * 86_400_000 - 1
    frame = pa.table(
        {
            "d": pa.array([FIRST_DAY, LAST_DAY], pa.date32()),
            "s": pa.array([first // 1000, last // 1000], pa.timestamp("s")),
            "ms": pa.array([first, last], pa.timestamp("ms", "UTC")),
            "ns": pa.array([-(2**63) // 10**6 * 10**6 + 10**6, None], pa.timestamp("ns")),
        }
    )
    assert write_table(client, frame, NAME).rows == 2


def test_a_whole_number_of_more_digits_than_its_decimal_says_is_an_int256(client):
    write_table(client, duckdb.sql(f"SELECT {2**127 - 1}::HUGEINT AS d"), NAME, types={"d": "int256"})
    assert rows(client).to_pylist() == [{"d": str(2**127 - 1)}]


def test_a_result_goes_back_with_its_own_types(client):
    result = rows(client, "SELECT CAST('7' AS uint256) AS u, 1 AS n")
    write_table(client, result, NAME)
    again = rows(client)
    assert again.schema.field("u").metadata == {b"dagster-dune/type": b"uint256"}
    assert again.to_pylist() == [{"u": "7", "n": 1}]


# --- requests and credits ---


def test_replacing_clears_and_inserts_where_the_columns_fit(client, dune):
    write_table(client, FRAME, NAME)
    written = write_table(client, FRAME, NAME)
    assert (written.was_created, written.credits, count(client)) == (False, 1.0, 2)
    assert [entry["path"].rpartition("/")[2] for entry in sent(dune, "/clear", "/insert", "/uploads")] == [
        "uploads", "insert", "clear", "insert",
    ]  # fmt: skip


def test_appending_keeps_what_is_there(client):
    for _ in range(2):
        write_table(client, FRAME, NAME, mode="append")
    assert count(client) == 4


def test_a_reader_that_a_write_has_read_is_refused(client):
    reader = FRAME.to_reader()
    with pytest.raises(DuneUploadError, match="max_credits"):
        write_table(client, reader, NAME, max_credits=0.1)
    with pytest.raises(DuneConfigurationError, match="was read before"):
        write_table(client, reader, NAME)


def test_no_rows_need_no_insert(client, dune):
    write_table(client, FRAME, NAME)
    assert write_table(client, FRAME.slice(0, 0), NAME).inserts == 0
    assert (count(client), len(sent(dune, "/insert"))) == (0, 1)


def test_rows_go_in_the_fewest_requests_that_the_size_allows(client, dune):
    frame = pa.table({"n": list(range(1000))})
    written = write_table(client, frame, NAME, max_request_bytes=1000)
    assert (written.rows, count(client)) == (1000, 1000)
    sizes = [len(entry["body"]) if isinstance(entry["body"], str) else 0 for entry in sent(dune, "/insert")]
    assert len(sizes) == written.inserts <= 8
    with pytest.raises(DuneConfigurationError, match="A row has more"):
        write_table(client, pa.table({"t": ["x" * 50]}), NAME, max_request_bytes=40, on_schema_change="replace")


def test_the_price_is_known_before_the_first_request(client, dune):
    with pytest.raises(DuneUploadError, match=r"cost 11 credits, more than max_credits=10.*Nothing was sent"):
        write_table(client, FRAME, NAME, max_credits=10)
    assert sent(dune, "/uploads", "/insert") == []
    before = client.get_usage().billing_periods[0].credits_used
    written = write_table(client, FRAME, NAME, max_credits=11)
    assert client.get_usage().billing_periods[0].credits_used - before == written.credits == 11


def test_what_costs_too_much_in_any_case_is_refused_before_any_request(faulty):
    with DuneApiClient("key", faulty.url) as client, pytest.raises(DuneUploadError, match="would cost 1 credits"):
        write_table(client, FRAME, NAME, max_credits=0.5)
    assert faulty.requests == []


# --- refused before the first request ---


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("labels", "dune.<team>.<table>"), ("dune.acme.result_x", "materialized view"),
        ("dune.acme.dataset_x", "CSV upload"), ("dune.acme.Labels", "no name of a table"),
        ("dune.acme.1x", "no name of a table"), ("dune.acme.select", "reserves"), (None, "dune.<team>.<table>"),
    ],
)  # fmt: skip
def test_names_that_no_table_can_have(name, words):
    with pytest.raises(DuneConfigurationError, match=words):
        table_parts(name)


def test_a_frame_in_place_of_the_name_is_not_shown():
    words = r"A table on Dune is named dune\.<team>\.<table>, not a DataFrame\. Give .* after the frame"
    with pytest.raises(DuneConfigurationError, match=words):
        table_parts(pl.DataFrame({"n": range(3)}))


@pytest.mark.parametrize("name", ["1a", "a b", "", "_a", "order", "ORDER", "é"])
def test_names_that_no_column_can_have(name):
    with pytest.raises(DuneConfigurationError, match="no name of a column"):
        table_columns(pa.schema([(name, pa.int64())]))


def test_names_that_differ_in_case_alone(faulty):
    with DuneApiClient("key", faulty.url) as client, pytest.raises(DuneConfigurationError, match="several columns 'a'"):
        write_table(client, [{"a": 1, "A": 2}], NAME)
    assert faulty.requests == []
    with pytest.raises(DuneConfigurationError, match="several columns 'a'"):
        table_columns(pa.schema([("a", pa.int64()), ("A", pa.int64())]))
    assert "where" in RESERVED


@pytest.mark.parametrize(
    ("type_", "cast"),
    [
        (pa.list_(pa.int64()), "Cast it to text"), (pa.struct([("a", pa.int64())]), "Cast it to text"),
        (pa.map_(pa.string(), pa.int64()), "Cast it to text"), (pa.time64("us"), "Cast it to text"),
        (pa.duration("us"), "whole number of seconds"), (pa.decimal256(76, 0), "uint256"),
        (pa.null(), "Name its type, as in types="), (pa.date64(), "date32"), (pa.float16(), "float32"),
    ],
)  # fmt: skip
def test_types_that_no_table_takes_name_column_type_and_cast(type_, cast):
    with pytest.raises(DuneConfigurationError, match=f"Column 'c' is .*{cast}"):
        table_columns(pa.schema([("c", type_)]))


@pytest.mark.parametrize("type_", [*TABLE, "decimal(38, 2)"])
@pytest.mark.parametrize("length", [0, 2])
def test_a_column_without_any_value_is_of_the_type_that_is_named(client, type_, length):
    frame = pa.table({"n": pa.array(range(length), pa.int64()), "c": pa.nulls(length)})
    written = write_table(client, frame, NAME, types={"c": type_})
    assert (written.rows, written.was_created) == (length, True)
    read = get_result(client, run_sql(client, f"SELECT * FROM {NAME} ORDER BY n").execution_id)
    assert read.column("c").to_pylist() == [None] * length
    write_table(client, frame, NAME, types={"c": type_})  # whose columns are those of the table


@pytest.mark.parametrize("type_", ["text", "array(bigint)", "decimal(39,0)", "decimal(2,3)", "decimal(1,0); x", 5])
def test_a_column_without_any_value_is_of_no_type_that_no_table_takes(type_):
    with pytest.raises(DuneConfigurationError, match=r"Column 'c' is null, and cannot be written as"):
        table_columns(pa.schema([("c", pa.null())]), {"c": type_})


@pytest.mark.parametrize(
    ("type_", "first", "later"),
    [
        ("decimal(38,18)", [Decimal("1.5"), None], [Decimal(10), Decimal("0.000000000000000001")]),
        ("decimal(10,2)", [Decimal("1E+3")], [Decimal("-0.250"), Decimal(7)]),
        ("decimal(38,18)", [7], [Decimal("0.5")]),
        ("double", [1, None], [0.5]),
        ("integer", [1], [Decimal("-2.0")]),
        ("bigint", [Decimal(5)], [2**63 - 1]),
        ("uint256", [2**200], [5]),
    ],
)
def test_a_column_of_numbers_has_one_type_whatever_its_values_are(client, type_, first, later):
    types = {"n": type_}
    write_table(client, [{"n": value} for value in first], NAME, types=types)
    write_table(client, [{"n": value} for value in later], NAME, types=types, mode="append")
    read = get_result(client, run_sql(client, f"SELECT n FROM {NAME}").execution_id, uint256="decimal")
    assert sorted(filter(None, read["n"].to_pylist())) == sorted(filter(None, first + later))


@pytest.mark.parametrize("small", [pa.decimal32(5, 1), pa.decimal64(12, 1)])
@pytest.mark.parametrize("type_", [None, "tinyint", "bigint", "decimal(38,18)"])
def test_a_short_decimal_is_written_as_any_type_of_numbers(client, small, type_):
    values = [Decimal("-15.0"), None, Decimal("7.0")]
    frame = pa.table({"n": pa.array(values, small)})
    write_table(client, frame, NAME, types={} if type_ is None else {"n": type_})
    assert rows(client)["n"].to_pylist() == values


NO_UTF8 = pa.array([None, b"caf\xe9", b"x"], pa.binary()).view(pa.string())
TOO_MANY_DIGITS = pa.Array.from_buffers(pa.decimal128(3, 0), 2, pa.array([Decimal(5), Decimal(123456)]).buffers())
UNDER_NULL = pa.Array.from_buffers(
    pa.string(), 3, [pa.py_buffer(b"\x06"), pa.array([0, 1, 1, 2], pa.int32()).buffers()[1], pa.py_buffer(b"57")]
)
"""NULL with "5" beneath it, an empty text, and "7"."""


@pytest.mark.parametrize(
    ("frame", "types", "words"),
    [
        (pa.table({"u": [str(2**256)]}), {"u": "uint256"}, "no uint256"),
        (pa.table({"u": ["-1"]}), {"u": "uint256"}, "no uint256"),
        (pa.table({"u": ["1", "", None]}), {"u": "uint256"}, "holds '', which is no uint256"),
        (pa.table({"u": ["1\n"]}), {"u": "uint256"}, "no uint256"),
        (pa.table({"u": [str(2**255)]}), {"u": "int256"}, "no int256"),
        (pa.table({"u": ["x"]}), {"u": "int256"}, "no int256"),
        (pa.table({"u": [1.5]}), {"u": "uint256"}, "cannot be written as uint256"),
        (pa.table({"u": [1]}), {"u": "varchar"}, "It can be bigint"),
        (pa.table({"u": [1.5]}), {"u": "bigint"}, "It can be double"),
        (pa.table({"u": [Decimal("1.5")]}), {"u": "double"}, "cannot be written as double"),
        (pa.table({"u": [1]}), {"u": "decimal(2,3)"}, "cannot be written as decimal"),
        (pa.table({"u": [1, 128, 300]}), {"u": "tinyint"}, "'u' holds 128, which is no tinyint"),
        (pa.table({"u": [None, Decimal("2.0"), Decimal("1.5")]}), {"u": "bigint"}, "'u' holds 1.5, which is no bigint"),
        (pa.table({"u": [2**53, 2**53 + 1]}), {"u": "double"}, "'u' holds 9007199254740993, which is no double"),
        (pa.table({"u": [Decimal("1.25")]}), {"u": "decimal(38,1)"}, r"'u' holds 1.25, which is no decimal\(38,1\)"),
        (pa.table({"u": [1, 1000]}), {"u": "decimal(4,2)"}, r"'u' holds 1000, which is no decimal\(4,2\)"),
        (pa.table({"u": [1]}), {"v": "uint256"}, "'v', which is no column"),
        (pa.table({"at": pa.array([1], pa.timestamp("us"))}), {}, "finer than a millisecond"),
        (pa.table({"at": pa.array([4 * 10**14], pa.timestamp("ms"))}), {}, "a year that is none of 0 to 9999"),
        (pa.table({"at": pa.array([4 * 10**14], pa.timestamp("ms", "UTC"))}), {}, "a year that is none of 0 to 9999"),
        (pa.table({"at": pa.array([0, LAST_DAY + 1], pa.date32())}), {}, "'at' holds 10000-01-01, a year that is none"),
        (pa.table({"at": pa.array([FIRST_DAY - 1], pa.date32())}), {}, "'at' holds -0001-12-31, a year that is none"),
        (duckdb.sql("SELECT 1 AS n, 'infinity'::DATE AS at"), {}, "'at' holds .*2147483647.*, a year that is none of"),
        (duckdb.sql("SELECT 1 AS n, 'infinity'::TIMESTAMP AS at"), {}, "'at' holds .*, a year that is none of 0 to"),
        (pa.table({"at": pa.array([-(2**63)], pa.timestamp("us"))}), {}, "'at' holds .*, a year that is none of 0 to"),
        (pa.table({"n": [1, 2, 3], "t": NO_UTF8}), {}, r"'t' holds b'caf\\xe9', which is no value of its type string"),
        (pa.table({"n": [1, 2, 3], "t": NO_UTF8}), {"t": "uint256"}, r"'t' holds b'caf\\xe9', which is no value of"),
        (pa.table({"d": TOO_MANY_DIGITS}), {}, r"'d' holds 123456, which is no value of its type decimal128\(3, 0\)"),
        (duckdb.sql(f"SELECT {2**127 - 1}::HUGEINT AS d"), {}, r"'d' holds .*, which is no value of .*or to text"),
        (pa.table({"u": UNDER_NULL}), {"u": "uint256"}, "holds '', which is no uint256"),
        ({"a": 1}, {}, "A dict is no frame"),
        ([], {}, "no columns"),
    ],
)
def test_values_that_do_not_fit_are_refused_before_any_request(faulty, frame, types, words):
    with DuneApiClient("key", faulty.url) as client, pytest.raises(DuneConfigurationError, match=words):
        write_table(client, frame, NAME, types=types)
    assert faulty.requests == []


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "upsert"}, {"on_schema_change": "ignore"}, {"mode": "append", "on_schema_change": "replace"},
        {"marker": "x"}, {"mode": "append", "marker": "it's"}, {"max_request_bytes": 0}, {"modus": "append"},
        {"mode": "append", "marker": "x", "marker_column": "label"},
        {"mode": "append", "marker": "x", "marker_column": "LABEL"}, {"max_credits": "5"}, {"types": ["uint256"]},
        {"mode": "append", "marker": 5}, {"max_request_bytes": "1 GB"}, {"is_private": "yes"}, {"settle_seconds": "1"},
        {"settle_seconds": None}, {"settle_seconds": float("nan")}, {"settle_seconds": -5},
        {"max_credits": float("nan")},
        {"max_credits": float("inf")}, {"max_request_bytes": None}, {"marker_column": None},
        {"mode": "append", "marker_column": "day"}, {"mode": "append", "marker": "{{day}}"},
        {"mode": "append", "marker": "\ud800"},
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_refused_before_any_request(faulty, options):
    with DuneApiClient("key", faulty.url) as client, pytest.raises(DuneConfigurationError):
        write_table(client, FRAME, NAME, **options)
    assert faulty.requests == []


def test_columns_that_do_not_fit_are_told_or_replaced(client):
    write_table(client, FRAME, NAME)
    other = pa.table({"address": ["0x01"], "n": [1]})
    with pytest.raises(DuneUploadError) as raised:
        write_table(client, other, NAME)
    for words in ("address is varbinary, not varchar", "n bigint is missing", "label varchar is not in the frame"):
        assert words in str(raised.value)
    assert count(client) == 2
    with pytest.raises(DuneUploadError, match="differ"):
        write_table(client, other, NAME, mode="append")
    assert write_table(client, other, NAME, on_schema_change="replace").was_created
    assert rows(client).to_pylist() == other.to_pylist()


SPELLINGS = st.sampled_from(["wallet", "Wallet", "WALLET", "wAlleT"])


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(there=SPELLINGS, here=SPELLINGS, texts=st.lists(TEXTS | st.just('"wallet":'), max_size=3), limit=st.booleans())
@example(there="wallet", here="Wallet", texts=["a"], limit=False)
@example(there="Wallet", here="wallet", texts=["a", '\\"wallet":', '{"wallet":1}'], limit=True)
def test_the_case_of_a_name_is_no_difference(client, there, here, texts, limit):
    """Whatever the table's spelling is, an insert has it: Dune's manual asks for the names of the schema."""
    if any(upload.full_name == NAME for upload in client.list_uploads()):
        client.delete_upload("acme", "labels")
    client.create_upload("acme", "labels", table_columns(pa.schema([(there, pa.string()), ("N", pa.int64())])))
    frame = pa.table({"n": pa.array(range(len(texts)), pa.int64()), here: pa.array(texts, pa.string())})
    options = {"max_request_bytes": 10_000} if limit else {}
    written = write_table(client, frame, NAME, mode="append", **options)
    assert (written.rows, written.was_created) == (len(texts), False)
    assert rows(client, f"SELECT wallet AS v FROM {NAME} ORDER BY n")["v"].to_pylist() == texts
    write_table(client, frame, NAME)
    assert count(client) == len(texts)


def test_a_new_table_has_names_in_lower_case(client):
    for _ in range(2):
        write_table(
            client,
            pa.table({"Wallet": ["a", ""], "N": [1, None]}),
            NAME,
            mode="append",
            marker="m",
            marker_column="Day",
        )
    assert rows(client).schema.names == ["wallet", "n", "day"]
    (found,) = client.list_uploads()
    assert [column.name for column in found.columns] == ["wallet", "n", "day"]


@pytest.mark.parametrize("there", TABLE)
def test_each_type_fits_itself_alone(there):
    have = [ColumnInfo(name="v", type=there)]
    for wanted in TABLE:
        expected = [] if wanted == there else [f"v is {there}, not {wanted}"]
        assert differences(have, [TableColumn(name="v", type=wanted)]) == expected


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        ("decimal(38, 9)", "decimal(38,9)"), ("timestamp(3)", "timestamp"), ("INT", "integer"), ("UINT256", "uint256"),
        ("timestamp(3) with time zone", "timestamp with time zone"), ("varchar(10)", "varchar"),
    ],
)  # fmt: skip
def test_spelling_and_precision_are_no_difference(there, wanted):
    assert differences([ColumnInfo(name="v", type=there)], [TableColumn(name="v", type=wanted)]) == []


@pytest.mark.parametrize(("first", "second"), [("uint256", "int256"), ("int256", "uint256")])
def test_a_wide_number_of_the_other_kind_is_told_before_anything_is_cleared(client, first, second):
    frame = pa.table({"v": ["7"]})
    for _ in range(2):
        write_table(client, frame, NAME, types={"v": first})
    with pytest.raises(DuneUploadError, match=f"v is {first}, not {second}"):
        write_table(client, frame, NAME, types={"v": second})
    assert rows(client).to_pylist() == [{"v": "7"}]


# --- failures half way, and answers that are lost ---


def test_a_failed_insert_says_what_is_there(client, dune):
    write_table(client, FRAME, NAME)
    dune.inject("status", method="POST", path=INSERT, status=400, body={"error": "no room"}, times=1)
    with pytest.raises(DuneUploadError, match=r"is cleared, and 0 of 2 rows are in .*no room.*replaces everything"):
        write_table(client, FRAME, NAME)
    assert count(client) == 0


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("mode", ["replace", "append"])
def test_an_insert_without_an_answer_is_not_sent_again(client, dune, mode, when):
    write_table(client, FRAME, NAME)
    dune.inject("reset", method="POST", path=INSERT, when=when)
    with pytest.raises(DuneUploadError, match="is not known, so they were not sent again"):
        write_table(client, FRAME, NAME, mode=mode)
    assert len(sent(dune, "/insert")) <= 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_marker_tells_whether_it_has_arrived(client, dune, when):
    marking = {"mode": "append", "marker": "2026-01-01", "settle_seconds": 0.3}
    write_table(client, FRAME, NAME, mode="append", marker="2025-12-31")
    dune.inject("reset", method="POST", path=INSERT, when=when)
    written = write_table(client, FRAME, NAME, **marking)
    assert (written.rows, count(client)) == (2, 4)
    again = write_table(client, FRAME, NAME, **marking)
    assert (again.was_there, again.rows, count(client)) == (True, 0, 4)


def test_as_many_other_rows_with_a_marker_that_is_there_are_told_and_not_sent(client, caplog):
    write_table(client, [{"n": 1}], NAME, mode="append", marker="monday")
    assert write_table(client, [{"n": 2}], NAME, mode="append", marker="monday").was_there
    (told,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert f"{NAME} has 1 row with the marker 'monday' already, so that nothing was sent" in told
    assert "not compared" in told


@pytest.mark.parametrize("marker", ["null", " a", 'it, is "x"'])
def test_a_marker_may_be_any_text_without_quotes(client, marker):
    frame = pa.table({"n": [1, 2]})
    assert write_table(client, frame, NAME, mode="append", marker=marker).rows == 2
    assert write_table(client, frame, NAME, mode="append", marker=marker).was_there


@pytest.mark.parametrize("name", ['dune."21co".labels', "dune.my-team.labels", "dune.order.labels", "dune._a.labels"])
def test_a_marker_works_for_every_name_of_a_team(database, name):
    team = name.replace('"', "").split(".")[1]
    with DuneEmulator(database=database, team=team) as dune, DuneApiClient(dune.api_key, dune.url) as client:
        written = [write_table(client, FRAME, name, mode="append", marker="m") for _ in range(2)]
        assert [each.rows for each in written] == [2, 0]
        assert written[1].was_there


AGAIN = "Append the same rows again with the same marker: what is there is counted first"


def test_a_look_before_an_append_that_fails_says_that_nothing_was_appended(client, dune):
    write_table(client, FRAME, NAME, mode="append", marker="before")
    dune.inject("status", method="POST", path=LOOK, status=403, body={"error": "no"})
    with pytest.raises(DuneUploadError, match=f"could not be counted. Nothing was appended: .*403.*{AGAIN}"):
        write_table(client, FRAME, NAME, mode="append", marker="m")
    assert count(client) == 2


def test_a_look_after_an_append_that_fails_says_that_all_is_there(client, dune):
    dune.inject("status", method="POST", path=LOOK, status=403, body={"error": "no"})
    with pytest.raises(DuneUploadError, match=f"could not be counted. All 2 rows were appended: .*403.*{AGAIN}"):
        write_table(client, FRAME, NAME, mode="append", marker="m")
    assert count(client) == 2
    assert write_table(client, FRAME, NAME, mode="append", marker="m").was_there


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_look_for_a_lost_insert_that_fails_says_what_is_not_known(client, dune, when):
    dune.inject("reset", method="POST", path=INSERT, when=when)
    dune.inject("status", method="POST", path=LOOK, status=403, body={"error": "no"})
    with pytest.raises(DuneUploadError, match=r"0 rows are in, and whether the 2 rows of the insert .* is not known: "):
        write_table(client, FRAME, NAME, mode="append", marker="m")
    assert write_table(client, FRAME, NAME, mode="append", marker="m").was_there == (when == "after")
    assert count(client) == 2


def test_a_look_whose_rows_cannot_be_read_is_one_that_fails(client, dune):
    dune.inject("status", path="/api/v1/execution/*/results/csv", status=402, body={"error": "no"})
    with pytest.raises(DuneUploadError, match=r"could not be counted. All 2 rows were appended: .*402"):
        write_table(client, FRAME, NAME, mode="append", marker="m")


def price_of_a_look(client):
    """Of an emulator's account: what an append into a table that is there costs more than its insert."""
    write_table(client, FRAME, NAME, mode="append", marker="first")
    return (write_table(client, FRAME, NAME, mode="append", marker="second").credits - 1) / 2


def test_a_look_is_counted_before_the_append(client, dune):
    look = price_of_a_look(client)
    before = len(sent(dune, "/sql/execute"))
    words = rf"would cost {1 + 2 * look:g} credits, more .*={1 + 1.5 * look:g}.*Nothing was sent. Looking.*{look:g}"
    with pytest.raises(DuneUploadError, match=words):
        write_table(client, FRAME, NAME, mode="append", marker="m", max_credits=1 + 1.5 * look)
    assert (len(sent(dune, "/sql/execute")) - before, len(sent(dune, "/insert"))) == (1, 2)
    most = 1 + 2 * look
    assert write_table(client, FRAME, NAME, mode="append", marker="m", max_credits=most).credits == pytest.approx(most)


def test_looks_for_a_lost_insert_end_with_the_credits(client, dune):
    look = price_of_a_look(client)
    before = len(sent(dune, "/sql/execute"))
    dune.inject("reset", method="POST", path=INSERT, when="before")
    marking = {"mode": "append", "marker": "m", "settle_seconds": 0.3}
    with pytest.raises(
        DuneUploadError, match=rf"not known: {2 * look:g} credits are spent of max_credits=.* a look costs"
    ):
        write_table(client, FRAME, NAME, **marking, max_credits=1 + 2 * look)
    assert (len(sent(dune, "/sql/execute")) - before, count(client)) == (2, 4)


def test_the_first_look_is_of_no_known_price(client):
    written = write_table(client, FRAME, NAME, mode="append", marker="m", max_credits=11)
    assert written.credits > 11


def test_rows_that_are_there_twice_are_an_error_that_says_so(client):
    marking = {"mode": "append", "marker": "m"}
    write_table(client, FRAME, NAME, **marking)
    client.insert_rows(
        "acme", "labels", b'{"address":"0x01","label":"x","dagster_marker":"m"}\n', "application/x-ndjson"
    )
    with pytest.raises(DuneUploadError, match="has 3 rows with the marker 'm', not 0 and not the 2"):
        write_table(client, FRAME, NAME, **marking)


def test_a_part_of_a_lost_insert_is_an_error_that_says_so(client, monkeypatch):
    insert = client.insert_rows

    def insert_one_and_lose_the_answer(*args, **_):
        insert("acme", "labels", b'{"address":"0x01","label":"x","dagster_marker":"m"}\n', "application/x-ndjson")
        raise AmbiguousSubmission("lost", method="POST", path="/insert")

    monkeypatch.setattr(client, "insert_rows", insert_one_and_lose_the_answer)
    with pytest.raises(DuneUploadError, match="has 1 rows with the marker 'm', where 0 or 2 could be"):
        write_table(client, FRAME, NAME, mode="append", marker="m", settle_seconds=0.1)


def test_fewer_rows_than_were_sent_are_an_error(client, dune):
    dune.inject("status", method="POST", path=INSERT, status=200, body={"rows_written": 1, "bytes_written": 9})
    with pytest.raises(
        DuneUploadError, match=r"Dune has written 1 of 2 rows to dune.acme.labels. The table is not whole"
    ):
        write_table(client, FRAME, NAME)


def test_a_late_double_is_found_after_the_append(client, monkeypatch):
    insert = client.insert_rows

    def insert_twice(*args, **_):
        insert(*args)
        return insert(*args)

    monkeypatch.setattr(client, "insert_rows", insert_twice)
    with pytest.raises(DuneUploadError, match="has 4 rows with the marker 'm', but 2 were appended"):
        write_table(client, FRAME, NAME, mode="append", marker="m")


CREATE = "/api/v1/uploads"


def test_a_table_that_somebody_else_has_just_created_gets_no_rows(client, dune):
    """Its columns and rows were never looked at."""
    body = {"full_name": NAME, "already_existed": True}
    dune.inject("status", method="POST", path=CREATE, status=200, body=body, times=1)
    with pytest.raises(DuneUploadError, match=r"created by somebody else since .* no rows were sent.*write it again"):
        write_table(client, FRAME, NAME)
    assert sent(dune, "/insert") == []


@pytest.mark.parametrize("mode", ["replace", "append"])
@pytest.mark.parametrize("is_private", [True, False])
def test_a_table_keeps_what_it_was_created_as(client, dune, mode, is_private):
    write_table(client, FRAME, NAME, is_private=not is_private)
    inserts = len(sent(dune, "/insert"))
    with pytest.raises(
        DuneUploadError, match=rf"is_private={is_private} was asked for; nothing was sent.*delete it on Du"
    ):
        write_table(client, FRAME, NAME, mode=mode, is_private=is_private)
    assert (len(sent(dune, "/insert")), count(client)) == (inserts, 2)
    for said in (None, not is_private):
        write_table(client, FRAME, NAME, is_private=said)
    other = pa.table({"address": ["0x01"], "score": [0.5]})
    write_table(client, other, NAME, on_schema_change="replace")
    (there,) = client.list_uploads()
    assert there.is_private is not is_private
    write_table(client, FRAME, NAME, on_schema_change="replace", is_private=is_private)
    (there,) = client.list_uploads()
    assert there.is_private is is_private


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_deletion_whose_answer_is_lost_is_one(client, dune, when):
    write_table(client, FRAME, NAME)
    dune.inject("reset", method="DELETE", path="/api/v1/uploads/acme/labels", when=when)
    other = pa.table({"n": [1]})
    with DuneApiClient(dune.api_key, dune.url, max_retries=2) as patient:
        assert write_table(patient, other, NAME, on_schema_change="replace").was_created
    assert rows(client).to_pylist() == [{"n": 1}]


@pytest.mark.parametrize(
    ("method", "path", "options", "said"),
    [
        ("POST", "/api/v1/uploads/acme/labels/clear", {}, "Whether its old rows are gone is not known"),
        ("DELETE", "/api/v1/uploads/acme/labels", {"on_schema_change": "replace"}, "Whether the old table is deleted"),
        (
            "POST",
            CREATE,
            {"on_schema_change": "replace"},
            "The old table is deleted, and whether the new one was created is not known",
        ),
    ],
)
def test_a_failure_before_the_first_insert_says_what_is_there(client, dune, method, path, options, said):
    write_table(client, FRAME, NAME)
    dune.inject("status", method=method, path=path, status=500, body={"error": "boom"}, times=9)
    frame = pa.table({"n": [1]}) if options else FRAME
    with pytest.raises(DuneUploadError, match=f"{NAME} is not whole. {said}.*Writing it again replaces everything"):
        write_table(client, frame, NAME, **options)


def test_an_interrupt_between_deletion_and_creation_says_what_is_there(client, dune, monkeypatch, caplog):
    write_table(client, FRAME, NAME)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(client, "create_upload", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_table(client, pa.table({"n": [1]}), NAME, on_schema_change="replace")
    assert (
        f"{NAME} is not whole. The old table is deleted, and whether the new one was created is not known."
        in caplog.text
    )


@pytest.mark.parametrize(
    ("method", "frame", "said"),
    [
        ("delete_upload", {"n": [1]}, "Whether it is deleted is not known."),
        ("clear_upload", {"address": [b"\x01"], "label": ["x"]}, "Whether its old rows are gone is not known."),
    ],
)
def test_an_interrupt_before_the_first_insert_says_what_is_not_known(client, monkeypatch, caplog, method, frame, said):
    write_table(client, FRAME, NAME)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(client, method, interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_table(client, pa.table(frame), NAME, on_schema_change="replace")
    assert f"{NAME} is not whole. {said}" in caplog.text


@pytest.mark.parametrize("theirs", [FRAME, pa.table({"n": [1]})])
def test_rows_of_a_table_that_somebody_else_made_while_ours_got_no_answer_are_not_doubled(client, monkeypatch, theirs):
    create = client.create_upload

    def lost(*given, **named):
        with monkeypatch.context() as patch:
            patch.setattr(client, "create_upload", create)
            write_table(client, theirs, NAME)
        raise AmbiguousSubmission("lost", method="POST", path=CREATE)

    monkeypatch.setattr(client, "create_upload", lost)
    if theirs is FRAME:
        write_table(client, FRAME, NAME)
        assert count(client) == 2
        return
    with pytest.raises(DuneUploadError, match="created by somebody else"):
        write_table(client, FRAME, NAME)
    assert rows(client).to_pylist() == [{"n": 1}]


def test_a_public_table_that_somebody_else_made_while_ours_got_no_answer_gets_no_private_rows(client, monkeypatch):
    create = client.create_upload

    def lost(*given, **_):
        create(*given, is_private=False)
        raise AmbiguousSubmission("lost", method="POST", path=CREATE)

    monkeypatch.setattr(client, "create_upload", lost)
    with pytest.raises(DuneUploadError, match="created by somebody else"):
        write_table(client, FRAME, NAME, is_private=True)
    assert count(client) == 0


def test_a_table_that_is_not_known_to_be_private_gets_no_private_rows(client, dune, monkeypatch):
    write_table(client, FRAME, NAME)
    listed = client.list_uploads

    monkeypatch.setattr(
        client, "list_uploads", lambda: [one.model_copy(update={"is_private": None}) for one in listed()]
    )
    with pytest.raises(DuneUploadError, match="is not known to be private, and is_private=True was asked for"):
        write_table(client, FRAME, NAME, is_private=True)
    assert len(sent(dune, "/insert")) == 1


def test_a_table_whose_creation_got_no_answer_is_looked_for(client, dune):
    dune.inject("reset", method="POST", path="/api/v1/uploads", when="after")
    assert write_table(client, FRAME, NAME).rows == 2
    assert count(client) == 2


def test_an_interrupted_insert_says_what_is_there_and_passes_on(client, monkeypatch, caplog):
    caplog.set_level(logging.WARNING, "dagster_dune")

    def interrupted(*args, **_):
        raise KeyboardInterrupt

    monkeypatch.setattr(client, "insert_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_table(client, FRAME, NAME)
    (record,) = caplog.records
    assert "is new, and 0 of 2 rows are in (0 of 1 inserts); whether the next 2 are there" in record.getMessage()


# --- kills ---

UPLOAD = """
import sys
import pyarrow as pa
from dagster_dune import DuneApiClient
from dagster_dune.frames.uploads.tables import write_table
from dagster_dune.frames.uploads.texts import FIRST_DAY, LAST_DAY
url, key = sys.argv[1:]
with DuneApiClient(key, url) as client:
    print("begin", flush=True)
    for number in range(100):
        frame = pa.table({"n": list(range(200))})
        write_table(client, frame, "dune.acme.labels", mode="append", marker=str(number), max_request_bytes=500)
"""


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_upload_is_never_taken_for_whole(client, dune, seed):
    with subprocess.Popen([sys.executable, "-c", UPLOAD, dune.url, dune.api_key], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"begin\n"
        time.sleep(random.Random(seed).uniform(0.05, 1.5))  # the moment of the kill is what the test draws
        process.send_signal(signal.SIGKILL)
    if not list(client.list_uploads()):
        return
    sql = f"SELECT dagster_marker AS m, count(*) AS n FROM {NAME} GROUP BY 1"
    counts = {row["m"]: row["n"] for row in rows(client, sql).to_pylist()}
    assert sum(number < 200 for number in counts.values()) <= 1
    frame = pa.table({"n": list(range(200))})
    for marker, number in counts.items():
        if number == 200:
            assert write_table(client, frame, NAME, mode="append", marker=marker).was_there
        else:
            with pytest.raises(DuneUploadError, match=f"has {number} rows with the marker"):
                write_table(client, frame, NAME, mode="append", marker=marker)


# --- others at the same moment ---


@pytest.fixture
def meanwhile(client, monkeypatch):
    """A function that lets somebody act while a method of the client runs: before it, or after it with no answer."""

    def act(method, does, *, answers=True):
        original = getattr(client, method)

        def acted(*given, **named):
            monkeypatch.setattr(client, method, original)
            does()
            if not answers:
                raise AmbiguousSubmission("lost", method="POST", path=CREATE)
            return original(*given, **named)

        monkeypatch.setattr(client, method, acted)

    return act


def private(client):
    return {table.full_name: table.is_private for table in client.list_uploads()}[NAME]


def test_a_private_table_stays_private_where_its_creation_got_no_answer(client, meanwhile):
    """It was not asked for: a table that is created anew is as private as the one before."""
    write_table(client, pa.table({"n": [1]}), NAME, is_private=True)
    columns = table_columns(FRAME.schema)
    meanwhile("create_upload", lambda: client.create_upload("acme", "labels", columns), answers=False)
    with pytest.raises(DuneUploadError, match="created by somebody else since it was deleted"):
        write_table(client, FRAME, NAME, on_schema_change="replace")
    assert (private(client), count(client)) == (False, 0)


def test_a_table_that_may_be_private_is_not_created_anew_as_a_public_one(client, dune, monkeypatch):
    write_table(client, pa.table({"n": [1]}), NAME, is_private=True)
    tables = [table.model_copy(update={"is_private": None}) for table in client.list_uploads()]
    with monkeypatch.context() as patch:
        patch.setattr(client, "list_uploads", lambda: tables)
        with pytest.raises(
            DuneUploadError, match=r"Whether .* is private is not known.*nothing was sent.*Say is_private"
        ):
            write_table(client, FRAME, NAME, on_schema_change="replace")
    assert private(client)


def remade(client, columns, **options):
    client.delete_upload("acme", "labels")
    client.create_upload("acme", "labels", columns, **options)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_table_that_was_made_public_while_rows_were_counted_gets_none(client, dune, monkeypatch, when):
    write_table(client, FRAME, NAME, mode="append", marker="a", is_private=True)
    (there,) = client.list_uploads()
    columns = [TableColumn(name=column.name, type=column.type) for column in there.columns]
    options = {"mode": "append", "marker": "b", "is_private": True, "settle_seconds": 0.1}
    done = []

    def remake(*given, **named):
        if not done and (when == "before" or sent(dune, "/insert")[1:]):
            done.append(remade(client, columns, is_private=False))
        return run_sql(*given, **named)

    monkeypatch.setattr("dagster_dune.frames.uploads.markers.run_sql", remake)
    if when == "after":
        dune.inject("reset", method="POST", path=INSERT, when="before")
    with pytest.raises(DuneUploadError, match=r"is_private=True was asked|was deleted, or created anew, by somebody"):
        write_table(client, FRAME, NAME, **options)
    assert (done, count(client)) == ([None], 0)


@pytest.mark.parametrize("answer", ["refused", "lost", "exists"])
def test_runs_that_append_first_at_the_same_moment_make_one_table(client, dune, meanwhile, answer):
    """As a backfill does: all look, find nothing, and create it."""
    meanwhile(
        "create_upload",
        lambda: write_table(client, FRAME, NAME, mode="append", marker="a"),
        answers=answer != "lost",
    )
    if answer == "exists":
        body = {"full_name": NAME, "already_existed": True}
        dune.inject("status", method="POST", path=CREATE, status=200, body=body, after=1, times=1)
    written = write_table(client, FRAME, NAME, mode="append", marker="b")
    assert (written.rows, written.was_created) == (2, False)
    read = rows(client, f"SELECT dagster_marker AS m, count(*) AS n FROM {NAME} GROUP BY 1 ORDER BY 1").to_pylist()
    assert read == [{"m": "a", "n": 2}, {"m": "b", "n": 2}]


def test_rows_with_the_same_marker_in_a_table_made_at_the_same_moment_are_not_appended_again(client, meanwhile):
    meanwhile("create_upload", lambda: write_table(client, FRAME, NAME, mode="append", marker="a"))
    assert write_table(client, FRAME, NAME, mode="append", marker="a").was_there
    assert count(client) == 2


def test_a_creation_that_is_refused_is_told_as_it_is(client, dune):
    body = {"error": "no credits are left"}
    dune.inject("status", method="POST", path=CREATE, status=402, body=body, times=1)
    with pytest.raises(DuneApiError, match="no credits are left"):
        write_table(client, FRAME, NAME, mode="append")


# --- what comes late ---


@pytest.mark.parametrize("frame", [FRAME, pa.table({"n": [1]})])
def test_a_slow_clear_or_deletion_is_waited_for_and_sent_once(client, dune, frame):
    """Were it sent again, the first one could come after the rows."""
    write_table(client, FRAME, NAME)
    for method, path in (("POST", f"{CREATE}/acme/labels/clear"), ("DELETE", f"{CREATE}/acme/labels")):
        dune.inject("delay", method=method, path=path, seconds=2, when="before", times=1)
    with DuneApiClient(dune.api_key, dune.url, timeout=0.5, max_retries=3) as brief:
        write_table(brief, frame, NAME, on_schema_change="replace")
    removals = [entry for entry in dune.journal() if entry["path"].endswith("/clear") or entry["method"] == "DELETE"]
    assert (len(removals), count(client)) == (1, frame.num_rows)


@pytest.mark.parametrize("late", ["timeout", 504])
def test_a_clear_that_may_still_come_is_not_sent_again(client, dune, late):
    write_table(client, FRAME, NAME)
    path = f"{CREATE}/acme/labels/clear"
    if late == "timeout":
        dune.inject("delay", method="POST", path=path, seconds=3, when="before", times=1)
    else:
        dune.inject("status", method="POST", path=path, status=late, body={"error": "late"}, times=1)
    with (
        DuneApiClient(dune.api_key, dune.url, timeout=0.5, max_retries=3) as brief,
        pytest.raises(DuneUploadError, match="Whether its old rows are gone is not known"),
    ):
        write_table(brief, FRAME, NAME, settle_seconds=0.5)
    assert len(sent(dune, "/insert")) == 1


def test_looks_leave_the_credits_that_sending_again_needs(client, dune):
    """A look that would take them ends the append; nothing passes the limit."""
    with_marker = {"mode": "append", "settle_seconds": 0.2}
    write_table(client, FRAME, NAME, marker="a", **with_marker)
    look = price_of_a_look(client)
    before = client.get_usage().billing_periods[0].credits_used
    dune.inject("reset", method="POST", path=INSERT, when="before")
    limit = 1 + 2.5 * look
    with pytest.raises(DuneUploadError, match=r"could not be counted|max_credits"):
        write_table(client, FRAME, NAME, marker="b", max_credits=limit, **with_marker)
    assert client.get_usage().billing_periods[0].credits_used - before <= limit + 1e-6


@pytest.mark.parametrize(("lost", "when", "price"), [(CREATE, "after", 11), (INSERT, "before", 1)])
def test_rows_are_sent_only_where_one_more_look_can_be_paid_for(client, dune, lost, when, price):
    """That look tells whether they are there, and only once."""
    look = price_of_a_look(client)
    if lost == CREATE:
        client.delete_upload("acme", "labels")
    before, inserts = client.get_usage().billing_periods[0].credits_used, len(sent(dune, "/insert"))
    limit = price + (1.5 if lost == CREATE else 2.5) * look
    marking = {"mode": "append", "marker": "b", "settle_seconds": 0}
    dune.inject("reset", method="POST", path=lost, when=when)
    with pytest.raises(DuneUploadError, match=r"not whole.* 0 of 2 rows are .*max_credits=.* would be passed.*spent"):
        write_table(client, FRAME, NAME, max_credits=limit, **marking)
    assert len(sent(dune, "/insert")) - inserts == (lost == INSERT)
    assert client.get_usage().billing_periods[0].credits_used - before <= limit - 1
    assert write_table(client, FRAME, NAME, max_credits=1 + 2 * look, **marking).rows == 2


def test_rows_are_not_sent_again_where_a_dearer_look_has_taken_their_credits(client, dune, monkeypatch):
    with_marker = {"mode": "append", "settle_seconds": 0}
    write_table(client, FRAME, NAME, marker="a", **with_marker)
    looks = []

    def dearer(*given, **named):
        looks.append(run_sql(*given, **named))
        return replace(looks[-1], credits=0.1 * 10 ** len(looks))

    monkeypatch.setattr("dagster_dune.frames.uploads.markers.run_sql", dearer)
    dune.inject("reset", method="POST", path=INSERT, when="before")
    with pytest.raises(DuneUploadError, match=r"is not whole.*max_credits=5 would be passed.*11 credits are spent"):
        write_table(client, FRAME, NAME, marker="b", max_credits=5, **with_marker)
    assert len(sent(dune, "/insert")) == 2


def test_a_column_that_takes_no_null_is_told_before_anything_is_cleared(client, dune):
    columns = [column.model_copy(update={"nullable": False}) for column in table_columns(FRAME.schema)]
    client.create_upload("acme", "labels", columns)
    with pytest.raises(DuneUploadError, match=r"Column 'label' of dune\.acme.labels takes no NULL.*nothing was sent"):
        write_table(client, FRAME, NAME)
    assert sent(dune, "/clear", "/insert") == []
    assert write_table(client, FRAME.slice(0, 1), NAME).rows == 1


def test_what_was_spent_is_told_where_a_step_fails(client, dune):
    dune.inject("status", method="POST", path=INSERT, status=400, body={"error": "boom"}, times=1)
    with pytest.raises(DuneUploadError, match=r"boom.*10 credits are spent"):
        write_table(client, FRAME, NAME)
