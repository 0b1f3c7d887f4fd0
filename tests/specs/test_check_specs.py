"""Checks of a catalog as checks of Dagster's: what they are, and what is refused when a code location loads."""

import dagster as dg
import pytest

from dagster_dune import (
    DagsterDuneTranslator,
    DuneCatalog,
    DuneCatalogError,
    DuneCheck,
    DuneResource,
    MaterializedView,
    Query,
    QueryPartitions,
    build_dune_assets,
    build_dune_definitions,
)
from dagster_dune.components.component import DuneComponent

A, B = "dune.acme.result_a", "dune.acme.result_b"
GATE = {"asset": A, "name": "gate", "kind": "gate", "query_id": 5}


def catalog(**fields):
    return DuneCatalog(
        materialized_views=[
            MaterializedView(name=A, query_id=1),
            MaterializedView(name=B, deps=[A], automation="eager"),
        ],
        **fields,
    )


def test_the_query_of_a_check_is_no_asset():
    checked = catalog(queries=[Query(query_id=5, name="No negatives", deps=[A])], checks=[DuneCheck(**GATE)])
    assets = build_dune_assets(checked)
    assert {key.path[-1] for key in assets.keys} == {"result_a", "result_b"}
    (spec,) = assets.check_specs
    assert (spec.name, spec.blocking, spec.description) == ("gate", True, "No negatives")
    assert spec.metadata["dagster-dune/check_kind"] == "gate"


def test_automation_of_what_reads_a_gated_asset_waits_for_its_checks():
    resource = DuneResource(api_key="unused")
    waits = dg.AutomationCondition.all_deps_blocking_checks_passed()
    for checks, is_waiting in (([], False), ([DuneCheck(**GATE)], True)):
        defs = build_dune_definitions(catalog(), resource=resource, checks=checks)
        (condition,) = [
            spec.automation_condition for spec in defs.resolve_all_asset_specs() if spec.automation_condition
        ]
        assert (waits in condition.operands) is is_waiting


def test_checks_of_assets_that_are_not_selected_are_left_out():
    assert build_dune_assets(catalog(), select=B, checks=[DuneCheck(**GATE)]).check_specs_by_output_name == {}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({**GATE, "asset": "dune.other.result_x"}, "is a gate on dune.other.result_x, which belongs to others"),
        ({**GATE, "asset": "dex.trades"}, "is nothing that Dune runs"),
        ({**GATE, "severity": "WARN"}, "ignores the severity"),
        ({**GATE, "blocking": False}, "cannot be blocking=False"),
        ({**GATE, "kind": "rows", "blocking": True, "severity": "WARN"}, "ignores the severity"),
        ({**GATE, "query_id": None}, "needs the id of its query"),
        ({**GATE, "kind": "credits", "at_most": 1}, "has no query, and is given one"),
        ({**GATE, "kind": "value", "at_least": 2, "at_most": 1}, "can never pass"),
        ({**GATE, "kind": "value", "equals": 2, "at_most": 1}, "has equals beside"),
        ({**GATE, "kind": "value", "change_at_most": "much"}, 'Write it as "20%"'),
        ({"asset": A, "name": "x", "kind": "credits", "at_most": -1}, "can never pass: at_most=-1 is below zero"),
        ({"asset": A, "name": "x", "kind": "row_count"}, "needs at_least or at_most or factor_at_most"),
        ({"asset": A, "name": "x", "kind": "seconds", "at_least": 1, "at_most": 2}, "does not take at_least"),
        (
            {"asset": A, "name": "x", "kind": "row_count", "at_least": 2.1, "at_most": 2.9},
            "no number of rows is 2.1 to",
        ),
        ({"asset": A, "name": "x", "kind": "row_count", "at_least": 2, "last": 3}, "has last without factor_at_most"),
        ({"asset": A, "name": "x", "kind": "columns", "columns": {"n": "bigint", "m": " "}}, "of which type m is"),
    ],
)
def test_what_cannot_be_is_refused_at_load(settings, words):
    with pytest.raises(DuneCatalogError) as error:
        build_dune_assets(catalog(external=["dune.other.result_x"]), checks=[DuneCheck(**settings)])
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {**GATE, "asset": "dune.acme.result_aa"},
            f"is of dune.acme.result_aa, which is not in the catalog. Did you mean {A}?",
        ),
        ({**GATE, "query_id": 1}, f"is query_1, which is the query of {A}, and would be paid for twice"),
        ({**GATE, "asset": "query_1"}, f"the query of {A}. Check {A} instead."),
        ({**GATE, "asset": "query_6"}, "is of query_6, which is not in the catalog. Name a matview or a query"),
        ({"asset": B + "x", "name": "few", "kind": "row_count", "at_least": 1}, f"Did you mean {B}?"),
    ],
)
def test_a_check_of_what_is_gone_is_left_out_with_a_warning_and_takes_nothing_down(tmp_path, caplog, settings, words):
    kept = DuneCheck(asset=B, name="enough", kind="row_count", at_least=1)
    built = build_dune_assets(catalog(), checks=[DuneCheck(**settings), kept])
    assert [key.name for key in built.check_keys] == ["enough"]
    assert {key.path[-1] for key in built.keys} == {"result_a", "result_b"}
    (told,) = [record.getMessage() for record in caplog.records if "Left out" in record.getMessage()]
    assert words in told
    with pytest.raises(DuneCatalogError) as error:
        catalog().with_checks([DuneCheck(**settings), kept], strict=True)
    assert words in str(error.value)


def test_two_checks_cannot_have_one_name_or_one_query():
    with pytest.raises(DuneCatalogError, match=f"There are two checks gate of {A}"):
        build_dune_assets(catalog(), checks=[DuneCheck(**GATE), DuneCheck(**{**GATE, "query_id": 6})])
    with pytest.raises(DuneCatalogError, match="query_5 is both"):
        build_dune_assets(catalog(), checks=[DuneCheck(**GATE), DuneCheck(**{**GATE, "name": "other"})])


def test_a_gate_that_reads_a_reader_of_its_asset_is_refused():
    checked = catalog(queries=[Query(query_id=5, deps=[A, B])])
    with pytest.raises(DuneCatalogError, match=f"The gate gate of {A} reads what reads"):
        build_dune_assets(checked, checks=[DuneCheck(**GATE)])


DAILY = {"kind": "daily", "start": "2026-01-01"}
OTHERS = [
    {"kind": "hourly", "start": "2026-01-01"},
    {**DAILY, "timezone": "Europe/Berlin"},
    {"kind": "static", "keys": ["base", "bnb"]},
    {"kind": "dynamic", "name": "chains"},
]


def partitioned(query_id, of, **fields):
    partitions = QueryPartitions(**of, parameters={"part": "{partition_key}"}) if of else None
    return Query(query_id=query_id, partitions=partitions, **fields)


@pytest.mark.parametrize("of_asset", [None, *OTHERS])
@pytest.mark.parametrize("kind", ["gate", "rows", "value"])
def test_a_check_has_the_partitions_of_its_asset_or_none(of_asset, kind):
    """Else each run would fail, or ask it for partitions that it has not."""
    check = DuneCheck(**{**GATE, "kind": kind, "asset": "query_7", **({"equals": 1} if kind == "value" else {})})
    for of_check in (None, of_asset):
        queries = [partitioned(7, of_asset), partitioned(5, of_check, deps=["query_7"])]
        assert build_dune_assets(DuneCatalog(queries=queries), checks=[check]).check_specs_by_output_name
    queries = [partitioned(7, of_asset), partitioned(5, DAILY, deps=["query_7"])]
    with pytest.raises(DuneCatalogError) as error:
        build_dune_assets(DuneCatalog(queries=queries), checks=[check])
    assert "The query of the check gate of query_7, query_5, has partitions" in str(error.value)
    assert ("others, those of query_7" if of_asset else "what it checks has none") in str(error.value)


class Later(DagsterDuneTranslator):
    """Lets B depend on A, which its SQL does not read."""

    def get_asset_spec(self, obj):
        spec = super().get_asset_spec(obj)
        return spec.merge_attributes(deps=[A.split(".")]) if getattr(obj, "sql_name", "") == B else spec


def test_a_gate_that_reads_what_a_translator_makes_a_reader_is_refused():
    apart = DuneCatalog(
        materialized_views=[MaterializedView(name=A), MaterializedView(name=B)],
        queries=[Query(query_id=5, deps=[A, B])],
        checks=[DuneCheck(**GATE)],
    )
    build_dune_assets(apart)
    with pytest.raises(DuneCatalogError, match=f"The gate gate of {A} reads what reads"):
        build_dune_assets(apart, translator=Later())


def test_checks_of_what_is_inlined_are_left_out_with_a_warning(caplog):
    views = [Query(query_id=7, deps=[A]), Query(query_id=8, deps=["query_7"])]
    checks = [DuneCheck(**{**GATE, "asset": "query_7"})]
    build_dune_assets(catalog(queries=views), checks=checks)
    assert "left out" not in caplog.text
    assert not list(build_dune_assets(catalog(queries=views), checks=checks, query_views="inline").check_keys)
    assert "left out, because what they check is no asset of its own" in caplog.text
    assert "check gate of query_7" in caplog.text


def test_a_folder_says_what_a_query_checks_where_a_tag_says_something_else(caplog):
    query = Query(query_id=5, deps=[A])
    for_folder = catalog(queries=[query], checks=[DuneCheck(**{**GATE, "name": "zeros"})])
    of_account = catalog(queries=[query], checks=[DuneCheck(asset=B, name="aaa", kind="rows", query_id=5)])
    merged = DuneCatalog.merge(for_folder, of_account)
    assert [(check.asset, check.name, check.kind) for check in merged.checks] == [(A, "zeros", "gate")]
    assert "Left out" not in caplog.text


def test_a_component_takes_checks_in_yaml(tmp_path):
    (tmp_path / "a_11111.sql").write_text(f"/* dune\nmatview: {A}\n*/\nSELECT 1 AS x")
    component = DuneComponent.resolve_from_yaml(
        f"{{queries: {tmp_path}, checks: [{{asset: {A}, name: enough, kind: row_count, at_least: 3}}]}}"
    )
    assert component.checks == [DuneCheck(asset=A, name="enough", kind="row_count", at_least=3)]
    with pytest.raises(Exception, match="can never pass"):
        DuneComponent.resolve_from_yaml(
            f"{{queries: {tmp_path}, checks: [{{asset: {A}, name: x, kind: row_count, at_least: 3, at_most: 1}}]}}"
        )


def test_tags_on_dune_make_checks(dune, client, caplog):
    dune.load_query(1, "a", "SELECT 1 AS x")
    dune.load_materialized_view(A, 1)
    dune.load_query(2, "no zeros", f"SELECT * FROM {A} WHERE x = 0", tags=[f"check:{A}"])
    dune.load_query(3, "other", f"SELECT * FROM {A}", tags=["check:dune.acme.result_gone"])
    dune.load_query(4, "b", f"SELECT * FROM {A}", tags=[f"Check: {A}"])
    dune.load_materialized_view(B, 4)
    found = DuneCatalog.from_api(client)
    assert [(check.asset, check.name, check.kind, check.query_id) for check in found.checks] == [
        (A, "no_zeros", "rows", 2)
    ]
    assert "check other is of dune.acme.result_gone" in caplog.text
    assert DuneCatalog.from_api(client, select=A).checks == found.checks
    assert DuneCatalog.from_api(client, select=B).checks == ()
    assert DuneCatalog.from_api(client, select=A, exclude="2").checks == ()
    assert f"The tag 'Check: {A}' of {B}: a matview is refreshed, and a check is a query." in caplog.text
    assert {key.path[-1] for key in build_dune_assets(found).keys} == {"result_a", "result_b", "other_3"}


OTHER = {"asset": B, "name": "other", "kind": "rows", "query_id": 5}


@pytest.mark.parametrize(
    ("checks", "words"),
    [
        ([{**GATE, "query_id": 77}], "The check gate of dune.acme.result_a is query_77, which is not in the catalog."),
        (
            [GATE, OTHER],
            "query_5 is both the check gate of dune.acme.result_a and the check other of dune.acme.result_b",
        ),
        (
            [GATE, {**OTHER, "asset": "query_5", "query_id": 6}],
            "query_5 is the check gate of dune.acme.result_a, and is ",
        ),
    ],
)
def test_a_catalog_refuses_checks_that_contradict_it(checks, words):
    with pytest.raises(DuneCatalogError) as error:
        catalog(queries=[Query(query_id=5), Query(query_id=6)], checks=[DuneCheck(**check) for check in checks])
    assert words in str(error.value)
