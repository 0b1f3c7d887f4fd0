"""The documentation as a site: every page is in its navigation, every public name in its reference, and it builds."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from waiting import PATIENCE

import dagster_dune

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
GENERATOR = Path(sys.executable).with_name("zensical")


def pages(entry):
    if isinstance(entry, str):
        return [entry]
    parts = entry.values() if isinstance(entry, dict) else entry
    return [page for part in parts for page in pages(part)]


def test_every_page_is_in_the_navigation_once():
    assert sorted(pages(SITE["nav"])) == sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))


def test_every_public_name_is_in_the_reference():
    named = re.findall(r"^::: dagster_dune\.[\w.]+\.(\w+)$", (DOCS / "reference.md").read_text("utf-8"), re.MULTILINE)
    modules = {name for name in dagster_dune.__all__ if type(getattr(dagster_dune, name)) is type(dagster_dune)}
    assert sorted(named) == sorted(set(dagster_dune.__all__) - modules - {"__version__"})


@pytest.mark.processes
@pytest.mark.skipif(not GENERATOR.exists(), reason="Zensical is not installed: make docs installs it")
def test_it_builds_and_a_broken_link_ends_the_build(tmp_path):
    for name in ("docs", "dagster_dune"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    command = [GENERATOR, "build", "--strict", "--clean", "-f", "mkdocs.yml"]
    built = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert built.returncode == 0, built.stdout + built.stderr
    reference = (tmp_path / "build" / "site" / "reference" / "index.html").read_text("utf-8")
    assert "execute_pipeline" in reference
    assert "fonts.googleapis" not in reference
    (tmp_path / "docs" / "index.md").write_text("[nowhere](nothing.md)\n")
    broken = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert broken.returncode != 0
