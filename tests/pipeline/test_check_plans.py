"""Checks become nodes behind what they check, and gates nodes before what reads it, whatever is selected."""

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from dagster_dune import DuneCatalog, DuneCatalogError, DuneCheck, DunePlanError, MaterializedView, Query
from dagster_dune.pipeline.plan import check_gates, plan_pipeline

A, B = "dune.acme.result_a", "dune.acme.result_b"


def catalog(*checks, **fields):
    """A, read by B directly and by query 2 through query 1; queries 7 to 9 are checks."""
    ids = {check.query_id for check in checks}
    given = {7: [A], 8: [A], 9: [A], **fields.pop("reads", {})}
    return DuneCatalog(
        materialized_views=[MaterializedView(name=A), MaterializedView(name=B, deps=[A])],
        queries=[
            Query(query_id=1, deps=[A]),
            Query(query_id=2, deps=["query_1"]),
            *(Query(query_id=number, deps=deps) for number, deps in given.items() if number in ids),
        ],
        checks=checks,
    )


def gate(query_id=7, asset=A):
    return DuneCheck(asset=asset, name=f"gate_{query_id}", kind="gate", query_id=query_id)


def rows(query_id=8, asset=A):
    return DuneCheck(asset=asset, name=f"rows_{query_id}", kind="rows", query_id=query_id)


def waits(plan):
    return {node.sql_name: {plan.by_id[up].sql_name for up in node.dependencies} for node in plan.nodes}


def planned(catalog, *selection, checks=None):
    return waits(
        plan_pipeline(catalog, {name: name for name in selection}, checks=catalog.checks if checks is None else checks)
    )


def test_a_check_waits_for_its_asset_and_readers_wait_for_gates_alone():
    assert planned(catalog(gate(), rows()), A, B, "query_2") == {
        A: set(),
        B: {A, "query_7"},
        "query_2": {A, "query_7"},
        "query_7": {A},
        "query_8": {A},
    }


def test_a_check_reads_other_assets_too():
    assert planned(catalog(rows(), reads={8: [A, B]}), A, B)["query_8"] == {A, B}


def test_readers_wait_for_a_gate_whose_asset_is_not_selected():
    assert planned(catalog(gate()), B, "query_2") == {B: {"query_7"}, "query_2": {"query_7"}, "query_7": set()}


def test_checks_run_alone_and_assets_without_them():
    checks = catalog(gate(), rows())
    assert planned(checks) == {"query_7": set(), "query_8": set()}
    assert planned(checks, A, B, checks=()) == {A: set(), B: {A}}


def test_a_selected_reader_in_between_holds_back_those_behind_it():
    assert planned(catalog(gate()), A, "query_1", "query_2") == {
        A: set(),
        "query_7": {A},
        "query_1": {A, "query_7"},
        "query_2": {"query_1"},
    }


@pytest.mark.parametrize("reads", [[B], ["query_2"], ["query_1"]])
def test_a_gate_that_reads_a_reader_of_its_asset_is_a_circle(reads):
    checks = catalog(gate(), reads={7: [A, *reads]})
    with pytest.raises(DuneCatalogError, match=f"The gate gate_7 of {A} reads what reads {A}"):
        check_gates(checks.graph, {A, B, "query_1", "query_2"}, checks.checks)
    with pytest.raises(DunePlanError, match="wait for each other in a circle"):
        planned(checks, A, B, "query_1", "query_2")


def test_nodes_of_checks_are_named_and_counted():
    checks = catalog(gate())
    plan = plan_pipeline(checks, {A: "a"}, checks=checks.checks)
    assert [node.label for node in plan.nodes] == [A, f"check gate_7 of {A}"]
    with pytest.raises(DunePlanError, match="2 nodes would run"):
        plan_pipeline(checks, {A: "a"}, checks=checks.checks, max_nodes=1)


@st.composite
def cases(draw):
    """A random graph of matviews and queries with checks, and some of it selected."""
    count = draw(st.integers(1, 8))
    names, reads, views = [], {}, set()
    for number in range(1, count + 1):
        name = draw(st.sampled_from([f"dune.acme.result_{number}", f"query_{number}"]))
        reads[name] = draw(st.lists(st.sampled_from(names), max_size=3, unique=True)) if names else []
        names.append(name)
        if name.startswith("query"):
            views.add(name)
    checks = []
    for number in range(101, 101 + draw(st.integers(1, 4))):
        asset = draw(st.sampled_from(names))
        kind = draw(st.sampled_from(["gate", "rows", "value"]))
        checks.append(DuneCheck(asset=asset, name=f"c{number}", kind=kind, query_id=number))
        reads[f"query_{number}"] = draw(st.lists(st.sampled_from(names), max_size=3, unique=True))
    selection = draw(st.sets(st.sampled_from(names)))
    chosen = [check for check in checks if draw(st.booleans())]
    return reads, views, checks, selection, chosen


def made(reads, checks):
    return DuneCatalog(
        materialized_views=[MaterializedView(name=name, deps=deps) for name, deps in reads.items() if "." in name],
        queries=[Query(query_id=int(name[6:]), deps=deps) for name, deps in reads.items() if "." not in name],
        checks=checks,
    )


def reaches(reads, views, selection, name, asset):
    """Whether an object reads another directly, or through queries that are not selected."""
    return any(
        read == asset or (read in views and read not in selection and reaches(reads, views, selection, read, asset))
        for read in reads[name]
    )


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_every_selection_of_every_graph(case):
    reads, views, checks, selection, chosen = case
    catalog = made(reads, checks)
    try:
        check_gates(catalog.graph, [name for name in reads if name not in catalog.check_queries], checks)
    except DuneCatalogError:
        event("a circle")
        return
    if not selection and not chosen:
        return
    labels = {name: name for name in selection}
    plan = plan_pipeline(catalog, labels, checks=chosen)
    nodes = waits(plan)
    queries = {check.sql_name: check for check in chosen}

    # Everything that is selected runs once, after what it waits for.
    assert sorted(nodes) == sorted(selection | queries.keys())
    assert [node.id for node in plan.nodes] == list(range(1, len(plan.nodes) + 1))
    assert all(up < node.id for node in plan.nodes for up in node.dependencies)

    # Among themselves, assets wait as they do without checks; else for gates alone.
    without = waits(plan_pipeline(catalog, labels)) if selection else {}
    for name in selection:
        assert nodes[name] - queries.keys() == without[name]
        assert all(queries[up].is_gate for up in nodes[name] & queries.keys())

    # A check comes after its asset; a gate before all that reads it, of which none runs once it says no.
    for query, check in queries.items():
        assert check.asset not in selection or check.asset in nodes[query]
        readers = {name for name in selection if check.is_gate and reaches(reads, views, selection, name, check.asset)}
        assert readers == {name for name in selection if query in nodes[name]}
        held, run = set(), {query}
        for node in plan.nodes:
            if set(nodes[node.sql_name]) & ({query} | held):
                held.add(node.sql_name)
            else:
                run.add(node.sql_name)
        assert readers <= held
        assert not (held & {check.asset})
    event("planned")
