"""Splits lists of types, as Dune and DuckDB write them."""

from __future__ import annotations


def split_at_commas(text: str) -> list[str]:
    """Split a text at commas outside of parentheses and double quotes.

    Examples:
        >>> split_at_commas('bigint, row("a,b" varchar, c decimal(38,0))')
        ['bigint', 'row("a,b" varchar, c decimal(38,0))']
    """
    parts, depth, is_quoted = [""], 0, False
    for character in text:
        is_quoted ^= character == '"'
        depth += 0 if is_quoted else {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0 and not is_quoted:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]
