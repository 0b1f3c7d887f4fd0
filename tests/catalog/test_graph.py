"""What reads what: properties over any graph."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_dune.catalog.catalog import DuneCatalog, MaterializedView, Query
from dagster_dune.errors import DuneCatalogError


@st.composite
def catalogs(draw):
    """A catalog of up to nine objects, each of which reads some of those before it, and maybe a table."""
    objects = []
    for number in range(1, draw(st.integers(1, 9)) + 1):
        before = [obj.sql_name for obj in objects]
        deps = draw(st.lists(st.sampled_from([*before, "dex.trades"]), unique=True))
        if draw(st.booleans()):
            backing = number + 100 if draw(st.booleans()) else None
            objects.append(MaterializedView(name=f"dune.acme.result_{number}", query_id=backing, deps=deps))
        else:
            objects.append(Query(query_id=number, deps=deps))
        if objects[-1].kind == "materialized_view" and objects[-1].query_id and draw(st.booleans()):
            reader = number + 200
            objects.append(Query(query_id=reader, deps=[f"query_{objects[-1].query_id}"]))
    return DuneCatalog(
        materialized_views=[obj for obj in objects if isinstance(obj, MaterializedView)],
        queries=[obj for obj in objects if isinstance(obj, Query)],
    )


@st.composite
def selections(draw):
    catalog = draw(catalogs())
    return catalog, frozenset(draw(st.lists(st.sampled_from([obj.sql_name for obj in catalog]), unique=True)))


def paths(catalog, name):
    """Every way upstream from an object, written out as the definition has it."""
    backed = {f"query_{matview.query_id}": matview for matview in catalog.materialized_views if matview.query_id}
    objects = {obj.sql_name: obj for obj in catalog}
    obj = backed.get(name) or objects.get(name)
    for dep in obj.deps if obj else ():
        yield [dep]
        for path in paths(catalog, dep):
            yield [dep, *path]


def nearest_by_definition(catalog, name, selected):
    """Selected ends of paths that lead through unselected query views alone."""

    def is_open(between):
        return between.startswith("query_") and between not in selected

    return {path[-1] for path in paths(catalog, name) if path[-1] in selected and all(map(is_open, path[:-1]))}


@given(selections())
def test_nearest_is_what_its_definition_says(case):
    catalog, selected = case
    for obj in catalog:
        found = catalog.graph.nearest(obj.sql_name, selected.__contains__)
        assert found == nearest_by_definition(catalog, obj.sql_name, selected)


@given(selections())
def test_a_selection_is_acyclic(case):
    catalog, selected = case
    deps = {name: catalog.graph.nearest(name, selected.__contains__) for name in selected}
    done = set()
    while len(done) < len(selected):
        ready = {name for name in selected - done if deps[name] <= done}
        assert ready, f"a circle among {selected - done}"
        done |= ready


@given(catalogs())
def test_everything_selected_is_the_catalog_itself(case):
    for obj in case:
        objects_read = {name for name in case.graph.reads(obj.sql_name) if name in case}
        assert objects_read <= case.graph.nearest(obj.sql_name, case.__contains__)


def test_a_query_is_looked_through_and_a_matview_is_a_wall():
    catalog = DuneCatalog(
        materialized_views=[
            MaterializedView(name="dune.acme.result_raw"),
            MaterializedView(name="dune.acme.result_daily", deps=["dune.acme.result_raw"]),
        ],
        queries=[
            Query(query_id=1, deps=["dune.acme.result_raw"]),
            Query(query_id=2, deps=["query_1", "dune.acme.result_daily"]),
        ],
    )
    selected = {"dune.acme.result_raw", "query_2"}
    assert catalog.graph.nearest("query_2", selected.__contains__) == {"dune.acme.result_raw"}
    assert catalog.graph.nearest("query_2", {"dune.acme.result_daily"}.__contains__) == {"dune.acme.result_daily"}
    without_query_1 = DuneCatalog(
        materialized_views=catalog.materialized_views, queries=[Query(query_id=2, deps=["dune.acme.result_daily"])]
    )
    assert without_query_1.graph.nearest("query_2", selected.__contains__) == set()


def test_a_backing_query_is_an_edge_to_what_its_sql_reads():
    catalog = DuneCatalog(
        materialized_views=[
            MaterializedView(name="dune.acme.result_raw"),
            MaterializedView(name="dune.acme.result_daily", query_id=7, sql="SELECT * FROM dune.acme.result_raw"),
        ],
        queries=[Query(query_id=1, sql="SELECT * FROM query_7")],
    )
    assert catalog.graph.backing_queries == {"query_7"}
    assert catalog.graph.nearest("query_1", catalog.__contains__) == {"dune.acme.result_raw"}


def test_reading_oneself_is_no_circle():
    matview = MaterializedView(
        name="dune.acme.result_x", query_id=7, sql="SELECT * FROM dune.acme.result_x, dex.trades"
    )
    catalog = DuneCatalog(materialized_views=[matview], queries=[Query(query_id=1, sql="SELECT * FROM query_7")])
    assert catalog.graph.reads("dune.acme.result_x") == ("dex.trades",)
    assert catalog.graph.nearest("query_1", catalog.__contains__) == {"dune.acme.result_x"}


def test_read_by_others():
    catalog = DuneCatalog(queries=[Query(query_id=1), Query(query_id=2, deps=["query_1"])])
    assert catalog.graph.read_by_others("query_1")
    assert not catalog.graph.read_by_others("query_2")
    assert catalog.graph.is_view("query_2")


def test_more_edges():
    catalog = DuneCatalog(queries=[Query(query_id=1), Query(query_id=2), Query(query_id=3, deps=["query_2"])])
    graph = catalog.graph.with_deps({"query_2": ["query_1"]})
    assert graph.reads("query_2") == ("query_1",)
    assert catalog.graph.reads("query_2") == ()
    with pytest.raises(DuneCatalogError, match="in a circle"):
        catalog.graph.with_deps({"query_2": ["query_3"]})
