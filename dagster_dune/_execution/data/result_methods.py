"""The methods of `DuneResource` that read results: those of assets, and of queries and SQL that they execute."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from dagster_dune._execution.data.asset_executions import CoercibleKey, executions_of, key_of
from dagster_dune._execution.data.charges import add_metadata
from dagster_dune._execution.data.has_client import HasClient
from dagster_dune._execution.data.places import ReadContext, log_of, place_of
from dagster_dune.api.endpoints.base import PAGE_SIZE
from dagster_dune.catalog.names import query_name
from dagster_dune.metadata import export_metadata
from dagster_dune.paging.json_rows import rows_of
from dagster_dune.paging.options import ReadOptions, check_executing

if TYPE_CHECKING:
    from dagster_dune.api.models import ExecutionStatus
    from dagster_dune.frames.results import DuneResult
    from dagster_dune.paging.options import Export

FrameT = TypeVar("FrameT")


class ResultMethods(HasClient):
    """The methods of `DuneResource` that read results."""

    def get_rows(
        self,
        context: ReadContext,
        asset_key: CoercibleKey,
        *,
        columns: Sequence[str] | None = None,
        partition_key: str | None = None,
        partition_keys: Sequence[str] | None = None,
        page_size: int = PAGE_SIZE,
        allow_partial_results: bool = False,
        ignore_max_credits_per_request: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """Read the rows of a Dune asset: those that this run made, else those of its latest materialization.

        Rows are read page by page as they are asked for. Exports are charged by size.

        Args:
            context: The context of the asset, op, check, sensor, schedule, hook or IO manager that reads; an instance;
                or None, in a script, for the instance of ``DAGSTER_HOME``.
            asset_key: The Dune asset.
            columns: The names of the columns to read; all if None.
            partition_key: Which partition's rows, where the asset is partitioned.
            partition_keys: Several partitions, whose rows follow each other. Four pages are read at once, before they
                are asked for.
            page_size: The rows of a page.
            allow_partial_results: Whether to read what there is of a result that Dune has cut short.
            ignore_max_credits_per_request: Whether a page may hold more than 250,000 values, and cost more.

        Yields:
            A mapping of column name to JSON value for each row; uint256 values are texts.

        Raises:
            DuneResultError: The asset was never materialized from Dune, or is partitioned and no partition is named; a
                partition was made by one execution together with others; the result has expired (after 90 days); or a
                page is not what it must be.
            DuneConfigurationError: There is no instance, or an option is none.
            DuneApiError: The result could not be read.
        """
        options = ReadOptions(
            columns=columns,
            page_size=page_size,
            concurrency=1,
            allow_partial_results=allow_partial_results,
            ignore_max_credits_per_request=ignore_max_credits_per_request,
        )
        with place_of(context) as place:
            executions = executions_of(place, asset_key, partition_key, partition_keys)
        with self.get_client() as client:
            yield from rows_of(client, executions, options)

    @overload
    def get_result(
        self,
        context: ReadContext,
        asset_key: CoercibleKey,
        as_: type[FrameT],
        *,
        partition_key: str | None = ...,
        partition_keys: Sequence[str] | None = ...,
        **options: Any,
    ) -> FrameT: ...

    @overload
    def get_result(
        self,
        context: ReadContext,
        asset_key: CoercibleKey,
        as_: str = ...,
        *,
        partition_key: str | None = ...,
        partition_keys: Sequence[str] | None = ...,
        **options: Any,
    ) -> Any: ...

    def get_result(
        self,
        context: ReadContext,
        asset_key: CoercibleKey,
        as_: Any = "arrow",
        *,
        partition_key: str | None = None,
        partition_keys: Sequence[str] | None = None,
        **options: Any,
    ) -> Any:
        """Read the result of a Dune asset as a frame: what this run made, else its latest materialization.

        Exports are charged by size: rows and bytes are told in the log, and in the metadata of an asset. See
        docs/data.md for the types of the columns.

        Args:
            context: The context of whatever reads, an instance, or None; see `get_rows`.
            asset_key: The Dune asset.
            as_: What to return: ``pl.DataFrame``, ``pl.LazyFrame``, ``pa.Table``, ``pa.RecordBatchReader``,
                ``pd.DataFrame``, ``duckdb.DuckDBPyRelation``, or a word for one of them; ``pa.Table`` by default.
            partition_key: Which partition's rows, where the asset is partitioned.
            partition_keys: Several partitions, whose rows follow each other.
            options: ``columns``, ``filters``, ``sort_by``, ``limit``, ``sample``, ``uint256``, ``timestamps``,
                ``exact``, ``max_bytes``, ``allow_partial_results``, ``ignore_max_credits_per_request``, ``page_size``,
                ``concurrency``, ``wire``; see `dagster_dune.paging.options.ReadOptions`.

        Returns:
            The frame. A ``RecordBatchReader`` reads while it is read from.

        Raises:
            DuneResultError: There is no such result, a page is not what it must be, or a value does not fit its type.
            DuneConfigurationError: An option is none, or the package of the frame is not installed.
        """
        from dagster_dune.frames.results import get_result  # noqa: PLC0415  (pyarrow is slow to import)

        with place_of(context) as place:
            executions = executions_of(place, asset_key, partition_key, partition_keys)
        name = key_of(asset_key).to_user_string()

        def report(export: Export) -> None:
            add_metadata(context, export_metadata(name, executions, export.rows, export.bytes))

        client, log = self.get_client(), log_of(context)
        return get_result(client, executions, as_=as_, log=log, on_export=report, closes_client=True, **options)

    @overload
    def run_query(
        self,
        query_id: int,
        parameters: Mapping[str, Any] | None = ...,
        *,
        as_: None = ...,
        performance: str | None = ...,
        timeout: float | None = ...,
        context: ReadContext = ...,
    ) -> DuneResult: ...

    @overload
    def run_query(
        self,
        query_id: int,
        parameters: Mapping[str, Any] | None = ...,
        *,
        as_: type[FrameT],
        performance: str | None = ...,
        timeout: float | None = ...,
        context: ReadContext = ...,
        **options: Any,
    ) -> FrameT: ...

    @overload
    def run_query(
        self, query_id: int, parameters: Mapping[str, Any] | None = ..., *, as_: str, **options: Any
    ) -> Any: ...

    def run_query(
        self,
        query_id: int,
        parameters: Mapping[str, Any] | None = None,
        *,
        as_: Any = None,
        performance: str | None = None,
        timeout: float | None = None,
        context: ReadContext = None,
        **options: Any,
    ) -> Any:
        """Execute a saved query, wait for it and read its rows: in any op, asset or script. Charged for.

        It is sent once, and cancelled where waiting is interrupted. What it refreshes is nothing: matviews that the
        query reads stay as they are.

        Args:
            query_id: The query.
            parameters: Values of its parameters; Dune's saved defaults if None.
            as_: What to return; see `get_result`. A `DuneResult` if None, which names the credits and reads later.
            performance: The engine tier; the resource's, else the plan's default if None.
            timeout: The seconds that it may take before it is cancelled; any time if None.
            context: The context of the op or asset, for its log and metadata; whatever `get_rows` takes.
            options: How the rows are read; see `get_result`.

        Returns:
            The frame, or a `DuneResult`.

        Raises:
            AmbiguousSubmission: Dune may have started it; it was not sent again.
            DuneResultError: It failed, was cancelled, or took too long; or its rows cannot be read.
        """
        from dagster_dune.frames.results import run_query  # noqa: PLC0415

        run = partial(run_query, query_id=query_id, parameters=parameters)
        return self._executed(query_name(query_id), run, as_, performance, timeout, context, options)

    @overload
    def run_sql(
        self,
        sql: str,
        *,
        as_: None = ...,
        performance: str | None = ...,
        timeout: float | None = ...,
        context: ReadContext = ...,
    ) -> DuneResult: ...

    @overload
    def run_sql(
        self,
        sql: str,
        *,
        as_: type[FrameT],
        performance: str | None = ...,
        timeout: float | None = ...,
        context: ReadContext = ...,
        **options: Any,
    ) -> FrameT: ...

    @overload
    def run_sql(self, sql: str, *, as_: str, **options: Any) -> Any: ...

    def run_sql(
        self,
        sql: str,
        *,
        as_: Any = None,
        performance: str | None = None,
        timeout: float | None = None,
        context: ReadContext = None,
        **options: Any,
    ) -> Any:
        """Execute SQL that is not saved, wait for it and read its rows. Charged for; sent once.

        See https://docs.dune.com/api-reference/executions/endpoint/execute-sql.

        Args:
            sql: The SQL.
            as_: What to return, as of `get_result`; a `DuneResult`, of which nothing has been read, if None.
            performance: The engine tier; the resource's if None.
            timeout: The seconds until it is cancelled; none if None.
            context: Where it is logged.
            options: Those of `get_result`.

        Returns:
            The frame, or the `DuneResult`.

        Raises:
            AmbiguousSubmission: Dune may have started it; it was not sent again.
            DuneResultError: It failed, was cancelled, or took too long, or a page is not what it must be.
        """
        from dagster_dune.frames.results import run_sql  # noqa: PLC0415

        return self._executed("sql", partial(run_sql, sql=sql), as_, performance, timeout, context, options)

    def _executed(
        self,
        name: str,
        run: Callable[..., DuneResult],
        as_: Any,
        performance: str | None,
        timeout: float | None,
        context: ReadContext,
        options: Mapping[str, Any],
    ) -> Any:
        from dagster_dune.frames.results import Waiting, check_reading  # noqa: PLC0415

        check_executing(options, parameters=name != "sql")
        check_reading(as_, options)
        polls = self._setting("max_poll_interval"), self._setting("poll_failure_tolerance")
        tier, log = performance or self._setting("performance"), log_of(context)

        def report_cost(execution_id: str, status: ExecutionStatus) -> None:
            add_metadata(context, export_metadata(name, [execution_id], None, None, status.execution_cost_credits))

        def report_export(export: Export) -> None:
            add_metadata(context, export_metadata(name, [result.execution_id], export.rows, export.bytes))

        waiting = Waiting(*polls, timeout=timeout)
        with self.get_client() as client:
            result = run(client, performance=tier, waiting=waiting, log=log, on_end=report_cost)
        result = replace(result, open_client=self.get_client)
        return result if as_ is None else result.read(as_, log=log, on_export=report_export, **options)
