"""What a run's own configuration changes, and what of it is refused before any request."""

from datetime import UTC, datetime
from decimal import Decimal

import dagster as dg
import pytest
import yaml
from pydantic import field_validator

from dagster_dune import (
    DagsterDuneTranslator,
    DuneCatalog,
    DuneCheck,
    DuneIOManager,
    DuneResource,
    DuneRunConfig,
    MaterializedView,
    Query,
    QueryParameter,
    QueryPartitions,
    build_dune_assets,
    dune_assets,
)

DAILY = "dune.acme.result_daily"
CATALOG = DuneCatalog(
    materialized_views=[MaterializedView(name=DAILY, query_id=1, performance="medium")],
    queries=[
        Query(
            query_id=10,
            slug="by_chain",
            deps=[DAILY],
            parameters=[
                QueryParameter(key="Min Amount", type="number", default="0"),
                QueryParameter(key="chain", type="enum", options=("base", "bnb"), default="base"),
                QueryParameter(key="since", type="datetime"),
                QueryParameter(key="wallet"),
                QueryParameter(key="labels", multiple=True),
            ],
            query_parameters={"Min Amount": 1},
        )
    ],
)
ASSETS = build_dune_assets(CATALOG)


@pytest.fixture
def run(dune, resource, instance):
    dune.load_query(1, "daily", "SELECT chain, amount FROM (VALUES ('base', 1), ('bnb', 2)) AS t (chain, amount)")
    dune.load_query(
        10,
        "by chain",
        f"SELECT chain, '{{{{since}}}}' AS since, '{{{{wallet}}}}' AS wallet, '{{{{labels}}}}' AS labels FROM {DAILY} "
        "WHERE amount >= {{Min Amount}} AND chain = '{{chain}}'",
        parameters=[
            {"key": "Min Amount", "type": "number", "value": "0"},
            {"key": "chain", "type": "enum", "value": "base", "enumOptions": ["base", "bnb"]},
            {"key": "since", "type": "datetime", "value": "2026-01-01 00:00:00"},
            {"key": "wallet", "type": "text", "value": ""},
            {"key": "labels", "type": "text", "values": ["a"], "isMultiselect": True},
        ],
    )
    dune.load_materialized_view(DAILY, 1)

    def go(**config):
        return dg.materialize(
            [ASSETS],
            resources={"dune": resource},
            instance=instance,
            raise_on_error=False,
            run_config=dg.RunConfig(ops={"dune_assets": DuneRunConfig(**config)}),
        )

    return go


def targets(calls):
    (body,) = calls()
    return [node.get("materialized_view_refresh") or node["query_execution"] for node in body["pipeline"]["nodes"]]


def test_nothing_set_changes_nothing(run, calls):
    assert run().success
    assert targets(calls) == [
        {"name": DAILY, "performance": "medium"},
        {"query_id": 10, "query_parameters": {"Min Amount": "1"}},
    ]


def test_tiers_for_the_run_and_for_single_assets(run, calls):
    assert run(performance="large", asset_performance={"dune/acme/result_daily": "medium"}).success
    assert [target["performance"] for target in targets(calls)] == ["medium", "large"]


def test_an_asset_may_be_named_twice_to_the_same_effect(run, calls):
    same = {"10": "large", "query_10": "large", "dune/by_chain_10": "large"}
    parameters = {"10": {"chain": "bnb", "Min Amount": 2}, "dune/by_chain_10": {"Min Amount": "2", "wallet": "w"}}
    assert run(asset_performance=same, query_parameters=parameters).success
    assert targets(calls)[1]["performance"] == "large"
    assert targets(calls)[1]["query_parameters"] == {"Min Amount": "2", "chain": "bnb", "wallet": "w"}


def test_parameters_join_those_of_the_catalog(run, calls):
    assert run(query_parameters={"dune/by_chain_10": {"chain": "bnb", "since": "2026-02-01 00:00:00"}}).success
    assert targets(calls)[1]["query_parameters"] == {
        "Min Amount": "1",
        "chain": "bnb",
        "since": "2026-02-01 00:00:00",
    }


def test_objects_may_be_named_as_sql_names_them(run, calls):
    assert run(query_parameters={"query_10": {"Min Amount": 2.5}}).success
    assert targets(calls)[1]["query_parameters"] == {"Min Amount": "2.5"}


def latest_rows(client):
    return client.get_query_results(10).result.rows


def launched(given):
    """What the launchpad hands over, which reads YAML 1.1 without dates."""
    loader = type("Loader", (yaml.SafeLoader,), {})
    loader.yaml_implicit_resolvers = {
        first: [(tag, words) for tag, words in resolvers if not tag.endswith("timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return yaml.load(given, loader)


@pytest.mark.parametrize("typed", ["2024-01-31", "12:30", "a: b", "1e5", "0b", "0xZZ", "é", "7 days"])
def test_texts_arrive_as_they_were_typed(run, client, calls, typed):
    value = launched(f"'{typed}'") if ":" in typed else launched(typed)
    assert run(query_parameters={"query_10": {"wallet": value, "chain": "bnb"}}).success
    assert targets(calls)[1]["query_parameters"]["wallet"] == typed
    assert [row["wallet"] for row in latest_rows(client)] == [typed]


def test_several_values_are_a_json_array_and_may_hold_commas(run, client, calls):
    assert run(query_parameters={"query_10": {"labels": ["dex, spot", "nft"]}}).success
    assert targets(calls)[1]["query_parameters"]["labels"] == ["dex, spot", "nft"]
    assert [row["labels"] for row in latest_rows(client)] == ["dex, spot,nft"]


def test_decimals_and_times_of_a_zone_are_written_as_dune_takes_them(run, calls):
    since = datetime.fromisoformat("2024-01-31T01:00:00+02:00")
    assert run(query_parameters={"query_10": {"Min Amount": Decimal("0.10"), "since": since}}).success
    assert targets(calls)[1]["query_parameters"] == {"Min Amount": "0.10", "since": "2024-01-30 23:00:00"}
    assert run(query_parameters={"query_10": {"since": datetime(2024, 2, 1, tzinfo=UTC)}}).success


def test_the_form_can_be_set_for_a_run(run, calls, capfd):
    assert run(pipeline_form="lineage").success
    assert "What the catalog sets does not count: dune.acme.result_daily (medium)." in capfd.readouterr().err
    assert calls() == [{"query_id": 10, "query_parameters": {"Min Amount": "1"}}]


@pytest.mark.parametrize(
    "config",
    [
        {"performance": "large"},
        {"asset_performance": {"query_10": "large", "dune.acme.result_daily": "large"}},
        {"performance": "medium", "asset_performance": {"query_10": "large", "dune/acme/result_daily": "large"}},
    ],
)
def test_one_tier_for_all_goes_with_the_query_of_the_lineage_form(run, calls, config):
    assert run(pipeline_form="lineage", **config).success
    assert [body["performance"] for body in calls()] == ["large"]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"performance": "very large"}, ["'very large'", "small, medium, large, free"]),
        ({"asset_performance": {"dune/by_chain": "large"}}, ["'dune/by_chain'", "Did you mean dune/by_chain_10?"]),
        ({"asset_performance": {"zzz": "large"}}, ["'zzz'", "dune/acme/result_daily, dune/by_chain_10"]),
        ({"query_parameters": {"dune/by_chain_10": {"Chain": "base"}}}, ["no parameter 'Chain'", "'chain'"]),
        ({"query_parameters": {"dune/by_chain_10": {"Min Amount": "many"}}}, ["must be a number, not 'many'"]),
        ({"query_parameters": {"dune/by_chain_10": {"chain": "solana"}}}, ["one of 'base', 'bnb'"]),
        ({"query_parameters": {"dune/by_chain_10": {"since": "soon"}}}, ["must be a datetime"]),
        ({"query_parameters": {"dune/by_chain_10": {"chain": ["base", "bnb"]}}}, ["chain"]),
        ({"query_parameters": {"dune/acme/result_daily": {"x": 1}}}, ["is a matview"]),
        ({"query_parameters": {"query_10": {"wallet": 0xD8DA6BF2}}}, ["'wallet' of query_10", "Put it in quotes"]),
        ({"query_parameters": {"query_10": {"wallet": launched("no")}}}, ["is a text", "False", "quotes"]),
        ({"query_parameters": {"query_10": {"labels": launched("[a, 0123]")}}}, ["'labels'", "83", "quotes"]),
        ({"pipeline_form": "both"}, ["'both'", "nodes, lineage"]),
        (
            {"asset_performance": {"dune/by_chain_10": "large", "query_10": "medium"}},
            ["twice in asset_performance, as 'dune/by_chain_10' and as 'query_10', with 'large' and 'medium'", "Leave"],
        ),
        ({"asset_performance": {"query_10": "large", "10": "medium"}}, ["as 'query_10' and as '10'"]),
        (
            {"asset_performance": {DAILY: "large", "dune/acme/result_daily": "small"}, "pipeline_form": "lineage"},
            [f"as '{DAILY}' and as 'dune/acme/result_daily', with 'large' and 'small'"],
        ),
        (
            {"query_parameters": {"10": {"chain": "bnb", "wallet": "x"}, "query_10": {"wallet": "x", "chain": "base"}}},
            ["twice in query_parameters, as '10' and as 'query_10', with 'bnb' and 'base' for 'chain'"],
        ),
        (
            {"pipeline_form": "lineage", "asset_performance": {"dune/acme/result_daily": "large"}},
            [
                "tier of query_10 (none is set)",
                "another one: dune.acme.result_daily (large)",
                "Set the same performance",
            ],
        ),
        (
            {"pipeline_form": "lineage", "performance": "small", "asset_performance": {"query_10": "large"}},
            ["tier of query_10 (large)", "another one: dune.acme.result_daily (small)"],
        ),
    ],
)
def test_what_is_wrong_is_refused_before_any_request(run, dune, config, words):
    result = run(**config)
    (event,) = result.get_step_failure_events()
    told = event.step_failure_data.user_failure_data.description
    assert all(word in told for word in words), told
    assert dune.journal() == []


@pytest.mark.parametrize(
    "words",
    [
        DuneResource(api_key="key").get_resource_definition().description,
        DuneIOManager(dune=DuneResource(api_key="key")).get_resource_definition().description,
        DuneRunConfig.to_config_schema().as_field().description,
    ],
    ids=["resource", "io manager", "run config"],
)
def test_the_launchpad_has_words_for_users(words):
    assert len(words) > 20
    assert not [code for code in (">>>", "Args:", "Examples:", "Raises:") if code in words]


def test_the_launchpad_describes_every_field():
    fields = ASSETS.op.config_schema.config_type.fields
    assert set(fields) == {"performance", "asset_performance", "query_parameters", "pipeline_form"}
    assert all(field.description for field in fields.values())


def test_saved_defaults_of_unset_parameters_are_shown():
    parameters = [
        QueryParameter(key="chain", default="ethereum"),
        QueryParameter(key="limit", type="number", default="20"),
        QueryParameter(key="day", default="2024-01-01"),
        QueryParameter(key="note"),
    ]
    partitions = QueryPartitions(kind="static", keys=["a"], parameters={"day": "{partition_key}"})
    query = Query(query_id=1, parameters=parameters, query_parameters={"limit": 5}, partitions=partitions)
    (spec,) = build_dune_assets(DuneCatalog(queries=[query])).specs
    assert spec.metadata["dagster-dune/default_parameters"].value == {"chain": "ethereum"}
    assert spec.metadata["dagster-dune/query_parameters"].value == {"limit": "5"}
    assert spec.metadata["dagster-dune/partition_parameters"].value == {"day": "{partition_key}"}


# --- checks ---

CHECKED = DuneCatalog(
    materialized_views=[MaterializedView(name=DAILY, query_id=1)],
    queries=[Query(query_id=20, deps=[DAILY], parameters=[QueryParameter(key="least", type="number", default="0")])],
    checks=[DuneCheck(asset=DAILY, name="small", kind="rows", query_id=20)],
)


@pytest.fixture
def run_checked(dune, resource, instance):
    dune.load_query(1, "daily", "SELECT amount FROM (VALUES 1, 2) AS t (amount)")
    least = [{"key": "least", "type": "number", "value": "0"}]
    dune.load_query(20, "small", f"SELECT amount FROM {DAILY} WHERE amount < {{{{least}}}}", parameters=least)
    dune.load_materialized_view(DAILY, 1)

    def go(**config):
        return dg.materialize(
            [build_dune_assets(CHECKED)],
            resources={"dune": resource},
            instance=instance,
            raise_on_error=False,
            run_config={"ops": {"dune_assets": {"config": config}}},
        )

    return go


@pytest.mark.parametrize("name", ["query_20", "20", "dune/acme/result_daily:small"])
def test_a_run_sets_the_tier_and_the_parameters_of_checks_too(run_checked, calls, name):
    result = run_checked(performance="large", asset_performance={name: "medium"}, query_parameters={name: {"least": 2}})
    assert targets(calls) == [
        {"name": DAILY, "performance": "large"},
        {"query_id": 20, "performance": "medium", "query_parameters": {"least": "2"}},
    ]
    (found,) = result.get_asset_check_evaluations()
    assert not found.passed


def test_the_tier_of_a_run_is_that_of_its_checks(run_checked, calls):
    assert run_checked(performance="large").success
    assert [target["performance"] for target in targets(calls)] == ["large", "large"]


def test_what_no_check_of_the_run_is_called_is_refused(run_checked, dune):
    (event,) = run_checked(asset_performance={"dune/acme/result_daily:smal": "large"}).get_step_failure_events()
    assert "Did you mean dune/acme/result_daily:small?" in event.step_failure_data.user_failure_data.description
    assert dune.journal() == []


# --- a definition that Dagster splits into steps ---


class Between(DagsterDuneTranslator):
    """Puts a Python asset between the matview and the query, so that there are two steps."""

    def get_asset_spec(self, obj):
        spec = super().get_asset_spec(obj)
        return spec.merge_attributes(deps=["limits"]) if isinstance(obj, Query) else spec


SPLIT = build_dune_assets(CATALOG, translator=Between())


@dg.asset(deps=[["dune", "acme", "result_daily"]])
def limits() -> None:
    pass


@pytest.fixture
def run_split(run, resource, instance):
    def go(*, selection=None, **ops):
        config = {"ops": {name: {"config": given} for name, given in ops.items()}}
        return dg.materialize(
            [SPLIT, limits],
            selection=selection,
            resources={"dune": resource},
            instance=instance,
            raise_on_error=False,
            run_config=config,
        )

    return go


def sent(calls):
    """By step, in order, what was asked of Dune."""
    return [
        node.get("materialized_view_refresh") or node["query_execution"]
        for body in calls()
        for node in body["pipeline"]["nodes"]
    ]


def test_the_configuration_of_the_definition_reaches_each_of_its_steps(run_split, calls):
    parameters = {"dune/by_chain_10": {"chain": "bnb"}}
    result = run_split(dune_assets={"performance": "large", "query_parameters": parameters})
    assert result.success
    assert {event.step_key for event in result.all_events if event.step_key} == {
        "dune_assets",
        "limits",
        "dune_assets_2",
    }
    matview, query = sent(calls)
    assert (matview["performance"], query["performance"]) == ("large", "large")
    assert query["query_parameters"] == {"Min Amount": "1", "chain": "bnb"}


def test_what_is_said_to_a_step_alone_wins_there(run_split, calls):
    shared = {"performance": "large", "query_parameters": {"query_10": {"chain": "bnb", "Min Amount": 2}}}
    own = {"performance": "small", "query_parameters": {"10": {"chain": "base"}}}
    assert run_split(dune_assets=shared, dune_assets_2=own).success
    matview, query = sent(calls)
    assert (matview["performance"], query["performance"]) == ("large", "small")
    assert query["query_parameters"] == {"Min Amount": "2", "chain": "base"}


@pytest.mark.parametrize(
    ("ops", "selection", "words"),
    [
        ({"dune_assets": {"asset_performance": {"dune/by_chain": "large"}}}, None, "Did you mean dune/by_chain_10?"),
        (
            {"dune_assets_2": {"asset_performance": {"dune/acme/result_daily": "large"}}},
            None,
            "which is not selected.\nSelected are dune/by_chain_10.",
        ),
        (
            {"dune_assets": {"query_parameters": {"query_10": {"chain": "bnb"}}}},
            ["dune/acme/result_daily", "limits"],
            "names 'query_10' in query_parameters, which is not selected",
        ),
    ],
)
def test_what_would_be_ignored_is_refused(run_split, ops, selection, words):
    result = run_split(selection=selection, **ops)
    assert not result.success
    assert words in result.get_step_failure_events()[0].step_failure_data.user_failure_data.description


def test_the_configuration_of_a_job_reaches_each_step_too(run, resource, instance, calls):
    config = dg.RunConfig(ops={"dune_assets": DuneRunConfig(performance="large")})
    job = dg.define_asset_job("all_of_it", config=config)
    defs = dg.Definitions(assets=[SPLIT, limits], jobs=[job], resources={"dune": resource})
    assert defs.resolve_job_def("all_of_it").execute_in_process(instance=instance).success
    assert [target["performance"] for target in sent(calls)] == ["large", "large"]


def test_keys_without_values(run_split, calls):
    assert run_split(dune_assets={"query_parameters": None, "asset_performance": None, "performance": None}).success
    sent_before = len(calls())
    result = run_split(dune_assets_2={"query_parameters": {"query_10": {"wallet": None}}})
    (event,) = result.get_step_failure_events()
    told = event.step_failure_data.user_failure_data.description
    assert "The parameter 'wallet' of query_10 is given no value.\nLeave it out to keep its default" in told
    assert len(calls()) == sent_before + 1


def test_a_variable_of_the_environment_reaches_each_step(run_split, calls, monkeypatch):
    monkeypatch.setenv("TIER", "large")
    assert run_split(dune_assets={"performance": {"env": "TIER"}}).success
    assert [target["performance"] for target in sent(calls)] == ["large", "large"]


def test_a_definition_of_ones_own_has_its_own_rules_for_each_step(run, resource, instance, calls):
    allowed = {"large"}

    class Approved(DuneRunConfig):
        @field_validator("performance")
        @classmethod
        def _is_allowed(cls, tier):
            assert tier is None or tier in allowed, f"{tier} was not approved"
            return tier

    @dune_assets(catalog=CATALOG, translator=Between())
    def approved(context: dg.AssetExecutionContext, dune: DuneResource, config: Approved):
        yield from dune.run(context, config=config)

    @dg.asset(deps=[["dune", "acme", "result_daily"]], name="limits")
    def no_more() -> None:
        allowed.clear()

    result = dg.materialize(
        [approved, no_more],
        resources={"dune": resource},
        instance=instance,
        raise_on_error=False,
        run_config={"ops": {"approved": {"config": {"performance": "large"}}}},
    )
    (event,) = result.get_step_failure_events()
    told = event.step_failure_data.user_failure_data.description
    assert "The run's configuration of approved, which counts for approved_2 too, cannot be read: " in told
    assert "large was not approved" in told
    assert [target["performance"] for target in sent(calls)] == ["large"]
