"""Filters, sorting and samples of stored results, and tables with a schema, through HTTP where it matters."""

import pytest

from dagster_dune.emulator.engine.results import Column, ResultSet
from dagster_dune.emulator.http.row_filters import filtered, sampled, sorted_rows
from dagster_dune.emulator.requests import RequestError

RESULT = ResultSet(
    (
        Column("n", "bigint"),
        Column("amount", "uint256"),
        Column("Block Time", "timestamp(3) with time zone"),
        Column("chain", "varchar"),
        Column("ratio", "double"),
        Column("hash", "varbinary"),
        Column("ok", "boolean"),
        Column("tags", "array(varchar)"),
    ),
    [
        dict(zip(("n", "amount", "Block Time", "chain", "ratio", "hash", "ok", "tags"), values, strict=True))
        for values in (
            (1, str(2**256 - 1), "2026-01-01 00:00:00.000 UTC", "base", 0.5, "0xab", True, []),
            (2, "9", "2026-01-02 10:30:00.000 UTC", "bnb", "NaN", "0xcd", False, []),
            (3, None, None, None, None, None, None, None),
            (4, str(2**256 - 2), "2026-01-03 00:00:00.500 UTC", "BNB smart chain", -1.5, "0xef", True, []),
        )
    ],
)


def numbers(result):
    return [row["n"] for row in result.rows]


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        ("n = 1", [1]),
        ("n <> 1", [2, 3, 4]),
        ("N != 1 and n <= 3", [2, 3]),
        ("n = 1 or n = 4 and amount > 5", [1, 4]),
        ("(n = 1 or n = 4) and ratio < 0", [4]),
        ("amount > 115792089237316195423570985008687907853269984665640564039457584007913129639934", [1]),
        ("amount < 10", [2]),
        ("amount >= '9'", [1, 2, 4]),
        ("ratio > 1000000", [2]),
        ("ratio = -1.5", [4]),
        ("\"Block Time\" >= '2026-01-02'", [2, 4]),
        ("\"Block Time\" > '2026-01-02 10:30'", [4]),
        ("\"Block Time\" = '2026-01-02T12:30:00+02:00'", [2]),
        ("\"Block Time\" = '2026-01-03 00:00:00.5'", [4]),
        ("chain in ('base', 'bnb')", [1, 2]),
        ("chain like 'b%'", [1, 2]),
        ("chain like '%smart_chain'", [4]),
        ("chain > 'c'", []),
        ("hash in (0xAB, '0xef')", [1, 4]),
        ("ok = 'true'", [1, 4]),
        ("n > 100", []),
    ],
)
def test_filters(filters, kept):
    assert numbers(filtered(RESULT, filters)) == kept


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        ("NOT n = 1", "NOT"),
        ("chain NOT IN ('base')", "NOT"),
        ("n NOT LIKE '1'", "NOT"),
        ("n = now()", "no text and no number"),
        ("n = chain", "no text and no number"),
        ("n > (SELECT 1)", "no text and no number"),
        ("n IN (SELECT 1)", "IN"),
        ("n IS NULL", "IS NULL"),
        ("n BETWEEN 1 AND 2", "BETWEEN"),
        ("n + 1 = 2", "no column"),
        ("nothing = 1", "no column 'nothing'"),
        ("n = 'one'", "no value of column 'n'"),
        ("\"Block Time\" > 'yesterday'", "no value of column 'Block Time'"),
        ("tags = 'a'", "no order"),
        ("n = 1 GROUP BY n", "more than one clause"),
        ("n = ", "cannot be read"),
        ("", "filters"),
        ("n = 'open", "cannot be read"),
        ("n = 1; n = 2", "more than one clause"),
        ("(" * 20_000 + "n = 1" + ")" * 20_000, "nested too deep"),
        ("n = " + "CASE " * 20_000, "nested too deep"),
        ("(n = 1 AND " * 399 + "n = 1" + ")" * 399, "nested too deep"),
    ],
)
def test_filters_that_dune_does_not_take(filters, reason):
    with pytest.raises(RequestError, match=reason) as raised:
        filtered(RESULT, filters)
    assert raised.value.status == 400


def test_a_long_list_of_conditions_is_not_deep():
    assert filtered(RESULT, " OR ".join(f"n = {number}" for number in range(-2_000, 0))).rows == []


@pytest.mark.parametrize(
    ("sort_by", "order"),
    [
        ("n desc", [4, 3, 2, 1]),
        ("amount", [2, 4, 1, 3]),
        ("amount desc", [1, 4, 2, 3]),
        ("amount desc nulls first", [3, 1, 4, 2]),
        ("ok, n desc", [2, 4, 1, 3]),
        ('"Block Time" desc, n', [4, 2, 1, 3]),
        ("ratio", [4, 1, 2, 3]),
    ],
)
def test_sorting(sort_by, order):
    assert numbers(sorted_rows(RESULT, sort_by)) == order


@pytest.mark.parametrize("sort_by", ["nothing", "n + 1", "1", "tags", "n LIMIT 1", "n desc desc", ""])
def test_orders_that_dune_does_not_take(sort_by):
    with pytest.raises(RequestError, match="sort_by") as raised:
        sorted_rows(RESULT, sort_by)
    assert raised.value.status == 400


def test_a_sample_is_other_rows_each_time_in_their_order():
    everything = ResultSet((Column("n", "bigint"),), [{"n": n} for n in range(1000)])
    samples = [numbers(sampled(everything, 10)) for _ in range(20)]
    assert all(len(set(sample)) == 10 and sample == sorted(sample) for sample in samples)
    assert len({tuple(sample) for sample in samples}) > 1
    assert sampled(everything, 1000) == everything


def test_the_next_page_keeps_filter_and_order(http, client, finish):
    sql = "SELECT n, n % 3 AS rest FROM UNNEST(sequence(1, 30)) AS t(n)"
    execution_id = http.post("/sql/execute", json={"sql": sql}).json()["execution_id"]
    finish(client, execution_id)
    seen, uri = [], f"/execution/{execution_id}/results"
    options = {"filters": "rest = 1", "sort_by": "n desc", "columns": "n", "limit": 4}
    while uri:
        page = http.get(uri, params=options if not seen else None).json()
        seen += [row["n"] for row in page["result"]["rows"]]
        uri = page.get("next_uri")
    assert seen == [28, 25, 22, 19, 16, 13, 10, 7, 4, 1]
    assert page["result"]["metadata"]["total_row_count"] == 30
