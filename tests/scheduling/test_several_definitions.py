"""The configuration of a schedule whose assets are of several definitions, or of several steps of one."""

import dagster as dg
import pytest

from dagster_dune import (
    DagsterDuneTranslator,
    DuneCatalog,
    DuneCheck,
    DunePlanError,
    DuneRunConfig,
    MaterializedView,
    Query,
    build_dune_assets,
    build_schedule_from_dune_selection,
)

DEX = build_dune_assets(
    DuneCatalog(
        queries=[Query(query_id=1, tags=["dex"]), Query(query_id=4)],
        checks=[DuneCheck(asset="query_1", name="few", kind="rows", query_id=4)],
    ),
    name="dex",
)
NFT = build_dune_assets(DuneCatalog(queries=[Query(query_id=2, tags=["nft", "daily"])]), name="nft")
GAS = build_dune_assets(DuneCatalog(queries=[Query(query_id=3, tags=["gas"])]), name="gas")


class Between(DagsterDuneTranslator):
    """Puts a Python asset between the matview and the query, so that there are two steps."""

    def get_asset_spec(self, obj):
        spec = super().get_asset_spec(obj)
        return spec.merge_attributes(deps=["limits"]) if isinstance(obj, Query) else spec


SPLIT = build_dune_assets(
    DuneCatalog(
        materialized_views=[MaterializedView(name="dune.acme.result_a", query_id=5)], queries=[Query(query_id=6)]
    ),
    name="split",
    translator=Between(),
)


@dg.asset(deps=[["dune", "acme", "result_a"]])
def limits() -> None:
    pass


ALL = [DEX, NFT, GAS, SPLIT]


@pytest.fixture
def run_job(dune, resource, instance):
    """A function that runs the job of a schedule over all definitions, as a code location has it."""
    parameters = [{"key": "least", "type": "number", "value": "0"}]
    for query_id in (1, 2, 3, 6):
        dune.load_query(query_id, f"q{query_id}", "SELECT {{least}} AS n", parameters=parameters)
    dune.load_query(4, "few", "SELECT 1 AS n WHERE 1 < {{least}}", parameters=parameters)
    dune.load_query(5, "a", "SELECT 1 AS n")
    dune.load_materialized_view("dune.acme.result_a", 5)

    def go(config, **selection):
        schedule = build_schedule_from_dune_selection(ALL, "some", "0 6 * * *", config=config, **selection)
        defs = dg.Definitions(assets=[*ALL, limits], schedules=[schedule], resources={"dune": resource})
        dg.Definitions.validate_loadable(defs)
        return defs.resolve_job_def("some").execute_in_process(instance=instance, raise_on_error=False)

    return go


def sent(calls):
    """By query or matview, its tier and parameters."""
    targets = [
        node.get("materialized_view_refresh") or node["query_execution"]
        for body in calls()
        for node in body["pipeline"]["nodes"]
    ]
    return {
        target.get("name") or target["query_id"]: (target.get("performance"), target.get("query_parameters"))
        for target in targets
    }


@pytest.mark.parametrize(
    ("selection", "queries"),
    [
        ({"select": "tag:dex"}, {1, 4}),
        ({"select": ["tag:nft", "tag:gas"]}, {2, 3}),
        ({"exclude": ["tag:gas", "1", "kind:view", "6"]}, {2}),
        ({"select": "6"}, {6}),
        ({"select": ["6", "result_a"]}, {6, "dune.acme.result_a"}),
    ],
)
def test_the_configuration_is_of_the_definitions_that_the_selection_touches(run_job, calls, selection, queries):
    assert run_job(DuneRunConfig(performance="large"), **selection).success
    assert sent(calls) == dict.fromkeys(queries, ("large", None))


@pytest.mark.parametrize("name", ["query_1", "1", "dune/query_1"])
def test_an_asset_is_named_to_the_definition_that_has_it(run_job, calls, name):
    config = DuneRunConfig(
        performance="large",
        asset_performance={name: "small"},
        query_parameters={"dune/query_1:few": {"least": 1}, "query_2": {"least": 2}},
    )
    assert run_job(config, select=["tag:dex", "tag:nft", "6"]).success
    assert sent(calls) == {
        1: ("small", None),
        4: ("large", {"least": "1"}),
        2: ("large", {"least": "2"}),
        6: ("large", None),
    }


@pytest.mark.parametrize("name", ["query_3", "dune/nothing", "dune/query_1:fewer"])
@pytest.mark.parametrize("field", ["asset_performance", "query_parameters"])
def test_what_the_job_does_not_run_is_refused_where_it_is_defined(field, name):
    config = DuneRunConfig(**{field: {name: "large" if field == "asset_performance" else {}}})
    with pytest.raises(DunePlanError, match=f"names {name!r} in {field}, which is not selected"):
        build_schedule_from_dune_selection(ALL, "some", "0 6 * * *", select=["tag:dex", "tag:nft"], config=config)


class Team(DagsterDuneTranslator):
    """Gives what a definition holds a prefix."""

    def __init__(self, prefix):
        self.prefix = prefix

    def get_asset_spec(self, obj):
        spec = super().get_asset_spec(obj)
        return spec.replace_attributes(key=spec.key.with_prefix(self.prefix))


TEAMS = [
    build_dune_assets(DuneCatalog(queries=[Query(query_id=1)]), name=f"team_{prefix}", translator=Team(prefix))
    for prefix in "ab"
]


def test_a_query_of_two_definitions_is_named_by_its_key_in_each(dune, resource, instance, calls):
    dune.load_query(1, "one", "SELECT 1 AS n")
    config = DuneRunConfig(asset_performance={"a/dune/query_1": "large", "b/dune/query_1": "small"})
    schedule = build_schedule_from_dune_selection(TEAMS, "some", "0 6 * * *", config=config)
    defs = dg.Definitions(assets=TEAMS, schedules=[schedule], resources={"dune": resource})
    assert defs.resolve_job_def("some").execute_in_process(instance=instance, raise_on_error=False).success
    tiers = [node["query_execution"]["performance"] for body in calls() for node in body["pipeline"]["nodes"]]
    assert sorted(tiers) == ["large", "small"]


def test_an_empty_tier_of_an_asset_is_refused_where_it_is_defined():
    with pytest.raises(DunePlanError, match="asks for the tier ''"):
        build_schedule_from_dune_selection(
            TEAMS, "some", "0 6 * * *", config=DuneRunConfig(asset_performance={"query_1": ""})
        )
