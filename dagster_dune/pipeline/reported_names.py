"""What Dune's status answers call the nodes of a pipeline."""

from dagster_dune.api.models import NodeExecution, QueryExecution
from dagster_dune.catalog.names import normalised_name, query_name
from dagster_dune.pipeline.nodes import PlannedNode


def reported_name(execution: NodeExecution) -> str | None:
    """The name that stands beside what an answer says of a node; None where there is none."""
    if matview := execution.materialized_view_refresh_status:
        return normalised_name(matview.name) if matview.name else None
    query = execution.query_execution_status
    return query_name(query.query_id) if query and query.query_id else None


def names_of(node: PlannedNode) -> set[str]:
    """What Dune may call a node: it takes, and may write, a matview's name without its team."""
    name = normalised_name(node.sql_name)
    return {name, name.rpartition(".")[2]}


def is_of_another(name: str | None, node: PlannedNode) -> bool:
    """Whether a reported name is surely not a node's. A matview may have been renamed; a query keeps its id."""
    return name is not None and isinstance(node.target, QueryExecution) and name not in names_of(node)
