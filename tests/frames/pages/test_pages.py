"""Pages as they come over the wire: cut anywhere, with any names of columns, and refused where they are none."""

import json
import random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from result_server import as_csv, json_page

from dagster_dune import DuneResultError
from dagster_dune.frames.pages import csv_pages
from dagster_dune.frames.pages.json_pages import read_json
from dagster_dune.frames.types.columns import Choices, arrow_schema, columns_of

TWO = columns_of(["a", "b"], ["bigint", "varchar"], Choices())
TEXTS = columns_of(["a", "b"], ["varchar", "varchar"], Choices())


def read_csv(pieces, columns):
    """All rows of a page in one batch."""
    batches = list(csv_pages.read_csv(pieces, columns))
    return pa.concat_batches(batches) if batches else pa.RecordBatch.from_pylist([], arrow_schema(columns))


def in_pieces(body, seed):
    draw, pieces, rest = random.Random(seed), [], body
    while rest:
        length = draw.choice([1, 2, 5, 30])
        pieces.append(rest[:length])
        rest = rest[length:]
    return pieces


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 999), st.text('a",\n\r é', max_size=12)), max_size=12),
    st.integers(1, 60),
    st.integers(0, 99),
)
def test_a_page_is_the_same_however_it_is_cut(rows, block, seed):
    body = as_csv(["a", "b"], [[str(number), text] for number, text in rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_pages, "BLOCK_BYTES", block)
        read = read_csv(in_pieces(body, seed), TWO)
    assert [tuple(row.values()) for row in read.to_pylist()] == rows


@pytest.mark.parametrize("block", [1, 10, 30, 10_000])
def test_a_text_may_begin_with_what_marks_an_encoding(monkeypatch, block):
    """Symbols of tokens do."""
    monkeypatch.setattr(csv_pages, "BLOCK_BYTES", block)
    rows = [["\ufeffUSDT", "\ufeff"], ["\ufeff", "x"]] * 5
    for header in (["a", "b"], ["\ufeffa", "b"]):
        body = as_csv(header, rows)
        assert read_csv(in_pieces(body, 1), TEXTS).to_pylist() == [{"a": a, "b": b} for a, b in rows]


def test_a_row_may_be_longer_than_a_block(monkeypatch):
    monkeypatch.setattr(csv_pages, "BLOCK_BYTES", 10)
    rows = [["1", "x" * 100], ["2", "line\n" * 50], ["3", '"' * 40]]
    assert read_csv(in_pieces(as_csv(["a", "b"], rows), 1), TWO).column("b").to_pylist() == [text for _, text in rows]


@pytest.mark.parametrize("header", ['"a\nb",c\n', '"a""\n"",b",c\n', '\ufeff"a\nb",c\n'])
def test_names_may_hold_line_breaks_and_quotes(header, monkeypatch):
    monkeypatch.setattr(csv_pages, "BLOCK_BYTES", 4)
    name = header.removeprefix("\ufeff")[1:].split('",c')[0].replace('""', '"')
    columns = columns_of([name, "c"], ["bigint", "bigint"], Choices())
    assert read_csv(in_pieces(f"{header}1,2\n".encode(), 3), columns).to_pylist() == [{name: 1, "c": 2}]


@pytest.mark.parametrize("names", [["", "a", "a"], ["a", "", ""], ["a", "A", "a"]])
def test_names_that_are_empty_or_not_their_own_survive(names):
    columns = columns_of(names, ["varchar", "bigint", "bigint"], Choices())
    batch = read_csv([as_csv(names, [["x", "1", "2"], [None, "3", None]])], columns)
    pairs = [zip(map(json.dumps, names), map(json.dumps, row), strict=True) for row in (["x", 1, 2], [None, 3, None])]
    rows = ",".join("{" + ",".join(f"{name}:{value}" for name, value in row) + "}" for row in pairs)
    again = read_json(f'{{"result": {{"rows": [{rows}]}}}}'.encode(), columns).batch
    for read in (batch, again):
        assert read.schema.names == names
        assert [column.to_pylist() for column in read.columns] == [["x", None], [1, 3], [2, None]]


def test_json_that_holds_one_value_of_two_columns_is_refused():
    columns = columns_of(["b", "a", "a"], ["varchar", "bigint", "bigint"], Choices())
    assert read_json(json_page(["b", "a", "a"], []), columns).batch.num_rows == 0
    with pytest.raises(DuneResultError, match="several columns 'a'"):
        read_json(json_page(["b", "a", "a"], [["x", 1, 2]]), columns)


def test_columns_in_another_order_are_put_in_order():
    columns = columns_of(["a", "b", "c"], ["bigint", "varchar", "boolean"], Choices())
    body = as_csv(["c", "a", "b"], [["true", "1", "x"]])
    assert read_csv([body], columns).to_pylist() == [{"a": 1, "b": "x", "c": True}]


@pytest.mark.parametrize(
    "body", [b"a,x\n1,2\n", b"a,b\n1\n", b'a,b\n1,"2\n', b"a,b\n1,\xff\n", b'"a\n', b"", b"<html>"]
)
def test_what_is_no_such_page_is_refused(body):
    with pytest.raises(DuneResultError, match="page"):
        read_csv([body], TEXTS)
    with pytest.raises(DuneResultError, match="page"):
        read_json(body, TEXTS)


def test_a_page_whose_end_is_missing_is_refused_in_any_block(monkeypatch):
    monkeypatch.setattr(csv_pages, "BLOCK_BYTES", 8)
    body = as_csv(["a", "b"], [[str(n), "x,y"] for n in range(9)])
    with pytest.raises(DuneResultError, match="page"):
        read_csv(in_pieces(body[:-3], 2), TWO)


def test_a_row_without_a_column_is_refused():
    with pytest.raises(DuneResultError, match="has no column 'a'"):
        read_json(b'{"result": {"rows": [{"d": 1}]}}', TWO)


def test_a_page_that_is_no_json_is_told():
    with pytest.raises(DuneResultError, match="A page of the result is no JSON: "):
        read_json(b"<html>Bad gateway</html>", ())
