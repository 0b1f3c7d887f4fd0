"""Partitions become values of parameters, and nodes of a pipeline."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_dune.catalog.catalog import DuneCatalog, MaterializedView, Query
from dagster_dune.catalog.settings.parameters import QueryParameter
from dagster_dune.catalog.settings.partitions import Partition, QueryPartitions
from dagster_dune.errors import DuneCatalogError, DunePlanError
from dagster_dune.pipeline.nodes import Override
from dagster_dune.pipeline.plan import plan_pipeline

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = QueryPartitions(kind="daily", start="2024-01-01", parameters={"day": "{partition_key}"})
SPAN = QueryPartitions(
    kind="daily",
    start="2024-01-01",
    ranges="parameters",
    parameters={"from": "{window_start}", "to": "{window_end:%Y-%m-%d}"},
)
CHAINS = QueryPartitions(kind="static", keys=["base", "bnb", "zora"], parameters={"chain": "{partition_key}"})


def day(number):
    start = START + timedelta(days=number)
    return Partition((start.strftime("%Y-%m-%d"),), (start, start + timedelta(days=1)))


def days(count):
    return [day(number) for number in range(count)]


def parameters(plan):
    return {node.label: node.target.query_parameters for node in plan.nodes if hasattr(node.target, "query_id")}


def dependencies(plan):
    return {node.label: sorted(plan.by_id[up].label for up in node.dependencies) for node in plan.nodes}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{partition_key}", "2024-01-02"),
        ("day {partition_key}!", "day 2024-01-02!"),
        ("{window_start}", "2024-01-02 00:00:00"),
        ("{window_end}", "2024-01-03 00:00:00"),
        ("{window_start:%Y-%m-%d}", "2024-01-02"),
        ("{window_start:%H:%M}-{window_end:%d.%m.}", "00:00-03.01."),
        ("{{literal}} {partition_key}", "{literal} 2024-01-02"),
    ],
)
def test_a_template_is_filled(template, text):
    daily = QueryPartitions(kind="daily", start="2024-01-01", parameters={"p": template})
    assert daily.values_of(day(1)) == {"p": text}


def test_windows_are_told_in_utc():
    berlin = timezone(timedelta(hours=2))
    start = datetime(2024, 7, 1, tzinfo=berlin)
    partition = Partition(("2024-07-01",), (start, start + timedelta(days=1)))
    assert SPAN.values_of(partition) == {"from": "2024-06-30 22:00:00", "to": "2024-07-01"}


def test_several_keys_are_a_list_for_a_parameter_of_several_values():
    chains = QueryPartitions(
        kind="static", keys=["base", "bnb"], ranges="parameters", parameters={"chains": "{partition_keys}"}
    )
    query = Query(query_id=1, partitions=chains, parameters=[QueryParameter(key="chains", multiple=True)])
    (together,) = chains.together([Partition(("base",)), Partition(("bnb",))])
    plan = plan_pipeline(DuneCatalog(queries=[query]), {"query_1": "q"}, partitions={"query_1": [together]})
    assert parameters(plan) == {"query_1 (base...bnb)": {"chains": ["base", "bnb"]}}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "daily"}, "daily kind need start"),
        ({"kind": "static"}, "static kind need keys"),
        ({"kind": "dynamic"}, "dynamic kind need name"),
        ({"kind": "static", "keys": ["a"], "start": "2024-01-01"}, "take no start"),
        ({"kind": "daily", "start": "2024-01-01", "name": "x"}, "take no name"),
        ({"kind": "daily", "start": "2024-01-01", "end": "2023-01-01"}, "end of partitions must come after"),
        ({"kind": "daily", "start": "2024-01-01T00:00:00Z"}, "has one of its own"),
        ({"kind": "daily", "start": "2024-01-01", "timezone": "Mars/Base"}, "no time zone 'Mars/Base'"),
        ({"kind": "static", "keys": ["a", "b", "a"]}, "'a' stands twice"),
        ({"kind": "static", "keys": ["a...b"]}, "cannot be a partition key"),
        ({"kind": "static", "keys": ["a,b"]}, "cannot be a partition key"),
        ({"kind": "static", "keys": [""]}, "cannot be a partition key"),
        ({"kind": "static", "keys": ["a"], "parameters": {}}, "each would run the same"),
        ({"kind": "static", "keys": ["a"], "parameters": {"p": "{day}"}}, r"names {day}.*Fields: {partition_key}\."),
        ({"kind": "static", "keys": ["a"], "parameters": {"p": "{window_start}"}}, "unknown for static"),
        ({"kind": "static", "keys": ["a"], "parameters": {"p": "{partition_keys}"}}, "unknown for static"),
        ({"kind": "static", "keys": ["a"], "parameters": {"p": "{"}}, "is broken"),
        ({"kind": "static", "keys": ["a"], "parameters": {"p": "{}"}}, "names {}"),
        ({"kind": "static", "keys": ["a"], "parameters": {"p": "{partition_key:>9}"}}, "formats {partition_key}"),
        ({"kind": "static", "keys": ["a"], "parameters": {"p": "{partition_key!r}"}}, "formats {partition_key}"),
        (
            {"kind": "static", "keys": ["a"], "parameters": {"p": "{partition_key.upper}"}},
            "names {partition_key.upper}",
        ),
        (
            {"kind": "daily", "start": "2024-01-01", "ranges": "parameters", "parameters": {"p": "{partition_key}"}},
            "Fields: {window_start}, {window_end}",
        ),
        (
            {"kind": "static", "keys": ["a"], "ranges": "parameters", "parameters": {"p": "x{partition_keys}"}},
            "must be {partition_keys} alone",
        ),
    ],
)
def test_partitions_that_make_no_sense_are_refused(fields, message):
    with pytest.raises(DuneCatalogError, match=message):
        QueryPartitions(**{"parameters": {"p": "x"}, **fields})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"parameters": [QueryParameter(key="days")]}, r"query_1 has no parameter 'day'\. Did you mean 'days'"),
        ({"parameters": [QueryParameter(key="day", type="number")]}, "'day' of query_1 must be a number"),
        ({"query_parameters": {"day": "2024-01-01"}}, "gets its value from the partition, and another one"),
    ],
)
def test_templates_must_fit_the_parameters_of_the_query(fields, message):
    with pytest.raises(DuneCatalogError, match=message):
        Query(query_id=1, partitions=DAY, **fields)


def test_a_static_key_that_an_enum_does_not_offer_is_refused():
    chain = QueryParameter(key="chain", type="enum", options=("base", "bnb"))
    with pytest.raises(DuneCatalogError, match=r"must be one of 'base', 'bnb', not 'zora'"):
        Query(query_id=1, partitions=CHAINS, parameters=[chain])


def test_partitions_are_part_of_the_document():
    catalog = DuneCatalog(queries=[Query(query_id=1, partitions=SPAN), Query(query_id=2, partitions=CHAINS)])
    again = DuneCatalog.from_json(catalog.to_json())
    assert again == catalog
    assert again["query_1"].partitions.start == datetime(2024, 1, 1)  # noqa: DTZ001  (it is in no zone)
    assert again.content_hash != DuneCatalog(queries=[Query(query_id=1), Query(query_id=2)]).content_hash


def test_a_header_tells_partitions(tmp_path):
    (tmp_path / "volume_4100007.sql").write_text(
        "/* dune\nparameters:\n  day: 2024-01-01\npartitions:\n  kind: daily\n  start: 2024-01-01\n"
        "  parameters:\n    day: '{partition_key}'\n*/\nSELECT '{{day}}' AS day\n"
    )
    query = DuneCatalog.from_directory(tmp_path)["query_4100007"]
    assert query.partitions == DAY
    assert (query.parameters[0].default, query.query_parameters) == ("2024-01-01", {})


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("  kind: dayly\n", r"volume_4100007.sql, line 4: partitions.kind in the header is wrong: .*'daily'"),
        ("  kind: daily\n  begin: 2024-01-01\n", r"line 5: the header has no key 'partitions.begin'.*start"),
        ("  kind: daily\n", r"volume_4100007.sql, line 2: in the header: Partitions of the daily kind need start"),
    ],
)
def test_a_wrong_header_is_told_with_its_place(tmp_path, lines, message):
    header = f"/* dune\npartitions:\n  parameters: {{day: x}}\n{lines}*/\n"
    (tmp_path / "volume_4100007.sql").write_text(f"{header}SELECT '{{{{day}}}}' AS day\n")
    with pytest.raises(DuneCatalogError, match=message):
        DuneCatalog.from_directory(tmp_path, strict=True)


def test_a_matview_takes_no_partitions(tmp_path):
    (tmp_path / "volume.sql").write_text(
        "/* dune\nmatview: dune.acme.result_volume\npartitions:\n  kind: static\n  keys: [a]\n"
        "  parameters: {p: '{partition_key}'}\n*/\nSELECT 1 AS one\n"
    )
    with pytest.raises(DuneCatalogError, match="both matview and partitions"):
        DuneCatalog.from_directory(tmp_path, strict=True)


def test_the_folders_partitions_win_over_none_of_the_account():
    folder = DuneCatalog(queries=[Query(query_id=1, partitions=DAY)])
    account = DuneCatalog(queries=[Query(query_id=1, parameters=[QueryParameter(key="day")])])
    assert DuneCatalog.merge(folder, account)["query_1"].partitions == DAY


MIXED = DuneCatalog(
    materialized_views=[
        MaterializedView(name="dune.acme.result_base"),
        MaterializedView(name="dune.acme.result_end", deps=["query_2"]),
    ],
    queries=[
        Query(query_id=1, deps=["dune.acme.result_base"], partitions=DAY),
        Query(query_id=2, deps=["query_1"], partitions=DAY),
        Query(query_id=3, deps=["query_2"], partitions=SPAN),
    ],
)
ALL = {obj.sql_name: obj.sql_name for obj in MIXED}


def test_a_node_waits_for_the_same_partition_and_for_all_that_has_none():
    partitions = {"query_1": days(2), "query_2": days(2), "query_3": SPAN.together(days(2))}
    plan = plan_pipeline(MIXED, ALL, partitions=partitions)
    first, second, both = "2024-01-01", "2024-01-02", "2024-01-01...2024-01-02"
    assert dependencies(plan) == {
        "dune.acme.result_base": [],
        f"query_1 ({first})": ["dune.acme.result_base"],
        f"query_1 ({second})": ["dune.acme.result_base"],
        f"query_2 ({first})": [f"query_1 ({first})"],
        f"query_2 ({second})": [f"query_1 ({second})"],
        f"query_3 ({both})": [f"query_2 ({first})", f"query_2 ({second})"],
        "dune.acme.result_end": [f"query_2 ({first})", f"query_2 ({second})"],
    }
    assert parameters(plan)[f"query_3 ({both})"] == {"from": "2024-01-01 00:00:00", "to": "2024-01-03"}
    assert plan == plan_pipeline(MIXED, ALL, partitions=partitions)


@given(st.integers(1, 20))
def test_ids_are_topological_and_no_execution_is_planned_twice(count):
    partitions = {"query_1": days(count), "query_2": days(count), "query_3": SPAN.together(days(count))}
    plan = plan_pipeline(MIXED, ALL, partitions=partitions)
    assert [node.id for node in plan.nodes] == list(range(1, 2 * count + 4))
    assert all(up < node.id for node in plan.nodes for up in node.dependencies)
    assert len(set(plan.digests)) == len(plan.nodes)


def test_a_partitioned_query_needs_a_partition():
    with pytest.raises(DunePlanError, match="query_1 is partitioned, and this run is of no partition"):
        plan_pipeline(MIXED, {"query_1": "q"})


def test_partitions_that_would_run_the_same_are_refused():
    monthly = QueryPartitions(kind="daily", start="2024-01-01", parameters={"month": "{window_start:%Y-%m}"})
    catalog = DuneCatalog(queries=[Query(query_id=1, partitions=monthly)])
    with pytest.raises(DunePlanError, match=r"query_1 \(2024-01-01\) and query_1 \(2024-01-02\) .* paid for twice"):
        plan_pipeline(catalog, {"query_1": "q"}, partitions={"query_1": days(2)})


def test_a_range_with_a_gap_is_refused():
    with pytest.raises(DunePlanError, match="there is a gap before 2024-01-03"):
        SPAN.together([day(0), day(2)])


def test_a_run_cannot_set_what_the_partition_sets():
    overrides = {"query_1": Override(query_parameters={"day": "2024-05-05"})}
    with pytest.raises(DunePlanError, match="sets 'day' of query_1, as its partition does"):
        plan_pipeline(MIXED, {"query_1": "q"}, partitions={"query_1": days(1)}, overrides=overrides)


def test_the_limit_counts_nodes_not_assets():
    with pytest.raises(DunePlanError, match="5 nodes would run"):
        plan_pipeline(MIXED, {"query_1": "q"}, partitions={"query_1": days(5)}, max_nodes=4)


def test_the_digest_tells_partitions_apart_and_leaves_others_alone():
    named = QueryPartitions(kind="static", keys=["a", "A"], parameters={"p": "{partition_key}"})
    catalog = DuneCatalog(queries=[Query(query_id=1, partitions=named)])
    parts = [Partition(("a",)), Partition(("A",))]
    plan = plan_pipeline(catalog, {"query_1": "q"}, partitions={"query_1": parts})
    assert len(set(plan.digests)) == 2
    alone = plan_pipeline(catalog, {"query_1": "q"}, partitions={"query_1": parts[:1]})
    assert alone.digests == plan.digests[:1]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "static", "keys": ["a"], "end_offset": 1}, "static kind take no end_offset"),
        ({"kind": "hourly", "start": "2024-01-01", "hour_offset": 2}, "hourly kind take no hour_offset.*daily, weekly"),
        ({"kind": "daily", "start": "2024-01-01", "day_offset": 2}, "daily kind take no day_offset"),
        ({"kind": "cron", "start": "2024-01-01"}, "cron kind need cron"),
        ({"kind": "daily", "start": "2024-01-01", "cron": "0 0 * * *"}, "no others take it"),
        ({"kind": "cron", "start": "2024-01-01", "cron": "61 * * * *"}, r"'61 \* \* \* \*' is no cron"),
    ],
)
def test_offsets_and_crons_that_there_are_not(fields, message):
    template = "{partition_key}" if fields["kind"] == "static" else "{window_start}"
    with pytest.raises(DuneCatalogError, match=message):
        QueryPartitions(parameters={"p": template}, **fields)


@pytest.mark.parametrize("offset", [10_001, -10_001, 10**12])
def test_no_more_partitions_lie_ahead_than_can_be_listed(offset):
    with pytest.raises(DuneCatalogError, match="end_offset must be from -10,000 to 10,000, not"):
        QueryPartitions(kind="hourly", start="2024-01-01", end_offset=offset, parameters={"day": "{partition_key}"})
    QueryPartitions(kind="monthly", start="2024-01-01", end_offset=10_000, parameters={"day": "{partition_key}"})
