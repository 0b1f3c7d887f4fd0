"""What a folder says and what the account holds, as one catalog.

The account knows what is: SQL, lineage, parameters, titles, which query backs which matview. The folder knows what is
wanted: engine tiers, values for parameters, asset names, words for people.
"""

from __future__ import annotations

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

    Objects of one side alone are kept as they are. Of an object on both sides

    - the SQL with its references, the declared parameters, the title, the backing query and the privacy are the
      account's, where the account knows them;
    - the performance, the description, the tags, the slug, the group, the owners, the kinds, the partitions, the
      automation, the freshness and the values of parameters are the folder's, where the folder gives them;
    - the deps are those of both,
    - where both know the SQL and differ, `differs` shows it.

    A query that backs a matview of the other side becomes part of that matview. A query of the folder whose id is not
    known is the account's object with the same SQL, if there is exactly one, or the only one of its candidates that the
    account has; otherwise it stays `unidentified`. Left out are objects that contradict each other once they are
    joined: a value for a parameter that the account's query does not declare, values for a query that backs a matview,
    a circle.

    Args:
        folder: What `DuneCatalog.from_directory` read, or what was written out in Python.
        account: What `DuneCatalog.from_api` read.
        left_out: Where to say what is left out; a warning each if None.

    Returns:
        A catalog with every other object of the two.

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
            said: MaterializedView | Query = folder_queries.pop(query_id)
            known: MaterializedView | Query = matview
        elif name not in account and query_id in account_queries:
            said, known = matview, account_queries.pop(query_id)
        else:
            continue
        joined[name] = None
        with left_out.if_wrong(str(said.source or ""), [name]):
            joined[name] = _matview(said, known, matview)
    for query_id, query in folder_queries.items():
        if saved := account_queries.pop(query_id, None):
            with left_out.if_wrong(str(query.source or ""), [query.sql_name]):
                account_queries[query_id] = _query(query, saved)
        else:
            account_queries[query_id] = query
    kept: dict[str, MaterializedView | None] = {**matviews, **joined}
    return consistent(
        [obj for name in sorted(kept) if (obj := kept[name])],
        [account_queries[query_id] for query_id in sorted(account_queries)],
        external=sorted({*folder.external, *account.external}),
        unidentified=unidentified,
        checks=_checks(folder, account),
        left_out=left_out,
    ).model_copy(update={"not_taken": account.not_taken})


def _checks(folder: CatalogContents, account: CatalogContents) -> tuple[DuneCheck, ...]:
    """The checks of both; where both have one of a name, or say what a query checks, the folder's."""
    names = {(check.asset, check.name) for check in folder.checks}
    queries = {check.query_id for check in folder.checks} - {None}
    others = [c for c in account.checks if (c.asset, c.name) not in names and c.query_id not in queries]
    return tuple(sorted([*folder.checks, *others], key=lambda check: (check.asset, check.name)))


def _identified(
    folder: CatalogContents, account: CatalogContents, left_out: LeftOut
) -> tuple[list[Query], list[UnidentifiedQuery]]:
    """Find the ids of the folder's queries by their SQL; no id is given to two of them."""
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
            with left_out.if_wrong(place_of(query), [query_name(query_id)]):
                identified.append(query.identified(query_id))
        else:
            unidentified.append(query)
    return identified, unidentified


def _joined_matviews(
    folder: CatalogContents, account: CatalogContents, left_out: LeftOut
) -> dict[str, MaterializedView]:
    matviews = {matview.sql_name: matview for matview in account.materialized_views}
    for matview in folder.materialized_views:
        known = matviews.pop(matview.sql_name, None)
        with left_out.if_wrong(str(matview.source or ""), [matview.sql_name]):
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
        "is_confirmed": with_sql.is_confirmed,
        "differs": difference(said, known) if said.sql is not None else known.differs,
    }
