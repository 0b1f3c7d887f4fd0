"""Pages of one execution: each is asked for, read while it comes, and refused where it cannot be the one asked for.

Addresses of next pages are never followed: each request names its own offset, so that the key goes nowhere else.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, NamedTuple, TypeVar
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from dagster_dune.api.client import CsvStream, DuneApiClient
from dagster_dune.api.errors import DuneBadRequestError, DuneNotFoundError
from dagster_dune.errors import DuneConfigurationError, DuneResultError
from dagster_dune.frames.options import Export, ReadOptions
from dagster_dune.frames.pages.csv_pages import NULL_IN_CSV, read_csv
from dagster_dune.frames.pages.json_pages import JsonPage, read_json
from dagster_dune.frames.types.columns import Column
from dagster_dune.pipeline.readable import EXPIRY_HINT

T = TypeVar("T")


class Page(NamedTuple):
    """Some rows, and where the next page begins; None on the last."""

    batches: list[pa.RecordBatch]
    next_offset: int | None

    @property
    def num_rows(self) -> int:
        """How many rows it has."""
        return sum(batch.num_rows for batch in self.batches)


class PageReader:
    """Reads pages of one execution, in any order and several at once, within a ``with`` block.

    What comes is taken apart in one thread and converted in another: allocators keep for each thread what it has freed.

    Args:
        client: A client of Dune's API.
        execution_id: The execution.
        options: Which rows and columns.
        columns: The columns that each page must have.
        total: The rows of the whole result; None where that is not known.
        export: Where what comes is counted.
    """

    def __init__(
        self,
        client: DuneApiClient,
        execution_id: str,
        options: ReadOptions,
        columns: Sequence[Column],
        total: int | None,
        export: Export,
    ) -> None:
        self._client = client
        self._execution_id = execution_id
        self._options = options
        self._columns = columns
        self._total = total
        self._export = export
        self._format = _format(options, columns)
        self._real_nil: dict[str, bool] = {}
        self._asking = threading.Lock()
        self._splitter = ThreadPoolExecutor(1, thread_name_prefix="dune-splitter")
        self._converter = ThreadPoolExecutor(1, thread_name_prefix="dune-converter")

    def __enter__(self) -> PageReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._splitter.shutdown()
        self._converter.shutdown()

    def _split(self, work: Callable[[], T]) -> T:
        return self._splitter.submit(work).result()

    def _convert(self, work: Callable[[], T]) -> T:
        return self._converter.submit(work).result()

    def read(self, offset: int, limit: int) -> Page:
        """Read one page.

        Args:
            offset: The number of rows before it.
            limit: The number of its rows at the most.

        Raises:
            DuneResultError: It is no such page.
            DuneApiError: It could not be read.
        """
        page = self._csv(offset, limit) if self._format == "csv" else self._json(offset, limit)
        # Assumption: filtered-offset.
        if page.next_offset not in (None, offset + page.num_rows) or page.next_offset == offset:
            raise self.wrong(page, offset)
        if page.num_rows > limit:
            raise DuneResultError(
                f"The page at row {offset:,} of execution {self._execution_id} has {page.num_rows:,} rows, but "
                f"{limit:,} were asked for."
            )
        return page

    def read_sample(self) -> pa.RecordBatch:
        """Read rows drawn at random, which come all at once."""
        page = self._json_page(self._columns, sample_count=self._options.sample)
        wanted = self._options.sample or 0
        if page.batch.num_rows > wanted:
            raise DuneResultError(
                f"A sample of {page.batch.num_rows:,} rows of execution {self._execution_id} came, but {wanted:,} were "
                "asked for."
            )
        return page.batch

    def wrong(self, page: Page, offset: int) -> DuneResultError:
        """Make the error of a page that does not go on where it must."""
        of_all = "" if self._total is None else f", of {self._total:,} rows"
        return DuneResultError(
            f"The page at row {offset:,} of execution {self._execution_id} has {page.num_rows:,} rows and says "
            f"that the next one begins at {page.next_offset}{of_all}.",
            hint="A page is short, came twice, or the result changed: read it again.",
        )

    # --- the two formats ---

    def _csv(self, offset: int, limit: int) -> Page:
        def parse(stream: CsvStream) -> tuple[Page, int]:
            self._check_address(stream.next_uri)
            batches = read_csv(stream, self._columns, self._split, self._convert)
            return Page(batches, stream.next_offset), stream.bytes_read

        with _expiring(self._execution_id):
            page, size = self._client.read_execution_csv(
                self._execution_id, parse, limit=limit, offset=offset, **self._choice()
            )
        self._export.add(size)
        return page._replace(batches=self._with_real_texts(page.batches, offset, limit))

    def _json(self, offset: int, limit: int) -> Page:
        page = self._json_page(self._columns, offset=offset, limit=limit)
        return Page([page.batch], page.next_offset)

    def _json_page(self, shape: Sequence[Column], *, is_extra: bool = False, **options: Any) -> JsonPage:
        with _expiring(self._execution_id):
            page = self._client.download_execution_results(
                self._execution_id, format="json", **(self._choice() | options)
            )
        self._export.add(len(page.body), extra=is_extra)
        read = self._convert(partial(read_json, page.body, shape))
        self._check_address(page.next_uri or read.next_uri)
        if read.execution_id not in (None, self._execution_id):
            raise self._foreign(str(read.execution_id))
        counted = self._options.filters is None and "filters" not in options and self._options.sample is None
        if counted and self._total is not None and read.total_row_count not in (None, self._total):
            raise DuneResultError(
                f"Execution {self._execution_id} had {self._total:,} rows, and has {read.total_row_count:,} now.",
                hint="Read it again.",
            )
        return read

    def _choice(self) -> dict[str, Any]:
        """What each request asks for beside its place."""
        options = self._options
        return {
            "columns": options.columns,
            "filters": options.filters,
            "sort_by": options.sort_by,
            "allow_partial_results": options.allow_partial_results,
            "ignore_max_credits_per_request": options.ignore_max_credits_per_request,
        }

    def _check_address(self, next_uri: str | None) -> None:
        path = urlsplit(next_uri or "").path
        if "/execution/" in path and f"/execution/{self._execution_id}/" not in path:
            raise self._foreign(path)

    def _foreign(self, other: str) -> DuneResultError:
        return DuneResultError(
            f"A page of another execution came ({other}), not of {self._execution_id}.",
            hint="Look at what stands between this machine and Dune: a proxy may keep answers.",
        )

    # --- NULL, or the text <nil> ---

    def _with_real_texts(self, batches: list[pa.RecordBatch], offset: int, limit: int) -> list[pa.RecordBatch]:
        """Read text columns again as JSON where CSV may show a text as NULL."""
        for place, column in enumerate(self._columns if self._options.exact else ()):
            has_null = any(batch.column(place).null_count for batch in batches)
            if column.type.is_text and has_null and self._holds_nil(column):
                batch = pa.concat_batches(batches)
                page = self._json_page([column], offset=offset, limit=limit, columns=[column.name], is_extra=True)
                shown, texts = batch.column(place), page.batch.column(0)
                if len(texts) != len(shown) or pc.all(pc.equal(texts, shown)).as_py() is False:
                    raise DuneResultError(
                        f"Column {column.name!r} of execution {self._execution_id} differs between CSV and JSON."
                    )
                batches = [batch.set_column(place, batch.schema.field(place), texts)]
        return batches

    def _holds_nil(self, column: Column) -> bool:
        """Whether some row holds the text ``<nil>``: asked once a column."""
        name = column.name
        with self._asking:
            # Assumption: csv-nil-filter.
            if name not in self._real_nil:
                if not name or sum(other.name == name for other in self._columns) > 1:
                    raise DuneResultError(
                        f"Column {name!r} has no name of its own: NULL cannot be told from {NULL_IN_CSV}.",
                        hint="Name it in the SQL, or pass exact=False.",
                    )
                is_nil = f"{_quoted(name)} = '{NULL_IN_CSV}'"
                filters = f"({self._options.filters}) AND {is_nil}" if self._options.filters else is_nil
                try:
                    found = self._json_page([column], offset=0, limit=1, columns=[name], filters=filters, is_extra=True)
                    self._real_nil[name] = found.batch.num_rows > 0
                except DuneBadRequestError:  # a type that compares with no text: JSON tells for each value
                    self._real_nil[name] = True
            return self._real_nil[name]


# Assumption: csv-nested.
def _format(options: ReadOptions, columns: Sequence[Column]) -> Literal["csv", "json"]:
    nested = next((column for column in columns if column.type.is_nested), None)
    if options.wire == "csv" and nested:
        raise DuneConfigurationError(
            f"Column {nested.name!r} is {nested.type.text}, whose form in CSV is not known.",
            hint='Leave wire out, or read it as wire="json".',
        )
    return "json" if nested or options.wire == "json" else "csv"


@contextmanager
def _expiring(execution_id: str) -> Iterator[None]:
    try:
        yield
    except DuneNotFoundError as error:
        raise DuneResultError(f"Dune has no result of execution {execution_id}.", hint=EXPIRY_HINT) from error


def _quoted(name: str) -> str:
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        return name
    return '"' + name.replace('"', '""') + '"'
