"""A proxy on loopback that forwards requests to Dune, and records them with their answers, without API keys."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from dagster_dune.api.key import ApiKey
from dagster_dune.cassettes.anonymous import Anonymous
from dagster_dune.cassettes.cassette import BASE_URL_PLACEHOLDER, Cassette, Interaction, RecordedRequest
from dagster_dune.cassettes.requests import KEY_HEADER, KEY_OPTION, anonymous_request, body_of, request_of
from dagster_dune.errors import DuneConfigurationError

RECORDED_HEADERS = (
    "content-type",
    "retry-after",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-dune-next-offset",
    "x-dune-next-uri",
)
NOT_FORWARDED = ("host", "connection", "content-length", "accept-encoding", "transfer-encoding", "keep-alive")
TIMEOUT_SECONDS = 600.0


class Recorder:
    """Collects requests and their answers.

    Args:
        keeps_names: Whether owners, names, SQL and rows stay as they are.
    """

    def __init__(self, *, keeps_names: bool) -> None:
        self._salt = None if keeps_names else secrets.token_hex(16)
        self._anonymous = None if self._salt is None else Anonymous(self._salt)
        self._interactions: list[Interaction] = []
        self._open_requests = 0
        self._condition = threading.Condition()
        self._started_at = time.monotonic()

    @property
    def count(self) -> int:
        """The number of recorded requests."""
        return len(self._interactions)

    def cassette(self) -> Cassette:
        """Return a cassette of the recorded requests, in their order."""
        return Cassette(sorted(self._interactions, key=lambda one: one.seconds), self._salt)

    def note(self, asked: RecordedRequest, status: int, headers: dict[str, str], body: str, started_at: float) -> None:
        """Record one request and its answer."""
        now = time.monotonic()
        parsed = body_of(body)
        if self._anonymous:
            asked = anonymous_request(self._anonymous, asked)
            headers = {name: self._anonymous.header(name, value) for name, value in headers.items()}
            parsed = self._anonymous.answered(asked.path, parsed)
        interaction = Interaction(
            asked, status, headers, parsed, round(started_at - self._started_at, 4), round(now - started_at, 4)
        )
        with self._condition:
            self._interactions.append(interaction)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Make `finish` wait until this block ends, in which an answer is sent and recorded."""
        with self._condition:
            self._open_requests += 1
        try:
            yield
        finally:
            with self._condition:
                self._open_requests -= 1
                self._condition.notify_all()

    def finish(self) -> None:
        """Wait until all answers are sent and recorded."""
        with self._condition:
            self._condition.wait_for(lambda: not self._open_requests)


@contextmanager
def recording(base_url: str, *, keeps_names: bool = False) -> Iterator[tuple[str, Recorder]]:
    """Run a proxy for an address.

    Args:
        base_url: The address of Dune.
        keeps_names: Whether owners, names, SQL and rows stay as they are.

    Yields:
        The address of the proxy, and its recorder.
    """
    recorder = Recorder(keeps_names=keeps_names)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(base_url.rstrip("/"), recorder))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="dune-recorder", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", recorder
    finally:
        server.shutdown()
        recorder.finish()
        server.server_close()
        thread.join()


def _handler(base_url: str, recorder: Recorder) -> type[BaseHTTPRequestHandler]:
    import httpx  # noqa: PLC0415  (slow to import)

    client = httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Log nothing, so that only the output of the command is shown."""

        def _forward(self) -> None:
            started_at = time.monotonic()
            body = _body(self)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in NOT_FORWARDED}
            keys = [value for name, value in headers.items() if name.lower() == KEY_HEADER]
            keys += [value for name, value in parse_qsl(urlsplit(self.path).query) if name == KEY_OPTION]
            redacted = _redactor(keys)
            headers["Accept-Encoding"] = "identity"
            try:
                answer = client.request(self.command, base_url + self.path, content=body, headers=headers)
            except httpx.HTTPError as error:  # the command must not take it for an answer of Dune
                self._answer(502, {"content-type": "text/plain"}, f"Dune could not be reached: {type(error).__name__}")
                return
            with recorder.answering():
                self._answer_and_record(answer, redacted, body, started_at)

        def _answer_and_record(
            self, answer: httpx.Response, redacted: Callable[[str], str], body: bytes, started_at: float
        ) -> None:
            """Send an answer to the client, and record it."""
            own = f"http://{self.headers.get('Host', '')}"
            kept = {name: answer.headers[name] for name in RECORDED_HEADERS if name in answer.headers}
            text = answer.content.decode(errors="replace")
            self._answer(
                answer.status_code,
                {name: value.replace(base_url, own) for name, value in kept.items()},
                text.replace(base_url, own),
            )
            if urlsplit(self.path).path.startswith("/api/"):
                asked = request_of(self.command, redacted(self.path), redacted(body.decode(errors="replace")).encode())
                kept = {name: redacted(value.replace(base_url, BASE_URL_PLACEHOLDER)) for name, value in kept.items()}
                recorder.note(
                    asked, answer.status_code, kept, redacted(text.replace(base_url, BASE_URL_PLACEHOLDER)), started_at
                )

        def _answer(self, status: int, headers: dict[str, str], text: str) -> None:
            body = text.encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _forward  # noqa: N815

    return Handler


def _body(request: BaseHTTPRequestHandler) -> bytes:
    """Return the body of a request, which has a length or is chunked."""
    if request.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return request.rfile.read(int(request.headers.get("Content-Length") or 0))
    pieces = []
    while size := int(request.rfile.readline().partition(b";")[0], 16):
        pieces.append(request.rfile.read(size))
        request.rfile.readline()
    while request.rfile.readline().strip():  # trailers
        continue
    return b"".join(pieces)


def _redactor(texts: list[str]) -> Callable[[str], str]:
    """Return a function that removes the API keys of a request from texts, in any encoding."""
    keys = list[ApiKey]()
    for text in texts:
        with suppress(DuneConfigurationError):  # not a possible key
            keys.append(ApiKey(text))

    def redacted(text: str) -> str:
        for key in keys:
            text = key.redacted(text)
        return text

    return redacted
