"""Checks that files declare: in their headers, by their folder, in dune.yml."""

import dagster as dg
import pytest

from dagster_dune import DuneCatalog, DuneCatalogError, MaterializedView, Query, build_dune_assets

A = "dune.acme.result_amounts"


@pytest.fixture
def folder(tmp_path):
    """A function that writes files and reads them."""

    def read(files, **options):
        for name, text in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return DuneCatalog.from_directory(tmp_path, **options)

    return read


AMOUNTS = {"amounts_11111.sql": f"/* dune\nmatview: {A}\n*/\nSELECT amount FROM dex.trades"}


def only(catalog):
    (check,) = catalog.checks
    return check


def test_a_header_makes_a_query_a_check(folder):
    catalog = folder({**AMOUNTS, "negative_22222.sql": f"/* dune\ncheck: {A}\n*/\nSELECT * FROM {A} WHERE amount < 0"})
    check = only(catalog)
    assert (check.asset, check.name, check.kind, check.query_id) == (A, "negative", "rows", 22222)
    assert catalog.check_queries == {"query_22222"}


def test_a_header_says_all_that_a_check_takes(folder):
    header = f"""/* dune
performance: large
check:
  asset: {A}
  name: share
  kind: value
  severity: WARN
  at_least: 0.5
  change_at_most: 20%
  metadata: {{team: dex}}
*/
"""
    catalog = folder({**AMOUNTS, "x_22222.sql": f"{header}SELECT avg(amount) FROM {A}"})
    check = only(catalog)
    assert (check.name, check.kind, check.severity, check.at_least) == ("share", "value", "WARN", 0.5)
    assert check.max_change == 0.2
    assert check.metadata == {"team": "dex"}
    assert catalog["query_22222"].performance == "large"


@pytest.mark.parametrize(
    "key", ["group: x", "owners: [team:dex]", "kinds: [x]", "automation: eager", "freshness: {fail_hours: 3}"]
)
def test_what_a_header_says_of_assets_alone_is_told_and_leaves_the_check(folder, caplog, key):
    header = f"/* dune\ncheck: {A}\n{key}\n*/\n"
    check = only(folder({**AMOUNTS, "negative_22222.sql": f"{header}SELECT * FROM {A} WHERE amount < 0"}))
    assert check.name == "negative"
    assert f"negative_22222.sql is a check, and no asset: nothing heeds {key.partition(':')[0]}" in caplog.text


@pytest.mark.parametrize("below", ["checks", "checks/daily", "dex/checks/of/amounts"])
def test_a_folder_of_checks_needs_no_header_where_one_object_is_read(folder, below):
    check = only(folder({**AMOUNTS, f"{below}/negative_22222.sql": f"SELECT * FROM {A} WHERE amount < 0"}))
    assert (check.asset, check.name, check.kind) == (A, "negative", "rows")


def test_checks_without_a_query_stand_in_the_header_of_what_they_check_or_in_dune_yml(folder):
    files = {
        "amounts_11111.sql": (
            f"/* dune\nmatview: {A}\nchecks: {{enough: {{kind: row_count, at_least: 5}}}}\n*/\nSELECT 1 AS x"
        ),
        "dune.yml": "queries:\n  amounts_11111.sql:\n    checks: {cheap: {kind: credits, at_most: 3}}\n",
    }
    assert {(check.name, check.kind, check.asset) for check in folder(files).checks} == {
        ("enough", "row_count", A),
        ("cheap", "credits", A),
    }


def test_checks_stand_in_the_document_and_survive_a_merge(folder, tmp_path):
    catalog = folder({**AMOUNTS, "checks/negative_22222.sql": f"SELECT * FROM {A} WHERE amount < 0"})
    assert DuneCatalog.from_json(catalog.to_json()).checks == catalog.checks
    assert DuneCatalog.merge(catalog, DuneCatalog(queries=catalog.queries)).checks == catalog.checks


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"checks/x_22222.sql": "SELECT 1 AS x"}, "nothing says what the check checks"),
        ({"checks/x_22222.sql": f"SELECT * FROM {A}, query_7"}, f"it reads {A}, query_7"),
        ({"x_22222.sql": "/* dune\ncheck: dune.acme.result_amount\n*/\nSELECT 1 AS x"}, f"Did you mean {A}?"),
        ({"x_22222.sql": "/* dune\ncheck: dex.trades\n*/\nSELECT 1 AS x"}, "is nothing that Dune runs"),
        ({"x.sql": f"/* dune\ncheck: {A}\n*/\nSELECT 1 AS x"}, "nothing says which query it is"),
        (
            {"x_22222.sql": f"/* dune\nmatview: dune.acme.result_x\ncheck: {A}\n*/\nSELECT 1 AS x"},
            "line 3: dune.acme.result_x is a matview, and a check is a query. Remove matview or check.",
        ),
        (
            {"x.sql": "/* dune\nchecks: {some: {kind: row_count, at_least: 1}}\n*/\nSELECT 1 AS x"},
            "line 2: the file has checks, and nothing says which query it is (no id).",
        ),
        ({"x_22222.sql": f"/* dune\ncheck: {{asset: {A}, kind: credits}}\n*/\nSELECT 1 AS x"}, "has no query"),
        ({"x_22222.sql": f"/* dune\ncheck: {{asset: {A}, at_least: 3}}\n*/\nSELECT 1 AS x"}, "does not take at_least"),
        (
            {"x_22222.sql": f"/* dune\ncheck: {{asset: {A}, kind: value, at_least: 3, at_most: 2}}\n*/\nSELECT 1 AS x"},
            "can never pass",
        ),
        (
            {"x_22222.sql": f"/* dune\ncheck: {{asset: {A}, kind: gate, severity: WARN}}\n*/\nSELECT 1 AS x"},
            "is blocking, and of severity WARN",
        ),
        (
            {
                "external.sql": "/* dune\nid: 33333\nexternal: x\n*/\nSELECT 1 AS x",
            },
            "external",
        ),
        (
            {
                "dune.yml": "external: [dune.other.result_x]",
                "x_22222.sql": "/* dune\ncheck: {asset: dune.other.result_x, kind: gate}\n*/\nSELECT 1 AS x",
            },
            "is a gate on dune.other.result_x, which belongs to others",
        ),
        (
            {
                "a_22222.sql": f"/* dune\ncheck: {{asset: {A}, name: same}}\n*/\nSELECT 1 AS x",
                "b_33333.sql": f"/* dune\ncheck: {{asset: {A}, name: same}}\n*/\nSELECT 2 AS x",
            },
            "There are two checks same",
        ),
    ],
)
def test_what_is_wrong_is_said_and_takes_nothing_else_down(folder, caplog, files, words):
    catalog = folder({**AMOUNTS, **files})
    (message,) = (text for text in caplog.messages if words in text)
    assert ".sql" in message
    assert A in catalog
    with pytest.raises(DuneCatalogError) as error:
        folder({}, strict=True)
    assert words in str(error.value)


NEGATIVE = {"negative_22222.sql": f"/* dune\ncheck: {A}\n*/\nSELECT * FROM {A} WHERE amount < 0"}


def test_the_query_of_a_check_that_is_left_out_is_no_asset(folder, caplog):
    gate = "/* dune\ncheck: {asset: dune.acme.result_amount, kind: gate}\n*/\n"
    same = f"/* dune\ncheck: {{asset: {A}, name: negative}}\n*/\n"
    catalog = folder(
        {
            **AMOUNTS,
            **NEGATIVE,
            "gate_33333.sql": f"{gate}SELECT 1 / 0 AS x FROM {A}",
            "same_44444.sql": f"{same}SELECT 2 AS x",
        }
    )
    assert build_dune_assets(catalog).keys == {dg.AssetKey(A.split("."))}
    assert only(catalog).query_id == 22222
    assert "gate_33333.sql, line 4: The check gate is of dune.acme.result_amount, which is not" in caplog.text
    assert "same_44444.sql, line 4: There are two checks negative" in caplog.text


def test_a_check_of_what_is_left_out_says_so_and_nothing_else_does(folder, caplog):
    other = {"other_55555.sql": "/* dune\nmatview: dune.acme.result_other\n*/\nSELECT 1 AS x"}
    broken = f"/* dune\nmatview: {A}\ntags: [a, b\n*/\nSELECT 1 AS amount"
    catalog = folder({**other, "amounts_11111.sql": broken, **NEGATIVE})
    assert build_dune_assets(catalog).keys == {dg.AssetKey(["dune", "acme", "result_other"])}
    first, second = caplog.messages
    assert "the header is no YAML" in first
    assert f"The check negative is of {A}, which is left out as well. Correct that one." in second


ON_DUNE = DuneCatalog(
    materialized_views=[MaterializedView(name=A, query_id=11111, sql="SELECT amount FROM dex.trades")],
    queries=[Query(query_id=22222, sql=f"SELECT * FROM {A} WHERE amount < 0")],
)


@pytest.mark.parametrize("files", [NEGATIVE, {"checks/negative_22222.sql": f"SELECT * FROM {A} WHERE amount < 0"}])
def test_a_folder_may_hold_checks_alone_of_what_the_account_has(folder, files, caplog):
    checks = folder(files)
    assert (checks.checks, checks.check_queries) == ((), {"query_22222"})
    caplog.clear()
    merged = DuneCatalog.merge(DuneCatalog.from_json(checks.to_json()), ON_DUNE)
    assert (only(merged).asset, only(merged).query_id) == (A, 22222)
    assert build_dune_assets(merged).keys == {dg.AssetKey(A.split("."))}
    assert caplog.messages == []


def test_a_check_of_what_neither_has_is_told_after_the_merge(folder, caplog):
    checks = folder({"x_33333.sql": "/* dune\ncheck: dune.acme.result_amount\n*/\nSELECT 1 AS x"})
    caplog.clear()
    merged = DuneCatalog.merge(checks, ON_DUNE)
    assert f"which is not in the catalog. Did you mean {A}?" in caplog.text
    assert "query_33333" not in {spec.metadata["dagster-dune/name"] for spec in build_dune_assets(merged).specs}
    with pytest.raises(DuneCatalogError, match="which is not in the catalog"):
        DuneCatalog.merge(checks, ON_DUNE, strict=True)


def test_external_names_that_the_account_has_may_be_checked(folder):
    external = {"dune.yml": f"external: [{A}]", "x_33333.sql": f"/* dune\ndeps: [{A}]\n*/\nSELECT 1 AS x"}
    assert only(DuneCatalog.merge(folder({**external, **NEGATIVE}), ON_DUNE)).asset == A
