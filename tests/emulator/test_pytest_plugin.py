"""The pytest plugin, in pytest runs of its own."""

import pytest

pytest_plugins = ["pytester"]

USE = """
import httpx
import pytest


@pytest.mark.parametrize("number", [1, 2])
def test_each_test_has_an_empty_account(dune_emulator, number, request):
    seen = request.config.stash.setdefault(KEY, [])
    seen.append(dune_emulator.url)
    assert len(set(seen)) == 1 and len(seen) == number
    headers = {"X-Dune-Api-Key": dune_emulator.api_key}
    assert httpx.get(f"{dune_emulator.url}/api/v1/queries", headers=headers).json()["total"] == 0
    assert len(dune_emulator.journal()) == 1
    dune_emulator.load_query(1, "n", "SELECT 1 AS n")


KEY = pytest.StashKey()
"""

SETTINGS = """
import pytest


@pytest.fixture(scope="session")
def dune_emulator_settings():
    return {"team": "21co", "api_key": "other"}
"""


@pytest.mark.processes
def test_one_server_a_session_and_a_reset_a_test(pytester):
    pytester.makepyfile(USE)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


@pytest.mark.processes
def test_settings_can_be_overridden(pytester):
    pytester.makeconftest(SETTINGS)
    pytester.makepyfile(
        'def test_team(dune_emulator): assert (dune_emulator.team, dune_emulator.api_key) == ("21co", "other")'
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_it_costs_nothing_where_it_is_not_used(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # what other plugins import does not count
    pytester.makepyfile(
        """
        import sys

        def test_nothing_heavy_is_imported():
            assert not {"dagster", "dagster_dune", "duckdb", "pydantic", "starlette", "uvicorn"} & sys.modules.keys()
            assert "pytest_dagster_dune" in sys.modules
        """
    )
    pytester.runpytest_subprocess("-p", "dagster_dune").assert_outcomes(passed=1)


PROJECT = """
import os
import dagster as dg
from dagster_dune import DuneCatalog, DuneResource, build_dune_assets


def test_the_assets_of_the_folder(dune_folder):
    emulator = dune_folder("queries")
    assert (os.environ["DUNE_API_BASE_URL"], os.environ["DUNE_API_KEY"]) == (emulator.url, emulator.api_key)
    assets = build_dune_assets(DuneCatalog.from_directory("queries"))
    resources = {"dune": DuneResource(api_key=dg.EnvVar("DUNE_API_KEY"), poll_interval=0.01)}
    assert len(dg.materialize([assets], resources=resources).get_asset_materialization_events()) == 2


def test_two_folders_and_an_empty_one(dune_folder, dune_emulator, tmp_path):
    dune_folder("queries")
    (tmp_path / "one_4100003.sql").write_text("SELECT 1 AS n")
    assert dune_folder(tmp_path) is dune_emulator
    dune_emulator.load_materialized_view("dune.acme.result_three", 4100003)
"""


def test_a_folder_of_queries_is_an_account(pytester, monkeypatch):
    monkeypatch.delenv("DUNE_API_KEY", raising=False)
    monkeypatch.delenv("DUNE_API_BASE_URL", raising=False)
    folder = pytester.mkdir("queries")
    (folder / "view_4100001.sql").write_text("/* dune\nmatview: dune.acme.result_one\n*/\nSELECT 1 AS n")
    (folder / "query_4100002.sql").write_text("SELECT n FROM dune.acme.result_one")
    pytester.makepyfile(PROJECT, test_after="import os\ndef test_after(): assert 'DUNE_API_KEY' not in os.environ")
    pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:xdist").assert_outcomes(passed=3)


@pytest.mark.parametrize("fixture", ["dune_emulator", "dune_folder", "dune_replay"])
def test_a_missing_extra_is_named(pytester, fixture):
    pytester.makeconftest("import sys; sys.modules['uvicorn'] = None")
    pytester.makepyfile(f"def test_dune({fixture}): pass")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*needs uvicorn, which is not installed. Run: pip install 'dagster-dune[[]emulator]'*"]
    )
