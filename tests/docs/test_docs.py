"""Every Python example of the README and of docs/ runs, page by page, against the local Dune."""

import re
import runpy
from pathlib import Path

import pytest

from dagster_dune.cli import load_folder

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_run(page, dune, monkeypatch, tmp_path):
    load_folder(dune, ROOT / "dune_project" / "queries")
    monkeypatch.setenv("DUNE_API_KEY", dune.api_key)
    monkeypatch.setenv("DUNE_API_BASE_URL", dune.url)
    script = tmp_path / "example.py"
    text = page.read_text()
    blocks = BLOCK.findall(text)
    script.write_text("\n".join(blocks))
    assert blocks or "```python" not in text
    runpy.run_path(str(script))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert missing == []
