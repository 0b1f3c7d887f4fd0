"""The names at the root of the package: each is there, and none costs before it is asked for."""

import subprocess
import sys

import dagster_dune


def test_every_name_can_be_imported():
    assert {name for name in dagster_dune.__all__ if getattr(dagster_dune, name, None) is None} == set()
    assert set(dagster_dune.__all__) <= set(dir(dagster_dune))


def test_the_command_line_does_without_dagster(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import sys; from dagster_dune.cli import app; print('dagster' in sys.modules)")
    assert subprocess.run([sys.executable, script], check=True, capture_output=True).stdout == b"False\n"
