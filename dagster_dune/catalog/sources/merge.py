"""What a folder says and what the account holds, as one catalog.

The account knows what is: SQL, lineage, parameters, titles, which query backs which matview. The folder knows what is
wanted: engine tiers, values for parameters, asset names, words for people.
"""

from __future__ import annotations

from typing import Any

from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.objects import DuneObject, MaterializedView, Query, UnidentifiedQuery
from dagster_dune.errors import DuneCatalogError


def merged(folder: CatalogContents, account: CatalogContents) -> CatalogContents:
    """Join two catalogs, object by object.

    Objects of one side alone are kept as they are. Of an object on both sides

    - the SQL with its references, the declared parameters, the title, the backing query and the privacy are the
      account's, where the account knows them;
    - the performance, the description, the tags, the slug, the group, the owners, the kinds, the partitions, the
      automation, the freshness and the values of parameters are the folder's, where the folder gives them;
    - the deps are those of both.

    A query that backs a matview of the other side becomes part of that matview. A query of the folder whose id is not
    known is the account's object with the same SQL, if there is exactly one; otherwise it stays `unidentified`.

    Args:
        folder: What `DuneCatalog.from_directory` read, or what was written out in Python.
        account: What `DuneCatalog.from_api` read.

    Returns:
        A catalog with every object of the two.

    Raises:
        DuneCatalogError: The joined objects contradict each other: a value for a parameter that the account's query
            does not declare, values for a query that backs a matview, a circle.

    Examples:
        >>> from dagster_dune import DuneCatalog, Query
        >>> folder = DuneCatalog(queries=[Query(query_id=42, slug="volume", performance="large")])
        >>> account = DuneCatalog(queries=[Query(query_id=42, name="DEX volume", slug="dex_volume")])
        >>> query = merged(folder, account)["query_42"]
        >>> query.slug, query.name, query.performance
        ('volume', 'DEX volume', 'large')
    """
    matviews = _joined_matviews(folder, account)
    identified, unidentified = _identified(folder, account)
    folder_queries = {query.query_id: query for query in (*folder.queries, *identified)}
    account_queries = {query.query_id: query for query in account.queries}
    for name, matview in matviews.items():
        query_id = matview.query_id or 0
        if name in account and query_id in folder_queries:
            matviews[name] = _matview(folder_queries.pop(query_id), matview, matview)
        elif name not in account and query_id in account_queries:
            matviews[name] = _matview(matview, account_queries.pop(query_id), matview)
    for query_id, query in folder_queries.items():
        known = account_queries.get(query_id)
        account_queries[query_id] = _query(query, known) if known else query
    return CatalogContents(
        materialized_views=tuple(matviews[name] for name in sorted(matviews)),
        queries=tuple(account_queries[query_id] for query_id in sorted(account_queries)),
        external=tuple(sorted({*folder.external, *account.external})),
        unidentified=tuple(unidentified),
    )


def _identified(folder: CatalogContents, account: CatalogContents) -> tuple[list[Query], list[UnidentifiedQuery]]:
    """Find the ids of the folder's queries by their SQL; no id is given to two of them."""
    ids: dict[str, set[int]] = {}
    for obj in account:
        if obj.fingerprint and obj.query_id:
            ids.setdefault(obj.fingerprint, set()).add(obj.query_id)
    taken = {obj.query_id for obj in folder}
    identified, unidentified = [], []
    for query in folder.unidentified:
        candidates = ids.get(query.fingerprint or "", set()) - taken
        if len(candidates) == 1:
            query_id = candidates.pop()
            taken.add(query_id)
            identified.append(query.identified(query_id))
        else:
            unidentified.append(query)
    return identified, unidentified


def _joined_matviews(folder: CatalogContents, account: CatalogContents) -> dict[str, MaterializedView]:
    matviews = {matview.sql_name: matview for matview in account.materialized_views}
    for matview in folder.materialized_views:
        known = matviews.get(matview.sql_name)
        matviews[matview.sql_name] = _matview(matview, known, known) if known else matview
    return matviews


def _matview(
    said: MaterializedView | Query, known: MaterializedView | Query, matview: MaterializedView
) -> MaterializedView:
    """Join what the folder says with what the account knows of one matview, where one of them may be its query."""
    for query in (said, known):
        if isinstance(query, Query) and query.query_parameters:
            raise DuneCatalogError(
                f"{query.sql_name} is given parameters, but it backs {matview.name}: Dune refreshes that without any.",
                hint="Remove the values.",
            )
    query_id = matview.query_id or said.query_id
    return MaterializedView(name=matview.name, query_id=query_id, **_common(said, known))


def _query(said: Query, known: Query) -> Query:
    return Query(
        query_id=known.query_id,
        name=known.name or said.name,
        slug=said.slug or known.slug,
        parameters=known.parameters or said.parameters,
        query_parameters={**known.query_parameters, **said.query_parameters},
        partitions=said.partitions or known.partitions,
        **_common(said, known),
    )


def _common(said: DuneObject, known: DuneObject) -> dict[str, Any]:
    with_sql = said if known.sql is None and known.references is None else known
    return {
        "deps": (*said.deps, *known.deps),
        "sql": with_sql.sql,
        "references": with_sql.references,
        "view_parameters": with_sql.view_parameters,
        "fingerprint": with_sql.fingerprint,
        "performance": said.performance or known.performance,
        "description": said.description or known.description,
        "tags": said.tags or known.tags,
        "is_private": said.is_private if known.is_private is None else known.is_private,
        "group": said.group or known.group,
        "owners": said.owners or known.owners,
        "kinds": said.kinds or known.kinds,
        "automation": said.automation or known.automation,
        "freshness": said.freshness or known.freshness,
        "source": said.source or known.source,
        "updated_at": known.updated_at or said.updated_at,
    }
