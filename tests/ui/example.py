"""The assets of the example project, and what requests say of them."""

import dagster as dg

from dune_project.definitions import defs

GRAPH = defs.resolve_asset_graph()
ALL = {key.path[-1] for key in GRAPH.materializable_asset_keys}
BY_DAY = dg.AssetKey(["dune", "largest_trades_4100051"])
WHOLE = ALL - {BY_DAY.path[-1]}
TABLES = {"/".join(key.path[1:]) for key in GRAPH.external_asset_keys}
GROUPS = ["sources", "staging", "marts", "reports"]  # as they read from left to right


def kinds(body):
    """What the nodes of a request do."""
    return [node.get("materialized_view_refresh") or node["query_execution"] for node in body["pipeline"]["nodes"]]
