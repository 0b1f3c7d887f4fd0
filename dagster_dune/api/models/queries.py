"""Saved queries and their parameters."""

from __future__ import annotations

from pydantic import Field

from dagster_dune.api.models.base import Counted, DuneModel, Lenient, Many, Moment, Readable, Text


class Parameter(DuneModel):
    """A parameter of a saved query, with Dune's saved default in `value` (`values` if several are allowed)."""

    key: str
    type: Lenient[str] = "text"
    value: Text = None
    values: Lenient[tuple[str, ...] | None] = None
    enum_options: Lenient[tuple[str, ...] | None] = Field(default=None, alias="enumOptions")
    is_freeform_allowed: Lenient[bool | None] = Field(default=None, alias="isFreeformAllowed")
    is_multiselect: Lenient[bool | None] = Field(default=None, alias="isMultiselect")
    description: Lenient[str | None] = None


class SavedQuery(DuneModel):
    """The answer of ``GET /v1/query/{id}``."""

    query_id: int
    query_sql: Lenient[str | None] = None
    name: Lenient[str | None] = None
    description: Lenient[str | None] = None
    tags: Lenient[tuple[str, ...] | None] = None
    parameters: tuple[Readable[Parameter], ...] | None = None
    query_engine: Lenient[str | None] = None
    version: Lenient[int | None] = None
    owner: Lenient[str | None] = None
    is_private: Lenient[bool | None] = None
    is_archived: Lenient[bool | None] = None
    is_unsaved: Lenient[bool | None] = None
    is_temp: Lenient[bool | None] = None


class QueryOverview(DuneModel):
    """One row of ``GET /v1/queries``."""

    id: int
    name: Lenient[str | None] = None
    description: Lenient[str | None] = None
    owner: Lenient[str | None] = None
    tags: Lenient[tuple[str, ...] | None] = None
    created_at: Lenient[Moment | None] = None
    updated_at: Lenient[Moment | None] = None


class QueryList(Counted):
    """One page of ``GET /v1/queries``."""

    ITEMS = "queries"

    queries: Many[Readable[QueryOverview]] = ()


class QueryWritten(DuneModel):
    """The answer to the creation or the change of a query."""

    query_id: int
