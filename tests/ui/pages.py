"""The pages of Dagster's UI as its users know them: what they see, and what they click."""

from contextlib import contextmanager, suppress

from example import GROUPS
from playwright.sync_api import expect

WINDOW = {"width": 1720, "height": 1640}
GRAPH_WINDOW = {"width": 2600, "height": 3100}  # large enough for all groups: only what is in the window is drawn


class FoldedGraph:
    """The page "Global asset lineage" as newcomers see it: a box a group."""

    def __init__(self, page, url):
        self.page = page
        page.goto(f"{url}/asset-groups")
        expect(self.group(GROUPS[-1])).to_be_visible()

    def group(self, name):
        """The box of a group, folded or open."""
        return self.page.locator("foreignObject").get_by_text(name, exact=True)

    def left_edges(self):
        """Where each group begins."""
        return [self.group(name).bounding_box()["x"] for name in GROUPS]


class AssetGraph(FoldedGraph):
    """The page "Global asset lineage", with all groups open."""

    def __init__(self, page, url, groups=GROUPS, window=GRAPH_WINDOW):
        self.page = page
        page.set_viewport_size(window)
        page.goto(f"{url}/asset-groups?expanded={','.join(f'global@global:{group}' for group in groups)}")
        expect(page.get_by_role("button", name="Materialize all")).to_be_enabled()

    def name(self, asset):
        """The title of an asset's box."""
        return self.page.locator(f'foreignObject [data-tooltip="{asset}"]')

    def box(self, asset):
        """An asset's box: its name, its latest event and its state."""
        return self.page.locator("foreignObject").filter(has=self.page.locator(f'[data-tooltip="{asset}"]'))

    def select(self, first, *others):
        """Click on assets. The first click puts its asset into the middle, from where the others must be in sight."""
        self.page.set_viewport_size({side: 2 * length for side, length in GRAPH_WINDOW.items()})
        self.name(first).click()
        expect(self.page.get_by_role("button", name="Materialize selected")).to_be_visible()
        for asset in others:
            self.name(asset).click(modifiers=["Shift"])

    def materialize(self, button, partition=None):
        """Click a button that launches a run, and say which partition where the UI asks for it."""
        self.page.get_by_role("button", name=button).click()
        if partition:
            PartitionDialog(self.page).launch(partition)
        expect(self.page.get_by_text("Launched run")).to_be_visible()

    def follow(self):
        """Follow the link of the message that a run has been launched."""
        self.page.get_by_role("link", name="View", exact=True).click()
        return RunPage(self.page)

    def open_launchpad(self, button):
        """Open the launchpad from the menu beside a button."""
        self.page.get_by_role("button", name=button).locator("xpath=following::button[1]").click()
        self.page.get_by_role("menuitem", name="Open launchpad").click()
        return Launchpad(self.page)


class PartitionDialog:
    """The dialog that asks for the partitions which are to be materialized."""

    def __init__(self, page):
        self.page = page
        self.dialog = page.get_by_role("dialog")

    def launch(self, partitions):
        """Choose partitions, and launch what materializes them."""
        text = self.dialog.get_by_role("textbox")
        text.fill(partitions)
        text.press("Enter")
        self.dialog.get_by_role("button", name="Launch").click()


class AssetPage:
    """The page of one asset: what it is, its SQL, and what its latest materialization tells."""

    def __init__(self, page, url, asset):
        self.page = page
        page.goto(f"{url}/assets/{asset}?view=overview")
        expect(self.section("Metadata")).to_be_visible()

    def section(self, name):
        """The heading of a part of the page."""
        return self.page.get_by_text(name, exact=True).first

    def says(self, text):
        return self.page.get_by_text(text, exact=True).first

    def metadata_keys(self):
        """The keys of the table of metadata, in their order on the page."""
        keys = self.page.get_by_role("row").filter(has_text="dagster-dune/")
        expect(keys.first).to_be_visible()
        return [row.inner_text().replace("\n", "").partition("\t")[0] for row in keys.all()]

    def metadata(self, key):
        """The row of one key of the metadata."""
        return self.page.get_by_role("row", name=key)

    def open_markdown(self, key):
        """Show what a text says that is too long for the table."""
        self.metadata(key).get_by_text("Show Markdown").click()
        return self.page.get_by_role("dialog")


class PartitionsPage:
    """The partitions of one asset: which are materialized, and with what."""

    def __init__(self, page, url, asset):
        self.page = page
        page.goto(f"{url}/assets/{asset}?view=partitions")

    def show(self, partitions):
        """List these partitions alone."""
        text = self.page.get_by_role("textbox").first
        text.fill(partitions)
        text.press("Enter")

    def count(self, text):
        """How many of the listed partitions are in a state, if it is this: "Missing (2)"."""
        return self.page.get_by_text(text, exact=True)

    def open(self, partition):
        """Look at the latest materialization of a partition."""
        self.page.get_by_text(partition, exact=True).first.click()
        expect(self.page.get_by_text("Latest materialization")).to_be_visible()

    def metadata(self, key):
        return self.page.get_by_role("row", name=key)

    def backfill(self, partitions):
        """Materialize several partitions, and follow the link to the backfill that does it."""
        self.page.get_by_role("button", name="Materialize").click()
        PartitionDialog(self.page).launch(partitions)
        expect(self.page.get_by_text("Created backfill")).to_be_visible()
        self.page.get_by_role("link", name="View", exact=True).click()
        return BackfillPage(self.page)


class BackfillPage:
    """The page of one backfill: its state and how far it is."""

    def __init__(self, page):
        self.page = page
        page.wait_for_url("**/runs/b/*")

    def state(self):
        return self.page.get_by_text("Status", exact=True).locator("xpath=..")


class AutomationPage:
    """The page of one schedule or sensor: its switch and its ticks."""

    def __init__(self, page, url, location, kind, name):
        self.page = page
        page.goto(f"{url}/locations/{location}/{kind}/{name}")
        self.switch = page.get_by_role("row", name="Running").get_by_role("checkbox")

    @contextmanager
    def switched_on(self):
        """Switch it on, and off again at the end."""
        expect(self.switch).not_to_be_checked()
        self.switch.locator("xpath=..").click()
        expect(self.switch).to_be_checked()
        try:
            yield
        finally:
            self.switch.locator("xpath=..").click()
            expect(self.switch).not_to_be_checked()

    def tick(self, result):
        """The first tick of those listed that had a result."""
        return self.page.get_by_role("row", name=result).filter(has=self.page.get_by_role("button", name="View logs"))


class Launchpad:
    """The dialog in which a run is configured before it is launched."""

    def __init__(self, page):
        self.page = page
        page.set_viewport_size(WINDOW)
        self.dialog = page.get_by_role("dialog")
        self.wait_until_it_says("No errors")

    def wait_until_it_says(self, text):
        """Wait until this is said of the configuration.

        The UI's answers can overtake each other, and what was said of an older text stays then: a change asks anew.
        """
        said = self.dialog.get_by_text(text)
        for _ in range(9):
            with suppress(AssertionError):
                expect(said).to_be_visible(timeout=30_000)
                return
            self.page.keyboard.press("Control+End")
            self.page.keyboard.insert_text(" ")
        expect(said).to_be_visible()

    def configure(self, yaml):
        """Type a configuration in place of the one that the launchpad suggests."""
        self.dialog.locator(".CodeMirror").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(yaml)

    def insert_after(self, text, line):
        """Type a line after the first one that contains a text, as deep as that one."""
        self.line(text).first.click()
        self.page.keyboard.press("End")
        self.page.keyboard.press("Enter")
        self.page.keyboard.insert_text(line)

    def line(self, text):
        """A line of the configuration that contains a text."""
        return self.dialog.locator(".CodeMirror-line", has_text=text)

    def launch(self):
        """Launch the run; the UI goes to its page."""
        self.dialog.get_by_role("button", name="Materialize").click()
        return RunPage(self.page)


class RunPage:
    """The page of one run: its state and its events."""

    def __init__(self, page):
        self.page = page
        page.wait_for_url("**/runs/*")
        expect(page.get_by_text("EVENT TYPE")).to_be_visible()

    def state(self, name):
        """The tag beside the run's id, if it says this."""
        return self.page.get_by_text(name, exact=True)

    def event(self, kind, text=""):
        """The first event of a kind that says something."""
        row = self.page.locator("[class*=Row]", has=self.page.get_by_text(kind, exact=True))
        return row.filter(has_text=text).first

    def says(self, text):
        """The first line of the log that contains a text."""
        return self.page.get_by_text(text).first

    def words(self, kind):
        """All that the first event of a kind says, from top to bottom."""
        expect(self.event(kind)).to_be_visible()
        return self.event(kind).inner_text()

    def terminate(self):
        self.page.get_by_role("button", name="Terminate").click()
        self.page.get_by_role("dialog").get_by_role("button", name="Terminate").click()


class ChecksPage:
    """The checks of one asset: their latest results, and what these hold."""

    def __init__(self, page, url, asset):
        self.page = page
        page.set_viewport_size(WINDOW)
        page.goto(f"{url}/assets/{asset}?view=checks")

    def open(self, name):
        """Look at the results of one check."""
        self.page.get_by_text(name, exact=True).first.click()

    def metadata(self, key):
        return self.page.get_by_role("row", name=key)
