"""The same node in two definitions of a job: what one of them has sent is nothing to the other, in a retry neither."""

import dagster as dg
import pytest

from dagster_dune import DagsterDuneTranslator, DuneCatalog, Query, build_dune_assets

CATALOG = DuneCatalog(queries=[Query(query_id=1)])
RETRY = "dagster/parent_run_id"


class Team(DagsterDuneTranslator):
    """Gives what a definition holds a prefix, and something that it waits for."""

    def __init__(self, prefix, *deps):
        self.prefix, self.deps = prefix, deps

    def get_asset_spec(self, obj):
        spec = super().get_asset_spec(obj)
        return spec.replace_attributes(key=spec.key.with_prefix(self.prefix), deps=[*spec.deps, *self.deps])


def team(name, *deps):
    return build_dune_assets(CATALOG, name=f"team_{name}", translator=Team(name, *deps), resource_key=f"dune_{name}")


@dg.asset(deps=[["a", "dune", "query_1"]])
def between(context: dg.AssetExecutionContext):
    if RETRY not in context.run.tags:
        raise dg.Failure("Not yet.")


@pytest.fixture
def run(dune, instance, resource):
    """A function that runs assets, as a retry from failure of another run where that is given."""
    dune.load_query(1, "one", "SELECT 1 AS n")

    def materialize(assets, parent=None, **resources):
        tags = {}
        if parent:
            tags = {RETRY: parent.run_id, "dagster/root_run_id": parent.run_id, "dagster/is_resume_retry": "true"}
        resources = {"dune_a": resource, "dune_b": resource, **resources}
        selection = list(assets[1:]) if parent and len(assets) > 1 else None
        return dg.materialize(
            assets, resources=resources, instance=instance, selection=selection, tags=tags, raise_on_error=False
        )

    return materialize


def executions_of(result):
    events = result.get_asset_materialization_events()
    named = [event.materialization.metadata.get("dagster-dune/execution_id") for event in events]
    return [name.value for name in named if name]


def test_a_node_that_its_own_definition_has_not_come_to_send_is_not_that_of_another(dune, run):
    """Between the two, an asset of Python may have changed what the query reads."""
    assets = [team("a"), between, team("b", "between")]
    first = run(assets)
    (of_a,) = executions_of(first)
    second = run(assets, first)
    assert second.success
    assert of_a not in executions_of(second)
    assert len(dune.executions()) == 2


def test_an_account_is_not_asked_for_the_pipeline_of_another(dune, two_workers, run, resource_with):
    """Nothing of the other account can be read with the key, and nothing was sent with it."""
    two_workers.load_query(1, "one", "SELECT 2 AS n")
    other = resource_with(api_key=two_workers.api_key, base_url=two_workers.url)
    assets = [team("a"), between, team("b", "between")]
    assert run(assets, run(assets), dune_b=other).success
    assert (len(dune.executions()), len(two_workers.executions())) == (1, 1)


@pytest.mark.parametrize("name", ["team_a", "renamed"])
def test_an_asset_is_the_same_in_a_definition_of_another_name(dune, run, name):
    first = run([team("a"), between])
    renamed = build_dune_assets(CATALOG, name=name, translator=Team("a"), resource_key="dune_a")
    again = run([renamed], first)
    assert again.success
    assert executions_of(again) == executions_of(first)
    assert len(dune.executions()) == 1
