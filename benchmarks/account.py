"""What the benchmarks run on: a local Dune in a process of its own, with layers of queries."""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from dagster_dune import DuneCatalog, Query

API_KEY = "benchmark-key"
WIDTH = 10
START_SECONDS = 30


def layered(size: int, width: int = WIDTH) -> DuneCatalog:
    """Queries in layers, each of which reads every query of the layer before."""
    return DuneCatalog(
        queries=[Query(query_id=i + 1, deps=[f"query_{up + 1}" for up in upstream(i, width)]) for i in range(size)]
    )


def upstream(index: int, width: int = WIDTH) -> range:
    """The indices of the layer before that of a query."""
    layer = index // width
    return range((layer - 1) * width, layer * width) if layer else range(0)


@contextmanager
def local_dune(size: int, execution_seconds: float) -> Iterator[str]:
    """Run a local Dune with as many queries, and yield its base URL."""
    with tempfile.TemporaryDirectory() as folder:
        for i in range(size):
            Path(folder, f"query_{i + 1}.sql").write_text("SELECT 1 AS n")
        port = _free_port()
        options = ["--port", str(port), "--api-key", API_KEY, "--queries", folder]
        command = [Path(sys.executable).with_name("dagster-dune"), "emulator", "start", *options]
        with subprocess.Popen(
            [*command, "--execution-seconds", str(execution_seconds)], stdout=subprocess.DEVNULL
        ) as process:
            url = f"http://127.0.0.1:{port}"
            try:
                _wait_for(url, process)
                yield url
            finally:
                process.terminate()


def count_requests(url: str) -> int:
    """Count the requests so far."""
    return len(httpx.get(f"{url}/_emulator/journal", timeout=60).json())


def measured(module: str, **arguments: object) -> dict[str, float]:
    """Run one variant of a benchmark in a process of its own, and return the figures it prints last."""
    command = [sys.executable, "-m", module, json.dumps(arguments)]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, "DUNE_API_KEY": API_KEY}
    )
    if done.returncode:
        sys.exit(f"{module} {arguments} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def machine() -> str:
    """One line about where the figures come from."""
    return f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _wait_for(url: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit("The local Dune did not start.")
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/_emulator/journal").is_success
    except httpx.HTTPError:
        return False


def _free_port() -> int:
    import socket  # noqa: PLC0415

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
