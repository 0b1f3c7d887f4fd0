"""The objects of a catalog: matviews and saved queries, all immutable, and their properties.

An object depends on its `deps`, which its author declared, and on its `references`, found in its SQL if that is known.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from dagster_dune.api.models.base import Performance
from dagster_dune.catalog.names import MAX_QUERY_ID, Reference, asset_key_parts, materialized_view_name, query_name
from dagster_dune.catalog.settings.automation import Automation, Freshness
from dagster_dune.catalog.settings.parameters import (
    ParameterValue,
    QueryParameter,
    plain_value,
)
from dagster_dune.catalog.settings.partitions import QueryPartitions
from dagster_dune.catalog.settings.query_values import check_query_values
from dagster_dune.errors import DuneCatalogError

logger = logging.getLogger(__name__)

MAX_KINDS = 8
OWNER = re.compile(r"team:\S.*|[^@\s]+@[^@\s]+\.[^@\s]+")


def _normalized_names(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({Reference.parse(name).name for name in names}))


def _normalized_deps(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({Reference.parse_written(name).name for name in names}))


def _checked_owners(owners: tuple[str, ...]) -> tuple[str, ...]:
    for owner in owners:
        if not OWNER.fullmatch(owner):
            raise DuneCatalogError(f"{owner!r} is no owner.", hint="Write a mail address, or team:<name>.")
    return owners


def _checked_title(title: str) -> str:
    if not title.strip():
        raise DuneCatalogError("A query is given an empty name.", hint="Leave the name out, or write its title.")
    return title


Names = Annotated[tuple[str, ...], AfterValidator(_normalized_names)]
Deps = Annotated[tuple[str, ...], AfterValidator(_normalized_deps)]
Owners = Annotated[tuple[str, ...], AfterValidator(_checked_owners)]
Kinds = Annotated[tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")], ...], Field(max_length=MAX_KINDS)]
Title = Annotated[str, AfterValidator(_checked_title)]
MatviewName = Annotated[str, AfterValidator(materialized_view_name)]


class SourceFile(BaseModel):
    """The file and line of an object's SQL.

    Attributes:
        path: The file.
        line: The line at which the SQL starts, counted from 1.
        code_line: The line of the first word outside of comments; None if it is not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    path: str
    line: int = 1
    code_line: int | None = None

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}"


class DuneObject(BaseModel):
    """The common properties of matviews and queries.

    Attributes:
        deps: Names that it reads, as DuneSQL writes them (``query_123``, ``dune.acme.result_x``, ``dex.trades``).
            Queries and matviews among them must be in the catalog, or in its `external`.
        references: Names found in the SQL, in the same form. Computed from `sql` if left out.
        sql: Its DuneSQL; None if it is not known.
        view_parameters: By the SQL name of each query view that the SQL passes values to, the values of each distinct
            call. Computed from `sql` together with `references`.
        performance: The engine tier of its executions. If None, the resource's tier, or else the plan's default.
        description: A description in Markdown.
        tags: Its tags on Dune.
        is_private: Whether only its owner may see it; None if that is not known.
        group: The asset group that it is shown in.
        owners: Its owners: mail addresses, or teams as ``team:dex``.
        kinds: Kinds that the UI shows in addition to ``dune`` and the kind of the object.
        automation: When Dagster runs it automatically; never if None.
        freshness: How old its latest materialization may become; any age if None.
        fingerprint: A hash of the SQL that comments and layout do not change. Computed from `sql` if left out.
        source: The file that its SQL was read from.
        updated_at: When its query was last changed on Dune, according to the account's list of queries.
        is_confirmed: Whether `sql` is the SQL on Dune: True if it is from the account, False if it is from a file and
            was not compared with the account, None if that is not known.
        differs: The first lines of a diff from `sql`, which Dune runs, to the SQL of its file; None if they agree.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    deps: Deps = ()
    references: Names | None = None
    sql: str | None = None
    view_parameters: Mapping[str, tuple[Mapping[str, str], ...]] = {}
    performance: Performance | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    is_private: bool | None = None
    group: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_]+$")
    owners: Owners = ()
    kinds: Kinds = ()
    automation: Automation | None = None
    freshness: Freshness | None = None
    fingerprint: str | None = None
    source: SourceFile | None = None
    updated_at: datetime | None = None
    is_confirmed: bool | None = None
    differs: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _parse_sql(cls, data: Any) -> Any:
        """Compute the fields that come from the SQL, unless they are given, as where an object is copied."""
        if not isinstance(data, Mapping) or not isinstance(sql := data.get("sql"), str):
            return data
        if data.get("references") is not None and data.get("fingerprint") is not None:
            return data
        from dagster_dune.catalog.sql.fingerprint import fingerprint_of  # noqa: PLC0415  (sqlglot is slow to import)
        from dagster_dune.catalog.sql.references import parse_references  # noqa: PLC0415
        from dagster_dune.catalog.sql.tokens import tokenized  # noqa: PLC0415

        tokens = tokenized(sql)
        found: dict[str, Any] = {"fingerprint": fingerprint_of(tokens, sql)}
        if data.get("references") is None:
            parsed = parse_references(tokens, sql)
            found["references"] = tuple(reference.name for reference in parsed.references)
            found["view_parameters"] = parsed.view_parameters
            if not parsed.is_exact:
                label = f"query {data.get('query_id') or ''} {data.get('name') or ''}"[:100].split()
                location = data.get("source") or " ".join(label)
                logger.warning(
                    "The SQL of %s cannot be parsed; what it reads may lack names. Add them to deps.", location
                )
        return {**data, **found}

    @property
    def sql_name(self) -> str:
        """The name by which SQL reads this object, lower case."""
        raise NotImplementedError

    @property
    def key_parts(self) -> tuple[str, ...]:
        """Its default asset key, which translators may change."""
        return asset_key_parts(self.sql_name)


class MaterializedView(DuneObject):
    """A materialized view: a table that Dune fills from its backing query when it is refreshed.

    Attributes:
        name: Its full name, ``dune.<team>.result_<name>``.
        query_id: The id of the backing query, which is part of the matview and not a separate object; None if unknown.

    Raises:
        DuneCatalogError: The name has another form, or there are parameters, which matviews do not take.

    Examples:
        >>> MaterializedView(name="dune.acme.result_daily", deps=["dex.trades"]).sql_name
        'dune.acme.result_daily'
    """

    kind: Literal["materialized_view"] = "materialized_view"
    name: MatviewName
    query_id: int | None = Field(default=None, gt=0, le=MAX_QUERY_ID)

    @model_validator(mode="before")
    @classmethod
    def _refuse_parameters(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and (data.get("parameters") or data.get("query_parameters")):
            raise DuneCatalogError(
                f"The materialized view {data.get('name')!r} is given parameters, but Dune refreshes matviews "
                "without any.",
                hint="Remove them, or make it a query.",
            )
        return data

    @property
    def sql_name(self) -> str:
        """The name by which SQL reads it."""
        return self.name.lower()

    @property
    def team(self) -> str:
        """The team that owns it."""
        return self.name.split(".")[1]


class Query(DuneObject):
    """A saved query.

    Attributes:
        query_id: Its id, as in ``https://dune.com/queries/<id>``.
        name: Its title on Dune.
        slug: The readable part of its asset key. It is stored, so that the key stays the same if the title changes.
        parameters: The parameters that it declares, if they are known.
        query_parameters: Values for the parameters of its executions. Other parameters have Dune's saved defaults.
        partitions: How its executions are divided; not at all if None.

    Raises:
        DuneCatalogError: A value has a wrong type or a key that is neither declared nor in the SQL, or its parameter
            also gets one from partitions.

    Examples:
        >>> Query(query_id=42, deps=["dune.acme.result_daily"], query_parameters={"Start Date": "2024-01-01"}).sql_name
        'query_42'
    """

    kind: Literal["query"] = "query"
    query_id: int = Field(gt=0, le=MAX_QUERY_ID)
    name: Title | None = None
    slug: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_]+$")
    parameters: tuple[QueryParameter, ...] = ()
    query_parameters: Mapping[str, ParameterValue] = {}
    partitions: QueryPartitions | None = None

    @field_validator("query_parameters")
    @classmethod
    def _plain_values(cls, values: Mapping[str, ParameterValue]) -> Mapping[str, ParameterValue]:
        return {key: plain_value(value) for key, value in values.items()}

    @model_validator(mode="after")
    def _check_values(self) -> Query:
        keys_in_sql = None
        if self.sql is not None and not self.parameters and (self.partitions or self.query_parameters):
            from dagster_dune.catalog.sql.references import parameter_keys  # noqa: PLC0415  (sqlglot is slow to import)

            keys_in_sql = parameter_keys(self.sql)
        check_query_values(self.sql_name, self.parameters, self.query_parameters, self.partitions, keys_in_sql)
        return self

    @property
    def sql_name(self) -> str:
        """The name by which SQL reads it, as a view."""
        return query_name(self.query_id)

    @property
    def key_parts(self) -> tuple[str, ...]:
        """Its default asset key, which translators may change. It contains the slug, if there is one."""
        return asset_key_parts(f"{self.slug}_{self.query_id}" if self.slug else self.sql_name)


class UnidentifiedQuery(DuneObject):
    """A query of a folder whose id is not known. It cannot run until its id is found in the account.

    Attributes:
        name: Its title on Dune.
        slug: The readable part of its asset key.
        parameters: The parameters it declares.
        query_parameters: Values for the parameters of its executions.
        partitions: How its executions are divided.
        candidates: The possible ids.
        why: Why none of the candidates was chosen; empty if there are none.
    """

    name: str | None = None
    slug: str | None = None
    parameters: tuple[QueryParameter, ...] = ()
    query_parameters: Mapping[str, ParameterValue] = {}
    partitions: QueryPartitions | None = None
    candidates: tuple[int, ...] = ()
    why: str = ""

    def identified(self, query_id: int) -> Query:
        """Return the query with this id.

        Raises:
            DuneCatalogError: Its values contradict its parameters.
        """
        fields = type(self).model_fields.keys() - {"candidates", "why"}
        return Query(query_id=query_id, **{field: getattr(self, field) for field in fields})
