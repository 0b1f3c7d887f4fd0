"""Infers the tables that a folder of SQL reads, writes them to a file, and creates them in a running emulator."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_dune.cli.emulator.parameter_values import other_values, passed_on, sample_values
from dagster_dune.emulator.dunesql import View, compile_sql
from dagster_dune.emulator.engine.schemas.drawn_rows import draw_rows
from dagster_dune.emulator.engine.schemas.inference import Schema, infer, translation_error
from dagster_dune.emulator.engine.schemas.schema_files import SAVED_QUERY, SchemaFile, read_schema, write_schema
from dagster_dune.emulator.sql_errors import SqlError
from dagster_dune.errors import DuneError

if TYPE_CHECKING:
    from dagster_dune.emulator.dunesql import Compiled
    from dagster_dune.emulator.server import DuneEmulator

_ID = re.compile(r"(?:^|_)(\d{5,})$")
_STUB_SCHEMA = "missing_queries"
_QUERY_VIEW = re.compile(r"query_(\d+)")
_ERROR_OF_VIEW = re.compile(r"query_\d+: ")
"""The start of an error in another file."""
_MAX_TRIED_VALUES = 24
_HINT = "Write it as `dagster-dune emulator schema` does."


@dataclass(frozen=True)
class FolderSql:
    """The queries of a folder.

    Attributes:
        folder: The folder, which is read recursively.
        texts: The SQL of each file.
        values: Sample values of the parameters of each file.
    """

    folder: Path
    texts: Mapping[Path, str]
    values: dict[Path, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, known: Mapping[str, Mapping[str, str]] | None = None) -> FolderSql:
        """Read the ``.sql`` files of a folder.

        Args:
            folder: The folder.
            known: By the path of a file in the folder, known values of its parameters.
        """
        texts = {file: file.read_text("utf-8", errors="replace") for file in sorted(folder.rglob("*.sql"))}
        given = {file: (known or {}).get(file.relative_to(folder).as_posix(), {}) for file in texts}
        values = _sampled_values(texts)
        return cls(folder, texts, {file: {**values[file], **given[file]} for file in texts})

    def view(self, query_id: int) -> View:
        """Return the query with an id; if the folder does not contain it, one that reads a table of unknown columns."""
        file = self._by_id.get(query_id)
        return View(self.texts[file], self.values[file]) if file else View(stub_sql(f"query_{query_id}"))

    @cached_property
    def _by_id(self) -> dict[int, Path]:
        return _by_id(self.texts)

    def compiled(self, file: Path) -> Compiled:
        """Compile a file, with other values of its parameters if it fails with the sample values.

        Raises:
            SqlError: It fails with all values.
        """
        try:
            return self._compiled(file, self.values[file])
        except SqlError as error:
            for values in other_values(self.values[file]):
                try:
                    compiled = self._compiled(file, values)
                except SqlError:
                    continue
                self.values[file] = values
                return compiled
            raise error from None

    def _compiled(self, file: Path, values: dict[str, str]) -> Compiled:
        return compile_sql(self.texts[file], parameters=values, views=self.view)


def _by_id(files: Iterable[Path]) -> dict[int, Path]:
    """Return the files by the ids in their names; the first one if two have the same id."""
    found: dict[int, Path] = {}
    for file in files:
        if match := _ID.search(file.stem):
            found.setdefault(int(match[1]), file)
    return found


def _sampled_values(texts: Mapping[Path, str]) -> dict[Path, dict[str, str]]:
    """Return sample values for the parameters of files; values that are passed on follow from the other queries."""
    files = _by_id(texts)
    found: dict[Path, dict[str, str]] = {}

    def values_of(file: Path) -> dict[str, str]:
        if file not in found:
            found[file] = {}  # for queries that read each other
            views = {
                name: (files[view], there) for name, (view, there) in passed_on(texts[file]).items() if view in files
            }
            passed = {name: values_of(view).get(there, "") for name, (view, there) in views.items()}
            reads = {files[int(view)] for view in _QUERY_VIEW.findall(texts[file]) if int(view) in files}
            found[file] = sample_values(texts[file], read="".join(texts[each] for each in sorted(reads)), passed=passed)
        return found[file]

    for file in texts:
        values_of(file)
    return found


def folder_schema(folder: Path, declared: Path | None = None, rows: int = 0) -> tuple[str, list[str]]:
    """Find the tables that the ``.sql`` files of a folder read.

    Args:
        folder: The folder, which is read recursively.
        declared: A file of known tables and of values of parameters.
        rows: The number of rows of each table.

    Returns:
        The tables and the values of parameters as YAML, and an error for each file that cannot be compiled.

    Raises:
        DuneError: The folder has no ``.sql`` file, or the file of known tables is invalid.
    """
    known = _read_schema_file(declared) if declared else SchemaFile({})
    sql = FolderSql.read(folder, known.parameters)
    if not sql.texts:
        raise DuneError(f"The folder {folder} holds no .sql file.", hint="Name the folder that the queries are in.")
    found, problems = found_schema(sql, known)
    text = write_schema(replace(found, rows=rows or known.rows))
    return text, [f"{file.relative_to(folder)}: {words}" for file, words in problems.items()]


def found_schema(sql: FolderSql, known: SchemaFile | None = None) -> tuple[SchemaFile, dict[Path, str]]:
    """Return the tables that queries read, including the known ones, and the errors of queries by file."""
    known = known or SchemaFile({})
    compiled: dict[Path, Compiled] = {}
    problems: dict[Path, str] = {}
    for file in sql.texts:
        try:
            compiled[file] = sql.compiled(file)
        except SqlError as error:
            problems[file] = str(error)
    declared = {_table_of(name): columns for name, columns in known.tables.items()}
    inferred = infer(compiled.values(), declared)
    files = list(compiled)
    problems |= {files[place]: words for place, words in inferred.problems.items()}
    problems = _with_other_values(sql, compiled, {**declared, **inferred.schema}, problems)
    named = {_name_of(table): columns for table, columns in inferred.schema.items()}
    compared = {_name_of(table): columns for table, columns in inferred.compared.items()}
    parameters = {file.relative_to(sql.folder).as_posix(): values for file, values in sql.values.items() if values}
    found = SchemaFile({**known.tables, **named}, parameters, {**compared, **known.compared}, known.rows)
    return found, problems


def _read_schema_file(file: Path) -> SchemaFile:
    try:
        return read_schema(file)
    except SqlError as error:
        raise DuneError(str(error), hint=_HINT) from None


def _with_other_values(
    sql: FolderSql, compiled: Mapping[Path, Compiled], schema: Schema, problems: dict[Path, str]
) -> dict[Path, str]:
    """Try other values for the parameters of queries that fail, and return the errors that remain."""
    left = dict(problems)
    for file in [file for file in problems if file in compiled and not _ERROR_OF_VIEW.match(problems[file])]:
        for values in islice(other_values(sql.values[file]), _MAX_TRIED_VALUES):
            try:
                query = compile_sql(sql.texts[file], parameters=values, views=sql.view)
            except SqlError:
                continue
            if translation_error(query, schema) is None:
                sql.values[file] = values
                left.pop(file)
                break
    return left


def load_tables(emulator: DuneEmulator, file: Path) -> dict[str, dict[str, str]]:
    """Create the tables of a file and their rows; ``query_123`` becomes a saved query that reads such a table.

    Returns:
        By SQL file, the values of its parameters.

    Raises:
        DuneError: The file is invalid, or a table cannot be created.
    """
    given = _read_schema_file(file)
    try:
        for name, columns in given.tables.items():
            rows = draw_rows(columns, given.rows, given.compared.get(name))
            table = _table_of(name)
            emulator.load_table(table, rows, columns=columns)
            if (match := SAVED_QUERY.fullmatch(name)) is not None:
                emulator.load_query(int(match[1]), name, stub_sql(name))
    except SqlError as error:
        raise DuneError(str(error), hint=_HINT) from None
    return given.parameters


def stub_sql(name: str) -> str:
    """Return the SQL of an unknown query, which reads a table with its columns."""
    return f"SELECT * FROM {_table_of(name)}"  # noqa: S608 (only a number is not constant)


def _table_of(name: str) -> str:
    return f"{_STUB_SCHEMA}.{name}" if SAVED_QUERY.fullmatch(name) else name


def _name_of(table: str) -> str:
    return table.removeprefix(f"{_STUB_SCHEMA}.")
