"""What a package index shows of the package."""

import email
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(([^)]*)\)")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The metadata of a built wheel; its text is the page."""
    for plugin in ("hatchling", "hatch_fancy_pypi_readme"):
        pytest.importorskip(plugin, reason=f"{plugin} builds the package: pip install -e '.[dev]'")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        (metadata,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
        return email.message_from_bytes(wheel.read(metadata))


def test_every_link_of_the_page_leads_somewhere_from_there(page):
    text = page.get_payload()
    links = LINK.findall(text)
    assert links
    assert [link for link in links if not link.startswith("https://")] == []
    assert "![" not in text
    assert "mermaid" not in text
    assert page["Description-Content-Type"] == "text/markdown"


def test_the_page_has_the_sections_of_the_readme(page):
    readme = re.findall(r"^## .*", (ROOT / "README.md").read_text(), re.MULTILINE)
    shown = re.findall(r"^## .*", page.get_payload(), re.MULTILINE)
    assert shown == [section for section in readme if section != "## The example's asset graph"]


def test_the_urls_are_addresses(page):
    assert page.get_all("Project-URL")
    for url in page.get_all("Project-URL"):
        assert re.fullmatch(r".+, https://[a-z.]+(/\S*)?", url)
