"""What loading a code location of a real account's size costs, beside Dagster's own share of it.

python -m benchmarks.load [--sizes 100 1500 5000] [--rounds 3] [--patience 60]

Accounts are made up in the shape of real ones: chains of five queries, matviews that 33 chains read, a few thousand
characters of SQL each. Each figure is the median of fresh processes, in seconds of processor time (one thread does all
of it, and waits for nothing), without imports:

- catalog: the catalog alone, from a folder of .sql files or from the JSON document;
- location: the catalog, its assets, and everything that Dagster does to load a code location with them;
- floor: the same number of specs with the same keys, deps and kinds, written out without dagster-dune.

A second table is of the catalog read from the account: a local Dune in a process of its own, without limits and under
those of the plan Plus, in seconds of the clock. Its limit is what Dune's own limit of reads a minute makes of the
number of reads. The first minute's reads are free to come at once, so that small accounts stay far below it; 1,500
queries take 7 minutes. What has to wait longer than --patience seconds is not measured, and only its limit is printed.
"""

import argparse
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHAIN = 5
FAN_OUT = 33
FILES_LIMIT_SECONDS = 8.0
DOCUMENT_LIMIT_SECONDS = 0.3
LIMITED_SIZE = 1500
PAGE_SIZE = 1000
READS_A_MINUTE = {"none": 0, "plus": 200}
SLOWER_THAN_LIMIT = 1.1

STEP = """
{name} AS (
    -- {name}: the trades of one kind, by day and pair
    SELECT
        date_trunc('day', t.block_time) AS day,
        t.blockchain,
        t.project || '_' || t.version AS venue,
        CASE WHEN t.token_bought_symbol < t.token_sold_symbol
             THEN concat(t.token_bought_symbol, '-', t.token_sold_symbol)
             ELSE concat(t.token_sold_symbol, '-', t.token_bought_symbol) END AS pair,
        approx_distinct(t.taker) FILTER (WHERE t.taker <> 0x0000000000000000000000000000000000000000) AS takers,
        sum(try_cast(t.amount_usd AS double)) AS volume_usd,
        sum(sum(t.amount_usd)) OVER (PARTITION BY t.blockchain ORDER BY date_trunc('day', t.block_time)) AS running_usd,
        max_by(p.price, p.minute) AS price
    FROM {source} t
    LEFT JOIN prices.usd p
        ON p.blockchain = t.blockchain AND p.contract_address = t.token_bought_address
        AND p.minute = date_trunc('minute', t.block_time)
    WHERE t.block_time >= TIMESTAMP '{{{{Start Date}}}}' - INTERVAL '30' day
        AND t.blockchain IN ('ethereum', 'base', 'arbitrum') AND t.amount_usd BETWEEN 1e2 AND 1e9
    GROUP BY 1, 2, 3, 4
    HAVING count(*) > 10
)"""


def sql_of(number: int, matviews: int) -> str:
    """The SQL of one query: four CTEs that read tables, the matview of its chain, and the query before it."""
    chain, depth = divmod(number, CHAIN)
    sources = [
        "dex.trades",
        f"dex_{chain % 20}.trades",
        "query_0",
        f"dune.acme.result_hub_{chain // FAN_OUT % matviews}",
    ]
    sources[2] = f"query_{1000 + number - 1}" if depth else "ethereum.transactions"
    steps = ",".join(STEP.format(name=f"step_{i}", source=source) for i, source in enumerate(sources))
    unions = "\nUNION ALL ".join(f"SELECT * FROM step_{i}" for i in range(len(sources)))
    return f"/* query {number} */\nWITH {steps}\n{unions}\nORDER BY day DESC\n"


def write_account(folder: Path, size: int) -> None:
    """Write an account of so many objects as files, and as a document."""
    from dagster_dune import DuneCatalog  # noqa: PLC0415  (the floor is measured without it)
    from dagster_dune.catalog.document import write_document  # noqa: PLC0415

    matviews = max(1, size // (CHAIN * FAN_OUT))
    files = folder / "queries"
    files.mkdir()
    for hub in range(matviews):
        header = f"/* dune\nmatview: dune.acme.result_hub_{hub}\nid: {100 + hub}\ntags: [hubs]\n*/\n"
        step = STEP.format(name="hub", source="dex.trades").replace("{{Start Date}}", "2024-01-01 00:00:00")
        (files / f"hub_{hub}.sql").write_text(f"{header}WITH {step}\nSELECT * FROM hub\n")
    for number in range(size - matviews):
        header = "/* dune\ntags: [dex]\nparameters: {Start Date: 2024-01-01 00:00:00}\n*/\n"
        (files / f"volume_{number}_{1000 + number}.sql").write_text(header + sql_of(number, matviews))
    catalog = DuneCatalog.from_directory(files)
    write_document(catalog, folder / "catalog.json")
    (folder / "specs.json").write_text(json.dumps(_plain_specs(catalog)))


def _plain_specs(catalog):
    """What the floor is given of each asset."""
    from dagster_dune import build_dune_assets  # noqa: PLC0415  (the floor is measured without it)

    return [
        {
            "key": list(spec.key.path),
            "deps": [list(dep.asset_key.path) for dep in spec.deps],
            "kinds": sorted(spec.kinds),
            "metadata": {"name": spec.metadata["dagster-dune/name"]},
        }
        for spec in build_dune_assets(catalog).specs
    ]


def measure(what: str, folder: Path) -> dict[str, float]:
    """Load once, in this process."""
    import dagster as dg  # noqa: PLC0415  (what a process imports is part of what is measured)

    started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if what == "floor":
        start = time.process_time()
        _load(dg, _floor(dg, json.loads((folder / "specs.json").read_text())))
        return _figures(location=time.process_time() - start, started=started)
    from dagster_dune import DuneApiClient, DuneCatalog, DuneResource, build_dune_assets  # noqa: PLC0415

    if what == "account":
        with DuneApiClient(os.environ["DUNE_API_KEY"], os.environ["DUNE_API_BASE_URL"]) as client:
            clock, start = time.perf_counter(), time.process_time()
            DuneCatalog.from_api(client)
            return {"clock": time.perf_counter() - clock, "process": time.process_time() - start}
    start = time.process_time()
    catalog = (
        DuneCatalog.from_directory(folder / "queries")
        if what == "files"
        else DuneCatalog.from_file(folder / "catalog.json")
    )
    read = time.process_time() - start
    _load(dg, build_dune_assets(catalog), dune=DuneResource(api_key="key"))
    return _figures(catalog=read, location=time.process_time() - start, started=started)


def _floor(dg, plain):
    specs = [
        dg.AssetSpec(
            dg.AssetKey(spec["key"]),
            deps=[dg.AssetKey(dep) for dep in spec["deps"]],
            kinds=spec["kinds"],
            metadata=spec["metadata"],
        )
        for spec in plain
    ]

    @dg.multi_asset(specs=specs, can_subset=True, required_resource_keys={"dune"})
    def dune_assets():
        yield from ()

    return dune_assets


def _load(dg, assets, dune=None):
    defs = dg.Definitions(assets=[assets], resources={"dune": dune or dg.ResourceDefinition.none_resource()})
    defs.get_repository_def().load_all_definitions()


def _figures(*, started, **seconds):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {**seconds, "MiB": (peak - started) / 1024}


def main() -> int:
    """Print the table, and return 1 where a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1500, 5000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--patience", type=float, default=60, help="seconds that reading an account may have to wait")
    parser.add_argument("--write", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write_account(Path(options.write[1]), int(options.write[0]))
        return 0
    if options.measure:
        print(json.dumps(measure(options.measure[0], Path(options.measure[1]))))
        return 0
    print(f"{platform.platform()}, Python {platform.python_version()}, median of {options.rounds}")
    print(f"{'objects':>7} {'from':<9} {'catalog s':>9} {'location s':>10} {'over floor s':>12} {'MiB':>6}")
    passed = [_print_size(size, options.rounds) for size in options.sizes]
    print(f"\n{'objects':>7} {'account':<9} {'reads':>6} {'refused':>7} {'clock s':>8} {'process s':>9} ", end="")
    print(f"{'limit s':>8} {'x limit':>8}")
    passed += [
        _print_account(size, plan, options.rounds, options.patience)
        for size in options.sizes
        for plan in READS_A_MINUTE
    ]
    return int(any(passed))


def _print_account(size: int, plan: str, rounds: int, patience: float) -> bool:
    """Print the row of one account under one plan, and return whether it took longer than the plan's limit has it."""
    from benchmarks.account import API_KEY, count_requests, dune_of  # noqa: PLC0415  (a child's peak starts at ours)

    allowed = READS_A_MINUTE[plan]
    waits = (size + 2 * math.ceil(size / PAGE_SIZE) - 1) // allowed * 60 if allowed else 0
    if waits > patience:
        print(f"{size:>7} {plan:<9} waits at least {waits} s for the limit; measured with --patience {waits}")
        return False
    rounds = 1 if allowed else rounds
    with tempfile.TemporaryDirectory() as folder:
        _run("--write", str(size), folder)
        with dune_of(Path(folder, "queries"), "--rate-limit", plan) as url:
            os.environ.update(DUNE_API_KEY=API_KEY, DUNE_API_BASE_URL=url)
            row = _median("account", folder, rounds)
            reads, refused = count_requests(url, 200) // rounds, count_requests(url, 429)
    print(f"{size:>7} {plan:<9} {reads:>6} {refused:>7} {row['clock']:>8.1f} {row['process']:>9.2f}", end="")
    limit = reads / allowed * 60 if allowed else 0.0
    print(f" {limit:>8.1f} {row['clock'] / limit:>8.2f}" if limit else "", flush=True)
    return bool(limit) and row["clock"] > SLOWER_THAN_LIMIT * max(limit, 60)


def _print_size(size: int, rounds: int) -> bool:
    """Print the rows of one size, and return whether a limit is passed."""
    with tempfile.TemporaryDirectory() as folder:
        _run("--write", str(size), folder)
        medians = {what: _median(what, folder, rounds) for what in ("floor", "document", "files")}
    floor = medians["floor"]["location"]
    for what, row in medians.items():
        catalog = f"{row['catalog']:.2f}" if "catalog" in row else ""
        over = row["location"] - floor
        print(f"{size:>7} {what:<9} {catalog:>9} {row['location']:>10.2f} {over:>12.2f} {row['MiB']:>6.0f}", flush=True)
    if size != LIMITED_SIZE:
        return False
    extra = medians["document"]["location"] - floor
    return medians["files"]["location"] > FILES_LIMIT_SECONDS or extra > DOCUMENT_LIMIT_SECONDS


def _median(what: str, folder: str, rounds: int) -> dict[str, float]:
    runs = [json.loads(_run("--measure", what, folder)) for _ in range(rounds)]
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def _run(*arguments: str) -> bytes:
    """Do one thing in a process of its own, and of this one's small size: a child's peak starts at its parent's."""
    command = [sys.executable, "-m", "benchmarks.load", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


if __name__ == "__main__":
    sys.exit(main())
