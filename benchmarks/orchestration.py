"""One pipeline call beside the least that it could take, and beside what users do today: layers of ten queries.

    python -m benchmarks.orchestration [--before COMMIT] [--others] [N ...]

The limit is a true lower bound, of Dagster's times as its floor shows them in the same repetition, and of Dune's as
its executions tell them. Dagster stores one event after another, those of a layer while the next one runs. So a run
lasts at least until any one of its layers has ended on Dune, and then as long as Dagster needs for the events of that
layer and of those behind it; the longest of these, and beside that what Dagster does before the first event and after
the last one, and half a poll interval, which is how late a poll comes on average. The floor yields the same events of
the same assets: with the metadata of details for runs with details, and without for those without.

A node takes from 0.40 to 0.60 s, another time in each repetition, so that ends fall anywhere between two polls.
``--before`` runs the code of another commit beside, in the same repetitions; what that needs must be installed.
``--others`` adds the official client, a thread pool, and one op a node.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

from benchmarks.account import API_KEY, WIDTH, machine, measured, told_by
from benchmarks.emulator import emulator_process
from dagster_dune import DuneApiClient

ROOT = Path(__file__).resolve().parents[1]
MODULE = "benchmarks.orchestration_variants"
POLL_SECONDS = 0.25
NODE_SECONDS = (0.40, 0.45, 0.50, 0.55, 0.60)
REPETITIONS = 5
LARGE = 1000
"""From this size on, one repetition is enough: it lasts minutes."""
MEASURED = ("one_call", "one_call_without_details")
SLOWEST = {"op_a_node": 100, "op_a_node_multiprocess": 30}
OTHERS = ("thread_pool", *SLOWEST)


def main() -> None:
    """Print a table for each N."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--before", metavar="COMMIT")
    parser.add_argument("--others", action="store_true")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("sizes", metavar="N", type=int, nargs="*", default=[10, 30, 100])
    options = parser.parse_args()
    print(machine(), f"poll {POLL_SECONDS} s", f"layers of {WIDTH}", sep="; ")
    with code_of(options.before) as folder:
        for size in options.sizes:
            _table(size, folder, OTHERS if options.others else (), options.repetitions if size < LARGE else 1)


@contextmanager
def code_of(commit: str | None) -> Iterator[Path | None]:
    """The library as a commit has it, beside these benchmarks, in a folder to run them in."""
    if commit is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(
            ["git", "archive", commit, "dagster_dune"], cwd=ROOT, check=True, capture_output=True
        ).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        Path(folder, "benchmarks").symlink_to(ROOT / "benchmarks")
        yield Path(folder)


def lower_bound(layers: list[float], floor: dict) -> float:
    """How long a run lasts at least.

    Args:
        layers: When each layer of nodes has ended on Dune, in seconds since the first of them was submitted.
        floor: Dagster's times: before the first event, of each event, and after the last one.
    """
    events = floor["events"]
    ends = [ended + sum(events[number * WIDTH :]) for number, ended in enumerate(layers)]
    return floor["before"] + max(ends) + floor["after"] + POLL_SECONDS / 2


def _layers_of_last_run(url: str, size: int) -> list[float]:
    """When each layer of the last so many executions has ended, in seconds since the first was submitted."""
    last = told_by(url, "executions")[-size:]
    with DuneApiClient(API_KEY, url) as client:
        statuses = {one["query_id"]: client.get_execution_status(one["execution_id"]) for one in last}
    first = min(status.submitted_at for status in statuses.values())
    ends = [(statuses[number].execution_ended_at - first).total_seconds() for number in range(1, size + 1)]
    return [max(ends[start : start + WIDTH]) for start in range(0, size, WIDTH)]


def _table(size: int, before: Path | None, others: tuple[str, ...], repetitions: int) -> None:
    walls, limits, requests, cpu = (defaultdict(list) for _ in range(4))
    floors = []
    for node_seconds in islice(cycle(NODE_SECONDS), repetitions):
        with emulator_process(size, node_seconds, workers=WIDTH) as url:
            os.environ |= {"BENCHMARK_SIZE": str(size), "BENCHMARK_URL": url, "BENCHMARK_POLL": str(POLL_SECONDS)}
            for variant in (*MEASURED, *(other for other in others if size <= SLOWEST.get(other, size))):
                details = variant != "one_call_without_details"
                if variant in MEASURED:
                    floor = measured(MODULE, variant="floor", details=details)
                    floors.append(statistics.mean(floor["events"]))
                for name, folder in [
                    (variant, None),
                    *([(f"{variant}, before", before)] if variant in MEASURED else []),
                ]:
                    if name.endswith("before") and folder is None:
                        continue
                    figures = measured(MODULE, folder=folder, variant=variant)
                    requests[name].append(figures["requests"])
                    if variant in MEASURED:
                        limit = lower_bound(_layers_of_last_run(url, size), floor)
                    walls[name].append(figures["wall"])
                    limits[name].append(limit)
                    cpu[name].append(figures["cpu"])
    ours = statistics.median(walls["one_call"])
    print(f"\nN = {size}; Dagster's floor {min(floors) * 1000:.0f} to {max(floors) * 1000:.0f} ms an event")
    heads = f"{'x limit':>8} {'x one call':>10} {'requests':>9} {'CPU, s':>7}"
    print(f"{'variant':<32} {'wall, s':>8} {'limit, s':>9} {heads}")
    for name, seconds in walls.items():
        wall = statistics.median(seconds)
        bound = f"{statistics.median(limits[name]):9.2f} {sum(seconds) / sum(limits[name]):8.2f}"
        print(
            f"{name:<32} {wall:8.2f} {bound} {wall / ours:10.2f} {statistics.median(requests[name]):9.0f} "
            f"{statistics.median(cpu[name]):7.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
