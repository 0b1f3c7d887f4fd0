"""Finds the references in DuneSQL: the tables, matviews, uploads and query views that a query reads.

The text is parsed as Trino's SQL. If it cannot be parsed, its tokens are searched instead, so that a query in an older
dialect still has most of its lineage.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from sqlglot import Token, exp
from sqlglot.errors import ParseError

from dagster_dune._nesting import is_too_deep
from dagster_dune.catalog.names import Reference, ReferenceKind
from dagster_dune.catalog.sql.token_references import names_in_tokens
from dagster_dune.catalog.sql.tokens import (
    MARKER,
    PARAMETER,
    TRINO,
    is_closed,
    tokenized,
    without_incremental_function,
)
from dagster_dune.catalog.sql.view_calls import QUERY_VIEW, Name, ViewParameters, view_parameters
from dagster_dune.errors import DuneCatalogError

TEAM_PART = re.compile(r"(result|dataset)_", re.IGNORECASE)
WRITES = (exp.Insert, exp.Create, exp.Update, exp.Delete, exp.Merge, exp.Drop, exp.Alter)


class ParsedReferences(NamedTuple):
    """The references in a query's text.

    Attributes:
        references: The distinct names, in alphabetical order.
        view_parameters: By the name of each query view that gets values, the values of each distinct call.
        is_exact: Whether the text could be parsed. If not, names may be missing.
    """

    references: tuple[Reference, ...]
    view_parameters: ViewParameters
    is_exact: bool


def references(sql: str) -> tuple[Reference, ...]:
    r"""Find the names that a query reads.

    Args:
        sql: DuneSQL, perhaps several statements. Text that is no SQL is not an error, and has no references.

    Returns:
        The distinct references, in alphabetical order. Names without a schema are left out, except those of queries,
        and so are names that contain a parameter.

    Examples:
        >>> [reference.name for reference in references("SELECT * FROM dex.trades JOIN query_42 ON true")]
        ['dex.trades', 'query_42']
        >>> [reference.name for reference in references("SELECT * FROM \"query_42(day='{{Start Date}}')\"")]
        ['query_42']
    """
    return parse_references(tokenized(sql), sql).references


def parse_references(tokens: list[Token], sql: str) -> ParsedReferences:
    """Find the references of a query and the values it passes to views, given the tokens that `tokenized` returned."""
    if "`" in sql:  # quotes of Spark SQL, Dune's former engine
        tokens = tokenized(sql, spark_quotes=True)
    if "previous" in sql.lower():
        tokens = without_incremental_function(tokens)
    in_tree = None if is_too_deep(tokens) else _names_by_parser(tokens, sql)
    names = list(names_in_tokens(tokens)) if in_tree is None else in_tree
    is_exact = in_tree is not None and is_closed(tokens, sql)
    found = {_reference(name.parts) for name in names}
    references_found = tuple(sorted(reference for reference in found if reference))
    return ParsedReferences(references_found, view_parameters(names, sql), is_exact)


def _names_by_parser(tokens: list[Token], sql: str) -> list[Name] | None:
    """Return the names in the syntax tree; None if the text cannot be parsed."""
    try:
        with _silenced(logging.getLogger("sqlglot")):
            statements = TRINO.parser().parse(tokens, sql)
        if any(isinstance(statement, exp.Command | exp.Condition) for statement in statements):
            return None  # sqlglot has not parsed its text, or it is a lone expression, such as JSON or a word
        return [name for statement in statements for name in _names_in_tree(statement)]
    except Exception:  # a ParseError, but also a TypeError, ValueError or RecursionError from inside of sqlglot
        return None


@contextmanager
def _silenced(logger: logging.Logger) -> Iterator[None]:
    """Suppress the records of a logger. The caller logs its own warning, which unlike sqlglot's names the file."""

    def reject(_: logging.LogRecord) -> bool:
        return False

    logger.addFilter(reject)
    try:
        yield
    finally:
        logger.removeFilter(reject)


def parameter_keys(sql: str) -> tuple[str, ...]:
    """Find the keys of the parameters in a query's text.

    Args:
        sql: DuneSQL.

    Returns:
        The distinct keys as they are written, in the order of their first use.

    Examples:
        >>> parameter_keys("SELECT * FROM t WHERE day >= '{{Start Date}}' AND chain = '{{ chain }}'")
        ('Start Date', 'chain')
    """
    keys = (match.strip() for match in PARAMETER.findall(sql))
    return tuple(dict.fromkeys(key for key in keys if key))


def _reference(parts: Sequence[str]) -> Reference | None:
    """Resolve a dotted name, or the name of a query view, which may pass values. Return None for any other name."""
    if len(parts) == 1:
        view = QUERY_VIEW.fullmatch(parts[0])
        text = view[1] if view else parts[0]
    else:
        text = ".".join(parts)
    if MARKER in text.lower():
        return None
    try:
        reference = Reference.parse(text)
    except DuneCatalogError:
        return None
    if len(parts) == 1 and reference.kind is not ReferenceKind.QUERY:
        return None  # one quoted identifier with dots in it
    if parts[0].lower() == "dune" and (len(parts) > 3 or TEAM_PART.match(parts[1])):
        return None  # dune.result_x lacks its team; dune.blockchains is a table of Dune's own
    return reference


def _names_in_tree(statement: exp.Expr | None) -> Iterator[Name]:
    for node in statement.find_all(exp.Table, exp.Anonymous, exp.Command) if statement else ():
        if isinstance(node, exp.Command):
            raise ParseError("sqlglot keeps the text of this statement, and does not parse it.")
        if isinstance(node, exp.Table):
            if _is_read(node) and not _is_cte(node, node.parts):
                yield _name(node.parts)
        elif node.name.upper() == "TABLE":  # a table handed to a table function: TABLE(dex.trades)
            for argument in node.expressions:
                if isinstance(argument, exp.Column) and not _is_cte(argument, argument.parts):
                    yield _name(argument.parts)


def _is_read(table: exp.Table) -> bool:
    """Whether a table is read. INSERT, CREATE and the like write their table; a name with other parts is a function."""
    target: exp.Expr = table.parent if isinstance(table.parent, exp.Schema) else table
    if isinstance(target.parent, WRITES) and target.arg_key == "this":
        return False
    is_source = isinstance(table.parent, exp.Merge) and table.arg_key == "using"
    in_query = is_source or table.find_ancestor(exp.Query) is not None
    return in_query and all(isinstance(part, exp.Identifier) for part in table.parts)


def _is_cte(node: exp.Expr, parts: Sequence[exp.Expr]) -> bool:
    """Whether a WITH clause around a name defines it. That is only possible for names without a schema."""
    if len(parts) > 1:
        return False
    name = parts[0].name.lower()
    child = node
    while (parent := child.parent) is not None:
        if isinstance(parent, exp.With):
            # A definition can read the ones before it, and itself if the clause is recursive.
            before = parent.expressions.index(child) + bool(parent.args.get("recursive"))
            visible = parent.expressions[:before]
        elif isinstance(parent, exp.Query) and not isinstance(child, exp.With):
            visible = parent.ctes
        else:
            visible = []
        if any(cte.alias.lower() == name for cte in visible):
            return True
        child = parent
    return False


def _name(identifiers: Sequence[exp.Expr]) -> Name:
    return Name([part.name for part in identifiers], identifiers[0].meta.get("start", 0))
