"""Each import contract of pyproject.toml is broken once, in a copy, and `lint-imports` says so.

That the package itself keeps them is what `make check` shows.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "pyproject.toml"
LINT = Path(sys.executable).with_name("lint-imports")
CONTRACTS = {
    contract["name"]: contract
    for contract in tomllib.loads(CONFIGURATION.read_text())["tool"]["importlinter"]["contracts"]
}
RETURNING = (
    "dagster_dune.catalog.returning"  # a module made for the circle; it imports `version`, which imports nothing
)


def violation(contract):
    """An import that a contract forbids, as (module that imports, module that it imports)."""
    match contract:
        case {"type": "layers", "layers": layers}:
            container = [*contract.get("containers", []), ""][0]
            highest, lowest = (re.split(r"[|:]", layers[place])[0].strip("() ") for place in (0, -1))
            return tuple(f"{container}.{layer}".removeprefix(".") for layer in (lowest, highest))
        case {"type": "forbidden", "source_modules": sources, "forbidden_modules": forbidden}:
            return sources[0], forbidden[0]
        case {"type": "protected", "protected_modules": protected}:
            return "dagster_dune.version", protected[0].removesuffix(".*").removesuffix(".**")
        case {"type": "acyclic_siblings", "ancestors": ["dagster_dune", *_]}:
            return "dagster_dune.version", RETURNING
    raise AssertionError(f"How is a contract of the type {contract['type']} broken? Say it here.")


def linted(folder):
    """What `lint-imports` says in a folder, as its exit code and a text per contract."""
    done = subprocess.run(
        [LINT, "--no-cache", "--no-logo"],
        check=False,
        cwd=folder,
        env={**os.environ, "COLUMNS": "1000"},
        capture_output=True,
    )
    said = done.stdout.decode()
    verdicts = dict(re.findall(r"^(.+) (KEPT|BROKEN)$", said, re.MULTILINE))
    parts = re.split(r"^(.+)\n-+$", said.partition("Broken contracts")[2], flags=re.MULTILINE)
    return done.returncode, verdicts, dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A function that breaks every contract of a type in a copy of the package, and returns what is said of it."""

    @cache
    def lint(type_):
        folder = tmp_path_factory.mktemp(type_)
        shutil.copytree(ROOT / "dagster_dune", folder / "dagster_dune", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(CONFIGURATION, folder)
        folder.joinpath(*RETURNING.split(".")).with_suffix(".py").write_text("from dagster_dune import version\n")
        for contract in CONTRACTS.values():
            if contract["type"] == type_:
                importer, imported = violation(contract)
                place = folder.joinpath(*importer.split("."))
                file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
                file.write_text(f"{file.read_text()}\nimport {imported}\n")
        return linted(folder)

    return lint


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_contract_that_is_broken_is_told(broken, name):
    type_ = CONTRACTS[name]["type"]
    code, verdicts, told = broken(type_)
    assert code != 0
    assert verdicts[name] == "BROKEN"
    importer, imported = violation(CONTRACTS[name])
    if type_ == "acyclic_siblings":  # either import can be taken away, and the siblings alone are told
        importer, imported = (rf"\.({importer.split('.')[1]}|{imported.split('.')[1]})" for _ in range(2))
    assert re.search(rf"- +{importer}\b.* -> {imported}\b", told[name]), told[name]
