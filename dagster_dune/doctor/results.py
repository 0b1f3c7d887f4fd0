"""Runs experiments with the results of SQL that is not saved."""

from __future__ import annotations

import io
import re
from typing import Any
from urllib.parse import urlsplit

from dagster_dune._csv_lines import csv_lines
from dagster_dune.doctor.report import Report
from dagster_dune.doctor.temporary_objects import TemporaryObjects
from dagster_dune.errors import DuneError

NULL_IN_CSV = "<nil>"
ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
ROWS = (
    "SELECT n, CASE n WHEN 1 THEN NULL WHEN 2 THEN '' WHEN 3 THEN '<nil>' ELSE 'x' END AS t "
    "FROM UNNEST(sequence(1, 9)) AS s(n) ORDER BY n"
)
NESTED = (
    "SELECT ARRAY['a,b', 'c'] AS a, CAST(ROW(1, 'x') AS ROW(k bigint, v varchar)) AS r, MAP(ARRAY['k'], ARRAY[1]) AS m"
)


class ResultExperiments:
    """Checks the form of CSV, filters and pages."""

    def __init__(self, report: Report, objects: TemporaryObjects) -> None:
        self._report = report
        self._objects = objects
        self._client = objects.client

    def check_texts_and_pages(self) -> None:
        """Read nine rows with NULL, an empty text and the text ``<nil>``, in pages and with filters."""
        execution_id = self._execute(ROWS)
        self._report.judge("ulid-order", bool(ULID.fullmatch(execution_id)), f"ids of {len(execution_id)} characters")
        rows = self._csv(execution_id)
        texts = {row[0]: row[1] for row in rows if len(row) > 1}
        holds = (texts.get("1"), texts.get("2"), texts.get("3")) == (NULL_IN_CSV, "", NULL_IN_CSV)
        shown = [texts.get(number) for number in ("1", "2", "3")]
        self._report.judge("csv-null", holds, f"NULL, '' and '<nil>' are {shown}")
        self._pages(execution_id)
        found = [row["n"] for row in self._rows(execution_id, filters=f"t = '{NULL_IN_CSV}'")]
        self._report.judge("csv-nil-filter", found == [3], f"of rows 1 (NULL) and 3 (<nil>) it finds {found}")
        first = self._client.get_execution_results(execution_id, filters="n > 4", limit=2, offset=0)
        numbers = [row["n"] for row in (first.result.rows if first.result else ())]
        after = [row["n"] for row in self._rows(execution_id, filters="n > 4", limit=2, offset=2)]
        seen = f"of rows above 4, pages of 2 hold {numbers} and {after}; the next offset is {first.next_offset}"
        self._report.judge("filtered-offset", (numbers, after, first.next_offset) == ([5, 6], [7, 8], 2), seen)

    def check_nested_values(self) -> None:
        """Read an array, a row and a map, as JSON and as CSV."""
        execution_id = self._execute(NESTED)
        rows = self._rows(execution_id)
        row = rows[0] if rows else {}
        is_whole = row.get("a") == ["a,b", "c"] and list(dict(row.get("m") or {}).values()) == [1]
        fields = self._csv(execution_id)
        width = len(fields[0]) if fields else 0
        first = fields[0][0] if 0 < width == len(row) else f"{width} fields for {len(row)} columns"
        self._report.judge(
            "csv-nested", is_whole and width == len(row), f"JSON: {'whole' if is_whole else 'not whole'}; CSV: {first}"
        )

    def _pages(self, execution_id: str) -> None:
        page = self._client.get_execution_results(execution_id, limit=4, offset=0)
        numbers = [row["n"] for row in (page.result.rows if page.result else ())]
        host = urlsplit(page.next_uri or "").netloc
        own = not page.next_uri or host == urlsplit(self._client.base_url).netloc
        seen = f"of 9 rows, a page of 4 has {len(numbers)}; the next offset is {page.next_offset}"
        seen += "" if own else "; next_uri leads to another host"
        self._report.judge("page-size", (numbers, page.next_offset) == ([1, 2, 3, 4], 4) and own, seen)

    def _execute(self, sql: str) -> str:
        status = self._objects.run_sql(sql)
        if not status.execution_id or status.result_metadata is None:
            raise DuneError(f"the SQL ended as {status.state}")
        return status.execution_id

    def _rows(self, execution_id: str, **options: Any) -> list[dict[str, Any]]:
        page = self._client.get_execution_results(execution_id, **options)
        return [dict(row) for row in (page.result.rows if page.result else ())]

    def _csv(self, execution_id: str) -> list[list[str]]:
        body = self._client.download_execution_results(execution_id, format="csv").body
        return list(csv_lines(io.StringIO(body.decode("utf-8-sig", "replace"), newline=""), strict=False))[1:]
