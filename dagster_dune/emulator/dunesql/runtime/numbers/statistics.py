"""Statistics: buckets, entropy and percentiles."""

from __future__ import annotations

import itertools
import math

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native


@native("BIGINT", "DOUBLE", "DOUBLE[]")
def width_bucket(value: float, bins: list[float | None]) -> int:
    """Return the number of the bin of a value, from the sorted lower bounds of bins."""
    bounds = [bound if bound is not None else math.nan for bound in bins]
    if not bounds:
        raise FunctionError("Bins cannot be an empty array")
    if math.isnan(value):
        raise FunctionError("Operand cannot be NaN")
    for bound in bounds:
        if not math.isfinite(bound):
            raise FunctionError(f"Bin value must be finite, got {bound}")
    if any(one > other for one, other in itertools.pairwise(bounds)):
        raise FunctionError("Bin values are not sorted in ascending order")
    return sum(bound <= value for bound in bounds)


@native("DOUBLE", "DOUBLE[]")
def entropy(counts: list[float | None]) -> float:
    """Return the entropy of counts in bits."""
    given = [count for count in counts if count is not None]
    if any(count < 0 for count in given):
        raise FunctionError("Entropy count argument must be non-negative")
    total = sum(given)
    return -sum(count / total * math.log2(count / total) for count in given if count) if total else 0.0


@native("DOUBLE", "DOUBLE[]", "DOUBLE[]", "DOUBLE")
def weighted_percentile(values: list[float | None], weights: list[float | None], share: float) -> float | None:
    """Return the weighted percentile of values."""
    if not 0 <= share <= 1:
        raise FunctionError("Percentile must be between 0 and 1")
    pairs = sorted((v, w) for v, w in zip(values, weights, strict=True) if v is not None and w is not None and w > 0)
    target, reached = share * sum(weight for _, weight in pairs), 0.0
    for value, weight in pairs:
        reached += weight
        if reached >= target:
            return value
    return pairs[-1][0] if pairs else None
