"""A gate holds back what reads its asset in other steps: in those that Dagster split off, and of other definitions."""

import dagster as dg
import pytest

from dagster_dune import DagsterDuneTranslator, DuneCatalog, DuneCheck, MaterializedView, build_dune_assets

A, R = "dune.acme.result_a", "dune.acme.result_r"
KEY_A, PYTHON = dg.AssetKey(A.split(".")), dg.AssetKey("python")
GATE = DuneCheck(asset=A, name="gate", kind="gate", query_id=14)
GATE_KEY = dg.AssetCheckKey(KEY_A, "gate")
SAYS_NO = {"message": "Cannot cast 'gate closed: 3 negative' to BIGINT"}
BREAKS = {}


class Between(DagsterDuneTranslator):
    """Lets the reader wait for a Python asset, so that Dagster runs it in a step of its own."""

    def get_asset_spec(self, obj):
        spec = super().get_asset_spec(obj)
        return spec.merge_attributes(deps=[PYTHON]) if getattr(obj, "sql_name", "") == R else spec


@dg.asset(key=PYTHON, deps=[KEY_A])
def between():
    pass


def split():
    matviews = [MaterializedView(name=A, query_id=1), MaterializedView(name=R, query_id=2, deps=[A])]
    catalog = DuneCatalog(materialized_views=matviews)
    return [build_dune_assets(catalog, checks=[GATE], translator=Between()), between]


def two_definitions():
    first = DuneCatalog(materialized_views=[MaterializedView(name=A, query_id=1)])
    second = DuneCatalog(materialized_views=[MaterializedView(name=R, query_id=2, deps=[A])], external=[A])
    return [build_dune_assets(first, name="first", checks=[GATE]), build_dune_assets(second, name="second")]


@pytest.fixture(params=[split, two_definitions])
def run(request, dune, resource, instance):
    for number, name in enumerate((A, R), start=1):
        dune.load_query(number, name, "SELECT 1 AS n")
        dune.load_materialized_view(name, number)
    dune.load_query(14, "gate", f"SELECT n FROM {A}")
    assets = request.param()
    definitions = dg.Definitions(assets=assets, resources={"dune": resource}, jobs=[dg.define_asset_job("job")])
    job = definitions.resolve_job_def("job")
    others = {key for definition in assets for key in definition.keys} - {KEY_A}

    def go(parent=None):
        """Everything; or, after a run whose gate broke, what Dagster selects from asset failure."""
        if parent is None:
            return job.execute_in_process(instance=instance, raise_on_error=False)
        tags = {f"dagster/{name}_run_id": parent.run_id for name in ("parent", "root")}
        again = job.get_subset(asset_selection=others, asset_check_selection={GATE_KEY})
        return again.execute_in_process(
            instance=instance, raise_on_error=False, tags={**tags, "dagster/is_asset_resume_retry": "true"}
        )

    return go


def executed(dune):
    return [execution["materialized_view"] or execution["query_id"] for execution in dune.executions()]


@pytest.mark.parametrize("answer", [SAYS_NO, BREAKS])
def test_what_runs_after_it_in_other_steps_waits_for_a_gate(run, dune, answer):
    dune.inject("failing_node", node=14, **answer)
    result = run()
    assert not result.success
    assert executed(dune) == [A, 14]
    assert {event.asset_key for event in result.get_asset_materialization_events()} == {KEY_A}


def test_and_where_the_asset_of_the_gate_is_not_selected(run, dune):
    dune.inject("failing_node", node=14)
    dune.inject("failing_node", node=14, **SAYS_NO)
    broken = run()
    assert not run(broken).success
    assert executed(dune) == [A, 14, 14]
    assert run(broken).success
    assert executed(dune) == [A, 14, 14, 14, R]
