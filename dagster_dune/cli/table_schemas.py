"""The tables that a folder of SQL reads: found, written to a file, and made in a running emulator."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_dune.emulator.dunesql import View, compile_sql
from dagster_dune.emulator.engine.table_schemas import infer, read_schema, write_schema
from dagster_dune.emulator.sql_errors import SqlError
from dagster_dune.errors import DuneError

if TYPE_CHECKING:
    from dagster_dune.emulator.dunesql import Compiled
    from dagster_dune.emulator.server import DuneEmulator

_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
_ID = re.compile(r"(?:^|_)(\d{5,})$")
_NAME = re.compile(r"chain|network|table|schema|project|namespace", re.IGNORECASE)
_TIME = re.compile(r"date|time|day|start|end|from|since", re.IGNORECASE)


def folder_schema(folder: Path, declared: Path | None = None) -> tuple[str, list[str]]:
    """Find the tables that the ``.sql`` files of a folder read.

    Args:
        folder: Where the files are, in folders of it too.
        declared: A file of tables whose columns are known.

    Returns:
        The tables as YAML, and a line for each file that cannot be read.

    Raises:
        DuneError: The file of known tables is none.
    """
    files = sorted(folder.rglob("*.sql"))
    texts = {file: file.read_text("utf-8", errors="replace") for file in files}
    ids = {file: int(match[1]) for file in files if (match := _ID.search(file.stem))}
    views = {query_id: View(texts[file], _values(texts[file])) for file, query_id in ids.items()}
    compiled: list[Compiled] = []
    names: list[Path] = []
    problems = []
    for file, text in texts.items():
        try:
            compiled.append(compile_sql(text, parameters=_values(text), views=views.get))
            names.append(file)
        except SqlError as error:
            problems.append(f"{file.relative_to(folder)}: {error}")
    try:
        known = read_schema(declared) if declared else {}
    except SqlError as error:
        raise DuneError(str(error), hint="Write it as `dagster-dune emulator schema` does.") from None
    schema, unread = infer(compiled, known)
    problems += [f"{names[place].relative_to(folder)}: {words}" for place, words in unread.items()]
    return write_schema({**known, **schema}), problems


def load_tables(emulator: DuneEmulator, file: Path) -> None:
    """Make the tables of a file, without rows.

    Raises:
        DuneError: The file is none, or a table cannot be made.
    """
    try:
        for name, columns in read_schema(file).items():
            emulator.load_table(name, [], columns=columns)
    except SqlError as error:
        raise DuneError(str(error), hint="Write it as `dagster-dune emulator schema` does.") from None


def _values(text: str) -> dict[str, str]:
    """A value for each parameter, which stands for what a user would give."""
    return {name: _value(name) for name in _PLACEHOLDER.findall(text)}


def _value(name: str) -> str:
    if _NAME.search(name):
        return "ethereum"
    return "2024-01-01" if _TIME.search(name) else "1"
