"""Dune's own pipeline of a query becomes a plan, if it is what is selected."""

import pytest

from dagster_dune.api.models import Pipeline
from dagster_dune.catalog.catalog import DuneCatalog, MaterializedView, Query
from dagster_dune.errors import DunePlanError
from dagster_dune.pipeline.lineage_form import other_tiers, plan_lineage, sink_node
from dagster_dune.pipeline.nodes import Override

NAME = "dune.21co.result_x"
EXTRA = "dune.acme.result_y"


def catalog(**settings):
    return DuneCatalog(
        materialized_views=[MaterializedView(name='dune."21co".result_x', **settings)],
        queries=[Query(query_id=2, deps=[NAME])],
    )


def choice(*names):
    """Dune's answer: these matviews, and the query after them."""
    views = [{"id": id_, "materialized_view_refresh": {"name": name}} for id_, name in enumerate(names, 1)]
    dependencies = [view["id"] for view in views]
    query = {"id": len(views) + 1, "dependencies": dependencies, "query_execution": {"query_id": 2}}
    return Pipeline.model_validate({"nodes": [*views, query]})


SINK = sink_node(catalog(), [NAME, "query_2"], None)
SPELLINGS = [NAME, 'dune."21co".result_x', '"dune"."21co"."result_x"', "DUNE.21co.Result_X", " dune.21co.result_x "]


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_matview_is_the_selected_one_however_dune_writes_it(name):
    plan = plan_lineage([NAME, "query_2"], SINK, choice(name))
    assert [node.sql_name for node in plan.nodes] == [NAME, "query_2"]
    assert plan.digests == plan_lineage([NAME, "query_2"], SINK, choice(NAME)).digests


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_matview_that_is_not_selected_is_refused_by_its_plain_name(name):
    with pytest.raises(DunePlanError, match=f"what is not selected: {NAME}\\. Select these"):
        plan_lineage(["query_2"], SINK, choice(name))


@pytest.mark.parametrize("name", [NAME[:-1], f"{NAME}_2", "dune.co.result_x", "result_x"])
def test_another_name_is_another_matview(name):
    with pytest.raises(DunePlanError, match=f"would not run what is selected: {NAME}"):
        plan_lineage([NAME, "query_2"], SINK, choice(name))


def test_every_node_counts_towards_the_bound():
    arguments = (["query_2"], SINK, choice(NAME, EXTRA))
    assert len(plan_lineage(*arguments, allow_extra_refreshes=True, max_nodes=3).nodes) == 3
    with pytest.raises(DunePlanError, match="3 nodes would run, which is more than max_nodes=2"):
        plan_lineage(*arguments, allow_extra_refreshes=True, max_nodes=2)


@pytest.mark.parametrize(
    ("of_matview", "of_query", "is_refused"),
    [("large", None, True), ("large", "medium", True), ("large", "large", False), (None, "large", False)],
)
def test_a_tier_that_the_run_sets_is_kept_or_refused(of_matview, of_query, is_refused):
    tiers = {NAME: of_matview, "query_2": of_query}
    overrides = {name: Override(performance=tier) for name, tier in tiers.items() if tier}
    if is_refused:
        with pytest.raises(DunePlanError, match=rf"another one: {NAME} \(large\)"):
            sink_node(catalog(), [NAME, "query_2"], None, overrides)
    else:
        assert sink_node(catalog(), [NAME, "query_2"], None, overrides).target.performance == of_query


def test_a_tier_that_the_catalog_sets_for_a_matview_does_not_count():
    own = catalog(performance="large")
    sink = sink_node(own, [NAME, "query_2"], "medium")
    assert sink.target.performance == "medium"
    assert other_tiers({obj.sql_name: obj.performance for obj in own}, sink) == f"{NAME} (large)"
