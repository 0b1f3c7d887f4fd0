"""`build_dune_upload`: a table on Dune as an asset, in the graph that lineage makes."""

import asyncio
import functools

import dagster as dg
import polars as pl
import pytest

from dagster_dune import (
    DagsterDuneTranslator,
    DuneCatalog,
    DuneConfigurationError,
    DuneResource,
    MaterializedView,
    Query,
    build_dune_assets,
    build_dune_upload,
    dune_assets,
)

LABELS = "dune.acme.labels"
SQL = f"SELECT label, count(*) AS n FROM {LABELS} GROUP BY 1"
CATALOG = DuneCatalog(
    materialized_views=[MaterializedView(name="dune.acme.result_labels", query_id=1, deps=[LABELS])],
    queries=[Query(query_id=2, deps=["dune.acme.result_labels"])],
)
ASSETS = build_dune_assets(CATALOG)


@dg.asset
def number() -> int:
    return 3


@build_dune_upload(LABELS, max_credits=12)
def labels(context: dg.AssetExecutionContext, number: int, dune: DuneResource) -> pl.DataFrame:
    """Labels of addresses."""
    context.log.info("Making %s labels.", number)
    return pl.DataFrame({"address": [b"\x01", b"\x02", b"\x03"][:number], "label": ["a", "a", None][:number]})


def test_the_graph_is_closed_from_python_to_dune_to_python(dune, resource, instance):
    dune.load_query(1, "labels", SQL)
    dune.load_query(2, "reader", "SELECT * FROM dune.acme.result_labels")
    dune.load_materialized_view("dune.acme.result_labels", 1)
    seen = []

    @dg.asset(deps=[["dune", "query_2"]])
    def reader(context: dg.AssetExecutionContext) -> None:
        seen.extend(resource.get_result(context, ["dune", "query_2"], pl.DataFrame).sort("n").to_dicts())

    run = [number, labels, ASSETS, reader]
    assert labels.key in ASSETS.asset_deps[dg.AssetKey(["dune", "acme", "result_labels"])]
    result = dg.materialize(run, resources={"dune": resource}, instance=instance)
    assert seen == [{"label": None, "n": 1}, {"label": "a", "n": 2}]
    (event,) = result.asset_materializations_for_node(labels.op.name)
    assert (event.metadata["dagster/row_count"].value, event.metadata["dagster-dune/credits"].value) == (3, 11.0)
    assert sum(entry["path"] == "/api/v1/pipelines/execute" for entry in dune.journal()) == 1


DAYS = dg.StaticPartitionsDefinition(["a", "b"])


@build_dune_upload(LABELS, mode="append", marker_column="day", partitions_def=DAYS)
def by_day(context):
    return pl.DataFrame({"n": [1, 2], "p": context.partition_keys * 2})


@pytest.fixture
def append(resource, instance):
    """A function that runs an asset for a partition, or for a range of them in one run: its materializations."""

    def run(asset, first, last=None):
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        of = {"partition_key": first} if last is None else {"tags": tags}
        result = dg.materialize([asset], resources={"dune": resource}, instance=instance, **of)
        return result.asset_materializations_for_node(asset.op.name)

    return run


@pytest.fixture
def counted(resource):
    """A function that counts the rows on Dune, by marker and partition."""
    sql = f"SELECT day, p, count(*) AS n FROM {LABELS} GROUP BY 1, 2 ORDER BY 1"
    return lambda: [tuple(row.values()) for row in resource.run_sql(sql).read().to_pylist()]


def frame_of(context: dg.AssetExecutionContext, prices: list[int], scale: int):
    """Prices, scaled."""
    return [{"run": context.run_id, "price": price * scale} for price in prices]


class Scaled:
    """An object that is called."""

    def __call__(self, context, prices: list[int]):
        return frame_of(context, prices, 2)


@dg.asset
def prices() -> list[int]:
    return [1, 2]


@pytest.mark.parametrize("make", [functools.partial(frame_of, scale=2), Scaled(), Scaled().__call__])
def test_whatever_can_be_called_makes_a_table(resource, instance, make):
    labels = build_dune_upload(LABELS)(make)
    assert labels.dependency_keys == {prices.key}
    assert dg.materialize([prices, labels], resources={"dune": resource}, instance=instance).success
    rows = resource.run_sql(f"SELECT price FROM {LABELS} ORDER BY 1").read().to_pylist()
    assert rows == [{"price": 2}, {"price": 4}]


def test_a_partial_has_the_description_of_its_function():
    labels = build_dune_upload(LABELS)(functools.partial(frame_of, scale=2))
    assert labels.get_asset_spec().description == "Prices, scaled."


@pytest.mark.parametrize(
    ("given", "shown"), [("x", "'x'"), (Scaled, "the class Scaled"), (len, "<built-in function len>")]
)
def test_what_is_no_function_is_refused_by_its_name(given, shown):
    words = f"takes a function of yours, not {shown}"
    catalog = DuneCatalog(queries=[Query(query_id=1)])
    with pytest.raises(DuneConfigurationError, match=f"build_dune_upload {words}"):
        build_dune_upload(LABELS)(given)
    with pytest.raises(DuneConfigurationError, match=f"dune_assets {words}"):
        dune_assets(catalog=catalog)(given)
    with pytest.raises(DuneConfigurationError, match=f"execute {words}"):
        build_dune_assets(catalog, execute=given)


def test_a_partial_that_yields_runs_on_dune(dune, resource, instance):
    def run(context, dune: DuneResource, limit):
        yield from dune.run(context)

    dune.load_query(1, "one", "SELECT 1 AS n")
    assets = dune_assets(catalog=DuneCatalog(queries=[Query(query_id=1)]))(functools.partial(run, limit=1))
    assert dg.materialize([assets], resources={"dune": resource}, instance=instance).success


def test_a_partition_is_appended_once(append, counted):
    (first,) = append(by_day, "a")
    assert first.metadata["dagster/partition_row_count"].value == 2
    append(by_day, "b", "b")
    (again,) = append(by_day, "a")
    assert counted() == [("a", "a", 2), ("b", "b", 2)]

    # What was there already was not counted as written: no rows are claimed, not even none.
    assert "dagster/partition_row_count" not in again.metadata
    assert again.metadata["dagster-dune/credits"].value > 0


def test_several_partitions_of_one_run_have_no_marker(append, dune):
    seen = []

    @build_dune_upload(LABELS, mode="append", marker_column="day", partitions_def=DAYS)
    def several(context):
        seen.append(context.partition_keys)

    with pytest.raises(
        DuneConfigurationError, match=r"dune\.acme\.labels .* this run is of 2: a, b.* one partition a run"
    ):
        append(several, "a", "b")
    assert (seen, dune.journal()) == ([], [])


def test_a_range_without_a_marker_tells_rows_of_all_its_partitions(append):
    @build_dune_upload(LABELS, mode="append", partitions_def=DAYS)
    def unmarked(context):
        return pl.DataFrame({"p": context.partition_keys})

    for event in append(unmarked, "a", "b"):
        assert event.metadata["dagster-dune/range_row_count"].value == 2
        assert "dagster/partition_row_count" not in event.metadata
    assert append(unmarked, "a")[0].metadata["dagster/partition_row_count"].value == 1


@pytest.mark.parametrize("options", [{}, {"mode": "replace"}])
def test_partitions_do_not_replace_each_other(options):
    with pytest.raises(
        DuneConfigurationError,
        match=r'dune\.acme\.labels .*mode="replace".*only the last partition.*mode="append".*marker_column',
    ):
        build_dune_upload(LABELS, partitions_def=DAYS, **options)


def test_a_key_can_be_chosen_by_the_translator():
    assert labels.key == dg.AssetKey(["dune", "acme", "labels"])
    assert labels.specs_by_key[labels.key].metadata["dagster/table_name"] == LABELS
    assert labels.specs_by_key[labels.key].description == "Labels of addresses."


def test_a_table_is_shown_among_uploads():
    @build_dune_upload("dune.acme.labels")
    def labels():
        return []

    assert {spec.group_name for spec in labels.specs} == {"dune_uploads"}


def test_a_table_belongs_to_whom_the_translator_says():
    class Owned(DagsterDuneTranslator):
        def get_asset_spec(self, obj):
            spec = super().get_asset_spec(obj)
            return spec.replace_attributes(owners=["team:data"], tags={"tier": "1"}, group_name="own")

    @build_dune_upload("dune.acme.labels", translator=Owned())
    def labels():
        return []

    (spec,) = labels.specs
    assert (spec.owners, spec.tags["tier"], spec.group_name) == (["team:data"], "1", "own")
    assert spec.kinds == {"dune", "python"}


def test_a_run_for_a_partition_does_not_mark_rows_of_an_asset_without_any(resource, instance):
    """A job may hold partitioned and unpartitioned assets; the second run's rows were taken for the first one's."""
    other = dg.asset(partitions_def=DAYS, name="other")(lambda: None)

    @build_dune_upload(LABELS, mode="append", marker_column="run")
    def unpartitioned():
        return pl.DataFrame({"n": [1]})

    for _ in range(2):
        dg.materialize([other, unpartitioned], resources={"dune": resource}, instance=instance, partition_key="a")
    read = resource.run_sql(f"SELECT count(*) AS n, count(DISTINCT run) AS runs FROM {LABELS}").read()
    assert read.to_pylist() == [{"n": 2, "runs": 2}]


def test_a_function_may_take_resources_of_its_own(resource, instance, dune):
    @build_dune_upload(LABELS)
    def of_resources(context, words: dg.ResourceParam[list[str]], dune: DuneResource):
        assert dune.base_url
        return pl.DataFrame({"t": words})

    resources = {"dune": resource, "words": ["a", "b"]}
    assert dg.materialize([of_resources], resources=resources, instance=instance).success
    assert resource.run_sql(f"SELECT count(*) AS n FROM {LABELS}").read().to_pylist() == [{"n": 2}]


@pytest.mark.parametrize(
    ("table", "options", "words"),
    [
        (LABELS, {"mode": "upsert"}, "mode='upsert' is none of"),
        (LABELS, {"on_schema_change": "merge"}, "on_schema_change='merge' is none of"),
        (LABELS, {"types": ["wallet"]}, "types must be a mapping"),
        (LABELS, {"max_credits": float("nan")}, "max_credits must be a number of at least 0"),
        (LABELS, {"max_credits": "15"}, "max_credits must be a number, not '15'"),
        ("dune.acme.result_x", {}, "would be a materialized view"),
        ("labels", {}, "is named dune.<team>.<table>, not 'labels'"),
        (None, {}, "is named dune.<team>.<table>, not None"),
    ],
)
def test_what_can_never_be_written_is_refused_at_load(table, options, words):
    with pytest.raises(DuneConfigurationError, match=words):
        build_dune_upload(table, **options)


def test_a_partition_that_can_be_no_marker_is_refused_before_the_rows_are_made(resource, instance, dune):
    made = []

    @build_dune_upload(
        LABELS, mode="append", marker_column="day", partitions_def=dg.StaticPartitionsDefinition(["it's"])
    )
    def never():
        made.append(1)

    with pytest.raises(DuneConfigurationError, match=r"marker=.* cannot be used"):
        dg.materialize([never], resources={"dune": resource}, instance=instance, partition_key="it's")
    assert (made, dune.journal()) == ([], [])


def test_a_function_may_be_asynchronous(resource, instance):
    @build_dune_upload(LABELS)
    async def slowly(context: dg.AssetExecutionContext, number: int):
        await asyncio.sleep(0)
        return [{"n": number}]

    result = dg.materialize([number, slowly], resources={"dune": resource}, instance=instance)
    (event,) = result.asset_materializations_for_node(slowly.op.name)
    assert event.metadata["dagster/row_count"].value == 1


def rows_one_by_one():
    yield {"n": 1}


async def rows_some_time():
    yield {"n": 1}


@pytest.mark.parametrize("make", [rows_one_by_one, rows_some_time])
def test_a_function_that_yields_is_refused_at_load(make):
    with pytest.raises(DuneConfigurationError, match=rf"{make.__name__} yields, .* one frame .* in a list"):
        build_dune_upload(LABELS)(make)


def test_a_context_that_is_not_the_first_argument_is_refused_at_load():
    with pytest.raises(DuneConfigurationError, match=r"labels takes context after other arguments.*Write it first"):

        @build_dune_upload("dune.acme.labels")
        def labels(numbers, context):
            return numbers


def test_a_marker_is_of_rows_that_are_appended():
    with pytest.raises(DuneConfigurationError, match=r'only rows that are appended are marked.*mode="append"'):
        build_dune_upload(LABELS, marker_column="day")


def test_an_upload_takes_what_other_assets_take():
    own = {"tags": {"team": "a"}, "kinds": ["csv"], "owners": ["team:b"], "metadata": {"mine": 1}}
    policies = {"retry_policy": dg.RetryPolicy(max_retries=2), "backfill_policy": dg.BackfillPolicy.multi_run(1)}

    @build_dune_upload(LABELS, mode="append", marker_column="day", partitions_def=DAYS, **own, **policies)
    def given():
        return []

    (spec,) = given.specs
    assert (spec.owners, spec.kinds, spec.tags["team"]) == (["team:b"], {"dune", "python", "csv"}, "a")
    assert (spec.metadata["mine"], spec.metadata["dagster-dune/name"]) == (1, LABELS)
    assert (given.op.retry_policy.max_retries, given.backfill_policy.max_partitions_per_run) == (2, 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"marker_column": "day", "backfill_policy": dg.BackfillPolicy.single_run()},
            r"one partition .*multi_run\(1\)",
        ),
        ({"retry_policy": dg.RetryPolicy()}, "would append it again.*Give a marker_column"),
    ],
)
def test_policies_that_would_append_twice_are_refused_at_load(options, words):
    with pytest.raises(DuneConfigurationError, match=words):
        build_dune_upload(LABELS, mode="append", partitions_def=DAYS, **options)
