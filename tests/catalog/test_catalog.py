"""The catalog: what it refuses, and its JSON document."""

from datetime import date

import pytest
from pydantic import ValidationError

from dagster_dune.catalog.catalog import DuneCatalog, MaterializedView, Query
from dagster_dune.catalog.settings.parameters import QueryParameter
from dagster_dune.errors import DuneCatalogError


@pytest.fixture
def catalog():
    return DuneCatalog(
        materialized_views=[
            MaterializedView(name="dune.acme.result_Daily", query_id=7, sql="SELECT * FROM dex.trades", tags=["dex"]),
            MaterializedView(name='dune."21co".result_x', deps=['dune."acme".result_daily'], performance="large"),
        ],
        queries=[
            Query(
                query_id=42,
                name="Top traders",
                slug="top_traders",
                sql="SELECT * FROM query_7 WHERE day > '{{Start Date}}' AND n > {{n}}",
                parameters=[QueryParameter(key="Start Date", type="datetime"), QueryParameter(key="n", type="number")],
                query_parameters={"Start Date": date(2024, 1, 31), "n": 5},
                is_private=True,
            ),
            Query(query_id=43, deps=["query_42", "query_7", "query_99"], sql="SELECT 1"),
        ],
        external=["query_99"],
    )


def test_a_catalog_is_a_collection(catalog):
    assert [obj.sql_name for obj in catalog] == [
        "dune.acme.result_daily",
        "dune.21co.result_x",
        "query_42",
        "query_43",
    ]
    assert len(catalog) == 4
    assert "dune.acme.result_daily" in catalog
    assert "query_7" not in catalog
    assert catalog["query_42"].name == "Top traders"
    with pytest.raises(DuneCatalogError, match="holds no 'query_7'"):
        catalog["query_7"]


def test_names_are_as_sql_resolves_them(catalog):
    matview = catalog["dune.21co.result_x"]
    assert matview.name == "dune.21co.result_x"
    assert matview.team == "21co"
    assert matview.deps == ("dune.acme.result_daily",)
    assert catalog["dune.acme.result_daily"].name == "dune.acme.result_Daily"


def test_references_come_from_sql(catalog):
    assert catalog["dune.acme.result_daily"].references == ("dex.trades",)
    assert catalog["query_43"].references == ()
    assert Query(query_id=1).references is None
    assert Query(query_id=1, sql="SELECT * FROM a.b", references=["c.d"]).references == ("c.d",)


def test_json_round_trip(catalog):
    again = DuneCatalog.from_json(catalog.to_json())
    assert again == catalog
    assert again.content_hash == catalog.content_hash
    assert again.to_json() == catalog.to_json()
    assert DuneCatalog.from_json(catalog.to_json().encode()) == catalog


def test_content_hash_is_of_the_content(catalog):
    assert len(catalog.content_hash) == 16
    assert int(catalog.content_hash, 16) >= 0
    assert DuneCatalog().content_hash == DuneCatalog(external=[]).content_hash
    changed = DuneCatalog(
        materialized_views=catalog.materialized_views,
        queries=[catalog["query_42"].model_copy(update={"performance": "large"}), catalog["query_43"]],
        external=catalog.external,
    )
    assert changed.content_hash != catalog.content_hash


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("", "This is no catalog document"),
        ("[]", "This is no catalog document"),
        ('{"version": 1, "queries": [{"query_id": "x"}]}', r"queries\.0\.query_id"),
        ('{"version": 1, "tables": []}', "tables"),
        ('{"queries": []}', r"says no version; this dagster-dune reads version 1\. Write it again"),
        ('{"version": 2}', "is of version 2"),
        (b"\xff", "it is no JSON"),
    ],
)
def test_other_documents(document, reason):
    with pytest.raises(DuneCatalogError, match=reason):
        DuneCatalog.from_json(document)


def test_a_catalog_is_immutable(catalog):
    with pytest.raises(ValidationError):
        catalog["query_42"].performance = "large"


def test_unknown_dep_has_a_close_match():
    with pytest.raises(
        DuneCatalogError, match=r"query_2 depends on dune\.acme\.result_dayly.*mean dune\.acme\.result_daily"
    ):
        DuneCatalog(
            materialized_views=[MaterializedView(name="dune.acme.result_daily")],
            queries=[Query(query_id=2, deps=["dune.acme.result_dayly"])],
        )


def test_unknown_query():
    with pytest.raises(DuneCatalogError, match=r"query_2 depends on query_1, which is not in the catalog.*external"):
        DuneCatalog(queries=[Query(query_id=2, deps=["query_1"])])


def test_tables_and_uploads_need_no_place_in_the_catalog():
    assert len(DuneCatalog(queries=[Query(query_id=2, deps=["dex.trades", "dune.acme.dataset_x"])])) == 1


def test_circle():
    with pytest.raises(DuneCatalogError, match=r"in a circle.*query_1.*query_2"):
        DuneCatalog(queries=[Query(query_id=1, deps=["query_2"]), Query(query_id=2, sql="SELECT * FROM query_1")])


def test_circle_through_a_backing_query():
    with pytest.raises(DuneCatalogError, match="in a circle"):
        DuneCatalog(
            materialized_views=[MaterializedView(name="dune.acme.result_x", query_id=7, sql="SELECT * FROM query_1")],
            queries=[Query(query_id=1, sql="SELECT * FROM query_7")],
        )


@pytest.mark.parametrize(
    "objects",
    [
        {"queries": [Query(query_id=1), Query(query_id=1, name="x")]},
        {
            "materialized_views": [
                MaterializedView(name="dune.acme.result_x"),
                MaterializedView(name="dune.acme.Result_X"),
            ]
        },
    ],
)
def test_name_twice(objects):
    with pytest.raises(DuneCatalogError, match="stands twice in the catalog"):
        DuneCatalog(**objects)


@pytest.mark.parametrize("name", ["result_x", "dune.acme.x", "dune.acme.dataset_x", "acme.result_x"])
def test_matview_of_another_form(name):
    with pytest.raises(DuneCatalogError, match=r"is not the full name.*dune\.<team>\.result_<name>"):
        MaterializedView(name=name)


def test_empty_names():
    with pytest.raises(DuneCatalogError, match="A materialized view has no name"):
        MaterializedView(name="")
    with pytest.raises(DuneCatalogError, match="empty name"):
        Query(query_id=1, name=" ")


@pytest.mark.parametrize("dep", ["", "trades", "query_"])
def test_bad_dep(dep):
    with pytest.raises(DuneCatalogError, match="is no name that DuneSQL can read"):
        Query(query_id=1, deps=[dep])


@pytest.mark.parametrize("fields", [{"parameters": [QueryParameter(key="n")]}, {"query_parameters": {"n": 1}}])
def test_a_matview_takes_no_parameters(fields):
    with pytest.raises(DuneCatalogError, match=r"dune\.acme\.result_x.* is given parameters"):
        MaterializedView(name="dune.acme.result_x", **fields)


def test_parameters_are_checked():
    declared = [QueryParameter(key="n", type="number")]
    with pytest.raises(DuneCatalogError, match="'n' of query_1 must be a number, not 'many'"):
        Query(query_id=1, parameters=declared, query_parameters={"n": "many"})
    with pytest.raises(DuneCatalogError, match="query_1 has no parameter 'm'"):
        Query(query_id=1, parameters=declared, query_parameters={"m": 1})


@pytest.mark.parametrize("fields", [{"query_id": 0}, {"query_id": 1, "slug": "a-b"}, {"query_id": 1, "sql": 5}])
def test_other_fields_are_checked(fields):
    with pytest.raises(ValidationError):
        Query(**fields)


def test_backing_queries_as_objects(catalog):
    backing = catalog.with_backing_queries()["query_7"]
    assert backing.references == ("dex.trades",)
    assert backing.tags == ("dex",)
    assert catalog.with_backing_queries().with_backing_queries() == catalog.with_backing_queries()


PARTITIONED = {"kind": "daily", "start": "2026-01-01", "parameters": {"day": "{partition_key}"}}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"partitions": PARTITIONED, "sql": "SELECT 1"},
            "query_1 gives a parameter 'day', but the SQL has no {{day}}.",
        ),
        ({"partitions": PARTITIONED, "sql": "SELECT '{{days}}'"}, "has no {{day}}. Did you mean 'days'?"),
        ({"partitions": PARTITIONED, "sql": ""}, "has no {{day}}. Remove it, or use it in the SQL."),
        (
            {"query_parameters": {"limit": 1}, "sql": "SELECT '{{day}}'"},
            "gives a parameter 'limit', but the SQL has no",
        ),
        ({"parameters": [{"key": "a"}, {"key": "a", "type": "number"}]}, "query_1 declares the parameter 'a' twice."),
    ],
)
def test_a_parameter_that_the_sql_does_not_have_is_refused_in_python_as_in_files(fields, words):
    """Each partition would run the same."""
    with pytest.raises(DuneCatalogError) as error:
        Query(query_id=1, **fields)
    assert words in str(error.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"partitions": PARTITIONED},
        {"partitions": PARTITIONED, "sql": "SELECT '{{ day }}'"},
        {"partitions": PARTITIONED, "sql": """SELECT * FROM "query_2(day='{{day}}')" """},
        {"partitions": PARTITIONED, "sql": "SELECT 1", "parameters": [{"key": "day"}]},
        {"query_parameters": {"limit": 1}, "sql": "SELECT {{limit}}"},
    ],
)
def test_parameters_of_the_sql_and_those_that_are_declared_can_be_filled(fields):
    assert Query(query_id=1, **fields).query_id == 1


def test_a_query_whose_sql_on_dune_lost_its_parameter_is_left_out_alone(caplog):
    folder = DuneCatalog(queries=[Query(query_id=1, partitions=PARTITIONED), Query(query_id=2)])
    account = DuneCatalog(queries=[Query(query_id=1, sql="SELECT 1"), Query(query_id=2, sql="SELECT 2")])
    assert [query.query_id for query in DuneCatalog.merge(folder, account).queries] == [2]
    assert "query_1 gives a parameter 'day', but the SQL has no {{day}}" in caplog.text
