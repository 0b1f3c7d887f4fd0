"""How quickly the results of many partitions become one frame, beside dune-client one by one and in a thread pool.

A server in a process of its own replays each with a delay a request. Each client runs in a fresh process. Ours asks
three times for each, eight requests at once: the status, the rows, and whether the text column holds a real ``<nil>``,
which dune-client's user does not know.
``python -m benchmarks.partitions [partitions] [rows a partition]``; dune-client is pip's.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.account import machine
from benchmarks.download import KEY, aim, measured, tell
from benchmarks.replay import ID, running

CLIENTS = ("ours", "dune-client, one by one", "dune-client, 8 threads")
LATENCY = 0.1  # seconds a request

# What clients import is imported before the clock starts.
# ruff: noqa: PLC0415


def ours(url: str, partitions: int) -> Callable[[], int]:
    """One call, as of ``DuneIOManager``."""
    import polars as pl
    import pyarrow as pa

    from dagster_dune import DuneApiClient
    from dagster_dune.frames.results import get_result

    client = DuneApiClient(KEY, url)
    pa.array([1])
    return lambda: len(get_result(client, [ID] * partitions, as_=pl.DataFrame))


def dune_client(url: str, partitions: int, threads: int) -> Callable[[], int]:
    """A request each for the status, and one for the rows, as what the official client does is put together by hand."""
    import pandas as pd
    from dune_client.client import DuneClient

    client = DuneClient(KEY, base_url=url)

    def read(_: int) -> pd.DataFrame:
        client.get_execution_status(ID)
        return pd.read_csv(client.get_execution_results_csv(ID).data)

    def together() -> int:
        with ThreadPoolExecutor(threads) as pool:
            return len(pd.concat(pool.map(read, range(partitions))))

    return together


def child(name: str, url: str, partitions: int, rows: int) -> None:
    threads = 8 if "threads" in name else 1
    read = ours(url, partitions) if name == "ours" else dune_client(url, partitions, threads)
    tell(read, partitions * rows)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--child", nargs=4)
    parser.add_argument("partitions", nargs="?", type=int, default=365)
    parser.add_argument("rows", nargs="?", type=int, default=2_000)
    options = parser.parse_args()
    if options.child:
        name, url, partitions, rows = options.child
        child(name, url, int(partitions), int(rows))
        return
    print(machine())
    print(f"\n{options.partitions} results of {options.rows:,} rows, {1000 * LATENCY:.0f} ms a request\n")
    print("| Client | Seconds | Processor | Peak memory over base |", "|---|---|---|---|", sep="\n")
    seconds = {}
    with tempfile.TemporaryDirectory(prefix="dagster-dune-") as folder:
        subprocess.run([sys.executable, "-m", "benchmarks.replay", "record", folder, str(options.rows)], check=True)
        with running("benchmarks.replay", "serve", Path(folder), options.rows, LATENCY, 0) as url:
            for name in CLIENTS:
                if found := measured("benchmarks.partitions", name, url, options.partitions, options.rows):
                    seconds[name] = found["seconds"]
                    shown = f"{found['seconds']:.1f} s | {found['busy']:.1f} s | {found['megabytes']:.0f} MB"
                    print(f"| {name} | {shown} |", flush=True)
    print()
    one_by_one = seconds.get(CLIENTS[1])
    is_met = one_by_one is None or aim("one by one over ours", one_by_one / seconds["ours"], 5, at_least=True)
    sys.exit(0 if is_met else 1)


if __name__ == "__main__":
    main()
