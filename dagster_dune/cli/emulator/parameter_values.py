"""Guesses values of query parameters from the SQL around them and from their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

PLACEHOLDER = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_ADDRESS = "0x" + "00" * 20
_BY_CONTEXT: tuple[tuple[str, str, str], ...] = (
    (r"\b(limit|offset|fetch\s+first|top|ntile\()\s*$", "", "1"),
    (r"[-+*/%]\s*$", "", "1"),
    (r"\bif\s*\(\s*$", r"\s*,", "true"),
    (r"\bbetween\s+[^\s]+\s+and\s*$", "", "1"),
    (r"\b(where|and|or|not|when)\s*\(?\s*$", r"\s*(then|and|or|\)|group|order|limit|$)", "true"),
    (r"interval\s+[+-]?\s*'\s*$", "", "1"),
    (r"interval\s+'[^']*'\s*$", "", "day"),
    (r"date_(trunc|add|diff)\(\s*'$", "", "day"),
    (r"(timestamp|date)\s*\(?\s*'$", "", "2024-01-01"),
    (r"cast\(\s*'$", r"'\s*as\s+(timestamp|date)", "2024-01-01"),
    (r"else\s+'$", r"'\s*end\s+as\s+(timestamp|date)", "2024-01-01"),
    (r"cast\(\s*$", r"\s*as\s+(timestamp|date)", "TIMESTAMP '2024-01-01'"),
    (r"cast\(\s*'?$", r"'?\s*as\s+(\w*int\w*|double|real|decimal)", "1"),
    (r"(from|join)\s+$", r"(?![\w.])", "ethereum.transactions"),
    (r"[\w.]$", "", "ethereum"),
    (r"(from|join)\s+$", "", "ethereum"),
    (r"(address|contract|wallet|owner|token\w*|pool\w*)\"?\s*(=|<>|!=|in\s*\()\s*$", "", _ADDRESS),
    (r"(code|name|symbol|label|category|project|environment)s?\"?\s+(not\s+)?in\s*\(\s*$", r"\s*\)", "'x'"),
    (r"(<|>|<=|>=)\s*$", "", "1"),
)
"""Patterns for the SQL before and after a parameter, and a value that fits there."""
_BY_NAME: tuple[tuple[str, str], ...] = (
    (r"^(num|number|count|limit|n|min|max|top)(_|\b)|_(num|number|count|limit)$", "1"),
    (r"(^|_)(date|start|end|from|since|until)$", "2024-01-01"),
    (r"chain|network|schema|project|namespace", "ethereum"),
    (r"address|contract|wallet|token|pool|hash|account|solver|owner|user|recipient|sender|creator", _ADDRESS),
    (r"unit$|granularity|interval|resolution|aggregation|frequency", "day"),
    (r"num|count|limit|days|hours|minutes|amount|percent|bps|fee|top|lookback|window|last|block", "1"),
    (r"date|time|day|start|end|from|since|until", "2024-01-01"),
)
_ALTERNATIVES = (
    "1",
    "2024-01-01",
    _ADDRESS,
    "ethereum",
    "day",
    "ethereum.transactions",
    "true",
    "TIMESTAMP '2024-01-01'",
    "'x'",
)


_KEY = re.compile(r"map(?:_from_entries)?\s*\(\s*array\s*\[\s*\(?\s*'([^']*)'", re.IGNORECASE)
"""The first key of a map literal."""
_DEFINITION = re.compile(r"(\"[^\"{}]+\"|\b[a-z_]\w*)\s+as\s*\(\s*(?=select\b|with\b|\()", re.IGNORECASE)
"""The start of a common table expression."""
_VIEW = re.compile(r"query_(\d+)\(([^)]*)\)")
_PASSED = re.compile(r"(\w[\w .-]*?)\s*=\s*'?\{\{\s*([^{}]+?)\s*\}\}'?")


def sample_values(sql: str, *, read: str = "", passed: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a sample value for each parameter of a query.

    Args:
        sql: The query.
        read: The SQL of the queries that it reads, which may contain the map whose keys are the values.
        passed: Values of parameters that the query passes on, as far as they follow from the queries that get them.

    Examples:
        >>> sample_values("SELECT * FROM t WHERE day > date '{{from}}' AND chain = '{{chain}}' LIMIT {{n}}")
        {'from': '2024-01-01', 'chain': 'ethereum', 'n': '1'}
        >>> sample_values("SELECT map(ARRAY['last week', 'last year'], ARRAY[7, 365])['{{period}}']")
        {'period': 'last week'}
    """
    found: dict[str, str] = {}
    names: dict[str, None] = {}
    code = _COMMENT.sub(lambda comment: " " * len(comment[0]), sql)
    key = _KEY.search(code + read)
    for match in PLACEHOLDER.finditer(sql):
        name = match[1].strip()
        names[name] = None
        value = _by_context(code, match, key[1] if key else None) if code[match.start()] == "{" else None
        if value is not None and found.get(name, _by_name(name)) == _by_name(name):
            found[name] = value
    return {name: found.get(name) or (passed or {}).get(name) or _by_name(name) for name in names}


def passed_on(sql: str) -> dict[str, tuple[int, str]]:
    """Return the parameters that a query passes on to another, each with the other's id and parameter name.

    Examples:
        >>> passed_on("SELECT * FROM query_123(chain='{{network}}', day='2024-01-01')")
        {'network': (123, 'chain')}
    """
    return {
        each[2]: (int(view[1]), each[1])
        for view in _VIEW.finditer(_COMMENT.sub("", sql))
        for each in _PASSED.finditer(view[2])
    }


def other_values(values: dict[str, str]) -> Iterator[dict[str, str]]:
    """Yield the values with one of them replaced, for queries that fail with these values."""
    for name, value in values.items():
        for other in _ALTERNATIVES:
            if other != value:
                yield {**values, name: other}


def _by_context(sql: str, match: re.Match[str], key: str | None) -> str | None:
    before, after = sql[max(0, match.start() - 60) : match.start()].lower(), sql[match.end() : match.end() + 60].lower()
    if re.search(r"[\w\s]=\s*'$", before) and re.search(r"query_\d+\([^)]*$", before):
        return None
    if key is not None and re.search(r"\[\s*'$", before) and re.match(r"'\s*\]", after):
        return key
    if re.search(r"split_part\(\s*'$", before) and (parted := re.match(r"'\s*,\s*'([^']+)'", after)):
        return f"1{parted[1]}1"
    if re.search(r"\b(from|join)\s+\"$", before) and after.startswith('"'):
        return _defined_before(sql, match.start())
    for left, right, value in _BY_CONTEXT:
        if re.search(left, before) and re.match(right, after):
            return value
    return None


def _defined_before(sql: str, end: int) -> str | None:
    """Return the name of the last common table expression that ends before a position."""
    for definition in reversed(list(_DEFINITION.finditer(sql, 0, end))):
        depth = 1
        for bracket in re.findall(r"[()]", sql[definition.end() : end]):
            depth += 1 if bracket == "(" else -1
            if depth == 0:
                return definition[1].strip('"')
    return None


def _by_name(name: str) -> str:
    return next((value for pattern, value in _BY_NAME if re.search(pattern, name.lower())), "1")
