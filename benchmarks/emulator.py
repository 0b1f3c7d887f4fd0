"""Placeholder"""
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from benchmarks.account import API_KEY
from dagster_dune.emulator.server import DuneEmulator


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
