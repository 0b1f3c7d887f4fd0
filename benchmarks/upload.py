"""How quickly a frame of a million rows becomes a table on Dune, beside dune-client's ``upload_csv`` of the same one.

A server in a process of its own takes bodies and counts their rows. Each client runs in a fresh process, which makes
the frame, and then tells its time and its peak of memory over what it held before it wrote. dune-client takes a text of
CSV, which its user has to write first; Dune takes at most 200 MB of it. ``python -m benchmarks.upload [rows]``.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benchmarks.account import machine
from benchmarks.download import KEY, aim, measured, tell
from benchmarks.replay import CHUNK, row, running

CLIENTS = ("ours", "dune-client")
TABLE = "dune.acme.trades"


def serve() -> None:
    """Take whatever is uploaded, until standard input ends; the address is printed first."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer({"tables": [], "uploads": []})

        def do_POST(self) -> None:
            left, lines = int(self.headers.get("Content-Length") or 0), 0
            while left:
                piece = self.rfile.read(min(left, CHUNK))
                left -= len(piece)
                lines += piece.count(b"\n")
            rows = lines - (self.headers.get("Content-Type") == "text/csv")
            names = {"name": "trades", "namespace": "acme", "full_name": TABLE, "table_name": "trades"}
            self.answer(names | {"rows_written": rows, "bytes_written": 1, "success": True, "already_existed": False})

        def answer(self, fields: dict[str, Any]) -> None:
            body = json.dumps(fields | {"example_query": "", "message": ""}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


# --- the clients; what they import is imported before the clock starts ---
# ruff: noqa: PLC0415


def frame(rows: int) -> Any:
    """The rows of the download's benchmark, as a frame of polars."""
    import polars as pl

    draw = random.Random(1)
    columns = list(zip(*(row(number, draw) for number in range(rows)), strict=True))
    names = ("id", "amount", "trader", "traded_at", "raw", "label", "is_buy", "price")
    made = pl.DataFrame(dict(zip(names, columns, strict=True)))
    return made.with_columns(
        pl.col("trader").str.slice(2).str.decode("hex"),
        pl.col("traded_at").str.to_datetime("%Y-%m-%d %H:%M:%S%.3f UTC", time_unit="ms").dt.replace_time_zone("UTC"),
        pl.col("price").cast(pl.Decimal(38, 2)),
    )


def ours(url: str, made: Any) -> Callable[[], int]:
    from dagster_dune import DuneApiClient
    from dagster_dune.frames.uploads.tables import write_table

    client = DuneApiClient(KEY, url)
    list(client.list_uploads())  # opens the client
    return lambda: write_table(client, made, TABLE, types={"raw": "uint256"}).rows


def dune_client(url: str, made: Any) -> Callable[[], int]:
    import polars as pl
    from dune_client.client import DuneClient

    client = DuneClient(KEY, base_url=url)

    def upload() -> int:
        hexadecimal = pl.concat_str(pl.lit("0x"), pl.col("trader").bin.encode("hex"))
        client.upload_csv("trades", made.with_columns(hexadecimal.alias("trader")).write_csv())
        return made.height

    return upload


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--child", nargs=3)
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("rows", nargs="?", type=int, default=1_000_000)
    options = parser.parse_args()
    if options.serve:
        serve()
    elif options.child:
        name, url, rows = options.child
        tell((ours if name == "ours" else dune_client)(url, frame(int(rows))), int(rows))
    else:
        print(machine())
        print("\n| Client | Seconds | Processor | Peak memory over base |", "|---|---|---|---|", sep="\n")
        with running("benchmarks.upload", "--serve") as url:
            found = {name: measured("benchmarks.upload", name, url, options.rows) for name in CLIENTS}
        for name, figures in found.items():
            if figures:
                shown = f"{figures['seconds']:.2f} s | {figures['busy']:.2f} s | {figures['megabytes']:.0f} MB"
                print(f"| {name} | {shown} |")
        own, other = (found[name] for name in CLIENTS)
        if own and other:
            print()
            aim("ours over dune-client", own["seconds"] / other["seconds"], 1)


if __name__ == "__main__":
    main()
