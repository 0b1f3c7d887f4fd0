"""Tables of your own data: https://docs.dune.com/api-reference/uploads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from dagster_dune.api import models
from dagster_dune.api.endpoints.base import PAGE_SIZE, Endpoints, given, segment
from dagster_dune.api.http.retries import may_change_again

PATH = "v1/uploads"
INSERTED_TWICE = (
    "The rows may have been inserted, and charged for, so they were not sent again. Count the table's rows before you "
    "insert them once more."
)
INSERT_SECONDS = 600.0
"""How long Dune may work on an insert: its manual says minutes."""

CREATED_TWICE = "The table may have been created, and charged for. Look for it among your uploads on dune.com."


class Uploads(Endpoints):
    """Creates, fills and deletes tables."""

    def list_uploads(self) -> Iterator[models.UploadInfo]:
        """Read every uploaded table of the account, page by page: ``GET /v1/uploads``. No credits.

        Raises:
            DuneApiError: A page could not be read, or the pages do not end.
        """

        def read(offset: int) -> models.UploadList:
            return self._read(models.UploadList, PATH, {"limit": PAGE_SIZE, "offset": offset})

        for page in self._pages(PATH, read, lambda _, page: page.next_offset):
            yield from page.tables

    def create_upload(
        self,
        namespace: str,
        table_name: str,
        columns: Sequence[models.TableColumn],
        *,
        description: str | None = None,
        is_private: bool | None = None,
    ) -> models.UploadCreated:
        """Create an empty table that takes inserts: ``POST /v1/uploads``. Credits: 10.

        Args:
            namespace: The handle of the user or team that the key belongs to.
            table_name: Its name without ``dune.<namespace>.``.
            columns: Its columns, in order.
            description: What it holds.
            is_private: Whether only the owner may read it; that needs a plan with private tables.

        Raises:
            AmbiguousSubmission: Dune may have created it; it was not sent again.
            DuneApiError: Dune refused it, or could not be reached.
        """
        body = given(
            namespace=namespace,
            table_name=table_name,
            schema=[column.model_dump(mode="json", exclude_none=True) for column in columns],
            description=description,
            is_private=is_private,
        )
        return self._submit(models.UploadCreated, PATH, body, hint=CREATED_TWICE)

    def upload_csv(
        self,
        table_name: str,
        data: str,
        *,
        description: str | None = None,
        is_private: bool | None = None,
        answer_seconds: float = INSERT_SECONDS,
    ) -> models.CsvUploaded:
        """Create a table from a CSV text, or replace it; Dune infers the types: ``POST /v1/uploads/csv``.

        The table is ``dune.<team>.dataset_<table_name>``. Credits: by size; the free plan holds 100 MB.

        Args:
            table_name: Its name without ``dune.<team>.dataset_``.
            data: The CSV with a header, 200 MB at the most.
            description: What it holds.
            is_private: Whether only the owner may read it.
            answer_seconds: How long Dune may work on it, if longer than the client's timeout.

        Raises:
            AmbiguousSubmission: Dune may have created it; it was not sent again.
            DuneApiError: Dune refused it, or could not be reached.
        """
        body = given(table_name=table_name, data=data, description=description, is_private=is_private)
        return self._transport.submit(
            models.CsvUploaded, f"{PATH}/csv", json=body, answer_seconds=answer_seconds, hint=CREATED_TWICE
        )

    def insert_rows(
        self,
        namespace: str,
        table_name: str,
        data: bytes | str | Path,
        content_type: Literal["text/csv", "application/x-ndjson"] = "text/csv",
        *,
        answer_seconds: float = INSERT_SECONDS,
    ) -> models.RowsInserted:
        """Add rows to a table that was created with its columns: ``POST /v1/uploads/{namespace}/{table_name}/insert``.

        All of them are added, or none. Sent once: Dune would add them twice. Credits: by size, at least 1.

        Args:
            namespace: The handle of the owner.
            table_name: The table.
            data: CSV with a header, or one JSON object per line; or a file with one of these, which is sent in pieces.
            content_type: Which of the two formats it has.
            answer_seconds: How long Dune may work on them, if longer than the client's timeout.

        Raises:
            AmbiguousSubmission: Dune may have added them; they were not sent again.
            DuneNotFoundError: There is no such table.
            DuneApiError: Dune refused them, or could not be reached; nothing was added.
        """
        content = data.encode() if isinstance(data, str) else data
        return self._transport.submit(
            models.RowsInserted,
            f"{_table(namespace, table_name)}/insert",
            content=content,
            content_type=content_type,
            answer_seconds=answer_seconds,
            hint=INSERTED_TWICE,
        )

    def clear_upload(self, namespace: str, table_name: str, *, answer_seconds: float = 0.0) -> models.Message:
        """Remove the rows of a table, and keep its columns: ``POST /v1/uploads/{namespace}/{table_name}/clear``.

        No credits. A request without an answer in time is not sent again: Dune could carry it out after a later insert.

        Args:
            namespace: The handle of the owner.
            table_name: The table.
            answer_seconds: How long Dune may work on it, if longer than the client's timeout.

        Raises:
            DuneNotFoundError: There is no such table.
            DuneApiError: Dune refused it, or could not be reached.
        """
        return self._remove("POST", f"{_table(namespace, table_name)}/clear", answer_seconds)

    def delete_upload(self, namespace: str, table_name: str, *, answer_seconds: float = 0.0) -> models.Message:
        """Delete a table and its rows: ``DELETE /v1/uploads/{namespace}/{table_name}``. No credits.

        A request without an answer in time is not sent again: Dune could carry out the first after the table is created
        anew.

        Args:
            namespace: The handle of the owner.
            table_name: The table.
            answer_seconds: How long Dune may work on it, if longer than the client's timeout.

        Raises:
            DuneNotFoundError: There is no such table. Perhaps a first attempt, whose answer was lost, deleted it.
            DuneApiError: Dune refused it, or could not be reached.
        """
        return self._remove("DELETE", _table(namespace, table_name), answer_seconds)

    def _remove(self, method: str, path: str, answer_seconds: float) -> models.Message:
        return self._transport.send(
            models.Message, method, path, answer_seconds=answer_seconds, may_repeat=may_change_again
        )


def _table(namespace: str, table_name: str) -> str:
    return f"{PATH}/{segment(namespace)}/{segment(table_name)}"
