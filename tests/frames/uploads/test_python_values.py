"""What columns of Python's values become: none is cut to the type of another."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from dagster_dune.errors import DuneConfigurationError
from dagster_dune.frames.uploads.schema import table_columns
from dagster_dune.frames.uploads.sources import rows_in

DAY, MOMENT = dt.date(2026, 1, 1), dt.datetime(2026, 1, 1, 12, 30)  # noqa: DTZ001
ZONED = MOMENT.replace(tzinfo=dt.timezone(dt.timedelta(hours=2)))
NANOSECOND = pd.Timestamp("2026-01-01 00:00:00.000000001")


def in_a_list(values):
    return [{"a": value} for value in values]


def in_pandas(values):
    return pd.DataFrame({"a": pd.Series(values, dtype=object)})


def in_an_index(values):
    return pd.DataFrame({"n": range(len(values))}, index=pd.Index(values, dtype=object, name="a"))


def in_categories(values):
    return pd.DataFrame({"a": pd.Categorical(values, categories=pd.Index(dict.fromkeys(values), dtype=object))})


@pytest.mark.parametrize("make", [in_a_list, in_pandas, in_an_index, in_categories])
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([DAY, MOMENT], r"date \(.*\) and datetime without time zone"),
        ([MOMENT, DAY], "datetime without time zone .* and date"),
        ([MOMENT, ZONED], "datetime without time zone .* and datetime with time zone"),
        ([DAY] * 100 + [ZONED], "date .* and datetime with time zone"),
        (["x", b"x"], r"str \('x'\) and bytes \(b'x'\)"),
        ([1.5, True], r"number \(1.5\) and bool \(True\)"),
        ([np.bool_(True), 5], "bool .* and number"),
        ([5, "x"], "number .* and str"),
        ([np.timedelta64(5, "s"), 7], "timedelta .* and number"),
    ],
)
def test_values_of_two_kinds_are_refused_and_none_is_cut(make, values, words):
    with pytest.raises(DuneConfigurationError, match=f"Column 'a' holds values of several types, {words}.* one type"):
        rows_in(make(values))


@pytest.mark.parametrize("make", [in_a_list, in_pandas, in_an_index])
@pytest.mark.parametrize("value", [np.timedelta64(5, "s"), dt.timedelta(1)])
def test_a_span_of_time_is_no_number(make, value):
    with pytest.raises(DuneConfigurationError, match=r"Column 'a' is duration.*whole number of seconds"):
        table_columns(rows_in(make([value])).schema)


@pytest.mark.parametrize("make", [in_a_list, in_pandas])
def test_a_decimal_that_is_no_number_at_all_is_told(make):
    with pytest.raises(DuneConfigurationError, match="cannot be read as"):
        rows_in(make([Decimal("sNaN"), Decimal("1.5")]))


@pytest.mark.parametrize("make", [in_pandas, in_an_index, in_categories])
def test_moments_keep_their_zone(make):
    (slice_,) = rows_in(make([pd.Timestamp(ZONED), pd.Timestamp(ZONED)])).slices(["a"])
    assert slice_.column("a").to_pylist() == [ZONED, ZONED]


@pytest.mark.parametrize("make", [in_a_list, in_pandas])
def test_nanoseconds_of_pandas_are_refused(make):
    with pytest.raises(DuneConfigurationError, match=r"Column 'a' holds Timestamp.*finer than a millisecond"):
        rows_in(make([MOMENT, NANOSECOND]))


@pytest.mark.parametrize("make", [in_a_list, in_pandas])
@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([None, DAY, pd.NaT, pd.NA], "date32[day]"), ([pd.NaT, MOMENT], "timestamp[us]"), ([1, 1.5], "double"),
        ([1, Decimal("1.5")], "decimal128(2, 1)"), ([np.int8(5), 300], "int64"), (["x", np.str_("y")], "string"),
        ([ZONED, ZONED.astimezone(dt.UTC)], "timestamp[us, tz=+02:00]"), ([b"x", bytearray(b"y")], "binary"),
    ],
)  # fmt: skip
def test_values_of_one_kind_are_as_arrow_has_them(make, values, type_):
    rows = rows_in(make(values))
    (slice_,) = rows.slices(["a"])
    nulls = [value is None or value is pd.NaT or value is pd.NA for value in values]
    assert str(rows.schema.field("a").type) == type_
    assert slice_.column(0).is_null().to_pylist() == nulls


@pytest.mark.parametrize("make", [in_a_list, in_pandas, in_an_index])
@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([2**63], "uint256"), ([None, 1, 2**256 - 1], "uint256"), ([np.uint64(2**64 - 1), 2**64], "uint256"),
        ([-1, 2**70], "int256"), ([-(2**255)], "int256"),
    ],
)  # fmt: skip
def test_whole_numbers_of_more_than_64_bits_are_wide_ones(make, values, type_):
    rows = rows_in(make(values))
    assert table_columns(rows.schema)[-1].type == type_
    (slice_,) = rows.slices(["a"])
    assert slice_.column("a").to_pylist() == [None if value is None else str(value) for value in values]


@pytest.mark.parametrize("make", [in_a_list, in_pandas])
@pytest.mark.parametrize("values", [[Decimal("-0.250"), 0, None, 7], [1000, Decimal("0.5"), np.int64(2)]])
def test_whole_numbers_among_decimals_are_decimals(make, values):
    rows = rows_in(make(values))
    (slice_,) = rows.slices(["a"])
    assert slice_.column(0).to_pylist() == [None if value is None else Decimal(str(value)) for value in values]


def test_a_wide_number_beside_other_columns_and_an_index_keeps_its_place():
    frame = pd.DataFrame({"x": ["a"], "n": np.array([2**200], dtype=object), "y": [1.5]}, index=pd.Index([7], name="i"))
    kept = frame.copy()
    rows = rows_in(frame)
    assert [str(column.type) for column in table_columns(rows.schema)] == ["varchar", "uint256", "double", "bigint"]
    assert next(rows.slices(rows.schema.names)).to_pylist() == [{"x": "a", "n": str(2**200), "y": 1.5, "i": 7}]
    pd.testing.assert_frame_equal(frame, kept)


@pytest.mark.parametrize("make", [in_a_list, in_pandas])
def test_a_wide_number_among_fractions_is_refused_by_its_column(make):
    with pytest.raises(DuneConfigurationError, match="cannot be read"):
        rows_in(make([2**70, Decimal("1." + "5" * 75)]))


class Key:
    def __str__(self):
        return "b"


def test_rows_are_read_by_their_own_keys():
    key = Key()
    (slice_,) = rows_in([{"a": 1, key: 5}, {"a": 2, key: 6}, {1: 7}]).slices(["a", "b", "1"])
    assert slice_.to_pylist() == [
        {"a": 1, "b": 5, "1": None}, {"a": 2, "b": 6, "1": None}, {"a": None, "b": None, "1": 7},
    ]  # fmt: skip
    assert rows_in([{"b": 1, key: 5}]).schema.names == ["b", "b"]  # which no table can have


PLAIN = pd.DataFrame({"n": [3, 1, 2], "t": ["a", "b", "c"]})


@pytest.mark.parametrize(
    ("frame", "names"),
    [
        (PLAIN.sort_values("n"), ["n", "t"]), (pd.concat([PLAIN, PLAIN]), ["n", "t"]),
        (PLAIN[PLAIN.n != 1], ["n", "t"]), (PLAIN.set_index("t"), ["n", "t"]),
        (PLAIN.rename_axis("row"), ["n", "t", "row"]), (PLAIN.set_index([[7, 8, 9], "t"]), ["n", "t"]),
        (PLAIN.groupby("t").sum(), ["n", "t"]),
    ],
)  # fmt: skip
def test_an_index_is_a_column_where_it_has_a_name(frame, names):
    rows = rows_in(frame)
    assert rows.schema.names == names
    assert pa.Table.from_batches(rows.slices(names))["n"].to_pylist() == frame["n"].to_list()


def test_an_index_with_the_name_of_a_column_is_refused():
    with pytest.raises(DuneConfigurationError, match=r"has the name of its column 't'.*reset_index\(drop=True\)"):
        rows_in(PLAIN.set_index("t", drop=False))
