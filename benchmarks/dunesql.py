"""How long the local Dune's SQL takes to compile, and to execute beside plain DuckDB on the same rows.

    python -m benchmarks.dunesql

Compiling is parsing and translating, of SQL of the size that teams write: 100 to 1,500 lines, 30 common table
expressions, joins, aggregates, windows and unions; its seconds are the processor's. Executing is measured without
compiling, over a table of a million rows, beside SQL of DuckDB's own that gives the same rows, by
their names. The limits are those of
docs/benchmarks.md: no query over 2 s, 99 of 100 under 1 s, executions at most 1.3 times as long as DuckDB's.
"""

import statistics
import sys
import time
from collections.abc import Callable
from functools import cache, partial

from duckdb import DuckDBPyConnection

from benchmarks.account import machine
from dagster_dune.emulator.dunesql import Compiled, compile_sql
from dagster_dune.emulator.dunesql.rewrite.translation import translate
from dagster_dune.emulator.engine.engine import Engine
from dagster_dune.emulator.engine.tables import stored_columns

LINES = (100, 300, 700, 1500)
REPETITIONS = 15
ROWS = 1_000_000
RUNS = 5
MOST_SECONDS, MOST_AT_P99, MOST_TIMES = 2.0, 1.0, 1.3
TABLE = "benchmark.trades"
_DAILY = """daily_{n} AS (
    SELECT
        date_trunc('day', t.block_time) AS day,
        t.blockchain,
        coalesce(p.symbol, 'unknown {n}') AS symbol,
        count(*) AS trades,
        sum(CASE WHEN t.amount_usd > {n} THEN t.amount_usd ELSE 0 END) AS volume_usd,
        approx_percentile(t.amount_usd, 0.5) AS median_usd,
        max_by(t.tx_hash, t.amount_usd) AS largest,
        array_join(array_sort(array_agg(DISTINCT t.project)), ', ') AS projects
    FROM dex.trades AS t
    LEFT JOIN tokens.erc20 AS p
        ON p.contract_address = t.token_bought_address
        AND p.blockchain = t.blockchain
    WHERE t.block_time >= TIMESTAMP '2024-01-01' + INTERVAL '{n}' DAY
        AND t.blockchain IN ('ethereum', 'base', 'arbitrum')
        AND (t.amount_usd BETWEEN 1 AND 1e9 OR t.amount_usd IS NULL)
    GROUP BY 1, 2, 3
),
ranked_{n} AS (
    SELECT
        d.*,
        sum(d.volume_usd) OVER (PARTITION BY d.blockchain ORDER BY d.day) AS running_usd,
        row_number() OVER (PARTITION BY d.day ORDER BY d.volume_usd DESC) AS place,
        try(d.volume_usd / d.trades) AS average_usd,
        if(d.projects LIKE '%uni%', upper(d.symbol), lower(d.symbol)) AS label
    FROM daily_{n} AS d
    WHERE d.trades > (SELECT avg(trades) FROM daily_{n})
)"""


def query_of(lines: int) -> str:
    """SQL of so many lines: pairs of common table expressions, and a UNION of them all."""
    pairs = max(1, round(lines / (_DAILY.count("\n") + 6)))
    names = range(pairs)
    union = "\nUNION ALL\n".join(
        f"SELECT\n    day,\n    label,\n    running_usd\nFROM ranked_{n}\nWHERE place <= {n + 1}" for n in names
    )
    return f"WITH {','.join(_DAILY.format(n=n) for n in names)}\n{union}\nORDER BY 1, 2"


def nested_of(ctes: int) -> str:
    """A chain of common table expressions, each of which reads the two before it."""
    parts = ["c0 AS (SELECT block_time, tx_hash, amount_usd AS a FROM dex.trades)", "c1 AS (SELECT * FROM c0)"]
    parts += (
        f"c{n} AS (SELECT x.block_time, x.tx_hash, x.a + coalesce(y.a, 0) AS a FROM c{n - 1} AS x "
        f"LEFT JOIN c{n - 2} AS y ON x.tx_hash = y.tx_hash AND x.block_time >= y.block_time)"
        for n in range(2, ctes)
    )
    return (
        f"WITH {', '.join(parts)} SELECT date_trunc('day', block_time) AS day, sum(a) AS a FROM c{ctes - 1} GROUP BY 1"
    )


PAIRS = {
    "filter and count": (
        "SELECT count(*) AS n FROM {t} WHERE amount > 500 AND chain <> 'base'",
        "SELECT count(*) AS n FROM {t} WHERE amount > 500 AND chain <> 'base'",
    ),
    "group by day": (
        "SELECT day, chain, sum(amount) AS a, avg(amount) AS b, count(*) AS n FROM {t} GROUP BY 1, 2",
        "SELECT day, chain, sum(amount) AS a, avg(amount) AS b, count(*) AS n FROM {t} GROUP BY 1, 2",
    ),
    "join and aggregate": (
        "SELECT a.chain, count(*) AS n FROM {t} AS a JOIN {t} AS b ON a.id = b.id + 1 GROUP BY 1",
        "SELECT a.chain, count(*) AS n FROM {t} AS a JOIN {t} AS b ON a.id = b.id + 1 GROUP BY 1",
    ),
    "window": (
        "SELECT max(s) AS s FROM (SELECT sum(amount) OVER (PARTITION BY chain ORDER BY id) AS s FROM {t})",
        "SELECT max(s) AS s FROM (SELECT sum(amount) OVER (PARTITION BY chain ORDER BY id) AS s FROM {t})",
    ),
    "truncated times": (
        "SELECT date_trunc('hour', moment) AS h, count(*) AS n FROM {t} GROUP BY 1",
        "SELECT date_trunc('hour', moment) AS h, count(*) AS n FROM {t} GROUP BY 1",
    ),
    "texts": (
        "SELECT upper(substr(chain, 1, 3)) || '-x' AS c, count(*) AS n FROM {t} WHERE chain LIKE '%e%' GROUP BY 1",
        "SELECT upper(substr(chain, 1, 3)) || '-x' AS c, count(*) AS n FROM {t} WHERE chain LIKE '%e%' GROUP BY 1",
    ),
    "bytes": (
        "SELECT count(*) AS n FROM {t} WHERE hash > 0x80",
        "SELECT count(*) AS n FROM {t} WHERE hash > '\\x80'::BLOB",
    ),
    "rows": (
        "SELECT id, amount, chain FROM {t} WHERE id % 20 = 0",
        "SELECT id, amount, chain FROM {t} WHERE id % 20 = 0",
    ),
}
"""SQL of Dune's, and SQL of DuckDB's that gives the same rows."""


def main() -> int:
    """Print two tables, and return 1 where a limit is passed."""
    print(machine())
    engine = Engine(None)
    try:
        return int(any([_print_compile_times(engine), _print_executions(engine)]))
    finally:
        engine.close()


def _print_compile_times(engine: Engine) -> bool:
    queries = {f"{lines:,} lines": query_of(lines) for lines in LINES} | {"30 CTEs in a chain": nested_of(30)}
    print(f"\n{'query':<20} {'lines':>6} {'parse, s: p50':>14} {'whole, s: p50':>14} {'p99':>6} {'max':>6}")
    every: list[float] = []
    for name, sql in queries.items():
        parsed, whole = zip(*(_compiled(engine, sql) for _ in range(REPETITIONS)), strict=True)
        every += whole
        p99 = sorted(whole)[round(0.99 * (len(whole) - 1))]
        row = (
            f"{name:<20} {sql.count(chr(10)) + 1:6,} {statistics.median(parsed):14.2f} {statistics.median(whole):14.2f}"
        )
        print(f"{row} {p99:6.2f} {max(whole):6.2f}", flush=True)
    return max(every) > MOST_SECONDS or sorted(every)[round(0.99 * (len(every) - 1))] > MOST_AT_P99


def _compiled(engine: Engine, sql: str) -> tuple[float, float]:
    """Seconds of the processor until a query is parsed, and until it is translated."""
    begin = time.thread_time()
    compiled = compile_sql(sql, parameters={}, views={}.get)
    parsed = time.thread_time()
    _translate(engine, compiled)
    return parsed - begin, time.thread_time() - begin


def _translate(engine: Engine, compiled: Compiled) -> None:
    engine.change(TABLE, lambda cursor, _: translate(compiled.statement, cache(partial(stored_columns, cursor))))


def _print_executions(engine: Engine) -> bool:
    engine.change(TABLE, _fill)
    print(f"\n{f'of {ROWS:,} rows':<20} {'compile, ms':>12} {'execute, ms':>12} {'DuckDB, ms':>11} {'times':>6}")
    passed = False
    for name, (dune, plain) in PAIRS.items():
        compiled = compile_sql(dune.format(t=TABLE), parameters={}, views={}.get)
        translating = _best(partial(_translate, engine, compiled))
        whole = _best(partial(_execute, engine, compiled))
        duckdb = _best(partial(_execute_plainly, engine, plain.format(t=TABLE)))
        times = max(0.0, whole - translating) / duckdb
        passed |= times > MOST_TIMES
        row = f"{name:<20} {translating * 1000:12.1f} {(whole - translating) * 1000:12.1f} {duckdb * 1000:11.1f}"
        print(f"{row} {times:6.2f}", flush=True)
    return passed


def _execute(engine: Engine, compiled: Compiled) -> None:
    engine.select(compiled).run()


def _execute_plainly(engine: Engine, sql: str) -> None:
    def run(cursor: DuckDBPyConnection, _: str) -> None:
        rows = cursor.execute(sql).fetchall()
        names = [column[0] for column in cursor.description or ()]
        [dict(zip(names, row, strict=True)) for row in rows]

    engine.change(TABLE, run)


def _best(run: Callable[[], object]) -> float:
    """The least of some times, which other work of the machine disturbs least."""
    times = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)


def _fill(cursor: DuckDBPyConnection, table: str) -> None:
    cursor.execute(
        f"CREATE TABLE {table} AS SELECT i AS id, DATE '2024-01-01' + CAST(i % 365 AS INTEGER) AS day, "
        "TIMESTAMP '2024-01-01' + to_seconds(i * 37) AS moment, "
        "['ethereum', 'base', 'bnb', 'celo'][i % 4 + 1] AS chain, "
        "CAST((i * 7919) % 100000 AS DOUBLE) / 7 AS amount, unhex(md5(CAST(i AS VARCHAR))) AS hash "
        f"FROM range({ROWS}) AS r(i)"
    )


if __name__ == "__main__":
    sys.exit(main())
