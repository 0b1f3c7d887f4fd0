"""What `DuneResource` offers beside running pipelines: results as frames and files, executions, and tables on Dune."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

import dagster as dg

from dagster_dune._execution.rows import ReadContext, executions_of, place_of
from dagster_dune.api.client import DuneApiClient
from dagster_dune.metadata import export_metadata, upload_metadata

if TYPE_CHECKING:
    from dagster_dune.frames.results import DuneResult
    from dagster_dune.frames.uploads.tables import TableWritten
    from dagster_dune.paging.options import Export

FrameT = TypeVar("FrameT")
Context = dg.AssetExecutionContext | dg.OpExecutionContext
CoercibleKey = dg.AssetKey | str | Sequence[str]


class ResultMethods:
    """Results for people, mixed into `DuneResource`."""

    def get_client(self) -> DuneApiClient:
        """Return a client of Dune's API."""
        raise NotImplementedError

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
            context: The context of whatever reads, an instance, or None; see `DuneResource.get_rows`.
            asset_key: The Dune asset.
            as_: What to return: ``pl.DataFrame``, ``pl.LazyFrame``, ``pa.Table``, ``pa.RecordBatchReader``,
                ``pd.DataFrame``, ``duckdb.DuckDBPyRelation``, or a word for one of them; ``pa.Table`` by default.
            partition_key: Which partition's rows, where the asset is partitioned.
            partition_keys: Several partitions, whose rows follow each other.
            options: ``columns``, ``filters``, ``sort_by``, ``limit``, ``sample``, ``uint256``, ``timestamps``,
                ``exact``, ``max_bytes``, ``allow_partial_results``, ``ignore_max_credits_per_request``, ``page_size``;
                see `dagster_dune.paging.options.ReadOptions`.

        Returns:
            The frame. A ``RecordBatchReader`` reads while it is read from.

        Raises:
            DuneResultError: There is no such result, a page is not what it must be, or a value does not fit its type.
            DuneConfigurationError: An option is none, or the package of the frame is not installed.
        """
        from dagster_dune.frames.results import get_result  # noqa: PLC0415  (pyarrow is slow to import)

        with place_of(context) as place:
            executions = executions_of(place, asset_key, partition_key, partition_keys)
        name = dg.AssetKey.from_coercible(asset_key).to_user_string()

        def tell(export: Export) -> None:
            _add_metadata(context, export_metadata(name, executions, export.rows, export.bytes))

        log = None if context is None or isinstance(context, dg.DagsterInstance) else context.log
        client = self.get_client()
        return get_result(client, executions, as_=as_, log=log, on_export=tell, closes_client=True, **options)

    @overload
    def run_query(
        self,
        query_id: int,
        parameters: Mapping[str, Any] | None = ...,
        *,
        as_: None = ...,
        performance: str | None = ...,
        timeout: float | None = ...,
        context: Context | None = ...,
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
        context: Context | None = ...,
        **options: Any,
    ) -> FrameT: ...

    def run_query(
        self,
        query_id: int,
        parameters: Mapping[str, Any] | None = None,
        *,
        as_: Any = None,
        performance: str | None = None,
        timeout: float | None = None,
        context: Context | None = None,
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
            context: The context of the op or asset, for its log and metadata.
            options: How the rows are read; see `get_result`.

        Returns:
            The frame, or a `DuneResult`.

        Raises:
            AmbiguousSubmission: Dune may have started it; it was not sent again.
            DuneResultError: It failed, was cancelled, or took too long; or its rows cannot be read.
        """
        from dagster_dune.frames.results import Waiting, run_query  # noqa: PLC0415

        waiting, log = Waiting(self._longest_poll, timeout=timeout), context.log if context else None
        client, tier = self.get_client(), performance or self._default_tier
        result = run_query(client, query_id, parameters, performance=tier, waiting=waiting, log=log)
        return _read(result, f"query_{query_id}", as_, context, options)

    @overload
    def run_sql(
        self,
        sql: str,
        *,
        as_: None = ...,
        performance: str | None = ...,
        timeout: float | None = ...,
        context: Context | None = ...,
    ) -> DuneResult: ...

    @overload
    def run_sql(
        self,
        sql: str,
        *,
        as_: type[FrameT],
        performance: str | None = ...,
        timeout: float | None = ...,
        context: Context | None = ...,
        **options: Any,
    ) -> FrameT: ...

    def run_sql(
        self,
        sql: str,
        *,
        as_: Any = None,
        performance: str | None = None,
        timeout: float | None = None,
        context: Context | None = None,
        **options: Any,
    ) -> Any:
        """Execute SQL that is not saved, wait for it and read its rows; see `run_query`. Charged for."""
        from dagster_dune.frames.results import Waiting, run_sql  # noqa: PLC0415

        waiting, log = Waiting(self._longest_poll, timeout=timeout), context.log if context else None
        client, tier = self.get_client(), performance or self._default_tier
        result = run_sql(client, sql, performance=tier, waiting=waiting, log=log)
        return _read(result, "sql", as_, context, options)

    def export(
        self,
        context: Context,
        asset_key: CoercibleKey,
        to: str,
        *,
        table: str | None = None,
        partition_key: str | None = None,
        storage_options: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Export:
        """Write the result of a Dune asset to a Parquet file, or into a table of a DuckDB file, in bounded memory.

        The file stands under its name when it is whole, and never before; the table is changed in one transaction.

        Args:
            context: The context of the asset or op that exports.
            asset_key: The Dune asset.
            to: The path of the file, or a URL that fsspec knows.
            table: The table, where the file is DuckDB's.
            partition_key: Which partition's rows, where the asset is partitioned.
            storage_options: What fsspec needs for a URL.
            options: What is read, and how; see `get_result`.

        Returns:
            The rows and bytes that were read.

        Raises:
            DuneResultError: There is no such result, or it cannot be read, or not be told apart from other partitions.
        """
        from dagster_dune.frames.duckdb_tables import write_duckdb  # noqa: PLC0415
        from dagster_dune.frames.exports import write_parquet  # noqa: PLC0415
        from dagster_dune.frames.results import open_reader  # noqa: PLC0415
        from dagster_dune.frames.types.columns import ARROW_DIGITS, SHORT_DIGITS  # noqa: PLC0415  (pyarrow is slow to import)

        with place_of(context) as place:
            (execution_id,) = executions_of(place, asset_key, partition_key)
        digits = ARROW_DIGITS if table is None else SHORT_DIGITS
        with self.get_client() as client:
            reader = open_reader(client, execution_id, digits=digits, **options)
            context.log.info("Exporting %s to %s: %s rows.", reader.name, to, reader.expected_rows)
            if table is None:
                export = write_parquet(reader, to, storage_options=storage_options)
            else:
                export = write_duckdb(reader, to, table, partition_key=partition_key)
        context.log.info("Exported %s rows, %s bytes.", f"{export.rows:,}", f"{export.bytes:,}")
        name = dg.AssetKey.from_coercible(asset_key).to_user_string()
        name = name if partition_key is None else f"{name}/{partition_key}"
        _add_metadata(context, export_metadata(name, [execution_id], export.rows, export.bytes))
        return export

    def write_table(self, frame: Any, name: str, *, context: Context | None = None, **options: Any) -> TableWritten:
        """Write a frame into a table on Dune, which is created where it does not exist. Charged for.

        See docs/data.md for the types, the price and what Dune does in one piece.

        Args:
            frame: A frame of polars, pandas or Arrow, a record batch reader, a DuckDB relation, or the path of a
                Parquet file.
            name: ``dune.<team>.<table>``.
            context: The context of the op or asset, for its log and metadata.
            options: ``mode`` ("replace" or "append"), ``types``, ``on_schema_change``, ``max_credits``, ``is_private``,
                ``marker``, ``marker_column``; see `dagster_dune.frames.uploads.tables.write_table`.

        Returns:
            The rows, bytes, requests and credits.

        Raises:
            DuneConfigurationError: A name, a type or a value is none that a table can have; nothing was sent.
            DuneUploadError: The columns do not fit, it would cost too much, or a step failed: the message says what is
                there now.
        """
        from dagster_dune.frames.uploads.tables import write_table  # noqa: PLC0415  (pyarrow is slow to import)

        with self.get_client() as client:
            written = write_table(client, frame, name, log=context.log if context else None, **options)
        if context:
            _add_metadata(context, upload_metadata(written.name, written.rows, written.bytes, written.credits))
        return written

    @property
    def _longest_poll(self) -> float:
        return float(getattr(self, "max_poll_interval", 5.0))

    @property
    def _default_tier(self) -> str | None:
        return getattr(self, "performance", None)


def _read(result: DuneResult, name: str, as_: Any, context: Context | None, options: Mapping[str, Any]) -> Any:
    if context:
        _add_metadata(context, export_metadata(name, [result.execution_id], None, None, result.credits))
    if as_ is None:
        return result

    def tell(export: Export) -> None:
        if context:
            figures = export_metadata(name, [result.execution_id], export.rows, export.bytes, result.credits)
            _add_metadata(context, figures)

    return result.read(as_, log=context.log if context else None, on_export=tell, **options)


def _add_metadata(context: ReadContext, metadata: Mapping[str, Any]) -> None:
    """Tell in the metadata of the asset that reads; an op, or several assets at once, have the log alone."""
    if not isinstance(context, dg.AssetExecutionContext):
        return
    try:
        keys = context.selected_asset_keys
    except dg.DagsterError:  # an asset that a test calls like a function
        return
    if len(keys) == 1:
        context.add_asset_metadata(metadata, next(iter(keys)))
