"""The partitions of a query as Dagster has them."""

from datetime import UTC, datetime

import pytest

from dagster_dune import DuneCatalog, QueryPartitions
from dagster_dune._scheduling.partitions import partitions_def_of

NOON = datetime(2024, 3, 10, 12, tzinfo=UTC)


def keys(**fields):
    partitions = QueryPartitions(parameters={"p": "{partition_key}"}, **fields)
    return partitions_def_of(partitions).get_partition_keys(current_time=NOON)


@pytest.mark.parametrize(
    ("fields", "last"),
    [
        ({"kind": "daily"}, "2024-03-09"),
        ({"kind": "daily", "end_offset": 1}, "2024-03-10"),
        ({"kind": "daily", "end_offset": -1}, "2024-03-08"),
        ({"kind": "daily", "hour_offset": 13}, "2024-03-08"),
        ({"kind": "hourly"}, "2024-03-10-11:00"),
        ({"kind": "hourly", "minute_offset": 30}, "2024-03-10-10:30"),
        ({"kind": "weekly", "day_offset": 1}, "2024-02-26"),
        ({"kind": "monthly", "day_offset": 5}, "2024-02-05"),
        ({"kind": "cron", "cron": "0 */6 * * *"}, "2024-03-10-06:00"),
        ({"kind": "cron", "cron": "0 */6 * * *", "end_offset": 1}, "2024-03-10-12:00"),
    ],
)
def test_the_last_partition(fields, last):
    assert keys(start="2024-01-01", **fields)[-1] == last


def test_a_header_says_the_same(tmp_path):
    (tmp_path / "q_4100001.sql").write_text(
        "/* dune\npartitions:\n  kind: cron\n  cron: 0 0,6,12,18 * * *\n  start: 2024-01-01\n  end_offset: 1\n"
        "  parameters: {since: '{window_start}'}\n*/\nSELECT TIMESTAMP '{{since}}'"
    )
    (query,) = DuneCatalog.from_directory(tmp_path)
    assert (query.partitions.cron, query.partitions.end_offset) == ("0 0,6,12,18 * * *", 1)
    assert partitions_def_of(query.partitions).get_partition_keys(current_time=NOON)[-1] == "2024-03-10-12:00"
