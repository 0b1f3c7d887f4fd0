"""Write docs/errors.md: every message of the library, found in its code, below what is written there by hand.

python -m scripts.document_errors

With a file that tests have written (see tests/support/reached_messages.py), it tells which messages no test reached:

python -m scripts.document_errors .reached
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dagster_dune"
PAGE = ROOT / "docs" / "errors.md"
MARK = "<!-- What follows is written by scripts/document_errors.py. -->"
LIST = ROOT / "tests" / "docs" / "unreached_messages.txt"
BASE = "DuneError"
NO_PART = {"emulator"}
"""The local Dune's messages are those of Dune, for which docs/emulator.md stands."""

AREAS = {
    "api": "Requests to Dune",
    "catalog": "Catalogs: files, documents, accounts",
    "pipeline": "Selections and pipelines",
    "_execution": "Runs",
    "_specs": "Assets of a catalog",
    "_scheduling": "Partitions and automation",
    "_refreshes": "The refresh sensor",
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
        area: The room of its module.
        kind: The error's class; empty where it is a warning.
        words: Its text, with ... where a value stands.
        advice: What to do, in the same form; empty where the text says it.
    """

    area: str
    kind: str
    words: str
    advice: str


def error_classes() -> dict[str, str]:
    """Return each error class of the library, with what its docstring says first."""
    classes = [node for _, tree in _modules() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found, before = {BASE: ""}, 0
    while len(found) > before:
        before = len(found)
        for node in classes:
            if node.name == BASE or any(isinstance(base, ast.Name) and base.id in found for base in node.bases):
                found[node.name] = (ast.get_docstring(node) or "").split("\n\n")[0].replace("\n", " ")
    return found


class Place(NamedTuple):
    """Where the code makes a message.

    Attributes:
        file: The module, as seen from the package.
        first: The first line of the call.
        last: Its last line.
    """

    file: str
    first: int
    last: int


def messages() -> list[Message]:
    """Return every message: of errors and of warnings."""
    return sorted(set(places().values()))


def places() -> dict[Place, Message]:
    """Return every place that makes a message, with the message."""
    kinds = error_classes()
    helpers = {"_error": 1, "add": 0}
    found = dict[Place, Message]()
    for path, tree in _modules():
        area = path.relative_to(PACKAGE).parts[0] if path.parent != PACKAGE else ""
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
            if name in kinds:
                place, kind = 0, name
            elif name in helpers and isinstance(call.func, ast.Attribute):
                place, kind = helpers[name], "DuneCatalogError" if name == "_error" else ""
            elif name == "warning":
                place, kind = 0, ""
            else:
                continue
            if len(call.args) > place and (words := _text(call.args[place])):
                advice = next((_text(keyword.value) for keyword in call.keywords if keyword.arg == "hint"), "")
                at = Place(path.relative_to(PACKAGE).as_posix(), call.lineno, call.end_lineno or call.lineno)
                found[at] = Message(area, kind, words, advice)
    return found


def unreached(lines: Iterable[str]) -> list[Message]:
    """Return the messages that no test reached.

    Args:
        lines: The lines of the code that tests have reached, as ``catalog/names.py:97``.
    """
    reached = defaultdict[str, set[int]](set)
    for line in lines:
        file, _, number = line.strip().rpartition(":")
        reached[file].add(int(number))
    made = {
        message for place, message in places().items() if reached[place.file] & {*range(place.first, place.last + 1)}
    }
    return [message for message in messages() if message not in made]


def listed() -> set[str]:
    """Return the messages of which is known that no test reaches them: each is one less than there should be."""
    return set(LIST.read_text(encoding="utf-8").splitlines())


def _modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] not in NO_PART:
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def _text(node: ast.expr) -> str:
    """What a literal says; empty where it is none."""
    match node:
        case ast.Constant(value=str() as words):
            return words
        case ast.JoinedStr():
            return "".join(_text(part) or "..." for part in node.values).replace("......", "...")
        case ast.BinOp(op=ast.Add()):
            return _text(node.left) + (_text(node.right) or "...") if _text(node.left) else ""
        case ast.IfExp():
            return " / ".join(filter(None, (_text(node.body), _text(node.orelse))))
    return ""


def page(by_hand: str) -> str:
    """Return the page.

    Args:
        by_hand: What stands above the mark.
    """
    kinds, by_area = error_classes(), defaultdict[str, list[Message]](list)
    for message in messages():
        by_area[message.area].append(message)
    lines = [by_hand.rstrip(), "", MARK, "", "## The classes", "", "| Error | When |", "|---|---|"]
    lines += [f"| `{name}` | {_cell(kinds[name])} |" for name in sorted(kinds)]
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
    """Return the page as it should be, with what stands there by hand."""
    return page(PAGE.read_text(encoding="utf-8").partition(MARK)[0])


def told_apart(message: Message) -> str:
    """A message in one line."""
    return f"{message.kind or 'warning'}: {' '.join(message.words.split())}"


if __name__ == "__main__":
    if sys.argv[1:]:
        missing = [told_apart(message) for message in unreached(Path(sys.argv[1]).read_text().splitlines())]
        new = [line for line in missing if line not in listed()]
        print(f"{len(messages()) - len(missing)} of {len(messages())} messages were reached by tests.")
        sys.exit("No test reaches these:\n" + "\n".join(new) if new else 0)
    PAGE.write_text(written(), encoding="utf-8")
