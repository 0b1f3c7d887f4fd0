"""Parses and evaluates JSON paths of the SQL standard, for json_value, json_query and json_exists.

See https://trino.io/docs/current/functions/json.html#json-path-language.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from dagster_dune.emulator.dunesql.runtime.documents.path_places import Items, Number, Part, Place, Test, unwrapped
from dagster_dune.emulator.dunesql.runtime.documents.path_steps import (
    arithmetic,
    descendants,
    elements,
    filtered,
    last,
    members,
    method,
    signed,
    subscripts,
    unquoted,
    variable,
)
from dagster_dune.emulator.dunesql.runtime.documents.path_tests import both, comparison, either, exists, starts
from dagster_dune.emulator.dunesql.runtime.registry import FunctionError

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"""
    r"""|(?P<name>\$?[A-Za-z_][\w]*)|(?P<sign>\.\.|==|<>|!=|<=|>=|&&|\|\||[$@.*\[\](),?!<>+\-/%]))"""
)
_METHODS = ("size", "type", "double", "ceiling", "floor", "abs", "keyvalue")
_COMPARISONS = ("==", "<>", "!=", "<", ">", "<=", ">=")


def evaluate(document: Any, path: str, passed: Mapping[str, Any]) -> Items:
    """Evaluate a path.

    Args:
        document: The parsed document, in which numbers are `Number`.
        path: The path.
        passed: The values of PASSING by name.

    Returns:
        The items.

    Raises:
        PathError: It has no result in strict mode, or a computation is undefined.
        FunctionError: The path is invalid or not supported.
    """
    strict, part = _parsed(path)
    return part(Place(document, document, strict, passed))


@lru_cache(maxsize=512)
def _parsed(path: str) -> tuple[bool, Part]:
    return _Parser(path).path()


class _Parser:
    """A recursive descent parser, which builds the functions of a path."""

    def __init__(self, path: str) -> None:
        self.path_text, self.tokens, place = path, [], 0
        while path[place:].strip():
            match = _TOKEN.match(path, place)
            if match is None:
                raise self.refuse()
            self.tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
            place = match.end()
        self.at = 0

    def refuse(self) -> FunctionError:
        return FunctionError(f"Invalid JSON path, or one that this emulator does not support: '{self.path_text}'")

    def peek(self, *texts: str) -> bool:
        return self.at < len(self.tokens) and self.tokens[self.at][1] in texts and self.tokens[self.at][0] != "text"

    def take(self, *texts: str) -> str | None:
        if not self.peek(*texts):
            return None
        self.at += 1
        return self.tokens[self.at - 1][1]

    def must(self, *texts: str) -> str:
        taken = self.take(*texts)
        if taken is None:
            raise self.refuse()
        return taken

    def next_of(self, kind: str) -> str:
        if self.at >= len(self.tokens) or self.tokens[self.at][0] != kind:
            raise self.refuse()
        self.at += 1
        return self.tokens[self.at - 1][1]

    def path(self) -> tuple[bool, Part]:
        strict = self.must("lax", "strict") == "strict"
        part = self.sum()
        if self.at < len(self.tokens):
            raise self.refuse()
        return strict, part

    def sum(self) -> Part:
        left = self.product()
        while (sign := self.take("+", "-")) is not None:
            left = arithmetic(sign, left, self.product())
        return left

    def product(self) -> Part:
        left = self.signed()
        while (sign := self.take("*", "/", "%")) is not None:
            left = arithmetic(sign, left, self.signed())
        return left

    def signed(self) -> Part:
        sign = self.take("+", "-")
        if sign is None:
            return self.accessors()
        inner = self.signed()
        return lambda place: [signed(sign, item) for item in unwrapped(inner(place), place)]

    def accessors(self) -> Part:
        part = self.primary()
        while True:
            if self.take(".."):
                part = descendants(part, self.key())
            elif self.take("."):
                part = self.after_point(part)
            elif self.take("["):
                part = self.subscripts(part)
            elif self.take("?"):
                self.must("(")
                test = self.disjunction()
                self.must(")")
                part = filtered(part, test)
            else:
                return part

    def after_point(self, part: Part) -> Part:
        if self.take("*"):
            return members(part, None)
        is_call = self.at + 1 < len(self.tokens) and self.tokens[self.at + 1] == ("sign", "(")
        if not is_call:
            return members(part, self.key())
        name = self.must(*_METHODS)
        self.must("(")
        self.must(")")
        return method(part, name)

    def key(self) -> str:
        kind, text = self.tokens[self.at] if self.at < len(self.tokens) else ("", "")
        if kind not in ("name", "text"):
            raise self.refuse()
        self.at += 1
        return unquoted(text) if kind == "text" else text

    def subscripts(self, part: Part) -> Part:
        if self.take("*"):
            self.must("]")
            return elements(part)
        ranges: list[tuple[Part, Part | None]] = []
        while True:
            low = self.sum()
            ranges.append((low, self.sum() if self.take("to") else None))
            if self.must(",", "]") == "]":
                return subscripts(part, tuple(ranges))

    def primary(self) -> Part:
        if self.take("("):
            inner = self.sum()
            self.must(")")
            return inner
        if self.take("$"):
            return lambda place: [place.root]
        if self.take("@"):
            return lambda place: [place.current]
        if self.take("last"):
            return last
        for word, value in (("true", True), ("false", False), ("null", None)):
            if self.take(word):
                return lambda _, value=value: [value]  # type: ignore[misc]
        kind, text = self.tokens[self.at] if self.at < len(self.tokens) else ("", "")
        self.at += 1
        if kind == "number":
            return lambda _: [Number(text)]
        if kind == "text":
            return lambda _: [unquoted(text)]
        if kind == "name" and text.startswith("$"):
            return lambda place: [variable(place, text[1:])]
        raise self.refuse()

    def disjunction(self) -> Test:
        tests = [self.conjunction()]
        while self.take("||"):
            tests.append(self.conjunction())
        return either(tests) if len(tests) > 1 else tests[0]

    def conjunction(self) -> Test:
        tests = [self.predicate()]
        while self.take("&&"):
            tests.append(self.predicate())
        return both(tests) if len(tests) > 1 else tests[0]

    def predicate(self) -> Test:
        if self.take("!"):
            self.must("(")
            test = self.disjunction()
            self.must(")")
            return lambda place: None if (truth := test(place)) is None else not truth
        if self.peek("exists"):
            self.at += 1
            self.must("(")
            part = self.sum()
            self.must(")")
            return exists(part)
        start = self.at
        if self.take("("):
            try:
                test = self.disjunction()
                self.must(")")
            except FunctionError:
                self.at = start
            else:
                if self.take("is"):
                    self.must("unknown")
                    return lambda place: test(place) is None
                if not self.peek(*_COMPARISONS, "+", "-", "*", "/", "%", ".", "["):
                    return test
                self.at = start
        left = self.sum()
        if self.take("starts"):
            self.must("with")
            return starts(left, self.sum())
        sign = self.must(*_COMPARISONS)
        return comparison(sign, left, self.sum())
