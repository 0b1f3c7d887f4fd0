"""Write docs/errors.md: the messages in the code of the library, below the part that is written by hand.

python -m scripts.document_errors

`make test` fails if a message is reached by no test: see tests/support/reached_messages.py.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dagster_dune"
PAGE = ROOT / "docs" / "errors.md"
MARK = "<!-- What follows is written by scripts/document_errors.py. -->"
BASE = "DuneError"
HAS_WORDS = re.compile("[A-Za-z]{2}")
"""Matches messages that do not consist of values alone."""
CONSECUTIVE_VALUES = re.compile(r"(?<!\.)\.\.\.( ?\.\.\.)+")


class Helper(NamedTuple):
    """A function that raises errors or logs warnings, besides the error classes themselves.

    Attributes:
        kind: The class of the errors; empty if it logs warnings.
        place: The position of the message among its arguments.
        start: The text that it puts before the message.
        advice_place: The position of the advice among its arguments; None if that is the keyword ``hint``.
    """

    kind: str
    place: int = 0
    start: str = ""
    advice_place: int | None = None


HELPERS = {
    "_error": Helper("DuneCatalogError", 1),
    "_wrong": Helper("DuneCatalogError", start="The check ... of ... (kind: ...) ", advice_place=1),
    "add": Helper(""),
    "warning": Helper(""),
}

EXCLUDED = {"emulator"}
"""The packages without messages of the library: the local Dune has those of Dune, see docs/emulator.md."""

AREAS = {
    "api": "Requests to Dune",
    "catalog": "Catalogs: files, documents, accounts",
    "pipeline": "Selections and pipelines",
    "_execution": "Runs",
    "_specs": "Assets of a catalog",
    "_scheduling": "Partitions and automation",
    "_refreshes": "The refresh sensor",
    "paging": "Pages of a result",
    "frames": "Results and tables",
    "components": "The component",
    "cassettes": "Recordings",
    "doctor": "The doctor",
    "cli": "The command line",
    "": "Settings and definitions",
}


class Message(NamedTuple):
    """One message of the code.

    Attributes:
        area: The package of its module.
        kind: The class of the error; empty if it is a warning.
        words: The text, with ... in place of values.
        advice: The advice in the same form; empty if there is none.
    """

    area: str
    kind: str
    words: str
    advice: str


class Kind(NamedTuple):
    """A class of errors.

    Attributes:
        when: The first paragraph of its docstring.
        advice: The advice of errors that have no other.
    """

    when: str
    advice: str


def error_classes() -> dict[str, Kind]:
    """Return each error class of the library."""
    classes = [node for _, tree in _modules() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found, before = {BASE: Kind("", "")}, 0
    while len(found) > before:
        before = len(found)
        for node in classes:
            if node.name == BASE or any(isinstance(base, ast.Name) and base.id in found for base in node.bases):
                when = (ast.get_docstring(node) or "").split("\n\n")[0].replace("\n", " ")
                found[node.name] = Kind(when, _constants(node).get("default_hint", ""))
    return found


class Place(NamedTuple):
    """The place of a message in the code.

    Attributes:
        file: The path of the module in the package.
        first: The first line of the call.
        last: The last line of the call.
    """

    file: str
    first: int
    last: int


def messages() -> list[Message]:
    """Return all messages of errors and warnings."""
    return sorted(set(places().values()))


def places() -> dict[Place, Message]:
    """Return all messages by their places in the code."""
    kinds = error_classes()
    constants = {name: words for _, tree in _modules() for name, words in _constants(tree).items()}
    found = dict[Place, Message]()
    for path, tree in _modules():
        area = path.relative_to(PACKAGE).parts[0] if path.parent != PACKAGE else ""
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
            if name in kinds:
                helper = Helper(name)
            elif name in HELPERS and _is_helper(call, area):
                helper = HELPERS[name]
            else:
                continue
            if len(call.args) > helper.place and HAS_WORDS.search(words := _text(call.args[helper.place], constants)):
                given = [word.value for word in call.keywords if word.arg == "hint"]
                given += [] if helper.advice_place is None else call.args[helper.advice_place :]
                advice = _text(given[0], constants) if given else ""
                at = Place(path.relative_to(PACKAGE).as_posix(), call.lineno, call.end_lineno or call.lineno)
                found[at] = Message(area, helper.kind, helper.start + words, advice)
    return found


def unreached(lines: Iterable[str]) -> list[Message]:
    """Return the messages that no test reached.

    Args:
        lines: The lines of the code that tests have reached, such as ``catalog/names.py:97``.
    """
    reached = defaultdict[str, set[int]](set)
    for line in lines:
        file, _, number = line.strip().rpartition(":")
        reached[file].add(int(number))
    made = {
        message for place, message in places().items() if reached[place.file] & {*range(place.first, place.last + 1)}
    }
    return [message for message in messages() if message not in made]


@cache
def _modules() -> list[tuple[Path, ast.Module]]:
    paths = sorted(path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in EXCLUDED)
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def _is_helper(call: ast.Call, area: str) -> bool:
    """Return whether a call is one of the library's helpers, and not, for example, the ``add`` of a set."""
    return isinstance(call.func, ast.Attribute) and (call.func.attr != "add" or area == "catalog")


def _constants(node: ast.Module | ast.ClassDef) -> dict[str, str]:
    """Return the constants of a module or a class that are texts."""
    return {
        statement.targets[0].id: words
        for statement in node.body
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
        if (words := _text(statement.value))
    }


def _text(node: ast.expr, constants: Mapping[str, str] = MappingProxyType({})) -> str:  # noqa: PLR0911  (one a case)
    """Return the text of a literal or of the name of a constant; empty if it is neither."""
    match node:
        case ast.Constant(value=str() as words):
            return words
        case ast.Name(id=name) | ast.FormattedValue(value=ast.Name(id=name)):
            return constants.get(name, "")
        case ast.JoinedStr():
            return CONSECUTIVE_VALUES.sub("...", "".join(_text(part, constants) or "..." for part in node.values))
        case ast.FormattedValue(value=ast.Call(func=ast.Name(id="counted"), args=[_, one, *several])):
            return f"... {_text(several[0], constants) if several else _text(one, constants) + 's'}"
        case ast.BinOp(op=ast.Add()) if left := _text(node.left, constants):
            return left + (_text(node.right, constants) or "...")
        case ast.IfExp():
            return " / ".join(filter(None, (_text(node.body, constants), _text(node.orelse, constants))))
    return ""


def page(by_hand: str) -> str:
    """Return the page.

    Args:
        by_hand: The part above the mark.
    """
    kinds, by_area = error_classes(), defaultdict[str, list[Message]](list)
    for message in messages():
        by_area[message.area].append(message)
    lines = [by_hand.rstrip(), "", MARK, "", "## The classes", "", "| Error | When | What to do |", "|---|---|---|"]
    lines += [f"| `{name}` | {_cell(kinds[name].when)} | {_cell(kinds[name].advice)} |" for name in sorted(kinds)]
    for area, title in AREAS.items():
        lines += ["", f"## {title}", "", "| Message | Error | What to do |", "|---|---|---|"]
        for message in by_area.pop(area, []):
            kind = f"`{message.kind}`" if message.kind else "warning"
            lines.append(f"| {_cell(message.words)} | {kind} | {_cell(message.advice)} |")
    if by_area:
        raise ValueError(f"No title for {', '.join(by_area)}")
    return "\n".join(lines) + "\n"


def _cell(words: str) -> str:
    escaped = (
        " ".join(words.split()).replace("|", "\\|").replace("%s", "...").replace("%d", "...").replace("%.0f", "...")
    )
    return escaped.replace("<", "&lt;").replace("{", "&#123;").replace("}", "&#125;").replace("*", "\\*")


def written() -> str:
    """Return the page as it should be, including the part that is written by hand."""
    return page(PAGE.read_text(encoding="utf-8").partition(MARK)[0])


def one_line(message: Message) -> str:
    """Return a message in one line."""
    return f"{message.kind or 'warning'}: {' '.join(message.words.split())}"


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
