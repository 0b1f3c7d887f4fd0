"""What the factory makes of a catalog, and which input it refuses before anything is sent."""

import dagster as dg
import pytest
from counted_calls import growth_of

from dagster_dune import (
    DagsterDuneTranslator,
    DuneCatalog,
    DuneCatalogError,
    DuneConfigurationError,
    DuneResource,
    MaterializedView,
    Query,
    QueryParameter,
    build_dune_assets,
    build_dune_definitions,
    build_dune_upload,
    build_dune_upstream_specs,
    dune_assets,
    merge_dune_definitions,
)
from dagster_dune.catalog.names import Reference

DAILY = "dune.acme.result_daily"


def keys(assets):
    return sorted(key.to_user_string() for key in assets.keys)


def deps(assets):
    return {
        spec.key.to_user_string(): sorted(dep.asset_key.to_user_string() for dep in spec.deps) for spec in assets.specs
    }


CATALOG = DuneCatalog(
    materialized_views=[
        MaterializedView(name=DAILY, query_id=1, deps=["dex.trades"], tags=["dex", "every day"]),
        MaterializedView(name='dune."21co".result_x', deps=["dune.acme.dataset_rates", "query_1"]),
    ],
    queries=[
        Query(query_id=7, name="A view", deps=[DAILY]),
        Query(query_id=8, slug="top", deps=["query_7", "dune.other.result_y"]),
    ],
    external=["dune.other.result_y"],
)


def test_keys_and_deps_follow_the_catalog():
    assert deps(build_dune_assets(CATALOG)) == {
        "dune/21co/result_x": ["dune/acme/dataset_rates", "dune/dex/trades"],
        "dune/acme/result_daily": ["dune/dex/trades"],
        "dune/query_7": ["dune/acme/result_daily"],
        "dune/top_8": ["dune/other/result_y", "dune/query_7"],
    }


def test_inlined_query_views_are_no_assets_and_their_readers_read_what_they_read():
    assert deps(build_dune_assets(CATALOG, query_views="inline")) == {
        "dune/21co/result_x": ["dune/acme/dataset_rates", "dune/dex/trades"],
        "dune/acme/result_daily": ["dune/dex/trades"],
        "dune/top_8": ["dune/acme/result_daily", "dune/other/result_y"],
    }


def test_backing_queries_are_assets_only_on_demand():
    assert deps(build_dune_assets(CATALOG, include_backing_queries=True))["dune/21co/result_x"] == [
        "dune/acme/dataset_rates",
        "dune/query_1",
    ]


def test_a_listed_backing_query_stays_hidden():
    catalog = DuneCatalog(materialized_views=[MaterializedView(name=DAILY, query_id=1)], queries=[Query(query_id=1)])
    assert keys(build_dune_assets(catalog)) == ["dune/acme/result_daily"]


def test_select_takes_some_objects():
    assert keys(build_dune_assets(CATALOG, select=["result_*", "8"])) == [
        "dune/21co/result_x",
        "dune/acme/result_daily",
        "dune/top_8",
    ]
    assert keys(build_dune_assets(CATALOG, select="tag:dex")) == ["dune/acme/result_daily"]


def test_specs_carry_kinds_tags_and_where_to_look():
    specs = {spec.key.to_user_string(): spec for spec in build_dune_assets(CATALOG).specs}
    daily, view = specs["dune/acme/result_daily"], specs["dune/query_7"]
    assert daily.kinds == {"dune", "view"}
    assert list(daily.owners) == ["team:acme"]
    assert (daily.metadata["dagster/storage_kind"], daily.metadata["dagster/uri"]) == (
        "dune",
        f"https://dune.com/data/{DAILY}",
    )
    assert {"dex", "every_day"} <= daily.tags.keys()
    assert daily.metadata["dagster/table_name"] == DAILY
    assert daily.metadata["dagster-dune/query_url"] == dg.MetadataValue.url("https://dune.com/queries/1")
    assert view.kinds == {"dune", "query"}
    assert list(view.owners) == []
    assert view.metadata["dagster/uri"] == "https://dune.com/queries/7"
    assert "dagster/storage_kind" not in view.metadata  # what a query returns is no table
    assert view.description == "A view"


def test_assets_have_a_pool_and_a_retry_policy():
    policy = dg.RetryPolicy(max_retries=2)
    assets = build_dune_assets(CATALOG, retry_policy=policy, op_tags={"team": "dex"})
    assert assets.op.pool == "dune"
    assert assets.op.retry_policy == policy
    assert assets.op.tags["team"] == "dex"


READING = DuneCatalog(queries=[Query(query_id=1, deps=["dex.trades"]), Query(query_id=2, deps=["query_1"])])


class OneKey(DagsterDuneTranslator):
    def get_asset_spec(self, obj):
        return super().get_asset_spec(obj).replace_attributes(key="same")


class Renamed(DagsterDuneTranslator):
    def get_asset_spec(self, obj):
        spec = super().get_asset_spec(obj)
        return spec.replace_attributes(key={7: "a-b", 8: "a_b"}.get(getattr(obj, "query_id", None), spec.key))


class Circular(DagsterDuneTranslator):
    """Lets what is read wait for what reads it."""

    def get_asset_spec(self, obj):
        spec = super().get_asset_spec(obj)
        return spec.replace_attributes(deps=[["dune", "query_2"]] if spec.key.path[-1] == "query_1" else [])


class Forgetful(DagsterDuneTranslator):
    """Returns nothing of some objects."""

    def __init__(self, *kinds):
        self.kinds = kinds

    def get_asset_spec(self, obj):
        return None if isinstance(obj, self.kinds) else super().get_asset_spec(obj)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: build_dune_assets(READING, translator=Forgetful(Query)), "query_1"),
        (lambda: build_dune_assets(READING, translator=Forgetful(Reference)), "dex.trades"),
        (lambda: build_dune_upstream_specs(build_dune_assets(READING), translator=Forgetful(Reference)), "dex.trades"),
        (lambda: build_dune_upload("dune.acme.labels", translator=Forgetful(Reference)), "dune.acme.labels"),
    ],
)
def test_a_translator_that_returns_no_spec_is_named(make, name):
    with pytest.raises(DuneConfigurationError, match=f"get_asset_spec of Forgetful returned None for {name}"):
        make()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: DuneCatalog(queries=[Query(query_id=1, deps=["dune.acme.result_nope"])]),
            "query_1 depends on dune.acme.result_nope, which is not in the catalog",
        ),
        (
            lambda: DuneCatalog(queries=[Query(query_id=1, deps=["query_2"]), Query(query_id=2, deps=["query_1"])]),
            "in a circle, so no order can refresh them: query_1 -> query_2 -> query_1",
        ),
        (lambda: build_dune_assets(CATALOG, translator=OneKey()), "get the same asset key same"),
        (
            lambda: build_dune_assets(CATALOG, translator=Renamed()),
            "query_7 and query_8 get asset keys that Dagster takes for one",
        ),
        (
            lambda: build_dune_assets(READING, translator=Circular()),
            "in a circle, so no order can refresh them: query_1 -> query_2 -> query_1",
        ),
        (lambda: MaterializedView(name=""), "has no name"),
        (lambda: Query(query_id=1, name=" "), "empty name"),
        (lambda: MaterializedView(name="result_daily"), "'result_daily' is not the full name"),
        (
            lambda: MaterializedView(name=DAILY, query_parameters={"day": "2024-01-01"}),
            "refreshes matviews without any",
        ),
        (
            lambda: Query(
                query_id=1, parameters=[QueryParameter(key="n", type="number")], query_parameters={"n": "many"}
            ),
            "The parameter 'n' of query_1 must be a number, not 'many'",
        ),
        (lambda: build_dune_assets(DuneCatalog()), "no object that could become an asset"),
        (lambda: build_dune_assets(CATALOG, select="query_99"), "query_99"),
    ],
)
def test_a_bad_catalog_is_refused_with_a_clear_message(make, words):
    with pytest.raises(DuneCatalogError) as error:
        make()
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"api_key": ""}, "API key is empty"),
        ({"api_key": "********"}, "Set DUNE_API_KEY where runs are executed, or remove the resources section"),
        ({"api_key": "line\nbreak"}, "characters that no key has"),
        ({"timeout": -1}, "positive number of seconds, not -1"),
        ({"poll_interval": 0}, "positive number of seconds, not 0"),
        ({"base_url": "http://dune.com"}, "unencrypted"),
        ({"base_url": "ftp://dune.com"}, "not an http"),
        ({"performance": "very large"}, "the name of a tier, not 'very large'"),
        ({"max_retries": -1}, "max_retries must not be negative, but is -1"),
        ({"reads_per_minute": 0}, "reads_per_minute must be at least 1, but is 0"),
    ],
)
def test_bad_settings_are_refused_at_construction_without_showing_the_key(settings, words, monkeypatch):
    monkeypatch.delenv("DUNE_API_KEY", raising=False)
    with pytest.raises(DuneConfigurationError) as error:
        DuneResource(**{"api_key": "a-secret", **settings})
    assert words in str(error.value)
    assert "a-secret" not in str(error.value)
    assert "break" not in str(error.value).replace("a line break", "")


def test_an_empty_key_in_the_environment_is_refused_before_any_request(dune, instance, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "")
    resource = DuneResource(api_key=dg.EnvVar("SOME_KEY"), base_url=dune.url)
    result = dg.materialize(
        [build_dune_assets(CATALOG)], resources={"dune": resource}, instance=instance, raise_on_error=False
    )
    assert not result.success
    assert "The Dune API key is empty" in str([event.event_specific_data for event in result.all_events])
    assert dune.journal() == []


def test_a_definition_that_is_not_ours_is_told_so(resource, instance):
    @dg.multi_asset(specs=[dg.AssetSpec("x")])
    def foreign(context: dg.AssetExecutionContext, dune: DuneResource):
        yield from dune.run(context)

    result = dg.materialize([foreign], resources={"dune": resource}, instance=instance, raise_on_error=False)
    (event,) = result.get_step_failure_events()
    assert "does not say which Dune catalog" in event.step_failure_data.user_failure_data.description


def test_an_asset_that_lost_its_name_is_told_so(resource, instance):
    class Bare(DagsterDuneTranslator):
        def get_asset_spec(self, obj):
            return super().get_asset_spec(obj).replace_attributes(metadata={})

    assets = build_dune_assets(CATALOG, translator=Bare())
    result = dg.materialize([assets], resources={"dune": resource}, instance=instance, raise_on_error=False)
    (event,) = result.get_step_failure_events()
    assert "does not say which Dune object it is" in event.step_failure_data.user_failure_data.description


def test_the_decorator_takes_the_name_of_its_function():
    @dune_assets(catalog=CATALOG)
    def acme(context: dg.AssetExecutionContext, dune: DuneResource):
        yield from dune.run(context)

    assert acme.op.name == "acme"
    assert acme.can_subset


# --- several catalogs in one code location ---

MAKER = DuneCatalog(materialized_views=[MaterializedView(name=DAILY, deps=["dex.trades"])])
READER = DuneCatalog(
    queries=[Query(query_id=8, slug="top", deps=[DAILY, "dex.trades", "dune.acme.rates"])], external=[DAILY]
)


def specs(defs):
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


@build_dune_upload("dune.acme.rates")
def rates():
    return None


@pytest.mark.parametrize("order", [1, -1])
def test_what_another_part_makes_is_no_external_asset(order):
    resource = DuneResource(api_key="key")
    parts = [
        build_dune_definitions(MAKER, resource=resource),
        build_dune_definitions(READER, name="readers", resource=DuneResource(api_key="key")),
        dg.Definitions(assets=[rates]),
    ][::order]

    defs = merge_dune_definitions(*parts)
    found = specs(defs)
    assert set(found) == {
        "dune/acme/result_daily",
        "dune/top_8",
        "dune/dex/trades",
        "dune/acme/rates",
    }
    assert "view" in found["dune/acme/result_daily"].kinds
    dg.Definitions.validate_loadable(defs)


def test_two_definitions_of_one_name_are_an_error_that_says_so():
    for parts in (
        [build_dune_definitions(MAKER), build_dune_definitions(READER)],
        [dg.Definitions(assets=[build_dune_assets(MAKER), build_dune_assets(READER)])],
    ):
        with pytest.raises(DuneConfigurationError, match=r"are named 'dune_assets'.*name=\.\.\."):
            merge_dune_definitions(*parts)


def test_one_asset_in_two_definitions_is_an_error_that_names_the_settings():
    with pytest.raises(
        DuneCatalogError, match=r"dune/acme/result_daily is made by 'dune_assets' and by 'again'"
    ) as told:
        merge_dune_definitions(build_dune_definitions(MAKER), build_dune_definitions(MAKER, name="again"))
    assert "upstream_exclude" in str(told.value)


def test_two_resources_of_one_key_are_an_error_that_names_the_setting():
    one, other = (build_dune_definitions(MAKER, name=name, resource=DuneResource(api_key=name)) for name in "ab")
    with pytest.raises(
        DuneConfigurationError, match=r"under the key 'dune'\. Give build_dune_definitions\(resource_key"
    ):
        merge_dune_definitions(dg.Definitions(resources=one.resources), other)


OF_OLD_KIND = 'tag:x or kind:"materialized_view"+'


@pytest.mark.parametrize(
    "part",
    [
        dg.Definitions(jobs=[dg.define_asset_job("daily", selection="kind:materialized_view")]),
        dg.Definitions(schedules=[dg.ScheduleDefinition(name="d", target=OF_OLD_KIND, cron_schedule="0 6 * * *")]),
        dg.Definitions(
            jobs=[dg.define_asset_job("all", dg.AssetSelection.all() - dg.AssetSelection.kind("materialized_view"))]
        ),
    ],
)
def test_a_job_of_the_kind_that_matviews_had_is_refused(part):
    with pytest.raises(DuneConfigurationError, match=r"selects kind:materialized_view.*write kind:view\."):
        merge_dune_definitions(build_dune_definitions(MAKER), part)
    named = dg.ScheduleDefinition(job_name="daily", cron_schedule="0 6 * * *")
    new = dg.Definitions(jobs=[dg.define_asset_job("daily", selection="kind:view")], schedules=[named])
    merge_dune_definitions(build_dune_definitions(MAKER), new)

    class WithOldKind(DagsterDuneTranslator):
        def get_asset_spec(self, obj):
            spec = super().get_asset_spec(obj)
            return spec.replace_attributes(kinds={*spec.kinds, "materialized_view"})

    merge_dune_definitions(build_dune_definitions(MAKER, translator=WithOldKind()), part)


def test_other_parts_are_joined_as_dagster_does():
    @dg.op
    def nothing() -> None:
        pass

    @dg.job
    def job():
        nothing()

    one = dg.Definitions(jobs=[job], schedules=[dg.ScheduleDefinition(job=job, cron_schedule="0 0 * * *")])
    defs = merge_dune_definitions(build_dune_definitions(MAKER), one)
    assert [schedule.job_name for schedule in defs.schedules] == ["job"]
    assert merge_dune_definitions().assets in (None, [])


@pytest.mark.parametrize(
    ("excluded", "told"),
    [
        (
            ["dune.acme.result_dayly", "dune.acme.*"],
            "is named dune.acme.result_dayly (Did you mean dune.acme.result_daily?). They read dex.trades, ",
        ),
        ([f"t.x_{n}" for n in range(12)], "is named t.x_0, t.x_1, t.x_2, t.x_3, t.x_4 and 7 more. They read"),
    ],
)
def test_a_name_to_exclude_that_nothing_reads_is_told(caplog, excluded, told):
    catalog = DuneCatalog(
        queries=[Query(query_id=1, deps=[DAILY, "dex.trades", "prices.day", "query_77777"])],
        external=[DAILY, "query_77777"],
    )
    build_dune_definitions(catalog, upstream_exclude=excluded)
    (warning,) = [record.getMessage() for record in caplog.records]
    assert warning.startswith("upstream_exclude: nothing that the assets read from elsewhere is named")
    assert warning.endswith("They read dex.trades, dune.acme.result_daily, prices.day and 1 more.")
    assert told in warning


def test_a_name_to_exclude_where_nothing_is_read_from_elsewhere_is_told(caplog):
    build_dune_definitions(DuneCatalog(queries=[Query(query_id=1, deps=[])]), upstream_exclude="dex.*")
    assert "upstream_exclude: dex.* means nothing: all that the assets read is made by them." in caplog.text


def test_a_query_to_exclude_is_named_by_its_id_too(caplog):
    catalog = DuneCatalog(queries=[Query(query_id=1, deps=["query_77777", "dex.trades"])], external=["query_77777"])
    for excluded in (77777, "77777", "query_77777", ["QUERY_7777?"]):
        defs = build_dune_definitions(catalog, upstream_exclude=excluded)
        assert {spec.key.to_user_string() for spec in defs.assets if isinstance(spec, dg.AssetSpec)} == {
            "dune/dex/trades"
        }
    assert not caplog.records


def test_excluded_names_are_looked_up_however_many_there_are():
    """A component excludes all names that its siblings make."""

    def defining(count):
        catalog = DuneCatalog(queries=[Query(query_id=1, deps=[f"dex.t_{number}" for number in range(count)])])
        excluded = [f"dex.x_{number}" for number in range(count)]
        return lambda: build_dune_definitions(catalog, upstream_exclude=excluded)

    assert growth_of(defining, few=50, many=400) < 16  # 8 times as many
