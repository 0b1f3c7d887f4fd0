"""Chaos: run drawn scenarios with real processes, and check that nothing is paid twice and nothing is lost.

python tests/chaos/chaos.py 100                  # the seeds 1 to 100, over SQLite
python tests/chaos/chaos.py 50 --on PostgreSQL   # over a server of its own
python tests/chaos/chaos.py 20 --protocol off    # what happens where nobody looks at what others do
python tests/chaos/chaos.py 20 --gates forgotten # what happens where nobody asks what gates have said
python tests/chaos/chaos.py 20 --webserver       # launched through a webserver and a daemon, which takes longer
"""

import argparse
import json
import os
import queue
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

from check_invariants import CHECK_INVARIANTS, Family, Retry, executions_of, may_run_again, readers, told_in
from databases import DATABASES
from deployment import Deployment
from disturbances import GATES, PROTOCOLS
from forked_deployment import ForkedDeployment
from scenario import EXECUTE, TWIN, Scenario, draw, load
from stored_files import files_with
from waiting import wait_until

from dagster_dune.emulator.engine.engine import Engine
from dagster_dune.emulator.server import DuneEmulator

API_KEY = "chaos-key-that-must-appear-nowhere"
NODE_SECONDS = 0.7
ATTEMPTS = 4
AT_ONCE = 8
NOTHING_LEFT = "nothing was left to do"
FINAL = ("AmbiguousSubmission", "which this one goes back to, was deleted")
BATCH = 50
RETRY_NUMBER = "dagster/retry_number"


def run_batch(seeds, home, dunes, storage="", *, protocol="on", gates="on", webserver=False):
    """Run some seeds over one deployment and some local Dunes; yields each scenario with the invariants it broke.

    Each local Dune has a share of the seeds, and runs one after the other.
    """
    scenarios = [draw(seed) for seed in seeds]
    lanes = [scenarios[nth :: len(dunes)] for nth in range(len(dunes))]
    home.mkdir(parents=True, exist_ok=True)
    urls = {scenario.seed: dune.url for dune, lane in zip(dunes, lanes, strict=True) for scenario in lane}
    (home / "batch.json").write_text(json.dumps({"seeds": seeds, "urls": urls, "protocol": protocol, "gates": gates}))
    location = HERE / "location.py"
    arguments = ["-f", str(location), "-d", str(HERE)]
    kind = Deployment if webserver else ForkedDeployment
    done = queue.SimpleQueue()

    def drive(dune, lane):
        for scenario in lane:
            dune.reset()
            try:
                done.put((scenario, _drive(scenario, dune, deployment)))
            except Exception as error:  # so that one scenario does not end the others
                places = " > ".join(
                    f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)
                )
                done.put((scenario, [f"it could not be driven: {error!r}, at {places}"]))

    with (
        kind(home, dunes[0], arguments, location.name, storage, forks=False) as deployment,
        ThreadPoolExecutor(len(dunes)) as hands,
    ):
        if webserver:
            deployment.start("dagster-daemon", "run")
            deployment.start_webserver()
        else:
            deployment.start_server()
        for dune, lane in zip(dunes, lanes, strict=True):
            hands.submit(drive, dune, lane)
        for _ in scenarios:
            yield done.get()
    leaks = files_with(API_KEY, home)
    assert not leaks, f"the API key is in {leaks}"


def _dunes(folder):
    """The local Dunes, over copies of one database: to make its sample tables is what takes their start so long."""
    sample = folder / "sample.db"
    Engine(sample).close()
    for nth in range(AT_ONCE):
        database = shutil.copy(sample, folder / f"dune_{nth}.db")
        yield DuneEmulator(api_key=API_KEY, database=database, execution_seconds=NODE_SECONDS)


def _drive(scenario, dune, deployment):
    load(scenario, dune)
    run_ids = [deployment.launch(job=f"{scenario.name}_job", tags=_days(scenario))]
    if not scenario.killed_retry:
        _kill(scenario, dune, deployment, run_ids[0])
    runs = [deployment.finish(run_ids[0])]
    retries = _without_their_gate(scenario, deployment, run_ids[0])
    while not runs[-1].is_success and len(run_ids) < ATTEMPTS and not _is_final(deployment, runs[-1].run_id):
        clicks = scenario.siblings if len(run_ids) == 1 else 1
        nth = slice(len(run_ids) - 1, len(run_ids) - 1 + clicks)
        strategies, automatic = scenario.strategies[nth], scenario.automatic[nth]
        scenario.log.append(f"{runs[-1].status.value}, then {' and '.join(map(_words, strategies, automatic))}")
        parent, now = runs[-1].run_id, time.time()
        with ThreadPoolExecutor() as hands:
            retry = partial(_retry, deployment, parent)
            again = [*hands.map(retry, strategies, scenario.tags[nth], automatic)]
        made = zip(again, automatic[: len(again)], strategies, strict=True)
        retries += [Retry(run_id, parent, now, by_itself, how) for run_id, by_itself, how in made if run_id]
        again = [run_id for run_id in again if run_id]
        if not again:
            scenario.log.append(NOTHING_LEFT)
            break
        if scenario.loses_parent and len(run_ids) == 1:
            deployment.instance.delete_run(run_ids[0])
            scenario.log.append("its parent deleted")
        if scenario.killed_retry and len(run_ids) == 1:
            _kill(scenario, dune, deployment, again[0])
        run_ids += again
        # The one that has succeeded goes last: it is what the invariants ask for.
        runs = sorted((deployment.finish(run_id) for run_id in again), key=lambda run: run.is_success)
    scenario.log.append(runs[-1].status.value)
    dune.clear_faults()  # what is read from here on is evidence
    evidence = _evidence(scenario, dune, deployment, run_ids[0], runs[-1], retries)
    of_checks = (words for invariant in CHECK_INVARIANTS for words in invariant(evidence, evidence.family))
    return [*(words for invariant in INVARIANTS for words in invariant(evidence)), *of_checks]


def _without_their_gate(scenario, deployment, run_id):
    """Try by hand what reads the asset of a gate that the first run was told a no of, and leave the gate out."""
    if not scenario.reads_past or not isinstance(deployment, ForkedDeployment):
        return []
    told = told_in(deployment.instance, [run_id], _sql_name)
    closed = {(one.asset, one.check) for one in told if one.passed is False}
    gates = [drawn for drawn in scenario.checks if drawn.is_asked and (drawn.check.asset, drawn.check.name) in closed]
    names = set().union(*(readers(scenario, gate) for gate in gates))
    if not names:
        return []
    now = time.time()
    past = deployment.reexecute_assets(run_id, names)
    scenario.log.append(f"readers alone by hand: {deployment.finish(past).status.value}")
    return [Retry(past, run_id, now, is_automatic=False)]


def _words(strategy, is_automatic):
    return f"{strategy} {'by itself' if is_automatic else 'by hand'}"


def _retry(deployment, run_id, strategy, is_tagged, is_automatic):
    if isinstance(deployment, ForkedDeployment):
        return deployment.reexecute(run_id, strategy, is_tagged=is_tagged, is_automatic=is_automatic)
    tags = deployment.instance.get_run_by_id(run_id).tags
    number = {RETRY_NUMBER: str(int(tags.get(RETRY_NUMBER, 0)) + 1)} if is_automatic else {}
    return deployment.reexecute(run_id, strategy, **number)


def _days(scenario):
    """The tags of a run of some partitions."""
    if not scenario.days:
        return {}
    if scenario.days == 1:
        return {"dagster/partition": "2024-01-01"}
    ends = {"start": "2024-01-01", "end": f"2024-01-{scenario.days:02}"}
    return {f"dagster/asset_partition_range_{end}": day for end, day in ends.items()}


def _kill(scenario, dune, deployment, run_id):
    """Kill what the scenario says, some time after the submission has reached Dune."""
    if not scenario.kill:
        return
    wait_until(
        lambda: (
            any(entry["path"] == EXECUTE for entry in dune.journal())
            or deployment.instance.get_run_by_id(run_id).is_finished
        )
    )
    time.sleep(scenario.kill_after)
    if deployment.instance.get_run_by_id(run_id).is_finished:
        return
    if scenario.kill == "terminate":
        if not deployment.terminate(run_id):
            scenario.log.append("it had ended before the kill")
        return
    target, _, name = scenario.kill.partition(" ")
    processes = [] if target == "step" else [deployment.run_worker(run_id)]
    if target != "worker":
        processes += deployment.step_processes(run_id)[-1:]
    try:
        for process in processes:
            os.kill(process, getattr(signal, name or "SIGINT"))
    except ProcessLookupError:
        scenario.log.append("it had ended before the kill")


def _is_final(deployment, run_id):
    """Whether the run refuses to go on until its user has spoken."""
    return any(words in deployment.failure_text(run_id) for words in FINAL)


@dataclass
class Evidence:
    """What is left of a scenario after its last attempt."""

    scenario: Scenario
    executions: list[dict]
    materialized: list[tuple[str, str]]
    twins: list[tuple[str, str]]
    succeeded: bool
    attempts: int
    reason: str
    journal: str
    family: Family

    @property
    def completed(self):
        return [execution for execution in self.executions if execution["state"] == "QUERY_STATE_COMPLETED"]

    @property
    def ambiguous(self):
        return any(words in self.reason for words in FINAL)


def _evidence(scenario, dune, deployment, first, last, retries):
    run_ids = [first, *(retry.run_id for retry in retries)]
    events = [event for run_id in run_ids for event in deployment.materializations(run_id)]
    executions = dune.executions()
    told = told_in(deployment.instance, run_ids, _sql_name)

    def made(*, by_twin):
        of = [event for event in events if (event.asset_key.path[0] == TWIN) == by_twin]
        return [(_sql_name(event.asset_key), event.metadata["dagster-dune/execution_id"].value) for event in of]

    return Evidence(
        scenario=scenario,
        executions=executions,
        materialized=made(by_twin=False),
        twins=made(by_twin=True),
        succeeded=last.is_success,
        attempts=len(run_ids),
        reason=deployment.failure_text(last.run_id),
        journal=str(dune.journal()),
        family=Family(scenario, [*executions_of(dune, executions)], told, retries),
    )


def _paid_once(evidence):
    """Nothing that ended well is executed again, unless everything was asked for again, or a gate said no."""
    times = Counter((_name(execution), str(execution["parameters"])) for execution in evidence.completed)
    everything = 1 + sum(line.count("ALL_STEPS") for line in evidence.scenario.log)
    anew = may_run_again(evidence.family)
    for name, count in times.items():
        asked = (1 + (name[0] in evidence.scenario.twins)) * everything + anew[name[0]]
        if count > asked:
            yield f"{name} ended well {count} times, {asked} asked for"


def _ran_what_was_selected(evidence):
    ran = {_name(execution) for execution in evidence.executions}
    checks = {drawn.check.sql_name for drawn in evidence.scenario.checks if drawn.is_selected}
    selected = {*evidence.scenario.selection, *checks}
    yield from (f"{name} was executed, but not selected" for name in ran - selected)


def _materialized_what_ran(evidence):
    ran = {(_name(execution), execution["execution_id"]) for execution in evidence.completed}
    made = {*evidence.materialized, *evidence.twins}
    yield from (f"{pair} is materialized, but did not end well" for pair in made - ran)


def _shared_nothing_between_twins(evidence):
    shared = {*evidence.materialized} & {*evidence.twins}
    yield from (f"{pair} is materialized by two definitions" for pair in shared)


def _lost_nothing(evidence):
    materialized = {name for name, _ in evidence.materialized}
    by_twin = {name for name, _ in evidence.twins}
    ended_well = {_name(execution) for execution in evidence.completed} & set(evidence.scenario.selection)
    if evidence.scenario.loses_parent:
        return  # with its events
    if evidence.scenario.log[-2:] == [NOTHING_LEFT, "CANCELED"]:
        return  # its step was to be tried again when it was terminated, which Dagster takes for no failure
    if evidence.succeeded:
        yield from (f"{name} is missing in a success" for name in set(evidence.scenario.selection) - materialized)
        yield from (f"the twin of {name} is missing in a success" for name in evidence.scenario.twins - by_twin)
    if not evidence.ambiguous:
        yield from (f"{name} ended well, but is not materialized" for name in ended_well - materialized - by_twin)


def _ended_with_a_reason(evidence):
    if evidence.succeeded or evidence.ambiguous or NOTHING_LEFT in evidence.scenario.log:
        return
    if not evidence.reason:
        yield "the last run failed without a reason"
    can_fail = evidence.scenario.failing or any(drawn.can_fail_a_run for drawn in evidence.scenario.checks)
    if not can_fail and not evidence.scenario.storage:
        yield f"nothing was to fail, but {evidence.attempts} attempts did: {evidence.reason[:300]}"


def _key_is_nowhere(evidence):
    if API_KEY in evidence.journal:
        yield "the API key is in the journal"


INVARIANTS = (
    _paid_once,
    _ran_what_was_selected,
    _materialized_what_ran,
    _shared_nothing_between_twins,
    _lost_nothing,
    _ended_with_a_reason,
    _key_is_nowhere,
)


def _name(execution):
    return execution["materialized_view"] or f"query_{execution['query_id']}"


def _sql_name(key):
    path = key.path[1:] if key.path[0] == TWIN else key.path
    return ".".join(path) if len(path) == 3 else path[-1]


def main():
    """Run the seeds, print a line each, and exit 1 if an invariant was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=10)
    parser.add_argument("start", type=int, nargs="?", default=1)
    parser.add_argument("--on", choices=DATABASES, default="SQLite")
    parser.add_argument("--protocol", choices=["on", *PROTOCOLS], default="on")
    parser.add_argument("--gates", choices=["on", *GATES], default="on")
    parser.add_argument("--webserver", action="store_true")
    options = parser.parse_args()
    found, failed, end = Counter(), 0, options.start + options.count
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        server = stack.enter_context(DATABASES[options.on](Path(folder, "server")))
        dunes = [stack.enter_context(dune) for dune in _dunes(Path(folder))]
        for first in range(options.start, end, BATCH):
            seeds = list(range(first, min(first + BATCH, end)))
            batch = run_batch(
                seeds,
                Path(folder, f"home_{first}"),
                dunes,
                server.storage(),
                protocol=options.protocol,
                gates=options.gates,
                webserver=options.webserver,
            )
            for scenario, broken in batch:
                failed += bool(broken)
                found.update(_drawn(scenario))
                words = "BROKEN" if broken else "ok"
                print(f"{scenario.seed:4d} {words}  {scenario}  ->  {', '.join(scenario.log)}", flush=True)
                for line in broken:
                    print(f"       {line}", flush=True)
    print(f"{options.count} seeds on {options.on}, {failed} broken. Drawn: {dict(found)}")
    return int(failed > 0)


def _drawn(scenario):
    yield scenario.kill or "no kill"
    yield from (f"{kind} at {path.rsplit('/', 1)[-1]}" for kind, _, path, _ in scenario.faults)
    yield from (f"check of kind {drawn.check.kind}" for drawn in scenario.checks)
    yield from (
        "storage" if words.startswith("storage") else words for words, is_so in scenario.traits.items() if is_so
    )


if __name__ == "__main__":
    sys.exit(main())
