"""What docs/contributing.md and ``make help`` say of commands, jobs and switches is what there is."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "contributing.md").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
CI = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))["jobs"]
# What pytest-xdist sets, and what a code location looks for as users have it.
NO_SWITCHES = {"PYTEST_XDIST_WORKER", "DUNE_API_KEY"}


def rows(heading):
    """The rows of the table whose first column has this heading, as their cells."""
    table = PAGE.partition(f"| {heading} |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table.splitlines()[2:]]


def test_help_names_every_command():
    commands = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split()
    told = re.findall(r'^\t@echo "make (\S+)', MAKEFILE, re.MULTILINE)
    assert sorted(told) == sorted(set(commands) - {"help"})


@pytest.mark.parametrize("script", ["chaos", "kill_matrix"])
def test_what_runs_by_hand_finds_what_it_imports(script):
    command = [sys.executable, ROOT / "tests" / "chaos" / f"{script}.py", "--help"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def versions(job):
    """The versions of Python that a job runs on."""
    matrix = job.get("strategy", {}).get("matrix", {}).get("python")
    if matrix:
        return matrix
    if image := re.match(r"python:([\d.]+)", job.get("container", "")):
        return [image[1]]
    return [step["with"]["python-version"] for step in job["steps"] if "setup-python" in step.get("uses", "")]


def test_the_jobs_of_a_push_are_those_that_are_told():
    told = {job.strip("`| "): (python.split(", "), what) for job, python, what in rows("Job of `ci.yml`")}
    assert list(told) == list(CI)
    for name, job in CI.items():
        python, what = told[name]
        assert python == versions(job), name
        commands = re.findall(r"make ([a-z][-a-z]*)", " ".join(step.get("run", "") for step in job["steps"]))
        assert re.findall(r"`make ([-a-z]+)`", what) == commands, name


def switches():
    """The variables of the environment that tests look for, and do without."""
    found = set()
    for file in (ROOT / "tests").rglob("*.py"):
        tree = ast.parse(file.read_text("utf-8"))
        constants = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            name = None
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("os.environ.get", "os.getenv"):
                name = node.args[0]
            elif isinstance(node, ast.Compare) and ast.unparse(node.comparators[0]) == "os.environ":
                name = node.left
            if isinstance(name, ast.Name):
                found.add(constants[name.id])
            elif isinstance(name, ast.Constant):
                found.add(name.value)
    return found - NO_SWITCHES


def test_every_switch_of_the_tests_is_told():
    assert {name.strip("`| ") for name, *_ in rows("Variable")} == switches()


def test_every_option_of_pytest_is_told():
    files = (ROOT / "tests").rglob("*.py")
    options = {name for file in files for name in re.findall(r'parser\.addoption\("(--[-a-z]+)"', file.read_text())}
    assert {name.strip("`| ") for name, _ in rows("Option")} == options
