"""Parses decimals and integers of 256 bits. Their digits are counted before Arrow parses them.

Arrow's cast reduces a number that is too long modulo 2^128 or 2^256, and checks only the remainder.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dagster_dune.frames.types.equal_lengths import Matrix, content_of, offsets_of

Positions = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

SAFE_DIGITS = 76
"""An integer with at most this number of digits is less than 2 to the power of 255."""

_ZERO, _MINUS, _POINT = (np.uint8(ord(character)) for character in "0-.")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,9})?", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,1000}", re.ASCII)


class UnfitTextError(ValueError):
    """A text is no number, or does not fit its type.

    Attributes:
        text: The first such text.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def decimals(texts: pa.Array, target: pa.DataType) -> pa.Array:
    """Parse decimals.

    Args:
        texts: Such as ``-12.50``.
        target: A decimal type.

    Raises:
        UnfitTextError: A text is no number, or has more digits before or after the point than the type.

    Examples:
        >>> decimals(pa.array(["-12.5", None]), pa.decimal128(3, 1)).to_pylist()
        [Decimal('-12.5'), None]
    """
    context = Context(prec=target.precision, traps=[Inexact, InvalidOperation])
    unit = Decimal(1).scaleb(-target.scale)

    def exact(text: str) -> str:
        try:
            return format(Decimal(text).quantize(unit, context=context), "f") if _NUMBER.fullmatch(text) else ""
        except DecimalException:
            return ""

    is_plain_number, _ = _count_digits(texts, target.precision - target.scale, target.scale)
    return pc.cast(_in_plain_form(texts, is_plain_number, exact), target)


def wide_integers(texts: pa.Array, bounds: tuple[int, int], target: pa.DataType) -> pa.Array:
    """Parse integers of 256 bits.

    Args:
        texts: Such as ``-12``.
        bounds: The lowest and the highest number.
        target: A decimal type of scale 0, float64, or 32 bytes in big-endian order.

    Raises:
        UnfitTextError: A text is no integer, is out of bounds, or has more digits than the type.

    Examples:
        >>> wide_integers(pa.array(["12", None]), (0, 2**256 - 1), pa.float64()).to_pylist()
        [12.0, None]
    """
    digits = target.precision if pa.types.is_decimal(target) else SAFE_DIGITS
    lowest, highest = bounds
    if pa.types.is_decimal(target):
        lowest, highest = max(lowest, 1 - 10**digits), min(highest, 10**digits - 1)

    def exact(text: str) -> str:
        number = int(text) if _INTEGER.fullmatch(text) else highest + 1
        return str(number) if lowest <= number <= highest else ""

    is_plain_number, is_negative = _count_digits(texts, digits, 0)
    checked = _in_plain_form(texts, is_plain_number if lowest else is_plain_number & ~is_negative, exact)
    if pa.types.is_fixed_size_binary(target):
        numbers = (None if text is None else int(text) for text in checked.to_pylist())
        return pa.array([None if n is None else n.to_bytes(32, "big", signed=n < 0) for n in numbers], target)
    return pc.cast(checked, target)


def _in_plain_form(texts: pa.Array, is_plain_number: Mask, exact: Callable[[str], str]) -> pa.Array:
    """Return the texts with those in another form rewritten by `exact`, which is called once for each such text."""
    if is_plain_number.all():
        return texts
    is_other = pa.array(~is_plain_number)
    others = pc.filter(texts, is_other)
    plain = {text: exact(text) for text in others.unique().to_pylist()}
    if unfit := [text for text, written in plain.items() if not written]:
        raise UnfitTextError(unfit[0])
    return pc.replace_with_mask(texts, is_other, pa.array([plain[text] for text in others.to_pylist()]))


def _count_digits(texts: pa.Array, integer_digits: int, scale: int) -> tuple[Mask, Mask]:
    r"""Count the digits of all texts at once.

    Args:
        texts: The texts.
        integer_digits: The maximum number of digits before the point.
        scale: The maximum number of digits after the point.

    Returns:
        Two masks: of the texts that are NULL, or have the form ``-?[0-9]+(\.[0-9]+)?`` and no more digits; and of those
        that begin with a minus.
    """
    offsets, content = offsets_of(texts), content_of(texts)
    starts, ends = offsets[:-1] - offsets[0], offsets[1:] - offsets[0]
    points, is_negative, is_plain = _find_points_at_scale(content, starts, ends, scale) or _find_points(
        content, starts, ends
    )
    before, after = points - starts - is_negative, ends - points - 1
    is_plain_number = is_plain & (before >= 1) & (before <= integer_digits) & (after != 0) & (after <= scale)
    if texts.null_count:
        is_plain_number |= texts.is_null().to_numpy(zero_copy_only=False)
    return is_plain_number, is_negative


def _find_points_at_scale(
    content: Matrix, starts: Positions, ends: Positions, scale: int
) -> tuple[Positions, Mask, Mask] | None:
    """Do the same as `_find_points`, faster; None unless all texts have exactly `scale` digits after the point."""
    is_text = ends > starts
    texts = slice(None) if is_text.all() else is_text
    points = ends - scale - 1 if scale else ends
    if (points[texts] <= starts[texts]).any() or (scale and (content[points[texts]] != _POINT).any()):
        return None
    is_negative = is_text.copy()
    is_negative[texts] = content[starts[texts]] == _MINUS
    expected = np.count_nonzero(is_negative) + (np.count_nonzero(is_text) if scale else 0)
    return (points, is_negative, is_text) if np.count_nonzero(content - _ZERO > 9) == expected else None


def _find_points(content: Matrix, starts: Positions, ends: Positions) -> tuple[Positions, Mask, Mask]:
    """Find the point of each text.

    Returns:
        The positions of the points, or of the end of a text without one; a mask of the texts that begin with a minus;
        and a mask of the texts that have only digits beside one point and a leading minus.
    """
    non_digits = np.flatnonzero(content - _ZERO > 9)
    owners, kinds = np.searchsorted(ends, non_digits, side="right"), content[non_digits]
    is_point, is_minus = kinds == _POINT, (kinds == _MINUS) & (non_digits == starts[owners])
    is_negative, is_plain = np.zeros(len(starts), np.bool_), np.ones(len(starts), np.bool_)
    is_negative[owners[is_minus]] = True
    is_plain[owners[~(is_point | is_minus)]] = False
    points, pointed = ends.copy(), owners[is_point]
    points[pointed] = non_digits[is_point]
    is_plain[pointed[1:][pointed[1:] == pointed[:-1]]] = False  # a second point
    return points, is_negative, is_plain
