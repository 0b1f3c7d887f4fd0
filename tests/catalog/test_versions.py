"""What changes a fingerprint and a code version, and what does not."""

import pytest

from dagster_dune.catalog.catalog import DuneCatalog, MaterializedView, Query
from dagster_dune.catalog.settings.parameters import QueryParameter
from dagster_dune.catalog.sql.fingerprint import fingerprint
from dagster_dune.catalog.versions import code_versions

SQL = "SELECT a, 'x' AS \"B\" FROM dex.trades WHERE day > '{{Start Date}}'"


@pytest.mark.parametrize(
    "same",
    [
        SQL + ";\n",
        SQL + " ; ;",
        "-- a comment\n" + SQL + " /* another */",
        SQL.replace(" ", "\n").replace("{{Start\nDate}}", "{{ Start Date }}"),
        SQL.replace("SELECT", "select").replace("dex.trades", "DEX.Trades"),
        SQL.replace(" FROM", "\r\n\tFROM"),
    ],
)
def test_layout_does_not_count(same):
    assert fingerprint(same) == fingerprint(SQL)


@pytest.mark.parametrize(
    "other",
    [
        SQL.replace("'x'", "'X'"),
        SQL.replace("'x'", "x"),
        SQL.replace("'x'", '"x"'),
        SQL.replace('"B"', '"b"'),
        SQL.replace("trades", "trade"),
        SQL.replace("Start Date", "start date"),
        SQL.replace("{{Start Date}}", "fadedfacadedeadbeefdecade"),
        SQL + " LIMIT 1",
        "",
    ],
)
def test_content_counts(other):
    assert fingerprint(other) != fingerprint(SQL)


@pytest.mark.parametrize("text", ["'", "/*", "SELECT '日", "\ud800", "))((", "{{", "-- only a comment"])
def test_any_text_has_one(text):
    assert len(fingerprint(text)) == 16


def versions(*queries, matviews=()):
    return code_versions(DuneCatalog(queries=queries, materialized_views=matviews))


def test_comments_do_not_change_a_version():
    assert versions(Query(query_id=1, sql="SELECT 1")) == versions(Query(query_id=1, sql="select 1 -- one"))


def test_nothing_is_said_of_unknown_sql():
    assert versions(Query(query_id=1, deps=["dex.trades"])) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"query_parameters": {"n": 2}},
        {"parameters": [QueryParameter(key="n", default="3")]},
        {"sql": "SELECT {{n}}, 1"},
    ],
)
def test_parameters_and_sql_change_a_version(change):
    given = {"query_id": 1, "sql": "SELECT {{n}}", "query_parameters": {"n": 1}}
    default = {"parameters": [QueryParameter(key="n", default="1")], "query_parameters": {}}
    before = given | default if "parameters" in change else given
    assert versions(Query(**before)) != versions(Query(**{**before, **change}))


def test_what_does_not_change_the_result_does_not_change_a_version():
    plain = Query(query_id=1, sql="SELECT 1")
    dressed = Query(query_id=1, sql="SELECT 1", performance="large", name="X", slug="x", tags=["y"], description="z")
    assert versions(plain) == versions(dressed)


def chain(first):
    """query_3 reads query_2, which reads query_1; query_4 reads a matview over query_1."""
    return versions(
        Query(query_id=1, sql=first),
        Query(query_id=2, sql="SELECT * FROM query_1"),
        Query(query_id=3, sql="SELECT * FROM query_2"),
        Query(query_id=4, sql="SELECT * FROM dune.acme.result_x"),
        matviews=[MaterializedView(name="dune.acme.result_x", query_id=9, sql="SELECT * FROM query_1")],
    )


def test_a_changed_view_changes_its_readers_up_to_a_matview():
    before, after = chain("SELECT 1"), chain("SELECT 2")
    assert {name for name in before if before[name] != after[name]} == {
        "query_1",
        "query_2",
        "query_3",
        "dune.acme.result_x",
    }


def test_a_backing_query_is_a_view_too():
    def reader(sql):
        matview = MaterializedView(name="dune.acme.result_x", query_id=9, sql=sql)
        return versions(Query(query_id=1, sql="SELECT * FROM query_9"), matviews=[matview])["query_1"]

    assert reader("SELECT 1") != reader("SELECT 2")


def test_a_view_of_unknown_sql_counts_by_its_name():
    assert versions(Query(query_id=1, sql="SELECT * FROM query_8")) != versions(
        Query(query_id=1, sql="SELECT * FROM query_9")
    )


def reader_version(call, default="x", **view):
    """The version of a query that reads another one with two parameters, of which `n` has a default."""
    parameters = [QueryParameter(key="n", default=default), QueryParameter(key="Day", default="1")]
    view = Query(query_id=1, sql="SELECT {{n}}, {{Day}}", parameters=parameters, **view)
    reader = Query(query_id=2, sql=f"SELECT * FROM {call}")
    between = Query(query_id=3, sql="SELECT * FROM query_2")
    found = versions(view, reader, between)
    return found["query_2"], found["query_3"]


@pytest.mark.parametrize("call", ["query_1", "\"query_1(day='2')\"", "\"query_1(n='a')\", query_1"])
def test_a_default_counts_where_a_reader_leaves_it(call):
    before, after = reader_version(call, "x"), reader_version(call, "y")
    assert before[0] != after[0]
    assert before[1] != after[1]


@pytest.mark.parametrize("call", ["\"query_1(n='a')\"", "\"query_1(N='a')\"", "\"query_1(n='a')\", \"query_1(n='b')\""])
def test_a_default_does_not_count_where_readers_pass_a_value(call):
    assert reader_version(call, "x") == reader_version(call, "y")


def test_a_passed_value_counts():
    assert reader_version("\"query_1(n='a')\"") != reader_version("\"query_1(n='b')\"")


def test_values_of_a_views_own_executions_do_not_count():
    assert reader_version("query_1") == reader_version("query_1", query_parameters={"n": "z"})
