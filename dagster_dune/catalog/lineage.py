"""What DuneSQL reads: the tables, matviews, uploads and query views that a query's text names.

The text is parsed as Trino's SQL. Two things in it are Dune's own and are taken out first: ``{{parameters}}``, and the
table function by which an incremental query reads its previous result. Text that cannot be parsed is read token by
token, so that a query in a dialect of the past still shows most of its lineage.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sqlglot import Token, TokenType, exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, TokenError

from dagster_dune.catalog.names import Reference, ReferenceKind
from dagster_dune.errors import DuneCatalogError

PARAMETER = re.compile(r"\{\{([^{}\r\n]+)\}\}")
QUERY_VIEW = re.compile(r"(query_[1-9][0-9]*)\s*\(.*\)", re.DOTALL)

# It stands for a parameter, which may be part of a name, a string, a number or a hexadecimal literal: these letters
# are valid in each of them.
MARKER = "fadedfacadedeadbeefdecade"

INCREMENTAL_FUNCTION = ["table", "(", "previous", ".", "query", ".", "result", "("]

TRINO = Dialect.get_or_raise("trino")

ENDS_FROM_CLAUSE = frozenset(
    {
        TokenType.WHERE,
        TokenType.GROUP_BY,
        TokenType.HAVING,
        TokenType.ORDER_BY,
        TokenType.LIMIT,
        TokenType.OFFSET,
        TokenType.FETCH,
        TokenType.WINDOW,
        TokenType.UNION,
        TokenType.EXCEPT,
        TokenType.INTERSECT,
    }
)


def references(sql: str) -> tuple[Reference, ...]:
    r"""Find what a query reads.

    Args:
        sql: DuneSQL, perhaps several statements. No text is an error: what cannot be read has no references.

    Returns:
        The distinct references, in alphabetical order. Names without a schema are none, except those of queries, and
        neither are names that a parameter completes.

    Examples:
        >>> [reference.name for reference in references("SELECT * FROM dex.trades JOIN query_42 ON true")]
        ['dex.trades', 'query_42']
        >>> [reference.name for reference in references("SELECT * FROM \"query_42(day='{{Start Date}}')\"")]
        ['query_42']
    """
    found, _ = references_in(tokenized(sql), sql)
    return found


def references_in(tokens: list[Token], sql: str) -> tuple[tuple[Reference, ...], bool]:
    """Find what a query reads, as `references` does, in the tokens that `tokenized` made of it.

    Returns:
        The references, and whether the text could be parsed, so that they are exact.
    """
    if "previous" in sql.lower():
        tokens = _without_incremental_function(tokens)
    try:
        names = [name for statement in TRINO.parser().parse(tokens, sql) for name in _names_in_tree(statement)]
        is_parsed = bool(tokens)
    except Exception:  # a ParseError, but also a TypeError, ValueError or RecursionError from inside of sqlglot
        names = list(_names_in_tokens(tokens))
        is_parsed = False
    found = {_reference(name) for name in names}
    return tuple(sorted(reference for reference in found if reference)), is_parsed


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
    """Resolve a dotted name, or a name alone if it is that of a query view, perhaps with values for its parameters."""
    if len(parts) == 1:
        view = QUERY_VIEW.fullmatch(parts[0].strip().lower())
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
    if parts[0].lower() == "dune" and len(parts) != 3:
        return None
    return reference


# --- reading a syntax tree ---


def _names_in_tree(statement: exp.Expr | None) -> Iterator[list[str]]:
    for node in statement.find_all(exp.Table, exp.Anonymous, exp.Command) if statement else ():
        if isinstance(node, exp.Command):
            raise ParseError("sqlglot keeps the text of this statement, and does not parse it.")
        if isinstance(node, exp.Table):
            # Outside of a query a table is what INSERT or CREATE writes; a part that is no identifier is a function.
            is_read = node.find_ancestor(exp.Query) and all(isinstance(part, exp.Identifier) for part in node.parts)
            if is_read and not _is_cte(node):
                yield [part.name for part in node.parts]
        elif node.name.upper() == "TABLE":  # a table handed to a table function: TABLE(dex.trades)
            for argument in node.expressions:
                if isinstance(argument, exp.Column):
                    yield [part.name for part in argument.parts]


def _is_cte(table: exp.Table) -> bool:
    """Whether a WITH clause around a table defines its name. Only names without a schema can be."""
    if len(table.parts) > 1:
        return False
    name = table.name.lower()
    child: exp.Expr = table
    while (parent := child.parent) is not None:
        if isinstance(parent, exp.With):
            # A definition sees the ones before it, and itself too if the clause is recursive.
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


# --- reading tokens ---


def tokenized(sql: str) -> list[Token]:
    """Split a text into tokens, with `MARKER` in the place of each parameter.

    What follows a quote or a comment that is never closed is text in it.
    """
    sql = PARAMETER.sub(MARKER, sql)
    for closing in ("", "'", '"', "*/"):
        try:
            return list(TRINO.tokenize(sql + closing))
        except TokenError:
            continue
    return []


def _without_incremental_function(tokens: list[Token]) -> list[Token]:
    """Put a name in the place of each ``TABLE(previous.query.result(...))``, which is the query's own past."""
    kept: list[Token] = []
    position = 0
    while position < len(tokens):
        if _is_incremental_function(tokens, position):
            kept.append(Token(TokenType.VAR, MARKER))
            position = _after_parenthesis(tokens, position + 1)
        else:
            kept.append(tokens[position])
            position += 1
    return kept


def _is_incremental_function(tokens: list[Token], position: int) -> bool:
    if tokens[position].token_type is not TokenType.TABLE:
        return False
    words = [token.text.lower() for token in tokens[position : position + len(INCREMENTAL_FUNCTION)]]
    return words == INCREMENTAL_FUNCTION


def _after_parenthesis(tokens: list[Token], opening: int) -> int:
    depth = 0
    for position in range(opening, len(tokens)):
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(tokens[position].token_type, 0)
        if depth == 0:
            return position + 1
    return len(tokens)


class _Level:
    """Where a reader of tokens is, inside one pair of parentheses.

    Attributes:
        selects: There was a SELECT, so that a FROM starts a clause (``extract(year FROM day)`` has one that does not).
        lists: A comma is followed by one more table.
        expects: The next word is a table.
    """

    def __init__(self, *, expects: bool = False) -> None:
        self.selects = False
        self.lists = expects
        self.expects = expects

    def pass_keyword(self, kind: TokenType, before: TokenType | None, after: TokenType | None) -> bool:
        """Take note of a token, if it is one of those that tell where tables are named."""
        if kind is TokenType.SELECT:
            self.selects, self.lists, self.expects = True, False, False
        elif kind is TokenType.FROM:
            self.lists = self.expects = self.selects and before is not TokenType.DISTINCT  # IS DISTINCT FROM
        elif kind is TokenType.COMMA:
            self.expects = self.lists
        elif kind is TokenType.JOIN or (kind is TokenType.TABLE and after is TokenType.L_PAREN):
            self.expects = True
        elif kind in ENDS_FROM_CLAUSE:
            self.lists = self.expects = False
        else:
            return False
        return True


def _names_in_tokens(tokens: Sequence[Token]) -> Iterator[list[str]]:
    ctes = set(_cte_names(tokens))
    levels = [_Level()]
    position = 0
    while position < len(tokens):
        kind = tokens[position].token_type
        level = levels[-1]
        if kind is TokenType.L_PAREN:
            levels.append(_Level(expects=level.expects))
            level.expects = False
        elif kind is TokenType.R_PAREN:
            levels = levels[:-1] or [_Level()]
        elif kind is TokenType.SEMICOLON:
            levels = [_Level()]
        elif not level.pass_keyword(kind, _kind(tokens, position - 1), _kind(tokens, position + 1)) and level.expects:
            level.expects = False
            name, position = _dotted_name(tokens, position)
            is_function = _kind(tokens, position) is TokenType.L_PAREN
            is_cte = len(name) == 1 and name[0].lower() in ctes
            if not is_function and not is_cte:
                yield name
            continue
        position += 1


def _dotted_name(tokens: Sequence[Token], position: int) -> tuple[list[str], int]:
    """Read ``a.b.c``; return its parts and where it ends."""
    parts = [tokens[position].text]
    position += 1
    while _kind(tokens, position) is TokenType.DOT and position + 1 < len(tokens):
        parts.append(tokens[position + 1].text)
        position += 2
    return parts, position


def _cte_names(tokens: Sequence[Token]) -> Iterator[str]:
    for position, token in enumerate(tokens):
        if _kind(tokens, position + 1) is TokenType.ALIAS and _kind(tokens, position + 2) is TokenType.L_PAREN:
            yield token.text.lower()


def _kind(tokens: Sequence[Token], position: int) -> TokenType | None:
    return tokens[position].token_type if 0 <= position < len(tokens) else None
