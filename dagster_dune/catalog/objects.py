"""The objects of a catalog: matviews and saved queries, and what is known of each.

All are immutable. The SQL text is optional: what an object reads is `deps`, which its author wrote down, and
`references`, which were found in its SQL.
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
    check_keys,
    checked_values,
    plain_value,
)
from dagster_dune.catalog.settings.partitions import QueryPartitions
from dagster_dune.errors import DuneCatalogError

logger = logging.getLogger(__name__)

MAX_KINDS = 8
OWNER = re.compile(r"team:\S.*|[^@\s]+@[^@\s]+\.[^@\s]+")


def _as_dunesql_names_them(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({Reference.parse(name).name for name in names}))


def _as_dagster_takes_them(owners: tuple[str, ...]) -> tuple[str, ...]:
    for owner in owners:
        if not OWNER.fullmatch(owner):
            raise DuneCatalogError(f"{owner!r} is no owner.", hint="Write a mail address, or team:<name>.")
    return owners


def _not_empty(title: str) -> str:
    if not title.strip():
        raise DuneCatalogError("A query is given an empty name.", hint="Leave the name out, or write its title.")
    return title


Names = Annotated[tuple[str, ...], AfterValidator(_as_dunesql_names_them)]
Owners = Annotated[tuple[str, ...], AfterValidator(_as_dagster_takes_them)]
Kinds = Annotated[tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")], ...], Field(max_length=MAX_KINDS)]
Title = Annotated[str, AfterValidator(_not_empty)]
MatviewName = Annotated[str, AfterValidator(materialized_view_name)]


class SourceFile(BaseModel):
    """Where the SQL of an object stands.

    Attributes:
        path: The file.
        line: The line at which the SQL starts, counted from 1.
        code_line: The line at which its first word stands that is in no comment; None where that is not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    path: str
    line: int = 1
    code_line: int | None = None

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}"


class DuneObject(BaseModel):
    """What matviews and queries have in common.

    Attributes:
        deps: Names that it reads, as DuneSQL writes them (``query_123``, ``dune.acme.result_x``, ``dex.trades``).
            Those of queries and matviews must be in the catalog, or in its `external`.
        references: Names found in the SQL, in the same words. Worked out from `sql` when left out.
        sql: Its DuneSQL, or None where that is not known.
        view_parameters: By the SQL name of each query view that is given values in the SQL, those of each of its
            distinct calls. Worked out from `sql` together with `references`.
        performance: The engine tier of its executions; the resource's, else the plan's default, if None.
        description: What it is, in Markdown.
        tags: Its tags on Dune.
        is_private: Whether only its owner may see it; None where that is not known.
        group: The asset group that it is shown in.
        owners: Who answers for it: mail addresses, or teams as ``team:dex``.
        kinds: Kinds that the UI shows beside ``dune`` and its own.
        automation: When Dagster runs it by itself; never if None.
        freshness: How old its latest materialization may become; any age if None.
        fingerprint: A hash of the SQL that comments and layout do not change. Worked out from `sql` when left out.
        source: The file that its SQL was read from.
        updated_at: When its query was last changed on Dune, as the account's list of queries says.
        is_confirmed: Whether `sql` is what Dune has: True of an account's, False of a file's that was compared with
            none, None where nobody has asked.
        differs: The first lines of a diff from `sql`, which Dune runs, to that of its file; None where they agree.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    deps: Names = ()
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
    def _what_the_sql_says(cls, data: Any) -> Any:
        """Parse the SQL once, where an object is made of it: whoever passes an object on passes this on too."""
        if not isinstance(data, Mapping) or not isinstance(sql := data.get("sql"), str):
            return data
        if data.get("references") is not None and data.get("fingerprint") is not None:
            return data
        from dagster_dune.catalog.sql.fingerprint import fingerprint_of  # noqa: PLC0415  (sqlglot is slow to import)
        from dagster_dune.catalog.sql.references import reading  # noqa: PLC0415
        from dagster_dune.catalog.sql.tokens import tokenized  # noqa: PLC0415

        tokens = tokenized(sql)
        found: dict[str, Any] = {"fingerprint": fingerprint_of(tokens, sql)}
        if data.get("references") is None:
            read = reading(tokens, sql)
            found["references"] = tuple(reference.name for reference in read.references)
            found["view_parameters"] = read.view_parameters
            if not read.is_parsed:
                called = f"query {data.get('query_id') or ''} {data.get('name') or ''}"[:100].split()
                place = data.get("source") or " ".join(called)
                logger.warning("The SQL of %s cannot be parsed; what it reads may lack names. Add them to deps.", place)
        return {**data, **found}

    @property
    def sql_name(self) -> str:
        """The name by which SQL reads this object, lower case."""
        raise NotImplementedError

    @property
    def key_parts(self) -> tuple[str, ...]:
        """Its asset key, where no translator gives another."""
        return asset_key_parts(self.sql_name)


class MaterializedView(DuneObject):
    """A materialized view: a table that Dune fills from its backing query when it is refreshed.

    Attributes:
        name: Its full name, ``dune.<team>.result_<name>``.
        query_id: The backing query, or None where that is not known. It is part of the matview, no object of its own.

    Raises:
        DuneCatalogError: The name has another form, or parameters are given: a matview takes none.

    Examples:
        >>> MaterializedView(name="dune.acme.result_daily", deps=["dex.trades"]).sql_name
        'dune.acme.result_daily'
    """

    kind: Literal["materialized_view"] = "materialized_view"
    name: MatviewName
    query_id: int | None = Field(default=None, gt=0, le=MAX_QUERY_ID)

    @model_validator(mode="before")
    @classmethod
    def _no_parameters(cls, data: Any) -> Any:
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
        slug: The readable part of its asset key, pinned so that a new title on Dune loses no history.
        parameters: The parameters it declares, where known.
        query_parameters: The values that its executions are given; Dune's saved defaults apply to the rest.
        partitions: How its executions are divided; not at all if None.

    Raises:
        DuneCatalogError: A value is of the wrong type, none of the declared parameters has its key, or a parameter gets
            a value of its own beside that of its partition.

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
    def _as_json_holds_them(cls, values: Mapping[str, ParameterValue]) -> Mapping[str, ParameterValue]:
        return {key: plain_value(value) for key, value in values.items()}

    @model_validator(mode="after")
    def _values_fit(self) -> Query:
        checked_values(self.sql_name, self.parameters, self.query_parameters)
        if self.partitions:
            _check_partitions(self.sql_name, self.partitions, self.parameters, self.query_parameters)
        return self

    @property
    def sql_name(self) -> str:
        """The name by which SQL reads it, as a view."""
        return query_name(self.query_id)

    @property
    def key_parts(self) -> tuple[str, ...]:
        """Its asset key, where no translator gives another: with the slug, where it has one."""
        return asset_key_parts(f"{self.slug}_{self.query_id}" if self.slug else self.sql_name)


class UnidentifiedQuery(DuneObject):
    """A query of a folder whose id is not known: nothing can run it before its id is found in the account.

    Attributes:
        name: Its title on Dune.
        slug: The readable part of its asset key.
        parameters: The parameters it declares.
        query_parameters: The values that its executions are given.
        partitions: How its executions are divided.
        candidates: The ids that it could have.
        why: Why none of them is taken; empty where there are none.
    """

    name: str | None = None
    slug: str | None = None
    parameters: tuple[QueryParameter, ...] = ()
    query_parameters: Mapping[str, ParameterValue] = {}
    partitions: QueryPartitions | None = None
    candidates: tuple[int, ...] = ()
    why: str = ""

    def identified(self, query_id: int) -> Query:
        """Return the query that it is.

        Raises:
            DuneCatalogError: Its values contradict its parameters.
        """
        fields = type(self).model_fields.keys() - {"candidates", "why"}
        return Query(query_id=query_id, **{field: getattr(self, field) for field in fields})


def _check_partitions(
    name: str,
    partitions: QueryPartitions,
    parameters: tuple[QueryParameter, ...],
    values: Mapping[str, ParameterValue],
) -> None:
    """Try the partitions' templates on the parameters that the query declares."""
    for key in partitions.parameters:
        if key in values:
            raise DuneCatalogError(
                f"The parameter {key!r} of {name} gets its value from the partition, and another one beside it.",
                hint="Remove it from query_parameters.",
            )
    check_keys(name, parameters, partitions.parameters)
    for sample in partitions.samples():
        checked_values(name, parameters, partitions.values_of(sample))
