"""Names of nodes in Dune's status answers, and whether they can be those of planned nodes."""

from dagster_dune.api.models import NodeExecution, QueryExecution
from dagster_dune.catalog.names import normalised_name, query_name
from dagster_dune.pipeline.nodes import PlannedNode


def reported_name(execution: NodeExecution) -> str | None:
    """Return the name of a node in an answer; None if it has none."""
    if matview := execution.materialized_view_refresh_status:
        return normalised_name(matview.name) if matview.name else None
    query = execution.query_execution_status
    return query_name(query.query_id) if query and query.query_id else None


def names_of(node: PlannedNode) -> set[str]:
    """Return the names that a node may have in answers, since Dune also accepts names of matviews without the team."""
    name = normalised_name(node.sql_name)
    return {name, name.rpartition(".")[2]}


def is_of_another(name: str | None, node: PlannedNode) -> bool:
    """Return whether a reported name is certainly another node's. Matviews can be renamed; queries keep their ids."""
    return name is not None and isinstance(node.target, QueryExecution) and name not in names_of(node)
