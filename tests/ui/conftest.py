"""A real browser before a real deployment: Chromium, webserver, daemon, and a local Dune."""

import json
import shutil
from pathlib import Path

import pytest
from deployment import ROOT, Deployment
from pages import WINDOW
from playwright.sync_api import expect, sync_playwright

from dagster_dune.cli import load_folder

LOCATION = Path(__file__).with_name("ui_location.py")
EXECUTE = "/api/v1/pipelines/execute"
PATIENCE_MS = 300_000  # for one thing that a page shows; it is named when it does not come
# What a user can set in the UI, and the browser keeps: a narrow menu, and boxes that show what matters here.
SETTINGS = {
    "dagster-nav-collapsed": "true",
    "large-screen-nav-open": "false",
    "asset-node-facets": json.dumps(["latest-event", "status", "kind-tag"]),
}

expect.set_options(timeout=PATIENCE_MS)


def pytest_addoption(parser):
    parser.addoption("--write-images", action="store_true", help="Write the pictures of docs/images anew.")


@pytest.fixture(scope="session")
def browser():
    chromium = shutil.which("chromium")
    assert chromium, "These tests need Chromium; on Debian: apt-get install chromium"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium)
        yield started
        started.close()


@pytest.fixture
def page(browser):
    """A new browser window."""
    context = browser.new_context(viewport=WINDOW)
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(f"for (const [key, value] of Object.entries({SETTINGS})) localStorage.setItem(key, value)")
    yield context.new_page()
    context.close()


@pytest.fixture(scope="session")
def deployment_of_session(dune_emulator_of_session, tmp_path_factory):
    home = tmp_path_factory.mktemp("dagster") / "home"
    with Deployment(home, dune_emulator_of_session, ["-f", str(LOCATION)], LOCATION.name, forks=False) as started:
        started.start("dagster-daemon", "run")
        started.start_webserver()
        started.graphql("mutation { setNuxSeen }")  # no invitation to the community in front of every page
        yield started


@pytest.fixture
def project(deployment_of_session, dune):
    """The example project, saved on Dune, with nothing materialized."""
    load_folder(dune, ROOT / "dune_project" / "queries")
    instance = deployment_of_session.instance
    instance.wipe_assets(instance.all_asset_keys())
    yield deployment_of_session
    dune.release()  # what a failed test holds would hold the next one up
    for run in instance.get_runs():
        deployment_of_session.finish(run.run_id)
        instance.delete_run(run.run_id)


@pytest.fixture
def calls(dune):
    """A function that returns the bodies of all pipelines/execute requests since the test began."""

    def read():
        return [entry["body"] for entry in dune.journal() if (entry["method"], entry["path"]) == ("POST", EXECUTE)]

    return read


@pytest.fixture
def picture(request):
    """A function that saves a part of a page as a picture of the documentation, if pytest has been told to."""

    def save(page, name, height=None, top=0, at=None, window=None):
        if request.config.getoption("--write-images"):
            if window:
                page.set_viewport_size(window)
                page.wait_for_load_state("networkidle")
            window = page.viewport_size
            if at:
                at.scroll_into_view_if_needed()
                top = at.bounding_box()["y"]
            part = {"x": 0, "y": top, "width": window["width"], "height": height or window["height"]}
            page.screenshot(path=ROOT / "docs" / "images" / f"{name}.png", clip=part, animations="disabled")

    return save
