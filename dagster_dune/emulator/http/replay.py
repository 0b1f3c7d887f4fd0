"""The middleware that answers from a cassette."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dagster_dune.cassettes.anonymous import Anonymous
from dagster_dune.cassettes.cassette import BASE_URL_PLACEHOLDER, Cassette
from dagster_dune.cassettes.requests import KEY_HEADER, anonymous_request, request_of
from dagster_dune.emulator.http.journal import CONTROL_PATH


class ReplayMiddleware:
    """Answers requests with the recorded answers, whatever API keys they have.

    Args:
        app: The local Dune, which answers requests that were not recorded.
        cassette: The recording.
        is_strict: Whether a request that was not recorded is an error instead.
        api_key: The key of the local Dune.
    """

    def __init__(self, app: ASGIApp, cassette: Cassette, *, is_strict: bool, api_key: str) -> None:
        self._app = app
        self._cassette = cassette
        self._is_strict = is_strict
        self._api_key = api_key
        self._anonymous = None if cassette.salt is None else Anonymous(cassette.salt)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from the cassette, or pass the request on to the local Dune."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"].startswith(CONTROL_PATH):
            await self._app(self._with_own_key(scope), receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        target = scope["raw_path"].decode() + (f"?{request.url.query}" if request.url.query else "")
        response = self._recorded_answer(request, target, body)
        if response is not None:
            await response(scope, receive, send)
            return
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again() -> Message:
            return unread.pop() if unread else await receive()

        await self._app(self._with_own_key(scope), receive_again, send)

    def _with_own_key(self, scope: Scope) -> Scope:
        others = [(name, value) for name, value in scope["headers"] if name != KEY_HEADER.encode()]
        return {**scope, "headers": [*others, (KEY_HEADER.encode(), self._api_key.encode())]}

    def _recorded_answer(self, request: Request, target: str, body: bytes) -> Response | None:
        real = request_of(request.method, target, body)
        asked = anonymous_request(self._anonymous, real) if self._anonymous else real
        played = self._cassette.play(asked)
        if played is None:
            if not self._is_strict:
                return None
            words = f"The cassette has no answer to {asked.text}. {self._cassette.nearest(asked)}"
            return JSONResponse({"error": words}, 400)
        base = str(request.base_url).rstrip("/")
        text = self._text(asked.path, played.answer).replace(BASE_URL_PLACEHOLDER, base)
        headers = {name: value.replace(BASE_URL_PLACEHOLDER, base) for name, value in played.headers.items()}
        return Response(text, played.status, headers=headers)

    def _text(self, path: str, answer: Any) -> str:
        """Return a recorded answer, with the names in the request instead of their replacements."""
        if self._anonymous and isinstance(answer, str):
            return self._anonymous.csv_with_real_names(answer) if path.endswith("/csv") else answer
        answer = self._anonymous.with_real_names(answer) if self._anonymous else answer
        return answer if isinstance(answer, str) else "" if answer is None else json.dumps(answer)
