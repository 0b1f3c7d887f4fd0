"""What users give to the functions of the root, and Python would take or refuse with an error from far inside."""

import dagster as dg
import pytest
from pydantic import ConfigDict

from dagster_dune import (
    DagsterDuneTranslator,
    DuneCatalog,
    DuneCatalogError,
    DuneConfigurationError,
    DuneIOManager,
    DunePlanError,
    DuneResource,
    DuneRunConfig,
    MaterializedView,
    Query,
    build_dune_asset_selection,
    build_dune_assets,
    build_dune_definitions,
    build_dune_refresh_sensor,
    build_schedule_from_dune_selection,
    dune_assets,
    merge_dune_definitions,
)

CATALOG = DuneCatalog(queries=[Query(query_id=1)])
ACME = build_dune_assets(CATALOG)
DUNE = DuneResource(api_key="key")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: DuneResource(api_key="a-secret", polling=1), "DuneResource has no setting 'polling'. Did you mean "),
        (lambda: DuneResource(api_key="a-secret", max_node=1), "'max_node'. Did you mean 'max_nodes'?"),
        (lambda: DuneRunConfig(performanc="large"), "DuneRunConfig has no setting 'performanc'. Did you mean 'perf"),
        (lambda: DuneRunConfig(zzz=1), "There are asset_performance, performance, pipeline_form, query_parameters."),
        (lambda: DuneIOManager(dune=DUNE, uint="float"), "DuneIOManager has no setting 'uint'."),
    ],
)
def test_a_setting_that_does_not_exist_is_refused(make, words):
    with pytest.raises(DuneConfigurationError) as error:
        make()
    assert words in str(error.value)
    assert "a-secret" not in str(error.value)


def test_a_subclass_may_have_settings_of_its_own_or_take_any():
    class Own(DuneResource):
        region: str = "eu"

    class Any(DuneResource):
        model_config = ConfigDict(extra="allow")

    assert Own(api_key="key", region="us").region == "us"
    assert Any(api_key="key", region="us").region == "us"
    with pytest.raises(DuneConfigurationError, match=r"Own has no setting 'regoin'\. Did you mean 'region'"):
        Own(api_key="key", regoin="us")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: build_dune_assets(CATALOG, query_views="inlined"), "query_views='inlined' is none of assets, inline."),
        (lambda: dune_assets(catalog=CATALOG, query_views=None), "query_views=None is none of assets, inline."),
        (lambda: build_dune_assets(CATALOG, pipeline_form="graph"), "pipeline_form='graph' is none of nodes, lineage."),
        (
            lambda: build_dune_definitions(CATALOG, resource=None, pipeline_form="graph"),
            "pipeline_form='graph' is none of nodes, lineage.",
        ),
    ],
)
def test_a_choice_that_does_not_exist_is_refused_where_it_is_made(make, words):
    with pytest.raises(DuneConfigurationError) as error:
        make()
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: build_dune_assets("queries"), "catalog must be a DuneCatalog, not 'queries'. Read it first: DuneCat"),
        (lambda: build_dune_assets(5), "catalog must be a DuneCatalog, not an int."),
        (lambda: dune_assets(catalog=[Query(query_id=1)]), "catalog must be a DuneCatalog, not a list."),
        (lambda: build_dune_definitions("queries", resource=None), "catalog must be a DuneCatalog, not 'queries'."),
        (
            lambda: build_dune_assets(CATALOG, translator=DagsterDuneTranslator),
            "translator must be a DagsterDuneTranslator, not the class DagsterDuneTranslator. Write DagsterDuneTransla",
        ),
        (
            lambda: build_dune_definitions(CATALOG, resource=DuneResource),
            "resource must be a DuneResource, not the class DuneResource. Write DuneResource().",
        ),
        (lambda: build_dune_definitions(CATALOG, resource="dune"), "resource must be a DuneResource, not 'dune'."),
        (lambda: build_dune_assets(CATALOG, checks=["x"]), "checks must be a list of DuneCheck, and holds 'x'."),
        (
            lambda: build_schedule_from_dune_selection([ACME], "x", "0 6 * * *", config={"performance": "large"}),
            "config must be a DuneRunConfig, not a dict.",
        ),
        (lambda: build_dune_asset_selection(ACME), "assets must be a list of asset definitions, not one. Write [...]"),
        (lambda: build_schedule_from_dune_selection(ACME, "daily", "0 6 * * *"), "not one. Write [...] around it."),
        (lambda: build_dune_refresh_sensor(ACME), "not one. Write [...] around it."),
        (lambda: build_dune_refresh_sensor(["acme"]), "assets must be a list of asset definitions, and holds 'acme'."),
        (
            lambda: build_dune_refresh_sensor([dg.Definitions(assets=[ACME])]),
            "assets must be a list of asset definitions, and holds a Definitions.",
        ),
        (
            lambda: merge_dune_definitions([dg.Definitions()]),
            "type Definitions, not a list. Give each by itself: merge_",
        ),
    ],
)
def test_another_thing_than_is_asked_for_is_told_by_its_name(make, words):
    with pytest.raises(DuneConfigurationError) as error:
        make()
    assert words in str(error.value)


def test_a_most_of_no_node_is_refused():
    with pytest.raises(DuneConfigurationError, match="max_nodes must be at least 1, but is 0"):
        DuneResource(api_key="key", max_nodes=0)


@pytest.mark.parametrize("config", [{"performance": "very large"}, {"asset_performance": {"1": "very large"}}])
def test_a_tier_of_a_schedule_is_refused_where_the_schedule_is_defined(config):
    with pytest.raises(DunePlanError, match="asks for the tier 'very large'"):
        build_schedule_from_dune_selection([ACME], "x", "0 6 * * *", config=DuneRunConfig(**config))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            {"asset_performance": {"dune/query_2": "large"}},
            "names 'dune/query_2' in asset_performance, which is not selected. Did you mean dune/query_1?",
        ),
        ({"query_parameters": {"zzz": {"limit": 1}}}, "names 'zzz' in query_parameters, which is not selected."),
        ({"query_parameters": {"1": {"limi": 1}}}, "'limi'"),
        ({"asset_performance": {"1": "large", "dune/query_1": "small"}}, "as '1' and as 'dune/query_1'"),
        ({"query_parameters": {"1": {"limit": 1}, "query_1": {"limit": 2}}}, "with 1 and 2 for 'limit'"),
        ({"query_parameters": {"result_a": {"limit": 1}}}, "names 'result_a' in query_parameters"),
        ({"query_parameters": {"dune.acme.result_a": {"limit": 1}}}, "is a matview, which Dune refreshes without"),
    ],
)
def test_a_configuration_that_each_run_would_refuse_is_refused_where_the_schedule_is_defined(config, words):
    acme = build_dune_assets(
        DuneCatalog(
            queries=[Query(query_id=1, parameters=[{"key": "limit", "type": "number"}]), Query(query_id=7)],
            materialized_views=[MaterializedView(name="dune.acme.result_a")],
        )
    )
    with pytest.raises((DunePlanError, DuneCatalogError)) as error:
        build_schedule_from_dune_selection([acme], "x", "0 6 * * *", exclude="7", config=DuneRunConfig(**config))
    assert words in str(error.value)
