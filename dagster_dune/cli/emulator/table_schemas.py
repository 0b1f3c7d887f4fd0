"""The tables that a folder of SQL reads: found, written to a file, made in a running emulator, and tried."""

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
from dagster_dune.emulator.engine.schemas.inference import Schema, infer, unreadable
from dagster_dune.emulator.engine.schemas.schema_files import SAVED_QUERY, SchemaFile, read_schema, write_schema
from dagster_dune.emulator.sql_errors import SqlError
from dagster_dune.errors import DuneError

if TYPE_CHECKING:
    from dagster_dune.emulator.dunesql import Compiled
    from dagster_dune.emulator.server import DuneEmulator

_ID = re.compile(r"(?:^|_)(\d{5,})$")
_MISSING = "missing_queries"
_READ = re.compile(r"query_(\d+)")
_IN_VIEW = re.compile(r"query_\d+: ")
"""How an error begins that is another file's."""
_MOST_TRIED = 24
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
    def read(cls, folder: Path, known: Mapping[str, Mapping[str, str]] | None = None) -> FolderSql:
        """Read the ``.sql`` files of a folder.

        Args:
            folder: Where.
            known: For files, by their paths in the folder, values of their parameters.
        """
        texts = {file: file.read_text("utf-8", errors="replace") for file in sorted(folder.rglob("*.sql"))}
        given = {file: (known or {}).get(file.relative_to(folder).as_posix(), {}) for file in texts}
        values = _sampled_values(texts)
        return cls(folder, texts, {file: {**values[file], **given[file]} for file in texts})

    def view(self, query_id: int) -> View:
        """The query of an id; one that the folder does not hold reads a table of which nothing is known."""
        file = self._by_id.get(query_id)
        return View(self.texts[file], self.values[file]) if file else View(stub_sql(f"query_{query_id}"))

    @cached_property
    def _by_id(self) -> dict[int, Path]:
        return _by_id(self.texts)

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


def _by_id(files: Iterable[Path]) -> dict[int, Path]:
    """The files by the ids in their names; where two have one, the first counts."""
    found: dict[int, Path] = {}
    for file in files:
        if match := _ID.search(file.stem):
            found.setdefault(int(match[1]), file)
    return found


def _sampled_values(texts: Mapping[Path, str]) -> dict[Path, dict[str, str]]:
    """Values for the parameters of files; one that is passed on to another query is told by that one."""
    files = _by_id(texts)
    found: dict[Path, dict[str, str]] = {}

    def values_of(file: Path) -> dict[str, str]:
        if file not in found:
            found[file] = {}  # for queries that read each other
            views = {
                name: (files[view], there) for name, (view, there) in passed_on(texts[file]).items() if view in files
            }
            passed = {name: values_of(view).get(there, "") for name, (view, there) in views.items()}
            reads = {files[int(view)] for view in _READ.findall(texts[file]) if int(view) in files}
            found[file] = sample_values(texts[file], read="".join(texts[each] for each in sorted(reads)), passed=passed)
        return found[file]

    for file in texts:
        values_of(file)
    return found


def folder_schema(folder: Path, declared: Path | None = None, rows: int = 0) -> tuple[str, list[str]]:
    """Find the tables that the ``.sql`` files of a folder read.

    Args:
        folder: Where the files are, in folders of it too.
        declared: A file of tables whose columns are known, and of values of parameters.
        rows: How many rows each table is to have.

    Returns:
        The tables and the values of parameters as YAML, and a line for each file that cannot be read.

    Raises:
        DuneError: The folder holds no ``.sql`` file, or the file of known tables is none.
    """
    known = _read(declared) if declared else SchemaFile({})
    sql = FolderSql.read(folder, known.parameters)
    if not sql.texts:
        raise DuneError(f"The folder {folder} holds no .sql file.", hint="Name the folder that the queries are in.")
    found, problems = found_schema(sql, known)
    text = write_schema(replace(found, rows=rows or known.rows))
    return text, [f"{file.relative_to(folder)}: {words}" for file, words in problems.items()]


def found_schema(sql: FolderSql, known: SchemaFile | None = None) -> tuple[SchemaFile, dict[Path, str]]:
    """Find the tables that queries read, those of a file included, and why a query cannot be read."""
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


def _read(file: Path) -> SchemaFile:
    try:
        return read_schema(file)
    except SqlError as error:
        raise DuneError(str(error), hint=_HINT) from None


def _with_other_values(
    sql: FolderSql, compiled: Mapping[Path, Compiled], schema: Schema, problems: dict[Path, str]
) -> dict[Path, str]:
    """Try other values for the parameters of queries that mean nothing with those that they have."""
    left = dict(problems)
    for file in [file for file in problems if file in compiled and not _IN_VIEW.match(problems[file])]:
        for values in islice(other_values(sql.values[file]), _MOST_TRIED):
            try:
                query = compile_sql(sql.texts[file], parameters=values, views=sql.view)
            except SqlError:
                continue
            if unreadable(query, schema) is None:
                sql.values[file] = values
                left.pop(file)
                break
    return left


def load_tables(emulator: DuneEmulator, file: Path) -> dict[str, dict[str, str]]:
    """Make the tables of a file, with as many rows as it says; ``query_123`` becomes a saved query that has these.

    Returns:
        For SQL files, the values of their parameters.

    Raises:
        DuneError: The file is none, or a table cannot be made.
    """
    given = _read(file)
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
    """The SQL of a query that is not known, which reads a table of its columns."""
    return f"SELECT * FROM {_table_of(name)}"  # noqa: S608 - a number is all that is not ours


def _table_of(name: str) -> str:
    return f"{_MISSING}.{name}" if SAVED_QUERY.fullmatch(name) else name


def _name_of(table: str) -> str:
    return table.removeprefix(f"{_MISSING}.")
