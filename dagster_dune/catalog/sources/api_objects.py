"""Converts the matviews and queries of API responses to objects of a catalog."""

from __future__ import annotations

from datetime import datetime
from typing import get_args

from dagster_dune.api.models import MaterializedViewInfo, Parameter, SavedQuery
from dagster_dune.catalog.objects import MaterializedView, Query
from dagster_dune.catalog.settings.parameters import ParameterType, QueryParameter, joined


def as_materialized_view(info: MaterializedViewInfo, backing: Query | None) -> MaterializedView:
    """Return the object of a listed matview, with the SQL and tags of its backing query unless that is None."""
    return MaterializedView(
        name=info.sql_id,
        query_id=info.query_id or None,
        sql=backing.sql if backing else None,
        references=backing.references if backing else None,
        view_parameters=backing.view_parameters if backing else {},
        fingerprint=backing.fingerprint if backing else None,
        updated_at=backing.updated_at if backing else None,
        is_confirmed=backing.is_confirmed if backing else None,
        description=(backing.description or backing.name) if backing else None,
        tags=backing.tags if backing else (),
        is_private=info.is_private,
    )


def as_query(saved: SavedQuery, slug: str | None, updated_at: datetime | None) -> Query:
    """Return the object of a query as the API returned it."""
    return Query(
        query_id=saved.query_id,
        name=(saved.name or "").strip() or None,
        slug=slug,
        parameters=tuple(_parameter(parameter) for parameter in saved.parameters or ()),
        sql=saved.query_sql,
        description=saved.description or None,
        tags=saved.tags or (),
        is_private=saved.is_private,
        updated_at=updated_at,
        is_confirmed=True,
    )


def _parameter(parameter: Parameter) -> QueryParameter:
    known_types: tuple[ParameterType, ...] = get_args(ParameterType)
    return QueryParameter(
        key=parameter.key,
        # A type that this library does not know is treated as text.
        type=next((known for known in known_types if known == parameter.type.lower()), "text"),
        default=joined(parameter.values) if parameter.values else parameter.value,
        options=parameter.enum_options or (),
        multiple=bool(parameter.is_multiselect),
        freeform=bool(parameter.is_freeform_allowed),
    )
