"""Runs of small catalogs, in this process, against the local Dune."""

from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import pytest
from waiting import PATIENCE, wait_until

from dagster_dune import (
    DagsterDuneTranslator,
    DuneApiClient,
    DuneCatalog,
    DuneResource,
    DuneRunConfig,
    MaterializedView,
    Query,
    build_dune_assets,
    dune_assets,
)
from dagster_dune._execution.submissions.submission import State
from dagster_dune._execution.submissions.submission_record import SubmissionRecord, submissions_of
from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.pipeline.plan import plan_pipeline

DAILY, SHARE, BROKEN = "dune.acme.result_daily", "dune.acme.result_share", "dune.acme.result_broken"
CATALOG = DuneCatalog(
    materialized_views=[
        MaterializedView(name=DAILY, query_id=1),
        MaterializedView(name=SHARE, query_id=2, deps=[DAILY]),
    ],
    queries=[
        Query(query_id=10, slug="by_chain", deps=[DAILY], query_parameters={"Min Amount": 2}),
        Query(query_id=11, deps=["query_10", SHARE]),
    ],
)


@pytest.fixture
def account(dune):
    dune.load_query(
        1, "daily", "SELECT chain, amount FROM (VALUES ('base', 1), ('bnb', 2), ('base', 3)) AS t (chain, amount)"
    )
    dune.load_query(2, "share", f"SELECT chain, SUM(amount) AS total FROM {DAILY} GROUP BY 1")
    dune.load_query(
        10,
        "by chain",
        f"SELECT chain, amount FROM {DAILY} WHERE amount >= {{{{Min Amount}}}}",
        parameters=[{"key": "Min Amount", "type": "number", "value": "0"}],
    )
    dune.load_query(11, "last", f"SELECT COUNT(*) AS n FROM {SHARE}")
    dune.load_materialized_view(DAILY, 1)
    dune.load_materialized_view(SHARE, 2)
    return dune


def run(assets, resource, instance, *, selection=None, **options):
    assets = assets if isinstance(assets, list) else [assets]
    return dg.materialize(
        assets,
        resources={"dune": resource},
        instance=instance,
        selection=selection,
        raise_on_error=False,
        **options,
    )


def materialized(result):
    return [event.asset_key.to_user_string() for event in result.get_asset_materialization_events()]


def failure(result):
    (event,) = result.get_step_failure_events()
    return event.step_failure_data


def test_a_materialization_tells_what_happened(account, resource, instance, calls):
    result = run(build_dune_assets(CATALOG), resource, instance)
    assert result.success
    assert len(calls()) == 1
    metadata = {
        event.asset_key.to_user_string(): {key: value.value for key, value in event.materialization.metadata.items()}
        for event in result.get_asset_materialization_events()
    }
    query = metadata["dune/by_chain_10"]
    assert query["dagster/row_count"] == 2
    assert [(column.name, column.type) for column in query["dagster/column_schema"].columns] == [
        ("chain", "varchar"),
        ("amount", "integer"),
    ]
    assert query["dagster-dune/query_parameters"] == {"Min Amount": "2"}
    assert query["dagster-dune/query_url"] == "https://dune.com/queries/10"
    assert query["dagster-dune/state"] == "completed"
    assert query["dagster-dune/credits"] > 0
    assert query["dagster-dune/execution_seconds"] >= 0
    matview = metadata["dune/acme/result_daily"]
    assert matview["dagster/table_name"] == DAILY
    with resource.get_client() as client:
        assert client.get_execution_status(matview["dagster-dune/execution_id"]).state == "QUERY_STATE_COMPLETED"
        pipeline = client.get_pipeline_status(matview["dagster-dune/pipeline_execution_id"])
    assert len(pipeline.node_executions) == 4


def test_the_tier_of_the_resource_is_sent_for_every_node_that_names_none(account, resource_with, instance, calls):
    assert run(build_dune_assets(CATALOG), resource_with(performance="large"), instance).success
    (body,) = calls()
    kinds = [node.get("materialized_view_refresh") or node["query_execution"] for node in body["pipeline"]["nodes"]]
    assert [kind["performance"] for kind in kinds] == ["large"] * 4


def test_details_can_be_turned_off(account, resource_with, instance, dune):
    result = run(build_dune_assets(CATALOG), resource_with(details=False), instance)
    assert result.success
    assert not any("/execution/" in entry["path"] for entry in dune.journal())


def test_a_failing_node_costs_only_what_reads_it(account, resource, instance, calls):
    account.load_query(3, "broken", f"SELECT CAST('x' AS BIGINT) AS n FROM {DAILY}")
    account.load_materialized_view(BROKEN, 3)
    account.load_query(12, "reads broken", f"SELECT * FROM {BROKEN}")
    catalog = DuneCatalog(
        materialized_views=[*CATALOG.materialized_views, MaterializedView(name=BROKEN, query_id=3, deps=[DAILY])],
        queries=[*CATALOG.queries, Query(query_id=12, deps=[BROKEN])],
    )
    assets = build_dune_assets(catalog, retry_policy=dg.RetryPolicy(max_retries=3))
    result = run(assets, resource, instance)
    assert not result.success
    assert len(calls()) == 1
    assert set(materialized(result)) == {
        "dune/acme/result_daily",
        "dune/acme/result_share",
        "dune/by_chain_10",
        "dune/query_11",
    }
    observed = {
        event.asset_key.to_user_string(): event.asset_observation_data.asset_observation
        for event in result.get_asset_observation_events()
    }
    with resource.get_client() as client:
        execution = observed["dune/acme/result_broken"].metadata["dagster-dune/execution_id"].value
        words = client.get_execution_status(execution).error.message
    assert words
    assert words in observed["dune/acme/result_broken"].description
    assert BROKEN in observed["dune/query_12"].description
    told = failure(result).user_failure_data
    counts, broken, advice = told.description.splitlines()
    assert counts == "1 of 6 assets failed on Dune and 1 was skipped because of that:"
    assert broken == f"- dune/acme/result_broken: {words.rstrip('. ')}. On Dune: https://dune.com/queries/3"
    assert advice.endswith("re-execute the run from failure: what has succeeded is neither sent nor paid again.")
    assert set(told.metadata) == {"dune/acme/result_broken", "dune/query_12"}
    assert words in told.metadata["dune/acme/result_broken"].value


def test_events_stream_while_later_nodes_still_wait(account, resource):
    """The last node is held until the events of all others are in the log."""
    others = [
        dg.AssetKey(key.split("/")) for key in ("dune/acme/result_daily", "dune/acme/result_share", "dune/by_chain_10")
    ]
    account.hold(11)

    def release_last(instance):
        try:
            account.wait_until_held(11, timeout=PATIENCE)
            wait_until(lambda: all(instance.get_latest_materialization_event(key) for key in others))
        finally:
            account.release(11)

    with dg.DagsterInstance.local_temp() as instance, ThreadPoolExecutor(1) as pool:
        watching = pool.submit(release_last, instance)
        result = run(build_dune_assets(CATALOG), resource, instance)
        watching.result()
    assert result.success
    assert len(materialized(result)) == 4


def test_the_log_says_what_is_executing_and_queued(account, resource):
    account.hold(DAILY)

    def said(instance):
        runs = instance.get_runs()
        messages = [entry.user_message for run in runs for entry in instance.all_logs(run.run_id)]
        return [message for message in messages if message.startswith("Pipeline ") and "executing 1" in message]

    def release(instance):
        try:
            wait_until(lambda: said(instance))
        finally:
            account.release(DAILY)

    with dg.DagsterInstance.local_temp() as instance, ThreadPoolExecutor(1) as pool:
        watching = pool.submit(release, instance)
        assert run(build_dune_assets(CATALOG), resource, instance).success
        watching.result()
        (first, *_) = said(instance)
    assert "0 of 4 nodes ended; executing 1: dune/acme/result_daily (0 s); queued 3: " in first


def test_a_python_asset_between_two_dune_assets_splits_the_call(account, resource, instance, calls):
    @dg.asset(deps=[["dune", "acme", "result_daily"]])
    def limits(context: dg.AssetExecutionContext, dune: DuneResource) -> int:
        return sum(
            row["amount"] for row in dune.get_rows(context, ["dune", "acme", "result_daily"], columns=["amount"])
        )

    catalog = DuneCatalog(materialized_views=CATALOG.materialized_views[:1], queries=CATALOG.queries[:1])

    class After(DagsterDuneTranslator):
        def get_asset_spec(self, obj):
            spec = super().get_asset_spec(obj)
            return spec.merge_attributes(deps=["limits"]) if isinstance(obj, Query) else spec

    result = run([build_dune_assets(catalog, translator=After()), limits], resource, instance)
    assert result.success
    assert result.output_for_node("limits") == 6
    assert materialized(result) == ["dune/acme/result_daily", "limits", "dune/by_chain_10"]
    assert [[len(node["dependencies"]) for node in body["pipeline"]["nodes"]] for body in calls()] == [[0], [0]]
    steps = {event.step_key for event in result.all_events if event.step_key}
    assert steps == {"dune_assets", "limits", "dune_assets_2"}
    records = submissions_of(instance, [instance.get_run_by_id(result.run_id)], "dune_assets")
    assert len({record.pipeline_execution_id for record in records}) == 2


def test_deps_that_a_translator_adds_order_the_pipeline(account, resource, instance, calls):
    class Ordered(DagsterDuneTranslator):
        def get_asset_spec(self, obj):
            spec = super().get_asset_spec(obj)
            if isinstance(obj, MaterializedView) and obj.name == DAILY:
                return spec.merge_attributes(deps=[["dune", "first_20"]])
            return spec

    account.load_query(20, "first", "SELECT 1 AS one")
    first = Query(query_id=20, slug="first")
    catalog = DuneCatalog(materialized_views=CATALOG.materialized_views[:1], queries=[first])
    assert run(build_dune_assets(catalog, translator=Ordered()), resource, instance).success
    (body,) = calls()
    assert [(node["id"], node["dependencies"]) for node in body["pipeline"]["nodes"]] == [(1, []), (2, [1])]
    assert "query_execution" in body["pipeline"]["nodes"][0]


def test_rows_come_from_this_run_or_else_from_the_latest_materialization(account, resource, instance):
    @dg.asset(deps=[["dune", "by_chain_10"]])
    def total(context: dg.AssetExecutionContext, dune: DuneResource) -> int:
        return sum(row["amount"] for row in dune.get_rows(context, ["dune", "by_chain_10"]))

    assets = [build_dune_assets(CATALOG), total]
    assert run(assets, resource, instance).output_for_node("total") == 5
    assert run(assets, resource, instance, selection="total").output_for_node("total") == 5


def test_rows_of_what_was_never_materialized_are_a_clear_error(account, resource, instance):
    @dg.asset
    def total(context: dg.AssetExecutionContext, dune: DuneResource) -> int:
        return len(list(dune.get_rows(context, "nothing")))

    assert "nothing has never been materialized" in str(failure(run(total, resource, instance)).error.cause)


def test_two_teams_in_one_code_location(account, resource, instance, calls, database):
    with DuneEmulator(team="beta", api_key="the-key-of-beta", database=database) as beta:
        beta.load_query(5, "x", "SELECT 1 AS one")
        other = DuneCatalog(queries=[Query(query_id=5)])
        result = dg.materialize(
            [build_dune_assets(CATALOG), build_dune_assets(other, name="beta", resource_key="beta")],
            resources={
                "dune": resource,
                "beta": DuneResource(api_key=beta.api_key, base_url=beta.url, poll_interval=0.05),
            },
            instance=instance,
        )
        assert len(materialized(result)) == 5
        assert len(calls()) == 1
        assert [entry["path"] for entry in beta.journal() if entry["method"] == "POST"] == ["/api/v1/pipelines/execute"]


def test_a_step_retry_follows_the_pipeline_that_the_run_has_started(account, resource, instance, calls):
    @dune_assets(catalog=CATALOG, retry_policy=dg.RetryPolicy(max_retries=1))
    def flaky(context: dg.AssetExecutionContext, dune: DuneResource):
        yield from dune.run(context)
        if context.retry_number == 0:
            raise RuntimeError("the first attempt is lost")

    result = run(flaky, resource, instance)
    assert result.success
    assert len(calls()) == 1
    assert len(materialized(result)) == 8


def test_an_attempt_lost_inside_the_request_is_not_repeated(account, resource_with, instance, calls):
    plan = plan_pipeline(CATALOG, {obj.sql_name: "" for obj in CATALOG})

    @dune_assets(catalog=CATALOG)
    def lost(context: dg.AssetExecutionContext, dune: DuneResource):
        # What an attempt leaves behind whose process was killed between the request and the answer.
        assert SubmissionRecord(context.instance, context.run, "lost").intend(plan)
        yield from dune.run(context)

    # The next attempt waits for an answer as long as a submission can take, and then refuses.
    result = run(lost, resource_with(timeout=2, max_retries=0), instance)
    assert calls() == []
    assert "AmbiguousSubmission" in failure(result).user_failure_data.description
    assert "was not sent again" in failure(result).user_failure_data.description


def test_a_user_can_say_that_a_lost_request_is_to_be_sent_again(account, resource, instance, calls):
    plan = plan_pipeline(CATALOG, {obj.sql_name: "" for obj in CATALOG})

    @dune_assets(catalog=CATALOG)
    def lost(context: dg.AssetExecutionContext, dune: DuneResource):
        intent = SubmissionRecord(context.instance, context.run, "lost")
        assert intent.intend(plan)
        context.instance.add_run_tags(context.run.run_id, {"dagster-dune/resubmit": intent.id})
        yield from dune.run(context)

    assert run(lost, resource, instance).success
    assert len(calls()) == 1


def test_a_step_that_outlives_its_run_sends_nothing(account, resource, instance, calls):
    @dune_assets(catalog=CATALOG)
    def orphan(context: dg.AssetExecutionContext, dune: DuneResource):
        # As Dagster does within a second, when the process above a step was killed.
        context.instance.report_run_failed(context.run, "The run worker is gone.")
        yield from dune.run(context)

    result = run(orphan, resource, instance)
    assert "The run has ended before its pipeline was sent" in failure(result).user_failure_data.description
    assert calls() == []
    (record,) = submissions_of(instance, instance.get_runs(), "orphan")
    assert record.state is State.WITHDRAWN


def test_a_pipeline_that_dune_does_not_know_is_told_with_its_likely_causes(account, resource, instance, calls):
    plan = plan_pipeline(CATALOG, {obj.sql_name: "" for obj in CATALOG})

    @dune_assets(catalog=CATALOG)
    def elsewhere(context: dg.AssetExecutionContext, dune: DuneResource):
        record = SubmissionRecord(context.instance, context.run, "elsewhere")
        assert record.intend(plan)
        assert record.close(State.ANSWERED, "01J00000000000000000000000")
        yield from dune.run(context)

    told = failure(run(elsewhere, resource, instance)).user_failure_data.description
    assert "Dune does not know pipeline 01J00000000000000000000000" in told
    assert "another team's" in told
    assert calls() == []


@pytest.fixture
def endless(account):
    """An account whose first node never ends by itself."""
    account.inject("stuck_node", node=DAILY)
    return account


def test_a_run_that_takes_too_long_is_cancelled_on_dune(endless, instance):
    resource = DuneResource(api_key=endless.api_key, base_url=endless.url, poll_interval=0.05, run_timeout=0.3)
    result = run(build_dune_assets(CATALOG), resource, instance)
    assert "has not ended within 0.3 s" in failure(result).user_failure_data.description
    cancelled = [entry for entry in endless.journal() if entry["path"].endswith("/cancel")]
    assert [entry["status"] for entry in cancelled] == [200]
    (submission,) = submissions_of(instance, instance.get_runs(), "dune_assets")
    with resource.get_client() as client:
        words = [
            node.progress.status
            for node in client.get_pipeline_status(submission.pipeline_execution_id).node_executions
        ]
    assert words == ["QUERY_STATE_CANCELLED", *["QUERY_STATE_PENDING"] * 3]


def test_cancelling_can_be_turned_off(endless, instance):
    resource = DuneResource(
        api_key=endless.api_key, base_url=endless.url, poll_interval=0.05, run_timeout=0.3, cancel_on_termination=False
    )
    assert not run(build_dune_assets(CATALOG), resource, instance).success
    assert not any(entry["path"].endswith("/cancel") for entry in endless.journal())


def test_a_stalled_pipeline_is_left_to_dune(endless, instance):
    resource = DuneResource(api_key=endless.api_key, base_url=endless.url, poll_interval=0.05, stall_timeout=0.3)
    result = run(build_dune_assets(CATALOG), resource, instance)
    told = failure(result).user_failure_data.description
    assert "Nothing changed in pipeline" in told
    assert DAILY in told
    assert not any(entry["path"].endswith("/cancel") for entry in endless.journal())


def test_failed_nodes_are_sent_again_only_where_that_is_wanted(account, resource_with, instance, calls):
    account.load_query(3, "broken", f"SELECT CAST('x' AS BIGINT) AS n FROM {DAILY}")
    catalog = DuneCatalog(materialized_views=CATALOG.materialized_views[:1], queries=[Query(query_id=3, deps=[DAILY])])
    assets = build_dune_assets(catalog, retry_policy=dg.RetryPolicy(max_retries=1))
    assert not run(assets, resource_with(retry_failed_nodes=True), instance).success
    assert [len(body["pipeline"]["nodes"]) for body in calls()] == [2, 1]


def from_failure(result):
    """The tags of a run that Dagster makes of another one, from failure."""
    again = {"dagster/is_resume_retry": "true", "dagster/parent_run_id": result.run_id}
    return {**again, "dagster/root_run_id": result.dagster_run.tags.get("dagster/root_run_id", result.run_id)}


def sent(body):
    """What a request names: the matviews, and the ids of queries."""
    nodes = body["pipeline"]["nodes"] if "pipeline" in body else [{"query_execution": body}]
    names = [node.get("materialized_view_refresh", {}).get("name") for node in nodes]
    return [name or node["query_execution"]["query_id"] for name, node in zip(names, nodes, strict=True)]


@pytest.mark.parametrize(
    ("first", "second"), [("small", "large"), ("small", None), (None, "large"), ("large", "large")]
)
def test_what_is_taken_over_has_the_tier_that_it_was_sent_with(account, resource_with, instance, calls, first, second):
    account.load_query(2, "share", f"SELECT CAST('broken' AS BIGINT) AS total FROM {DAILY}")
    assets = build_dune_assets(DuneCatalog(materialized_views=CATALOG.materialized_views))
    tags = from_failure(run(assets, resource_with(performance=first), instance))
    account.load_query(2, "share", f"SELECT SUM(amount) AS total FROM {DAILY}")
    result = run(assets, resource_with(performance=second), instance, tags=tags)
    assert result.success
    tiers = {
        event.asset_key.path[-1]: getattr(event.materialization.metadata.get("dagster-dune/performance"), "value", None)
        for event in result.get_asset_materialization_events()
    }
    assert tiers == {"result_daily": first, "result_share": second}
    assert [sent(body) for body in calls()] == [[DAILY, SHARE], [SHARE]]


class Prefixed(DagsterDuneTranslator):
    def __init__(self, prefix):
        self._prefix = prefix

    def get_asset_spec(self, obj):
        spec = super().get_asset_spec(obj)
        return spec.replace_attributes(key=spec.key.with_prefix(self._prefix))


LINEAGE_ASSETS = build_dune_assets(CATALOG, pipeline_form="lineage")
DEEP = ("dune/query_11", "dune/acme/result_share", "dune/acme/result_daily")


class TestLineageForm:
    def test_dune_runs_just_what_is_selected(self, account, resource, instance, calls):
        result = run(LINEAGE_ASSETS, resource, instance, selection=dg.AssetSelection.assets(*DEEP))
        assert result.success
        assert calls() == [{"query_id": 11}]
        assert set(materialized(result)) == set(DEEP)

    def test_parameters_go_with_the_query(self, account, resource, instance, calls):
        selection = dg.AssetSelection.assets("dune/by_chain_10", "dune/acme/result_daily")
        assert run(LINEAGE_ASSETS, resource, instance, selection=selection).success
        assert calls() == [{"query_id": 10, "query_parameters": {"Min Amount": "2"}}]

    def test_extra_refreshes_are_refused_before_any_cost(self, account, resource, instance, calls):
        result = run(LINEAGE_ASSETS, resource, instance, selection="dune/query_11")
        assert calls() == []
        told = failure(result).user_failure_data.description
        assert DAILY in told
        assert SHARE in told
        assert "allow_extra_refreshes" in told

    @pytest.mark.parametrize(
        ("after", "kind", "words"),
        [
            (2, {}, "has a node 3 that is neither a matview nor a query"),
            (7, {"query_execution": {"query_id": 11}}, "a dependency on a node that it does not hold"),
        ],
    )
    def test_a_pipeline_of_dunes_that_makes_no_sense_is_refused_before_any_cost(
        self, account, dune, resource, instance, calls, after, kind, words
    ):
        matviews = [{"id": 1, "name": DAILY}, {"id": 2, "name": SHARE}]
        nodes = [{"id": view["id"], "materialized_view_refresh": {"name": view["name"]}} for view in matviews]
        body = {"pipeline": {"nodes": [*nodes, {"id": 3, "dependencies": [after], **kind}]}}
        dune.inject("status", method="GET", path="/api/v1/query/11/pipeline", times=None, status=200, body=body)
        result = run(LINEAGE_ASSETS, resource, instance, selection=dg.AssetSelection.assets(*DEEP))
        assert calls() == []
        told = failure(result).user_failure_data.description
        assert words in told
        assert 'Use pipeline_form="nodes".' in told

    def test_allowed_extra_refreshes_are_told_to_dagster(self, account, resource, instance, calls):
        assets = build_dune_assets(CATALOG, pipeline_form="lineage", allow_extra_refreshes=True)
        result = run(assets, resource, instance, selection="dune/query_11")
        assert result.success
        assert calls() == [{"query_id": 11}]
        assert set(materialized(result)) == set(DEEP)

    def test_a_retry_sends_an_extra_refresh_that_failed_before_what_reads_it(self, account, resource, instance, calls):
        assets = build_dune_assets(CATALOG, pipeline_form="lineage", allow_extra_refreshes=True)
        account.load_query(2, "share", f"SELECT CAST('broken' AS BIGINT) AS total FROM {DAILY}")
        first = run(assets, resource, instance, selection="dune/query_11")
        second = run(assets, resource, instance, selection="dune/query_11", tags=from_failure(first))
        assert (first.success, second.success) == (False, False)
        assert materialized(second) == [DAILY.replace(".", "/")]
        assert "was skipped because of dune.acme.result_share" in failure(second).user_failure_data.description
        account.load_query(2, "share", f"SELECT SUM(amount) AS total FROM {DAILY}")
        third = run(assets, resource, instance, selection="dune/query_11", tags=from_failure(second))
        assert third.success
        assert set(materialized(third)) == set(DEEP)
        assert [sent(body) for body in calls()] == [[11], [SHARE, 11], [SHARE, 11]]

    def test_a_retry_of_everything_has_the_form_of_the_first_request(self, account, resource, instance, calls):
        assets = build_dune_assets(CATALOG, pipeline_form="lineage", allow_extra_refreshes=True)
        account.load_query(1, "daily", "SELECT CAST('broken' AS BIGINT) AS amount")
        first = run(assets, resource, instance, selection="dune/query_11")
        account.load_query(1, "daily", "SELECT 'base' AS chain, 1 AS amount")
        assert run(assets, resource, instance, selection="dune/query_11", tags=from_failure(first)).success
        assert calls() == [{"query_id": 11}, {"query_id": 11}]

    @pytest.mark.parametrize("broken", [None, DAILY, SHARE])
    def test_extra_refreshes_are_told_of_the_assets_that_the_graph_shows(self, account, resource, instance, broken):
        if broken:
            account.inject("failing_node", node=broken)
        assets, others = (
            build_dune_assets(
                CATALOG,
                name=name,
                select=["query_11"],
                translator=Prefixed(name),
                pipeline_form="lineage",
                allow_extra_refreshes=True,
            )
            for name in ("ours", "theirs")
        )
        others = dg.map_asset_specs(lambda spec: spec.merge_attributes(deps=["elsewhere"]), [others])[0]
        for definition, name in ((assets, "ours"), (others, "theirs")):
            result = run(definition, resource, instance)
            told = result.get_asset_materialization_events() + result.get_asset_observation_events()
            assert {event.asset_key.to_user_string() for event in told} == {f"{name}/{key}" for key in DEEP}
            (spec,) = definition.specs
            assert f"{name}/dune/acme/result_share" in {dep.asset_key.to_user_string() for dep in spec.deps}

    def test_a_translator_that_has_no_key_for_an_extra_refresh_fails_before_any_cost(
        self, account, resource, instance, calls
    ):
        class Choosy(DagsterDuneTranslator):
            def get_asset_spec(self, obj):
                if getattr(obj, "sql_name", "") == DAILY:
                    raise KeyError(DAILY)
                return super().get_asset_spec(obj)

        views = CATALOG.materialized_views
        assets = build_dune_assets(
            DuneCatalog(materialized_views=views, queries=[Query(query_id=11, deps=[SHARE])]),
            name="choosy",
            select=["query_11"],
            translator=Choosy(),
            pipeline_form="lineage",
            allow_extra_refreshes=True,
        )
        assert not run(assets, resource, instance).success
        assert calls() == []

    @pytest.mark.parametrize(("most", "runs"), [(2, False), (3, True)])
    def test_extra_refreshes_count_towards_the_bound(self, account, resource_with, instance, calls, most, runs):
        assets = build_dune_assets(CATALOG, pipeline_form="lineage", allow_extra_refreshes=True)
        result = run(assets, resource_with(max_nodes=most), instance, selection="dune/query_11")
        assert (result.success, len(calls())) == (runs, int(runs))
        if not runs:
            told = failure(result).user_failure_data.description
            assert "3 nodes would run, which is more than max_nodes=2; nothing was sent." in told

    def test_what_dune_would_not_run_is_refused(self, account, resource, instance, calls):
        selection = dg.AssetSelection.assets("dune/by_chain_10", "dune/acme/result_daily", "dune/acme/result_share")
        told = failure(run(LINEAGE_ASSETS, resource, instance, selection=selection)).user_failure_data.description
        assert calls() == []
        assert f"would not run what is selected: {SHARE}" in told

    @pytest.mark.parametrize("selection", ["dune/acme/result_daily", "key:dune/by_chain_10 or key:dune/query_11"])
    def test_it_takes_one_query(self, account, resource, instance, calls, selection):
        result = run(LINEAGE_ASSETS, resource, instance, selection=dg.AssetSelection.from_string(selection))
        assert calls() == []
        assert "runs one query" in failure(result).user_failure_data.description


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"api_key": "wrong"}, "DuneAuthenticationError"),
        ({"max_nodes": 3}, "max_nodes=3"),
    ],
)
def test_refused_runs_say_why_and_lose_no_money(account, resource_with, instance, change, words):
    result = run(build_dune_assets(CATALOG), resource_with(**change), instance)
    told = failure(result).user_failure_data.description
    assert words in told
    assert not any(entry["status"] == 200 for entry in account.journal())
    (run_,) = instance.get_runs()
    assert "wrong" not in str(run_.tags)


def test_a_pipeline_that_dune_refuses_can_be_sent_again_in_the_same_run(account, resource, instance, calls):
    catalog = DuneCatalog(queries=[Query(query_id=999)])
    result = run(build_dune_assets(catalog), resource, instance)
    assert "999" in failure(result).user_failure_data.description
    (record,) = submissions_of(instance, instance.get_runs(), "dune_assets")
    assert record.state is State.REFUSED


def test_the_client_of_a_resource_has_its_settings(dune, resource):
    with resource.get_client() as client:
        assert isinstance(client, DuneApiClient)
        assert client.get_usage() is not None


def test_assets_that_are_called_like_a_function_say_how_to_run_them(resource, calls):
    called = pytest.raises(dg.Failure, match="cannot be called like a function")
    with dg.build_asset_context(resources={"dune": resource}) as context, called as raised:
        list(build_dune_assets(DuneCatalog(queries=[Query(query_id=1)]))(context, DuneRunConfig()))
    assert "dg.materialize" in raised.value.description
    assert calls() == []
