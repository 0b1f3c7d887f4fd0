"""Values that SQL passes to the query views it reads."""

import pytest

from dagster_dune.catalog.catalog import DuneCatalog, MaterializedView, Query
from dagster_dune.catalog.sql.view_calls import passed_values
from dagster_dune.metadata import VIEW_PARAMETERS, spec_metadata

ARGUMENTS = {
    "nothing": ("", {}),
    "one": ("chain='base'", {"chain": "base"}),
    "several": ("chain = 'base',\n\tday='2024-01-31'", {"chain": "base", "day": "2024-01-31"}),
    "quotes": ("name='O''Brien', other='\"x\"'", {"name": "O'Brien", "other": '"x"'}),
    "commas, parentheses and equals signs": ("a='x, (y) = z', b='('", {"a": "x, (y) = z", "b": "("}),
    "without quotes": ("n=-5, a=0xAB, f=f(1, 2)", {"n": "-5", "a": "0xAB", "f": "f(1, 2)"}),
    "empty values": ("a='', b=", {"a": "", "b": ""}),
    "parameters": (
        "a='{{ Start Date }}', b={{n}}, c='x{{y}}z{{y}}'",
        {"a": "{{Start Date}}", "b": "{{n}}", "c": "x{{y}}z{{y}}"},
    ),
    "parameters with quotes and commas": ("a='{{it's}}', b={{x, y}}", {"a": "{{it's}}", "b": "{{x, y}}"}),
    "key with a space": ("Start Date='2024-01-31', \"End Date\"='x'", {"Start Date": "2024-01-31", "End Date": "x"}),
    "other letters": ("é='日', z='1'", {"é": "日", "z": "1"}),
    "no value": ("a, ='x', b='y'", {"b": "y"}),
    "string never closed": ("a='x", {"a": "x"}),
}


@pytest.mark.parametrize(("arguments", "expected"), ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_arguments(arguments, expected):
    assert passed_values(arguments) == expected


def view_parameters(sql):
    return {view: [dict(call) for call in calls] for view, calls in Query(query_id=99, sql=sql).view_parameters.items()}


BASE = {"query_1": [{"chain": "base"}]}

CALLS = {
    "no view": ("SELECT * FROM a.b", {}),
    "view with its defaults": ('SELECT * FROM query_1, "query_2", "query_3()"', {}),
    "one": ("SELECT * FROM \"query_1(chain='base')\" AS q", BASE),
    "other case": ("SELECT * FROM \"Query_1 (chain='base')\"", BASE),
    "the same twice": ("SELECT * FROM \"query_1(chain='base')\", \"query_1( chain = 'base' )\"", BASE),
    "the same in another order": (
        "SELECT * FROM \"query_1(a='x', b='y')\", \"query_1(b='y', a='x')\"",
        {"query_1": [{"a": "x", "b": "y"}]},
    ),
    "several calls": (
        'SELECT * FROM "query_1(chain=\'zora\')" UNION SELECT * FROM "query_1(chain=\'base\')", "query_2(n=1)"',
        {"query_1": [{"chain": "base"}, {"chain": "zora"}], "query_2": [{"n": "1"}]},
    ),
    "once with its defaults": (
        "SELECT * FROM query_1, \"query_1(chain='base')\"",
        {"query_1": [{}, {"chain": "base"}]},
    ),
    "escaped double quotes": ('SELECT * FROM "query_1(a=\'x ""y"" z\')"', {"query_1": [{"a": 'x "y" z'}]}),
    "its own parameters, after others": (
        "-- {{a}} 日\nSELECT '{{b}}', /* {{c}} */ {{d}} FROM {{e}}.x, \"query_1(a='{{ b }}', n={{f}})\" WHERE {{g}}",
        {"query_1": [{"a": "{{b}}", "n": "{{f}}"}]},
    ),
    "inside of a CTE": ("WITH t AS (SELECT * FROM \"query_1(chain='base')\") SELECT * FROM t", BASE),
    "as an argument": ("SELECT * FROM TABLE(f(input => TABLE(\"query_1(chain='base')\")))", BASE),
    "as a column": ("SELECT \"query_2(a='b')\".x FROM \"query_1(chain='base')\"", BASE),
    "as an alias": ("SELECT 1 AS \"query_2(a='b')\" FROM \"query_1(chain='base')\"", BASE),
    "in a comment and a string": (
        'SELECT \'"query_2(a=1)"\' FROM "query_1(chain=\'base\')" -- JOIN "query_3(a=1)"',
        BASE,
    ),
    "unknown view": ("SELECT * FROM \"query_{{id}}(chain='base')\", \"query_1(chain='base')\"", BASE),
    "CTE beside a call": ("WITH query_1 AS (SELECT 1) SELECT * FROM query_1, \"query_1(chain='base')\"", BASE),
}


@pytest.mark.parametrize(("sql", "expected"), CALLS.values(), ids=CALLS.keys())
def test_calls(sql, expected):
    assert view_parameters(sql) == expected


@pytest.mark.parametrize(("sql", "expected"), CALLS.values(), ids=CALLS.keys())
def test_calls_in_what_cannot_be_parsed(sql, expected):
    assert view_parameters(sql + "\n; SELECT x y z") == expected


READER = "SELECT * FROM \"query_1(chain='{{chain}}')\" JOIN query_1 ON true"


def test_they_stay_with_the_sql():
    folder = DuneCatalog(queries=[Query(query_id=2, sql="SELECT 1")])
    account = DuneCatalog(
        materialized_views=[MaterializedView(name="dune.acme.result_x", query_id=3, sql=READER)],
        queries=[Query(query_id=2, sql=READER)],
    )
    expected = {"query_1": ({}, {"chain": "{{chain}}"})}
    assert account["query_2"].view_parameters == account["dune.acme.result_x"].view_parameters == expected
    assert DuneCatalog.from_json(account.to_json()) == account
    assert account.with_backing_queries()["query_3"].view_parameters == expected
    assert DuneCatalog.merge(folder, account)["query_2"].view_parameters == expected
    assert DuneCatalog.merge(account, folder)["query_2"].view_parameters == {}


def test_they_are_metadata():
    shown = spec_metadata(Query(query_id=2, sql=READER))[VIEW_PARAMETERS]
    assert shown.value == {"query_1": [{}, {"chain": "{{chain}}"}]}
    assert VIEW_PARAMETERS not in spec_metadata(Query(query_id=2, sql="SELECT * FROM query_1"))
