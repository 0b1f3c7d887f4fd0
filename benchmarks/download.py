"""How quickly a result of a million rows becomes a frame, beside the other clients and a raw transfer of its bytes.

A server in a process of its own replays a result that was made before: with no delay, with 100 ms a request, and with
10 MB/s a connection. Each client runs in a fresh process, which tells its time and its peak of memory over what it held
before it read. ``python -m benchmarks.download [rows]``; the other clients are pip's dune-client and dune-spice.

What no client that uses them can be quicker than stands beside: receiving with the HTTP client and dropping what comes,
and readers of CSV over the same pages, which are in memory before the clock starts, as texts and on all processors.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.account import machine
from benchmarks.replay import COLUMNS, ID, PAGE, running

KEY = "0123456789abcdefghijklmnopqrstuv"
OURS = ("arrow", "polars", "parquet")
OTHERS = ("dune-client csv", "dune-spice", "dune-client json")
FLOORS = ("received alone", "pyarrow.csv alone", "polars.read_csv alone")
REPEATED = ("raw", *FLOORS, *OURS)
"""What is quick is measured three times, and its median counts."""

Figures = dict[str, dict[str, float]]

# --- the clients, each in a process of its own; what they import is imported before the clock starts ---
# ruff: noqa: PLC0415


def raw(url: str, rows: int, kept: list[bytes] | None = None) -> Callable[[], int]:
    """A transfer over one socket; the pages are kept where there is a list for them."""
    host, port = urlsplit(url).hostname, urlsplit(url).port

    def read() -> int:
        buffer = bytearray(1 << 20)
        with socket.create_connection((host, port)) as connection:
            for offset in range(0, rows, PAGE):
                path = f"/api/v1/execution/{ID}/results/csv?limit={PAGE}&offset={offset}"
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                received, length = b"", 0
                while b"\r\n\r\n" not in received:
                    received += connection.recv(4096)
                head, _, rest = received.partition(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]) - len(rest)
                page = bytearray(rest)
                while length > 0:
                    received_now = connection.recv_into(buffer, min(len(buffer), length))
                    length -= received_now
                    if kept is not None:
                        page += buffer[:received_now]
                if kept is not None:
                    kept.append(bytes(page))
        return rows

    return read


def received(url: str, rows: int) -> Callable[[], int]:
    """The pages one after another through our client, each dropped as it comes."""
    from dagster_dune import DuneApiClient

    client = DuneApiClient(KEY, url)
    client.get_execution_status(ID)

    def read() -> int:
        for offset in range(0, rows, PAGE):
            client.read_execution_csv(ID, lambda page: sum(map(len, page)), limit=PAGE, offset=offset)
        return rows

    return read


def parser(url: str, rows: int, name: str) -> Callable[[], int]:
    """A reader of CSV over pages that have come before."""
    import polars as pl
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    pages: list[bytes] = []
    raw(url, rows, pages)()
    if name == "polars.read_csv alone":
        return lambda: sum(pl.read_csv(page, infer_schema=False).height for page in pages)
    texts = arrow_csv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string()))
    return lambda: sum(arrow_csv.read_csv(pa.BufferReader(page), convert_options=texts).num_rows for page in pages)


def ours(url: str, kind: str) -> Callable[[], int]:
    import polars as pl
    import pyarrow as pa

    from dagster_dune import DuneApiClient
    from dagster_dune.frames.exports import write_parquet
    from dagster_dune.frames.results import get_result, open_reader

    client = DuneApiClient(KEY, url)
    client.get_execution_status(ID)  # opens the client, which reads the certificates
    pa.array([1])  # imports pandas where that is installed
    if kind == "parquet":
        target = Path(tempfile.mkdtemp()) / "out.parquet"
        return lambda: write_parquet(open_reader(client, ID), target).rows
    return lambda: len(get_result(client, ID, as_=pa.Table if kind == "arrow" else pl.DataFrame))


def dune_client(url: str, kind: str) -> Callable[[], int]:
    import pandas as pd
    from dune_client.client import DuneClient
    from dune_client.query import QueryBase

    client = DuneClient(KEY, base_url=url)
    query = QueryBase(1)
    if kind == "csv":
        return lambda: len(pd.read_csv(client.run_query_csv(query, batch_size=PAGE).data))
    return lambda: len(client.run_query(query, batch_size=PAGE).get_rows())


def dune_spice(url: str, rows: int) -> Callable[[], int]:
    import spice
    from spice import _urls

    _urls.url_templates.update(
        {name: template.replace("https://api.dune.com", url) for name, template in _urls.url_templates.items()}
    )
    return lambda: len(spice.query(ID, api_key=KEY, cache=False, poll=False, verbose=False, limit=rows))


def child(name: str, url: str, rows: int) -> None:
    makers: dict[str, Callable[[], Callable[[], int]]] = {
        "raw": lambda: raw(url, rows),
        "received alone": lambda: received(url, rows),
        "pyarrow.csv alone": lambda: parser(url, rows, name),
        "polars.read_csv alone": lambda: parser(url, rows, name),
        "dune-client csv": lambda: dune_client(url, "csv"),
        "dune-client json": lambda: dune_client(url, "json"),
        "dune-spice": lambda: dune_spice(url, rows),
    }
    read = makers.get(name, lambda: ours(url, name))()
    tell(read, rows)


def tell(read: Callable[[], int], rows: int) -> None:
    """Print the time that something takes, its processor time, and its peak of memory over what was held before."""
    base = memory("VmRSS")
    begun, worked = time.perf_counter(), time.process_time()
    seen = read()
    seconds, busy = time.perf_counter() - begun, time.process_time() - worked
    assert seen == rows, f"{seen:,} of {rows:,} rows"
    print(json.dumps({"seconds": seconds, "busy": busy, "megabytes": (memory("VmHWM") - base) / 1e6}))


def memory(word: str) -> int:
    """The bytes that this process holds (VmRSS), or has held at the most (VmHWM)."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(word))


# --- tables and aims ---


def measured(module: str, name: str, *words: object) -> dict[str, float] | None:
    """The figures of one client in a fresh process: medians where it is run several times."""
    command = [sys.executable, "-m", module, "--child", name, *map(str, words)]
    found: list[dict[str, float]] = []
    for _ in range(3 if name in REPEATED else 1):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{name}: {done.stderr.strip().splitlines()[-1][:200]}")
            return None
        found.append(json.loads(done.stdout.splitlines()[-1]))
    return {key: statistics.median(figures[key] for figures in found) for key in found[0]}


def table(
    title: str, folder: Path, rows: int, clients: Sequence[str], latency: float = 0.0, rate: float = 0.0
) -> Figures:
    """Measure some clients, and print their figures."""
    print(
        f"\n{title}, {rows:,} rows\n\n| Client | Seconds | Processor | Peak memory over base |",
        "|---|---|---|---|",
        sep="\n",
    )
    figures: Figures = {}
    with running("benchmarks.replay", "serve", folder, rows, latency, rate) as url:
        for name in clients:
            if found := measured("benchmarks.download", name, url, rows):
                figures[name] = found
                shown = f"{found['seconds']:.2f} s | {found['busy']:.2f} s | {found['megabytes']:.0f} MB"
                print(f"| {name} | {shown} |", flush=True)
    return figures


def aim(words: str, value: float, limit: float, *, at_least: bool = False) -> bool:
    """Print whether an aim is met."""
    is_met = value >= limit if at_least else value <= limit
    sign = "at least" if at_least else "at most"
    print(f"- {words}: {value:.3g} ({sign} {limit:g}): {'met' if is_met else 'NOT MET'}")
    return is_met


def times(figures: Figures, one: str, other: str) -> float:
    """How many times as long one client takes as another; nothing where one was not measured."""
    return figures[one]["seconds"] / figures[other]["seconds"] if one in figures and other in figures else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--child", nargs=3)
    parser.add_argument("--ours", action="store_true", help="Leave the other clients out.")
    parser.add_argument("rows", nargs="?", type=int, default=1_000_000)
    options = parser.parse_args()
    if options.child:
        name, url, rows = options.child
        child(name, url, int(rows))
        return
    print(machine())
    clients = (*OURS, *(() if options.ours else OTHERS))
    with tempfile.TemporaryDirectory(prefix="dagster-dune-") as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-m", "benchmarks.replay", "record", name, str(options.rows)], check=True)
        plain = table("No delay", folder, options.rows, ("raw", *FLOORS, *clients))
        late = table("100 ms a request", folder, options.rows, ("raw", *clients), latency=0.1)
        table("10 MB/s a connection", folder, options.rows, ("raw", *clients), rate=10e6)
        large = table("No delay", folder, 5 * options.rows, ("raw", "parquet"))
    print("\nFloors\n")
    for floor in FLOORS:
        print(f"- {floor} over the raw transfer: {times(plain, floor, 'raw'):.3g}")
    print("\nAims\n")
    met = [
        aim("Arrow over the raw transfer", times(plain, "arrow", "raw"), 3),
        aim("polars over the raw transfer", times(plain, "polars", "raw"), 3),
        aim("MB of Arrow", plain["arrow"]["megabytes"], 250),
        aim("MB of polars", plain["polars"]["megabytes"], 250),
        aim("MB of Parquet", plain["parquet"]["megabytes"], 150),
        aim("MB of Parquet, five times the rows", large["parquet"]["megabytes"], 150),
    ]
    for name, least in (("dune-client csv", 2.5), ("dune-client json", 10), ("dune-spice", 1.5)):
        if name in plain and name in late:
            met.append(aim(f"{name} over polars", times(plain, name, "polars"), least, at_least=True))
            met.append(aim(f"{name} over polars at 100 ms", times(late, name, "polars"), 4, at_least=True))
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
