"""Selections become nodes: the right ones, in a stable order, with the right dependencies."""

import pytest
from counted_calls import growth_of
from hypothesis import given
from hypothesis import strategies as st

from dagster_dune.api.models import MaterializedViewRefresh, QueryExecution
from dagster_dune.catalog.catalog import DuneCatalog, MaterializedView, Query
from dagster_dune.errors import DuneCatalogError, DunePlanError
from dagster_dune.pipeline.plan import plan_pipeline


def matview(name, *deps, **fields):
    return MaterializedView(name=f"dune.acme.result_{name}", deps=deps, **fields)


def result(name):
    return f"dune.acme.result_{name}"


def nodes(plan):
    return {node.sql_name: {plan.by_id[up].sql_name for up in node.dependencies} for node in plan.nodes}


LAYERS = DuneCatalog(
    materialized_views=[matview("a", "dex.trades"), matview("b", result("a")), matview("c", result("b"))],
    queries=[Query(query_id=1, deps=[result("a")]), Query(query_id=2, deps=["query_1", result("c")])],
)
ALL = {obj.sql_name: obj.sql_name for obj in LAYERS}


def test_everything_selected_maps_one_to_one():
    assert nodes(plan_pipeline(LAYERS, ALL)) == {
        result("a"): set(),
        result("b"): {result("a")},
        result("c"): {result("b")},
        "query_1": {result("a")},
        "query_2": {"query_1", result("c")},
    }


def test_an_unselected_query_is_looked_through():
    plan = plan_pipeline(LAYERS, {"query_2": "x", result("a"): "y"})
    assert nodes(plan) == {result("a"): set(), "query_2": {result("a")}}


def test_an_unselected_matview_is_a_wall():
    plan = plan_pipeline(LAYERS, {result("c"): "x", result("a"): "y"})
    assert nodes(plan) == {result("a"): set(), result("c"): set()}


def test_ties_go_by_asset_key_and_ids_start_at_one():
    plan = plan_pipeline(LAYERS, {result("a"): "z", "query_1": "y", result("b"): "x"})
    assert [(node.id, node.sql_name) for node in plan.nodes] == [(1, result("a")), (2, result("b")), (3, "query_1")]


def test_unset_options_are_left_out_of_the_request():
    plan = plan_pipeline(LAYERS, {"query_1": "x", result("a"): "y"})
    assert plan.to_wire().model_dump(mode="json", exclude_none=True) == {
        "nodes": [
            {"id": 1, "dependencies": [], "materialized_view_refresh": {"name": result("a")}},
            {"id": 2, "dependencies": [1], "query_execution": {"query_id": 1}},
        ]
    }


def test_the_objects_own_tier_wins_over_the_default():
    catalog = DuneCatalog(materialized_views=[matview("a", performance="large"), matview("b")])
    plan = plan_pipeline(catalog, {obj.sql_name: "" for obj in catalog}, performance="medium")
    assert [node.target.performance for node in plan.nodes] == ["large", "medium"]


def test_parameters_keep_their_keys_and_become_texts():
    catalog = DuneCatalog(queries=[Query(query_id=1, query_parameters={"Start Date": "2024-01-01", "limit": 5})])
    (node,) = plan_pipeline(catalog, {"query_1": "x"}).nodes
    assert node.target == QueryExecution(query_id=1, query_parameters={"Start Date": "2024-01-01", "limit": "5"})


def test_matviews_keep_the_case_of_their_names():
    catalog = DuneCatalog(materialized_views=[MaterializedView(name="dune.Acme.result_Daily")])
    (node,) = plan_pipeline(catalog, {"dune.acme.result_daily": "x"}).nodes
    assert node.target == MaterializedViewRefresh(name="dune.Acme.result_Daily")


def test_the_digest_is_of_target_and_parameters_alone():
    def digest(**fields):
        catalog = DuneCatalog(queries=[Query(query_id=1, **fields)])
        return plan_pipeline(catalog, {"query_1": "x"}).digests

    assert digest() == digest(performance="large")
    assert digest() != digest(query_parameters={"day": "2024-01-01"})
    assert digest(query_parameters={"a": "1", "b": "2"}) == digest(query_parameters={"b": "2", "a": "1"})


def test_extra_deps_order_the_nodes_and_are_looked_through_too():
    extra = {result("a"): ["query_1"]}
    catalog = DuneCatalog(
        materialized_views=[matview("a"), matview("b")], queries=[Query(query_id=1, deps=[result("b")])]
    )
    assert nodes(plan_pipeline(catalog, {result("a"): "", result("b"): ""}, extra_deps=extra)) == {
        result("a"): {result("b")},
        result("b"): set(),
    }


def test_extra_deps_that_close_a_circle_are_refused():
    with pytest.raises(DuneCatalogError, match="circle"):
        plan_pipeline(LAYERS, ALL, extra_deps={result("a"): [result("c")]})


def test_an_empty_selection_is_refused():
    with pytest.raises(DunePlanError, match="Nothing is selected"):
        plan_pipeline(LAYERS, {})


def test_more_nodes_than_allowed_are_refused():
    with pytest.raises(DunePlanError, match=r"5 nodes .* max_nodes=4"):
        plan_pipeline(LAYERS, ALL, max_nodes=4)


def test_an_unknown_name_is_refused():
    with pytest.raises(DuneCatalogError, match="holds no 'query_99'"):
        plan_pipeline(LAYERS, {"query_99": "x"})


@st.composite
def catalogs_with_selections(draw):
    size = draw(st.integers(1, 12))
    kinds = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    names = [f"query_{i + 1}" if is_query else result(f"m{i}") for i, is_query in enumerate(kinds)]
    deps = [draw(st.sets(st.sampled_from(names[:i]), max_size=3)) if i else set() for i in range(size)]
    catalog = DuneCatalog(
        materialized_views=[matview(f"m{i}", *deps[i]) for i in range(size) if not kinds[i]],
        queries=[Query(query_id=i + 1, deps=deps[i]) for i in range(size) if kinds[i]],
    )
    selected = draw(st.sets(st.sampled_from(names), min_size=1))
    return catalog, {name: draw(st.text(max_size=2)) for name in selected}


@given(catalogs_with_selections())
def test_plans_are_valid_whatever_the_graph(drawn):
    catalog, selection = drawn
    plan = plan_pipeline(catalog, selection)
    assert {node.sql_name for node in plan.nodes} == set(selection)
    assert [node.id for node in plan.nodes] == list(range(1, len(selection) + 1))
    for node in plan.nodes:
        assert all(up < node.id for up in node.dependencies)
        assert {plan.by_id[up].sql_name for up in node.dependencies} == _by_definition(
            catalog, selection, node.sql_name
        )
    assert plan == plan_pipeline(catalog, dict(reversed(selection.items())))


def _by_definition(catalog, selection, name):
    """The rule, written as a recursion: selected upstreams, and those behind unselected queries."""
    found = set()
    for up in catalog[name].deps:
        if up in selection:
            found.add(up)
        elif up.startswith("query_"):
            found |= _by_definition(catalog, selection, up)
    return found


@pytest.mark.parametrize("step", [1, 7])
@pytest.mark.parametrize("is_chain", [True, False])
def test_planning_takes_no_longer_than_nodes_are_many(is_chain, step):
    """In a chain, and where all read the same five; everything, and one object of seven."""

    def planning(count):
        many = [
            Query(query_id=nth, deps=[f"query_{up}" for up in ([nth - 1] if is_chain else range(1, 6)) if 0 < up < nth])
            for nth in range(1, count + 1)
        ]
        catalog = DuneCatalog(queries=many)
        selection = {obj.sql_name: obj.sql_name for obj in many[::step]}
        return lambda: plan_pipeline(catalog, selection)

    assert growth_of(planning, few=50, many=400) < 16  # 8 times as many
