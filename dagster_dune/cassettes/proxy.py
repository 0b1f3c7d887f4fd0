"""A proxy on loopback that hands requests on to Dune, and writes them down with their answers, without any key."""

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
from dagster_dune.cassettes.cassette import BASE, Asked, Cassette, Interaction
from dagster_dune.cassettes.requests import KEY_HEADER, KEY_OPTION, anonymous_request, body_of, request_of
from dagster_dune.errors import DuneConfigurationError

KEPT_HEADERS = (
    "content-type",
    "retry-after",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-dune-next-offset",
    "x-dune-next-uri",
)
NOT_HANDED_ON = ("host", "connection", "content-length", "accept-encoding", "transfer-encoding", "keep-alive")
TIMEOUT_SECONDS = 600.0


class Recorder:
    """Takes down requests and their answers.

    Args:
        keeps_names: Whether owners, names, SQL and rows stay as they are.
    """

    def __init__(self, *, keeps_names: bool) -> None:
        self._salt = None if keeps_names else secrets.token_hex(16)
        self._anonymous = None if self._salt is None else Anonymous(self._salt)
        self._interactions: list[Interaction] = []
        self._under_way = 0
        self._changed = threading.Condition()
        self._begin = time.monotonic()

    @property
    def count(self) -> int:
        """How many requests came."""
        return len(self._interactions)

    def cassette(self) -> Cassette:
        """What was recorded, in the order of the requests."""
        return Cassette(sorted(self._interactions, key=lambda one: one.seconds), self._salt)

    def note(self, asked: Asked, status: int, headers: dict[str, str], body: str, began_at: float) -> None:
        """Take down one request and its answer."""
        now = time.monotonic()
        parsed = body_of(body)
        if self._anonymous:
            asked = anonymous_request(self._anonymous, asked)
            headers = {name: self._anonymous.header(name, value) for name, value in headers.items()}
            parsed = self._anonymous.answered(asked.path, parsed)
        interaction = Interaction(
            asked, status, headers, parsed, round(began_at - self._begin, 4), round(now - began_at, 4)
        )
        with self._changed:
            self._interactions.append(interaction)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Let `finish` wait for what is handed on, and taken down, in this block."""
        with self._changed:
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def finish(self) -> None:
        """Wait until everything that was handed on is taken down."""
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way)


@contextmanager
def recording(base_url: str, *, keeps_names: bool = False) -> Iterator[tuple[str, Recorder]]:
    """Run a proxy before an address.

    Args:
        base_url: Where Dune is.
        keeps_names: Whether owners, names, SQL and rows stay as they are.

    Yields:
        The proxy's own address, and what records.
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
            """Say nothing: the command's own output is what its user wants to see."""

        def _hand_on(self) -> None:
            began_at = time.monotonic()
            body = _body(self)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in NOT_HANDED_ON}
            keys = [value for name, value in headers.items() if name.lower() == KEY_HEADER]
            keys += [value for name, value in parse_qsl(urlsplit(self.path).query) if name == KEY_OPTION]
            redacted = _without(keys)
            headers["Accept-Encoding"] = "identity"
            try:
                answer = client.request(self.command, base_url + self.path, content=body, headers=headers)
            except httpx.HTTPError as error:  # whatever it is, the command must not take it for Dune's word
                self._answer(502, {"content-type": "text/plain"}, f"Dune could not be reached: {type(error).__name__}")
                return
            with recorder.answering():
                self._note(answer, redacted, body, began_at)

        def _note(self, answer: httpx.Response, redacted: Callable[[str], str], body: bytes, began_at: float) -> None:
            """Hand an answer on, and take it down."""
            own = f"http://{self.headers.get('Host', '')}"
            kept = {name: answer.headers[name] for name in KEPT_HEADERS if name in answer.headers}
            text = answer.content.decode(errors="replace")
            self._answer(
                answer.status_code,
                {name: value.replace(base_url, own) for name, value in kept.items()},
                text.replace(base_url, own),
            )
            if urlsplit(self.path).path.startswith("/api/"):
                asked = request_of(self.command, redacted(self.path), redacted(body.decode(errors="replace")).encode())
                kept = {name: redacted(value.replace(base_url, BASE)) for name, value in kept.items()}
                recorder.note(asked, answer.status_code, kept, redacted(text.replace(base_url, BASE)), began_at)

        def _answer(self, status: int, headers: dict[str, str], text: str) -> None:
            body = text.encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _hand_on  # noqa: N815

    return Handler


def _body(request: BaseHTTPRequestHandler) -> bytes:
    """The body of a request, with a length or in chunks."""
    if request.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return request.rfile.read(int(request.headers.get("Content-Length") or 0))
    pieces = []
    while size := int(request.rfile.readline().partition(b";")[0], 16):
        pieces.append(request.rfile.read(size))
        request.rfile.readline()
    while request.rfile.readline().strip():  # trailers
        continue
    return b"".join(pieces)


def _without(texts: list[str]) -> Callable[[str], str]:
    """What takes the keys of a request out of texts, in whatever form."""
    keys = list[ApiKey]()
    for text in texts:
        with suppress(DuneConfigurationError):  # what can be no key is none
            keys.append(ApiKey(text))

    def redacted(text: str) -> str:
        for key in keys:
            text = key.redacted(text)
        return text

    return redacted
