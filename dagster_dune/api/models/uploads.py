"""Uploaded tables."""

from __future__ import annotations

from typing import Any

from dagster_dune.api.models.base import DuneModel, Lenient, Many, Moment, Readable, Text


class TableColumn(DuneModel):
    """A column of a table.

    Attributes:
        name: Its name.
        type: Dune's type: a word such as ``varchar`` or ``decimal(18, 2)``, or the object of an array or a struct.
        nullable: Whether it may be empty; Dune's own default if None.
    """

    name: str
    type: str | dict[str, Any]
    nullable: bool | None = None


class ColumnInfo(DuneModel):
    """A column, as listed."""

    name: str
    type: Text = None
    nullable: Lenient[bool | None] = None
    metadata: Lenient[dict[str, Any] | None] = None


class Owner(DuneModel):
    """Who owns a table: a user or a team."""

    handle: Lenient[str | None] = None
    type: Lenient[str | None] = None


class UploadInfo(DuneModel):
    """One row of ``GET /v1/uploads``. Dune writes the size as a text of digits."""

    full_name: str
    is_private: Lenient[bool | None] = None
    table_size_bytes: Lenient[int | None] = None
    created_at: Lenient[Moment | None] = None
    updated_at: Lenient[Moment | None] = None
    purged_at: Lenient[Moment | None] = None
    owner: Lenient[Owner | None] = None
    columns: Lenient[Many[Readable[ColumnInfo]]] = ()


class UploadList(DuneModel):
    """One page of ``GET /v1/uploads``."""

    tables: Many[Readable[UploadInfo]] = ()
    next_offset: int | None = None


class UploadCreated(DuneModel):
    """The answer to the creation of an empty table."""

    full_name: str
    namespace: Lenient[str | None] = None
    table_name: Lenient[str | None] = None
    already_existed: Lenient[bool | None] = None
    example_query: Lenient[str | None] = None
    message: Text = None


class CsvUploaded(DuneModel):
    """The answer to the upload of a CSV text, with the name that was given."""

    table_name: str
    success: Lenient[bool | None] = None
    full_name: Lenient[str | None] = None
    example_query: Lenient[str | None] = None


class RowsInserted(DuneModel):
    """The answer to an insert. Either all rows are inserted or none."""

    rows_written: int
    bytes_written: Lenient[int | None] = None
    name: Lenient[str | None] = None
