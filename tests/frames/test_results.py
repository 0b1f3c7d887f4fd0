"""Results for people, without Dagster: typed frames of executions and queries, and executions that are waited for."""

import datetime as dt
import json
import subprocess
import sys
import threading
import time
import warnings
from decimal import Decimal

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from result_server import ResultServer
from waiting import wait_until

from dagster_dune import DuneApiClient, DuneConfigurationError, DuneNotFoundError, DuneResultError
from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.frames import extras
from dagster_dune.frames.results import Waiting, get_result, open_reader, run_query, run_sql
from dagster_dune.frames.targets import target_of
from dagster_dune.frames.text_files import write_csv, write_ndjson

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


def test_what_comes_without_rows_of_several_is_counted_too():
    with (
        ResultServer(["n"], ["bigint"], [["1"]] * 3) as server,
        DuneApiClient("key-key-key", server.url) as client,
    ):
        server.rows = lambda options: []
        seen = []
        get_result(client, [server.ID, server.ID], filters="n > 1", on_export=seen.append)
    assert (seen[-1].rows, seen[-1].bytes) == (0, 2 * len(b"n\n"))


class Chains(ResultServer):
    """Executions of SQL that writes its parameter down: a text has the length of its value, which is the id."""

    one_by_one = threading.Lock()

    def answer(self, path, options):
        chain = path.split("/")[4]
        with self.one_by_one:
            self.types = [f"varchar({len(chain)})", "decimal(10,3)" if chain == "polygon" else "decimal(10, 2)"]
            self.texts = [[chain, "1.00"]]
            answer = super().answer(path, options)
        return answer | {"body": answer["body"].replace(self.ID.encode(), chain.encode())}


def test_texts_of_several_lengths_are_one_column():
    with Chains(["chain", "d"], ["", ""], [["", ""]]) as server, DuneApiClient("key", server.url) as client:
        table = get_result(client, ["ethereum", "base"])
        assert table.column("chain").to_pylist() == ["ethereum", "base"]
        assert table.schema.field("chain").metadata == {b"dagster-dune/type": b"varchar"}
        assert get_result(client, ["base", "base"]).schema.field("chain").metadata == {
            b"dagster-dune/type": b"varchar(4)"
        }
        with pytest.raises(DuneResultError, match=r"differ: d decimal\(10,2\), d decimal\(10,3\)\. The SQL was chang"):
            get_result(client, ["ethereum", "polygon"])


@pytest.mark.parametrize("option", [{"limit": 1}, {"sample": 1}, {"sort_by": "n"}])
def test_what_is_of_one_execution_is_not_asked_of_several(client, execution, option):
    with pytest.raises(DuneConfigurationError, match="cannot be asked of several"):
        get_result(client, [execution, execution], **option)


def test_the_latest_result_of_a_query(client, dune, finish):
    dune.load_query(7, "seven", "SELECT 7 AS n")
    with pytest.raises(DuneNotFoundError):
        get_result(client, query_id=7)
    finish(client, client.execute_query(7).execution_id)
    assert get_result(client, query_id=7).to_pylist() == [{"n": 7}]


def test_the_latest_result_is_found_without_a_row_of_it(faulty):
    shape = {"column_names": ["n"], "column_types": ["bigint"], "total_row_count": 1, "total_result_set_bytes": 9}
    about = {"execution_id": "01X", "state": "QUERY_STATE_COMPLETED", "result_metadata": shape}
    faulty.replies = [(200, json.dumps(about))]
    with DuneApiClient("key", faulty.url) as client, pytest.raises(DuneResultError, match="more than max_bytes=1"):
        get_result(client, query_id=7, max_bytes=1)
    assert faulty.requests == [
        "GET /api/v1/query/7/results?limit=0&allow_partial_results=true",
        "GET /api/v1/execution/01X/status",
    ]


@pytest.fixture
def partial(database):
    """A client of an account whose query 7 has a result that was cut short."""
    with DuneEmulator(database=database, max_result_bytes=100) as dune, DuneApiClient(dune.api_key, dune.url) as client:
        dune.load_query(7, "seven", "SELECT n, 'xxxxxxxxxxxxxxxxxxxx' AS t FROM UNNEST(sequence(1, 50)) AS s(n)")
        run_query(client, 7)
        yield client


def test_a_latest_result_that_was_cut_short_is_read_where_that_will_do(partial):
    rows = get_result(partial, query_id=7, allow_partial_results=True).column("n").to_pylist()
    assert 0 < len(rows) < 50
    assert rows == list(range(1, len(rows) + 1))


def test_a_latest_result_that_was_cut_short_is_an_error_with_a_hint_elsewhere(partial):
    with pytest.raises(DuneResultError, match=r"QUERY_STATE_COMPLETED_PARTIAL.*allow_partial_results=True reads what"):
        get_result(partial, query_id=7)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "execution_id or a query_id"),
        ({"execution_id": "x", "query_id": 1}, "execution_id or a query_id"),
        ({"execution_id": "x", "as_": dict}, r"builtins.dict.*polars.DataFrame"),
        ({"execution_id": "x", "as_": "excel"}, "'excel'"),
        ({"execution_id": "x", "colums": ["a"]}, "There is no option 'colums' of reading. Did you mean columns"),
        ({"execution_id": []}, "There is no execution to read"),
        ({"execution_id": ["x", "y"], "limit": 1}, "limit, sample and sort_by are of one execution"),
        ({"execution_id": "x", "page_size": 0}, "page_size must be at least 1, not 0"),
        (
            {"execution_id": 4100030},
            "The id of an execution is a text .* not 4100030. The number of a query is given as",
        ),
        ({"execution_id": ["x", None]}, "The id of an execution is a text .* not None"),
        ({"execution_id": ""}, "The id of an execution is a text .* not ''"),
        ({"query_id": "weekly"}, "query_id must be the number of a query, not 'weekly'"),
        ({"query_id": True}, "query_id must be the number of a query, not True"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_any_request(faulty, options, words):
    with DuneApiClient("key", faulty.url) as client, pytest.raises(DuneConfigurationError, match=words):
        get_result(client, **options)
    assert faulty.requests == []


def test_several_results_together_are_no_larger_than_max_bytes(client, execution):
    size = client.get_execution_status(execution).result_metadata.total_result_set_bytes
    with pytest.raises(
        DuneResultError, match=rf"The results of 2 executions have {2 * size} bytes, more than max_bytes"
    ):
        get_result(client, [execution, execution], max_bytes=size)


def test_a_latest_result_without_an_execution_is_an_error(faulty):
    faulty.replies = [(200, '{"state": "QUERY_STATE_COMPLETED"}')]
    with (
        DuneApiClient("key", faulty.url) as client,
        pytest.raises(DuneResultError, match="names no execution for the latest result of query 7"),
    ):
        get_result(client, query_id=7)


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
    with pytest.raises(DuneResultError, match=r"of the SQL has failed: .*no_such"):
        run_sql(client, "SELECT no_such FROM dex.trades")


@pytest.mark.parametrize(
    ("run", "given", "said"),
    [
        (run_query, "query_parameters", r"no option 'query_parameters' of run_query\. Did you mean parameters\?"),
        (run_query, "columns", r"no option 'columns' of run_query\. The options of run_query are parameters, perf"),
        (run_sql, "parameters", "declares no parameters, and is given parameters"),
        (run_sql, "on_ends", r"no option 'on_ends' of run_sql\. Did you mean on_end\?"),
    ],
)
def test_an_argument_of_another_name_is_told_before_anything_is_paid_for(client, dune, run, given, said):
    with pytest.raises(DuneConfigurationError, match=said):
        run(client, 1 if run == run_query else "SELECT 1", **{given: {"n": 1}})
    assert dune.executions() == []


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


SENT = (200, '{"execution_id": "01X", "state": "QUERY_STATE_PENDING"}')
GONE = (404, '{"error": "Execution not found"}')
RUNS = (200, '{"execution_id": "01X", "state": "QUERY_STATE_EXECUTING"}')


def test_an_execution_may_not_be_known_yet(faulty):
    faulty.replies = [SENT, GONE, (200, '{"execution_id": "01X", "state": "QUERY_STATE_COMPLETED"}')]
    with DuneApiClient("key", faulty.url, max_retries=0) as client:
        assert run_sql(client, "SELECT 1").execution_id == "01X"


def test_an_execution_may_be_unknown_for_a_moment_later_on(faulty):
    tolerance, left = 0.5, [SENT, RUNS, GONE, (200, '{"execution_id": "01X", "state": "QUERY_STATE_COMPLETED"}')]
    sent_at = time.monotonic()

    def reply(_):
        answer = left.pop(0) if len(left) > 1 else left[0]
        if answer is GONE:
            wait_until(lambda: time.monotonic() > sent_at + 2 * tolerance)
        return answer

    faulty.replies = reply
    with DuneApiClient("key", faulty.url, max_retries=0) as client:
        assert run_sql(client, "SELECT 1", waiting=Waiting(not_found_tolerance=tolerance)).execution_id == "01X"


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_what_ends_the_waiting_says_that_it_was_started(faulty, status):
    faulty.replies = [SENT, (status, '{"error": "no"}')]
    said = rf"01X of the SQL was started, and .*{status}.*may go on running"
    with DuneApiClient("key", faulty.url, max_retries=0) as client, pytest.raises(DuneResultError, match=said):
        run_sql(client, "SELECT 1", waiting=Waiting(not_found_tolerance=0))


def test_an_end_in_a_state_that_is_not_known_is_one(faulty):
    rejected = '{"execution_id": "01X", "state": "QUERY_STATE_REJECTED", "is_execution_finished": true}'
    faulty.replies = [SENT, (200, rejected)]
    with DuneApiClient("key", faulty.url) as client:
        with pytest.raises(DuneResultError, match="Execution 01X of the SQL has ended as QUERY_STATE_REJECTED"):
            run_sql(client, "SELECT 1")
        with pytest.raises(DuneResultError, match=r"its state is QUERY_STATE_REJECTED.*Execute the query again"):
            get_result(client, "01X")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((500, "{}"), r"longer than 0\.1 s, and could not be cancelled: .*500.*may go on running"),
        ((200, '{"success": false}'), r"longer than 0\.1 s, and could not be cancelled: Dune did not do it"),
        ((200, '{"success": true}'), r"longer than 0\.1 s and was cancelled"),
    ],
)
def test_what_takes_too_long_is_told_as_it_is(faulty, answer, said):
    faulty.replies = lambda request: answer if "cancel" in request else SENT if "POST" in request else RUNS
    with DuneApiClient("key", faulty.url, max_retries=0) as client, pytest.raises(DuneResultError, match=said):
        run_sql(client, "SELECT 1", waiting=Waiting(timeout=0.1))


def test_what_has_ended_when_it_is_cancelled_is_read(faulty):
    """It is paid for."""
    ended = (200, '{"execution_id": "01X", "state": "QUERY_STATE_COMPLETED", "execution_cost_credits": 2}')

    def reply(request):
        if "cancel" in request:
            return 200, '{"success": false}'
        is_late = any("cancel" in before for before in faulty.requests)
        return SENT if "POST" in request else ended if is_late else RUNS

    faulty.replies = reply
    with DuneApiClient("key", faulty.url, max_retries=0) as client:
        assert run_sql(client, "SELECT 1", waiting=Waiting(timeout=0.1)).credits == 2


@pytest.mark.parametrize("setting", ["timeout", "max_poll_interval", "failure_tolerance"])
@pytest.mark.parametrize("seconds", ["5", True, -1, float("nan")])
def test_a_time_that_nobody_can_wait_for_is_refused_before_anything_is_sent(setting, seconds):
    with pytest.raises(DuneConfigurationError, match=f"{setting} must be a"):
        Waiting(**{setting: seconds})


def test_a_result_that_was_cut_short_is_told(faulty, caplog):
    faulty.replies = [
        (200, '{"execution_id": "01X", "state": "QUERY_STATE_PENDING"}'),
        (200, '{"execution_id": "01X", "state": "QUERY_STATE_COMPLETED_PARTIAL"}'),
        (200, '{"execution_id": "01X", "state": "QUERY_STATE_COMPLETED_PARTIAL"}'),
    ]
    with DuneApiClient("key", faulty.url) as client:
        run_sql(client, "SELECT 1")
    assert "allow_partial_results=True reads what there is" in caplog.text


def test_what_could_not_be_cancelled_is_told(client, dune, endless, monkeypatch, caplog):
    dune.inject(
        "status", method="POST", path="/api/v1/execution/*/cancel", times=None, status=403, body={"error": "no"}
    )

    def interrupted(_):
        raise Interrupt

    monkeypatch.setattr(client, "get_execution_status", interrupted)
    with pytest.raises(Interrupt):
        run_sql(client, endless)
    assert "may go on running, it could not be cancelled. Dune answered 403" in caplog.text


# --- every type, through every target ---

TYPES = """
SELECT true AS a_boolean, CAST(-128 AS tinyint) AS a_tinyint, CAST(7 AS smallint) AS a_smallint, 8 AS an_integer,
  CAST(9 AS bigint) AS a_bigint, CAST(0.5 AS real) AS a_real, infinity() AS a_double, -infinity() AS another_double,
  CAST('-1.50' AS decimal(20,2)) AS a_decimal, U&'a,"b"' || chr(10) || chr(13) || '😀' || chr(0) AS a_varchar,
  '' AS an_empty_text, CAST(NULL AS varchar) AS a_null, from_hex('00ff') AS a_varbinary, DATE '0001-01-01' AS a_date,
  TIME '23:59:59.999' AS a_time, TIMESTAMP '2024-01-02 03:04:05.678' AS a_timestamp,
  TIMESTAMP '9999-12-31 23:59:59.999 UTC' AS a_zoned, INTERVAL '-1 02:03:04.005' DAY TO SECOND AS an_interval,
  INTERVAL '1-2' YEAR TO MONTH AS a_year_to_month, CAST('12151fd2-7586-11e9-8f9e-2a86e4085a59' AS uuid) AS a_uuid,
  CAST('115792089237316195423570985008687907853269984665640564039457584007913129639935' AS uint256) AS a_uint256,
  CAST('-5' AS int256) AS an_int256
"""
NESTED = """
SELECT ARRAY[1, NULL] AS an_array, MAP(ARRAY['a', 'b'], ARRAY[DECIMAL '1.50', NULL]) AS a_map,
  CAST(ROW(1, from_hex('ab')) AS row(n bigint, b varbinary)) AS a_row, JSON_PARSE('{"a": [1.10, "é"]}') AS a_json
"""
EXPECTED = {
    "a_boolean": True, "a_tinyint": -128, "a_smallint": 7, "an_integer": 8, "a_bigint": 9, "a_real": 0.5,
    "a_double": float("inf"), "another_double": float("-inf"), "a_decimal": Decimal("-1.50"),
    "a_varchar": 'a,"b"\n\r\U0001f600\x00', "an_empty_text": "", "a_null": None, "a_varbinary": b"\x00\xff",
    "a_date": dt.date(1, 1, 1), "a_time": dt.time(23, 59, 59, 999000),
    "a_timestamp": dt.datetime(2024, 1, 2, 3, 4, 5, 678000),  # noqa: DTZ001  (it has no zone)
    "a_zoned": dt.datetime(9999, 12, 31, 23, 59, 59, 999000, dt.UTC),
    "an_interval": -dt.timedelta(days=1, hours=2, minutes=3, seconds=4, milliseconds=5), "a_year_to_month": "1-2",
    "a_uuid": "12151fd2-7586-11e9-8f9e-2a86e4085a59", "a_uint256": WIDE, "an_int256": "-5",
}  # fmt: skip
EXPECTED_NESTED = {
    "an_array": [1, None], "a_map": [("a", Decimal("1.50")), ("b", None)], "a_row": {"n": 1, "b": b"\xab"},
    "a_json": '{"a":[1.10,"é"]}',
}  # fmt: skip
TARGETS = {
    "arrow": lambda frame: frame,
    "arrow_stream": lambda frame: frame.read_all(),
    "polars": lambda frame: frame.to_arrow(),
    "polars_lazy": lambda frame: frame.collect().to_arrow(),
    "pandas": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "duckdb": lambda frame: frame.to_arrow_table(),
}


@pytest.mark.parametrize("wire", ["csv", "json"])
def test_types_are_read_as_they_are_written_in_sql_by_both_formats(client, wire):
    result = run_sql(client, TYPES)
    (row,) = result.read(wire=wire).to_pylist()
    assert row == EXPECTED


@pytest.mark.parametrize("target", TARGETS)
def test_every_type_goes_into_every_target(client, target):
    (row,) = TARGETS[target](run_sql(client, TYPES).read(target)).to_pylist()
    if target == "duckdb":  # whose intervals have months, days and nanoseconds
        row["an_interval"] = dt.timedelta(microseconds=row["an_interval"].nanoseconds // 1000)
    assert row == EXPECTED
    (row,) = TARGETS[target](run_sql(client, NESTED).read(target)).to_pylist()
    row["a_map"] = [tuple(pair.values()) if isinstance(pair, dict) else pair for pair in row["a_map"]]
    assert row == EXPECTED_NESTED


MAPS = {
    "map(varchar,bigint)": [{"k": 1}, None, {}],
    "array(map(varchar,bigint))": [[{"k": 1}, None, {}], None],
    "row(m map(varchar,bigint))": [{"m": {"k": 1}}, {"m": None}, None],
    "map(varchar,map(varchar,bigint))": [{"a": None, "b": {"k": 1}}, None],
}


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("type_", MAPS)
def test_a_null_map_is_null_in_polars_of_every_version(monkeypatch, type_, is_old):
    """Polars before 2 has no maps: it has lists of their pairs, and would make an empty one of a NULL."""
    if is_old:
        monkeypatch.delattr(pl, "Map", raising=False)
    values = MAPS[type_]
    with (
        ResultServer(["m"], [type_], [["x"]] * len(values), [[value] for value in values]) as server,
        DuneApiClient("key-key-key", server.url) as client,
    ):
        arrow, frame = (get_result(client, server.ID, as_=as_) for as_ in ("arrow", "polars"))
        assert str(frame.schema).count("Map(") == (type_.count("map") if hasattr(pl, "Map") else 0)
        assert pl.concat([frame, get_result(client, server.ID, as_="polars", limit=0)]).equals(frame)
    held = frame["m"].to_list()
    assert [_without_pairs(value) for value in held] == values
    assert frame["m"].null_count() == arrow["m"].null_count


def _without_pairs(value):
    """A value with mappings where it has lists of pairs."""
    if isinstance(value, dict):
        return {key: _without_pairs(item) for key, item in value.items()}
    if isinstance(value, list) and all(isinstance(item, dict) and item.keys() == {"key", "value"} for item in value):
        return {item["key"]: _without_pairs(item["value"]) for item in value}
    return [_without_pairs(item) for item in value] if isinstance(value, list) else value


TWIN_FIELDS = {
    "row(a bigint, a varchar)": "'a' -> 'a_2'",
    "row(a bigint, A varchar)": "'A' -> 'A_2'",
    'row("field1" bigint, varchar)': "'field1' -> 'field1_2'",
    "array(row(a bigint, b row(c bigint, c bigint), a_2 bigint, a varchar))": "'c' -> 'c_2', 'a' -> 'a_3'",
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("type_", TWIN_FIELDS)
def test_fields_of_one_name_are_renamed_with_one_warning(tmp_path, type_):
    """Polars, DuckDB and files have no struct of two fields of one name, and DuckDB's names have no case."""
    value = [[1, [3, 4], 5, "x"]] if type_.startswith("array") else [1, "x"]
    renamed = TWIN_FIELDS[type_]
    with (
        ResultServer(["r"], [type_], [["x"]], [[value]]) as server,
        DuneApiClient("key-key-key", server.url) as client,
    ):
        for target, to_arrow in TARGETS.items():
            with pytest.warns(UserWarning, match=f"Fields of rows without a name of their own are renamed: {renamed}"):
                frame = to_arrow(get_result(client, server.ID, as_=target))
            (row,) = frame["r"].to_pylist()
            (row,) = row if isinstance(row, list) else (row,)
            values = [list(item.values()) if isinstance(item, dict) else item for item in row.values()]
            assert values == (value[0] if type_.startswith("array") else value)
        for write, name in ((write_csv, "r.csv"), (write_ndjson, "r.ndjson")):
            with pytest.warns(UserWarning, match=f"renamed: {renamed}"):
                write(open_reader(client, server.ID), tmp_path / name)
            assert renamed.rpartition("'")[0].rpartition("'")[2] in (tmp_path / name).read_text()


@pytest.mark.parametrize("wire", ["csv", "json"])
def test_columns_of_one_name_and_of_none_survive(client, wire):
    result = run_sql(client, """SELECT 1 AS a, 'x' AS "A", NULL AS a, 2.5 AS "a,""b\n", true AS a""")
    table = result.read(wire=wire)
    assert table.schema.names == ["a", "A", "a", 'a,"b\n', "a"]
    assert [column.to_pylist() for column in table.columns] == [[1], ["x"], [None], [Decimal("2.5")], [True]]


@pytest.mark.parametrize(("package", "target"), [("polars", "polars"), ("pandas", "pandas"), ("duckdb", "duckdb")])
def test_each_missing_package_is_named_with_its_extra(package, target):
    program = f"""
import sys
sys.modules[{package!r}] = None
import pyarrow as pa
from dagster_dune.frames.targets import target_of
try:
    target_of({target!r}).build(pa.schema([("n", pa.int64())]), [])
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert f"needs {package}, which is not installed. Run: pip install 'dagster-dune[{target}]'" in done.stdout


def test_without_arrow_the_extra_is_named_and_all_else_works():
    program = """
import sys
sys.modules["pyarrow"] = None
from dagster_dune import DuneApiClient, DuneIOManager, DuneResource, build_dune_export, build_dune_upload
try:
    DuneResource(api_key="a-key").run_sql("SELECT 1")
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "DuneConfigurationError This needs pyarrow, which is not installed." in done.stdout
    assert "pip install 'dagster-dune[dataframe]'" in done.stdout
