"""The first hour: the commands of docs/quickstart.md as they stand there, in an empty folder, from a built wheel.

uv would fetch everything anew. What stands in for it here takes dependencies from the environment of the tests, and our
package from the wheel alone.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
from waiting import PATIENCE

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PAGE = ROOT / "docs" / "quickstart.md"
HOUR = 3600  # seconds
ASSET = "dune/volume_by_chain_9000000001"

UVX = """#!/bin/sh
set -eu
[ "$1" = create-dagster@latest ] && shift
[ "$1 $3" = "project --uv-sync" ]
"{bin}/create-dagster" project "$2" --no-uv-sync
"{python}" -m venv --without-pip "$2/.venv"
site=$("$2/.venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
{{ echo "$PWD/$2/src"; echo "{packages}"; }} > "$site/project.pth"
for program in dg dagster; do
    {{ echo "#!$PWD/$2/.venv/bin/python"; tail -n +2 "{bin}/$program"; }} > "$2/.venv/bin/$program"
    chmod +x "$2/.venv/bin/$program"
done
"""
UV = """#!/bin/sh
set -eu
what=$1
shift
if [ "$what" = add ]; then
    [ "$1" = "dagster-dune[emulator]" ]
    exec {install} --quiet --no-deps --no-index "{wheel}"
fi
[ "$what" = run ]
VIRTUAL_ENV="$PWD/.venv" PATH="$PWD/.venv/bin:$PATH" exec "$@"
"""


def commands():
    """The commands of the page's first block."""
    return re.search(r"^```\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)[1].strip().splitlines()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed, which builds the wheel: pip install -e '.[dev]'")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    (built,) = folder.glob("*.whl")
    return built


def installer():
    """The command that installs into the project's environment."""
    if importlib.util.find_spec("pip"):
        return f"{sys.executable} -m pip --python .venv/bin/python install"
    if uv := shutil.which("uv"):
        return f"{uv} pip install --python .venv/bin/python"
    return pytest.skip("There is neither pip nor uv, one of which installs the wheel.")


@pytest.fixture
def shell(tmp_path, wheel):
    """A function that runs a line as a user's shell would."""
    if not (BIN / "create-dagster").exists():
        pytest.skip("create-dagster is not installed: pip install -e '.[dev]'")
    programs = tmp_path / "programs"
    programs.mkdir()
    packages = sysconfig.get_path("purelib")
    (programs / "uvx").write_text(UVX.format(bin=BIN, python=sys.executable, packages=packages))
    (programs / "uv").write_text(UV.format(install=installer(), wheel=wheel))
    for program in programs.iterdir():
        program.chmod(0o755)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("DUNE_", "DAGSTER_", "PYTHON", "UV_"))
    }
    environment |= {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(tmp_path), "DAGSTER_DISABLE_TELEMETRY": "yes"}

    def run(line, folder, **more):
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=folder,
            env={**environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"$ {line}\n{done.stdout}"
        return done.stdout

    return run


@pytest.mark.processes
def test_from_nothing_to_a_materialized_asset(shell, tmp_path, record_property):
    lines = commands()
    assert 1 < len(lines) <= 5
    folder, told, started = tmp_path, "", time.monotonic()
    for line in lines:
        told += shell(line, folder)
        if cd := re.search(r"&& cd (\w+)$", line):
            folder /= cd[1]
    seconds = time.monotonic() - started
    record_property("seconds", seconds)
    assert seconds < HOUR
    assert "RUN_SUCCESS" in told
    assert re.search(rf"ASSET_MATERIALIZATION - Materialized value {re.escape(ASSET.replace('/', ' '))}", told), told
    place = shell("uv run python -c 'import dagster_dune; print(dagster_dune.__file__)'", folder)
    assert str(folder / ".venv") in place

    assert "All component YAML validated successfully." in shell("uv run dg check yaml", folder)
    checked = shell("uv run dg check defs", folder)
    assert "All definitions loaded successfully." in checked
    assert "arning" not in checked
    assert ASSET in shell("uv run dg list defs", folder, COLUMNS="200")
    assert ".env" in (folder / ".gitignore").read_text().split()
