"""Requests pages, and checks that each page is the requested one.

The address of a next page is never requested. Each request names its own offset, so the key is sent to no other host.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import urlsplit

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import DuneNotFoundError
from dagster_dune.errors import DuneResultError
from dagster_dune.paging.options import Export, ReadOptions
from dagster_dune.pipeline.readable import EXPIRY_HINT

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """A page of rows.

    Attributes:
        parts: The rows, in the form that the reader makes.
        num_rows: The number of rows.
        next_offset: The number of the row at which the next page begins; None on the last page.
        next_uri: The address of the next page; None on the last page.
    """

    parts: Sequence[T]
    num_rows: int
    next_offset: int | None
    next_uri: str | None


class Envelope(NamedTuple):
    """The rows of a page in JSON and its other fields, each of which is None if the page does not have it."""

    rows: list[Any]
    column_names: object
    execution_id: object
    total_row_count: int | None
    next_offset: int | None
    next_uri: str | None


def envelope_of(page: object) -> Envelope:
    """Return the fields of a page in JSON.

    Args:
        page: The document; its numbers may be texts of digits.

    Raises:
        DuneResultError: The page has no rows, or its `next_offset` is no number.
    """
    result = page.get("result") if isinstance(page, dict) else None
    rows = result.get("rows") if isinstance(result, dict) else None
    if not isinstance(page, dict) or not isinstance(result, dict) or not isinstance(rows, list | None):
        found = page.get("execution_id") if isinstance(page, dict) else None
        raise DuneResultError(
            f"A page of {f'execution {found}' if found else 'the result'} came without rows.", hint=EXPIRY_HINT
        )
    next_offset = page.get("next_offset")
    if next_offset is not None and _as_integer(next_offset) is None:
        raise DuneResultError(
            f"A page of the result says that the next one begins at {next_offset!r}, which is no number of a row.",
            hint="More rows than these would be missing. Report it: Dune's API may have changed.",
        )
    metadata = result.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    next_uri = page.get("next_uri")
    return Envelope(
        rows or [],
        metadata.get("column_names"),
        page.get("execution_id"),
        _as_integer(metadata.get("total_row_count")),
        _as_integer(next_offset),
        next_uri if isinstance(next_uri, str) else None,
    )


def check_names(envelope: Envelope, expected: Sequence[str], of_result: Sequence[str] = ()) -> None:
    """Check that a page in JSON has the requested columns, in any order.

    Args:
        envelope: The fields of the page.
        expected: The names of the requested columns.
        of_result: The names of all columns of the result. No page of Dune's manual shows whether the metadata of a page
            names these, or the requested ones. The rows show which columns there are.

    Raises:
        DuneResultError: The page has other columns.
    """
    names = envelope.column_names
    if isinstance(names, list) and sorted(map(str, names)) not in (sorted(expected), sorted(of_result)):
        raise DuneResultError(f"A page of the result has the columns {names}, not {expected}.")


def _as_integer(number: object) -> int | None:
    text = str(number)
    return int(text) if not isinstance(number, bool) and text.isascii() and text.isdigit() and len(text) < 19 else None


class PageRequests:
    """Requests pages of one execution, and checks that they belong to it.

    Args:
        client: A client of Dune's API.
        execution_id: The execution.
        options: Which rows and columns are read.
        total: The number of rows of the whole result; None if it is not known.
        names: The names of all columns of the result.
        export: Counts the bytes that are read.

    Attributes:
        names: The names of all columns of the result.
    """

    def __init__(
        self,
        client: DuneApiClient,
        execution_id: str,
        options: ReadOptions,
        total: int | None,
        names: Sequence[str],
        export: Export,
    ) -> None:
        self.names = names
        self._client = client
        self._execution_id = execution_id
        self._options = options
        self._total = total
        self._export = export

    def check(self, page: Page[Any], offset: int, limit: int) -> None:
        """Check that a page is the requested one.

        Raises:
            DuneResultError: The next page does not begin where this one ends, this one does not say where the next
                begins, or it has too many rows.
        """
        # Assumption: filtered-offset.
        if page.next_offset not in (None, offset + page.num_rows) or page.next_offset == offset:
            raise self.page_error(page, offset)
        most, end = self._options.limit, offset + page.num_rows
        if page.next_uri and page.next_offset is None and (most is None or end < most):
            raise DuneResultError(
                f"The page at row {offset:,} of execution {self._execution_id} names the address of a next one, but "
                "does not say at which row that begins: more rows than these would be missing.",
                hint="Look at what stands between this machine and Dune: a proxy may drop x-dune-next-offset.",
            )
        if page.num_rows > limit:
            raise DuneResultError(
                f"The page at row {offset:,} of execution {self._execution_id} has {page.num_rows:,} rows, but "
                f"{limit:,} were asked for."
            )

    def page_error(self, page: Page[Any], offset: int) -> DuneResultError:
        """Return the error for a page whose next page does not begin where it ends."""
        of_all = "" if self._total is None else f", of {self._total:,} rows"
        return DuneResultError(
            f"The page at row {offset:,} of execution {self._execution_id} has {page.num_rows:,} rows and says "
            f"that the next one begins at {page.next_offset}{of_all}.",
            hint="A page is short, came twice, or the result changed: read it again.",
        )

    def json(self, *, is_extra: bool = False, **options: Any) -> tuple[bytes, str | None]:
        """Return the body of a page in JSON, and the address of the next page from its headers."""
        with self.explaining_not_found():
            page = self._client.download_execution_results(
                self._execution_id, format="json", **(self.common_options() | options)
            )
        self._export.add(len(page.body), extra=is_extra)
        return page.body, page.next_uri

    def check_json(self, envelope: Envelope, *, is_unfiltered: bool) -> None:
        """Check that a page in JSON belongs to this execution.

        Args:
            envelope: The fields of the page, with `next_uri` from its headers.
            is_unfiltered: Whether neither a filter nor a sample was requested.

        Raises:
            DuneResultError: The page is of another execution, or the number of rows has changed.
        """
        self.check_address(envelope.next_uri)
        if envelope.execution_id not in (None, self._execution_id):
            raise self._foreign_page(str(envelope.execution_id))
        if is_unfiltered and self._total is not None and envelope.total_row_count not in (None, self._total):
            raise DuneResultError(
                f"Execution {self._execution_id} had {self._total:,} rows, and has {envelope.total_row_count:,} now.",
                hint="Read it again.",
            )

    def check_address(self, next_uri: str | None) -> None:
        """Check that the address of the next page is one of this execution.

        Raises:
            DuneResultError: It is one of another execution, or no valid address.
        """
        try:
            path = urlsplit(next_uri or "").path
        except ValueError as error:
            raise DuneResultError(
                f"A page of execution {self._execution_id} names {next_uri!r} as the address of the next one, which is "
                "no address.",
                hint="Look at what stands between this machine and Dune.",
            ) from error
        if "/execution/" in path and f"/execution/{self._execution_id}/" not in path:
            raise self._foreign_page(path)

    def _foreign_page(self, other: str) -> DuneResultError:
        return DuneResultError(
            f"A page of another execution came ({other}), not of {self._execution_id}.",
            hint="Look at what stands between this machine and Dune: a proxy may keep answers.",
        )

    # Assumption: sorted-ties.
    def common_options(self) -> dict[str, Any]:
        """Return the options of every request, without its offset and limit."""
        options = self._options
        return {
            "columns": options.columns,
            "filters": options.filters,
            "sort_by": options.sort_by,
            "allow_partial_results": options.allow_partial_results,
            "ignore_max_credits_per_request": options.ignore_max_credits_per_request,
        }

    @contextmanager
    def explaining_not_found(self) -> Iterator[None]:
        """Turn a 404 into an error that says why the result may be missing."""
        try:
            yield
        except DuneNotFoundError as error:
            raise DuneResultError(f"Dune has no result of execution {self._execution_id}.", hint=EXPIRY_HINT) from error
