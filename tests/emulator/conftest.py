"""Fixtures of the HTTP tests: a slow local Dune, plain HTTP, and a server that fails on demand."""

import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from dagster_dune.api.client import DuneApiClient
from dagster_dune.emulator.server import DuneEmulator


@pytest.fixture
def http(dune):
    """Plain HTTP with the key, for what the client refuses to send or hides."""
    with httpx.Client(base_url=dune.url + "/api/v1", headers={"X-Dune-Api-Key": dune.api_key}) as opened:
        yield opened


@pytest.fixture(scope="session")
def slow_emulator():
    with DuneEmulator(execution_seconds=0.25, workers=2) as running:
        yield running


@pytest.fixture
def slow_dune(slow_emulator):
    """A local Dune with two workers, whose executions take a quarter of a second each."""
    slow_emulator.reset()
    return slow_emulator


@pytest.fixture
def slow_client(slow_dune):
    with DuneApiClient(slow_dune.api_key, slow_dune.url, timeout=10, max_retries=0) as opened:
        yield opened


@pytest.fixture
def endless():
    """SQL that runs for hours unless it is interrupted."""
    tables = " CROSS JOIN ".join(f"UNNEST(sequence(1, 10000)) AS {name}({name})" for name in "abcd")
    return f"SELECT count(*) AS n FROM {tables} WHERE a + b > c + d"


@pytest.fixture
def until_running():
    """A function that waits until the SQL of an execution has been running for a while."""

    def wait(client, execution_id):
        while client.get_execution_status(execution_id).state == "QUERY_STATE_PENDING":
            time.sleep(0.005)
        time.sleep(0.2)
        status = client.get_execution_status(execution_id)
        assert status.state == "QUERY_STATE_EXECUTING", status

    return wait


class FaultyServer:
    """A loopback server that answers each request with the next of `replies`, and the last one for ever.

    A reply is a status, a body and headers, or one of the words ``"reset"`` (the connection is torn down after the
    request was read) and ``"silence"`` (no answer for longer than the tests wait).
    """

    def __init__(self):
        self.replies = []
        self.requests = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                server.requests.append(f"{self.command} {self.path}")
                reply = server.replies.pop(0) if len(server.replies) > 1 else server.replies[0]
                if reply == "reset":
                    no_wait = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_wait)
                    self.connection.close()
                    self.close_connection = True
                elif reply == "silence":
                    time.sleep(0.5)
                    self.close_connection = True
                else:
                    self.answer(*reply)

            do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815

            def answer(self, status, body="{}", headers=()):
                self.send_response(status)
                for name, value in dict(headers).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def finish(self):
                if not self.wfile.closed and self.connection.fileno() != -1:
                    super().finish()

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def faulty():
    server = FaultyServer()
    yield server
    server.close()
