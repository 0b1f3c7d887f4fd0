"""A folder joined with an account."""

import pytest

from dagster_dune.catalog.catalog import DuneCatalog, MaterializedView, Query, UnidentifiedQuery
from dagster_dune.catalog.settings.parameters import QueryParameter
from dagster_dune.errors import DuneCatalogError

NAME = "dune.acme.result_x"


def query(**fields):
    return Query(query_id=1, **fields)


def joined_query(folder, account, *, strict=False):
    return DuneCatalog.merge(DuneCatalog(queries=[folder]), DuneCatalog(queries=[account]), strict=strict)["query_1"]


def joined_matview(folder, account, *, strict=False):
    merged = DuneCatalog.merge(DuneCatalog(**folder), DuneCatalog(**account), strict=strict)
    assert len(merged) == 1
    return merged[NAME]


def test_objects_of_one_side_are_kept_in_order():
    folder = DuneCatalog(
        materialized_views=[MaterializedView(name="dune.acme.result_b")],
        queries=[Query(query_id=3, deps=["query_9"])],
        external=["query_9"],
    )
    account = DuneCatalog(
        materialized_views=[MaterializedView(name="dune.acme.result_a")],
        queries=[Query(query_id=2)],
        external=["query_8"],
    )
    merged = DuneCatalog.merge(folder, account)
    assert [obj.sql_name for obj in merged] == ["dune.acme.result_a", "dune.acme.result_b", "query_2", "query_3"]
    assert merged.external == ("query_8", "query_9")
    assert DuneCatalog.merge(account, folder) == merged


def test_a_catalog_merged_with_itself_or_nothing_is_itself():
    catalog = DuneCatalog(
        materialized_views=[MaterializedView(name=NAME, query_id=7, sql="SELECT * FROM dex.trades", tags=["a"])],
        queries=[query(sql="SELECT {{n}}", parameters=[QueryParameter(key="n")], query_parameters={"n": 1}, slug="s")],
    )
    assert DuneCatalog.merge(catalog, catalog) == catalog
    assert DuneCatalog.merge(catalog, DuneCatalog()) == catalog
    assert DuneCatalog.merge(DuneCatalog(), catalog) == catalog


def test_the_account_knows_what_is():
    joined = joined_query(
        query(name="Ours", sql="SELECT * FROM a.b", is_private=False, parameters=[QueryParameter(key="n")]),
        query(
            name="Theirs",
            sql="SELECT * FROM c.d",
            is_private=True,
            parameters=[QueryParameter(key="n", type="number", default="5")],
        ),
    )
    assert joined.name == "Theirs"
    assert joined.sql == "SELECT * FROM c.d"
    assert joined.references == ("c.d",)
    assert joined.is_private is True
    assert joined.parameters == (QueryParameter(key="n", type="number", default="5"),)


def test_the_folder_fills_what_the_account_does_not_know():
    ours = query(name="Ours", sql="SELECT * FROM a.b", is_private=False, parameters=[QueryParameter(key="n")])
    assert joined_query(ours, query()) == ours


def test_references_without_sql_are_knowledge_too():
    assert joined_query(query(sql="SELECT * FROM a.b"), query(references=["c.d"])).references == ("c.d",)


def test_the_folder_says_what_is_wanted():
    joined = joined_query(
        query(performance="large", slug="ours", description="Ours", tags=["ours"], query_parameters={"n": 1}),
        query(performance="medium", slug="theirs", description="T", tags=["t"], query_parameters={"n": 2, "m": 3}),
    )
    assert (joined.performance, joined.slug, joined.description, joined.tags) == ("large", "ours", "Ours", ("ours",))
    assert joined.query_parameters == {"n": 1, "m": 3}


def test_the_account_fills_what_the_folder_does_not_say():
    theirs = query(performance="medium", slug="theirs", description="T", tags=["t"], query_parameters={"n": 2})
    assert joined_query(query(), theirs) == theirs


def test_deps_are_joined():
    assert joined_query(query(deps=["a.b", "c.d"]), query(deps=["c.d", "e.f"])).deps == ("a.b", "c.d", "e.f")


def test_values_are_checked_against_the_account():
    number = [QueryParameter(key="n", type="number")]
    with pytest.raises(DuneCatalogError, match="'n' of query_1 must be a number"):
        joined_query(query(query_parameters={"n": "x"}), query(parameters=number), strict=True)
    with pytest.raises(DuneCatalogError, match="query_1 has no parameter 'N'"):
        joined_query(query(query_parameters={"N": "1"}), query(parameters=number), strict=True)


def test_matviews_join_whatever_their_case():
    joined = joined_matview(
        {"materialized_views": [MaterializedView(name=NAME, query_id=7, performance="large")]},
        {"materialized_views": [MaterializedView(name="dune.acme.Result_X", query_id=8, sql="SELECT * FROM a.b")]},
    )
    assert (joined.name, joined.query_id, joined.performance) == ("dune.acme.Result_X", 8, "large")
    assert joined.references == ("a.b",)


def test_a_query_of_the_folder_becomes_part_of_its_matview():
    joined = joined_matview(
        {"queries": [query(performance="large", tags=["ours"], deps=["c.d"], sql="SELECT 2", slug="s")]},
        {"materialized_views": [MaterializedView(name=NAME, query_id=1, sql="SELECT * FROM a.b")]},
    )
    assert (joined.performance, joined.tags, joined.deps) == ("large", ("ours",), ("c.d",))
    assert joined.references == ("a.b",)


def test_a_query_of_the_account_becomes_part_of_its_matview():
    joined = joined_matview(
        {"materialized_views": [MaterializedView(name=NAME, query_id=1, sql="SELECT 2", performance="large")]},
        {"queries": [query(sql="SELECT * FROM a.b", description="Theirs")]},
    )
    assert (joined.performance, joined.description, joined.references) == ("large", "Theirs", ("a.b",))


def test_the_folder_may_name_both_a_matview_and_its_query():
    joined = joined_matview(
        {"materialized_views": [MaterializedView(name=NAME, performance="large")], "queries": [query(tags=["ours"])]},
        {"materialized_views": [MaterializedView(name=NAME, query_id=1)]},
    )
    assert (joined.query_id, joined.performance, joined.tags) == (1, "large", ("ours",))


def test_values_for_a_backing_query():
    with pytest.raises(DuneCatalogError, match=r"query_1 is given parameters, but it backs dune\.acme\.result_x"):
        joined_matview(
            {"queries": [query(query_parameters={"n": 1})]},
            {"materialized_views": [MaterializedView(name=NAME, query_id=1)]},
            strict=True,
        )


def nameless(sql, **fields):
    return UnidentifiedQuery(sql=sql, **fields)


def test_a_query_without_id_is_found_by_its_sql():
    merged = DuneCatalog.merge(
        DuneCatalog(unidentified=[nameless("select 1 -- ours", slug="ours", group="dex", owners=["team:dex"])]),
        DuneCatalog(queries=[Query(query_id=1, sql="SELECT 1;", name="Theirs"), Query(query_id=2, sql="SELECT 2")]),
    )
    found = merged["query_1"]
    assert (found.slug, found.group, found.owners, found.name) == ("ours", "dex", ("team:dex",), "Theirs")
    assert merged.unidentified == ()


def test_a_query_without_id_may_be_that_of_a_matview():
    merged = DuneCatalog.merge(
        DuneCatalog(unidentified=[nameless("SELECT * FROM a.b", performance="large", deps=["query_2"])]),
        DuneCatalog(
            materialized_views=[MaterializedView(name=NAME, query_id=1, sql="select * from a.b")],
            queries=[Query(query_id=2)],
        ),
    )
    assert (merged[NAME].performance, merged[NAME].deps) == ("large", ("query_2",))
    assert len(merged) == 2


@pytest.mark.parametrize(
    ("folder", "account"),
    [
        ({}, [Query(query_id=1, sql="SELECT 2")]),
        ({}, [Query(query_id=1, sql="SELECT 1"), Query(query_id=2, sql="SELECT 1")]),
        ({"queries": [Query(query_id=1)]}, [Query(query_id=1, sql="SELECT 1")]),
        ({}, [Query(query_id=1)]),
    ],
    ids=["none", "two", "taken", "unknown SQL"],
)
def test_a_query_without_id_that_is_not_found_stays_without(folder, account):
    query = nameless("SELECT 1")
    merged = DuneCatalog.merge(DuneCatalog(unidentified=[query], **folder), DuneCatalog(queries=account))
    assert merged.unidentified == (query,)


def test_of_two_copies_without_id_one_is_found():
    copies = [nameless("SELECT 1", slug="a"), nameless("SELECT 1", slug="b")]
    merged = DuneCatalog.merge(
        DuneCatalog(unidentified=copies), DuneCatalog(queries=[Query(query_id=1, sql="SELECT 1")])
    )
    assert merged["query_1"].slug == "a"
    assert merged.unidentified == (copies[1],)
