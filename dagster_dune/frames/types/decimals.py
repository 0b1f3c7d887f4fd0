"""Texts of decimals and of integers of 256 bits, whose digits are counted before Arrow reads them.

Arrow's cast of a text takes what is too long modulo 2^128 or 2^256, and checks only what is left.
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

Places = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

SURE_DIGITS = 76
"""An integer with so many digits is less than 2 to the power of 255."""

_ZERO, _MINUS, _POINT = (np.uint8(ord(character)) for character in "0-.")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,9})?", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,1000}", re.ASCII)


class UnfitTextError(ValueError):
    """A text is no number, or does not fit.

    Attributes:
        text: The first such text.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def decimals(texts: pa.Array, target: pa.DataType) -> pa.Array:
    """Read decimals.

    Args:
        texts: Such as ``-12.50``.
        target: A type of decimals.

    Raises:
        UnfitTextError: One is no number, or has more digits before or behind the point than the type.

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

    is_sure, _ = _counted(texts, target.precision - target.scale, target.scale)
    return pc.cast(_checked(texts, is_sure, exact), target)


def wide_integers(texts: pa.Array, bounds: tuple[int, int], target: pa.DataType) -> pa.Array:
    """Read integers of 256 bits.

    Args:
        texts: Such as ``-12``.
        bounds: The lowest and the highest.
        target: A type of decimals without a scale, float64, or 32 bytes, of which the first is the highest.

    Raises:
        UnfitTextError: One is no integer, is out of bounds, or has more digits than the type.

    Examples:
        >>> wide_integers(pa.array(["12", None]), (0, 2**256 - 1), pa.float64()).to_pylist()
        [12.0, None]
    """
    digits = target.precision if pa.types.is_decimal(target) else SURE_DIGITS
    lowest, highest = bounds
    if pa.types.is_decimal(target):
        lowest, highest = max(lowest, 1 - 10**digits), min(highest, 10**digits - 1)

    def exact(text: str) -> str:
        number = int(text) if _INTEGER.fullmatch(text) else highest + 1
        return str(number) if lowest <= number <= highest else ""

    is_sure, is_negative = _counted(texts, digits, 0)
    checked = _checked(texts, is_sure if lowest else is_sure & ~is_negative, exact)
    if pa.types.is_fixed_size_binary(target):
        numbers = (None if text is None else int(text) for text in checked.to_pylist())
        return pa.array([None if n is None else n.to_bytes(32, "big", signed=n < 0) for n in numbers], target)
    return pc.cast(checked, target)


def _checked(texts: pa.Array, is_sure: Mask, exact: Callable[[str], str]) -> pa.Array:
    """Write those that are not sure in the plain form, each text once."""
    if is_sure.all():
        return texts
    is_doubtful = pa.array(~is_sure)
    doubtful = pc.filter(texts, is_doubtful)
    plain = {text: exact(text) for text in doubtful.unique().to_pylist()}
    if unfit := [text for text, written in plain.items() if not written]:
        raise UnfitTextError(unfit[0])
    return pc.replace_with_mask(texts, is_doubtful, pa.array([plain[text] for text in doubtful.to_pylist()]))


def _counted(texts: pa.Array, whole: int, scale: int) -> tuple[Mask, Mask]:
    r"""Count the digits of all texts at once.

    Args:
        texts: The texts.
        whole: How many digits may stand before the point.
        scale: How many may stand behind it.

    Returns:
        Which have the form ``-?[0-9]+(\.[0-9]+)?`` and no more digits, or are NULL; and which begin with a minus.
    """
    offsets, content = offsets_of(texts), content_of(texts)
    starts, ends = offsets[:-1] - offsets[0], offsets[1:] - offsets[0]
    points, is_negative, is_plain = _in_columns(content, starts, ends, scale) or _one_by_one(content, starts, ends)
    before, behind = points - starts - is_negative, ends - points - 1
    is_sure = is_plain & (before >= 1) & (before <= whole) & (behind != 0) & (behind <= scale)
    if texts.null_count:
        is_sure |= texts.is_null().to_numpy(zero_copy_only=False)
    return is_sure, is_negative


def _in_columns(content: Matrix, starts: Places, ends: Places, scale: int) -> tuple[Places, Mask, Mask] | None:
    """Find the points of texts that all have as many digits behind it as their type; see `_one_by_one`."""
    is_text = ends > starts
    texts = slice(None) if is_text.all() else is_text
    points = ends - scale - 1 if scale else ends
    if (points[texts] <= starts[texts]).any() or (scale and (content[points[texts]] != _POINT).any()):
        return None
    is_negative = is_text.copy()
    is_negative[texts] = content[starts[texts]] == _MINUS
    expected = np.count_nonzero(is_negative) + (np.count_nonzero(is_text) if scale else 0)
    return (points, is_negative, is_text) if np.count_nonzero(content - _ZERO > 9) == expected else None


def _one_by_one(content: Matrix, starts: Places, ends: Places) -> tuple[Places, Mask, Mask]:
    """Find the point of each text, or its end; which begin with a minus; and which hold but digits beside these."""
    strange = np.flatnonzero(content - _ZERO > 9)
    owners, kinds = np.searchsorted(ends, strange, side="right"), content[strange]
    is_point, is_minus = kinds == _POINT, (kinds == _MINUS) & (strange == starts[owners])
    is_negative, is_plain = np.zeros(len(starts), np.bool_), np.ones(len(starts), np.bool_)
    is_negative[owners[is_minus]] = True
    is_plain[owners[~(is_point | is_minus)]] = False
    points, pointed = ends.copy(), owners[is_point]
    points[pointed] = strange[is_point]
    is_plain[pointed[1:][pointed[1:] == pointed[:-1]]] = False  # a second point
    return points, is_negative, is_plain
