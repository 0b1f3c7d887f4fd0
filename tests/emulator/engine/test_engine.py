"""DuckDB as an engine: matviews, uploads, several statements at once, interrupts, and no way out of the database."""

import threading
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pytest
from waiting import PATIENCE, let_work

from dagster_dune.emulator.dunesql import compile_sql
from dagster_dune.emulator.engine.engine import Engine
from dagster_dune.emulator.engine.error_messages import sql_error
from dagster_dune.emulator.engine.results import Column
from dagster_dune.emulator.sql_errors import SqlError

MATVIEW, UPLOAD = "dune.acme.result_x", "dune.acme.dataset_x"
ENDLESS = """
    SELECT count(*) AS n FROM dex.trades a, dex.trades b, dex.trades c WHERE a.amount_usd + b.amount_usd > c.amount_usd
"""


@pytest.fixture(scope="module")
def opened():
    engine = Engine(None)
    yield engine
    engine.close()


@pytest.fixture
def engine(opened):
    opened.reset()
    return opened


def compiled(sql):
    return compile_sql(sql, parameters={}, views={}.get)


def rows(engine, sql):
    return engine.select(compiled(sql)).run().rows


def test_a_refresh_stores_the_rows_and_gives_them(engine):
    result = engine.refresh(MATVIEW, compiled("SELECT 1 AS n, CAST('5' AS uint256) AS big, 0xab AS hash")).run()
    assert result.columns == (Column("n", "integer"), Column("big", "uint256"), Column("hash", "varbinary"))
    assert result.rows == [{"n": 1, "big": "5", "hash": "0xab"}]
    read = rows(engine, f"SELECT n, big / 2 AS half, hash FROM {MATVIEW.upper()}")
    assert read == [{"n": 1, "half": "2", "hash": "0xab"}]


def test_a_refresh_replaces_rows_and_columns(engine):
    engine.refresh(MATVIEW, compiled("SELECT 1 AS a")).run()
    engine.refresh(MATVIEW, compiled("SELECT 'x' AS b, 2 AS c")).run()
    assert rows(engine, f"SELECT * FROM {MATVIEW}") == [{"b": "x", "c": 2}]


def test_a_refresh_may_read_what_it_replaces(engine):
    engine.refresh(MATVIEW, compiled("SELECT 1 AS n")).run()
    assert engine.refresh(MATVIEW, compiled(f"SELECT n + 1 AS n FROM {MATVIEW}")).run().rows == [{"n": 2}]


@pytest.mark.parametrize("sql", ["SELECT 1 / 0 AS n", "SELECT 1 AS a, 2 AS a", "SELECT nothing FROM dex.trades"])
def test_a_failed_refresh_leaves_the_old_rows(engine, sql):
    engine.refresh(MATVIEW, compiled("SELECT 1 AS n")).run()
    with pytest.raises(SqlError):
        engine.refresh(MATVIEW, compiled(sql)).run()
    assert rows(engine, f"SELECT * FROM {MATVIEW}") == [{"n": 1}]


def test_a_team_that_starts_with_a_digit(engine):
    engine.refresh("dune.21co.result_x", compiled("SELECT 1 AS n")).run()
    assert rows(engine, 'SELECT n FROM dune."21co".result_x') == [{"n": 1}]


def test_has_size_and_drop(engine):
    assert not engine.has(MATVIEW)
    assert engine.size_bytes(MATVIEW) == 0
    engine.refresh(MATVIEW, compiled("SELECT 'abcdef' AS s")).run()
    assert engine.has('dune."ACME".result_x')
    assert engine.size_bytes(MATVIEW) == len('{"s":"abcdef"}')
    engine.drop(MATVIEW)
    engine.drop(MATVIEW)
    assert not engine.has(MATVIEW)


def test_reset_keeps_the_sample_data(engine):
    engine.refresh(MATVIEW, compiled("SELECT 1 AS n")).run()
    engine.create_upload(UPLOAD, b"a\n1\n")
    engine.reset()
    assert not engine.has(MATVIEW)
    assert not engine.has(UPLOAD)
    assert rows(engine, "SELECT count(*) AS n FROM dex.trades") == [{"n": 30_000}]


def test_a_file_keeps_tables(tmp_path):
    file = tmp_path / "dune.db"
    engine = Engine(file)
    engine.refresh(MATVIEW, compiled("SELECT CAST('5' AS uint256) AS n")).run()
    engine.close()
    again = Engine(file)
    assert rows(again, f"SELECT n * n AS n FROM {MATVIEW}") == [{"n": "25"}]
    again.close()


def test_an_upload_takes_the_narrowest_exact_types(engine):
    huge = 2**256 - 1
    engine.create_upload(
        UPLOAD,
        f'''\ufeffid,big,price,day,at,ok,zip,mixed,hash,gone
1,{huge},0.5,2024-01-02,2024-01-02 03:04:05.678 UTC,true,007,1,0xab,
-2,7,1e3,2024-01-03,2024-01-02T03:04:05Z,FALSE,1,{huge}.5,"a, ""b""",
'''.encode(),
    )
    result = engine.select(compiled(f"SELECT * FROM {UPLOAD} ORDER BY id DESC")).run()
    assert {column.name: column.type for column in result.columns} == {
        "id": "bigint",
        "big": "uint256",
        "price": "double",
        "day": "date",
        "at": "timestamp(3) with time zone",
        "ok": "boolean",
        "zip": "varchar",
        "mixed": "double",
        "hash": "varchar",
        "gone": "varchar",
    }
    first, second = result.rows
    assert (first["big"], first["zip"], first["ok"]) == (str(huge), "007", True)
    assert first["at"] == "2024-01-02 03:04:05.678 UTC"
    assert (second["price"], second["at"], second["hash"], second["gone"]) == (
        1000.0,
        "2024-01-02 03:04:05.000 UTC",
        'a, "b"',
        None,
    )


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([2**63 - 1], "bigint"),
        ([2**63], "uint256"),
        ([2**256 - 1], "uint256"),
        ([2**256], "varchar"),
        ([-(2**255)], "int256"),
        ([-(2**255) - 1], "varchar"),
        ([2**64, 0.5], "varchar"),
        ([1, 0.5], "double"),
        (["1", "x"], "varchar"),
        (["-0", "+1"], "varchar"),
        (["2024-02-30"], "varchar"),
        (["2024-01-01", "2024-01-01 00:00"], "varchar"),
        (["nan"], "varchar"),
    ],
)
def test_upload_never_rounds_an_integer(engine, values, type_):
    engine.create_upload(UPLOAD, "\n".join(["v", *map(str, values)]).encode())
    result = engine.select(compiled(f"SELECT v FROM {UPLOAD}")).run()
    assert result.columns[0].type == type_
    if type_ not in ("double", "bigint"):
        assert [row["v"] for row in result.rows] == [str(value) for value in values]


def test_an_upload_replaces_the_one_before(engine):
    engine.create_upload(UPLOAD, b"a\n1\n")
    engine.create_upload(UPLOAD, b'"a ""b"""\nx\n')
    assert rows(engine, f"SELECT * FROM {UPLOAD}") == [{'a "b"': "x"}]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "The CSV file is empty"),
        (b"a,,c\n", "must name every column"),
        (b"a,A\n", "must name every column, each with a name of its own"),
        (b"a,b\n1\n", "Row 2 of the CSV file has 1 fields, its header 2"),
        (b"a\n\xff\n", "The file is no CSV in UTF-8"),
        (b'a\n"x\n', "The file is no CSV in UTF-8"),
    ],
)
def test_files_that_are_no_table(engine, data, message):
    with pytest.raises(SqlError, match=message):
        engine.create_upload(UPLOAD, data)
    assert not engine.has(UPLOAD)


def test_statements_run_at_once(engine):
    """A short statement ends while a long one runs."""
    long = engine.select(compiled(ENDLESS))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(long.run)
        let_work(0.1)
        assert rows(engine, "SELECT 1 AS n") == [{"n": 1}]
        assert not running.done()
        long.interrupt()
        with pytest.raises(SqlError, match="cancelled") as raised:
            running.result(timeout=PATIENCE)
    assert raised.value.type == "FAILED_TYPE_CANCELLED"


def test_an_interrupt_before_the_start_counts(engine):
    statement = engine.select(compiled("SELECT 1 AS n"))
    statement.interrupt()
    with pytest.raises(SqlError, match="cancelled"):
        statement.run()


def test_an_interrupted_refresh_leaves_the_old_rows(engine):
    engine.refresh(MATVIEW, compiled("SELECT 1 AS n")).run()
    statement = engine.refresh(MATVIEW, compiled(ENDLESS))
    timer = threading.Timer(0.2, statement.interrupt)
    timer.start()
    with pytest.raises(SqlError, match="cancelled"):
        statement.run()
    assert rows(engine, f"SELECT n FROM {MATVIEW}") == [{"n": 1}]


def test_readers_see_old_rows_or_new_ones(engine):
    """While two writers replace the matview, no reader finds it missing or half filled."""
    engine.refresh(MATVIEW, compiled("SELECT 0 AS n FROM dex.trades LIMIT 1000")).run()
    ended = threading.Event()

    def write(number):
        for _ in range(8):
            engine.refresh(MATVIEW, compiled(f"SELECT {number} AS n FROM dex.trades LIMIT 1000")).run()

    def read():
        seen = []
        while not ended.is_set():
            seen += rows(engine, f"SELECT count(*) AS c, count(DISTINCT n) AS d FROM {MATVIEW}")
        return seen

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        writers = [pool.submit(write, number) for number in (1, 2)]
        for writer in writers:
            writer.result()
        ended.set()
        seen = [row for reader in readers for row in reader.result()]
    assert len(seen) > 2
    assert all(row == {"c": 1000, "d": 1} for row in seen)


def test_many_matviews_of_a_new_team_refresh_at_once(engine):
    def refresh(number):
        return engine.refresh(f"dune.new.result_{number}", compiled(f"SELECT {number} AS n")).run().rows

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(refresh, range(24))) == [[{"n": number}] for number in range(24)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "COPY (SELECT 1) TO '/tmp/leak.csv'",
        "ATTACH '/tmp/other.db'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET threads = 1",
    ],
)
def test_the_database_itself_reaches_nothing_outside(engine, sql):
    """What the parser refuses, DuckDB would refuse too."""
    with pytest.raises(duckdb.Error, match=r"disabled|locked"):
        engine._connection.cursor().execute(sql)


def test_errors_tell_no_path():
    error = sql_error('IO Error: Cannot open file "/home/someone/dune.db": no such file\n\nLINE 1: SELECT')
    assert error.message == 'Cannot open file "<file>": no such file'
    assert error.type == "FAILED_TYPE_EXECUTION_FAILED"
