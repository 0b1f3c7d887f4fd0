"""Normal, beta and Student's t-distributions."""

from __future__ import annotations

import math
from statistics import NormalDist

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native


@native("DOUBLE", "DOUBLE", "DOUBLE", "DOUBLE")
def normal_cdf(mean: float, deviation: float, value: float) -> float:
    """Return the cumulative distribution function of a normal distribution."""
    if not deviation > 0:
        raise FunctionError("standardDeviation must be > 0")
    return 0.5 * (1 + math.erf((value - mean) / (deviation * math.sqrt(2))))


@native("DOUBLE", "DOUBLE", "DOUBLE", "DOUBLE")
def inverse_normal_cdf(mean: float, deviation: float, share: float) -> float:
    """Return the inverse of the cumulative normal distribution function."""
    if not 0 < share < 1:
        raise FunctionError("p must be 0 > p > 1")
    if deviation <= 0:
        raise FunctionError("sd must be > 0")
    return NormalDist(mean, deviation).inv_cdf(share)


def _check_shape(a: float, b: float) -> None:
    if a <= 0 or b <= 0:
        raise FunctionError("a and b must be > 0")


def _beta_fraction(a: float, b: float, x: float) -> float:
    """Return the continued fraction of the incomplete beta function, by Lentz's method."""
    tiny = 1e-300
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > tiny else tiny)
    total = d
    for step in range(1, 1000):
        even = step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step))
        odd = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1))
        for term in (even, odd):
            d = 1 + term * d
            d = 1 / (d if abs(d) > tiny else tiny)
            c = 1 + term / c
            c = c if abs(c) > tiny else tiny
            total *= d * c
        if abs(d * c - 1) < 1e-16:
            break
    return total


@native("DOUBLE", "DOUBLE", "DOUBLE", "DOUBLE")
def beta_cdf(a: float, b: float, value: float) -> float:
    """Return the cumulative distribution function of a beta distribution."""
    _check_shape(a, b)
    if not 0 <= value <= 1:
        raise FunctionError("value must be in the interval [0, 1]")
    if value in (0, 1):
        return value
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(value) + b * math.log1p(-value)
    )
    if value < (a + 1) / (a + b + 2):
        return front * _beta_fraction(a, b, value) / a
    return 1 - front * _beta_fraction(b, a, 1 - value) / b


@native("DOUBLE", "DOUBLE", "DOUBLE", "DOUBLE")
def inverse_beta_cdf(a: float, b: float, share: float) -> float:
    """Return the inverse of the cumulative beta distribution function, by bisection."""
    _check_shape(a, b)
    if not 0 <= share <= 1:
        raise FunctionError("p must be 0 >= p >= 1")
    if share in (0, 1):
        return share
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if beta_cdf(a, b, middle) < share else (low, middle)
    return high


def _check_degrees(degrees: float) -> None:
    if not degrees > 0:
        raise FunctionError("df must be greater than 0")


@native("DOUBLE", "DOUBLE", "DOUBLE")
def t_pdf(value: float, degrees: float) -> float:
    """Return the probability density function of Student's t-distribution."""
    _check_degrees(degrees)
    logarithm = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - math.log(degrees * math.pi) / 2
    return math.exp(logarithm - (degrees + 1) / 2 * math.log1p(value * value / degrees))


@native("DOUBLE", "DOUBLE", "DOUBLE")
def t_cdf(value: float, degrees: float) -> float:
    """Return the cumulative distribution function of Student's t-distribution."""
    _check_degrees(degrees)
    if math.isinf(value):
        return float(value > 0)
    tail = float(beta_cdf(degrees / 2, 0.5, degrees / (degrees + value * value))) / 2
    return 1 - tail if value > 0 else tail
