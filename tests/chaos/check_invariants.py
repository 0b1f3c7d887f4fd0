"""What must hold for checks and gates after a scenario, whatever went wrong in it."""

from collections import Counter, defaultdict
from dataclasses import dataclass

import dagster as dg

from dagster_dune import DuneApiClient

EVENTS = (dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_CHECK_EVALUATION)


@dataclass
class Execution:
    """One execution on Dune, with the times and the words that its status tells."""

    name: str
    day: str | None
    id: str
    pipeline: str
    submitted_at: float
    ended_at: float | None
    answer: str
    """"yes" where it completed, "no" where a gate said no, else "none"."""


@dataclass
class Told:
    """One event of a run: a materialization, or the result of a check."""

    at: float
    run_id: str
    asset: str
    check: str | None
    passed: bool | None
    metadata: dict


def executions_of(dune, overview):
    """Read how each execution ended."""
    with DuneApiClient(dune.api_key, dune.url) as client:
        for one in overview:
            status = client.get_execution_status(one["execution_id"])
            closed = status.error is not None and "gate closed:" in (status.error.message or "")
            yield Execution(
                name=one["materialized_view"] or f"query_{one['query_id']}",
                day=one["parameters"].get("day"),
                id=one["execution_id"],
                pipeline=one["pipeline_execution_id"],
                submitted_at=status.submitted_at.timestamp(),
                ended_at=status.execution_ended_at and status.execution_ended_at.timestamp(),
                answer="no" if closed else "yes" if one["state"] == "QUERY_STATE_COMPLETED" else "none",
            )


def told_in(instance, run_ids, sql_name):
    """The events of some runs that still exist, in the order in which they were stored."""
    found = []
    for run_id in run_ids:
        for kind in EVENTS:
            for record in instance.get_records_for_run(run_id, of_type=kind).records:
                event = record.event_log_entry.dagster_event
                if kind is EVENTS[0]:
                    key, check, passed = event.asset_key, None, None
                    metadata = event.step_materialization_data.materialization.metadata
                else:
                    said = event.asset_check_evaluation_data
                    key, check, passed = said.asset_check_key.asset_key, said.asset_check_key.name, said.passed
                    metadata = said.metadata
                values = {name: value.value for name, value in metadata.items()}
                found.append(Told(record.timestamp, run_id, sql_name(key), check, passed, values))
    return sorted(found, key=lambda told: told.at)


@dataclass
class Retry:
    """A run that tries another one again, and when it was asked for."""

    run_id: str
    parent: str
    at: float
    is_automatic: bool
    strategy: str = ""


class Family:
    """What is left of a scenario with checks: its executions, what was told of them, and the retries."""

    def __init__(self, scenario, executions, told, retries):
        self.scenario, self.executions, self.told = scenario, executions, told
        self.retries = {retry.run_id: retry for retry in retries}
        self.by_hand = [retry for retry in retries if not retry.is_automatic]
        self.gates = [drawn for drawn in scenario.checks if drawn.is_asked]

    def of(self, name):
        """The executions of an object, or of a check's query."""
        return [one for one in self.executions if one.name == name]

    def refusals(self, drawn):
        """The pipelines that a check has said no in."""
        if drawn.check.is_gate:
            return {one.pipeline for one in self.of(drawn.check.sql_name) if one.answer == "no"}
        completed = {one.pipeline for one in self.of(drawn.check.sql_name or drawn.check.asset) if one.answer == "yes"}
        return set() if drawn.passes else completed

    def goes_back_to(self, run_id):
        """The runs that a retry goes back to."""
        line = []
        while (retry := self.retries.get(run_id)) and retry.parent not in line:
            line.append(run_id := retry.parent)
        return line

    def anew(self, gate):
        """What runs anew, by hand, once a blocking check has said no."""
        names = {gate.check.asset, *readers(self.scenario, gate)}
        return names | {drawn.check.sql_name for drawn in self.scenario.checks if drawn.check.asset in names}


def readers(scenario, gate):
    """The selected objects that must not run past a gate."""
    catalog = scenario.catalog_of(gate.check.asset)
    behind = set()
    while True:
        more = {
            name
            for name in scenario.selection
            if name in catalog and _reads(catalog, name, scenario.selection) & {gate.check.asset, *behind}
        }
        if more <= behind:
            return behind
        behind |= more


def _reads(catalog, name, selection):
    """What an object waits for: the nearest selected objects, and what is read on the way to them."""
    found, ahead = set(), list(catalog[name].deps)
    while ahead:
        upstream = ahead.pop()
        if upstream not in found:
            found.add(upstream)
            if upstream not in selection and upstream.startswith("query_"):
                ahead += catalog[upstream].deps
    return found


def may_run_again(family):
    """How many more times than once each name may end well, because blocking checks have said no."""
    times = Counter()
    for drawn in family.scenario.checks:
        if drawn.is_selected and drawn.check.blocking:
            for name in family.anew(drawn):
                times[name] += min(len(family.refusals(drawn)), len(family.by_hand))
    return times


def nothing_is_asked_twice(evidence, family):
    """A gate that has said no of a day is asked of that day again by hand alone."""
    for gate in family.gates:
        answers = defaultdict(list)
        for one in family.of(gate.check.sql_name):
            if one.answer != "none":
                answers[one.day].append(one)
        for day, of_day in answers.items():
            yield from (f"{gate.check.label}, {day or 'all days'}, {words}" for words in _asked_again(of_day, family))


def _asked_again(answers, family):
    said_no = 0
    for one in sorted(answers, key=lambda one: one.submitted_at):
        by_hand = sum(retry.at < one.submitted_at for retry in family.by_hand)
        if said_no > by_hand:
            yield f"was asked again in {one.pipeline} after {said_no} refusals, {by_hand} times by hand"
        said_no += one.answer == "no"


def nobody_is_told_an_old_no(_, family):
    """Who tries again by hand, after the no of a gate was told, is not told the same no."""
    gates = {(gate.check.asset, gate.check.name) for gate in family.gates}
    refusals = [told for told in family.told if (told.asset, told.check) in gates and not told.passed]
    for told in refusals:
        retry, pipeline = family.retries.get(told.run_id), told.metadata.get("dagster-dune/pipeline_execution_id")
        if retry is None or retry.is_automatic or pipeline is None:
            continue
        before = family.goes_back_to(told.run_id)
        for old in refusals:
            is_same = (old.asset, old.check) == (told.asset, told.check)
            is_same = is_same and old.metadata.get("dagster-dune/pipeline_execution_id") == pipeline
            if is_same and old.run_id in before and old.at < retry.at:
                yield f"by hand, run {told.run_id} was told the no of {told.check} in {pipeline}, as {old.run_id} was"


def nothing_runs_past_a_gate(_, family):
    """What reads a gate's asset starts only after the gate has said yes, and not after a later no."""
    for gate in family.gates:
        answers = family.of(gate.check.sql_name)
        for name in readers(family.scenario, gate):
            for run in family.of(name):
                of_gate = [one for one in answers if one.day is None or run.day is None or one.day == run.day]
                if words := _past(run, of_gate):
                    yield f"{name} ({run.id}) ran past {gate.check.label}: {words}"


def _past(run, of_gate):
    beside = [one for one in of_gate if one.pipeline == run.pipeline]
    if beside:
        late = [one for one in beside if one.answer != "yes" or one.ended_at > run.submitted_at]
        return f"{late[0].id} of the same pipeline said {late[0].answer}" if late else ""
    before = defaultdict(list)
    for one in of_gate:
        if one.answer != "none" and one.ended_at <= run.submitted_at:
            before[one.day].append(one)
    if not before:
        return "which had no answer"
    last = [max(ones, key=lambda one: one.ended_at) for ones in before.values()]
    return next((f"{one.id} said no before" for one in last if one.answer == "no"), "")


def results_are_true(evidence, family):
    """A check is told as what its execution has said; where nothing has, it is not told."""
    drawn_by_name = {(drawn.check.asset, drawn.check.name): drawn for drawn in evidence.scenario.checks}
    for told in family.told:
        if told.check is None:
            continue
        drawn = drawn_by_name[told.asset, told.check]
        where = f"the {drawn.check.label} was told as {'passed' if told.passed else 'failed'}"
        if not drawn.is_selected:
            yield f"{where}, and is not selected"
        else:
            yield from (f"{where}, {words}" for words in _untrue(told, drawn, family))


def _untrue(told, drawn, family):
    answers = family.of(drawn.check.sql_name)
    table = told.metadata.get("dagster-dune/by_partition")
    if table and len(table.records) < family.scenario.days:
        yield f"of {len(table.records)} partitions alone"
    if drawn.query is None:
        if told.passed != drawn.passes:
            yield "which it did not"
        return
    if table is None:
        parts = [({one.answer for one in answers if one.id == told.metadata["dagster-dune/execution_id"]}, told.passed)]
    else:
        parts = [
            ({one.answer for one in answers if one.day == row.data["partition"]}, row.data["passed"])
            for row in table.records
        ]
    for said, passed in parts:
        wanted = ("yes" if passed else "no") if drawn.check.is_gate else "yes"
        if wanted not in said or (not drawn.check.is_gate and passed != drawn.passes):
            yield f"and its execution said {said}"


def results_follow_materializations(evidence, family):
    """No result of a check is told before its asset's materialization is."""
    if evidence.scenario.loses_parent:
        return  # with its events
    for told in family.told:
        if told.check is None or told.asset not in evidence.scenario.selection:
            continue
        made = [one for one in family.told if one.check is None and one.asset == told.asset]
        in_run = [one for one in made if one.run_id == told.run_id]
        if not made or min(one.at for one in in_run or made) > told.at:
            yield f"check {told.check} of {told.asset} was told before its materialization, in run {told.run_id}"


def answers_are_told(evidence, family):
    """A success has a result of each selected check, and what has an answer is told of."""
    scenario = evidence.scenario
    if scenario.loses_parent:
        return
    told = {(one.asset, one.check) for one in family.told}
    for drawn in scenario.checks:
        key = (drawn.check.asset, drawn.check.name)
        if key in told or not drawn.is_selected:
            continue
        if evidence.succeeded:
            yield f"the {drawn.check.label} has no result in a success"
        said = {one.answer for one in family.of(drawn.check.sql_name)}
        if not evidence.ambiguous and not scenario.days and ("no" in said or "yes" in said):
            yield f"the {drawn.check.label} has an answer, and no result"


def nothing_old_is_told_as_new(evidence, family):
    """A run of everything, and what resumes it, tells of no pipeline that had ended before that run was asked for."""
    if evidence.scenario.loses_parent:
        return  # then whatever is known is taken over
    ends = defaultdict(list)
    for one in family.executions:
        ends[one.pipeline].append(one.ended_at)
    for told in family.told:
        line = [
            family.retries[id_] for id_ in (told.run_id, *family.goes_back_to(told.run_id)) if id_ in family.retries
        ]
        everything = next((retry for retry in line if retry.strategy == "ALL_STEPS"), None)
        # From asset failure twice may look like everything again.
        if everything is None or any(retry.strategy == "FROM_ASSET_FAILURE" for retry in line) or told.check:
            continue
        pipeline = told.metadata.get("dagster-dune/pipeline_execution_id")
        if ends[pipeline] and all(end and end < everything.at for end in ends[pipeline]):
            yield f"{told.asset} is told in {told.run_id} from {pipeline}, older than the run of everything"


CHECK_INVARIANTS = (
    nothing_is_asked_twice,
    nobody_is_told_an_old_no,
    nothing_runs_past_a_gate,
    results_are_true,
    results_follow_materializations,
    answers_are_told,
    nothing_old_is_told_as_new,
)
