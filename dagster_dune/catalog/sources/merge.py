"""Merges the catalogs of a folder and of an account.

The account determines the state on Dune: the SQL, the lineage, the parameters, the titles and the backing queries. The
folder determines the settings for Dagster: engine tiers, values for parameters, asset names and descriptions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.names import query_name
from dagster_dune.catalog.objects import DuneObject, MaterializedView, Query, UnidentifiedQuery
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.catalog.sources.differences import difference, owned_ids
from dagster_dune.catalog.sources.left_out import LeftOut, consistent, place_of
from dagster_dune.errors import DuneCatalogError


def merged(folder: CatalogContents, account: CatalogContents, *, left_out: LeftOut | None = None) -> CatalogContents:
    """Join two catalogs, object by object.

    Objects that are only on one side stay unchanged. Of an object on both sides

    - the SQL with its references, the declared parameters, the title, the backing query and the privacy are the
      account's, if the account has them;
    - the performance, the description, the tags, the slug, the group, the owners, the kinds, the partitions, the
      automation, the freshness and the values of parameters are the folder's, if the folder has them;
    - the deps are those of both,
    - `differs` shows the difference if both have SQL and it differs.

    A query that backs a matview of the other side becomes part of that matview. A query of the folder whose id is not
    known is the account's object with the same SQL, if there is exactly one, or the only one of its candidates that the
    account has; otherwise it stays `unidentified`. Left out are objects that contradict each other once they are
    joined: a value for a parameter that the account's query does not declare, values for a query that backs a matview,
    a circle. The folder's checks of what only the account has are checks of that.

    Args:
        folder: The catalog that `DuneCatalog.from_directory` returned, or one that was written in Python.
        account: The catalog that `DuneCatalog.from_api` returned.
        left_out: Records what is left out; each is a warning if None.

    Returns:
        A catalog with all other objects of both.

    Examples:
        >>> from dagster_dune import DuneCatalog, Query
        >>> folder = DuneCatalog(queries=[Query(query_id=42, slug="volume", performance="large")])
        >>> account = DuneCatalog(queries=[Query(query_id=42, name="DEX volume", slug="dex_volume")])
        >>> query = merged(folder, account)["query_42"]
        >>> query.slug, query.name, query.performance
        ('volume', 'DEX volume', 'large')
    """
    left_out = left_out or LeftOut()
    matviews = _joined_matviews(folder, account, left_out)
    identified, unidentified = _identified(folder, account, left_out)
    folder_queries = {query.query_id: query for query in (*folder.queries, *identified)}
    account_queries = {query.query_id: query for query in account.queries}
    joined: dict[str, MaterializedView | None] = {}
    for name, matview in matviews.items():
        query_id = matview.query_id or 0
        if name in account and query_id in folder_queries:
            local: MaterializedView | Query = folder_queries.pop(query_id)
            remote: MaterializedView | Query = matview
        elif name not in account and query_id in account_queries:
            local, remote = matview, account_queries.pop(query_id)
        else:
            continue
        joined[name] = None
        with left_out.catching(str(local.source or ""), [name]):
            joined[name] = _matview(local, remote, matview)
    for query_id, query in folder_queries.items():
        if saved := account_queries.pop(query_id, None):
            with left_out.catching(str(query.source or ""), [query.sql_name]):
                account_queries[query_id] = _query(query, saved)
        else:
            account_queries[query_id] = query
    kept: dict[str, MaterializedView | None] = {**matviews, **joined}
    checks = (*folder.checks, *folder.unresolved_checks)
    catalog = consistent(
        [obj for name in sorted(kept) if (obj := kept[name])],
        [account_queries[query_id] for query_id in sorted(account_queries)],
        external=sorted({*folder.external, *account.external}),
        unidentified=unidentified,
        checks=sorted(checks, key=_asset_and_name),
        tag_checks=sorted(_other_checks(account, checks), key=_asset_and_name),
        left_out=left_out,
    )
    all_checks = tuple(sorted(catalog.checks, key=_asset_and_name))
    return catalog.model_copy(update={"not_taken": account.not_taken, "checks": all_checks})


def _other_checks(account: CatalogContents, checks: Collection[DuneCheck]) -> Iterator[DuneCheck]:
    """Yield the account's checks, except those with the asset and name, or the query, of one of the folder's checks."""
    names = {_asset_and_name(check) for check in checks}
    queries = {check.query_id for check in checks} - {None}
    for check in account.checks:
        if _asset_and_name(check) not in names and check.query_id not in queries:
            yield check


def _asset_and_name(check: DuneCheck) -> tuple[str, str]:
    return check.asset, check.name


def _identified(
    folder: CatalogContents, account: CatalogContents, left_out: LeftOut
) -> tuple[list[Query], list[UnidentifiedQuery]]:
    """Find the ids of the folder's unidentified queries by SQL or among their candidates, each id at most once."""
    ids: dict[str, set[int]] = {}
    for obj in account:
        if obj.fingerprint and obj.query_id:
            ids.setdefault(obj.fingerprint, set()).add(obj.query_id)
    taken = {obj.query_id for obj in folder}
    owned = owned_ids(account) or set()
    identified, unidentified = [], []
    for query in folder.unidentified:
        same_sql = ids.get(query.fingerprint or "", set()) - taken
        candidates = same_sql or {*query.candidates} & owned - taken
        if len(candidates) == 1:
            query_id = candidates.pop()
            taken.add(query_id)
            with left_out.catching(place_of(query), [query_name(query_id)]):
                identified.append(query.identified(query_id))
        else:
            unidentified.append(query)
    return identified, unidentified


def _joined_matviews(
    folder: CatalogContents, account: CatalogContents, left_out: LeftOut
) -> dict[str, MaterializedView]:
    matviews = {matview.sql_name: matview for matview in account.materialized_views}
    for matview in folder.materialized_views:
        remote = matviews.pop(matview.sql_name, None)
        with left_out.catching(str(matview.source or ""), [matview.sql_name]):
            matviews[matview.sql_name] = _matview(matview, remote, remote) if remote else matview
    return matviews


def _matview(
    local: MaterializedView | Query, remote: MaterializedView | Query, matview: MaterializedView
) -> MaterializedView:
    """Join a matview of the folder and of the account. One of the two may be its backing query instead."""
    for query in (local, remote):
        if isinstance(query, Query) and query.query_parameters:
            raise DuneCatalogError(
                f"{query.sql_name} is given parameters, but it backs {matview.name}: Dune refreshes that without any.",
                hint="Remove the values.",
            )
    query_id = matview.query_id or local.query_id
    return MaterializedView(name=matview.name, query_id=query_id, **_common(local, remote))


def _query(local: Query, remote: Query) -> Query:
    return Query(
        query_id=remote.query_id,
        name=remote.name or local.name,
        slug=local.slug or remote.slug,
        parameters=remote.parameters or local.parameters,
        query_parameters={**remote.query_parameters, **local.query_parameters},
        partitions=local.partitions or remote.partitions,
        **_common(local, remote),
    )


def _common(local: DuneObject, remote: DuneObject) -> dict[str, Any]:
    with_sql = local if remote.sql is None and remote.references is None else remote
    return {
        "deps": (*local.deps, *remote.deps),
        "sql": with_sql.sql,
        "references": with_sql.references,
        "view_parameters": with_sql.view_parameters,
        "fingerprint": with_sql.fingerprint,
        "performance": local.performance or remote.performance,
        "description": local.description or remote.description,
        "tags": local.tags or remote.tags,
        "is_private": local.is_private if remote.is_private is None else remote.is_private,
        "group": local.group or remote.group,
        "owners": local.owners or remote.owners,
        "kinds": local.kinds or remote.kinds,
        "automation": local.automation or remote.automation,
        "freshness": local.freshness or remote.freshness,
        "source": local.source or remote.source,
        "updated_at": remote.updated_at or local.updated_at,
        "is_confirmed": with_sql.is_confirmed,
        "differs": difference(local, remote) if local.sql is not None else remote.differs,
    }
