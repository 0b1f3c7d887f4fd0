"""What the parser takes and Trino's grammar does not: reserved words as names, and clauses in another order.

See https://docs.dune.com/query-engine/reserved-keywords and https://trino.io/docs/current/sql/select.html.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sqlglot import Token, TokenType, exp

from dagster_dune.emulator.dunesql.parse.lexemes import error_at_token
from dagster_dune.emulator.dunesql.parse.positions import error_at

RESERVED = frozenset(
    {
        "alter", "and", "as", "asof", "between", "by", "case", "cast", "constraint", "create", "cross", "cube",
        "current_catalog", "current_date", "current_path", "current_role", "current_schema", "current_time",
        "current_timestamp", "current_user", "deallocate", "delete", "describe", "distinct", "drop", "else", "end",
        "escape", "except", "execute", "exists", "extract", "false", "for", "from", "full", "group", "grouping",
        "having", "in", "inner", "insert", "intersect", "into", "is", "join", "json_array", "json_exists",
        "json_object", "json_query", "json_table", "json_value", "left", "like", "listagg", "localtime",
        "localtimestamp", "natural", "normalize", "not", "null", "on", "or", "order", "outer", "prepare", "recursive",
        "right", "rollup", "select", "skip", "table", "then", "trim", "true", "uescape", "union", "unnest", "using",
        "values", "when", "where", "with",
    }
)  # fmt: skip
"""Words that are no names, unless they stand in double quotes."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PARTS: dict[type[exp.Expr], tuple[str, ...]] = {
    exp.Select: ("kind", "hint", "sort", "distribute", "cluster", "into"),
    exp.LimitOptions: ("percent",),
    exp.Cast: ("format",),
    exp.TryCast: ("format",),
}
"""What the parser reads into a node, and Trino's grammar does not have."""


def check_node(node: exp.Expr) -> None:
    """Refuse what a node has that Trino's grammar does not.

    Raises:
        SqlError: It is a name that must stand in quotes, or has a part of another database's.
    """
    if isinstance(node, exp.Identifier):
        if not node.args.get("quoted"):
            _check_name(node)
        return
    for part in _PARTS.get(type(node), ()):
        if node.args.get(part):
            raise error_at(node, f"mismatched input '{part.upper()}': this is not Trino's")


def _check_name(node: exp.Identifier) -> None:
    name = node.name
    if name.lower() in RESERVED:
        raise error_at(node, f"mismatched input '{name}': it is a reserved word; a name stands in double quotes")
    if not _NAME.fullmatch(name):
        raise error_at(node, f"mismatched input '{name}': a name of other letters stands in double quotes")


def check_tokens(tokens: Sequence[Token]) -> None:
    """Refuse words and signs that stand where Trino's grammar has no place for them.

    Raises:
        SqlError: There is one.
    """
    ranks = [0]
    open_cases = 0
    for position, token in enumerate(tokens):
        kind = token.token_type
        if kind == TokenType.L_PAREN:
            ranks.append(0)
        elif kind == TokenType.R_PAREN:
            ranks = ranks[:-1] or [0]
        elif kind in _BEGINNINGS:
            ranks[-1] = 0
        elif kind in _RANKS:
            ranks[-1] = _next_rank(tokens, position, ranks[-1])
        elif kind in (TokenType.CASE, TokenType.END):
            open_cases += 1 if kind == TokenType.CASE else -1
            if open_cases < 0:
                raise error_at_token(token, "mismatched input 'END': no CASE stands before it")
        rule = _RULES.get(kind)
        if rule is not None and (words := rule(tokens, position)):
            raise error_at_token(token, f"mismatched input '{token.text}': {words}")


_BEGINNINGS = frozenset({TokenType.SELECT, TokenType.UNION, TokenType.EXCEPT, TokenType.INTERSECT})
_ORDER = (
    (TokenType.WHERE,), (TokenType.GROUP_BY,), (TokenType.HAVING,), (TokenType.WINDOW,), (TokenType.ORDER_BY,),
    (TokenType.OFFSET,), (TokenType.LIMIT, TokenType.FETCH),
)  # fmt: skip
_RANKS = {kind: rank for rank, kinds in enumerate(_ORDER, start=1) for kind in kinds}
_COUNTED = frozenset({TokenType.OFFSET, TokenType.LIMIT})


def _next_rank(tokens: Sequence[Token], position: int, last: int) -> int:
    token = tokens[position]
    if (
        (token.token_type in _COUNTED and _kind(tokens, position + 1) not in (TokenType.NUMBER, TokenType.ALL))
        or (token.token_type == TokenType.WINDOW and _kind(tokens, position + 2) != TokenType.ALIAS)
        or (token.token_type == TokenType.FETCH and not _is_fetch(tokens, position))
    ):
        return last  # these words are names too
    rank = _RANKS[token.token_type]
    if rank <= last:
        raise error_at_token(
            token,
            f"mismatched input '{token.text}': clauses come once each, in the order WHERE, GROUP BY, HAVING, WINDOW, "
            "ORDER BY, OFFSET, LIMIT or FETCH",
        )
    return rank


def _kind(tokens: Sequence[Token], position: int) -> TokenType | None:
    return tokens[position].token_type if 0 <= position < len(tokens) else None


def _text(tokens: Sequence[Token], position: int) -> str:
    return tokens[position].text.lower() if 0 <= position < len(tokens) else ""


def _is_fetch(tokens: Sequence[Token], position: int) -> bool:
    return _text(tokens, position + 1) in ("first", "next") or _kind(tokens, position + 1) == TokenType.NUMBER


def _fetch(tokens: Sequence[Token], position: int) -> str:
    if not _is_fetch(tokens, position):
        return ""
    place = position + 1 + (_text(tokens, position + 1) in ("first", "next"))
    place += _kind(tokens, place) == TokenType.NUMBER
    last = _text(tokens, place + 1)
    is_whole = _text(tokens, position + 1) in ("first", "next") and _text(tokens, place) in ("row", "rows")
    is_whole = is_whole and (last == "only" or (last, _text(tokens, place + 2)) == ("with", "ties"))
    return "" if is_whole else "write FETCH FIRST 1 ROWS ONLY, or WITH TIES"


_QUERIES = frozenset({TokenType.SELECT, TokenType.WITH, TokenType.VALUES})
_NAMES = frozenset({TokenType.VAR, TokenType.IDENTIFIER})
_BEFORE_QUERIES = frozenset({"any", "all", "some", "lateral", "table", "in", "exists", "materialized"})
_NOTHING_BEFORE = frozenset({TokenType.SELECT, TokenType.DISTINCT, TokenType.COMMA, TokenType.L_PAREN, None})
_ENDS = frozenset(
    {TokenType.R_PAREN, TokenType.SEMICOLON, TokenType.HAVING, TokenType.WINDOW, TokenType.ORDER_BY, TokenType.LIMIT,
     TokenType.OFFSET, TokenType.UNION, TokenType.EXCEPT, TokenType.INTERSECT, None}
)  # fmt: skip
_SIDES = frozenset({TokenType.LEFT, TokenType.RIGHT, TokenType.FULL})


def _parenthesis(tokens: Sequence[Token], position: int) -> str:
    if _kind(tokens, position + 1) not in _QUERIES or _kind(tokens, position - 1) not in _NAMES:
        return ""
    if _text(tokens, position - 1) in _BEFORE_QUERIES:
        return ""
    return f"a query beside the name {tokens[position - 1].text} needs AS, or parentheses of its own"


def _alias(tokens: Sequence[Token], position: int) -> str:
    return "something is missing before it" if _kind(tokens, position - 1) in _NOTHING_BEFORE else ""


def _using(tokens: Sequence[Token], position: int) -> str:
    return "" if _kind(tokens, position + 1) == TokenType.L_PAREN else "write USING (column)"


def _outer(tokens: Sequence[Token], position: int) -> str:
    is_plain = _kind(tokens, position + 1) == TokenType.JOIN and _kind(tokens, position - 1) not in _SIDES
    return "write LEFT, RIGHT or FULL OUTER JOIN" if is_plain else ""


def _group(tokens: Sequence[Token], position: int) -> str:
    return "write what is grouped by" if _kind(tokens, position + 1) in _ENDS else ""


def _side(tokens: Sequence[Token], position: int) -> str:
    word = tokens[position].text
    is_call = _kind(tokens, position + 1) == TokenType.L_PAREN
    return f'the function stands in double quotes, "{word.lower()}"(text, count)' if is_call else ""


def _comma(tokens: Sequence[Token], position: int) -> str:
    is_extract = _kind(tokens, position - 2) == TokenType.L_PAREN and _text(tokens, position - 3) == "extract"
    return "write EXTRACT(field FROM time)" if is_extract else ""


def _like(tokens: Sequence[Token], position: int) -> str:
    return "" if tokens[position].text.isalpha() else "write LIKE"


def _always(words: str) -> Callable[[Sequence[Token], int], str]:
    return lambda *_: words


_RULES: dict[TokenType, Callable[[Sequence[Token], int], str]] = {
    TokenType.L_PAREN: _parenthesis,
    TokenType.ALIAS: _alias,
    TokenType.USING: _using,
    TokenType.OUTER: _outer,
    TokenType.GROUP_BY: _group,
    TokenType.FETCH: _fetch,
    TokenType.LEFT: _side,
    TokenType.RIGHT: _side,
    TokenType.COMMA: _comma,
    TokenType.LIKE: _like,
    TokenType.NULLSAFE_EQ: _always("write IS NOT DISTINCT FROM"),
}
