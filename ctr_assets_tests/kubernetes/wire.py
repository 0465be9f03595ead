"""The HTTP side: requests off the socket, answers onto it, chunked streams, broken connections."""

import json
import socket
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from ctr_assets_tests.kubernetes.answers import Answer, ConnectionDroppedError
from ctr_assets_tests.kubernetes.errors import ApiError
from ctr_assets_tests.kubernetes.faults import Faults
from ctr_assets_tests.kubernetes.paths import Request
from ctr_assets_tests.kubernetes.storage import Store


class Answering(Protocol):
    """The server behind the socket: `FakeApiServer`."""

    store: Store
    faults: Faults
    defects: list[BaseException | None]

    def note(self, request: Request) -> None:
        """Keep the request in the log."""

    def answer(self, request: Request, is_closing: Callable[[], bool]) -> Answer:
        """Raises ApiError for a refusal."""
        ...


class Listener(ThreadingHTTPServer):
    """One life of the server: a listening socket and its connections. `stop` ends them all and joins their threads."""

    daemon_threads = False
    block_on_close = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, port: int, fake: Answering) -> None:
        self.fake = fake
        self.is_closing = threading.Event()
        self.connections: set[socket.socket] = set()
        self.open_streams: set[Handler] = set()
        super().__init__(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), name="fake-api-server")
        self._thread.start()

    def stop_listening(self) -> None:
        """New connections are refused; those that are open stay."""
        self.shutdown()
        self._thread.join()
        self.socket.close()

    def stop(self) -> None:
        """As a kill: the socket closes, open answers break off with no last chunk."""
        self.is_closing.set()
        self.stop_listening()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client was faster
        with self.fake.store.changed:
            self.fake.store.changed.notify_all()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no error; anything else is a defect of the fake that a test must see."""
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, TimeoutError)):
            self.fake.defects.append(error)


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)
        if self.server.is_closing.is_set():
            self._break()

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """The request log is `FakeApiServer.requests`."""

    def _serve(self) -> None:
        fake = self.server.fake
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {key.lower(): value for key, value in self.headers.items()}
        request = Request.parse(self.command, self.path, headers, body)
        fake.note(request)
        try:
            answer = fake.answer(request, self.server.is_closing.is_set)
            if fake.faults.loses_answer(request):
                self._break()
            elif answer.stream is not None:
                self._send_stream(answer)
            else:
                self._send(answer)
        except ApiError as e:
            if e.text is not None:
                self._send(Answer(e.code, text=e.text.encode()), e.headers)
            else:
                self._send(Answer(e.code, json=e.body(), warnings=e.warnings), e.headers)

    def _send(self, answer: Answer, headers: dict[str, str] | None = None) -> None:
        self.send_response(answer.status)
        for warning in answer.warnings:
            escaped = warning.replace("\\", "\\\\").replace('"', '\\"')
            self.send_header("Warning", f'299 - "{escaped}"')
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        content = b""
        if answer.json is not None:
            content = json.dumps(answer.json).encode()
            self.send_header("Content-Type", "application/json")
        elif answer.text is not None:
            content = answer.text
            is_log = self.path.partition("?")[0].endswith("/log")
            self.send_header("Content-Type", "text/plain" if is_log else "text/plain; charset=utf-8")
        if answer.status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _send_stream(self, answer: Answer) -> None:
        self.send_response(200)
        self.send_header("Content-Type", answer.stream_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.server.open_streams.add(self)
        try:
            for chunk in answer.stream or ():
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            if self.server.is_closing.is_set():
                self._break()
            else:
                self.wfile.write(b"0\r\n\r\n")
        except (ConnectionDroppedError, ConnectionError):
            self._break()
        finally:
            self.server.open_streams.discard(self)

    def _break(self) -> None:
        """End the connection in the middle of what it was saying."""
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it is broken already
