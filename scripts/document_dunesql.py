"""Write the lists of DuneSQL's functions and of conformance cases in docs/emulator.md.

    python -m scripts.document_dunesql          # write it
    python -m scripts.document_dunesql --check  # fail if the page is out of date

The cases are counted in their files; `make test` runs all of them.
"""

from __future__ import annotations

import json
import sys
from itertools import groupby
from pathlib import Path
from textwrap import fill

from dagster_dune.emulator.dunesql.functions.catalog import REGISTRIES, SPECIAL

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "emulator.md"
CASES = ROOT / "tests" / "emulator" / "dunesql" / "conformance"
BEGIN, END = "<!-- {} begins -->", "<!-- {} ends -->"
TITLES = {
    "functions/aggregate": "Aggregates",
    "functions/window": "Windows",
    "functions/comparison": "Conditions",
    "functions/datetime": "Times",
    "functions/string": "Text",
    "functions/url": "URLs",
    "functions/regexp": "Regular expressions",
    "functions/conversion": "Formats",
    "functions/math": "Numbers",
    "functions/bitwise": "Bits",
    "functions/array": "Arrays",
    "functions/map": "Maps",
    "functions/json": "JSON",
    "functions/hyperloglog": "Sketches",
    "functions/qdigest": "Digests",
    "functions/binary": "Bytes",
    "dune/varbinary": "Dune's bytes",
    "functions/uuid": "UUIDs",
    "dune/live-fetch": "Answers of other servers",
    "dune/utility": "Links",
}


def functions() -> str:
    """Return the functions of each page of Trino's manual."""
    lines = []
    for registry in REGISTRIES:
        names = {function.name for function in registry.functions}
        if registry.page == "functions/comparison":
            names |= SPECIAL
        written = " ".join(f"`{name}`" for name in sorted(names))
        text = f"- **{TITLES[registry.page]}**: {written}"
        lines.append(fill(text, 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))
    return "\n".join(lines)


def case_counts() -> str:
    """Return a table with the numbers of cases."""
    rows = [json.loads(line) for file in sorted(CASES.glob("*.jsonl")) for line in file.read_text("utf-8").splitlines()]
    rows.sort(key=lambda row: row["page"])
    table = ["| Page | Rows and types | Refused as Trino refuses |", "|---|---|---|"]
    for page, group in groupby(rows, key=lambda row: row["page"]):
        given = list(group)
        errors = sum("error" in row for row in given)
        table.append(f"| {page} | {len(given) - errors} | {errors} |")
    errors = sum("error" in row for row in rows)
    table.append(f"| all {len(rows)} | {len(rows) - errors} | {errors} |")
    return "\n".join(table)


def replaced(page: str, name: str, text: str) -> str:
    """Replace the text between two marks."""
    before, _, rest = page.partition(BEGIN.format(name))
    _, mark, after = rest.partition(END.format(name))
    if not mark:
        raise SystemExit(f"{PAGE} lacks the marks of {name}")
    return f"{before}{BEGIN.format(name)}\n\n{text}\n\n{END.format(name)}{after}"


def documented(page: str) -> str:
    """Return the page as it should be."""
    return replaced(replaced(page, "functions", functions()), "conformance", case_counts())


def main() -> None:
    """Write the page, or check that it is up to date."""
    page = PAGE.read_text("utf-8")
    made = documented(page)
    if "--check" in sys.argv and made != page:
        raise SystemExit("docs/emulator.md is behind: run python -m scripts.document_dunesql")
    PAGE.write_text(made, "utf-8")


if __name__ == "__main__":
    main()
