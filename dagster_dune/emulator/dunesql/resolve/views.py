"""Inlines query views: ``query_123`` and ``"query_123(chain='base')"`` are replaced by the saved query.

Each distinct view becomes one common table expression at the beginning of the statement, however often it is read, so
that the size of the statement is linear in the number of views. See
https://docs.dune.com/query-engine/query-a-query.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from dagster_dune.emulator.dunesql.parse.parameters import substitute
from dagster_dune.emulator.dunesql.parse.parser import parse
from dagster_dune.emulator.dunesql.parse.positions import VIEW, error_at
from dagster_dune.emulator.dunesql.resolve.names import CteNames
from dagster_dune.emulator.sql_errors import SqlError

_VIEW = re.compile(r"query_(?P<id>[1-9][0-9]*)(?:\((?P<arguments>.*)\))?", re.IGNORECASE | re.DOTALL)
_ARGUMENT = re.compile(
    r"\s*(?P<key>[^='\",]+?)\s*=\s*(?:'(?P<text>(?:[^']|'')*)'|(?P<bare>[^',\s][^',]*?))\s*(?:,|$)", re.DOTALL
)


@dataclass(frozen=True)
class View:
    """A saved query that other queries read as a view.

    Attributes:
        sql: The text.
        parameters: The saved values of its parameters.
    """

    sql: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def inline_views(statement: exp.Query, views: Callable[[int], View | None]) -> exp.Query:
    """Inline all query views that a statement reads, directly or through others.

    Args:
        statement: A query.
        views: Returns the saved query with an id, or None.

    Returns:
        The query without query views.

    Raises:
        SqlError: A query does not exist, reads itself, or has arguments that cannot be parsed.
    """
    inliner = _Inliner(views)
    inliner.replace_in(statement, ())
    if not inliner.ctes:
        return statement
    own = statement.args.get("with_")
    statement.set(
        "with_",
        exp.With(
            expressions=[*inliner.ctes.values(), *(own.expressions if own else ())],
            recursive=bool(own and own.recursive),
        ),
    )
    return statement


def view_arguments(text: str) -> dict[str, str]:
    """Parse the arguments of a query view.

    Args:
        text: The text in parentheses; a quote in a value is doubled.

    Returns:
        The values of parameters.

    Raises:
        SqlError: The text is not a list of ``name='value'``.

    Examples:
        >>> view_arguments("chain='base', name='it''s'")
        {'chain': 'base', 'name': "it's"}
    """
    arguments: dict[str, str] = {}
    position = 0
    while position < len(text.rstrip()):
        match = _ARGUMENT.match(text, position)
        if match is None:
            raise SqlError(f"The arguments of a query view must be written name='value', not: {text}")
        arguments[match["key"]] = match["bare"] if match["text"] is None else match["text"].replace("''", "'")
        position = match.end()
    return arguments


class _Inliner:
    """Collects the views of a statement, each after those that it reads."""

    def __init__(self, views: Callable[[int], View | None]) -> None:
        self.views = views
        self.ctes: dict[str, exp.CTE] = {}

    def replace_in(self, statement: exp.Query, readers: tuple[int, ...]) -> None:
        known = CteNames()
        for table in list(statement.find_all(exp.Table)):
            match = _VIEW.fullmatch(table.name)
            if match is None or table.db or known.contain(table):
                continue
            name = self.define(table, int(match["id"]), match["arguments"] or "", readers)
            if not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
            table.this.replace(exp.to_identifier(name, quoted=True))

    def define(self, table: exp.Table, query_id: int, arguments: str, readers: tuple[int, ...]) -> str:
        if query_id in readers:
            chain = " -> ".join(f"query_{reader}" for reader in (*readers, query_id))
            raise error_at(table, f"A query cannot read itself: {chain}")
        view = self.views(query_id)
        if view is None:
            raise error_at(table, f"Query {query_id} does not exist, or is not yours to read")
        name = f"view {table.name.lower() if not arguments else table.name}"
        if name not in self.ctes:
            body = self.read(view, query_id, arguments)
            self.replace_in(body, (*readers, query_id))
            self.ctes[name] = exp.CTE(this=body, alias=exp.TableAlias(this=exp.to_identifier(name, quoted=True)))
        return name

    def read(self, view: View, query_id: int, arguments: str) -> exp.Query:
        try:
            body = parse(substitute(view.sql, {**view.parameters, **self.lower(view_arguments(arguments), view)}))
        except SqlError as error:
            raise SqlError(f"query_{query_id}: {error.message}", type=error.type) from None
        for node in body.walk():
            node.meta[VIEW] = f"query_{query_id}"
        return body

    @staticmethod
    def lower(arguments: dict[str, str], view: View) -> dict[str, str]:
        """Rename arguments to the parameters of the view, since arguments may be in lower case."""
        written = {key.lower(): key for key in view.parameters}
        return {written.get(key.lower(), key): value for key, value in arguments.items()}
