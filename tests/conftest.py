"""The local Dune that the tests run against: one in each test process, empty at the start of each test."""

import time

import pytest

from dagster_dune.api.client import DuneApiClient

PATIENCE_SECONDS = 30


@pytest.fixture
def dune(dune_emulator):
    """The emulator of this project's own pytest plugin, under a shorter name."""
    return dune_emulator


@pytest.fixture
def client(dune):
    with DuneApiClient(dune.api_key, dune.url, timeout=10, max_retries=1) as opened:
        yield opened


@pytest.fixture
def finish():
    """A function that waits for an execution to end."""

    def wait(client, execution_id):
        return poll(lambda: client.get_execution_status(execution_id), lambda status: status.is_execution_finished)

    return wait


@pytest.fixture
def finish_pipeline():
    """A function that waits for a pipeline to end."""

    def wait(client, pipeline_execution_id):
        return poll(
            lambda: client.get_pipeline_status(pipeline_execution_id),
            lambda status: status.status in ("completed", "failed"),
        )

    return wait


def poll(read, is_good):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_good(seen := read()):
        assert time.monotonic() < deadline, f"still {seen} after {PATIENCE_SECONDS} s"
        time.sleep(0.005)
    return seen
