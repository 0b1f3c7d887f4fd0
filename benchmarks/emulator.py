"""What the local Dune can bear, so that it is never the bottleneck of what is measured against it.

    python -m benchmarks.emulator

Reads are counted over plain HTTP connections, from threads of this process. Pipelines are of 1,000 nodes that do
nothing (`SELECT 1`), polled four times a second as a run would. The limit is what Dagster itself needs to store one
event, measured in the same run: the emulator must end nodes faster than Dagster can tell of them, and answer a status
request of 1,000 nodes in a fraction of the shortest useful poll interval.
"""

import http.client
import multiprocessing
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

from benchmarks.account import API_KEY, layered, machine, measured
from dagster_dune import DuneApiClient
from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.pipeline.plan import plan_pipeline

SIZE = 1000
WIDTHS = {"at once": SIZE, "layers of 100": 100, "layers of 10": 10}
CONNECTIONS = (1, 8)
READ_SECONDS = 3.0
POLL_SECONDS = 0.25
STATUS_LIMIT_SECONDS = POLL_SECONDS / 2
FLOOR_SIZE = 100


def main() -> int:
    """Print two tables, and return 1 where a limit is passed."""
    print(machine())
    alone = measured("benchmarks.latency", size=FLOOR_SIZE, width=FLOOR_SIZE)
    floor = (alone["resumed"][-1] - alone["yielded"][0]) / FLOOR_SIZE
    print(f"limits: {floor * 1000:.0f} ms a node (Dagster's floor for an event at N = {FLOOR_SIZE}), ", end="")
    print(f"{STATUS_LIMIT_SECONDS * 1000:.0f} ms a status read")
    with emulator_process(SIZE, execution_seconds=0, workers=16) as url, DuneApiClient(API_KEY, url) as client:
        passed = [_pipeline(client, shape, width, floor) for shape, width in WIDTHS.items()]
        _print_reads(client, url)
    return int(any(passed))


def _pipeline(client: DuneApiClient, shape: str, width: int, floor: float) -> bool:
    """Run one pipeline, print a row, and return whether a limit is passed."""
    if width == SIZE:
        print(f"\n{'pipeline of 1,000':<18} {'submit, s':>9} {'end, s':>7} {'a node, ms':>10} {'x limit':>8} ", end="")
        print(f"{'status read, ms: p50':>21} {'max':>5}")
    catalog = layered(SIZE, width)
    plan = plan_pipeline(catalog, {query.sql_name: query.sql_name for query in catalog.queries})
    start = time.perf_counter()
    pipeline = client.execute_pipeline(plan.to_wire()).pipeline_execution_id
    submitted = time.perf_counter()
    reads, ended = [], False
    while not ended:
        time.sleep(POLL_SECONDS)
        asked = time.perf_counter()
        status = client.get_pipeline_status(pipeline)
        reads.append(time.perf_counter() - asked)
        ended = status.status == "completed"
        if status.error:
            sys.exit(f"The pipeline failed: {status.error[:500]}")
    node = (time.perf_counter() - submitted) / SIZE
    row = f"{shape:<18} {submitted - start:9.2f} {node * SIZE:7.2f} {node * 1000:10.1f} {node / floor:8.2f} "
    print(f"{row}{statistics.median(reads) * 1000:21.0f} {max(reads) * 1000:5.0f}", flush=True)
    return node > floor or statistics.median(reads) > STATUS_LIMIT_SECONDS


def _print_reads(client: DuneApiClient, url: str) -> None:
    execution = client.execute_query(1).execution_id
    plan = plan_pipeline(layered(SIZE, SIZE), {f"query_{number}": "" for number in range(1, SIZE + 1)})
    pipeline = client.execute_pipeline(plan.to_wire()).pipeline_execution_id
    while client.get_pipeline_status(pipeline).status != "completed":
        time.sleep(POLL_SECONDS)
    paths = {
        "status of an execution": f"/api/v1/execution/{execution}/status",
        "rows of an execution": f"/api/v1/execution/{execution}/results",
        "status of 1,000 nodes": f"/api/v1/pipelines/executions/{pipeline}/status",
    }
    print(f"\n{'reads':<24} {'kB':>5}" + "".join(f" {f'{count} connections: a second':>27}" for count in CONNECTIONS))
    for name, path in paths.items():
        size, _ = _read(url, path, 0.0)
        rates = [_reads_a_second(url, path, count) for count in CONNECTIONS]
        print(f"{name:<24} {size / 1000:5.1f}" + "".join(f" {rate:27.0f}" for rate in rates), flush=True)


def _reads_a_second(url: str, path: str, connections: int) -> float:
    with ThreadPoolExecutor(connections) as threads:
        counts = threads.map(lambda _: _read(url, path, READ_SECONDS)[1], range(connections))
        return sum(counts) / READ_SECONDS


def _read(url: str, path: str, seconds: float) -> tuple[int, int]:
    """Read over one connection for so long, once at least, and return an answer's size and the number of answers."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    deadline, count, size = time.perf_counter() + seconds, 0, 0
    while count == 0 or time.perf_counter() < deadline:
        connection.request("GET", path, headers={"X-Dune-Api-Key": API_KEY})
        response = connection.getresponse()
        size = len(response.read())
        if response.status != http.client.OK:
            sys.exit(f"{path} was answered with {response.status}.")
        count += 1
    connection.close()
    return size, count


@contextmanager
def emulator_process(size: int, execution_seconds: float, workers: int) -> Iterator[str]:
    """Run a local Dune with as many queries in a process of its own, and yield its base URL."""
    processes = multiprocessing.get_context("spawn")
    ours, its = processes.Pipe()
    process = processes.Process(target=_serve, args=(its, size, execution_seconds, workers))
    process.start()
    its.close()
    try:
        yield ours.recv()
    finally:
        ours.close()
        process.join()


def _serve(connection: Connection, size: int, execution_seconds: float, workers: int) -> None:
    """Serve until the other end of the connection is closed."""
    with DuneEmulator(api_key=API_KEY, execution_seconds=execution_seconds, workers=workers) as dune:
        for number in range(1, size + 1):
            dune.load_query(number, f"query {number}", "SELECT 1 AS n")
        connection.send(dune.url)
        connection.poll(None)


if __name__ == "__main__":
    sys.exit(main())
