"""Automation, freshness and kinds of the catalog: as specs, and by the real daemon."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import automated_location
import dagster as dg
import pytest
from deployment import Deployment
from waiting import wait_until

from dagster_dune import (
    DagsterDuneTranslator,
    DuneCatalog,
    DuneCatalogError,
    DuneCheck,
    DuneResource,
    MaterializedView,
    Query,
    build_dune_assets,
)

LOCATION = Path(automated_location.__file__)
FIRST, SECOND, LAST = "dune/acme/result_first", "dune/acme/result_second", "dune/last_11"


def only_spec(**fields):
    (spec,) = build_dune_assets(DuneCatalog(queries=[Query(query_id=1, **fields)])).specs
    return spec


def test_the_catalog_sets_what_an_asset_is_like():
    spec = only_spec(
        automation="eager",
        freshness={"fail_hours": 26, "warn_hours": 24},
        kinds=["report"],
        owners=["team:dex"],
        tags=["daily"],
        group="overview",
    )
    assert spec.automation_condition == dg.AutomationCondition.eager()
    assert spec.freshness_policy == dg.FreshnessPolicy.time_window(timedelta(hours=26), timedelta(hours=24))
    assert spec.kinds == {"dune", "query", "report"}
    assert (list(spec.owners), spec.group_name, spec.tags["daily"]) == (["team:dex"], "overview", "")


def test_a_cron_is_dagsters_own():
    spec = only_spec(automation={"condition": "on_cron", "cron": "0 6 * * *", "timezone": "Europe/Berlin"})
    assert spec.automation_condition == dg.AutomationCondition.on_cron("0 6 * * *", "Europe/Berlin")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"automation": "on_cron"}, "on_cron needs cron"),
        ({"automation": {"condition": "eager", "cron": "0 6 * * *"}}, "eager takes no cron"),
        ({"automation": {"condition": "on_cron", "cron": "daily"}}, "must have five fields"),
        ({"automation": {"condition": "on_cron", "cron": "61 6 * * *"}}, "is no cron"),
        ({"automation": {"condition": "on_cron", "cron": "0 0 31 2 *"}}, "Dagster does not take the cron"),
        ({"automation": {"condition": "on_cron", "cron": "0 6 * * *", "timezone": "Mars"}}, "no time zone 'Mars'"),
        ({"freshness": {"fail_hours": 1, "warn_hours": 2}}, "must be less than fail_hours"),
    ],
)
def test_what_cannot_work_is_refused(fields, message):
    with pytest.raises(DuneCatalogError, match=message):
        only_spec(**fields)


def test_a_header_sets_them_too(tmp_path):
    (tmp_path / "volume_4100007.sql").write_text(
        "/* dune\nautomation: eager\nfreshness:\n  fail_hours: 26\nkinds: [report]\n*/\nSELECT 1 AS one\n"
    )
    query = DuneCatalog.from_directory(tmp_path)["query_4100007"]
    assert (query.automation.condition, query.freshness.fail_hours, query.kinds) == ("eager", 26, ("report",))
    assert DuneCatalog.from_json(DuneCatalog(queries=[query]).to_json())["query_4100007"] == query


def requested(query, *, translator=None):
    """How many assets are requested once a query is missing, while the matview that it reads is not."""
    assets = build_dune_assets(DuneCatalog(materialized_views=[UP], queries=[query]), translator=translator)
    definitions = dg.Definitions(assets=[assets], resources={"dune": DuneResource(api_key="unused")})
    with dg.DagsterInstance.ephemeral() as instance:
        for key in assets.keys:
            instance.report_runless_asset_event(dg.AssetMaterialization(key))
        before = dg.evaluate_automation_conditions(definitions, instance)
        instance.wipe_assets([dg.AssetKey(["dune", "query_1"])])
        return dg.evaluate_automation_conditions(definitions, instance, cursor=before.cursor).total_requested


READER = {"query_id": 1, "deps": ["dune.acme.result_up"], "references": ["dex.trades"]}
UP = MaterializedView(name="dune.acme.result_up")


@pytest.mark.parametrize("condition", ["eager", "on_missing"])
def test_raw_tables_are_not_waited_for(condition):
    assert requested(Query(**READER, automation=condition)) == 1


def test_a_condition_of_the_translator_stays_as_it_is():
    class Eager(DagsterDuneTranslator):
        def get_asset_spec(self, obj):
            spec = super().get_asset_spec(obj)
            eager = dg.AutomationCondition.eager() if isinstance(obj, Query) else None
            return spec.replace_attributes(automation_condition=eager)

    assert requested(Query(**READER), translator=Eager()) == 0


def last_tick(instance):
    """When the daemon last evaluated the conditions; 0 if it never has, and so counts no updates yet."""
    data = [state.instigator_data for state in instance.all_instigator_state()]
    return max((each.last_tick_timestamp or 0 for each in data if each), default=0)


@pytest.mark.processes
def test_an_eager_graph_is_one_call_when_its_upstream_changes(dune, tmp_path, calls):
    automated_location.load_account(dune)
    with Deployment(tmp_path / "home", dune, ["-f", str(LOCATION)], LOCATION.name) as deployment:
        deployment.start("dagster-daemon", "run")
        wait_until(lambda: last_tick(deployment.instance))
        deployment.instance.report_runless_asset_event(dg.AssetMaterialization("labels"))
        automated = wait_until(
            lambda: [
                run
                for run in deployment.instance.get_runs()
                if run.is_finished and "dagster/from_automation_condition" in run.tags
            ]
        )
        for _ in range(3):  # a second run would be requested in the evaluations after the first one
            before = last_tick(deployment.instance)
            wait_until(lambda: last_tick(deployment.instance) > before)  # noqa: B023 - called at once
        runs = deployment.instance.get_runs()
    assert automated[0].is_success
    assert len(runs) == 1, [run.tags for run in runs]
    bodies = calls()
    names = [
        [(node.get("materialized_view_refresh") or node["query_execution"]) for node in body["pipeline"]["nodes"]]
        for body in bodies
    ]
    assert names == [
        [{"name": automated_location.FIRST}, {"name": automated_location.SECOND}, {"query_id": 11}],
    ]
    assert [node["dependencies"] for node in bodies[0]["pipeline"]["nodes"]] == [[], [1], [2]]


@pytest.mark.parametrize("automation", ["eager", "on_missing", {"condition": "on_cron", "cron": "0 * * * *"}])
@pytest.mark.parametrize("in_between", [False, True])
def test_what_reads_a_gated_asset_is_run_once_its_gate_has_passed(automation, in_between):
    """Automation does not run, a moment later, what a gate has held back; through a view that is no asset neither."""
    reader = Query(query_id=2, deps=["query_1"] if in_between else [UP.name], automation=automation)
    view = [Query(query_id=1, deps=[UP.name])] if in_between else []
    gate = DuneCheck(asset=UP.name, name="gate", kind="gate", query_id=3)
    assets = build_dune_assets(
        DuneCatalog(materialized_views=[UP], queries=[*view, reader]), checks=[gate], query_views="inline"
    )
    definitions = dg.Definitions(assets=[assets], resources={"dune": DuneResource(api_key="unused")})
    up, last = dg.AssetKey(UP.name.split(".")), dg.AssetKey(["dune", "query_2"])
    now = datetime.now(UTC)
    with dg.DagsterInstance.ephemeral() as instance:
        for key in (up, last):
            instance.report_runless_asset_event(dg.AssetMaterialization(key))
        seen = dg.evaluate_automation_conditions(definitions, instance, evaluation_time=now - timedelta(hours=1))
        instance.wipe_assets([last])
        found = []
        for passed in (False, False, True):
            if not found:
                instance.report_runless_asset_event(dg.AssetMaterialization(up))
            instance.report_runless_asset_event(dg.AssetCheckEvaluation(up, "gate", passed=passed, blocking=True))
            seen = dg.evaluate_automation_conditions(definitions, instance, cursor=seen.cursor, evaluation_time=now)
            found.append(seen.get_num_requested(last))
        assert found == [0, 0, 1]
