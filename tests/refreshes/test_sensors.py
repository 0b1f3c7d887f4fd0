"""The refresh sensor: what happened on Dune without Dagster, over real HTTP, with a real instance on disk."""

import logging
import re
import time
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from deployment import ROOT, Deployment
from refresh_location import CATALOG, DAILY, SHARE, load
from waiting import PATIENCE, wait_until

from dagster_dune import (
    DuneAuthenticationError,
    DuneCatalog,
    DuneCatalogError,
    DuneConfigurationError,
    DuneResource,
    DuneRunConfig,
    MaterializedView,
    build_dune_assets,
    build_dune_refresh_sensor,
    dune_assets,
)
from dagster_dune._execution import event_log
from dagster_dune._execution.submissions.submission import Submission
from dagster_dune._execution.submissions.submission_record import report_takeovers
from dagster_dune._refreshes.refresh_events import (
    RETRY_GRACE,
    KnownExecutions,
    ObservedAsset,
    Refresh,
    news,
    open_submissions,
)
from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.errors import DunePipelineError
from dagster_dune.metadata import ENDED_AT, EXECUTION_ID
from dagster_dune.pipeline.nodes import DIGEST_LENGTH

ASSETS = build_dune_assets(CATALOG)
DAILY_KEY, SHARE_KEY = dg.AssetKey(["dune", "acme", "result_daily"]), dg.AssetKey(["dune", "acme", "result_share"])
QUERY_KEY = dg.AssetKey(["dune", "query_10"])


@pytest.fixture
def account(dune):
    load(dune)
    return dune


@pytest.fixture
def outside(client, finish):
    """A function that does something on Dune as another client does, and waits until the execution has ended."""

    def do(target, parameters=None):
        if isinstance(target, int):
            submitted = client.execute_query(target, query_parameters=parameters)
        else:
            submitted = client.refresh_materialized_view(target)
        finish(client, submitted.execution_id)
        return submitted.execution_id

    return do


class Daemon:
    """Ticks a sensor as the daemon does: it stores the events, then the cursor."""

    def __init__(self, sensor, instance, resource):
        self._sensor = sensor
        self._instance = instance
        self._resources = {"dune": resource}
        self.cursor = None

    def evaluate(self):
        context = dg.build_sensor_context(
            instance=self._instance, cursor=self.cursor, resources=self._resources, sensor_name=self._sensor.name
        )
        with context:
            return self._sensor.evaluate_tick(context)

    def tick(self):
        done = self.evaluate()
        for event in done.asset_events:
            self._instance.report_runless_asset_event(event)
        self.cursor = done.cursor
        return [(type(event).__name__, told(event, "execution_id")) for event in done.asset_events]


@pytest.fixture
def daemon(instance, resource):
    """A function that makes a daemon of a sensor over the given assets."""

    def make(assets=ASSETS, *, dune=resource, **options):
        return Daemon(build_dune_refresh_sensor([assets], **options), instance, dune)

    return make


def told(event, key):
    return event.metadata[f"dagster-dune/{key}"].value


def materialization(id_):
    return ("AssetMaterialization", id_)


def observation(id_):
    return ("AssetObservation", id_)


def run(assets, instance, resource, **options):
    return dg.materialize([assets], instance=instance, resources={"dune": resource}, raise_on_error=False, **options)


def executions(result):
    return {event.asset_key: told(event.materialization, "execution_id") for event in materialized(result)}


def materialized(result):
    return result.get_asset_materialization_events()


def test_refreshes_outside_dagster_become_materializations_once(account, daemon, outside, instance, caplog):
    begin = time.time()
    refreshed, executed = outside(DAILY), outside(10)
    caplog.set_level(logging.INFO, "httpx")
    ticking = daemon()
    before = len(account.journal())
    assert ticking.tick() == [materialization(refreshed), materialization(executed)]

    metadata = {key: value.value for key, value in instance.get_latest_materialization_event(DAILY_KEY)
                .asset_materialization.metadata.items()}  # fmt: skip
    assert metadata["dagster-dune/execution_id"] == refreshed
    assert metadata["dagster-dune/state"] == "completed"
    assert metadata["dagster/row_count"] == 3
    assert [column.name for column in metadata["dagster/column_schema"].columns] == ["chain", "amount"]
    assert metadata["dagster-dune/credits"] > 0
    assert begin <= metadata["dagster-dune/execution_ended_at"] <= time.time()
    assert "dagster-dune/pipeline_execution_id" not in metadata

    assert ticking.tick() == []
    assert "Looked at 3 of 3 assets; no news" in ticking.evaluate().skip_message
    requests = account.journal()[before:]
    assert {entry["method"] for entry in requests} == {"GET"}
    reads = re.findall(r"/api/v1/query/10/results\?(\S+) ", caplog.text)
    assert [read.replace("&allow_partial_results=true", "") for read in reads] == [
        "limit=1",
        "limit=1&columns=chain",
        "limit=1&columns=chain",
    ]
    assert not [entry for entry in requests if re.search(r"execution/\w+/results|csv", entry["path"])]


@pytest.mark.parametrize(
    "cursor", [None, "", "{", "[]", '{"version": 2, "next": 1}', '{"version": 1}', '{"version": 1, "next": "gone"}']
)
def test_no_cursor_makes_it_report_twice(account, daemon, outside, cursor):
    outside(DAILY)
    ticking = daemon()
    assert len(ticking.tick()) == 1
    ticking.cursor = cursor
    later = outside(DAILY)
    assert ticking.tick() == [materialization(later)]
    assert ticking.tick() == []


def test_a_broken_cursor_is_told(account, daemon, capfd):
    ticking = daemon()
    ticking.cursor = "{"
    ticking.tick()
    assert "WARNING - The cursor '{' is not of version 1" in capfd.readouterr().err
    ticking.tick()
    assert "cursor" not in capfd.readouterr().err


def test_what_dagster_ran_is_not_reported_again(account, daemon, outside, instance, resource):
    ticking = daemon()
    result = run(ASSETS, instance, resource)
    assert result.success
    assert ticking.tick() == []
    own = executions(result)[DAILY_KEY]
    with resource.get_client() as client:
        seen_before_the_run_ended = [Refresh(own, client.get_execution_status(own))]
    assert (
        list(news(instance, ObservedAsset(DAILY_KEY, CATALOG[DAILY], "dune_assets"), seen_before_the_run_ended, []))
        == []
    )
    later = outside(SHARE)
    assert ticking.tick() == [materialization(later)]


def test_a_failure_of_a_run_is_not_reported_again(account, daemon, instance, resource):
    account.inject("failing_node", node=SHARE)
    assert not run(ASSETS, instance, resource).success
    assert daemon().tick() == []


def test_what_a_run_is_about_to_report_is_left_to_it(account, daemon, outside, instance, resource_with, monkeypatch):
    """The run's event says when its execution ended, so that what ended after it is news, however slow the machine."""
    monkeypatch.setattr("dagster_dune.pipeline.details.MAX_DELAY_SECONDS", PATIENCE)
    resource = resource_with(details_timeout=PATIENCE)
    ticking, seen = daemon(), {}

    @dune_assets(catalog=CATALOG, name="dune_assets")
    def slow_to_report(context: dg.AssetExecutionContext, dune: DuneResource):
        events = list(dune.run(context))
        seen["outside"] = outside(SHARE)
        seen["late"] = outside(DAILY)
        seen["tick"] = ticking.tick()
        yield from events

    result = run(slow_to_report, instance, resource, selection=[DAILY_KEY])
    assert result.success
    assert seen["tick"] == [materialization(seen["outside"])]
    assert ticking.tick() == [materialization(seen["late"])]
    assert ticking.tick() == []


def test_what_a_retry_may_report_is_left_to_it_for_a_while(account, daemon, instance, resource, client):
    @dune_assets(catalog=CATALOG, name="dune_assets")
    def dies(context: dg.AssetExecutionContext, dune: DuneResource):
        list(dune.run(context))
        raise RuntimeError("the process dies before it reports")
        yield

    assert not run(dies, instance, resource, selection=[DAILY_KEY]).success
    assert daemon().tick() == []

    (id_,) = client.get_materialized_view(DAILY).last_execution_ids
    asset = ObservedAsset(DAILY_KEY, CATALOG[DAILY], "dune_assets")
    refreshes = [Refresh(id_, client.get_execution_status(id_))]
    now = datetime.now(UTC)

    def reported(at):
        return len(list(news(instance, asset, refreshes, open_submissions(instance, [asset], at)[DAILY_KEY])))

    assert reported(now) == 0
    assert reported(now + RETRY_GRACE + timedelta(seconds=30)) == 1


@pytest.mark.parametrize("definition", ["dune_assets", "renamed_since"])
def test_what_a_retry_has_taken_over_is_left_to_it_however_old(account, daemon, instance, resource, client, definition):
    @dune_assets(catalog=CATALOG, name="dune_assets")
    def dies(context: dg.AssetExecutionContext, dune: DuneResource):
        list(dune.run(context))
        raise RuntimeError("the process dies before it reports")
        yield

    seen = {}
    asset = ObservedAsset(DAILY_KEY, CATALOG[DAILY], definition)
    long_after = datetime.now(UTC) + 2 * RETRY_GRACE

    def reported(id_):
        refreshes = [Refresh(id_, client.get_execution_status(id_))]
        open_ = open_submissions(instance, [asset], long_after)[DAILY_KEY]
        return len(list(news(instance, asset, refreshes, open_)))

    @dune_assets(catalog=CATALOG, name="dune_assets")
    def slow_to_report(context: dg.AssetExecutionContext, dune: DuneResource):
        (id_,) = client.get_materialized_view(DAILY).last_execution_ids
        seen["before"] = reported(id_)
        events = list(dune.run(context))
        seen["after"] = reported(id_)
        yield from events

    first = run(dies, instance, resource, selection=[DAILY_KEY])
    assert not first.success
    names = dict.fromkeys(["dagster/root_run_id", "dagster/parent_run_id"], first.run_id)
    tags = {**names, "dagster/is_resume_retry": "true"}
    assert run(slow_to_report, instance, resource, selection=[DAILY_KEY], tags=tags).success
    assert seen == {"before": 1, "after": 0}
    assert len(client.get_materialized_view(DAILY).last_execution_ids) == 1


def test_what_a_retry_has_taken_over_is_left_to_the_next_one_where_it_dies(
    account, instance, resource, client, monkeypatch
):
    @dune_assets(catalog=CATALOG, name="dune_assets")
    def dies(context: dg.AssetExecutionContext, dune: DuneResource):
        list(dune.run(context))
        raise RuntimeError("the process dies before it reports")
        yield

    first = run(dies, instance, resource, selection=[DAILY_KEY])
    assert not first.success
    names = dict.fromkeys(["dagster/root_run_id", "dagster/parent_run_id"], first.run_id)
    tags = {**names, "dagster/is_resume_retry": "true"}
    assert not run(dies, instance, resource, selection=[DAILY_KEY], tags=tags).success
    (id_,) = client.get_materialized_view(DAILY).last_execution_ids
    asset = ObservedAsset(DAILY_KEY, CATALOG[DAILY], "dune_assets")
    get_runs = instance.get_runs

    def without_first(*args, **options):
        """The first run has ended long ago."""
        return [each for each in get_runs(*args, **options) if each.run_id != first.run_id or not args[0].updated_after]

    monkeypatch.setattr(instance, "get_runs", without_first)
    refreshes = [Refresh(id_, client.get_execution_status(id_))]
    now = datetime.now(UTC)
    assert list(news(instance, asset, refreshes, open_submissions(instance, [asset], now)[DAILY_KEY])) == []
    long_after = open_submissions(instance, [asset], now + 2 * RETRY_GRACE)[DAILY_KEY]
    assert len(list(news(instance, asset, refreshes, long_after))) == 1


def test_where_it_cannot_be_read_what_a_retry_has_taken_over_the_tick_fails(instance, monkeypatch):
    run = instance.create_run_for_job(
        dg.Definitions(
            assets=[ASSETS], jobs=[dg.define_asset_job("job")], resources={"dune": DuneResource(api_key="unused")}
        ).resolve_job_def("job"),
        status=dg.DagsterRunStatus.STARTED,
    )
    sent = Submission("earlier", "another", datetime.now(UTC), {})
    report_takeovers(instance, run, [(sent, ["0" * DIGEST_LENGTH])])
    monkeypatch.setattr(event_log, "READ_SECONDS", 0.0)
    get_runs = instance.get_runs

    def failing(filters):
        if filters.tags:
            raise OSError("the database is away")
        return get_runs(filters)

    monkeypatch.setattr(instance, "get_runs", failing)
    asset = ObservedAsset(DAILY_KEY, CATALOG[DAILY], "dune_assets")
    with pytest.raises(DunePipelineError, match="storage could not be read"):
        open_submissions(instance, [asset], datetime.now(UTC))


def test_however_many_events_there_are_none_is_overlooked():
    events = [
        dg.AssetMaterialization(DAILY_KEY, metadata={"dagster-dune/execution_id": f"{number:03}"})
        for number in range(150)
    ]
    with dg.DagsterInstance.ephemeral() as instance:
        for event in events:
            instance.report_runless_asset_event(event)
        assert len(KnownExecutions.read(instance, DAILY_KEY, since=0.0).ids) == 150
        newest = KnownExecutions.read(instance, DAILY_KEY)
    assert newest.ids == {f"{number:03}" for number in range(50, 150)}
    assert newest.unknown(["150", "149", "049", "151"]) == ["150", "151"]


def test_failures_outside_dagster_become_observations_once(account, daemon, client, outside, instance):
    account.inject("failing_node", node=DAILY, message="Out of memory")
    failed = outside(DAILY)
    account.inject("stuck_node", node=SHARE)
    stuck = client.refresh_materialized_view(SHARE).execution_id
    ticking = daemon()
    assert ticking.tick() == [observation(failed)]
    client.cancel_execution(stuck)
    assert ticking.tick() == [observation(stuck)]
    (record,) = instance.fetch_observations(DAILY_KEY, limit=9).records
    event = record.event_log_entry.asset_observation
    assert "Failed outside Dagster. Out of memory" in event.description
    assert told(event, "reason") == "Out of memory"
    assert instance.get_latest_materialization_event(DAILY_KEY) is None
    succeeded = outside(DAILY)
    assert ticking.tick() == [materialization(succeeded)]
    assert ticking.tick() == []


def test_an_execution_is_reported_when_it_has_ended(account, daemon, client, finish):
    account.hold(DAILY)
    slow = client.refresh_materialized_view(DAILY).execution_id
    ticking = daemon()
    assert ticking.tick() == []
    account.release(DAILY)
    finish(client, slow)
    assert ticking.tick() == [materialization(slow)]


def test_events_come_in_the_order_in_which_executions_ended(
    account, daemon, client, finish, outside, instance, resource
):
    first = outside(DAILY)
    ticking = daemon()
    ticking.tick()
    replaced = outside(DAILY)
    own = executions(run(ASSETS, instance, resource, selection=[DAILY_KEY]))[DAILY_KEY]
    assert ticking.tick() == [observation(replaced)]
    latest = instance.get_latest_materialization_event(DAILY_KEY).asset_materialization
    assert told(latest, "execution_id") == own

    account.hold(DAILY, times=1)
    slow = client.refresh_materialized_view(DAILY).execution_id
    quick = outside(DAILY)
    assert ticking.tick() == [materialization(quick)]
    account.release(DAILY)
    finish(client, slow)
    assert ticking.tick() == [materialization(slow)]
    assert ticking.tick() == []
    assert first < replaced < own < slow < quick


@pytest.mark.parametrize("end", [{}, {ENDED_AT: "this morning"}], ids=["none", "no number"])
def test_where_no_end_is_told_the_order_of_submissions_counts(account, daemon, outside, instance, end):
    outside(DAILY)
    ticking = daemon()
    ticking.tick()
    earlier, own, later = outside(DAILY), outside(DAILY), outside(DAILY)
    instance.report_runless_asset_event(dg.AssetMaterialization(DAILY_KEY, metadata={EXECUTION_ID: own, **end}))
    assert ticking.tick() == [observation(earlier), materialization(later)]
    assert ticking.tick() == []


def test_of_the_time_before_it_was_switched_on_it_reports_the_latest_result_alone(account, daemon, outside):
    outside(DAILY)
    latest = outside(DAILY)
    account.inject("failing_node", node=DAILY)
    failed = outside(DAILY)
    ticking = daemon()
    assert ticking.tick() == [materialization(latest), observation(failed)]
    assert ticking.tick() == []


def test_parametrised_queries_are_left_out_unless_asked_for(account, daemon, outside):
    executed = outside(20, {"least": 2})
    left_out = daemon()
    assert left_out.tick() == []
    asked_for = daemon(include_parametrised=True)
    assert asked_for.tick() == [materialization(executed)]
    assert asked_for.tick() == []
    sensor = build_dune_refresh_sensor([ASSETS])
    assert "Watches 3 assets. Left out, being parametrised or partitioned: dune/at_least_20." in sensor.description


def test_of_parametrised_queries_an_open_run_may_execute_any_variant(account, daemon, instance, resource):
    ticking, seen = daemon(include_parametrised=True), []

    @dune_assets(catalog=CATALOG, name="dune_assets")
    def slow_to_report(context: dg.AssetExecutionContext, dune: DuneResource):
        config = DuneRunConfig(query_parameters={"dune/at_least_20": {"least": 2}})
        events = list(dune.run(context, config=config))
        seen.extend(ticking.tick())
        yield from events

    assert run(slow_to_report, instance, resource, selection=[dg.AssetKey(["dune", "at_least_20"])]).success
    assert (seen, ticking.tick()) == ([], [])


def test_a_query_that_has_lost_its_column_is_read_all_the_same(account, daemon, outside):
    outside(10)
    ticking = daemon()
    ticking.tick()
    account.load_query(10, "renamed", "SELECT 1 AS one")
    executed = outside(10)
    assert ticking.tick() == [materialization(executed)]


def many(count):
    names = [f"dune.acme.result_m{number:03}" for number in range(count)]
    return DuneCatalog(materialized_views=[MaterializedView(name=name, query_id=1) for name in names]), names


@pytest.fixture
def crowd(account, outside):
    """Twelve matviews, each refreshed once."""
    catalog, names = many(12)
    for name in names:
        account.load_materialized_view(name, 1)
        outside(name)
    return build_dune_assets(catalog), names


def looked_at(dune, since):
    paths = [entry["path"] for entry in dune.journal()[since:]]
    return [path.rsplit("/", 1)[1] for path in paths if path.startswith("/api/v1/materialized-views/dune")]


def test_the_work_is_spread_over_ticks_in_turn(account, crowd, daemon):
    assets, names = crowd
    ticking = daemon(assets, max_requests_per_tick=7)
    reported, rounds = [], []
    for _ in range(8):
        before = len(account.journal())
        reported += ticking.tick()
        assert len(account.journal()) - before <= 7
        rounds += looked_at(account, before)
    assert len(reported) == len(set(reported)) == len(names)
    # An asset at which a tick ended is looked at again by the next one; apart from that, each has its turn.
    turns = [name for name, before in zip(rounds, [None, *rounds], strict=False) if name != before]
    assert turns == (names * 8)[: len(turns)]
    assert len(turns) >= 3 * len(names)


def test_an_asset_that_takes_a_whole_tick_keeps_no_other_from_its_turn(account, daemon, client, outside):
    account.hold(DAILY)
    for _ in range(3):
        client.refresh_materialized_view(DAILY)
    shared = outside(SHARE)
    ticking = daemon(max_requests_per_tick=2, select="dune.acme.*")
    assert [ticking.tick(), ticking.tick()] == [[], [materialization(shared)]]


def test_a_rate_limit_ends_the_tick_and_the_next_goes_on(instance, database):
    catalog, names = many(50)
    with DuneEmulator(rate_limit="free", database=database) as dune:
        load(dune)
        for name in names:
            dune.load_materialized_view(name, 1)
        resource = DuneResource(api_key=dune.api_key, base_url=dune.url)
        sensor = build_dune_refresh_sensor(
            [build_dune_assets(catalog)], reads_per_minute=60, max_requests_per_tick=60, max_seconds_per_tick=PATIENCE
        )
        ticking = Daemon(sensor, instance, resource)
        done = ticking.evaluate()
        assert done.skip_message == (
            "Looked at 40 of 50 assets; no news from outside Dagster. It goes on with dune/acme/result_m040, because "
            "Dune's rate limit was reached."
        )
        ticking.cursor = done.cursor
        assert "Looked at 0 of 50 assets" in (again := ticking.evaluate()).skip_message
        assert again.cursor == done.cursor


def test_a_tick_ends_when_its_time_is_up(account, crowd, daemon):
    account.inject("delay", path="/api/v1/materialized-views/*", times=None, seconds=0.5)
    ticking = daemon(crowd[0], max_seconds_per_tick=2)
    reported = wait_until(lambda: len(ticking.tick()))  # a busy machine may need all of a tick for the first
    assert reported <= 4
    assert f"result_m{reported:03}" in ticking.cursor


def test_what_was_found_before_dune_went_away_is_reported(account, crowd, daemon):
    account.inject("reset", path="*result_m002", times=2)
    ticking = daemon(crowd[0])
    assert len(ticking.tick()) == 2
    assert "result_m002" in ticking.cursor
    assert ticking.tick() == []
    assert "result_m003" in ticking.cursor
    assert len(ticking.tick()) == 10


def test_one_asset_that_cannot_be_looked_at_does_not_keep_the_others_back(account, crowd, daemon, client, capfd):
    client.delete_materialized_view("dune.acme.result_m003")
    account.inject("status", path="*result_m005", status=500)
    assert len(daemon(crowd[0]).tick()) == 10
    said = capfd.readouterr().err
    assert "result_m003 could not be looked at: Dune answered 404" in said
    assert "result_m005 could not be looked at: Dune answered 500" in said


def test_a_wrong_key_fails_the_tick(account, daemon):
    with pytest.raises(DuneAuthenticationError):
        daemon(dune=DuneResource(api_key="wrong", base_url=account.url)).tick()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"minimum_interval_seconds": 30}, "60 a minute, and the plan allows 40. Set minimum_interval_seconds to 45"),
        ({"max_requests_per_tick": 41}, "lower max_requests_per_tick"),
        ({"max_requests_per_tick": 1}, "at least 2"),
        ({"minimum_interval_seconds": 0}, "must be positive"),
        ({"max_seconds_per_tick": 0}, "must be positive"),
        ({"reads_per_minute": 0}, "must be positive"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused(options, message):
    with pytest.raises(DuneConfigurationError, match=re.escape(message)):
        build_dune_refresh_sensor([ASSETS], **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"select": "nothing_like_it"}, "'nothing_like_it' matches nothing"),
        ({"exclude": "*"}, "selects no asset"),
        ({"select": "at_least"}, "left out: dune/at_least_20. Set include_parametrised"),
    ],
)
def test_a_sensor_over_nothing_is_refused(options, message):
    with pytest.raises(DuneCatalogError, match=re.escape(message)):
        build_dune_refresh_sensor([ASSETS], **options)


def test_what_exclude_of_a_sensor_does_not_match_is_a_warning(caplog):
    assert build_dune_refresh_sensor([ASSETS], name="seen", exclude="nothing_like_it").name == "seen"
    assert [text for text in caplog.messages if "seen, exclude: The pattern 'nothing_like_it' matches nothing" in text]


def test_a_partitioned_query_is_left_out_unless_asked_for(account, daemon, outside):
    executed = outside(10)
    daily = dg.DailyPartitionsDefinition("2026-01-01")
    partitioned = ASSETS.map_asset_specs(
        lambda spec: spec.replace_attributes(partitions_def=daily) if spec.key == QUERY_KEY else spec
    )
    assert daemon(partitioned, select=["10", DAILY]).tick() == []
    assert daemon(partitioned, select=["10", DAILY], include_partitioned=True).tick() == [materialization(executed)]
    with pytest.raises(DuneCatalogError, match="partitioned assets alone"):
        build_dune_refresh_sensor([partitioned], select="10")


@pytest.mark.processes
def test_the_daemon_reports_what_happened_outside(dune, calls, tmp_path, outside):
    load(dune)
    refreshed = outside(DAILY)
    location = ROOT / "tests" / "support" / "locations" / "refresh_location.py"
    with Deployment(tmp_path / "home", dune, ["-f", str(location)], location.name) as deployment:
        deployment.start("dagster-daemon", "run")

        def latest(key):
            event = deployment.instance.get_latest_materialization_event(key)
            return event and told(event.asset_materialization, "execution_id")

        wait_until(lambda: latest(DAILY_KEY))
        assert latest(DAILY_KEY) == refreshed
        shared = outside(SHARE)
        wait_until(lambda: latest(SHARE_KEY))
        assert latest(SHARE_KEY) == shared
        assert len(deployment.instance.fetch_materializations(DAILY_KEY, limit=9).records) == 1
        assert deployment.instance.get_runs() == []
    assert calls() == []
