"""A server that answers as a test says, and breaks connections on demand."""

import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FaultyServer:
    """A loopback server that answers each request with the next of `replies`, and the last one for ever.

    A reply is a status, a body and headers, or one of the words ``"reset"`` (the connection is torn down after the
    request was read) and ``"silence"`` (no answer until the server is closed). `replies` may also be a function of the
    request.
    """

    def __init__(self):
        self.replies = []
        self.requests = []
        self.bodies = []
        self.connections = []
        self.closed = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                server.bodies.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
                server.requests.append(f"{self.command} {self.path}")
                server.connections.append(self.client_address)
                reply = server.reply_to(server.requests[-1])
                if reply == "reset":
                    no_wait = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_wait)
                    self.connection.close()
                    self.close_connection = True
                elif reply == "silence":
                    server.closed.wait()
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

    def reply_to(self, request):
        if callable(self.replies):
            return self.replies(request)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def close(self):
        self.closed.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()
