"""The catalog: the matviews and queries of an account or a folder, and what each of them reads.

Everything here is immutable and can be written as one JSON document. The SQL text is optional: what an object reads
is `deps`, which its author wrote down, and `references`, which were found in its SQL.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from dagster_dune.api.models import Performance
from dagster_dune.catalog.names import Reference, materialized_view_name
from dagster_dune.catalog.parameters import ParameterValue, QueryParameter, checked_values, plain_value
from dagster_dune.errors import DuneCatalogError

if TYPE_CHECKING:
    from dagster_dune.api.client import DuneApiClient
    from dagster_dune.catalog.graph import CatalogGraph


class DuneObject(BaseModel):
    """What matviews and queries have in common.

    Attributes:
        deps: Names that it reads, as DuneSQL writes them (``query_123``, ``dune.acme.result_x``, ``dex.trades``).
            Those of queries and matviews must be in the catalog, or in its `external`.
        references: Names found in the SQL, in the same words. Worked out from `sql` when left out.
        sql: Its DuneSQL, or None where that is not known.
        performance: The engine tier of its executions; the resource's, else the plan's default, if None.
        description: What it is, in Markdown.
        tags: Its tags on Dune.
        is_private: Whether only its owner may see it; None where that is not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    deps: tuple[str, ...] = ()
    references: tuple[str, ...] | None = None
    sql: str | None = None
    performance: Performance | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    is_private: bool | None = None

    @field_validator("deps", "references")
    @classmethod
    def _as_dunesql_names_them(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return names and tuple(sorted({Reference.parse(name).name for name in names}))

    @model_validator(mode="before")
    @classmethod
    def _references_from_sql(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and data.get("references") is None and isinstance(data.get("sql"), str):
            from dagster_dune.catalog.lineage import references  # noqa: PLC0415  (sqlglot is slow to import)

            return {**data, "references": tuple(reference.name for reference in references(data["sql"]))}
        return data

    @property
    def sql_name(self) -> str:
        """The name by which SQL reads this object, lower case."""
        raise NotImplementedError


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
    name: str
    query_id: int | None = Field(default=None, gt=0)

    @field_validator("name")
    @classmethod
    def _full_name(cls, name: str) -> str:
        return materialized_view_name(name)

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

    Raises:
        DuneCatalogError: A value is of the wrong type, or none of the declared parameters has its key.

    Examples:
        >>> Query(query_id=42, deps=["dune.acme.result_daily"], query_parameters={"Start Date": "2024-01-01"}).sql_name
        'query_42'
    """

    kind: Literal["query"] = "query"
    query_id: int = Field(gt=0)
    name: str | None = None
    slug: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_]+$")
    parameters: tuple[QueryParameter, ...] = ()
    query_parameters: Mapping[str, ParameterValue] = {}

    @field_validator("name")
    @classmethod
    def _not_empty(cls, name: str | None) -> str | None:
        if name is not None and not name.strip():
            raise DuneCatalogError("A query is given an empty name.", hint="Leave the name out, or write its title.")
        return name

    @field_validator("query_parameters")
    @classmethod
    def _as_json_holds_them(cls, values: Mapping[str, ParameterValue]) -> Mapping[str, ParameterValue]:
        return {key: plain_value(value) for key, value in values.items()}

    @model_validator(mode="after")
    def _values_fit(self) -> Query:
        checked_values(self.sql_name, self.parameters, self.query_parameters)
        return self

    @property
    def sql_name(self) -> str:
        """The name by which SQL reads it, as a view."""
        return f"query_{self.query_id}"


class DuneCatalog(BaseModel):
    """What exists on Dune, and what reads what.

    Attributes:
        materialized_views: The matviews.
        queries: The queries that are objects of their own.
        external: Matviews and queries of others that `deps` may name though they are not in this catalog.

    Raises:
        DuneCatalogError: A name stands twice, a dep is unknown, or objects read each other in a circle.

    Examples:
        >>> catalog = DuneCatalog(
        ...     materialized_views=[MaterializedView(name="dune.acme.result_daily", deps=["dex.trades"])],
        ...     queries=[Query(query_id=42, deps=["dune.acme.result_daily"])],
        ... )
        >>> [obj.sql_name for obj in catalog]
        ['dune.acme.result_daily', 'query_42']
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    materialized_views: tuple[MaterializedView, ...] = ()
    queries: tuple[Query, ...] = ()
    external: tuple[str, ...] = ()

    @classmethod
    def from_directory(cls, path: str | Path) -> DuneCatalog:
        """Read a folder of ``.sql`` files, each with a short header; see `dagster_dune.catalog.directory`."""
        from dagster_dune.catalog.directory import read_directory  # noqa: PLC0415  (it builds on this module)

        return read_directory(Path(path))

    @classmethod
    def from_api(cls, client: DuneApiClient) -> DuneCatalog:
        """Read every matview and query of an account; see `dagster_dune.catalog.discovery`."""
        from dagster_dune.catalog.discovery import discover  # noqa: PLC0415  (it builds on this module)

        return discover(client)

    @classmethod
    def merge(cls, folder: DuneCatalog, account: DuneCatalog) -> DuneCatalog:
        """Join what a folder says with what the account holds; see `dagster_dune.catalog.merging`."""
        from dagster_dune.catalog.merging import merged  # noqa: PLC0415  (it builds on this module)

        return merged(folder, account)

    def with_backing_queries(self) -> DuneCatalog:
        """Return this catalog with the query behind each matview as an object of its own."""
        listed = {query.query_id for query in self.queries}
        backing = [
            Query(query_id=matview.query_id, **matview.model_dump(include=set(DuneObject.model_fields)))
            for matview in self.materialized_views
            if matview.query_id and matview.query_id not in listed
        ]
        queries = (*self.queries, *backing)
        return DuneCatalog(materialized_views=self.materialized_views, queries=queries, external=self.external)

    @classmethod
    def from_json(cls, document: str | bytes) -> DuneCatalog:
        """Read the JSON document that `to_json` wrote.

        Raises:
            DuneCatalogError: It is not such a document.
        """
        try:
            return cls.model_validate_json(document)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the document"
            raise DuneCatalogError(f"This is no catalog document: {first['msg']} ({place}).") from error

    def to_json(self) -> str:
        """Write the catalog as one JSON document."""
        return self.model_dump_json(indent=2, exclude_defaults=True)

    @cached_property
    def content_hash(self) -> str:
        """A hash of everything in the catalog: 16 hexadecimal digits."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    @cached_property
    def graph(self) -> CatalogGraph:
        """What reads what."""
        from dagster_dune.catalog.graph import CatalogGraph  # noqa: PLC0415  (it builds on this module)

        return CatalogGraph(self.materialized_views, self.queries)

    @cached_property
    def _objects(self) -> dict[str, MaterializedView | Query]:
        objects: tuple[MaterializedView | Query, ...] = (*self.materialized_views, *self.queries)
        return {obj.sql_name: obj for obj in objects}

    def __iter__(self) -> Iterator[MaterializedView | Query]:  # type: ignore[override]  # a catalog is a collection
        return iter(self._objects.values())

    def __len__(self) -> int:
        return len(self._objects)

    def __contains__(self, sql_name: object) -> bool:
        return sql_name in self._objects

    def __getitem__(self, sql_name: str) -> MaterializedView | Query:
        try:
            return self._objects[sql_name]
        except KeyError:
            raise DuneCatalogError(f"The catalog holds no {sql_name!r}.") from None

    @model_validator(mode="after")
    def _consistent(self) -> DuneCatalog:
        seen = set[str]()
        for obj in (*self.materialized_views, *self.queries):
            if obj.sql_name in seen:
                raise DuneCatalogError(f"{obj.sql_name} stands twice in the catalog.", hint="Remove one of the two.")
            seen.add(obj.sql_name)
        known = seen | self.graph.backing_queries | {Reference.parse(name).name for name in self.external}
        for obj in self:
            self._check_deps(obj, known)
        self.graph.check_acyclic()
        return self

    @staticmethod
    def _check_deps(obj: MaterializedView | Query, known: set[str]) -> None:
        from difflib import get_close_matches  # noqa: PLC0415  (needed for an error alone)

        for dep in obj.deps:
            if dep in known or not Reference.parse(dep).kind.is_object:
                continue
            close = get_close_matches(dep, sorted(known), n=1)
            raise DuneCatalogError(
                f"{obj.sql_name} depends on {dep}, which is not in the catalog.",
                hint=(f"Did you mean {close[0]}? " if close else "")
                + "Add it to the catalog, or list it in external if it belongs to someone else.",
            )
