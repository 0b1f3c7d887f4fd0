"""A server that sends bytes exactly as a test says: answers that no HTTP library would write."""

import contextlib
import socket
import threading
from dataclasses import dataclass, field


@dataclass
class Odd:
    """What is sent.

    Attributes:
        head: The status line and the headers, without the empty line after them.
        body: The body, or pieces of it that are sent one by one.
        drip: The seconds between two bytes of head and body; sent at once if None.
        endless: Whether the body is sent again and again until the client hangs up.
        close: Whether the connection ends after it; it stays open in silence otherwise.
    """

    body: bytes = b""
    head: bytes = b"HTTP/1.1 200 OK\r\nContent-Type: application/json"
    drip: float | None = None
    endless: bool = False
    close: bool = True
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def start(self) -> bytes:
        lines = b"".join(f"\r\n{name}: {value}".encode("latin-1") for name, value in self.headers.items())
        if self.head.startswith(b"HTTP/1.1 "):
            lines += b"\r\nConnection: close"  # or the client would send its next request here
        return self.head + lines + b"\r\n\r\n"


class OddServer:
    """Answers every request with the same oddity, on connections of their own. It remembers the requests."""

    def __init__(self):
        self.answer = Odd()
        self.requests = []
        self.stopped = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.threads = []
        self.acceptor = threading.Thread(target=self._accept, daemon=True)
        self.acceptor.start()

    def settled_requests(self):
        """Wait until every connection has ended, and return the requests since the last time, without their queries."""
        for thread in self.threads:
            thread.join()
        requests, self.requests = self.requests, []
        return [request.split("?")[0] for request in requests]

    def close(self):
        self.stopped.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.acceptor.join()
        for thread in self.threads:
            thread.join()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection, self.answer), daemon=True)
            self.threads = [*(other for other in self.threads if other.is_alive()), thread]
            thread.start()

    def _serve(self, connection, odd):
        with connection, contextlib.suppress(OSError):
            request = self._request(connection)
            self.requests.append(" ".join(request.split()[:2]))
            echo = request.encode("latin-1")
            start, body = odd.start.replace(b"{echo}", _one_line(echo)), odd.body.replace(b"{echo}", _one_line(echo))
            if odd.drip is None:
                connection.sendall(start + body)
            else:
                for byte in start + body:
                    connection.sendall(bytes([byte]))
                    if self.stopped.wait(odd.drip):
                        return
            while odd.endless and not self.stopped.is_set():
                connection.sendall(body)
            if not odd.close:
                connection.settimeout(0.05)
                while not self.stopped.is_set():  # until the client hangs up
                    with contextlib.suppress(TimeoutError):
                        if not connection.recv(4096):
                            return

    def _request(self, connection):
        connection.settimeout(5)
        received = b""
        while b"\r\n\r\n" not in received:
            received += _more(connection)
        head, _, body = received.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += _more(connection)
        connection.settimeout(None)
        return head.decode("latin-1")


def _more(connection):
    """What comes next; a client whose time is over hangs up before its request is whole."""
    received = connection.recv(65536)
    if not received:
        raise ConnectionResetError
    return received


def _one_line(text):
    return text.replace(b"\r\n", b" | ").replace(b'"', b"'")
