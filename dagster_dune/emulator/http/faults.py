"""The middleware that applies the faults of requests."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dagster_dune.emulator.faults.kinds import (
    Delay,
    LostNode,
    Malformed,
    NullNodes,
    RequestFault,
    Reset,
    Status,
    Truncated,
    WrongWord,
    YoungPipeline,
)
from dagster_dune.emulator.faults.rules import Faults, is_node
from dagster_dune.emulator.http.journal import CONTROL_PATH, ENTRY

Disconnect = Callable[[Scope, bool], None]
"""Closes the connection of a request: at once and with a TCP reset if the second argument is true, else after the data
has been sent."""


@dataclass(frozen=True)
class Answer:
    """A complete answer."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    async def send(self, send: Send, *, truncated: bool = False) -> None:
        """Send the answer, or the first half of its body as an incomplete one."""
        headers = [*self.headers, (b"content-length", str(len(self.body)).encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        body = self.body[: len(self.body) // 2] if truncated else self.body
        await send({"type": "http.response.body", "body": body, "more_body": truncated})


class FaultMiddleware:
    """Applies faults to requests under ``/api``, and records them in the entries of the journal.

    Args:
        app: The application.
        faults: The injected faults.
        disconnect: Closes the connection of a request.
    """

    def __init__(self, app: ASGIApp, faults: Faults, disconnect: Disconnect) -> None:
        self._app = app
        self._faults = faults
        self._disconnect = disconnect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or apply a fault to it."""
        if scope["type"] != "http" or scope["path"].startswith(CONTROL_PATH):
            await self._app(scope, receive, send)
        elif fault := self._faults.for_request(scope["method"], scope["path"]):
            scope[ENTRY].fault = fault.kind
            strike = self._apply_before if fault.when == "before" else self._apply_after
            await strike(fault, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _apply_before(self, fault: RequestFault, scope: Scope, receive: Receive, send: Send) -> None:
        """Apply a fault instead of carrying out the request; after a delay it is carried out."""
        match fault:
            case Reset():
                await self._drop(scope, receive)
            case Status():
                await _fault_answer(fault).send(send)
            case YoungPipeline():
                await _json(404, {"error": "Pipeline execution not found"}).send(send)
            case Delay(seconds=seconds):
                if await self._faults.delay(seconds):
                    await (await self._buffered_answer(scope, receive)).send(send)
                else:
                    await self._drop(scope, receive)

    async def _apply_after(self, fault: RequestFault, scope: Scope, receive: Receive, send: Send) -> None:
        """Carry out the request, and apply a fault to the answer."""
        original = await self._buffered_answer(scope, receive)
        match fault:
            case Reset():
                await self._drop(scope, receive)
            case Status():
                await _fault_answer(fault).send(send)
            case Delay(seconds=seconds):
                await (original.send(send) if await self._faults.delay(seconds) else self._drop(scope, receive))
            case Truncated():
                await original.send(send, truncated=True)
                await self._drop(scope, receive, reset=False)
            case Malformed():
                await replace(original, body=original.body[: len(original.body) // 2]).send(send)
            case WrongWord() | LostNode() | NullNodes():
                await _changed_status(original, fault).send(send)

    async def _buffered_answer(self, scope: Scope, receive: Receive) -> Answer:
        """Carry out the request, and return the answer without sending it."""
        messages: list[Message] = []

        async def store(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, store)
        start, *parts = messages
        scope[ENTRY].own_status = start["status"]
        headers = tuple((name, value) for name, value in start["headers"] if name.lower() != b"content-length")
        return Answer(start["status"], headers, b"".join(part.get("body", b"") for part in parts))

    async def _drop(self, scope: Scope, receive: Receive, *, reset: bool = True) -> None:
        """Close the connection, and return when the server has noticed it."""
        self._disconnect(scope, reset)
        while (await receive())["type"] != "http.disconnect":
            pass


def _fault_answer(fault: Status) -> Answer:
    if not isinstance(fault.body, str):
        answer = _json(fault.status, fault.body)
    elif fault.body.lstrip().startswith("<"):
        answer = Answer(fault.status, ((b"content-type", b"text/html; charset=utf-8"),), fault.body.encode())
    else:
        answer = Answer(fault.status, ((b"content-type", b"text/plain; charset=utf-8"),), fault.body.encode())
    given = {name.lower().encode(): value.encode() for name, value in fault.headers.items()}
    return replace(answer, headers=tuple((dict(answer.headers) | given).items()))


def _json(status: int, value: Any) -> Answer:
    return Answer(status, ((b"content-type", b"application/json"),), json.dumps(value).encode())


def _changed_status(original: Answer, fault: WrongWord | LostNode | NullNodes) -> Answer:
    """Apply a fault to the status of a pipeline; other answers are not changed."""
    if original.status != 200:
        return original
    pipeline = json.loads(original.body)
    match fault:
        case NullNodes():
            pipeline["node_executions"] = None
        case LostNode(node=target):
            pipeline["node_executions"] = [node for node in pipeline["node_executions"] if not _is_node(target, node)]
        case WrongWord(node=None, word=word):
            pipeline["status"] = word
        case WrongWord(node=int() | str() as target, word=word):
            for node in pipeline["node_executions"]:
                if _is_node(target, node):
                    _progress(node)["status"] = word
    return replace(original, body=json.dumps(pipeline).encode())


def _is_node(target: int | str, node: dict[str, Any]) -> bool:
    progress = _progress(node)
    return is_node(target, progress.get("name") or progress["query_id"])


def _progress(node: dict[str, Any]) -> dict[str, Any]:
    progress: dict[str, Any] = node.get("materialized_view_refresh_status") or node["query_execution_status"]
    return progress
