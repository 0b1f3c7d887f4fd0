"""The middleware that breaks assumptions: it changes requests and answers as an `Assumed` says."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from ulid import ULID

from dagster_dune.emulator.faults.assumptions import LATE_ANSWERS, YOUNG_SECONDS, Assumed
from dagster_dune.emulator.http.journal import CONTROL_PATH

EXECUTE = "/api/v1/pipelines/execute"
STATUS = re.compile(r"/api/v1/pipelines/executions/([^/]+)/status")
EXECUTE_PATHS = re.compile(r"/api/v1/(query/[0-9]+/execute|sql/execute|materialized-views/[^/]+/refresh)")
ULID_TEXT = re.compile(r"\b01[0-9A-HJKMNP-TV-Z]{24}\b")
UUID_TEXT = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
OTHER_STATES = {
    "QUERY_STATE_EXECUTING": "busy",
    "QUERY_STATE_COMPLETED": "done",
    "QUERY_STATE_FAILED": "broken",
}
GENERIC_ERROR = "The query could not be executed"


class AssumptionMiddleware:
    """Changes requests before they are carried out, and answers before they are sent.

    Args:
        app: The application.
        assumed: The assumptions that do not hold.
        team: The team in the names of matviews.
        clock: Returns the time in seconds.
    """

    def __init__(self, app: ASGIApp, assumed: Assumed, team: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._assumed = assumed
        self._team = re.escape(team)
        self._clock = clock
        self._first_asked = dict[str, float]()
        self._answers_since_the_end = defaultdict[str, int](int)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as a Dune for which the assumptions do not hold."""
        if scope["type"] != "http" or scope["path"].startswith(CONTROL_PATH):
            await self._app(scope, receive, send)
            return
        body = await _read_body(receive)
        path, options, body = self._translated_request(scope["path"], scope["query_string"], body)
        refusal = self._refusal(scope["method"], path, body)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        changed = {**scope, "path": path, "raw_path": path.encode(), "query_string": options}
        status, headers, answer = await self._answer(changed, body, receive)
        headers, answer = self._changed_answer(path, status, headers, answer)
        headers = [(name, value) for name, value in headers if name != b"content-length"]
        headers.append((b"content-length", str(len(answer)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _answer(
        self, scope: Scope, body: bytes, receive: Receive
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        messages: list[Message] = []
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again() -> Message:
            return unread.pop() if unread else await receive()

        async def store(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive_again, store)
        start, *parts = messages
        return start["status"], list(start["headers"]), b"".join(part.get("body", b"") for part in parts)

    # --- requests ---

    def _translated_request(self, path: str, options: bytes, body: bytes) -> tuple[str, bytes, bytes]:
        """Return a request in the form that the local Dune expects."""
        text = body.decode()
        if self._assumed.is_other("ulid-order"):
            path, text = UUID_TEXT.sub(_ulid, path), UUID_TEXT.sub(_ulid, text)
        if self._assumed.is_other("matview-names"):
            short = rf"(?<![\w.]){self._team}\.result_"
            path, text = (re.sub(short, lambda found: f"dune.{found[0]}", told) for told in (path, text))
        if path == EXECUTE and self._assumed.is_other("repeated-query", "one"):
            text = _with_the_first_parameters(text)
        return path, options, text.encode()

    def _refusal(self, method: str, path: str, body: bytes) -> JSONResponse | None:
        """Return an error for a request that such a Dune would refuse, None otherwise."""
        parsed = _parsed(body)
        request = parsed if isinstance(parsed, dict) else {}
        if method == "POST" and path == EXECUTE:
            words = self._wrong_pipeline(request)
        elif method == "POST" and EXECUTE_PATHS.fullmatch(path):
            words = self._without_tier([request])
        elif (found := STATUS.fullmatch(path)) and self._assumed.is_other("young-pipeline"):
            first = self._first_asked.setdefault(found[1], self._clock())
            return _error(404, "Pipeline execution not found") if self._clock() - first < YOUNG_SECONDS else None
        else:
            return None
        return _error(400, words) if words else None

    def _wrong_pipeline(self, request: dict[str, Any]) -> str:
        nodes = (request.get("pipeline") or {}).get("nodes") or []
        if "pipeline" in request and self._assumed.is_other("nodes-form"):
            return "query_id is required"
        if "query_id" in request and self._assumed.is_other("lineage-form"):
            return "pipeline is required"
        queries = [node["query_execution"]["query_id"] for node in nodes if node.get("query_execution")]
        if len(set(queries)) < len(queries) and self._assumed.is_other("repeated-query", "refused"):
            return "a query can stand in one node"
        targets = [node.get("query_execution") or node.get("materialized_view_refresh") or {} for node in nodes]
        return self._without_tier(targets or [request])

    def _without_tier(self, targets: list[dict[str, Any]]) -> str:
        is_required = self._assumed.is_other("default-tier")
        return "performance is required" if is_required and not all(t.get("performance") for t in targets) else ""

    # --- answers ---

    def _changed_answer(
        self, path: str, status: int, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Return an answer as such a Dune would give it."""
        if status == 429 and self._assumed.is_other("retry-after"):
            headers = [(name, value) for name, value in headers if name.lower() != b"retry-after"]
        if status == 200 and path.endswith("/csv"):
            body = self._csv(body)
            headers = [self._csv_header(name, value) for name, value in headers]
        elif status == 200 and isinstance(answer := _parsed(body), dict):
            self._rewrite(path, answer)
            body = json.dumps(answer).encode()
        text = body.decode()
        if self._assumed.is_other("canceled-spelling"):
            text = text.replace("QUERY_STATE_CANCELLED", "QUERY_STATE_ABORTED")
        if self._assumed.is_other("matview-names"):
            text = re.sub(rf"dune\.({self._team}\.result_)", r"\1", text)
        if self._assumed.is_other("ulid-order"):
            text = ULID_TEXT.sub(_uuid, text)
        return headers, text.encode()

    def _rewrite(self, path: str, answer: dict[str, Any]) -> None:
        if found := STATUS.fullmatch(path):
            self._pipeline(found[1], answer)
        if self._assumed.is_other("node-credits"):
            answer.pop("execution_cost_credits", None)
        if self._assumed.is_other("failed-cast-text") and isinstance(error := answer.get("error"), dict):
            error["message"] = GENERIC_ERROR
        if self._assumed.is_other("last-executions") and "last_execution_ids" in answer:
            answer["last_execution_ids"] = []
        if self._assumed.is_other("page-size") and answer.get("next_offset") and path.endswith("/results"):
            answer["next_offset"] -= 1
            answer["next_uri"] = _with_previous_offset(answer["next_uri"])

    def _pipeline(self, id_: str, answer: dict[str, Any]) -> None:
        """Change the status of a pipeline."""
        failed = answer["status"] == "failed"
        ended = failed or answer["status"] == "completed"
        self._answers_since_the_end[id_] += ended
        for node in answer["node_executions"]:
            progress = node.get("materialized_view_refresh_status") or node["query_execution_status"]
            self._node(progress, failed=failed, late=self._answers_since_the_end[id_] <= LATE_ANSWERS)
            node["id"] += 100 if self._assumed.is_other("node-ids") else 0
        if failed and self._assumed.is_other("failed-pipeline-word"):
            answer["status"] = "halted" if self._assumed.is_other("failed-pipeline-word", "halted") else "completed"
            answer.pop("error", None)
        if "error" in answer and self._assumed.is_other("failed-cast-text"):
            answer["error"] = GENERIC_ERROR
        if self._assumed.is_other("null-nodes"):
            answer["node_executions"] = None

    def _node(self, progress: dict[str, Any], *, failed: bool, late: bool) -> None:
        if failed and "execution_id" not in progress and self._assumed.is_other("blocked-nodes"):
            progress |= {"status": "QUERY_STATE_FAILED", "error": "A node before this one has failed"}
        if late and "execution_id" in progress and self._assumed.is_other("late-nodes"):
            progress["status"] = "QUERY_STATE_EXECUTING"
            progress.pop("error", None)
        if progress["status"] == "QUERY_STATE_COMPLETED" and self._assumed.is_other("node-error"):
            progress["error"] = "Warning: the result is large"
        if "error" in progress and self._assumed.is_other("failed-cast-text"):
            progress["error"] = GENERIC_ERROR
        if self._assumed.is_other("node-words"):
            progress["status"] = OTHER_STATES.get(progress["status"], progress["status"])

    def _csv(self, body: bytes) -> bytes:
        if self._assumed.is_other("csv-null"):
            body = re.sub(rb"(?m)(^|,)<nil>(?=,|\r?$)", rb"\1", body)
        return body.replace(b'"', b"") if self._assumed.is_other("csv-nested") else body

    def _csv_header(self, name: bytes, value: bytes) -> tuple[bytes, bytes]:
        if self._assumed.is_other("page-size") and name == b"x-dune-next-offset":
            value = str(int(value) - 1).encode()
        return name, value


def _with_the_first_parameters(text: str) -> str:
    body = _parsed(text.encode())
    nodes = (body.get("pipeline") or {}).get("nodes") or [] if isinstance(body, dict) else []
    first = dict[int, Any]()
    for node in nodes:
        if execution := node.get("query_execution"):
            given = first.setdefault(execution["query_id"], execution.get("query_parameters"))
            if given is not None:
                execution["query_parameters"] = given
    return json.dumps(body) if nodes else text


def _with_previous_offset(uri: str) -> str:
    address, _, options = uri.partition("?")
    given = dict(parse_qsl(options))
    return f"{address}?{urlencode(given | {'offset': str(int(given['offset']) - 1)})}"


def _uuid(found: re.Match[str]) -> str:
    """Return a UUID of the reversed 128 bits of a ULID, which has no order."""
    return str(uuid.UUID(bytes=ULID.from_str(found[0]).bytes[::-1]))


def _ulid(found: re.Match[str]) -> str:
    return str(ULID(uuid.UUID(found[0]).bytes[::-1]))


async def _read_body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status)
