"""Decimals and integers of 256 bits: exact, or an error that names the value, in every frame and both formats."""

import re
from decimal import Context, Decimal, Inexact, InvalidOperation

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from result_server import as_csv, json_page

from dagster_dune import DuneResultError
from dagster_dune.frames.pages import csv_pages
from dagster_dune.frames.pages.json_pages import read_json
from dagster_dune.frames.targets import target_of
from dagster_dune.frames.types.columns import Choices, arrow_schema, columns_of
from dagster_dune.frames.types.texts import WIDE_RANGES, from_text

VALUES = {
    "arrow": lambda table: table.column(0).to_pylist(),
    "polars": lambda frame: frame["c"].to_list(),
    "duckdb": lambda relation: [value for (value,) in relation.fetchall()],
}
FORMATS = {
    "csv": lambda texts, columns: list(csv_pages.read_csv([as_csv(["c"], [[text] for text in texts])], columns)),
    "json": lambda texts, columns: [read_json(json_page(["c"], [[text] for text in texts]), columns).batch],
}
WIDTHS = [2**bits + off for bits in (64, 127, 128, 255, 256) for off in (-1, 0, 1, 5)]
POWERS = [10**power + off for power in (1, 37, 38, 39, 75, 76, 77, 78) for off in (-1, 0, 1)]
INTEGERS = st.integers(0, 256).flatmap(lambda bits: st.integers(-(2**bits), 2**bits)) | st.sampled_from(
    [sign * number for number in WIDTHS + POWERS for sign in (1, -1)]
)


def outcome(read, texts):
    """The values, or the text that an error names."""
    try:
        return read()
    except DuneResultError as error:
        named = re.search(r"Column 'c' is declared .*, but '(.*?)(?:\.\.\.)?' is no value of it", str(error))
        return next(text for text in texts if text is not None and text[:100] == named[1])


def expected(texts, exact):
    """What exact arithmetic says, text by text."""
    values = []
    for text in texts:
        values.append(None if text is None else exact(text))
        if text is not None and values[-1] is None:
            return text
    return values


@pytest.mark.parametrize("frame", VALUES)
@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("type_", WIDE_RANGES)
@settings(deadline=None)
@given(numbers=st.lists(st.none() | INTEGERS, min_size=1, max_size=4))
@example(numbers=[1, 2**256 - 1])
@example(numbers=[None, 2**128 + 5])
def test_a_wide_integer_is_exact_or_named(type_, format_, frame, numbers):
    target = target_of(frame)
    columns = columns_of(["c"], [type_], Choices(uint256="decimal", digits=target.digits))
    lowest, highest = WIDE_RANGES[type_]
    texts = [None if number is None else str(number) for number in numbers]

    def exact(text):
        fits = lowest <= int(text) <= highest and len(text.lstrip("-")) <= target.digits
        return Decimal(text) if fits else None

    def read():
        return VALUES[frame](target.build(arrow_schema(columns), FORMATS[format_](texts, columns)))

    assert outcome(read, texts) == expected(texts, exact)


@st.composite
def decimals(draw):
    precision = draw(st.integers(1, 38))
    scale = draw(st.integers(0, precision))
    exponents = st.integers(-scale - 1, 0)
    values = st.builds(lambda number, exponent: format(Decimal((0, (0,), exponent)) + number, "f")
                       if exponent == 0 else f"{number}.{'0' * -exponent}", INTEGERS, exponents)  # fmt: skip
    digits = st.integers(-(10**precision) * 20, 10**precision * 20)
    scaled = digits.map(lambda number: format(Decimal(number).scaleb(-scale, Context(prec=100)), "f"))
    texts = draw(st.sampled_from([values | scaled, scaled]))  # as each is, or all alike
    return precision, scale, draw(st.lists(st.none() | texts, min_size=1, max_size=4))


@pytest.mark.parametrize("frame", VALUES)
@pytest.mark.parametrize("format_", FORMATS)
@settings(deadline=None)
@given(drawn=decimals())
@example(drawn=(38, 0, ["9" * 39]))
@example(drawn=(38, 2, ["1.50", None, "9" * 37 + ".00"]))
@example(drawn=(4, 2, ["-0.50", None, ".50"]))
@example(drawn=(38, 10, ["1" * 38]))
@example(drawn=(38, 38, ["0." + "9" * 38, "9.5"]))
def test_a_decimal_is_exact_or_named(format_, frame, drawn):
    precision, scale, texts = drawn
    target = target_of(frame)
    columns = columns_of(["c"], [f"decimal({precision},{scale})"], Choices(digits=target.digits))
    context = Context(prec=precision, traps=[Inexact, InvalidOperation])

    def exact(text):
        try:
            return Decimal(text).quantize(Decimal(1).scaleb(-scale), context=context)
        except (Inexact, InvalidOperation):
            return None

    def read():
        return VALUES[frame](target.build(arrow_schema(columns), FORMATS[format_](texts, columns)))

    assert outcome(read, texts) == expected(texts, exact)


@pytest.mark.parametrize("type_", ["uint256", "int256"])
@pytest.mark.parametrize("choice", ["decimal", "float", "binary"])
@pytest.mark.parametrize(
    "text",
    ["", "-", "+5", "--5", "5-", "1e5", "1.0", "1.", ".5", "0x10", " 5", "5 ", "1_0", "NaN", "Infinity", "five",
     "\u0665", str(2**256), str(-(2**255) - 1), "9" * 2000],
)  # fmt: skip
def test_what_is_no_wide_integer_is_none_however_it_is_held(type_, choice, text):
    (column,) = columns_of(["c"], [type_], Choices(uint256=choice))
    with pytest.raises(DuneResultError, match=r"Column 'c' is declared u?int256, but .* is no value of it"):
        from_text(pa.array(["1", None, text]), column)


@pytest.mark.parametrize("choice", ["float", "binary"])
def test_the_ends_of_256_bits_are_held(choice):
    for type_, bounds in WIDE_RANGES.items():
        (column,) = columns_of(["c"], [type_], Choices(uint256=choice))
        for number in bounds:
            held = float(number) if choice == "float" else number.to_bytes(32, "big", signed=number < 0)
            assert from_text(pa.array([None, str(number), "00"]), column).to_pylist()[1] == held


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.2300", "1.23"), ("1.5", "1.50"), ("7", "7"), ("1E3", "1000"), ("-25e-1", "-2.50"), ("+1", "1"), (".5", "0.50"),
     ("000000000000.10", "0.10"), ("0E-18", "0"), ("-0", "0"), ("1.2345", None), ("1e8", None), ("1e999999999", None),
     ("1e-3", None), ("1e9999999999", None), ("", None), (".", None), ("1..2", None), ("1.2.3", None), ("1-2", None),
     ("-", None), ("NaN", None), ("Infinity", None), ("0x1", None), (" 1", None), ("\u0661", None)],
)  # fmt: skip
@pytest.mark.parametrize("before", [[], ["1.00", None], ["12345678.12"]])
def test_a_decimal_may_be_written_in_any_way_that_loses_nothing(text, value, before):
    (column,) = columns_of(["c"], ["decimal(10,2)"], Choices())
    texts = pa.array([*before, text], pa.string())
    read = outcome(lambda: from_text(texts, column).to_pylist()[-1], [text])
    assert read == (text if value is None else Decimal(value))


@pytest.mark.parametrize("frame", VALUES)
@pytest.mark.parametrize(("text", "digits_needed"), [("0.5", 0), (None, 0), ("1.5", 41), ("-0." + "1" * 40, 40)])
def test_a_decimal_that_is_declared_wider_than_a_target_has_digits_is_exact_or_named(frame, text, digits_needed):
    target = target_of(frame)
    columns = columns_of(["c"], ["decimal(50,40)"], Choices(digits=target.digits))
    texts = [text, None]

    def read():
        return VALUES[frame](target.build(arrow_schema(columns), FORMATS["csv"](texts, columns)))

    exact = [None if text is None else Decimal(text), None]
    assert outcome(read, texts) == (exact if digits_needed <= target.digits else text)


def test_a_slice_of_texts_is_read_as_they_are():
    (column,) = columns_of(["c"], ["decimal(20,1)"], Choices())
    texts = pa.array(["x", "9" * 40, "-1.5", None, "20", "y"])
    assert from_text(texts[2:5], column).to_pylist() == [Decimal("-1.5"), None, Decimal(20)]


@pytest.mark.parametrize(
    ("type_", "text"), [("double", "1e999"), ("double", "-1e999"), ("real", "1e39"), ("real", "9" * 60)]
)
def test_a_number_that_is_too_large_for_a_double_is_not_infinite(type_, text):
    (column,) = columns_of(["c"], [type_], Choices())
    with pytest.raises(DuneResultError, match=f"'{text}' is no value of it that (float|double) can hold"):
        from_text(pa.array(["-Infinity", "NaN", None, text]), column)
