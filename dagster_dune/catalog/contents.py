"""The contents of a catalog: matviews, queries and their dependencies. Immutable, and stored as one JSON document."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cached_property
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from dagster_dune.catalog.graph import CatalogGraph
from dagster_dune.catalog.names import Reference, query_id_of
from dagster_dune.catalog.objects import MaterializedView, Query, UnidentifiedQuery
from dagster_dune.catalog.settings.checks import DuneCheck, check_consistent
from dagster_dune.errors import DuneCatalogError

DOCUMENT_VERSION = 1
PROVENANCE = {"source", "updated_at", "is_confirmed", "differs"}
PULL_AGAIN = "Write it again: dagster-dune catalog pull -o FILE."


class CatalogContents(BaseModel):
    """The objects of a catalog and their dependencies; `DuneCatalog` adds the methods that read them from a source.

    Attributes:
        materialized_views: The matviews.
        queries: The queries, except those that only back a matview.
        external: Matviews and queries of other teams, which `deps` may name although they are not in this catalog.
        unidentified: Queries of a folder whose ids are not known. They are not objects of the catalog; `merge` finds
            their ids in the account.
        not_taken: The ids of the account's other queries, which are not in the catalog; None if they are not known.
        checks: The checks of the objects. The query of a check is one of the `queries`, and does not become an asset.
        unresolved_checks: Checks of a folder whose assets are not in the catalog. They never run; `merge` finds their
            assets in the account.

    Raises:
        DuneCatalogError: Two objects have the same name, a dep is unknown, objects read each other in a circle, the
            asset of a check is not in the catalog, or a check contradicts another one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    materialized_views: tuple[MaterializedView, ...] = ()
    queries: tuple[Query, ...] = ()
    external: tuple[str, ...] = ()
    unidentified: tuple[UnidentifiedQuery, ...] = ()
    not_taken: tuple[int, ...] | None = None
    checks: tuple[DuneCheck, ...] = ()
    unresolved_checks: tuple[DuneCheck, ...] = ()

    @classmethod
    def from_json(cls, document: str | bytes) -> Self:
        """Read the JSON document that `to_json` wrote.

        Raises:
            DuneCatalogError: The text is not a document that `to_json` wrote, or of another version.
        """
        try:
            data = json.loads(document)
            # JSON can contain single surrogates, which cannot be encoded for a file or a hash.
            json.dumps(data, ensure_ascii=False).encode()
        except RecursionError as error:
            raise DuneCatalogError("This is no catalog document: it is nested too deeply.", hint=PULL_AGAIN) from error
        except ValueError as error:
            raise DuneCatalogError(f"This is no catalog document: it is no JSON ({error}).", hint=PULL_AGAIN) from error
        if not isinstance(data, dict):
            raise DuneCatalogError("This is no catalog document: it is no JSON object.", hint=PULL_AGAIN)
        version = data.pop("version", None)
        if version != DOCUMENT_VERSION:
            description = "says no version" if version is None else f"is of version {version!r}"
            raise DuneCatalogError(
                f"This catalog document {description}; this dagster-dune reads version {DOCUMENT_VERSION}.",
                hint=PULL_AGAIN,
            )
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            location = ".".join(str(part) for part in first["loc"]) or "the document"
            raise DuneCatalogError(
                f"This is no catalog document: {first['msg']} ({location}).", hint=PULL_AGAIN
            ) from error

    def to_json(self) -> str:
        """Return the catalog as one JSON document."""
        data = {"version": DOCUMENT_VERSION, **self.model_dump(mode="json", exclude_defaults=True)}
        return json.dumps(data, indent=2, ensure_ascii=False)

    @cached_property
    def content_hash(self) -> str:
        """A hash of the objects, without their `PROVENANCE`, and of the rest except `unidentified` and `not_taken`."""
        provenance = {"__all__": PROVENANCE}
        content = self.model_dump_json(
            exclude={"materialized_views": provenance, "queries": provenance, "unidentified": True, "not_taken": True}
        )
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @cached_property
    def graph(self) -> CatalogGraph:
        """The dependency graph of the objects."""
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
    def _check_consistent(self) -> Self:
        seen = set[str]()
        for obj in (*self.materialized_views, *self.queries):
            if obj.sql_name in seen:
                raise DuneCatalogError(f"{obj.sql_name} stands twice in the catalog.", hint="Remove one of the two.")
            seen.add(obj.sql_name)
        known = seen | self.graph.backing_queries | {Reference.parse(name).name for name in self.external}
        for obj in self:
            self._check_deps(obj, known)
        self.graph.topological_order()  # raises an error if there is a circle
        check_consistent(self.checks, seen, known - seen, self.graph.backed)
        return self

    @property
    def check_queries(self) -> frozenset[str]:
        """The SQL names of the queries that are checks."""
        checks = (*self.checks, *self.unresolved_checks)
        return frozenset(check.sql_name for check in checks if check.sql_name)

    @staticmethod
    def _check_deps(obj: MaterializedView | Query, known: set[str]) -> None:
        from difflib import get_close_matches  # noqa: PLC0415  (needed for an error alone)

        for dep in obj.deps:
            if dep in known or not Reference.parse(dep).kind.is_object:
                continue
            # Similar ids do not mean similar queries.
            names = sorted(known - {obj.sql_name}) if query_id_of(dep) is None else []
            close = get_close_matches(dep, names, n=1, cutoff=0.85)
            raise DuneCatalogError(
                f"{obj.sql_name} depends on {dep}, which is not in the catalog.",
                hint=(f"Did you mean {close[0]}? " if close else "")
                + "Add it to the catalog, or list it in external if it belongs to someone else.",
            )
