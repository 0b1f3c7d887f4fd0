"""The journal of every request that reached the emulator's API, so that a test can say what a client really sent."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTROL_PATH = "/_emulator/"
ENTRY = "dagster_dune.journal_entry"
"""Where the entry of a request is in its ASGI scope."""
MAX_BODY_BYTES = 1_000_000


@dataclass
class Entry:
    """One request.

    Attributes:
        method: Such as ``"POST"``.
        path: The path without its query string, which can hold a key.
        status: The status of the answer, or None while there is none.
        at: When the request arrived, in ISO 8601, UTC.
        body: The JSON of the body; its text if it is no JSON; None if it is empty; the words ``"<n bytes>"`` if it
            is longer than a megabyte, as uploads can be.
        fault: The kind of the fault that struck it. Entries without one have neither this field nor the next.
        own_status: The status that the emulator itself gave; None if the fault kept the request from being carried out.
    """

    method: str
    path: str
    status: int | None
    at: str
    body: Any
    fault: str | None = None
    own_status: int | None = None

    def shown(self) -> dict[str, Any]:
        """Return the entry, ready for JSON."""
        everything = asdict(self)
        return everything if self.fault else {k: v for k, v in everything.items() if k not in ("fault", "own_status")}


class Journal:
    """The requests since the last reset, in the order of their arrival. It never holds the API key.

    Args:
        api_key: The key that is redacted out wherever a client put it.
    """

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key
        self._entries: list[Entry] = []

    def open(self, method: str, path: str, body: bytes) -> Entry:
        """Write down a request that has arrived."""
        now = datetime.now(UTC).isoformat()
        entry = Entry(method, self._without_key(path), None, now, self._readable(body))
        self._entries.append(entry)
        return entry

    def entries(self) -> list[dict[str, Any]]:
        """Return every request as a JSON-ready mapping."""
        return [entry.shown() for entry in tuple(self._entries)]

    def clear(self) -> None:
        """Forget every request."""
        self._entries.clear()

    def _readable(self, body: bytes) -> Any:
        if not body:
            return None
        if len(body) > MAX_BODY_BYTES:
            return f"<{len(body)} bytes>"
        text = self._without_key(body.decode(errors="replace"))
        try:
            return from_json(text, allow_inf_nan=False)
        except ValueError:
            return text

    def _without_key(self, text: str) -> str:
        return text.replace(self._api_key, "***")


class JournalMiddleware:
    """Writes every request into the journal, except those to the emulator itself under ``/_emulator/``."""

    def __init__(self, app: ASGIApp, journal: Journal) -> None:
        self._app = app
        self._journal = journal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole body, write it down, and hand it on."""
        if scope["type"] != "http" or scope["path"].startswith(CONTROL_PATH):
            await self._app(scope, receive, send)
            return
        try:
            body = await Request(scope, receive).body()
        except ClientDisconnect:
            return
        entry = scope[ENTRY] = self._journal.open(scope["method"], scope["path"], body)
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again() -> Message:
            return unread.pop() if unread else await receive()

        async def send_and_note(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
            await send(message)

        await self._app(scope, receive_again, send_and_note)
