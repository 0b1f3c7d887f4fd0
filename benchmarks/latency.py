"""How long after a node's end on Dune its event stands in Dagster's log.

    python -m benchmarks.latency

Three shapes of pipeline: a chain, whose nodes end one by one, and bursts of 16 and of 50 nodes that end at once.
Dagster stores one event after another, so the last of a burst waits for all the others. What dagster-dune answers for
is therefore told apart: the time from a node's end to its event, less the time in which Dagster was busy with other
events. Half a poll interval of that is chance: when between two polls a node ends. All nodes of a burst share that
chance, so that a dozen bursts are a dozen throws of a die. The last figures leave it out: they start at the first
status request after the node's end.

Dagster's floor is what it needs for one event of as many assets with no Dune behind them, in a run of its own. What it
needed for the events of the measured run stands in the table.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from benchmarks.account import API_KEY, layered, machine, measured, told_by, upstream
from benchmarks.emulator import emulator_process
from dagster_dune import DuneResource, dune_assets
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


SHAPES = (
    Shape("chain of 40", 40, 1, 0.37),
    Shape("12 bursts of 16", 192, 16, 2.3),
    Shape("8 bursts of 50", 400, 50, 3.7),
)


def main() -> int:
    """Print a table for each shape, and return 1 where an aim is missed."""
    print(machine(), "SQLite event log", "times in ms", sep="; ")
    aim = f"{AIM_SECONDS * 1000:.0f} ms"
    print(f"aim: a p50 without other events of at most half a poll interval + {aim}, and of {aim} after the poll")
    missed = 0
    for shape in SHAPES:
        alone = measured(MODULE, size=shape.size, width=shape.width)
        floor = (alone["resumed"][-1] - alone["yielded"][0]) / shape.size
        print(f"\n{shape.name}, nodes of {shape.seconds} s; Dagster's floor {floor * 1000:.0f} an event")
        print(f"{'poll, s':>8} | {'end to event: p50':>18} {'p95':>6} {'max':>6} | ", end="")
        print(f"{'without other events: p50':>26} {'p95':>6} {'max':>6} | ", end="")
        print(f"{'after the poll: p50':>20} {'p95':>6} {'max':>6} | {'Dagster an event':>17}")
        with emulator_process(shape.size, shape.seconds, workers=shape.width) as url:
            for poll in POLLS:
                missed += _row(shape, url, poll)
    return int(missed > 0)


def _row(shape: Shape, url: str, poll: float) -> bool:
    """Print one row, and return whether it misses the aim."""
    times = measured(MODULE, size=shape.size, width=shape.width, url=url, poll=poll)
    events = [Event(*values) for values in zip(*times.values(), strict=True)]
    latencies = [event.stored - event.ended for event in events]
    own = own_delays(events, since=[event.ended for event in events])
    polls = _polls(url)
    after = own_delays(events, since=[next(poll for poll in polls if poll >= event.ended) for event in events])
    busy = statistics.mean(event.resumed - event.yielded for event in events)
    is_late = statistics.median(own) > poll / 2 + AIM_SECONDS
    is_missed = statistics.median(after) > AIM_SECONDS
    row = f"{poll:8.2f} | {_figures(latencies, 18)} | {_figures(own, 26)} | {_figures(after, 20)} | {busy * 1000:17.0f}"
    print(row + "  late" * is_late + "  missed" * is_missed, flush=True)
    return is_missed


def _polls(url: str) -> list[float]:
    """When each status of a pipeline was asked for, in seconds since 1970."""
    journal = told_by(url, "journal")
    return [datetime.fromisoformat(entry["at"]).timestamp() for entry in journal if "/pipelines/" in entry["path"]]


@dataclass(frozen=True)
class Event:
    """The times of one event, in seconds since 1970.

    Attributes:
        yielded: When Dagster got it.
        resumed: When Dagster asked for the next one.
        stored: Its time in Dagster's log.
        ended: When its node ended on Dune.
    """

    yielded: float
    resumed: float
    stored: float
    ended: float


def own_delays(events: list[Event], since: list[float]) -> list[float]:
    """The time from a moment of each event to the event, less the time in which Dagster was busy with other events."""
    delays = []
    for number, (event, start) in enumerate(zip(events, since, strict=True)):
        busy = sum(max(0.0, other.resumed - max(other.yielded, start)) for other in events[:number])
        delays.append(event.stored - start - busy)
    return delays


def _figures(seconds: list[float], width: int) -> str:
    p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
    return f"{statistics.median(seconds) * 1000:{width}.0f} {p95 * 1000:6.0f} {max(seconds) * 1000:6.0f}"


def run(size: int, width: int, url: str = "", poll: float = 0.0) -> dict[str, list[float]]:
    """Materialize layers of assets, with no Dune behind them if no address is given, and return the events' times."""
    times = {"yielded": [], "resumed": []}

    def watched(events):
        for event in events:
            times["yielded"].append(time.time())
            yield event
            times["resumed"].append(time.time())

    if url:
        resources = {"dune": DuneResource(api_key=API_KEY, base_url=url, poll_interval=poll, max_poll_interval=poll)}
        assets = _dune_assets(size, width, watched)
    else:
        resources = {}
        assets = _plain_assets(size, width, watched)
    with tempfile.TemporaryDirectory() as home:
        os.environ["DAGSTER_HOME"] = home
        with dg.DagsterInstance.get() as instance:
            run_id = dg.materialize([assets], resources=resources, instance=instance).run_id
            entries = instance.all_logs(run_id, dg.DagsterEventType.ASSET_MATERIALIZATION)
            late = [
                entry.asset_observation for entry in instance.all_logs(run_id, dg.DagsterEventType.ASSET_OBSERVATION)
            ]
    times["stored"] = [entry.timestamp for entry in entries]
    if url:
        events = [*late, *(entry.asset_materialization for entry in entries)]
        ended = {event.asset_key: event.metadata[ENDED_AT].value for event in events if ENDED_AT in event.metadata}
        times["ended"] = [ended[entry.asset_materialization.asset_key] for entry in entries]
    return times


def _dune_assets(size, width, watched):
    @dune_assets(catalog=layered(size, width))
    def assets(context: dg.AssetExecutionContext, dune: DuneResource):
        yield from watched(dune.run(context))

    return assets


def _plain_assets(size, width, watched):
    @dg.multi_asset(specs=[dg.AssetSpec(f"a{i}", deps=[f"a{up}" for up in upstream(i, width)]) for i in range(size)])
    def assets():
        yield from watched(dg.MaterializeResult(f"a{i}") for i in range(size))

    return assets


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(run(**json.loads(sys.argv[1]))))
    else:
        sys.exit(main())
