"""`tests/` mirrors the packages: who knows where a module is knows where its tests are."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE, TESTS = ROOT / "dagster_dune", ROOT / "tests"
# Folders of tests that judge no package, or all of them: the repository itself, the documentation, what real processes
# and a real browser do, and what tests share.
OTHER = {"repository", "docs", "chaos", "ui", "support"}
DEPTH = 2  # a package below these (such as emulator/http/routes) is judged through the one that holds it


def rooms(folder, holds):
    """The folders up to `DEPTH` that hold such files, as paths without the underscore of what is private."""
    found = {file.parent.relative_to(folder) for file in folder.rglob(holds)}
    names = {"/".join(part.removeprefix("_") for part in place.parts) for place in found if len(place.parts) <= DEPTH}
    return names - {""}


def test_every_package_has_a_folder_of_tests():
    tested = rooms(TESTS, "test_*.py")
    untested = {
        room for room in rooms(PACKAGE, "__init__.py") if not any(f"{one}/".startswith(f"{room}/") for one in tested)
    }
    assert untested == set()


def test_every_folder_of_tests_is_that_of_a_package():
    strange = {room for room in rooms(TESTS, "test_*.py") if room.split("/")[0] not in OTHER}
    assert strange - rooms(PACKAGE, "__init__.py") == set()


def test_test_files_are_collected_wherever_they_are():
    """A test in a file of another name would never run."""
    lost = [
        file.relative_to(ROOT).as_posix()
        for file in TESTS.rglob("*.py")
        if not file.name.startswith("test_") and "\ndef test_" in file.read_text()
    ]
    assert lost == []
