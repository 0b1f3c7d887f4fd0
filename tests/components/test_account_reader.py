"""An account that is read while a code location loads: what ends with it when the load is interrupted."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from interrupting import press_ctrl_c
from waiting import PATIENCE, wait_until

from dagster_dune.api.client import DuneApiClient
from dagster_dune.components.account_reader import read_account

QUERY = "/api/v1/query/*"


def reading():
    return [thread for thread in threading.enumerate() if thread.name.startswith(("dune-account", "dune-queries"))]


@pytest.mark.parametrize("time_limit", [None, PATIENCE])
def test_an_interrupted_read_ends_though_dune_does_not_answer(dune, time_limit):
    """Python waits for the threads of a pool before a process ends."""
    dune.load_query(1, "one", "SELECT 1 AS n")
    dune.inject("delay", method="GET", path=QUERY, seconds=3600, times=None)

    def interrupt():
        wait_until(lambda: any(rule["struck"] for rule in dune.faults()))
        press_ctrl_c()

    with ThreadPoolExecutor(1) as presser:
        presser.submit(interrupt)
        with pytest.raises(KeyboardInterrupt):
            read_account(lambda: DuneApiClient(dune.api_key, dune.url, timeout=PATIENCE), time_limit=time_limit)
    wait_until(lambda: not reading())
