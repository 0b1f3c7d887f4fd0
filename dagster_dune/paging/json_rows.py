"""Reads rows as mappings of JSON values, page by page, without Arrow and without converting types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

from pydantic_core import from_json

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.pool import RequestPool
from dagster_dune.errors import DuneResultError
from dagster_dune.paging.execution_pages import THREADS, ExecutionPages
from dagster_dune.paging.options import ReadOptions
from dagster_dune.paging.requests import Page, check_names, envelope_of
from dagster_dune.paging.several_pages import pages_in_order

PAGES_AT_ONCE = 4
"""The number of pages of several executions that are read at once, and so in memory at the most."""


class JsonRows(ExecutionPages[dict[str, Any]]):
    """Reads the rows of one execution as mappings of column name to JSON value.

    Raises:
        DuneResultError: The execution has no result to read, or several columns have the same name.
    """

    def __init__(self, client: DuneApiClient, execution_id: str, options: ReadOptions) -> None:
        super().__init__(client, execution_id, options)
        duplicates = [name for name in options.columns or self.names if self.names.count(name) > 1]
        if duplicates:
            raise DuneResultError(
                f"Execution {execution_id} has several columns called {duplicates[0]!r}, and a row here is a dict.",
                hint="Name them apart in the SQL, or read a frame: get_result.",
            )

    def rows(self) -> Iterator[dict[str, Any]]:
        """Read the rows; see `ExecutionPages.pages`."""
        for page in self.pages():
            yield from page.parts

    def _page(self, offset: int, limit: int) -> Page[dict[str, Any]]:
        return self._read(is_unfiltered=self._options.filters is None, offset=offset, limit=limit)

    def _sample(self) -> Page[dict[str, Any]]:
        return self._read(is_unfiltered=False, sample_count=self._options.sample)

    def _read(self, *, is_unfiltered: bool, **options: Any) -> Page[dict[str, Any]]:
        body, next_uri = self._requests.json(**options)
        try:
            page = from_json(body)
        except ValueError as error:
            raise DuneResultError(f"A page of the result is no JSON: {error}.") from error
        envelope = envelope_of(page)
        envelope = envelope._replace(next_uri=next_uri or envelope.next_uri)
        self._requests.check_json(envelope, is_unfiltered=is_unfiltered)
        names = list(self.names if self._options.columns is None else self._options.columns)
        check_names(envelope, names, self.names)
        for row in envelope.rows:
            if not isinstance(row, dict):
                raise DuneResultError(f"A page of execution {self.execution_id} has rows that are no objects.")
            if missing := [name for name in names if name not in row]:
                raise DuneResultError(f"A row of the result has no column {missing[0]!r}.")
        rows = [row if len(row) == len(names) else {name: row[name] for name in names} for row in envelope.rows]
        return Page(rows, len(rows), envelope.next_offset, envelope.next_uri)


def rows_of(client: DuneApiClient, execution_ids: Sequence[str], options: ReadOptions) -> Iterator[dict[str, Any]]:
    """Read the rows of executions, one after the other; of several, some pages at once, before they are asked for.

    Raises:
        DuneResultError: One of them has no result to read, or a page is wrong.
        DuneApiError: A page could not be read.
    """
    if len(execution_ids) == 1:
        yield from JsonRows(client, execution_ids[0], options).rows()
        return
    with RequestPool(PAGES_AT_ONCE, THREADS) as pool:
        opened = pool.in_order(partial(JsonRows, client, execution_id, options) for execution_id in execution_ids)
        with closing(pages_in_order(opened, PAGES_AT_ONCE)) as pages:
            for reader, own in groupby(pages, itemgetter(0)):
                for page in reader.counted(page for _, page in own):
                    yield from page.parts
