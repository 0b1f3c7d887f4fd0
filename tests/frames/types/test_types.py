"""The table of types: whatever is in a page, both formats give the same values of the same types."""

import datetime as dt
import decimal
import warnings

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from result_server import as_csv, json_page

from dagster_dune import DuneConfigurationError, DuneResultError
from dagster_dune.frames.pages import csv_pages
from dagster_dune.frames.pages.json_pages import read_json
from dagster_dune.frames.types.columns import Choices, arrow_schema, columns_of
from dagster_dune.frames.types.dune_types import parse_type
from dagster_dune.frames.types.values import from_json

DECIMAL = decimal.Context(prec=100)


def read_csv(pieces, columns):
    """All rows of a page in one batch."""
    batches = list(csv_pages.read_csv(pieces, columns))
    return pa.concat_batches(batches) if batches else pa.RecordBatch.from_pylist([], arrow_schema(columns))


def column(type_, **choices):
    return columns_of(["c"], [type_], Choices(**choices))


def read_both(type_, text, value=None, **choices):
    """One value through CSV and through JSON; the JSON value is the same text unless another is given."""
    columns = column(type_, **choices)
    in_csv = read_csv([as_csv(["c"], [[text]])], columns)
    in_json = read_json(json_page(["c"], [[text if value is None else value]]), columns).batch
    assert str(in_csv.column(0)) == str(in_json.column(0))  # NaN is equal to nothing
    assert in_csv.schema.equals(in_json.schema, check_metadata=True)
    return in_csv.column(0)[0]


UTC = dt.UTC
CASES = [
    ("boolean", "true", True, pa.bool_(), True),
    ("tinyint", "-128", -128, pa.int8(), -128),
    ("smallint", "7", 7, pa.int16(), 7),
    ("integer", "-2147483648", -2147483648, pa.int32(), -2147483648),
    ("int", "1", 1, pa.int32(), 1),
    ("bigint", "9223372036854775807", 9223372036854775807, pa.int64(), 9223372036854775807),
    ("real", "0.5", 0.5, pa.float32(), 0.5),
    ("double", "1e-320", 1e-320, pa.float64(), 1e-320),
    ("double", "-Infinity", None, pa.float64(), float("-inf")),
    ("decimal(38,2)", "123456789012345678901234567890123456.78", None, pa.decimal128(38, 2),
     decimal.Decimal("123456789012345678901234567890123456.78")),
    ("decimal(5)", "-123", None, pa.decimal128(5, 0), decimal.Decimal(-123)),
    ("varchar", "a,\"b\"\r\nc\x00\U0001f600", None, pa.string(), "a,\"b\"\r\nc\x00\U0001f600"),
    ("varchar(3)", "", None, pa.string(), ""),
    ("char(4)", "ab  ", None, pa.string(), "ab  "),
    ("varbinary", "0x00fFab", None, pa.binary(), b"\x00\xff\xab"),
    ("varbinary", "0x", None, pa.binary(), b""),
    ("date", "0001-01-01", None, pa.date32(), dt.date(1, 1, 1)),
    ("date", "2024-02-29 00:00:00.000 UTC", None, pa.date32(), dt.date(2024, 2, 29)),
    ("time(3)", "23:59:59.999", None, pa.time64("us"), dt.time(23, 59, 59, 999000)),
    ("timestamp", "2024-01-02 03:04:05.678", None, pa.timestamp("us"),
     dt.datetime(2024, 1, 2, 3, 4, 5, 678000, UTC).replace(tzinfo=None)),
    ("timestamp(3)", "2024-01-02 03:04:05.678 UTC", None, pa.timestamp("us"),
     dt.datetime(2024, 1, 2, 3, 4, 5, 678000, UTC).replace(tzinfo=None)),
    ("timestamp(9) with time zone", "2024-01-02 03:04:05.123456000 UTC", None, pa.timestamp("us", "UTC"),
     dt.datetime(2024, 1, 2, 3, 4, 5, 123456, UTC)),
    ("timestamp with time zone", "2024-07-02 02:00:00.000 Europe/Berlin", None, pa.timestamp("us", "UTC"),
     dt.datetime(2024, 7, 2, tzinfo=UTC)),
    ("timestamp with time zone", "2024-07-02T00:00:00Z", None, pa.timestamp("us", "UTC"),
     dt.datetime(2024, 7, 2, tzinfo=UTC)),
    ("interval day to second", "-1 02:03:04.005", None, pa.duration("us"),
     -dt.timedelta(days=1, hours=2, minutes=3, seconds=4, milliseconds=5)),
    ("interval day to second", "-106751991 04:00:54.775807", None, pa.duration("us"),
     -dt.timedelta.resolution * (2**63 - 1)),
    ("interval year to month", "1-2", None, pa.string(), "1-2"),
    ("uuid", "12151fd2-7586-11e9-8f9e-2a86e4085a59", None, pa.string(), "12151fd2-7586-11e9-8f9e-2a86e4085a59"),
    ("ipaddress", "2001:db8::1", None, pa.string(), "2001:db8::1"),
    ("uint256", str(2**256 - 1), None, pa.string(), str(2**256 - 1)),
    ("int256", str(-(2**255)), None, pa.string(), str(-(2**255))),
    ("unknown", None, None, pa.string(), None),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "text", "value", "arrow", "expected"), CASES)
def test_each_type_is_the_same_in_both_formats(type_, text, value, arrow, expected):
    read = read_both(type_, text, value)
    assert (read.type, read.as_py()) == (arrow, expected)
    assert read_both(type_, None).as_py() is None


def test_nan_is_a_number_and_no_null():
    read = read_both("double", "NaN")
    assert read.is_valid
    assert read.as_py() != read.as_py()


@pytest.mark.parametrize(
    ("choice", "arrow", "expected"),
    [
        ("text", pa.string(), "-5"),
        ("float", pa.float64(), -5.0),
        ("decimal", pa.decimal256(76, 0), decimal.Decimal(-5)),
        ("binary", pa.binary(32), (-5).to_bytes(32, "big", signed=True)),
    ],
)
def test_256_bits_are_what_the_caller_wants(choice, arrow, expected):
    read = read_both("int256", "-5", uint256=choice)
    assert (read.type, read.as_py()) == (arrow, expected)


def test_256_bits_by_column():
    columns = columns_of(["a", "b"], ["uint256", "uint256"], Choices(uint256={"b": "float"}))
    assert arrow_schema(columns).types == [pa.string(), pa.float64()]


@pytest.mark.parametrize(("digits", "number"), [(76, 10**76), (38, 10**38)])
def test_a_decimal_that_is_too_short_names_column_and_value(digits, number):
    columns = column("uint256", uint256="decimal", digits=digits)
    assert read_csv([as_csv(["c"], [["1"], [str(number - 1)]])], columns).column(0)[1].as_py() == number - 1
    with pytest.raises(DuneResultError, match=rf"Column 'c' is declared uint256, but '{number}'"):
        read_csv([as_csv(["c"], [["1"], [str(number)], ["2"]])], columns)


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("bigint", "1.5"), ("bigint", "0x10"), ("tinyint", "128"), ("boolean", "yes"), ("double", "x"),
        ("decimal(3,1)", "1.25"), ("varbinary", "ab"), ("varbinary", "0xabc"), ("varbinary", "0xgg"),
        ("date", "2024-02-30"), ("date", "2024-01-01 01:00:00"), ("date", "0000-01-01"),
        ("timestamp", "0000-12-31 00:00:00"), ("bigint", "0X1"), ("time", "25:00:00"), ("timestamp", "yesterday"),
        ("timestamp with time zone", "2024-01-01 00:00:00 Mars/Olympus"), ("interval day to second", "1"),
        ("interval day to second", "106751992 00:00:00.000"), ("interval day to second", "-999999999 23:59:59.999"),
        ("timestamp with time zone", "0001-01-01 00:00:00 +05:00"), ("date", "+999999999-01-01"),
    ],
)  # fmt: skip
def test_a_value_that_is_none_of_its_type_is_an_error_that_names_it(type_, text):
    for read in (
        lambda: read_csv([as_csv(["c"], [[None], [text]])], column(type_)),
        lambda: read_json(json_page(["c"], [[None], [text]]), column(type_)),
    ):
        with pytest.raises(DuneResultError, match="Column 'c' is declared") as raised:
            read()
        assert text in str(raised.value)


@pytest.mark.parametrize("text", [str(2**256), "-1", "x"])
def test_bytes_hold_256_bits_and_no_more(text):
    with pytest.raises(DuneResultError, match="Column 'c'"):
        read_both("uint256", text, uint256="binary")


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("2024-01-01 00:00:00.123456789 UTC", dt.datetime(2024, 1, 1, 0, 0, 0, 123456, UTC)),
        ("0000-12-31 23:59:59.999 UTC", dt.datetime.min.replace(tzinfo=UTC)),
        ("+10000-01-01 00:00:00.000 UTC", dt.datetime.max.replace(tzinfo=UTC)),
        ("-0001-01-01 00:00:00.000 UTC", dt.datetime.min.replace(tzinfo=UTC)),
        ("0001-01-01 08:00:00.000 Asia/Tokyo", dt.datetime.min.replace(tzinfo=UTC)),
        ("9999-12-31 23:59:59.000 -00:01", dt.datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_timestamps_that_do_not_fit_are_errors_or_cut(text, nearest):
    type_ = "timestamp(9) with time zone"
    with pytest.raises(DuneResultError, match=r"Column 'c'.*timestamps=\"cut\""):
        read_both(type_, text)
    assert read_both(type_, text, timestamps="cut").as_py() == nearest


def test_a_time_that_clocks_show_twice_is_an_error_or_the_earlier_moment():
    type_, text = "timestamp(3) with time zone", "2024-11-03 01:30:00.000 America/New_York"
    with pytest.raises(DuneResultError, match=r"Column 'c'.*twice.*AT TIME ZONE 'UTC'.*timestamps=\"cut\""):
        read_both(type_, text)
    assert read_both(type_, text, timestamps="cut").as_py() == dt.datetime(2024, 11, 3, 5, 30, tzinfo=UTC)
    after = read_both(type_, "2024-11-03 02:00:00.000 America/New_York").as_py()
    assert after == dt.datetime(2024, 11, 3, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("type_", "texts"),
    [
        ("varbinary", ["0xab", None, "0x00", None]),
        ("varbinary", [None, "0xab", "0x00ff"]),
        ("varbinary", ["0x", "0x"]),
        ("timestamp", ["2024-01-02 03:04:05.678 UTC", None, "2024-01-02 03:04:05.679 UTC"]),
        ("timestamp with time zone", ["2024-01-02 03:04:05.678 UTC", "2024-01-02 03:04:05.6 UTC", None]),
        ("timestamp with time zone", ["2024-01-02 03:04:05.678 UTC", "2024-01-02 04:04:05.6 +01:00"]),
        ("bigint", [None, "-7", "12"]),
    ],
)
def test_texts_of_one_length_and_of_several_are_read_alike(type_, texts):
    rows = [[text] for text in texts]
    (whole,) = read_csv([as_csv(["c"], rows)], column(type_)).columns
    assert whole.to_pylist() == [read_both(type_, text).as_py() for text in texts]
    assert whole.equals(read_json(json_page(["c"], rows), column(type_)).batch.column(0))
    assert whole.null_count == texts.count(None)
    whole.validate(full=True)


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize(
    ("type_", "good", "bad"),
    [("varbinary", "0xab", "0xag"), ("varbinary", "0xab", "xxab"), ("timestamp", "2024-01-02 UTC", "2024-01-02 UTx")],
)
def test_one_wrong_value_among_those_of_one_length_is_named(place, type_, good, bad):
    rows = [[bad if number == place else good] for number in range(3)]
    with pytest.raises(DuneResultError, match=f"'{bad}' is no value of it"):
        read_csv([as_csv(["c"], rows)], column(type_))


def test_nested_types_hold_the_types_inside_them():
    columns = column('array(row(a uint256, "b c" map(varchar, decimal(3,2)), varbinary))', uint256="binary")
    value = [{"a": "7", "b c": {"x": "1.50", "y": None}, "0": "0x01"}, None]
    with pytest.raises(DuneResultError, match="is no value of it"):
        read_json(json_page(["c"], [[value]]), columns)
    value = [["7", {"x": "1.50", "y": None}, "0x01"], None]
    batch = read_json(json_page(["c"], [[value], [None], [[]]]), columns).batch
    number = (7).to_bytes(32, "big")
    row = {"a": number, "b c": [("x", decimal.Decimal("1.50")), ("y", None)], "field2": b"\x01"}
    assert batch.column(0).to_pylist() == [[row, None], None, []]


@pytest.mark.parametrize(
    "value",
    [
        '{"a": 1}',
        '{"a": 1, "b": 2, "c": 3}',
        '{"a": 1, "c": 2}',
        "[1]",
        "[1, 2, 3]",
    ],
)
def test_a_row_has_the_fields_of_its_type_and_no_other(value):
    columns = column("row(a bigint, b bigint)")
    body = '{{"result": {{"rows": [{{"c": {{"b": 2, "a": 1}}}}, {{"c": [1, 2]}}, {{"c": null}}, {{"c": {}}}]}}}}'
    assert read_json(body.format("[1, 2]").encode(), columns).batch.column(0).to_pylist() == [
        {"a": 1, "b": 2}, {"a": 1, "b": 2}, None, {"a": 1, "b": 2},
    ]  # fmt: skip
    with pytest.raises(DuneResultError, match="is no value of it"):
        read_json(body.format(value).encode(), columns)


@pytest.mark.parametrize("type_", ["row(a bigint, a bigint)", "row(a bigint, bigint)"])
def test_a_row_whose_fields_have_no_names_of_their_own_is_no_object(type_):
    """Of two values of one name, the second would count as both."""
    with pytest.raises(DuneResultError, match="is no value of it"):
        read_json(b'{"result": {"rows": [{"c": {"a": 1, "a": 2}}]}}', column(type_))


def test_numbers_in_json_lose_no_digit():
    body = b'{"result": {"rows": [{"a": 12345678901234567890.1234567890, "b": {"x": 1.10, "y": [1e3, "\xc3\xa9"]}}]}}'
    columns = columns_of(["a", "b"], ["decimal(38,10)", "json"], Choices())
    batch = read_json(body, columns).batch
    assert batch.to_pylist() == [
        {"a": decimal.Decimal("12345678901234567890.1234567890"), "b": '{"x":1.10,"y":[1e3,"é"]}'}
    ]


@pytest.mark.parametrize("nest", [lambda value: [value], lambda value: {"a": value}])
@pytest.mark.parametrize("type_", ["json", "array(json)"])
def test_json_that_is_nested_too_deeply_is_told(nest, type_):
    value = 1
    for _ in range(10_000):
        value = nest(value)
    (nested,) = column(type_)
    with pytest.raises(DuneResultError, match=r"Column 'c' holds a value that is nested too deeply.*JSON_FORMAT"):
        from_json([value if type_ == "json" else [value]], nested)


def test_unknown_types_are_text_with_one_warning():
    with pytest.warns(UserWarning, match=r"geometry, hyperloglog\.$") as seen:
        columns = columns_of(["a", "b", "c"], ["hyperloglog", "geometry", "hyperloglog"], Choices())
    assert len(seen) == 1
    assert arrow_schema(columns).types == [pa.string()] * 3


def test_a_choice_that_is_none_is_refused():
    with pytest.raises(DuneConfigurationError, match="uint256='int' for a column"):
        Choices(uint256={"a": "int"})
    with pytest.raises(DuneConfigurationError, match=r"'amuont', which is no column of the result.*It has c"):
        column("uint256", uint256={"amuont": "decimal"})
    with pytest.raises(DuneConfigurationError, match="timestamps='round'"):
        Choices(timestamps="round")


# --- properties ---

TEXTS = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text != "<nil>")
MOMENTS = st.datetimes(timezones=st.just(UTC))
VALUES = {
    "boolean": st.booleans().map(lambda v: (v, "true" if v else "false", v)),
    "bigint": st.integers(-(2**63), 2**63 - 1).map(lambda v: (v, str(v), v)),
    "double": st.floats(allow_nan=False, allow_infinity=False).map(lambda v: (v, repr(v), v)),
    "decimal(38,9)": st.integers(-(10**38) + 1, 10**38 - 1)
    .map(lambda n: DECIMAL.scaleb(decimal.Decimal(n), -9))
    .map(lambda v: (v, format(v, "f"), format(v, "f"))),
    "varchar": TEXTS.map(lambda v: (v, v, v)),
    "varbinary": st.binary().map(lambda v: (v, "0x" + v.hex(), "0x" + v.hex())),
    "date": st.dates().map(lambda v: (v, v.isoformat(), v.isoformat())),
    "timestamp with time zone": MOMENTS.map(
        lambda v: (v, *[v.replace(tzinfo=None).isoformat(" ", "microseconds") + " UTC"] * 2)
    ),
    "uint256": st.integers(0, 2**256 - 1).map(lambda v: (str(v), str(v), str(v))),
}


@settings(deadline=None)
@given(data=st.data())
def test_whatever_is_in_a_page_both_formats_give_it(data):
    types = data.draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=5))
    names = data.draw(st.lists(TEXTS, min_size=len(types), max_size=len(types), unique=True))
    cell = [st.none() | VALUES[type_] for type_ in types]
    rows = data.draw(st.lists(st.tuples(*cell), max_size=8))
    columns = columns_of(names, types, Choices())
    expected = [[None if value is None else value[0] for value in row] for row in rows]
    in_csv = read_csv([as_csv(names, [[value and value[1] for value in row] for row in rows])], columns)
    in_json = read_json(json_page(names, [[value and value[2] for value in row] for row in rows]), columns).batch
    assert in_csv.schema.equals(arrow_schema(columns), check_metadata=True)
    assert [[c[i].as_py() for c in in_csv.columns] for i in range(len(rows))] == expected
    assert in_json.equals(in_csv)


@settings(deadline=None)
@given(st.text("abcdefghijklmnopqrstuvwxyz(), \"0123456789") | st.recursive(
    st.sampled_from(["bigint", "decimal(3,1)", "timestamp(3) with time zone", "x y"]),
    lambda inner: st.tuples(st.sampled_from(["array({})", "map(varchar, {})", "row(a {})", "row({})"]), inner)
    .map(lambda pair: pair[0].format(pair[1])), max_leaves=60))  # fmt: skip
def test_any_declared_type_has_a_type_in_arrow(text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        columns = columns_of(["c"], [text], Choices())
    assert parse_type(text).text == text
    assert isinstance(columns[0].arrow_type, pa.DataType)
    assert read_json(json_page(["c"], [[None]]), columns).batch.column(0).to_pylist() == [None]
