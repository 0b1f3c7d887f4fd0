"""Checks run in the call of their assets, each answer becomes a result, and a gate keeps what reads its asset."""

import dagster as dg
import pytest

from dagster_dune import DuneCatalog, DuneCheck, MaterializedView, Query, build_dune_assets

A, B = "dune.acme.result_amounts", "dune.acme.result_totals"
KEY_A, KEY_B = dg.AssetKey(["dune", "acme", "result_amounts"]), dg.AssetKey(["dune", "acme", "result_totals"])
CLOSED = (
    "SELECT CASE WHEN count(*) > 0 THEN CAST('gate closed: ' || CAST(count(*) AS varchar) || ' negative amounts' "
    f"AS bigint) END AS n FROM {A} WHERE amount < 0"
)

CHECKS = [
    DuneCheck(asset=A, name="no_negative", kind="rows", query_id=11, sample_rows=5),
    DuneCheck(asset=A, name="all_positive", kind="value", query_id=12),
    DuneCheck(asset=A, name="sum_in_bounds", kind="value", query_id=13, at_least=0, at_most=100),
    DuneCheck(asset=A, name="enough_rows", kind="row_count", at_least=2),
]
GATE = DuneCheck(asset=A, name="gate", kind="gate", query_id=14)


KNOWN = [
    ({"kind": "row_count", "at_least": 1, "at_most": 2}, True, "row count is 2"),
    ({"kind": "row_count", "at_most": 1}, False, "at most 1"),
    ({"kind": "columns", "columns": {"amount": "integer"}}, True, "as pinned"),
    ({"kind": "columns", "columns": {"amount": "varchar", "gone": "bigint"}}, False, "gone is missing"),
    ({"kind": "columns", "columns": {"x": "bigint"}}, False, "amount is new"),
    ({"kind": "freshness", "max_age_hours": 1}, True, "hours ago"),
    ({"kind": "freshness", "max_age_hours": 1e-9}, False, "more than"),
    ({"kind": "credits", "at_most": 1000}, True, "credits are"),
    ({"kind": "seconds", "at_most": 1000}, True, "seconds are"),
]


@pytest.fixture
def load(dune):
    """A function that saves everything; the amounts are what the checks are of."""

    def save(*amounts):
        rows = ", ".join(f"({amount})" for amount in amounts)
        dune.load_query(1, "amounts", f"SELECT amount FROM (VALUES {rows}) AS t (amount)")
        dune.load_query(2, "totals", f"SELECT sum(amount) AS total FROM {A}")
        dune.load_query(11, "negative", f"SELECT amount FROM {A} WHERE amount < 0")
        dune.load_query(12, "positive", f"SELECT count_if(amount < 0) = 0 AS good FROM {A}")
        dune.load_query(13, "sum", f"SELECT sum(amount) AS total FROM {A}")
        dune.load_query(14, "gate", CLOSED)
        dune.load_materialized_view(A, 1)
        dune.load_materialized_view(B, 2)

    return save


def assets(*checks):
    catalog = DuneCatalog(
        materialized_views=[MaterializedView(name=A, query_id=1), MaterializedView(name=B, query_id=2, deps=[A])]
    )
    return build_dune_assets(catalog, checks=checks)


@pytest.fixture
def run(resource, instance):
    def go(definition, selection=None):
        return dg.materialize(
            [definition], resources={"dune": resource}, instance=instance, raise_on_error=False, selection=selection
        )

    return go


def evaluations(result):
    return {event.check_name: event for event in result.get_asset_check_evaluations()}


def materialized(result):
    return [event.asset_key.path[-1] for event in result.get_asset_materialization_events()]


def failure(result):
    (event,) = result.get_step_failure_events()
    return event.step_failure_data.user_failure_data


def sent(calls):
    return [
        [
            (node.get("materialized_view_refresh") or node["query_execution"]).get("name")
            or node["query_execution"]["query_id"]
            for node in body["pipeline"]["nodes"]
        ]
        for body in calls()
    ]


def test_assets_and_their_checks_are_one_call(load, run, calls):
    load(1, 2, 3)
    result = run(assets(*CHECKS, GATE))
    assert result.success
    assert [sorted(map(str, nodes)) for nodes in sent(calls)] == [["11", "12", "13", "14", A, B]]
    assert {name: found.passed for name, found in evaluations(result).items()} == {
        "no_negative": True,
        "all_positive": True,
        "sum_in_bounds": True,
        "enough_rows": True,
        "gate": True,
    }
    assert all(found.target_materialization_data for found in evaluations(result).values())


def test_failed_checks_say_what_they_have_found(load, run, calls):
    load(-1, -2, 500)
    result = run(assets(*CHECKS))
    assert result.success  # as Dagster has it: none of them is blocking
    found = evaluations(result)
    assert {name for name, one in found.items() if not one.passed} == {"no_negative", "all_positive", "sum_in_bounds"}
    rows = found["no_negative"].metadata
    assert rows["dagster-dune/offending_rows"].value == 2
    assert [record.data for record in rows["dagster-dune/offending_rows_sample"].records] == [
        {"amount": -1},
        {"amount": -2},
    ]
    assert "it must be at most 100" in found["sum_in_bounds"].description
    assert found["sum_in_bounds"].metadata["dagster-dune/value"].value == 497


def test_a_closed_gate_keeps_what_reads_its_asset(load, run, dune, calls):
    load(1, -2)
    result = run(assets(*CHECKS, GATE))
    assert not result.success
    assert materialized(result) == ["result_amounts"]
    assert not evaluations(result)["gate"].passed
    assert len(evaluations(result)) == 5
    told = failure(result)
    assert "gate closed" not in told.description
    assert f"skipped because of check gate of {A}" in told.description
    assert "1 negative amounts" in told.description
    assert len(calls()) == 1


def test_checks_run_alone_in_one_call(load, run, calls):
    load(1, -2)
    definition = assets(*CHECKS)
    run(definition, selection=dg.AssetSelection.assets(KEY_A).without_checks())
    result = run(definition, selection=dg.AssetSelection.checks(*(key for key in definition.check_keys)))
    assert result.success
    assert materialized(result) == []
    assert [sorted(nodes) for nodes in sent(calls)[1:]] == [[11, 12, 13]]
    assert {name for name, found in evaluations(result).items() if not found.passed} == {
        "no_negative",
        "all_positive",
        "sum_in_bounds",
    }
    assert evaluations(result)["enough_rows"].passed
    assert evaluations(result)["no_negative"].target_materialization_data


def test_known_checks_alone_send_nothing(load, run, dune, calls):
    load(1)
    definition = assets(DuneCheck(asset=A, name="enough_rows", kind="row_count", at_least=2))
    run(definition, selection=dg.AssetSelection.assets(KEY_A).without_checks())
    result = run(definition, selection=dg.AssetSelection.checks(*definition.check_keys))
    assert not evaluations(result)["enough_rows"].passed
    assert len(calls()) == 1


def test_assets_run_without_their_checks(load, run, calls):
    load(1, -2)
    result = run(assets(*CHECKS, GATE), selection=dg.AssetSelection.assets(KEY_A, KEY_B).without_checks())
    assert result.success
    assert sent(calls) == [[A, B]]
    assert evaluations(result) == {}


@pytest.mark.parametrize(
    ("kind", "sql", "words"),
    [
        ("gate", f"SELECT missing FROM {A}", "missing"),
        ("gate", f"SELECT 1 / count_if(amount < -100) AS n FROM {A}", "ivision by zero"),
        ("rows", f"SELECT missing FROM {A}", "missing"),
        ("value", f"SELECT amount, amount AS other FROM {A} LIMIT 1", "returns one row"),
        ("value", "SELECT 'many' AS word", "neither a boolean nor a number"),
        ("value", "SELECT 3 AS number", "has no bounds"),
    ],
)
def test_a_check_that_fails_to_run_has_no_result(load, run, dune, kind, sql, words):
    load(1, 2)
    dune.load_query(20, "broken", sql)
    result = run(assets(DuneCheck(asset=A, name="broken", kind=kind, query_id=20)))
    assert not result.success
    assert evaluations(result) == {}
    assert f"check broken of {A}: " in failure(result).description
    assert words in failure(result).description
    assert materialized(result)[0] == "result_amounts"
    (observed,) = [
        event.asset_observation_data.asset_observation
        for event in result.get_asset_observation_events()
        if "dagster-dune/check" in event.asset_observation_data.asset_observation.metadata
    ]
    assert observed.asset_key == KEY_A
    assert words in observed.description
    assert not [name for name in observed.metadata if name.startswith("dagster/")]  # these are of the asset itself


def test_a_check_of_an_asset_that_failed_has_no_result_and_says_why(load, run, dune):
    load(1, 2)
    dune.load_query(1, "amounts", "SELECT missing FROM dex.trades")
    result = run(assets(*CHECKS))
    assert not result.success
    assert evaluations(result) == {}
    assert {f"check {check.name} of {A}" for check in CHECKS} <= set(failure(result).metadata)


def test_a_failed_blocking_check_fails_the_run_after_everything_is_stored(load, run, caplog):
    load(-1)
    check = DuneCheck(asset=A, name="blocking", kind="rows", query_id=11, blocking=True)
    with caplog.at_level("WARNING"):
        definition = assets(check)
    assert "are blocking and no gates" in caplog.text
    result = run(definition)
    assert not result.success
    assert materialized(result) == ["result_amounts", "result_totals"]
    assert "1 blocking check failed" in failure(result).description


def test_a_warning_is_one(load, run):
    load(-1)
    result = run(assets(DuneCheck(asset=A, name="soft", kind="rows", query_id=11, severity="WARN")))
    assert result.success
    assert evaluations(result)["soft"].severity is dg.AssetCheckSeverity.WARN


def test_the_count_is_read_where_details_are_turned_off(load, dune, resource_with, instance):
    load(-1)
    result = dg.materialize(
        [assets(CHECKS[0])], resources={"dune": resource_with(details=False)}, instance=instance, raise_on_error=False
    )
    assert evaluations(result)["no_negative"].metadata["dagster-dune/offending_rows"].value == 1


@pytest.mark.parametrize(("settings", "passed", "words"), [one for one in KNOWN if one[0]["kind"] != "columns"])
def test_what_the_run_did_not_learn_is_asked_for_where_a_check_needs_it(
    load, dune, resource_with, instance, settings, passed, words
):
    load(1, 2)
    definition = assets(DuneCheck(asset=A, name="known", **settings))
    resources = {"dune": resource_with(details=False)}
    result = dg.materialize([definition], resources=resources, instance=instance, raise_on_error=False)
    assert evaluations(result)["known"].passed is passed
    assert words in evaluations(result)["known"].description


def test_a_value_that_is_no_number_is_within_no_bounds(load, run, dune):
    load(1)
    dune.load_query(13, "nan", "SELECT nan() AS n")
    found = evaluations(run(assets(DuneCheck(asset=A, name="v", kind="value", query_id=13, at_least=0))))["v"]
    assert not found.passed
    assert "is within no bounds" in found.description
    dune.load_query(13, "infinity", "SELECT infinity() AS n")
    found = evaluations(run(assets(DuneCheck(asset=A, name="v", kind="value", query_id=13, at_most=10))))["v"]
    assert not found.passed
    assert "it must be at most 10" in found.description


def test_infinity_is_no_change_that_could_be_allowed(load, run, dune):
    load(1)
    dune.load_query(13, "infinity", "SELECT infinity() AS n")
    check = DuneCheck(asset=A, name="v", kind="value", query_id=13, change_at_most="20%")
    found = evaluations(run(assets(check)))["v"]
    assert not found.passed
    assert "no change of it can be told" in found.description


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT 1 AS n WHERE false", "returned 0"),
        ("SELECT n FROM (VALUES 1, 2) AS t (n)", "returned 2"),
        ("SELECT 1 AS n, 2 AS m", "one row with one column"),
        ("SELECT CAST(NULL AS bigint) AS n", "neither a boolean nor a number"),
        ("SELECT CAST(NULL AS boolean) AS n", "neither a boolean nor a number"),
        ("SELECT true AS n", "has bounds, which are for numbers"),
    ],
)
def test_what_is_no_value_is_no_answer(load, run, dune, sql, words):
    load(1)
    dune.load_query(13, "value", sql)
    result = run(assets(DuneCheck(asset=A, name="v", kind="value", query_id=13, at_most=5)))
    assert not result.success
    assert evaluations(result) == {}
    assert words in failure(result).description


def test_a_change_from_zero_is_none_or_too_much(load, run):
    definition = assets(DuneCheck(asset=A, name="steady", kind="value", query_id=13, change_at_most="20%"))
    found = []
    for amount in (0, 0, 1):
        load(amount)
        found.append(evaluations(run(definition))["steady"].passed)
    assert found == [True, True, False]


def test_an_execution_that_is_told_again_is_compared_with_the_value_before_it(load, run, dune, instance, resource):
    """Not with itself, which would let every retry pass."""
    definition = assets(DuneCheck(asset=A, name="steady", kind="value", query_id=13, change_at_most="20%"))
    load(100)
    run(definition)
    load(500)
    dune.load_query(2, "totals", "SELECT missing FROM dex.trades")
    failed = run(definition)
    assert not evaluations(failed)["steady"].passed
    load(500)
    again = dg.materialize(
        [definition],
        resources={"dune": resource},
        instance=instance,
        raise_on_error=False,
        tags={
            "dagster/parent_run_id": failed.run_id,
            "dagster/root_run_id": failed.run_id,
            "dagster/is_resume_retry": "true",
        },
    )
    found = evaluations(again)["steady"]
    before = evaluations(failed)["steady"]
    assert found.metadata["dagster-dune/execution_id"] == before.metadata["dagster-dune/execution_id"]
    assert found.metadata["dagster-dune/value_before"].value == 100
    assert not found.passed


def test_checks_count_among_max_nodes(load, resource_with, instance, dune):
    load(1)
    result = dg.materialize(
        [assets(*CHECKS, GATE)], resources={"dune": resource_with(max_nodes=5)}, instance=instance, raise_on_error=False
    )
    assert "6 nodes would run, which is more than max_nodes=5" in failure(result).description
    assert dune.journal() == []


def test_a_value_is_compared_with_the_one_before(load, run):
    definition = assets(DuneCheck(asset=A, name="steady", kind="value", query_id=13, change_at_most="20%"))
    found = []
    for amount in (100, 115, 200):
        load(amount)
        found.append(evaluations(run(definition))["steady"])
    assert [one.passed for one in found] == [True, True, False]
    assert "it was 115 before, and may change by 20%" in found[2].description


@pytest.mark.parametrize(("settings", "passed", "words"), KNOWN)
def test_checks_of_what_the_run_knows(load, run, calls, settings, passed, words):
    load(1, 2)
    result = run(assets(DuneCheck(asset=A, name="known", **settings)))
    assert evaluations(result)["known"].passed is passed
    assert words in evaluations(result)["known"].description
    assert sent(calls) == [[A, B]]


def test_dagsters_own_checks_work_on_our_metadata(load, dune, resource, instance):
    """They are steps of their own, after the one call."""
    own = [
        *dg.build_metadata_bounds_checks(assets=[KEY_A], metadata_key="dagster/row_count", min_value=2),
        *dg.build_metadata_bounds_checks(assets=[KEY_A], metadata_key="dagster-dune/credits", max_value=1000),
        *dg.build_column_schema_change_checks(assets=[KEY_A]),
    ]

    def said():
        result = dg.materialize([assets(), *own], resources={"dune": resource}, instance=instance)
        return {name: found.passed for name, found in evaluations(result).items()}

    names = ("dagster_row_count_bounds_check", "dagster_dune_credits_bounds_check", "column_schema_change")
    load(1, 2)
    assert said() == dict.fromkeys(names, True)
    dune.load_query(1, "amounts", "SELECT amount, 1 AS more FROM (VALUES (1)) AS t (amount)")
    assert said() == dict(zip(names, (False, True, False), strict=True))


def test_a_row_count_is_compared_with_the_mean_of_the_last_runs(load, run):
    definition = assets(DuneCheck(asset=A, name="steady", kind="row_count", factor_at_most=2, last=2))
    found = []
    for count in (10, 10, 12, 40):
        load(*range(count))
        found.append(evaluations(run(definition))["steady"])
    assert [one.passed for one in found] == [True, True, True, False]
    assert "the mean of the last 2 is 11" in found[3].description


def test_the_lineage_form_refuses_checks_that_run(load, resource, instance, dune):
    load(1)
    catalog = DuneCatalog(
        materialized_views=[MaterializedView(name=A, query_id=1)], queries=[Query(query_id=3, deps=[A])]
    )
    definition = build_dune_assets(catalog, checks=CHECKS[:1], pipeline_form="lineage")
    result = dg.materialize([definition], resources={"dune": resource}, instance=instance, raise_on_error=False)
    assert "lets Dune choose what runs, which knows no checks" in failure(result).description
    assert dune.journal() == []
