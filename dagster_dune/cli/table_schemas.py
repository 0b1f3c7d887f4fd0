"""The tables that a folder of SQL reads: found, written to a file, made in a running emulator, and tried."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_dune.cli.parameter_values import other_values, sample_values
from dagster_dune.emulator.dunesql import View, compile_sql
from dagster_dune.emulator.engine.schema_files import SAVED_QUERY, read_schema, write_schema
from dagster_dune.emulator.engine.table_schemas import Schema, infer, unreadable
from dagster_dune.emulator.sql_errors import SqlError
from dagster_dune.errors import DuneError

if TYPE_CHECKING:
    from dagster_dune.emulator.dunesql import Compiled
    from dagster_dune.emulator.server import DuneEmulator

_ID = re.compile(r"(?:^|_)(\d{5,})$")
_MISSING = "dune.missing_queries"
_HINT = "Write it as `dagster-dune emulator schema` does."


@dataclass(frozen=True)
class FolderSql:
    """The queries of a folder.

    Attributes:
        folder: Where the files are, in folders of it too.
        texts: The SQL of each file.
        values: For each file, values for its parameters that stand for what a user would give.
    """

    folder: Path
    texts: Mapping[Path, str]
    values: dict[Path, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> FolderSql:
        """Read the ``.sql`` files of a folder."""
        texts = {file: file.read_text("utf-8", errors="replace") for file in sorted(folder.rglob("*.sql"))}
        return cls(folder, texts, {file: sample_values(text) for file, text in texts.items()})

    def view(self, query_id: int) -> View:
        """The query of an id; one that the folder does not hold reads a table of which nothing is known."""
        for file, text in self.texts.items():
            if (match := _ID.search(file.stem)) is not None and int(match[1]) == query_id:
                return View(text, self.values[file])
        return View(f'SELECT * FROM "{_MISSING}".query_{query_id}')  # noqa: S608 - a number

    def compiled(self, file: Path) -> Compiled:
        """Compile a file; where its parameters do not fit it, try other values for them.

        Raises:
            SqlError: No values make SQL of it.
        """
        try:
            return self._compiled(file, self.values[file])
        except SqlError as error:
            for values in other_values(self.values[file]):
                try:
                    made = self._compiled(file, values)
                except SqlError:
                    continue
                self.values[file] = values
                return made
            raise error from None

    def _compiled(self, file: Path, values: dict[str, str]) -> Compiled:
        return compile_sql(self.texts[file], parameters=values, views=self.view)


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
    schema, problems = found_schema(FolderSql.read(folder), declared)
    return write_schema(schema), [f"{file.relative_to(folder)}: {words}" for file, words in problems.items()]


def found_schema(sql: FolderSql, declared: Path | None = None) -> tuple[Schema, dict[Path, str]]:
    """Find the tables that queries read, those of a file included, and why a query cannot be read.

    Raises:
        DuneError: The file of known tables is none.
    """
    try:
        known = read_schema(declared) if declared else {}
    except SqlError as error:
        raise DuneError(str(error), hint=_HINT) from None
    compiled: dict[Path, Compiled] = {}
    problems: dict[Path, str] = {}
    for file in sql.texts:
        try:
            compiled[file] = sql.compiled(file)
        except SqlError as error:
            problems[file] = str(error)
    declared_stubs = {_table_of(name): columns for name, columns in known.items()}
    schema, unread = infer(compiled.values(), declared_stubs)
    files = list(compiled)
    problems |= {files[place]: words for place, words in unread.items()}
    problems = _with_other_values(sql, compiled, {**declared_stubs, **schema}, problems)
    named = {_name_of(table): columns for table, columns in schema.items()}
    return {**known, **named}, problems


def _with_other_values(
    sql: FolderSql, compiled: Mapping[Path, Compiled], schema: Schema, problems: dict[Path, str]
) -> dict[Path, str]:
    """Try other values for the parameters of queries that mean nothing with those that they have."""
    left = dict(problems)
    for file in [file for file in problems if file in compiled]:
        for values in other_values(sql.values[file]):
            try:
                query = compile_sql(sql.texts[file], parameters=values, views=sql.view)
            except SqlError:
                continue
            if unreadable(query, schema) is None:
                sql.values[file] = values
                left.pop(file)
                break
    return left


def load_tables(emulator: DuneEmulator, file: Path) -> None:
    """Make the tables of a file, without rows; ``query_123`` becomes a saved query that has no rows.

    Raises:
        DuneError: The file is none, or a table cannot be made.
    """
    try:
        for name, columns in read_schema(file).items():
            if (match := SAVED_QUERY.fullmatch(name)) is not None:
                emulator.load_query(int(match[1]), name, stub_sql(columns))
            else:
                emulator.load_table(name, [], columns=columns)
    except SqlError as error:
        raise DuneError(str(error), hint=_HINT) from None


def stub_sql(columns: Mapping[str, str]) -> str:
    """A query without rows that has the columns of one that is not known."""
    made = ", ".join(
        f'CAST(NULL AS {type_}) AS "{column.replace(chr(34), chr(34) * 2)}"' for column, type_ in columns.items()
    )
    return f"SELECT {made or 'NULL AS nothing'} WHERE false"


def _table_of(name: str) -> str:
    return f"{_MISSING}.{name}" if SAVED_QUERY.fullmatch(name) else name


def _name_of(table: str) -> str:
    return table.removeprefix(f"{_MISSING}.")
