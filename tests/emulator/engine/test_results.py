"""Rows as Dune's API writes them."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from dagster_dune.emulator.dunesql.types.parsing import read_type
from dagster_dune.emulator.engine.results import ResultSet


def result(columns, rows):
    """A result of columns by the names of their types."""
    return ResultSet.typed([(name, read_type(type_)) for name, type_ in columns.items()], rows)


@pytest.mark.parametrize(
    ("type_", "value", "written"),
    [
        ("varchar", None, None),
        ("double", None, None),
        ("boolean", True, True),
        ("bigint", 7, 7),
        ("varchar", "text", "text"),
        ("double", 1.5, 1.5),
        ("double", float("nan"), "NaN"),
        ("double", float("inf"), "Infinity"),
        ("real", float("-inf"), "-Infinity"),
        ("decimal(4,0)", Decimal("1E+3"), "1000"),
        ("decimal(4,2)", Decimal("1.50"), "1.50"),
        ("varbinary", b"\x00\xff", "0x00ff"),
        ("varbinary", b"", "0x"),
        ("date", date(2024, 1, 2), "2024-01-02"),
        ("timestamp(3)", datetime(2024, 1, 2, 3, 4, 5, 678000), "2024-01-02 03:04:05.678"),  # noqa: DTZ001 - without a zone
        ("timestamp(0)", datetime(24, 1, 2, 3, 4, 5, 678000), "0024-01-02 03:04:05"),  # noqa: DTZ001
        ("timestamp(3) with time zone", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), "2024-01-02 03:04:05.000 UTC"),
        (
            "timestamp(3) with time zone",
            datetime(2024, 1, 2, 1, tzinfo=timezone(timedelta(hours=2))),
            "2024-01-01 23:00:00.000 UTC",
        ),
        ("time(3)", time(3, 4, 5), "03:04:05.000"),
        ("interval day to second", 183_600_004, "2 03:00:00.004"),
        ("interval day to second", -5_400_000, "-0 01:30:00.000"),
        ("uuid", UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        ("array(varbinary)", [b"\x01", None], ["0x01", None]),
        ("map(date, varbinary)", {date(2024, 1, 2): b"\x01"}, {"2024-01-02": "0x01"}),
        ("map(array(integer), boolean)", {"key": [[1, 2]], "value": [True]}, {"[1, 2]": True}),
    ],
)
def test_values(type_, value, written):
    assert result({"a": type_}, [(value,)]).rows == [{"a": written}]


def test_csv_quotes_and_tells_null_from_an_empty_text():
    columns = {"a": "varchar", "b": "boolean", "c": "array(varbinary)"}
    csv = result(columns, [('say "x", y', True, [b"\x01"]), (None, None, None)]).to_csv()
    assert csv == 'a,b,c\n"say ""x"", y",true,"[""0x01""]"\n<nil>,<nil>,<nil>\n'


def test_csv_of_no_rows_has_a_header():
    assert result({"a": "bigint"}, []).to_csv() == "a\n"


def test_bytes_are_those_of_the_values_as_json():
    made = result({"a": "bigint", "b": "varchar"}, [(1, "xy"), (None, "z")])
    assert made.bytes_estimate() == len('[1,"xy"]') + len('[null,"z"]')
