"""The kill matrix: who dies, at which moment, what the next attempt does, and what it costs. Prints Markdown tables.

It exits with 1 if a node was executed twice.

python tests/chaos/kill_matrix.py                   # over SQLite
python tests/chaos/kill_matrix.py --on PostgreSQL   # over a server of its own
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).parent
SUPPORT = HERE.parent / "support"
sys.path[:0] = [str(HERE), str(SUPPORT), str(SUPPORT / "locations")]

from databases import DATABASES
from deployment import Deployment
from durable_location import load
from scenario import EXECUTE, STATUS
from waiting import PATIENCE, wait_until

from dagster_dune import DuneApiClient
from dagster_dune.api.models import Pipeline, PipelineNode, QueryExecution
from dagster_dune.emulator.server import DuneEmulator

LOCATION = HERE.parent / "support" / "locations" / "durable_location.py"
ONE, TWO, THREE = "dune.acme.result_one_100", "dune.acme.result_two_100", "query_102"
WHO = ("step process", "run worker", "daemon", "webserver", "network")
WHEN = ("before the request", "during the request", "after the answer", "mid-poll", "after the end")


class Matrix:
    """A deployment, and the row of each kill."""

    def __init__(self, dune, home, storage):
        self.dune = dune
        self.paid_twice = []
        self.deployment = Deployment(home, dune, ["-f", str(LOCATION)], LOCATION.name, storage, forks=False)
        self.daemon = self.deployment.start("dagster-daemon", "run")
        self.deployment.start_webserver()

    def row(self, who, when):
        """Launch a run, let something die, try again until it succeeds, and tell what happened."""
        self.dune.reset()
        load(self.dune)
        self._prepare(who, when)
        run_id = self.deployment.launch(job="plain_job")
        if who != "network":
            self._wait_for(when, run_id)
            self._kill(who, run_id)
        first = self.deployment.finish(run_id)
        self._revive()
        then, last = "nothing to do", first
        again = None if first.is_success else self.deployment.reexecute(run_id, "FROM_FAILURE")
        if again:
            last = self.deployment.finish(again)
            ambiguous = "AmbiguousSubmission" in self.deployment.failure_text(last.run_id)
            took_over = "Taking over" in self.deployment.log_of(last.run_id)
            then = "refused to send again" if ambiguous else "took over" if took_over else "sent it"
        self._settle()
        runs = {run_id, last.run_id}
        events = Counter(key for run in runs for key in self.deployment.materialized(run))
        executions = Counter(name_of(entry) for entry in self.dune.executions())
        self.paid_twice += [f"{name}: {who}, {when}" for name, times in executions.items() if times > 1]
        requests = sum(entry["path"] == EXECUTE for entry in self.dune.journal())
        cells = [who, when, first.status.value.lower(), then, last.status.value.lower(), requests]
        cells.append("/".join(str(executions[name]) for name in (ONE, TWO, THREE)))
        cells.append("/".join(map(str, sorted(events.values()))) or "0")
        return "| " + " | ".join(map(str, cells)) + " |"

    def close(self):
        self.deployment.__exit__()

    def _prepare(self, who, when):
        if who == "network":
            self._break_network(when)
        elif when == "during the request":
            self.dune.inject("delay", method="POST", path=EXECUTE, seconds=6, when="after")

    def _break_network(self, when):
        if when == "before the request":
            self.dune.inject("reset", method="POST", path=EXECUTE)
        elif when == "during the request":
            self.dune.inject("reset", method="POST", path=EXECUTE, when="after")
        else:
            after = {"after the answer": 0, "mid-poll": 8, "after the end": 20}[when]
            self.dune.inject("reset", method="GET", path=STATUS, times=3, after=after)

    def _wait_for(self, when, run_id):
        journal = self.dune.journal
        if when == "before the request":
            self.deployment.step_process(run_id)
        elif when == "during the request":
            wait_until(self.dune.executions)
        elif when == "after the answer":
            wait_until(lambda: any(entry["path"].startswith("/api/v1/pipelines/executions") for entry in journal()))
        elif when == "mid-poll":
            wait_until(lambda: self.deployment.materialized(run_id))
        else:
            wait_until(lambda: sum(entry["state"] == "QUERY_STATE_COMPLETED" for entry in self.dune.executions()) == 3)

    def _kill(self, who, run_id):
        if who == "step process":
            self._sigkill(self.deployment.step_process(run_id))
        elif who == "run worker":
            self._sigkill(self.deployment.run_worker(run_id))
        elif who == "daemon":
            self.daemon.kill()
            self.daemon.wait(PATIENCE)
        else:
            self.deployment.webserver.kill()
            self.deployment.webserver.wait(PATIENCE)

    @staticmethod
    def _sigkill(process_id):
        try:
            os.kill(process_id, signal.SIGKILL)
        except ProcessLookupError:
            print("(it had ended before)", file=sys.stderr)

    def _revive(self):
        if self.daemon.poll() is not None:
            self.daemon = self.deployment.start("dagster-daemon", "run")
        if self.deployment.webserver.poll() is not None:
            self.deployment.start_webserver()

    def _settle(self):
        """Wait until nothing runs on Dune any more, and step processes without a worker have ended."""
        states = ("QUERY_STATE_PENDING", "QUERY_STATE_EXECUTING")
        wait_until(lambda: not any(entry["state"] in states for entry in self.dune.executions()))
        time.sleep(1)


def name_of(execution):
    """The object that an execution ran."""
    return execution["materialized_view"] or f"query_{execution['query_id']}"


def lost_answers(dune):
    """How often one submission is executed when its answers are lost: the official client, and ours."""
    from dune_client.client import DuneClient  # noqa: PLC0415
    from dune_client.query import QueryBase  # noqa: PLC0415

    faults = {
        "answer lost (connection reset)": {"kind": "reset"},
        "answer lost (502)": {"kind": "status", "status": 502},
    }
    for words, fault in faults.items():
        counts = []
        for submit in (
            lambda: DuneClient(dune.api_key, base_url=dune.url).execute_query(QueryBase(102)),
            lambda: _execute_pipeline(dune),
        ):
            dune.reset()
            dune.load_query(102, "three", "SELECT 1 AS n")
            dune.inject(method="POST", path="/api/v1/*execute", times=None, when="after", **fault)
            try:
                submit()
                end = "returned"
            except Exception as error:  # whatever the other client raises
                end = type(error).__name__
            counts.append(f"{len(dune.executions())} ({end})")
        yield f"| {words} | {counts[0]} | {counts[1]} |"


def _execute_pipeline(dune):
    with DuneApiClient(dune.api_key, dune.url) as client:
        client.execute_pipeline(Pipeline(nodes=(PipelineNode(id=1, query_execution=QueryExecution(query_id=102)),)))


def main():
    """Print both tables, and return 1 if a node was executed twice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--on", choices=DATABASES, default="SQLite")
    options = parser.parse_args()
    print("| killed | when | first run | next attempt | it ended | requests | executions a node | events an asset |")
    print("|---|---|---|---|---|---:|---:|---:|")
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        server = stack.enter_context(DATABASES[options.on](Path(folder, "server")))
        dune = stack.enter_context(DuneEmulator(execution_seconds=1.0))
        matrix = Matrix(dune, Path(folder, "home"), server.storage())
        try:
            for who in WHO:
                for when in WHEN:
                    print(matrix.row(who, when), flush=True)
        finally:
            matrix.close()
        for words in matrix.paid_twice:
            print(f"executed twice: {words}")
    print("\n| one submission, and then | executions by dune-client | by dagster-dune |")
    print("|---|---:|---:|")
    with DuneEmulator() as dune:
        for line in lost_answers(dune):
            print(line, flush=True)
    return int(bool(matrix.paid_twice))


if __name__ == "__main__":
    sys.exit(main())
