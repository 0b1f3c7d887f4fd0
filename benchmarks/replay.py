"""A result of a million rows that is made once, and a server in a process of its own that replays its bytes."""

from __future__ import annotations

import json
import mmap
import random
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

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


def record(folder: Path, rows: int) -> None:
    """Write the rows in both formats, and where each one ends."""
    draw = random.Random(1)
    ends = {"csv": array("Q", [0]), "json": array("Q", [0])}
    with (folder / "csv").open("wb") as in_csv, (folder / "json").open("wb") as in_json:
        for number in range(rows):
            values = row(number, draw)
            texts = ["<nil>" if v is None else str(v).lower() if isinstance(v, bool) else str(v) for v in values]
            in_csv.write((",".join(texts) + "\n").encode())
            in_json.write((json.dumps(dict(zip(COLUMNS, values, strict=True))) + ",").encode())
            ends["csv"].append(in_csv.tell())
            ends["json"].append(in_json.tell())
    for name, places in ends.items():
        (folder / f"{name}.ends").write_bytes(places.tobytes())


class Recording:
    """The rows in one format, over and over until there are as many as are wanted."""

    def __init__(self, folder: Path, name: str) -> None:
        self._ends = array("Q", (folder / f"{name}.ends").read_bytes())
        with (folder / name).open("rb") as file:
            self._text = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def rows(self, begin: int, end: int) -> list[memoryview]:
        """The text of some rows, in one piece or more."""
        parts = []
        while begin < end:
            first = begin % (len(self._ends) - 1)
            last = min(first + end - begin, len(self._ends) - 1)
            parts.append(self._text[self._ends[first] : self._ends[last]])
            begin += last - first
        return parts

    def size(self, rows: int) -> int:
        """The bytes of the first rows."""
        return sum(map(len, self.rows(0, rows)))


class Replay:
    """The answers of a Dune that has one execution."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.rows = rows
        self._csv, self._json = Recording(folder, "csv"), Recording(folder, "json")
        self._bytes = self._csv.size(rows)

    def answer(self, path: str, options: dict[str, str], address: str) -> tuple[dict[str, str], list[Any]]:
        """The headers and the parts of the body of an answer."""
        about = {"execution_id": ID, "query_id": 1, "state": "QUERY_STATE_COMPLETED", "is_execution_finished": True}
        about |= dict.fromkeys(("submitted_at", "execution_started_at", "expires_at"), "2026-01-01T00:00:00Z")
        metadata = {
            "column_names": list(COLUMNS),
            "column_types": list(COLUMNS.values()),
            "row_count": self.rows,
            "total_row_count": self.rows,
            "total_result_set_bytes": self._bytes,
            "result_set_bytes": self._bytes,
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
            return headers, [(",".join(COLUMNS) + "\n").encode(), *self._csv.rows(offset, end)]
        more = {"next_offset": end, "next_uri": following} if following else {}
        tail = json.dumps(about | more)[1:-1]
        *parts, last = self._json.rows(offset, end)
        rest = f'],"metadata":{json.dumps(metadata)}}},{tail}}}'.encode()
        return {}, [b'{"result":{"rows":[', *parts, last[:-1], rest]


def serve(folder: Path, rows: int, latency: float, rate: float) -> None:
    """Replay until standard input ends; the address is printed first."""
    replay = Replay(folder, rows)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # as any server of results does: a head waits for no acknowledgement

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            time.sleep(latency)
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
            if not rate:
                self.wfile.write(part)
                return
            for start in range(0, len(part), CHUNK):
                self.wfile.write(part[start : start + CHUNK])
                time.sleep(CHUNK / rate)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
    print(address, flush=True)
    server.serve_forever()


@contextmanager
def running(*words: object) -> Iterator[str]:
    """Run a server of this package in a process of its own, and give its address."""
    command = [sys.executable, "-m", *map(str, words)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert server.stdin
        yield server.stdout.readline().strip()
        server.stdin.close()


if __name__ == "__main__":
    if sys.argv[1] == "record":
        record(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        serve(Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]))
