"""The injected faults: to which requests or executions they are applied, and how often."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import Field, model_validator
from ulid import ULID

from dagster_dune.emulator.faults.kinds import (
    ExecutionFault,
    FailingNode,
    HeldNode,
    NodeTarget,
    RequestFault,
    SlowNode,
    StatusFault,
    StuckNode,
    YoungPipeline,
)
from dagster_dune.emulator.requests import Body
from dagster_dune.emulator.sql_errors import SqlError

STATUS_PATH = "/api/v1/pipelines/executions/*/status"


class Release(Body):
    """The held executions to release: those of a node, or all."""

    node: NodeTarget | None = None


class Rule(Body):
    """A fault, and when it is applied.

    Attributes:
        method: The method, such as ``"GET"``; any if it is ``"*"``.
        path: A pattern for the path, in which ``*`` matches any text.
        times: How often the fault is applied; always if None.
        after: The number of matches before the first that it is applied to.
    """

    method: str = "*"
    path: str = "*"
    times: int | None = Field(default=1, ge=1)
    after: int = Field(default=0, ge=0)
    fault: Annotated[RequestFault | ExecutionFault, Field(discriminator="kind")]

    @model_validator(mode="after")
    def _check_settings(self) -> Rule:
        if isinstance(self.fault, ExecutionFault) and self.model_fields_set & {"method", "path"}:
            raise ValueError(f"{self.fault.kind} counts the executions of its node: leave out method and path")
        return self

    def matches_request(self, method: str, path: str) -> bool:
        """Return whether the fault matches a request."""
        if isinstance(self.fault, ExecutionFault) or not fnmatchcase(path, self.path):
            return False
        if self.method not in ("*", method):
            return False
        if isinstance(self.fault, StatusFault) and not (method == "GET" and fnmatchcase(path, STATUS_PATH)):
            return False
        return not isinstance(self.fault, YoungPipeline) or _age(path) < self.fault.seconds

    def matches_execution(self, node: NodeTarget) -> bool:
        """Return whether the fault matches executions of a node."""
        return isinstance(self.fault, ExecutionFault) and is_node(self.fault.node, node)


def is_node(target: int | str, name: int | str) -> bool:
    """Return whether the `node` of a fault is the given id of a query or full name of a matview.

    Examples:
        >>> is_node('dune."21co".result_x', "dune.21co.result_x"), is_node(1, "1")
        (True, False)
    """
    return _normalised(target) == name


def _normalised(target: NodeTarget) -> NodeTarget:
    return target.replace('"', "").lower() if isinstance(target, str) else target


def _age(status_path: str) -> float:
    """Return the age of a pipeline, from the time in its id."""
    try:
        return time.time() - float(ULID.from_str(status_path.split("/")[-2]).timestamp)
    except ValueError:
        return float("inf")


@dataclass
class _Counted:
    """A rule, and how often it has matched and been applied."""

    rule: Rule
    matches: int = 0
    struck: int = 0

    def is_applied(self) -> bool:
        """Count a match, and return whether the fault is applied this time."""
        self.matches += 1
        if self.matches <= self.rule.after or self.struck == self.rule.times:
            return False
        self.struck += 1
        return True


class Faults:
    """The rules since the last reset, in order. For each request or execution, the first that applies is used."""

    def __init__(self) -> None:
        self._rules: list[_Counted] = []
        self._cleared = asyncio.Event()
        self._held: dict[asyncio.Event, NodeTarget] = {}
        self._arrival = asyncio.Condition()

    def inject(self, rule: Rule) -> None:
        """Add a rule."""
        self._rules.append(_Counted(rule))

    def clear(self) -> None:
        """Remove all rules. Delayed requests lose their connections, held executions continue."""
        self._rules.clear()
        self.end_delays()
        self.release()

    def end_delays(self) -> None:
        """End all delays, so that the delayed requests lose their connections."""
        self._cleared.set()
        self._cleared = asyncio.Event()

    def rules(self) -> list[dict[str, Any]]:
        """Return all rules, each with the number of its ``matches`` and of its applications, ``struck``."""
        return [
            {**counted.rule.model_dump(mode="json"), "matches": counted.matches, "struck": counted.struck}
            for counted in tuple(self._rules)
        ]

    def for_request(self, method: str, path: str) -> RequestFault | None:
        """Return the fault to apply to a request, if there is one, and count it."""
        for counted in self._rules:
            fault = counted.rule.fault
            if (
                not isinstance(fault, ExecutionFault)
                and counted.rule.matches_request(method, path)
                and counted.is_applied()
            ):
                return fault
        return None

    def for_execution(self, node: NodeTarget) -> ExecutionFault | None:
        """Return the fault to apply to an execution of a node, if there is one, and count it."""
        for counted in self._rules:
            fault = counted.rule.fault
            if isinstance(fault, ExecutionFault) and counted.rule.matches_execution(node) and counted.is_applied():
                return fault
        return None

    async def delay(self, seconds: float) -> bool:
        """Wait, and return True after the given time, or False if all delays were ended before."""
        try:
            await asyncio.wait_for(self._cleared.wait(), seconds)
        except TimeoutError:
            return True
        return False

    def release(self, node: NodeTarget | None = None) -> None:
        """Let the held executions of a node continue, and hold no further ones; of all nodes if None."""

        def is_meant(target: NodeTarget) -> bool:
            return node is None or _normalised(target) == _normalised(node)

        self._rules = [
            counted
            for counted in self._rules
            if not (isinstance(counted.rule.fault, HeldNode) and is_meant(counted.rule.fault.node))
        ]
        for released, target in self._held.items():
            if is_meant(target):
                released.set()

    async def wait_until_held(self, node: NodeTarget, executions: int = 1) -> None:
        """Wait until a number of executions of a node are held."""

        def are_held() -> bool:
            held = [target for released, target in self._held.items() if not released.is_set()]
            return sum(_normalised(target) == _normalised(node) for target in held) >= executions

        async with self._arrival:
            await self._arrival.wait_for(are_held)

    async def apply(self, fault: ExecutionFault | None) -> None:
        """Apply a fault to an execution.

        Raises:
            SqlError: The fault makes the execution fail.
        """
        match fault:
            case StuckNode():
                await asyncio.Event().wait()
            case HeldNode():
                await self._hold(fault)
            case SlowNode(seconds=seconds):
                await asyncio.sleep(seconds)
            case FailingNode(message=message):
                raise SqlError(message, type="FAILED_TYPE_EXECUTION_FAILED")

    async def _hold(self, fault: HeldNode) -> None:
        if all(counted.rule.fault is not fault for counted in self._rules):
            return  # released before it was held
        released = asyncio.Event()
        self._held[released] = fault.node
        try:
            async with self._arrival:
                self._arrival.notify_all()
            await released.wait()
        finally:
            del self._held[released]
