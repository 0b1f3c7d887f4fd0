"""Rows as Dune's API writes them."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from dagster_dune.emulator.engine.results import Column, ResultSet, json_value


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, None),
        (True, True),
        (7, 7),
        ("text", "text"),
        (1.5, 1.5),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1.50"), "1.50"),
        (b"\x00\xff", "0x00ff"),
        (b"", "0x"),
        (date(2024, 1, 2), "2024-01-02"),
        (datetime(2024, 1, 2, 3, 4, 5, 678000), "2024-01-02 03:04:05.678"),  # noqa: DTZ001 - a timestamp without a zone
        (datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), "2024-01-02 03:04:05.000 UTC"),
        (datetime(2024, 1, 2, 1, tzinfo=timezone(timedelta(hours=2))), "2024-01-01 23:00:00.000 UTC"),
        (time(3, 4, 5), "03:04:05.000"),
        (timedelta(days=2, hours=3, milliseconds=4), "2 03:00:00.004"),
        (-timedelta(hours=1, minutes=30), "-0 01:30:00.000"),
        (UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        ([b"\x01", None, [1.5]], ["0x01", None, [1.5]]),
        ({date(2024, 1, 2): b"\x01"}, {"2024-01-02": "0x01"}),
    ],
)
def test_values(value, written):
    assert json_value(value) == written


def test_csv_quotes_and_tells_null_from_an_empty_text():
    columns = [Column("a", "varchar"), Column("b", "boolean"), Column("c", "array(varbinary)")]
    result = ResultSet.of(columns, [('say "x", y', True, [b"\x01"]), (None, None, None)])
    assert result.to_csv() == 'a,b,c\n"say ""x"", y",true,"[""0x01""]"\n<nil>,<nil>,<nil>\n'


def test_csv_of_no_rows_has_a_header():
    assert ResultSet.of([Column("a", "bigint")], []).to_csv() == "a\n"


def test_bytes_are_those_of_the_values_as_json():
    columns = [Column("a", "bigint"), Column("b", "varchar")]
    assert ResultSet.of(columns, [(1, "xy"), (None, "z")]).bytes_estimate() == len('[1,"xy"]') + len('[null,"z"]')
