"""Ten Dagster runs at once, each in a process of its own, on the 40 reads a minute of the smallest plan.

    python -m benchmarks.shared_limit [--runs 10] [--node-seconds 60]

Each run makes one call of 15 queries in layers of five. What it reads of its pipeline and of its nodes counts for the
one limit that all have together. The limits: every run succeeds, and none waits longer than a minute and a half for an
answer about its pipeline, which is its turn of the ten and one refusal.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import dagster as dg

from benchmarks.account import API_KEY, dune_of, layered, machine, told_by
from dagster_dune import DuneResource, build_dune_assets

SIZE, LAYER = 15, 5
LONGEST_WAIT_SECONDS = 90

defs = dg.Definitions(
    assets=[build_dune_assets(layered(SIZE, LAYER))],
    jobs=[dg.define_asset_job("everything")],
    resources={
        "dune": DuneResource(api_key=dg.EnvVar("DUNE_API_KEY"), base_url=os.environ.get("DUNE_URL", "http://localhost"))
    },
)


def main() -> int:
    """Print a row for each run, and return 1 where a limit is passed."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--runs", type=int, default=10)
    options.add_argument("--node-seconds", type=float, default=60)
    chosen = options.parse_args()
    print(machine(), "SQLite event log", f"{SIZE} nodes of {chosen.node_seconds:.0f} s a run", sep="; ")
    with tempfile.TemporaryDirectory() as folder:
        queries, home = Path(folder, "queries"), Path(folder, "home")
        _write_queries(queries)
        home.mkdir()
        (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        pace = ("--rate-limit", "free", "--execution-seconds", str(chosen.node_seconds))
        with dune_of(queries, *pace) as url:
            walls, succeeded = _execute(chosen.runs, home, url)
            journal = told_by(url, "journal")
    return _print(journal, walls, succeeded)


def _write_queries(folder: Path) -> None:
    folder.mkdir()
    for query in layered(SIZE, LAYER).queries:
        reads = " UNION ALL ".join(f"SELECT n FROM {name}" for name in query.deps or ()) or "SELECT 1 AS n"
        (folder / f"query_{query.query_id}.sql").write_text(f"/* dune\nid: {query.query_id}\n*/\n{reads}\n")


def _execute(runs: int, home: Path, url: str) -> tuple[list[float], int]:
    """Execute the job so many times at once, and return how long each took and how many succeeded."""
    command = [sys.executable, "-m", "dagster", "job", "execute", "-m", "benchmarks.shared_limit", "-j", "everything"]
    environment = {**os.environ, "DAGSTER_HOME": str(home), "DUNE_API_KEY": API_KEY, "DUNE_URL": url}
    started = time.monotonic()
    logs = [home / f"run_{number}.log" for number in range(runs)]
    processes = []
    for log in logs:
        with log.open("w") as out:
            processes.append(subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT))
    walls: dict[int, float] = {}
    while len(walls) < runs:
        time.sleep(0.5)
        for number, process in enumerate(processes):
            if process.poll() is not None:
                walls.setdefault(number, time.monotonic() - started)
    for process, log in zip(processes, logs, strict=True):
        if process.returncode:
            print(log.read_text()[-3000:], file=sys.stderr)
    return list(walls.values()), sum(process.returncode == 0 for process in processes)


def _print(journal: list[dict], walls: list[float], succeeded: int) -> int:
    reads, minutes = defaultdict(list), Counter()
    kinds: Counter[tuple[str, int]] = Counter()
    for entry in journal:
        if entry["method"] != "GET":
            kinds[entry["path"].rpartition("/")[2], entry["status"]] += 1
            continue
        at = datetime.fromisoformat(entry["at"]).timestamp()
        minutes[at // 60] += entry["status"] == 200
        is_poll = "/pipelines/" in entry["path"]
        kinds["status of a pipeline" if is_poll else "details of a node", entry["status"]] += 1
        if is_poll and entry["status"] == 200:
            reads[entry["path"]].append(at)
    waits = [max(later - earlier for earlier, later in pairwise(times)) for times in reads.values()]
    print(f"{'run':>4} {'wall, s':>8} {'polls':>6} {'longest wait, s':>16}")
    for number, (wall, times, wait) in enumerate(zip(walls, reads.values(), waits, strict=True), start=1):
        print(f"{number:4} {wall:8.0f} {len(times):6} {wait:16.0f}")
    print(json.dumps({f"{kind}, {status}": count for (kind, status), count in sorted(kinds.items())}, indent=2))
    print(f"{succeeded} of {len(walls)} succeeded; {max(minutes.values())} reads in the busiest minute")
    return int(succeeded < len(walls) or max(waits) > LONGEST_WAIT_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
