"""The pages of Dagster's UI as its users know them: what they see, and what they click."""

from playwright.sync_api import expect


class AssetGraph:
    """The page "Global asset lineage", with all groups open."""

    def __init__(self, page, url, groups):
        self.page = page
        page.goto(f"{url}/asset-groups?expanded={','.join(f'global@global:{group}' for group in groups)}")
        expect(page.get_by_role("button", name="Materialize all")).to_be_enabled()

    def name(self, asset):
        """The title of an asset's box."""
        return self.page.locator(f'foreignObject [data-tooltip="{asset}"]')

    def box(self, asset):
        """An asset's box: its name, its latest event and its state."""
        return self.page.locator("foreignObject").filter(has=self.page.locator(f'[data-tooltip="{asset}"]'))

    def select(self, first, *others):
        self.name(first).click()
        for asset in others:
            self.name(asset).click(modifiers=["Shift"])

    def materialize(self, button):
        """Click a button that launches a run."""
        self.page.get_by_role("button", name=button).click()
        expect(self.page.get_by_text("Launched run")).to_be_visible()

    def follow(self):
        """Follow the link of the message that a run has been launched."""
        self.page.get_by_text("View", exact=True).click()
        return RunPage(self.page)

    def open_launchpad(self, button):
        """Open the launchpad from the menu beside a button."""
        self.page.get_by_role("button", name=button).locator("xpath=following::button[1]").click()
        self.page.get_by_role("menuitem", name="Open launchpad").click()
        return Launchpad(self.page)


class Launchpad:
    """The dialog in which a run is configured before it is launched."""

    def __init__(self, page):
        self.page = page
        self.dialog = page.get_by_role("dialog")
        expect(self.errors("No errors")).to_be_visible()

    def errors(self, text):
        """What the launchpad says of the configuration, if it is this."""
        return self.dialog.get_by_text(text)

    def configure(self, yaml):
        """Type a configuration in place of the one that the launchpad suggests."""
        self.dialog.locator(".CodeMirror").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(yaml)

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

    def terminate(self):
        self.page.get_by_role("button", name="Terminate").click()
        self.page.get_by_role("dialog").get_by_role("button", name="Terminate").click()
