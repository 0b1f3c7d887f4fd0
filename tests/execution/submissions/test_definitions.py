"""The same node in two definitions of a job: what one of them has sent is nothing to the other, in a retry neither."""

from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg
import pytest

from dagster_dune import DagsterDuneTranslator, DuneCatalog, DuneCheck, Query, build_dune_assets
from dagster_dune._execution.submissions.definitions import DefinitionNodes
from dagster_dune._execution.submissions.submission import Submission

CATALOG = DuneCatalog(queries=[Query(query_id=1)])
CHECKED = DuneCatalog(
    queries=[Query(query_id=1), Query(query_id=2, deps=["query_1"])],
    checks=[DuneCheck(name="same", asset="query_1", kind="rows", query_id=2)],
)
RETRY = "dagster/parent_run_id"
OF_A, OF_B = (dg.AssetKey([prefix, "dune", "query_1"]) for prefix in "ab")


class Team(DagsterDuneTranslator):
    """Gives what a definition holds a prefix, and something that it waits for."""

    def __init__(self, prefix, *deps):
        self.prefix, self.deps = prefix, deps

    def get_asset_spec(self, obj):
        spec = super().get_asset_spec(obj)
        return spec.replace_attributes(key=spec.key.with_prefix(self.prefix), deps=[*spec.deps, *self.deps])


def team(prefix, *deps, name=None, catalog=CATALOG):
    return build_dune_assets(
        catalog,
        name=name or f"team_{prefix}",
        translator=Team(prefix, *deps),
        resource_key=f"dune_{prefix}",
    )


@dg.asset(deps=[OF_A])
def between(context: dg.AssetExecutionContext):
    if RETRY not in context.run.tags:
        raise dg.Failure("Not yet.")


TEAMS = [team("a"), between, team("b", "between")]


@pytest.fixture
def run(dune, instance, resource):
    """A function that runs assets, as a retry from failure of another run where that is given."""
    dune.load_query(1, "one", "SELECT 1 AS n")

    def materialize(assets, parent=None, selection=None, **resources):
        related = {}
        if parent:
            related = {RETRY: parent.run_id, "dagster/root_run_id": parent.run_id, "dagster/is_resume_retry": "true"}
        return dg.materialize(
            assets,
            resources={"dune_a": resource, "dune_b": resource, **resources},
            instance=instance,
            selection=selection,
            tags=related,
            raise_on_error=False,
        )

    return materialize


def executions_of(result):
    events = result.get_asset_materialization_events()
    named = [event.materialization.metadata.get("dagster-dune/execution_id") for event in events]
    return [name.value for name in named if name]


@pytest.mark.parametrize("selection", [[dg.AssetKey("between"), OF_B], None], ids=["what is missing", "everything"])
def test_a_node_that_its_own_definition_has_not_come_to_send_is_not_that_of_another(dune, run, selection):
    """Between the two, an asset of Python may have changed what the query reads."""
    first = run(TEAMS)
    (of_a,) = executions_of(first)
    second = run(TEAMS, first, selection)
    assert second.success
    assert executions_of(second)[-1] != of_a
    assert len(dune.executions()) == 2


def test_an_account_is_not_asked_for_the_pipeline_of_another(dune, two_workers, run, resource_with):
    """Nothing of the other account can be read with the key, and nothing was sent with it."""
    two_workers.load_query(1, "one", "SELECT 2 AS n")
    other = resource_with(api_key=two_workers.api_key, base_url=two_workers.url)
    assert run(TEAMS, run(TEAMS), dune_b=other).success
    assert (len(dune.executions()), len(two_workers.executions())) == (1, 1)


def test_nor_where_the_name_of_one_is_that_of_a_further_step_of_the_other(dune, run):
    """Dagster names the steps that it splits a definition into by numbers."""
    assets = [team("a", name="team"), between, team("b", "between", name="team_2")]
    assert run(assets, run(assets)).success
    assert len(dune.executions()) == 2


def test_nor_where_one_was_run_alone_since(dune, run):
    """The plan of that run knows nothing of the other; that of the run that both go back to does."""
    dune.load_query(1, "one", "SELECT CAST('x' AS BIGINT) AS n")
    first = run(TEAMS)
    dune.load_query(1, "one", "SELECT 1 AS n")
    alone = run(TEAMS, first, [OF_A])
    assert alone.success
    last = run(TEAMS, first, [between.key, OF_B])
    assert last.success
    assert not {*executions_of(last)} & {*executions_of(alone)}


def test_a_lost_request_of_one_does_not_stop_the_other(dune, two_workers, run, resource_with):
    two_workers.load_query(1, "one", "SELECT 2 AS n")
    other = resource_with(api_key=two_workers.api_key, base_url=two_workers.url)
    assets = [team("a"), team("b", OF_A)]
    dune.inject("reset", method="POST", path="/api/v1/pipelines/execute", when="after")
    first = run(assets, dune_a=resource_with(max_retries=0), dune_b=other)
    assert not first.success
    last = run(assets, first, [OF_B], dune_b=other)
    assert last.success
    assert len(two_workers.executions()) == 1


def test_so_are_checks(dune, run):
    dune.load_query(2, "two", "SELECT n FROM query_1 WHERE n > 1")
    assets = [team("a", catalog=CHECKED), between, team("b", "between", catalog=CHECKED)]
    first = run(assets)
    assert len(first.get_asset_check_evaluations()) == 1
    checks = dg.AssetSelection.checks(*(dg.AssetCheckKey(key, "same") for key in (OF_A, OF_B)))
    second = run(assets, first, checks | dg.AssetSelection.assets("between"))
    assert second.success
    executed = [execution["query_id"] for execution in dune.executions()]
    assert executed.count(2) == 2


@pytest.mark.parametrize("name", ["team_a", "renamed"])
def test_an_asset_is_the_same_in_a_definition_of_another_name(dune, run, name):
    first = run(TEAMS)
    again = run([team("a", name=name), between, team("b", "between")], first, [OF_A])
    assert again.success
    assert executions_of(again) == executions_of(first)
    assert len(dune.executions()) == 1


def test_so_is_one_that_moved_to_another_definition_of_the_same_run(dune, run):
    """The catalog of one is empty of it by then, and so it is in no plan beside its former self."""
    rest = DuneCatalog(queries=[Query(query_id=3)])
    dune.load_query(3, "three", "SELECT 3 AS n")
    first = run([team("a"), between, team("b", "between", catalog=rest)])
    moved = build_dune_assets(CATALOG, name="team_b", translator=Team("a"), resource_key="dune_b")
    again = run([team("c", catalog=rest, name="team_a"), moved], first, [OF_A], dune_c=None)
    assert again.success
    assert executions_of(again) == executions_of(first)


def test_where_an_asset_has_another_key_too_it_may_be_the_same(dune, run):
    """No plan has both, so that they may be one: it is not paid twice."""
    first = run([team("a"), between])
    again = run([team("b")], first)
    assert again.success
    assert executions_of(again) == executions_of(first)
    assert len(dune.executions()) == 1


def test_a_record_that_names_no_step_counts():
    """As those of 0.1: for which asset it was is not known."""
    nodes = DefinitionNodes("team_b", ("retry", "run"), {"digest": OF_B})
    without = Submission("1", "run", datetime.now(UTC), {"digest": 1, "other": 2}, definition="team_a")
    plan = {OF_A: "team_a", OF_B: "team_b"}
    (seen,) = nodes.sent_in([without], lambda _: plan)
    assert seen.node_ids == {"digest": 1, "other": 2}
    (seen,) = nodes.sent_in([replace(without, step_key="team_a")], lambda _: plan)
    assert (seen.node_ids, seen.size) == ({"other": 2}, 2)
