"""`tests/` mirrors the packages: who knows where a module is knows where its tests are. Folders hold few files."""

import ast
import re
from collections import Counter
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


FILES_IN_A_ROOM = 12
LARGER = {
    "dagster_dune": "what users import, a name a subject",
    "dune_project/queries": "the queries of the example",
}


def test_no_room_holds_more_than_can_be_seen_at_once():
    folders = [folder for root in (PACKAGE, TESTS, ROOT / "dune_project") for folder in [root, *root.rglob("*")]]
    files = {
        folder.relative_to(ROOT).as_posix(): [
            file
            for file in folder.iterdir()
            if file.suffix in {".py", ".sql"} and file.stem not in {"__init__", "conftest"}
        ]
        for folder in folders
        if folder.is_dir()
    }
    assert {room: len(held) for room, held in files.items() if len(held) > FILES_IN_A_ROOM and room not in LARGER} == {}


def modules(*folders):
    return {file: ast.parse(file.read_text()) for folder in folders for file in sorted(folder.rglob("*.py"))}


def test_every_name_of_a_module_is_read_somewhere():
    """A constant, a function or a class that nothing names any more is taken away."""
    sources = modules(PACKAGE, TESTS, ROOT / "benchmarks", ROOT / "scripts", ROOT / "dune_project")
    words = Counter(re.findall(r"\w+", "".join(file.read_text() for file in [*sources, *ROOT.glob("docs/*.md")])))
    unread = [
        f"{file.relative_to(ROOT)}: {name}"
        for file, module in sources.items()
        for node in module.body
        for name in names_of(node)
        if words[name] == 1 and not name.startswith(("test_", "Test", "pytest_", "__"))
    ]
    assert unread == []


def names_of(node):
    """What a statement of a module defines; nothing where a decorator passes it on, such as to a registry."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return [] if node.decorator_list else [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]


def test_metadata_keys_and_tags_are_written_in_one_place():
    own = re.compile(r"""["']dagster-dune/[a-z_]+["'=]""")
    elsewhere = {
        "metadata.py",
        "components/yaml_errors.py",
    }  # the second writes a key of its own documents, no metadata
    found = [
        f"{file.relative_to(PACKAGE)}: {line.strip()}"
        for file in PACKAGE.rglob("*.py")
        if file.relative_to(PACKAGE).as_posix() not in elsewhere
        for line in file.read_text().splitlines()
        if own.search(line) and not re.search(r"b.dagster-dune/", line)  # of Parquet's schema
    ]
    assert found == []


def test_rooms_that_a_package_tells_of_are_there():
    """Where a package's docstring names its rooms, it names rooms that there are."""
    lost = []
    for file in PACKAGE.rglob("__init__.py"):
        said = ast.get_docstring(ast.parse(file.read_text())) or ""
        inside = {one.stem for one in file.parent.iterdir()} | set(re.findall(r"import (\w+)", file.read_text()))
        outside = {one.stem for one in [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("__init__.py")]}
        outside |= {one.name for one in PACKAGE.rglob("*") if one.is_dir()}
        named = re.findall(r"`([a-z_]+)`", said)
        lost += [f"{file.relative_to(PACKAGE)}: {name}" for name in named if name not in inside | outside]
    assert lost == []


def test_there_is_one_way_to_wait():
    """`waiting` waits as long as a machine may need; a loop of a test's own has another patience, or none."""
    own = re.compile(r"^\s*while .*is_execution_finished|^PATIENCE = ", re.MULTILINE)
    files = [file for file in TESTS.rglob("*.py") if file.name != "waiting.py" and "chaos" not in file.parts]
    assert [file.relative_to(TESTS).as_posix() for file in files if own.search(file.read_text())] == []
