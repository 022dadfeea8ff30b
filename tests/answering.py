"""A local HTTP server in a thread that answers as a test tells it to."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass
class Reply:
    """One answer. `drip` seconds pass between its bytes."""

    status: int = 200
    body: bytes = b"[]"
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0.0
    drip: float = 0.0
    cut: bool = False
    """Promise more bytes than come."""


@dataclass
class Asked:
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""


Script = Callable[[Asked], Reply]


@dataclass
class Answering:
    """path -> what it answers; anything else is 404."""

    url: str
    scripts: dict[str, Script] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def on(self, path: str, *replies: Reply) -> None:
        """These in turn, the last for ever."""
        left = list(replies)

        def script(_: Asked) -> Reply:
            return left.pop(0) if len(left) > 1 else left[0]

        self.scripts[path] = script

    def rows(self, path: str, rows: Callable[[], Sequence[object]], **headers: str) -> None:
        """Rows in the tests' format, with an ETag that follows them; 304 where they are known."""

        def script(asked: Asked) -> Reply:
            body = json.dumps(rows()).encode()
            tag = f'"{hash(body)}"'
            if asked.headers.get("if-none-match") == tag:
                return Reply(304, b"", headers)
            return Reply(200, body, {"ETag": tag, **headers})

        self.scripts[path] = script

    def times(self, path: str) -> int:
        return sum(one.path == path for one in self.asked)


@contextmanager
def answering() -> Iterator[Answering]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    ours = Answering(f"http://127.0.0.1:{server.server_address[1]}")
    server.ours = ours  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield ours
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        return  # a client that was killed


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        ours: Answering = self.server.ours  # type: ignore[attr-defined]
        parts = urlsplit(self.path)
        params = {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        length = int(headers.get("content-length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # killed while it sent
            self.close_connection = True
            return
        asked = Asked(parts.path, params, headers, body)
        ours.asked.append(asked)
        script = ours.scripts.get(parts.path)
        reply = Reply(404, b"") if script is None else script(asked)
        time.sleep(reply.wait)
        try:
            self._send(reply)
        except OSError:
            self.close_connection = True  # the client has had enough

    do_POST = do_GET

    def _send(self, reply: Reply) -> None:
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body) + (1_000 if reply.cut else 0)))
        self.end_headers()
        if reply.drip:
            for byte in reply.body:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(reply.drip)
        else:
            self.wfile.write(reply.body)
        if reply.cut:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        return
