"""What goes wrong inside a step's process: storage that fails, clocks that differ, names as Dune may write them.

The disturbances stand between the product and what it calls; `PROTOCOLS` and `GATES` show that the scenarios would
break a product that did not look at what others do, or that went past gates.
"""

import os
import random
import threading
from collections import Counter
from datetime import datetime, timedelta

from dagster_dune import DuneApiClient
from dagster_dune._execution import step
from dagster_dune._execution.checks.gates import GatedPlan
from dagster_dune._execution.submissions import actions, policy, protocol, sender, submission_record
from dagster_dune.pipeline import plan

CURRENT = threading.local()
STORAGE_SECONDS = 2.0


def disturb(scenarios):
    """Let what these scenarios have drawn go wrong, in whichever process runs one of them."""
    _fail_writes(scenarios)
    _fail_reads(scenarios)
    if any(scenario.has_skewed_clocks for scenario in scenarios.values()):

        class Skewed(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.now(tz) + timedelta(hours=random.Random(os.getpid()).choice([-1, 0, 1]))

        submission_record.datetime = policy.datetime = Skewed
    if any(scenario.has_odd_names for scenario in scenarios.values()):
        _write_odd_names()


def _fail_writes(scenarios):
    submission_record.WRITE_SECONDS = STORAGE_SECONDS
    write, acknowledged = submission_record.SubmissionRecord._write, submission_record.acknowledged
    faults = {name: scenario.storage for name, scenario in scenarios.items() if scenario.storage}
    failed = Counter()

    def written(self, state, words, data, until=None):
        CURRENT.name, CURRENT.word = self._definition.rpartition("_")[0], state.value
        return write(self, state, words, data, until)

    def failing(store, until=None):
        name, word = getattr(CURRENT, "name", None), getattr(CURRENT, "word", None)
        CURRENT.name = None
        fault = faults.get(name, {})

        def stored():
            here = (os.getpid(), name)
            if fault.get("word") != word or failed[here] >= fault["times"]:
                return store()
            failed[here] += 1
            if fault["when"] == "after":
                store()
            raise OSError("the database is away")

        return acknowledged(stored, until)

    submission_record.SubmissionRecord._write = written
    submission_record.acknowledged = failing


def _fail_reads(scenarios):
    """Let one look at the run group fail: the first, or the one between the intent and the request."""
    faults = {name: s.storage for name, s in scenarios.items() if s.storage and s.storage["word"] == "look"}
    look, looks = step.look, Counter()

    def failing(group, definition, *rest):
        name = definition.rpartition("_")[0]
        if name in faults:
            looks[os.getpid(), definition] += 1
            if looks[os.getpid(), definition] == faults[name]["times"]:
                raise OSError("the database is away")
        return look(group, definition, *rest)

    step.look = failing


def _write_odd_names():
    get_status = DuneApiClient.get_pipeline_status

    def odd(name):
        team, table = name.split(".")[1:]
        return random.choice([name, f'dune."{team}".{table}', table, name.upper(), f" {name} "])

    def status(self, pipeline):
        answer = get_status(self, pipeline)
        nodes = []
        for node in answer.node_executions:
            refresh = node.materialized_view_refresh_status
            if refresh and refresh.name:
                refresh = refresh.model_copy(update={"name": odd(refresh.name)})
                node = node.model_copy(update={"materialized_view_refresh_status": refresh})  # noqa: PLW2901
            nodes.append(node)
        return answer.model_copy(update={"node_executions": tuple(nodes)})

    DuneApiClient.get_pipeline_status = status


def decide_by_the_first_look():
    """Let attempts decide by what they see at first, and take no notice of open intents."""
    submitting = protocol.submitting

    def sends_at_once(own_id, digests, seen, policy):
        walk = submitting(own_id, digests, seen, policy)
        action, came = next(walk), None
        while True:
            came = actions.View(()) if isinstance(action, actions.Look) else (yield action)
            try:
                action = walk.throw(came) if isinstance(came, Exception) else walk.send(came)
            except StopIteration as end:
                return end.value

    sender.submitting = sends_at_once
    protocol._unresolved = lambda *_: []


def look_at_nothing():
    """Let attempts send whatever they want, whatever others, or they themselves, have sent."""
    step.look = lambda *_: actions.View(())


PROTOCOLS = {"first look": decide_by_the_first_look, "off": look_at_nothing}
"""Ways to go without the protocol, to show that the scenarios notice."""


def take_the_edges_of_gates_away():
    """Let what reads a gate's asset run beside the gate."""
    of_plan = plan.node_dependencies

    def without_gates(graph, selection, checks):
        gates = {name for name, check in checks.items() if check.is_gate}
        return {name: upstream - gates for name, upstream in of_plan(graph, selection, checks).items()}

    plan.node_dependencies = without_gates


def forget_what_gates_have_said():
    """Let each attempt go on as if no gate had said no before it."""
    step.gated_plan = lambda instance, run_id, assets, plan, read, resume: GatedPlan(plan, plan)


GATES = {"without edges": take_the_edges_of_gates_away, "forgotten": forget_what_gates_have_said}
"""Ways to break gates, to show that the scenarios notice."""
