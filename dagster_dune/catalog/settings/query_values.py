"""Checks what a query's parameters are given, by itself and by its partitions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches

from dagster_dune.catalog.settings.parameters import ParameterValue, QueryParameter, check_keys, checked_values
from dagster_dune.catalog.settings.partitions import QueryPartitions
from dagster_dune.errors import DuneCatalogError


def check_query_values(
    name: str,
    parameters: Sequence[QueryParameter],
    values: Mapping[str, ParameterValue],
    partitions: QueryPartitions | None,
    keys_in_sql: Collection[str] | None,
) -> None:
    """Check the values of a query, and those of sample partitions.

    Args:
        name: The query's name, for messages.
        parameters: The parameters that it declares; empty if they are not known.
        values: The values for its executions.
        partitions: The partitions, which give values, too.
        keys_in_sql: The keys of the parameters in the SQL; None if it is not known.

    Raises:
        DuneCatalogError: A value has a wrong type, or its parameter is not declared, is not in the SQL, is declared
            twice, or has several values.
    """
    declared = [parameter.key for parameter in parameters]
    if twice := next((key for key in declared if declared.count(key) > 1), None):
        raise DuneCatalogError(f"{name} declares the parameter {twice!r} twice.", hint="Keep one of them.")
    by_partition = partitions.parameters if partitions else {}
    for key in by_partition:
        if key in values:
            raise DuneCatalogError(
                f"The parameter {key!r} of {name} gets its value from the partition, and another one beside it.",
                hint="Remove it from query_parameters.",
            )
    if keys_in_sql is not None:
        for key in [*by_partition, *values]:
            check_in_sql(f"{name} gives", key, keys_in_sql)
    check_keys(name, parameters, by_partition)
    checked_values(name, parameters, values)
    if partitions:
        for sample in partitions.samples():
            checked_values(name, parameters, partitions.values_of(sample))


def check_in_sql(what: str, key: str, keys_in_sql: Collection[str]) -> None:
    """Check that SQL has a parameter, without which each execution would be the same.

    Args:
        what: What names the parameter, for the message.
        key: The key of the parameter.
        keys_in_sql: The keys of the parameters in the SQL.

    Raises:
        DuneCatalogError: The SQL has no such parameter.
    """
    if key not in keys_in_sql:
        close = get_close_matches(key, keys_in_sql, n=1)
        raise DuneCatalogError(
            f"{what} a parameter {key!r}, but the SQL has no {{{{{key}}}}}.",
            hint=f"Did you mean {close[0]!r}?" if close else "Remove it, or use it in the SQL.",
        )
