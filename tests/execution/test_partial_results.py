"""Results that Dune has cut short: what a run and the sensor tell of them, and how their rows are read."""

import shutil

import dagster as dg
import pytest

from dagster_dune import DuneCatalog, DuneResource, DuneResultError, Query, build_dune_assets
from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.sensors import build_dune_refresh_sensor

KEY = ["dune", "query_1"]
ASSETS = build_dune_assets(DuneCatalog(queries=[Query(query_id=1)]))


@pytest.fixture(scope="module")
def cutting_dune(sample_database, tmp_path_factory):
    database = shutil.copy(sample_database, tmp_path_factory.mktemp("cutting") / "dune.db")
    with DuneEmulator(database=database, max_result_bytes=40) as dune:
        yield dune


@pytest.fixture
def resource(cutting_dune):
    cutting_dune.reset()
    cutting_dune.load_query(1, "numbers", "SELECT n, 'a long text' AS text FROM UNNEST(sequence(1, 50)) AS t(n)")
    return DuneResource(api_key=cutting_dune.api_key, base_url=cutting_dune.url, poll_interval=0.05)


def test_rows_of_a_cut_off_result_are_read_on_demand(resource, instance):
    result = dg.materialize([ASSETS], resources={"dune": resource}, instance=instance)
    (event,) = result.get_asset_materialization_events()
    assert "cut this result short" in event.materialization.metadata["dagster-dune/warning"].value
    seen = []

    @dg.asset(deps=[KEY])
    def reader(context: dg.AssetExecutionContext, dune: DuneResource):
        with pytest.raises(DuneResultError, match="allow_partial_results"):
            list(dune.get_rows(context, KEY))
        seen.extend(dune.get_rows(context, KEY, allow_partial_results=True))

    assert dg.materialize([reader], resources={"dune": resource}, instance=instance).success
    assert 0 < len(seen) < 50
    assert seen[0] == {"n": 1, "text": "a long text"}


def test_the_sensor_sees_a_cut_off_result(resource, instance, finish):
    with resource.get_client() as client:
        execution = finish(client, client.execute_query(1).execution_id).execution_id
    sensor = build_dune_refresh_sensor([ASSETS])
    context = dg.build_sensor_context(instance, resources={"dune": resource})
    (event,) = sensor.evaluate_tick(context).asset_events
    assert event.metadata["dagster-dune/execution_id"].value == execution
    assert "cut this result short" in event.metadata["dagster-dune/warning"].value
