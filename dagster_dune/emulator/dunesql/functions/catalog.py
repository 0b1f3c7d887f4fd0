"""All functions by name."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain

from dagster_dune.emulator.dunesql.functions import (
    aggregates,
    arrays,
    bytes,  # noqa: A004
    json,
    numbers,
    sketches,
    texts,
    times,
)
from dagster_dune.emulator.dunesql.functions.registry import Function, Registry

REGISTRIES: tuple[Registry, ...] = (
    aggregates.AGGREGATES, aggregates.WINDOWS, arrays.CONDITIONS, times.TIMES, texts.STRINGS, texts.URLS,
    texts.REGEXES, texts.FORMATS, numbers.MATH, numbers.BITS, arrays.ARRAYS, arrays.MAPS, json.JSONS, sketches.SKETCHES,
    sketches.DIGESTS, bytes.BINARY, bytes.DUNE_BYTES, bytes.UUIDS, bytes.NETWORK,
    bytes.LINKS,
)  # fmt: skip

SPECIAL = frozenset(
    {
        "coalesce", "nullif", "try", "if", "row", "grouping", "date", "json_query", "json_value", "json_exists",
        "json_object", "json_array",
    }
)  # fmt: skip
"""Functions whose types no signature can express, which `rewrite` translates."""


def _by_name() -> dict[str, list[Function]]:
    found: dict[str, list[Function]] = defaultdict(list)
    for function in chain.from_iterable(registry.functions for registry in REGISTRIES):
        found[function.name].append(function)
    return dict(found)


FUNCTIONS: dict[str, list[Function]] = _by_name()
"""The signatures of each function."""

AGGREGATES = frozenset(name for name, functions in FUNCTIONS.items() if functions[0].kind == "aggregate")
"""The names of aggregate functions."""

WINDOWS = frozenset(name for name, functions in FUNCTIONS.items() if functions[0].kind == "window")
"""The names of window functions, which require OVER."""
