"""What the benchmarks run on: a local Dune in a process of its own, with layers of queries."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from dagster_dune import DuneCatalog, Query

API_KEY = "benchmark-key"
WIDTH = 10


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
def dune_of(folder: Path, *options: str) -> Iterator[str]:
    """Run a local Dune with a folder's queries and with options of its command, and yield its base URL."""
    port = _free_port()
    dune = [Path(sys.executable).with_name("dagster-dune"), "emulator", "start", "--queries", folder]
    command = [*dune, "--port", str(port), "--api-key", API_KEY, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            # It answers before its queries are there, and says so once they are.
            if not process.stdout.readline():
                sys.exit("The local Dune did not start.")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def count_requests(url: str, status: int | None = None) -> int:
    """Count the requests so far, or those of them that were answered with a status."""
    return sum(status is None or entry["status"] == status for entry in told_by(url, "journal"))


def told_by(url: str, what: str) -> list[dict]:
    """Ask a local Dune for its journal or its executions, the oldest first; nothing that it counts."""
    return httpx.get(f"{url}/_emulator/{what}", headers={"X-Dune-Api-Key": API_KEY}, timeout=60).json()


def measured(module: str, *, folder: Path | None = None, **arguments: object) -> dict:
    """Run one variant of a benchmark in a process of its own, in a folder, and return the figures it prints last."""
    command = [sys.executable, "-m", module, json.dumps(arguments)]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "DUNE_API_KEY": API_KEY},
    )
    if done.returncode:
        sys.exit(f"{module} {arguments} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def machine() -> str:
    """One line about where the figures come from."""
    return f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _free_port() -> int:
    import socket  # noqa: PLC0415

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
