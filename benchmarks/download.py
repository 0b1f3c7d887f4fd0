"""How quickly a result of a million rows becomes a frame, beside the other clients and a raw transfer of its bytes.

A server in a process of its own replays a result that it has made before: with no delay, with 100 ms a request, and
with 10 MB/s a connection. Each client runs in a fresh process, which tells its time and its peak of memory over what it
held before it read. ``python -m benchmarks.download [rows]``; the other clients are pip's dune-client and dune-spice.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from benchmarks.account import machine

ID = "01JBENCHMARK"
COLUMNS = {
    "id": "bigint",
    "amount": "double",
    "trader": "varbinary",
    "at": "timestamp(3) with time zone",
    "raw": "uint256",
    "label": "varchar",
    "is_buy": "boolean",
    "price": "decimal(38,2)",
}
PAGE = 250_000 // len(COLUMNS)
CHUNK = 64 * 1024
MOST_IN_JSON = 1_000_000  # of more rows there is CSV alone, which Parquet is made of
CLIENTS = ("raw", "arrow", "polars", "parquet", "dune-client csv", "dune-spice", "dune-client json")


def row(number: int, draw: random.Random) -> list[Any]:
    return [
        number,
        draw.random() * 1e6,
        f"0x{draw.getrandbits(160):040x}",
        f"2026-{number % 12 + 1:02d}-{number % 28 + 1:02d} 03:04:05.{number % 1000:03d} UTC",
        str(draw.getrandbits(200)),
        None if number % 5 == 0 else f"label of {number}",
        number % 2 == 0,
        f"{number}.25",
    ]


class Replay:
    """The pages of a result, made before anybody asks."""

    def __init__(self, rows: int, latency: float, rate: float) -> None:
        self.rows, self.latency, self.rate = rows, latency, rate
        draw = random.Random(1)
        self.csv, self.json = bytearray(), bytearray()
        self.csv_ends, self.json_ends = [0], [0]
        for number in range(rows):
            values = row(number, draw)
            texts = ["<nil>" if v is None else str(v).lower() if isinstance(v, bool) else str(v) for v in values]
            self.csv += (",".join(texts) + "\n").encode()
            if rows <= MOST_IN_JSON:
                self.json += (json.dumps(dict(zip(COLUMNS, values, strict=True))) + ",").encode()
            self.csv_ends.append(len(self.csv))
            self.json_ends.append(len(self.json))

    def answer(self, path: str, options: dict[str, str], address: str) -> tuple[dict[str, str], list[Any]]:
        """The headers and the parts of the body of an answer."""
        about = {"execution_id": ID, "query_id": 1, "state": "QUERY_STATE_COMPLETED", "is_execution_finished": True}
        about |= dict.fromkeys(("submitted_at", "execution_started_at", "expires_at"), "2026-01-01T00:00:00Z")
        metadata = {
            "column_names": list(COLUMNS),
            "column_types": list(COLUMNS.values()),
            "row_count": self.rows,
            "total_row_count": self.rows,
            "total_result_set_bytes": len(self.csv),
            "result_set_bytes": len(self.csv),
            "datapoint_count": 1,
            "pending_time_millis": 1,
            "execution_time_millis": 1,
        }
        if "results" not in path:
            return {}, [json.dumps(about | {"result_metadata": metadata}).encode()]
        if "filters" in options:
            metadata |= {"column_names": ["label"], "column_types": ["varchar"]}
            return {}, [json.dumps(about | {"result": {"rows": [], "metadata": metadata}}).encode()]
        offset = int(options.get("offset", 0))
        end = min(offset + min(int(options.get("limit", PAGE)), PAGE), self.rows)
        following = f"{address}{path}?limit={PAGE}&offset={end}" if end < self.rows else None
        if path.endswith("csv"):
            headers = {"x-dune-next-offset": str(end), "x-dune-next-uri": following} if following else {}
            header = (",".join(COLUMNS) + "\n").encode()
            return headers, [header, memoryview(self.csv)[self.csv_ends[offset] : self.csv_ends[end]]]
        more = {"next_offset": end, "next_uri": following} if following else {}
        tail = json.dumps(about | more)[1:-1]
        rows = memoryview(self.json)[self.json_ends[offset] : self.json_ends[end] - 1]
        return {}, [b'{"result":{"rows":[', rows, f'],"metadata":{json.dumps(metadata)}}},{tail}}}'.encode()]


def serve(rows: int, latency: float, rate: float) -> None:
    """Replay a result until the process is ended; its address is printed first."""
    replay = Replay(rows, latency, rate)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            time.sleep(replay.latency)
            headers, parts = replay.answer(url.path, dict(parse_qsl(url.query)), address)
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(sum(map(len, parts))))
            self.end_headers()
            for part in parts:
                self.send(part)

        do_POST = do_GET  # noqa: N815

        def send(self, part: Any) -> None:
            if not replay.rate:
                self.wfile.write(part)
                return
            for start in range(0, len(part), CHUNK):
                self.wfile.write(part[start : start + CHUNK])
                time.sleep(CHUNK / replay.rate)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
    print(address, flush=True)
    server.serve_forever()


# --- the clients, each in a process of its own; what they import is imported before the clock starts ---
# ruff: noqa: PLC0415


def raw(url: str, rows: int) -> Callable[[], int]:
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
                while length > 0:
                    length -= connection.recv_into(buffer, min(len(buffer), length))
        return rows

    return read


def ours(url: str, kind: str) -> Callable[[], int]:
    import polars as pl
    import pyarrow as pa

    from dagster_dune import DuneApiClient
    from dagster_dune.frames.exports import write_parquet
    from dagster_dune.frames.results import get_result, open_reader

    client = DuneApiClient("key", url)
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

    client = DuneClient("key", base_url=url)
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
    return lambda: len(spice.query(ID, api_key="key", cache=False, poll=False, verbose=False, limit=rows))


def child(name: str, url: str, rows: int) -> None:
    makers: dict[str, Callable[[], Callable[[], int]]] = {
        "raw": lambda: raw(url, rows),
        "dune-client csv": lambda: dune_client(url, "csv"),
        "dune-client json": lambda: dune_client(url, "json"),
        "dune-spice": lambda: dune_spice(url, rows),
    }
    read = makers.get(name, lambda: ours(url, name))()
    base = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    begun = time.perf_counter()
    seen = read()
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - base
    assert seen == rows, f"{name} read {seen:,} of {rows:,} rows"
    print(json.dumps({"seconds": seconds, "megabytes": peak / 1e6}))


def measured(name: str, url: str, rows: int) -> dict[str, float] | None:
    command = [sys.executable, "-m", "benchmarks.download", "--child", name, url, str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{name}: {done.stderr.strip().splitlines()[-1][:200]}")
        return None
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def table(title: str, rows: int, clients: tuple[str, ...], latency: float = 0.0, rate: float = 0.0) -> None:
    command = [sys.executable, "-m", "benchmarks.download", "--serve", str(rows), str(latency), str(rate)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert server.stdin
        url = server.stdout.readline().strip()
        print(
            f"\n{title}, {rows:,} rows\n\n| Client | Seconds | To polars' time | Peak memory over base |",
            "|---|---|---|---|",
            sep="\n",
        )
        figures = {name: measured(name, url, rows) for name in clients}
        own = figures.get("polars") or figures.get("parquet")
        for name, figure in figures.items():
            if figure and own:
                ratio = figure["seconds"] / own["seconds"]
                print(
                    f"| {name} | {figure['seconds']:.2f} | {ratio:.2f} x | {figure['megabytes']:.0f} MB |", flush=True
                )
        server.stdin.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", nargs=3)
    parser.add_argument("--child", nargs=3)
    parser.add_argument("rows", nargs="?", type=int, default=1_000_000)
    options = parser.parse_args()
    if options.serve:
        serve(int(options.serve[0]), float(options.serve[1]), float(options.serve[2]))
    elif options.child:
        child(options.child[0], options.child[1], int(options.child[2]))
    else:
        print(machine())
        table("No delay", options.rows, CLIENTS)
        table("100 ms a request", options.rows, CLIENTS, latency=0.1)
        table("10 MB/s a connection", options.rows, CLIENTS, rate=10e6)
        table("Parquet of another size", 5 * options.rows, ("raw", "parquet"))


if __name__ == "__main__":
    main()
