"""An account on Dune as a catalog: its matviews, each joined with its backing query, and its other queries."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import get_args

from pydantic import ValidationError

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import (
    DuneApiError,
    DuneCreditsExhaustedError,
    DuneNotFoundError,
    DunePermissionError,
)
from dagster_dune.api.models import MaterializedViewInfo, Parameter, SavedQuery
from dagster_dune.catalog.models import DuneCatalog, MaterializedView, Query
from dagster_dune.catalog.names import slugify
from dagster_dune.catalog.parameters import ParameterType, QueryParameter
from dagster_dune.errors import DuneCatalogError

logger = logging.getLogger(__name__)


def discover(client: DuneApiClient) -> DuneCatalog:
    """Read every matview and query that the client's key can see.

    Backing queries are part of their matviews, archived queries are left out, and the names of other teams' objects in
    the SQL are references. What cannot be read is left out too, with a warning: a query that is forbidden or gone, and
    all of them where the plan has no query endpoints; matviews then come without SQL, so without lineage.

    Args:
        client: A client with a key of the account.

    Returns:
        The account's catalog.

    Raises:
        DuneApiError: Dune could not be reached, or refused the key.
        DuneCatalogError: The objects read each other in a circle.
    """
    matviews = {info.id.lower(): info for info in client.list_materialized_views()}.values()
    backing_ids = {info.query_id for info in matviews if info.query_id}
    saved = {query.query_id: query for query in _saved_queries(client, backing_ids)}
    return DuneCatalog(
        materialized_views=tuple(_materialized_views(matviews, saved)),
        queries=tuple(
            _query(query)
            for query_id, query in sorted(saved.items())
            if query_id not in backing_ids and not query.is_archived
        ),
    )


def _saved_queries(client: DuneApiClient, backing_ids: Iterable[int]) -> Iterator[SavedQuery]:
    """Read the account's queries, and the backing queries that its list may not show (an archived one, say)."""
    try:
        listed_ids = [overview.id for overview in client.list_queries()]
    except (DunePermissionError, DuneCreditsExhaustedError) as error:
        logger.warning("The account's queries cannot be read, so its matviews have no lineage. %s", error)
        return
    for query_id in sorted({*listed_ids, *backing_ids}):
        query = _saved_query(client, query_id)
        if query is not None:
            yield query


def _saved_query(client: DuneApiClient, query_id: int) -> SavedQuery | None:
    try:
        return client.get_query(query_id)
    except (DunePermissionError, DuneNotFoundError) as error:
        _warn_left_out(f"Query {query_id}", error)
        return None


def _materialized_views(
    infos: Iterable[MaterializedViewInfo], saved: dict[int, SavedQuery]
) -> Iterator[MaterializedView]:
    for info in sorted(infos, key=lambda info: info.id.lower()):
        backing = saved.get(info.query_id or 0)
        try:
            yield MaterializedView(
                name=info.id,
                query_id=info.query_id or None,
                sql=backing.query_sql if backing else None,
                description=(backing.description if backing else None) or None,
                tags=(backing.tags if backing else None) or (),
                is_private=info.is_private,
            )
        except (DuneCatalogError, ValidationError) as error:
            _warn_left_out(f"The materialized view {info.id!r}", error)


def _query(saved: SavedQuery) -> Query:
    title = (saved.name or "").strip()
    return Query(
        query_id=saved.query_id,
        name=title or None,
        slug=slugify(title.lower()),
        parameters=tuple(_parameter(parameter) for parameter in saved.parameters or ()),
        sql=saved.query_sql,
        description=saved.description or None,
        tags=saved.tags or (),
        is_private=saved.is_private,
    )


def _parameter(parameter: Parameter) -> QueryParameter:
    known_types: tuple[ParameterType, ...] = get_args(ParameterType)
    return QueryParameter(
        key=parameter.key,
        # A type that Dune adds one day takes any text until this library knows it.
        type=next((known for known in known_types if known == parameter.type.lower()), "text"),
        default=",".join(parameter.values) if parameter.values else parameter.value,
        options=parameter.enum_options or (),
        multiple=bool(parameter.is_multiselect),
    )


def _warn_left_out(what: str, error: DuneApiError | DuneCatalogError | ValidationError) -> None:
    logger.warning("%s is left out of the catalog. %s", what, error)
