"""The component's page of a dg project that has just been scaffolded."""

import pytest
from deployment import Deployment
from playwright.sync_api import expect

from dagster_dune import DuneComponent
from dagster_dune.components.scaffolder import EXAMPLE, EXAMPLE_ID

FILES = {
    "pyproject.toml": '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "ui_shop"\n',
    "ui_shop/__init__.py": "",
    "ui_shop/definitions.py": """
from pathlib import Path
import dagster as dg

defs = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
""",
    "ui_shop/defs/__init__.py": "",
    "ui_shop/defs/dune/defs.yaml": "type: dagster_dune.DuneComponent\nattributes: {queries: queries}\n",
    f"ui_shop/defs/dune/queries/volume_by_chain_{EXAMPLE_ID}.sql": EXAMPLE,
}
MODULE = "ui_shop.definitions"


@pytest.fixture
def shop(tmp_path, dune):
    for name, content in FILES.items():
        file = tmp_path / "project" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    args = ["-m", MODULE, "-d", str(tmp_path / "project")]
    with Deployment(tmp_path / "home", dune, args, MODULE) as deployment:
        deployment.start_webserver()
        deployment.graphql("mutation { setNuxSeen }")
        yield deployment


def test_the_components_page_describes_every_field_in_words_for_users(page, shop, picture):
    page.goto(f"{shop.url}/locations/{MODULE}/components/library")
    page.get_by_text("dagster_dune", exact=True).first.click()
    page.get_by_text("dagster_dune.DuneComponent", exact=True).first.click()
    expect(page.get_by_text("Dune queries and materialized views as assets.").first).to_be_visible()
    told = page.locator("body").inner_text()
    for name, field in DuneComponent.get_model_cls().model_fields.items():
        assert name in told
        assert field.description
        assert " ".join(field.description.split()) in told, name
    assert not [word for word in (">>>", "Traceback", "Args:", "``") if word in told]
    picture(page, "component", 1200)
