"""What is asked for a page, and what the page says of itself: refused where it cannot be the one asked for.

Addresses of next pages are never followed: each request names its own offset, so that the key goes nowhere else.
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
    """Some rows, and where the next page begins; None on the last.

    Attributes:
        parts: The rows, in pieces of whatever kind the reader makes.
        num_rows: How many rows there are.
        next_offset: Where the next page begins.
        next_uri: The address of the next page.
    """

    parts: Sequence[T]
    num_rows: int
    next_offset: int | None
    next_uri: str | None


class Envelope(NamedTuple):
    """What a page in JSON says beside its rows; each is None where it does not say."""

    rows: list[Any]
    column_names: object
    execution_id: object
    total_row_count: int | None
    next_offset: int | None
    next_uri: str | None


def envelope_of(page: object) -> Envelope:
    """Take a page in JSON apart.

    Args:
        page: The document; its numbers may be texts of digits.

    Raises:
        DuneResultError: It has no rows, or where the next page begins cannot be read.
    """
    result = page.get("result") if isinstance(page, dict) else None
    rows = result.get("rows") if isinstance(result, dict) else None
    if not isinstance(page, dict) or not isinstance(result, dict) or not isinstance(rows, list | None):
        found = page.get("execution_id") if isinstance(page, dict) else None
        raise DuneResultError(
            f"A page of {f'execution {found}' if found else 'the result'} came without rows.", hint=EXPIRY_HINT
        )
    following = page.get("next_offset")
    if following is not None and _whole(following) is None:
        raise DuneResultError(
            f"A page of the result says that the next one begins at {following!r}, which is no number of a row.",
            hint="More rows than these would be missing. Report it: Dune's API may have changed.",
        )
    metadata = result.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    next_uri = page.get("next_uri")
    return Envelope(
        rows or [],
        metadata.get("column_names"),
        page.get("execution_id"),
        _whole(metadata.get("total_row_count")),
        _whole(following),
        next_uri if isinstance(next_uri, str) else None,
    )


def check_names(said: Envelope, expected: Sequence[str]) -> None:
    """Check that a page in JSON has the columns that were asked for, in whatever order.

    Raises:
        DuneResultError: It names others.
    """
    names = said.column_names
    if isinstance(names, list) and sorted(map(str, names)) != sorted(expected):
        raise DuneResultError(f"A page of the result has the columns {names}, not {expected}.")


def _whole(number: object) -> int | None:
    text = str(number)
    return int(text) if not isinstance(number, bool) and text.isascii() and text.isdigit() and len(text) < 19 else None


class PageRequests:
    """Asks for pages of one execution, and checks that they are of it.

    Args:
        client: A client of Dune's API.
        execution_id: The execution.
        options: Which rows and columns.
        total: The rows of the whole result; None where that is not known.
        export: Where what comes is counted.
    """

    def __init__(
        self, client: DuneApiClient, execution_id: str, options: ReadOptions, total: int | None, export: Export
    ) -> None:
        self._client = client
        self._execution_id = execution_id
        self._options = options
        self._total = total
        self._export = export

    def check(self, page: Page[Any], offset: int, limit: int) -> None:
        """Check that a page is the one that was asked for.

        Raises:
            DuneResultError: It does not go on where it must, does not say where, or has more rows.
        """
        # Assumption: filtered-offset.
        if page.next_offset not in (None, offset + page.num_rows) or page.next_offset == offset:
            raise self.wrong(page, offset)
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

    def wrong(self, page: Page[Any], offset: int) -> DuneResultError:
        """Make the error of a page that does not go on where it must."""
        of_all = "" if self._total is None else f", of {self._total:,} rows"
        return DuneResultError(
            f"The page at row {offset:,} of execution {self._execution_id} has {page.num_rows:,} rows and says "
            f"that the next one begins at {page.next_offset}{of_all}.",
            hint="A page is short, came twice, or the result changed: read it again.",
        )

    def json(self, *, is_extra: bool = False, **options: Any) -> tuple[bytes, str | None]:
        """Read a page in JSON as it came, and the address of the next one that its headers name."""
        with self.expiring():
            page = self._client.download_execution_results(
                self._execution_id, format="json", **(self.choice() | options)
            )
        self._export.add(len(page.body), extra=is_extra)
        return page.body, page.next_uri

    def check_json(self, said: Envelope, *, is_whole: bool) -> None:
        """Check that a page in JSON is of this execution.

        Args:
            said: What it says, and its headers.
            is_whole: Whether it is of all rows, not of some that were filtered or drawn.

        Raises:
            DuneResultError: It is of another execution, or the number of rows has changed.
        """
        self.check_address(said.next_uri)
        if said.execution_id not in (None, self._execution_id):
            raise self._foreign(str(said.execution_id))
        if is_whole and self._total is not None and said.total_row_count not in (None, self._total):
            raise DuneResultError(
                f"Execution {self._execution_id} had {self._total:,} rows, and has {said.total_row_count:,} now.",
                hint="Read it again.",
            )

    def check_address(self, next_uri: str | None) -> None:
        """Check that the next page would be one of this execution.

        Raises:
            DuneResultError: It is of another one, or no address.
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
            raise self._foreign(path)

    def _foreign(self, other: str) -> DuneResultError:
        return DuneResultError(
            f"A page of another execution came ({other}), not of {self._execution_id}.",
            hint="Look at what stands between this machine and Dune: a proxy may keep answers.",
        )

    # Assumption: sorted-ties.
    def choice(self) -> dict[str, Any]:
        """What each request asks for beside its place."""
        options = self._options
        return {
            "columns": options.columns,
            "filters": options.filters,
            "sort_by": options.sort_by,
            "allow_partial_results": options.allow_partial_results,
            "ignore_max_credits_per_request": options.ignore_max_credits_per_request,
        }

    @contextmanager
    def expiring(self) -> Iterator[None]:
        """Say of a page that is not there why that may be."""
        try:
            yield
        except DuneNotFoundError as error:
            raise DuneResultError(f"Dune has no result of execution {self._execution_id}.", hint=EXPIRY_HINT) from error
