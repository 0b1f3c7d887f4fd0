"""How long after a node's end on Dune its event stands in Dagster's log.

    python -m benchmarks.latency

Three shapes of pipeline: a chain, whose nodes end one by one; bursts of 16, one after another; and 100 nodes that end
at once. Dagster stores one event after another, so a burst takes as long as Dagster needs for so many events. That is
its floor, measured in the same run with the same number of assets and no Dune behind them. An event's delay is
counted from when Dagster alone could have stored it: from the node's end, or from the event before plus the floor of
one event, whichever is later.
"""

import json
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass

import dagster as dg

from benchmarks.account import API_KEY, layered, machine, measured, upstream
from benchmarks.emulator import emulator_process
from dagster_dune import DuneResource, build_dune_assets
from dagster_dune.metadata import ENDED_AT

MODULE = "benchmarks.latency"
POLLS = (0.25, 1.0, 5.0)
AIM_SECONDS = 0.05


@dataclass(frozen=True)
class Shape:
    """Layers of nodes that end at once.

    Attributes:
        size: The number of nodes.
        width: The nodes of one layer.
        seconds: How long a node takes; no divisor of any poll interval, so that ends fall anywhere between two polls.
    """

    name: str
    size: int
    width: int
    seconds: float


SHAPES = (Shape("chain of 60", 60, 1, 0.37), Shape("bursts of 16", 128, 16, 2.3), Shape("100 at once", 100, 100, 3.1))


def main() -> int:
    """Print a table, and return 1 where an aim is missed."""
    print(machine(), "SQLite event log", "times in ms", sep="; ")
    print(f"aim: the p50 of the delay beyond the floor at most half a poll interval + {AIM_SECONDS * 1000:.0f} ms")
    missed = 0
    for shape in SHAPES:
        floor = statistics.mean(_gaps(measured(MODULE, size=shape.size, width=shape.width)["stored"]))
        print(f"\n{shape.name}, nodes of {shape.seconds} s; Dagster's floor {floor * 1000:.0f} ms an event")
        print(f"{'poll, s':>8} {'from the end: p50':>18} {'p95':>6} {'max':>6} {'beyond the floor: p50':>22} {'p95':>6}")
        with emulator_process(shape.size, shape.seconds, workers=shape.width) as url:
            for poll in POLLS:
                missed += _row(shape, floor, url, poll)
    return int(missed > 0)


def _row(shape: Shape, floor: float, url: str, poll: float) -> bool:
    """Print one row, and return whether it misses the aim."""
    times = measured(MODULE, size=shape.size, width=shape.width, url=url, poll=poll)
    latencies = [stored - ended for stored, ended in zip(times["stored"], times["ended"], strict=True)]
    delays = delays_beyond(floor, times["ended"], times["stored"])
    aim = poll / 2 + AIM_SECONDS
    p50 = statistics.median(delays)
    figures = [statistics.median(latencies), _p95(latencies), max(latencies), p50, _p95(delays)]
    widths = (18, 6, 6, 22, 6)
    cells = " ".join(f"{seconds * 1000:{width}.0f}" for seconds, width in zip(figures, widths, strict=True))
    print(f"{poll:8.2f} {cells}{'  missed' if p50 > aim else ''}", flush=True)
    return p50 > aim


def delays_beyond(floor: float, ended: list[float], stored: list[float]) -> list[float]:
    """How much later each event was stored than it could have been, if storing one takes `floor` seconds."""
    delays, earliest = [], 0.0
    for end, actual in zip(ended, stored, strict=True):
        earliest = max(end, earliest + floor)
        delays.append(actual - earliest)
    return delays


def _gaps(times: list[float]) -> list[float]:
    return [after - before for before, after in zip(times, times[1:], strict=False)]


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def run(size: int, width: int, url: str | None = None, poll: float = 0.0) -> dict[str, list[float]]:
    """Materialize layers of assets, and return when each event was stored, and when its node had ended."""
    if url:
        dune = DuneResource(api_key=API_KEY, base_url=url, poll_interval=poll, max_poll_interval=poll)
        assets, resources = build_dune_assets(layered(size, width)), {"dune": dune}
    else:
        assets, resources = _yielded_at_once(size, width), {}
    with tempfile.TemporaryDirectory() as home:
        os.environ["DAGSTER_HOME"] = home
        with dg.DagsterInstance.get() as instance:
            result = dg.materialize([assets], resources=resources, instance=instance)
            entries = instance.all_logs(result.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION)
            metadata = [entry.asset_materialization.metadata for entry in entries]
    return {
        "stored": [entry.timestamp for entry in entries],
        "ended": [found[ENDED_AT].value for found in metadata if ENDED_AT in found],
    }


def _yielded_at_once(size: int, width: int) -> dg.AssetsDefinition:
    """Dagster alone: as many assets of one step."""

    @dg.multi_asset(specs=[dg.AssetSpec(f"a{i}", deps=[f"a{up}" for up in upstream(i, width)]) for i in range(size)])
    def nothing():
        for i in range(size):
            yield dg.MaterializeResult(f"a{i}")

    return nothing


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(run(**json.loads(sys.argv[1]))))
    else:
        sys.exit(main())
