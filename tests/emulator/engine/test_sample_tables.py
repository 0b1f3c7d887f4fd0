"""The sample data: the same every time, and consistent in itself."""

import tempfile

import duckdb
import pytest

from dagster_dune.emulator.engine import sample_tables as sample


def loaded():
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    sample.load(connection)
    return connection


@pytest.fixture(scope="module")
def tables():
    connection = loaded()
    yield lambda sql: connection.execute(sql).fetchall()
    connection.close()


def test_tables_and_their_sizes(tables):
    sizes = dict(tables("SELECT schema_name || '.' || table_name, estimated_size FROM duckdb_tables()"))
    assert sizes["dex.trades"] == 30_000
    assert {
        "dex_aggregator.trades", "ethereum.blocks", "ethereum.logs", "ethereum.transactions", "lending.borrow",
        "lending.supply", "nft.trades", "prices.day", "prices.usd", "tokens.erc20",
    } <= {name for name, size in sizes.items() if size > 0}  # fmt: skip


def test_it_is_the_same_every_time(tables):
    """However many databases a process makes: from the third on, they are filled from a copy."""
    names = tables("SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE schema_name != 'main'")
    digests = [
        f"SELECT count(*), md5(string_agg(CAST(t AS VARCHAR), '' ORDER BY CAST(t AS VARCHAR))) FROM {name} AS t"
        for (name,) in names
    ]
    types = "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() ORDER BY ALL"
    first = {sql: tables(sql) for sql in [*digests, types]}
    for _ in range(3):
        again = loaded()
        assert {sql: again.execute(sql).fetchall() for sql in first} == first
        assert len(again.execute("SELECT * FROM duckdb_databases() WHERE NOT internal").fetchall()) == 1
        again.close()


def test_without_a_place_for_a_copy_rows_are_drawn_each_time(monkeypatch, tmp_path):
    monkeypatch.setattr(sample, "_COPY", type(sample._COPY)())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not there"))
    script = tmp_path / "few_rows.sql"
    script.write_text("CREATE SCHEMA dex; CREATE TABLE dex.trades AS SELECT range AS n FROM range(30)")
    monkeypatch.setattr(sample, "_SCRIPT", script)
    for _ in range(4):
        connection = loaded()
        assert connection.execute("SELECT count(*) FROM dex.trades").fetchall() == [(30,)]
        assert len(connection.execute("SELECT * FROM duckdb_databases() WHERE NOT internal").fetchall()) == 1
        connection.close()


def test_an_older_sample_is_replaced(tmp_path):
    for number in range(3):
        connection = duckdb.connect(tmp_path / f"copy{number}.db")
        connection.execute("CREATE SCHEMA dex; CREATE TABLE dex.trades AS SELECT 1 AS n")
        connection.execute("CREATE TABLE main.sample_version AS SELECT 'an older one' AS version")
        sample.load(connection)
        assert connection.execute("SELECT count(*) FROM dex.trades").fetchall() == [(30_000,)]
        connection.close()


def test_it_is_loaded_once():
    connection = loaded()
    connection.execute("DELETE FROM dex.trades")
    sample.load(connection)
    assert connection.execute("SELECT count(*) FROM dex.trades").fetchall() == [(0,)]
    connection.execute("DELETE FROM main.sample_version")
    sample.load(connection)
    assert connection.execute("SELECT count(*) FROM dex.trades").fetchall() == [(30_000,)]


def test_nothing_is_left_of_how_it_was_made(tables):
    assert tables("SELECT count(*) FROM duckdb_tables() WHERE temporary") == [(0,)]
    assert tables("SELECT count(*) FROM duckdb_functions() WHERE function_name IN ('chance', 'heavy_tailed')") == [(0,)]


def test_sixty_days_end_before_the_clock(tables):
    bounds = (
        "SELECT count(DISTINCT block_date), CAST(min(block_date) AS VARCHAR), CAST(max(block_date) AS VARCHAR) FROM"
    )
    assert tables(f"{bounds} dex.trades") == [(60, "2026-05-02", "2026-06-30")]


@pytest.mark.parametrize(
    "sql",
    [
        "FROM dex.trades WHERE token_bought_address NOT IN (SELECT contract_address FROM tokens.erc20)",
        "FROM dex.trades WHERE amount_usd IS NULL OR amount_usd < 0 OR block_date <> CAST(block_time AS DATE)",
        "FROM dex.trades WHERE octet_length(tx_hash) <> 32 OR octet_length(taker) <> 20",
        """FROM dex.trades AS t JOIN tokens.erc20 AS e
             ON e.blockchain = t.blockchain AND e.contract_address = t.token_bought_address
           WHERE abs(CAST(token_bought_amount_raw AS DOUBLE) / power(10, decimals) - token_bought_amount) > 1e-6""",
        """FROM dex.trades AS t JOIN prices.day AS p
             ON p.blockchain = t.blockchain AND p.contract_address = t.token_bought_address
           WHERE p.timestamp = t.block_date
             AND abs(t.token_bought_amount * p.price - t.amount_usd) > 1e-6 * t.amount_usd""",
        "FROM dex.trades WHERE blockchain = 'ethereum' AND tx_hash NOT IN (SELECT hash FROM ethereum.transactions)",
        "FROM ethereum.transactions WHERE block_number NOT IN (SELECT number FROM ethereum.blocks)",
        "FROM ethereum.logs WHERE octet_length(data) <> 32 OR octet_length(topic1) <> 32",
        "FROM (SELECT tx_hash FROM dex.trades GROUP BY 1 HAVING count(*) > 1)",
        "FROM prices.day WHERE price <= 0",
    ],
)
def test_no_row_contradicts_another(tables, sql):
    assert tables(f"SELECT count(*) {sql}") == [(0,)]


def test_amounts_have_a_long_tail(tables):
    [(median, top_share)] = tables("""
        SELECT median(amount_usd), sum(amount_usd) FILTER (amount_usd > 10000) / sum(amount_usd) FROM dex.trades
    """)
    assert 300 < median < 600
    assert top_share > 0.5
