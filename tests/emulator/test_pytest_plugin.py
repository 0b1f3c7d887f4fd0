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


@pytest.mark.parametrize("fixture", ["dune_emulator", "dune_replay"])
def test_a_missing_extra_is_named(pytester, fixture):
    pytester.makeconftest("import sys; sys.modules['uvicorn'] = None")
    pytester.makepyfile(f"def test_dune({fixture}): pass")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*needs uvicorn, which is not installed. Run: pip install 'dagster-dune[[]emulator]'*"]
    )
