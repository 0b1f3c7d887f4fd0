"""Runs uvicorn in a thread."""

from __future__ import annotations

import asyncio
import errno
import inspect
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvicorn
from starlette.types import Scope

from dagster_dune.emulator.http.app import create_app
from dagster_dune.emulator.http.state import ServerState
from dagster_dune.errors import DuneConfigurationError

NO_LINGER = struct.pack("ii", 1, 0)
"""The socket option with which closing a connection resets it."""

OTHER_PORT = "Choose another port, or 0 for any free one."
OTHER_HOST = "Choose another host: 127.0.0.1 lets in this machine alone, 0.0.0.0 all."


class ServerThread:
    """A server that answers requests in a thread."""

    def __init__(self, state: ServerState, listener: socket.socket) -> None:
        self.state = state
        self._started = threading.Event()
        config = uvicorn.Config(
            create_app(state, self._set_started, self._disconnect),
            lifespan="on",
            proxy_headers=False,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=2,
            timeout_keep_alive=75,
        )
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._uvicorn.run, args=([listener],), name="dune-emulator-server", daemon=True
        )
        self._thread.start()
        while not self._started.wait(0.05):
            if not self._thread.is_alive():
                raise RuntimeError("The emulator's server ended before it had started; the log says why.")

    def _set_started(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._started.set()

    def call(self, function: Callable[[], Any], timeout: float | None = None) -> None:
        """Call a function on the event loop of the server, and wait for it.

        Raises:
            TimeoutError: It takes longer than the timeout, and is cancelled.
        """

        async def on_loop() -> None:
            done = function()
            if inspect.isawaitable(done):
                await asyncio.wait_for(done, timeout)

        asyncio.run_coroutine_threadsafe(on_loop(), self._loop).result()

    def _disconnect(self, scope: Scope, reset: bool) -> None:
        """Close the connection of a request: with a TCP reset, or after the data has been sent."""
        for connection in tuple(self._uvicorn.server_state.connections):
            if getattr(connection, "client", None) == scope["client"]:
                transport = connection.transport
                if reset:
                    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
                    transport.abort()
                else:
                    transport.close()

    def stop(self) -> None:
        """Stop the server, then write the state to the database file and close it."""
        with suppress(RuntimeError):  # the event loop has ended if the server failed
            self._loop.call_soon_threadsafe(self.state.dune.faults.end_delays)
        self._uvicorn.should_exit = True
        self._thread.join()
        self.state.dune.save()


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address.

    Raises:
        DuneConfigurationError: The address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None) or 0
        is_of_host = number < 0 or number == errno.EADDRNOTAVAIL  # errors of host names have their own numbers
        why = (getattr(error, "strerror", None) or str(error)).partition(" (while attempting")[0]
        raise DuneConfigurationError(
            f"The emulator cannot listen on {host} port {port}: {why}.", hint=OTHER_HOST if is_of_host else OTHER_PORT
        ) from error
