"""Results for people, without Dagster: typed frames of executions and queries, and executions that are waited for."""

import threading
import warnings
from decimal import Decimal

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from result_server import ResultServer

from dagster_dune import DuneApiClient, DuneConfigurationError, DuneNotFoundError, DuneResultError
from dagster_dune.frames import extras
from dagster_dune.frames.results import Waiting, get_result, run_query, run_sql
from dagster_dune.frames.targets import target_of

SQL = """
SELECT n, CASE WHEN n = 2 THEN NULL ELSE 'text ' || CAST(n AS varchar) END AS t, CAST(n AS decimal(10,2)) AS d,
  CAST('115792089237316195423570985008687907853269984665640564039457584007913129639935' AS uint256) AS u,
  from_hex('00ff') AS b, TIMESTAMP '2024-01-02 03:04:05.678 UTC' AS at, DATE '2024-01-02' AS on_day, n > 1 AS flag
FROM UNNEST(sequence(1, 3)) AS s(n)
"""
WIDE = str(2**256 - 1)


@pytest.fixture
def execution(client, dune, finish):
    execution_id = client.execute_sql(SQL).execution_id
    finish(client, execution_id)
    return execution_id


def test_every_kind_of_frame_holds_the_same(client, execution):
    arrow = get_result(client, execution)
    assert isinstance(arrow, pa.Table)
    assert arrow.column("u").to_pylist() == [WIDE] * 3
    assert arrow.column("d").to_pylist() == [Decimal("1.00"), Decimal("2.00"), Decimal("3.00")]
    frame = get_result(client, execution, as_=pl.DataFrame)
    assert frame.schema["at"] == pl.Datetime("us", "UTC")
    assert frame.to_arrow().cast(arrow.schema).to_pylist() == arrow.to_pylist()
    assert get_result(client, execution, as_=pl.LazyFrame).collect().equals(frame)
    reader = get_result(client, execution, as_=pa.RecordBatchReader)
    assert reader.read_all().to_pylist() == arrow.to_pylist()
    pandas = get_result(client, execution, as_=pd.DataFrame)
    assert pa.Table.from_pandas(pandas, preserve_index=False).to_pylist() == arrow.to_pylist()
    relation = get_result(client, execution, as_=duckdb.DuckDBPyRelation)
    assert relation.aggregate("sum(d), min(u), count(t)").fetchall() == [(Decimal("6.00"), WIDE, 2)]


def test_both_formats_agree_on_real_rows(client, execution):
    in_csv, in_json = (get_result(client, execution, wire=wire) for wire in ("csv", "json"))
    assert in_csv.schema.equals(in_json.schema, check_metadata=True)
    assert in_csv.to_pylist() == in_json.to_pylist()


def test_several_executions_follow_each_other(client, execution, finish):
    assert get_result(client, [execution, execution]).column("n").to_pylist() == [1, 2, 3, 1, 2, 3]
    other = client.execute_sql("SELECT 1 AS n").execution_id
    finish(client, other)
    with pytest.raises(DuneResultError, match=r"differ: .*b varbinary"):
        get_result(client, [execution, other])
    with pytest.raises(DuneResultError, match="more than max_bytes=1"):
        get_result(client, [execution, execution], max_bytes=1)


def test_the_latest_result_of_a_query(client, dune, finish):
    dune.load_query(7, "seven", "SELECT 7 AS n")
    with pytest.raises(DuneNotFoundError):
        get_result(client, query_id=7)
    finish(client, client.execute_query(7).execution_id)
    assert get_result(client, query_id=7).to_pylist() == [{"n": 7}]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "execution_id or a query_id"),
        ({"execution_id": "x", "query_id": 1}, "execution_id or a query_id"),
        ({"execution_id": "x", "as_": dict}, r"builtins.dict.*polars.DataFrame"),
        ({"execution_id": "x", "as_": "excel"}, "'excel'"),
        ({"execution_id": "x", "colums": ["a"]}, "Options of reading are columns"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_any_request(faulty, options, words):
    with DuneApiClient("key", faulty.url) as client, pytest.raises(DuneConfigurationError, match=words):
        get_result(client, **options)
    assert faulty.requests == []


def test_names_that_are_not_their_own_are_renamed_where_they_must_be():
    with (
        ResultServer(["a", "a", "A"], ["bigint"] * 3, [["1", "2", "3"]]) as server,
        DuneApiClient("key", server.url) as client,
    ):
        with pytest.warns(UserWarning, match="'a' -> 'a_2'"):
            assert get_result(client, server.ID, as_=pl.DataFrame).columns == ["a", "a_2", "A"]
        with pytest.warns(UserWarning, match="'A' -> 'A_3'"):
            assert get_result(client, server.ID, as_="duckdb").columns == ["a", "a_2", "A_3"]
        assert get_result(client, server.ID, as_=pd.DataFrame).columns.tolist() == ["a", "a", "A"]


def test_decimals_end_with_the_digits_of_the_target():
    with ResultServer(["u"], ["uint256"], [["1" * 39]]) as server, DuneApiClient("key", server.url) as client:
        assert get_result(client, server.ID, uint256="decimal").column(0)[0].as_py() == int("1" * 39)
        for target in (pl.DataFrame, duckdb.DuckDBPyRelation):
            with pytest.raises(DuneResultError, match="'u'.*" + "1" * 39):
                get_result(client, server.ID, uint256="decimal", as_=target)


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(extras, "import_module", missing)
    with pytest.raises(DuneConfigurationError, match=r"needs polars.*pip install 'dagster-dune\[polars\]'"):
        target_of("polars").build(pa.schema([]), [])


def test_types_that_a_target_lacks_are_told_by_no_warning(client, execution):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        get_result(client, execution, as_=pl.DataFrame)


# --- executions ---


def journal(dune, path):
    return [entry for entry in dune.journal() if entry["path"].endswith(path)]


def test_a_query_is_sent_once_waited_for_and_read(client, dune):
    dune.load_query(8, "eight", "SELECT {{n}} AS n", parameters=[{"key": "n", "type": "number", "value": "8"}])
    result = run_query(client, 8, {"n": 9}, performance="large")
    assert (result.read().to_pylist(), result.credits) == ([{"n": 9}], result.status.execution_cost_credits)
    assert result.credits > 0
    (sent,) = journal(dune, "/query/8/execute")
    assert sent["body"] == {"performance": "large", "query_parameters": {"n": 9}}


def test_sql_is_read_as_the_frame_that_is_asked_for(client):
    assert run_sql(client, "SELECT 1 AS n").read(pl.DataFrame).to_dicts() == [{"n": 1}]


def test_a_failure_says_what_dune_said(client):
    with pytest.raises(DuneResultError, match=r"is failed: .*no_such"):
        run_sql(client, "SELECT no_such FROM dex.trades")


class Interrupt(BaseException):
    """Dagster's termination is no Exception either."""


def test_an_interrupt_cancels_the_execution(client, dune, endless, monkeypatch):
    begun = threading.Event()
    read = client.get_execution_status

    def interrupted(execution_id):
        if begun.is_set():
            raise Interrupt
        begun.set()
        return read(execution_id)

    monkeypatch.setattr(client, "get_execution_status", interrupted)
    with pytest.raises(Interrupt):
        run_sql(client, endless)
    (cancelled,) = journal(dune, "/cancel")
    monkeypatch.undo()
    execution_id = cancelled["path"].split("/")[-2]
    assert client.get_execution_status(execution_id).state == "QUERY_STATE_CANCELLED"


def test_what_takes_too_long_is_cancelled(client, dune, endless):
    with pytest.raises(DuneResultError, match=r"longer than 0.3 s and was cancelled"):
        run_sql(client, endless, waiting=Waiting(timeout=0.3))
    assert len(journal(dune, "/cancel")) == 1


def test_status_requests_that_fail_are_borne_for_a_while(faulty):
    faulty.replies = [
        (200, '{"execution_id": "01X", "state": "QUERY_STATE_PENDING"}'),
        (503, "{}"),
        (200, '{"execution_id": "01X", "state": "QUERY_STATE_COMPLETED", "execution_cost_credits": 2.5}'),
    ]
    with DuneApiClient("key", faulty.url, max_retries=0) as client:
        assert run_sql(client, "SELECT 1").credits == 2.5
        faulty.replies = [(200, '{"execution_id": "01X"}'), (503, "{}")]
        with pytest.raises(DuneResultError, match="may go on running"):
            run_sql(client, "SELECT 1", waiting=Waiting(failure_tolerance=0))
