"""What a user would have of Dagster's default for components with state, LOCAL_FILESYSTEM, in place of ours.

docs/component.md has the comparison.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from served_location import assert_runs, once, reads, reload_location, served, shown_assets

DG = Path(sys.executable).parent / "dg"
FILES = {
    "pyproject.toml": '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "stateful"\n',
    "stateful/__init__.py": "",
    "stateful/defs/__init__.py": "",
    "stateful/definitions.py": """
from pathlib import Path
import dagster as dg

defs = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
""",
    "stateful/defs/dune/defs.yaml": """
type: dagster_dune.DuneComponent
attributes:
  account: true
  upstream_tables: false
  defs_state: {management_type: LOCAL_FILESYSTEM}
""",
}


@pytest.fixture
def project(tmp_path, dune, monkeypatch):
    monkeypatch.setenv("DUNE_API_KEY", dune.api_key)
    monkeypatch.setenv("DUNE_API_BASE_URL", dune.url)
    for name, content in FILES.items():
        file = tmp_path / "project" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return tmp_path / "project"


@pytest.mark.processes
@pytest.mark.skipif(not DG.exists(), reason="dg is not installed")
def test_with_state_in_a_file_somebody_refreshes_before_anything_is_seen(project, dune, tmp_path):
    dune.load_query(1, "First", "SELECT 1 AS n")

    def refresh():
        command = [DG, "utils", "refresh-defs-state"]
        importable = {**os.environ, "PYTHONPATH": str(project)}
        done = subprocess.run(command, cwd=project, env=importable, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    with served(tmp_path / "home", dune, "-m", "stateful.definitions", "-d", str(project)) as deployment:
        assert shown_assets(deployment).keys() == set()
        told = (deployment.home / "code-server.log").read_text()
        assert "its assets are missing. Run dg utils refresh-defs-state." in told
        assert reads(dune) == {}

        refresh()
        assert reads(dune) == once(1)
        assert reload_location(deployment)["__typename"] == "RepositoryLocation"
        assert shown_assets(deployment).keys() == {"dune/query_1"}

        dune.load_query(2, "Second", "SELECT 2 AS n")
        assert reload_location(deployment)["__typename"] == "RepositoryLocation"
        assert shown_assets(deployment).keys() == {"dune/query_1"}
        assert reads(dune) == once(1)

        refresh()
        assert reload_location(deployment)["__typename"] == "RepositoryLocation"
        assert shown_assets(deployment).keys() == {"dune/query_1", "dune/query_2"}
        before = reads(dune)
        assert before == once(1) + once(2)  # what has not changed is not read again
        assert_runs(deployment, ("dune", "query_2"))
        assert reads(dune) == before
