"""Datasets: every table that SQL can read, with its columns."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from dagster_dune.api.models.base import Counted, DuneModel, Lenient, Many, Moment, Number, Readable, Text
from dagster_dune.api.models.uploads import ColumnInfo, Owner


class Dataset(DuneModel):
    """A dataset, as listed or fetched.

    Attributes:
        full_name: The name in SQL, such as ``dex.trades``.
        type: ``transformation_view``, ``transformation_table``, ``uploaded_table``, ``decoded_table``, ``spell``,
            ``dune_table``, ``materialized_view``, or a type that Dune adds.
    """

    full_name: str
    type: Text = None
    columns: Lenient[Many[Readable[ColumnInfo]]] = ()
    owner: Lenient[Owner | None] = None
    metadata: Lenient[dict[str, Any] | None] = None
    is_private: Lenient[bool | None] = None
    created_at: Lenient[Moment | None] = None
    updated_at: Lenient[Moment | None] = None


class DatasetList(Counted):
    """One page of ``GET /v1/datasets``."""

    ITEMS = "datasets"

    datasets: Many[Readable[Dataset]] = ()


class FoundMetadata(DuneModel):
    """The metadata of a dataset that was found, and of the contract that it decodes."""

    page_rank_score: Lenient[Number | None] = None
    description: Lenient[str | None] = None
    abi_type: Lenient[str | None] = None
    contract_name: Lenient[str | None] = None
    project_name: Lenient[str | None] = None
    spell_type: Lenient[str | None] = None


class FoundDataset(DuneModel):
    """A dataset that a search has found.

    Attributes:
        full_name: The name in SQL.
        category: ``canonical``, ``decoded``, ``spell``, ``community``, or a category that Dune adds.
        table_schema: Its columns, as Dune sends them; only if they were asked for.
    """

    full_name: str
    category: Text = None
    dataset_type: Text = None
    blockchains: Lenient[Many[str]] = ()
    visibility: Lenient[str | None] = None
    owner_scope: Lenient[str | None] = None
    description: Lenient[str | None] = None
    table_schema: Any = Field(default=None, alias="schema")
    metadata: Lenient[FoundMetadata | None] = None


class Pagination(DuneModel):
    """The position of a page of a search, and whether there are more pages."""

    limit: Lenient[int | None] = None
    offset: Lenient[int | None] = None
    next_offset: int | None = None
    has_more: Lenient[bool | None] = None


class DatasetsFound(DuneModel):
    """One page of a search; `total` counts all pages."""

    results: Many[Readable[FoundDataset]] = ()
    total: Lenient[int | None] = None
    pagination: Pagination | None = None
