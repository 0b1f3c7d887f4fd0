"""The journal of all requests to the API of the emulator, from which tests see what a client has sent."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTROL_PATH = "/_emulator/"
ENTRY = "dagster_dune.journal_entry"
"""The key of a request's entry in its ASGI scope."""
MAX_BODY_BYTES = 1_000_000


@dataclass
class Entry:
    """One request.

    Attributes:
        method: The method, such as ``"POST"``.
        path: The path without its query string, which may contain a key.
        status: The status of the answer, or None before it is sent.
        at: When the request arrived, in ISO 8601, UTC.
        body: The body as JSON, or as text if it is no JSON; None if it is empty; the text ``"<n bytes>"`` if it is
            longer than a megabyte, as for some uploads.
        fault: The kind of the applied fault. Entries without one have neither this field nor the next.
        own_status: The status of the answer before the fault; None if the request was not carried out.
    """

    method: str
    path: str
    status: int | None
    at: str
    body: Any
    fault: str | None = None
    own_status: int | None = None

    def shown(self) -> dict[str, Any]:
        """Return the entry as JSON value."""
        everything = asdict(self)
        return everything if self.fault else {k: v for k, v in everything.items() if k not in ("fault", "own_status")}


class Journal:
    """The requests since the last reset, in the order of their arrival, without the API key.

    Args:
        api_key: The key, which is redacted wherever a client sends it.
    """

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key
        self._entries: list[Entry] = []

    def open(self, method: str, path: str, body: bytes) -> Entry:
        """Add a request that has arrived."""
        now = datetime.now(UTC).isoformat()
        entry = Entry(method, self._without_key(path), None, now, self._readable(body))
        self._entries.append(entry)
        return entry

    def entries(self) -> list[dict[str, Any]]:
        """Return all requests as JSON values."""
        return [entry.shown() for entry in tuple(self._entries)]

    def clear(self) -> None:
        """Remove all requests."""
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
    """Adds all requests to the journal, except those under ``/_emulator/``."""

    def __init__(self, app: ASGIApp, journal: Journal) -> None:
        self._app = app
        self._journal = journal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, add the request to the journal, and pass it on."""
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

        async def send_and_record(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
            await send(message)

        await self._app(scope, receive_again, send_and_record)
