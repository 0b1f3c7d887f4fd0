"""Every order in which several attempts of one run group can act, over a model of the instance and of Dune.

The attempts run the decision code of the product, `dagster_dune._execution.submissions.protocol`; what is modelled is
what it stands on. Storage: a write that is acknowledged is in every later read, one that is not may turn up at any
later time, or never. Dune: a request may start a pipeline and lose its answer; a pipeline ends at any time, well or
not. A process may be killed before each of its actions. Clocks differ by an hour. An attempt may resume a run of
everything once that has ended, or was killed: it knows then what that had taken over. Attempts may be of several
definitions, which each make an asset: `submissions.definitions` says which submissions one of them sees.

`explore` walks through all states that can be reached, and counts the ways through them. A state is known by what each
attempt has seen so far, since its next action depends on nothing else.
"""

import gc
import sys
from collections import namedtuple
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import dagster as dg

from dagster_dune import DuneCatalog, Query
from dagster_dune._execution.submissions.actions import (
    Attach,
    AwaitEnd,
    Close,
    Follow,
    HasEnded,
    Intend,
    Look,
    NotSent,
    Policy,
    Send,
    Submit,
    TakeOver,
    View,
    Wait,
)
from dagster_dune._execution.submissions.definitions import DefinitionNodes
from dagster_dune._execution.submissions.protocol import Attempt, submitting
from dagster_dune._execution.submissions.submission import State, Submission
from dagster_dune.api.errors import AmbiguousSubmission, DuneBadRequestError
from dagster_dune.pipeline.plan import plan_pipeline

PLAN = plan_pipeline(DuneCatalog(queries=[Query(query_id=1)]), {"query_1": "a"})
(NODE,) = PLAN.digests
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
RUNNING, DONE, FAILED = "running", "done", "failed"

LOST = AmbiguousSubmission("reset", method="POST", path="/execute")
REFUSED = DuneBadRequestError("no", status=400, method="POST", path="/execute")
UNWANTED = NotSent("the run has ended")

World = namedtuple("World", "intents closed late pipelines attempts faults kills takeovers", defaults=[frozenset()])
"""Intents and closed are what the storage shows; late is what may turn up; pipelines map an id to how it stands;
takeovers are the runs that have taken over submissions, with the ids of these."""
Begin = namedtuple("Begin", "after")
"""Begin once another attempt has ended. Sent: the submissions that its run has taken over."""
Mind = namedtuple("Mind", "history is_alive waits")
"""An attempt: the number of what it has seen so far, whether it goes on, and how often it may still wait."""


@dataclass(frozen=True)
class Who:
    """An attempt's settings: its name of one letter, its run, what it may take over, its definition and that's asset.

    Where `parent` names a run, its plan counts too. `outdated` are the runs before the one of everything, and `after`
    is the attempt of that one, which it resumes; `hears` says whether it asks what that had taken over, and
    `tells_apart` whether it knows of the runs before; switch them off to see that the explorer finds what goes wrong.
    """

    name: str
    run_id: str
    resumes: bool = True
    hours: int = 0
    definition: str = "first"
    asset: str = "one"
    parent: str = "parent"
    outdated: tuple = ()
    after: str = ""
    hears: bool = True
    tells_apart: bool = True

    def policy(self, followed=()):
        return Policy(
            self.run_id,
            self.resumes,
            joins=True,
            retries_failed=False,
            oldest=NOON - timedelta(days=1),
            outdated=self.outdated if self.tells_apart else (),
            followed={id_: frozenset([NODE]) for id_ in followed} if self.hears else {},
        )


class Violation(AssertionError):  # noqa: N818
    """A node was sent although it ran, or had been completed; or old rows count as those of a run of everything."""


class Explorer:
    """Explores a few attempts.

    Args:
        attempts: Who acts.
        intents: The submissions that are there before.
        pipelines: How the pipelines stand that are there before.
        faults: How many writes, requests and nodes may fail, all together.
        kills: How many attempts may be killed.
        waits: How often each may wait.
        sees_intents: Whether looks show open intents; switch it off to see that the explorer finds what goes wrong.
        looks_again: Whether the look after the intent is a new one; switch it off for the same reason.
        plans: By run, the definition of each asset in its plan; all have the first one's if None.
        definitions: How submissions of other definitions are told apart; replace it for the same reason.
    """

    def __init__(
        self,
        attempts,
        intents=(),
        pipelines=(),
        *,
        faults=0,
        kills=0,
        waits=1,
        sees_intents=True,
        looks_again=True,
        plans=None,
        definitions=DefinitionNodes,
    ):
        self.who = attempts
        self.sees_intents = sees_intents
        self.looks_again = looks_again
        self.plans = plans or {}
        self._assets = {who.name: who.asset for who in attempts} | {"0": "one"}
        self._nodes = [
            definitions(who.definition, (who.run_id, who.parent), {NODE: dg.AssetKey(who.asset)}) for who in attempts
        ]
        self._histories = [(0, None, None)]
        self._numbers = {}
        self._pending = {}
        self._views = {}
        self._ways = {}
        open_ = frozenset(replace(s, state=State.INTENDED, pipeline_execution_id=None) for s in intents)
        closed = frozenset((s.id, s.state, s.pipeline_execution_id) for s in intents if s.state is not State.INTENDED)
        minds = tuple(Mind(self._number(index), True, waits) for index in range(len(attempts)))
        self.start = World(open_, closed, frozenset(), frozenset(dict(pipelines).items()), minds, faults, kills)
        self.ends = set()

    def explore(self):
        """Walk through everything.

        Returns:
            The number of states, and the number of different ways through them.
        """
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(10_000)
        gc.disable()  # nothing here is in a circle, and the collector would look at each state again and again
        try:
            ways = self._count(self.start)
            return len(self._ways), ways
        finally:
            gc.enable()
            sys.setrecursionlimit(limit)

    def _count(self, world):
        if world not in self._ways:
            following = list(self._next(world))
            if not following:
                self.ends.add(world)
            self._ways[world] = sum(map(self._count, following)) if following else 1
        return self._ways[world]

    # What an attempt has seen decides what it does next.

    def _number(self, index, before=None, came=None):
        """The number of what an attempt has seen: what it had seen before, and what came then."""
        key = (index, before, came)
        if key not in self._numbers:
            self._numbers[key] = len(self._histories)
            self._histories.append(key)
        return self._numbers[key]

    def _history(self, number):
        """All that came, from the first."""
        came = []
        while (before := self._histories[number][1]) is not None:
            came.append(self._histories[number][2])
            number = before
        return came[::-1]

    def action_of(self, mind):
        """The next action of an attempt, the submission that it belongs to, and that one's id; None at its end."""
        if mind.history not in self._pending:
            index, history = self._histories[mind.history][0], self._history(mind.history)
            actions = self._flat(self.who[index])
            came = None
            try:
                action = next(actions)
                for came in history:
                    action = actions.send(came)
            except StopIteration:
                action = None
            except Exception as error:
                action = error
            self._pending[mind.history] = action
        return self._pending[mind.history]

    def _flat(self, who):
        """The actions of an attempt, with those of its submissions in their places."""
        followed = (yield Begin(who.after), None, "") if who.after else ()
        policy = who.policy(followed)
        actions, came, count = Attempt(PLAN, policy).actions(), None, 0
        while True:
            try:
                action = actions.send(came)
            except StopIteration:
                return
            if isinstance(action, Submit):
                count += 1
                came = yield from self._submission(who, policy, action, f"{who.name}{count}")
            else:
                came = yield action, None, ""

    def _submission(self, who, policy, submit, id_):
        actions = submitting(id_, submit.digests, submit.seen, policy)
        action = next(actions)
        pipeline = None
        while True:
            came = yield action, submit, id_
            pipeline = came if isinstance(action, Send) else pipeline
            try:
                action = actions.throw(came) if isinstance(came, Exception) else actions.send(came)
            except StopIteration as end:
                return self._record(who, id_, submit, State.ANSWERED, pipeline) if end.value else None

    @staticmethod
    def _record(who, id_, submit, state=State.INTENDED, pipeline=None):
        at = NOON + timedelta(hours=who.hours)
        made_by = {"definition": who.definition, "step_key": who.definition}
        return Submission(id_, who.run_id, at, {NODE: 1}, state, pipeline, after=submit.seen, **made_by)

    # What can happen next.

    def _next(self, world):
        yield from self._environment(world)
        for index, mind in enumerate(world.attempts):
            if not mind.is_alive:
                continue
            if world.kills:
                yield self._with(world, index, mind._replace(is_alive=False))._replace(kills=world.kills - 1)
            action, submit, id_ = self.action_of(mind)
            yield from self._act(world, index, action, submit, id_)

    @staticmethod
    def _environment(world):
        for word in world.late:
            yield _shown(world, word)._replace(late=world.late - {word})
        for id_, how in world.pipelines:
            if how == RUNNING:
                others = world.pipelines - {(id_, how)}
                yield world._replace(pipelines=others | {(id_, DONE)})
                if world.faults:
                    yield world._replace(pipelines=others | {(id_, FAILED)}, faults=world.faults - 1)

    def _act(self, world, index, action, submit, id_):  # noqa: C901, PLR0912  (an action a case)
        who = self.who[index]
        if isinstance(action, Look):
            yield self._go_on(world, index, self._view(world, index, submit))
        elif isinstance(action, Begin):
            (first,) = [nth for nth, other in enumerate(self.who) if other.name == action.after]
            if not world.attempts[first].is_alive:
                run_id = self.who[first].run_id
                yield self._go_on(world, index, frozenset(id_ for by, id_ in world.takeovers if by == run_id))
        elif isinstance(action, TakeOver):
            taken = {(who.run_id, submission.id) for submission, _ in action.nodes}
            yield self._go_on(world._replace(takeovers=world.takeovers | taken), index, None)
        elif isinstance(action, HasEnded):
            yield self._go_on(world, index, self._stands(world, action.submission) != RUNNING)
        elif isinstance(action, Follow | AwaitEnd):
            if self._assets[action.submission.id[0]] != who.asset:
                raise Violation(f"{who.name} follows {action.submission.id}, which is of another asset: {world}")
            had_ended = dict(self.start.pipelines).get(action.submission.pipeline_execution_id) == DONE
            if isinstance(action, Follow) and had_ended and action.submission.run_id in who.outdated:
                raise Violation(f"{who.name} takes over {action.submission.id}, which is older: {world}")
            how = self._stands(world, action.submission)
            if how != RUNNING:
                yield self._go_on(world, index, frozenset() if how == DONE else frozenset([NODE]))
        elif isinstance(action, Intend):
            yield from self._write(world, index, ("intent", self._record(who, id_, submit)), True, False)
        elif isinstance(action, Close):
            closed = id_, action.state, action.pipeline_execution_id
            yield from self._write(world, index, ("closed", closed), None, None)
        elif isinstance(action, Send):
            yield from self._send(world, index, id_)
        else:
            raise TypeError(action)

    def _write(self, world, index, word, acknowledged, otherwise):
        yield self._go_on(_shown(world, word), index, acknowledged)
        if world.faults:
            faulty = world._replace(faults=world.faults - 1)
            yield self._go_on(faulty, index, otherwise)
            yield self._go_on(faulty._replace(late=world.late | {word}), index, otherwise)

    def _send(self, world, index, id_):
        pipeline = f"P{id_}"
        # What somebody has run anew since counts no more.
        sent = [intent for intent in world.intents if intent.id != id_ and f"P{intent.id}" in dict(world.pipelines)]
        replaced = {f"P{earlier}" for intent in sent for earlier in intent.after}
        for known, how in world.pipelines:
            if self._assets[known[1]] != self.who[index].asset:
                continue
            if how == RUNNING:
                raise Violation(f"{self.who[index].name} sends while {known} runs: {world}")
            if how == DONE and self._counts(world, self.who[index], known[1:]) and known not in replaced:
                raise Violation(f"{self.who[index].name} sends what {known} has completed: {world}")
        started = world._replace(pipelines=world.pipelines | {(pipeline, RUNNING)})
        yield self._go_on(started, index, pipeline)
        if world.faults:
            yield self._go_on(started._replace(faults=world.faults - 1), index, LOST)
            yield self._go_on(world._replace(faults=world.faults - 1), index, REFUSED)
            yield self._go_on(world._replace(faults=world.faults - 1), index, UNWANTED)

    @staticmethod
    def _counts(world, who, id_):
        """Whether what a submission has completed counts for an attempt."""
        by_id = {intent.id: intent for intent in world.intents}
        taken = {taken for run_id, taken in world.takeovers if run_id not in who.outdated}
        new = {intent.id for intent in world.intents if intent.run_id not in who.outdated} | taken
        return who.resumes and (id_ in new or id_ not in by_id or not new.isdisjoint(by_id[id_].after))

    def _view(self, world, index, submit):
        """What a look shows; the same to two attempts that see the same."""
        if submit is not None and not self.looks_again:
            history = self._history(world.attempts[index].history)
            return next(came for came in reversed(history) if isinstance(came, View))
        record = world.intents, world.closed, self._nodes[index].definition, self.who[index].run_id
        if record not in self._views:
            closed = {id_: (state, pipeline) for id_, state, pipeline in world.closed}
            shown = []
            for intent in sorted(world.intents, key=lambda intent: intent.id):
                state, pipeline = closed.get(intent.id, (State.INTENDED, None))
                if self.sees_intents or not state.is_unresolved:
                    shown.append(replace(intent, state=state, pipeline_execution_id=pipeline))
            self._views[record] = View(tuple(self._nodes[index].sent_in(shown, self._steps)))
        return self._views[record]

    def _steps(self, run_id):
        return {dg.AssetKey(asset): definition for asset, definition in self.plans.get(run_id, {}).items()}

    @staticmethod
    def _stands(world, submission):
        return dict(world.pipelines)[submission.pipeline_execution_id]

    def _go_on(self, world, index, came):
        mind = world.attempts[index]
        mind = mind._replace(history=self._number(index, mind.history, came))
        # Waits, ends and what is only known of change nothing that others see, so that they need no turn of their own.
        while isinstance(action := self.action_of(mind), tuple) and isinstance(action[0], Wait | Attach):
            may = isinstance(action[0], Wait) and mind.waits > 0
            mind = Mind(self._number(index, mind.history, may), True, mind.waits - may)
        if not isinstance(action, tuple):
            mind = mind._replace(is_alive=False)
        return self._with(world, index, mind)

    @staticmethod
    def _with(world, index, mind):
        return world._replace(attempts=(*world.attempts[:index], mind, *world.attempts[index + 1 :]))


def _shown(world, word):
    kind, what = word
    if kind == "intent":
        return world._replace(intents=world.intents | {what})
    return world._replace(closed=world.closed | {what})
