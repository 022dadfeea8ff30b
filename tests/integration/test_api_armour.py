"""What a hostile client does to a real server, byte by byte."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.served import Served, api_settings, serving, wait_for

HOST = b"Host: 127.0.0.1\r\n"
CLOSE = b"Connection: close\r\n"
MOST = 8
LIMITS: dict[str, object] = {
    "request_seconds": 0.5,
    "idle_seconds": 1,
    "max_head": 2_048,
    "max_body": 2_048,
    "max_connections": MOST,
}


@pytest.fixture(scope="module")
def api() -> Iterator[Served]:
    """No broker answers it, and none is needed."""
    with serving(api_settings("127.0.0.1:1", "armour.", **LIMITS)) as api:
        yield api


class Line:
    """A connection, byte by byte."""

    def __init__(self, api: Served) -> None:
        self.socket = socket.create_connection(("127.0.0.1", api.port), timeout=10)

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *parts: bytes) -> "Line":
        self.socket.sendall(b"".join(parts))
        return self

    def rest(self) -> bytes:
        """All that comes until the server closes; it must."""
        found = b""
        try:
            while piece := self.socket.recv(65_536):
                found += piece
        except ConnectionResetError:
            pass
        return found

    def until(self, end: bytes) -> None:
        found = b""
        while not found.endswith(end):
            piece = self.socket.recv(65_536)
            assert piece, found
            found += piece

    def answer(self) -> tuple[int, dict[str, Any]]:
        """Status and JSON of the only answer before the end."""
        head, _, body = self.rest().partition(b"\r\n\r\n")
        assert b"application/problem+json" in head
        return int(head.split()[1]), json.loads(body)


def alive(api: Served) -> None:
    assert api.get("/health").status_code == 200


def test_a_head_that_never_ends_is_given_up(api: Served) -> None:
    with Line(api) as line:
        status, problem = line.send(b"GET /health HTTP/1.1\r\n", HOST, b"X-Slow: a").answer()
    assert (status, problem["status"]) == (408, 408)


def test_a_byte_now_and_then_buys_no_time(api: Served) -> None:
    with Line(api) as line:
        line.send(b"GET /health HTTP/1.1\r\n", HOST)
        line.socket.settimeout(0.1)
        answer, sent = b"", 0
        while not answer and sent < 100:
            line.send(b"X")
            sent += 1
            try:
                answer = line.socket.recv(1_000)
            except TimeoutError:
                continue
        assert answer.startswith(b"HTTP/1.1 408 ")


def test_silence_from_the_first_is_given_up(api: Served) -> None:
    with Line(api) as line:
        assert line.rest().startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 100\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n5\r\n"],
    ids=["announced", "chunked"],
)
def test_a_body_that_never_ends_is_given_up(api: Served, head: bytes) -> None:
    with Line(api) as line:
        status, _ = line.send(b"POST /v1/kelly HTTP/1.1\r\n", HOST, head, b"{").answer()
    assert status == 408
    alive(api)


def test_a_body_behind_another_request_is_no_way_round(api: Served) -> None:
    """Pipelined: it is looked at when the first has been answered, from what is there already."""
    slow = b"POST /v1/kelly HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\n{"
    with Line(api) as line:
        both = line.send(b"GET /health HTTP/1.1\r\n", HOST, b"\r\n", slow).rest()
    assert both.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in both


def test_an_idle_connection_is_closed_and_one_in_use_is_not(api: Served) -> None:
    ask = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
    with Line(api) as line:
        for _ in range(3):
            line.send(ask).until(b'{"status":"alive"}')
        assert line.rest() == b""
    with Line(api) as line:
        line.send(ask).until(b'{"status":"alive"}')
        # Neither an answer nor an idle connection: half a line.
        assert line.send(b"GE").rest().startswith(b"HTTP/1.1 408 ")


def test_a_stream_that_was_asked_for_in_time_is_not_cut(api: Served) -> None:
    with Line(api) as line:
        line.send(b"GET /v1/feed HTTP/1.1\r\n", HOST, b"\r\n")
        found = b""
        while found.count(b"event: heartbeat") < 4:  # a beat every 0.5 s: past both limits
            found += line.socket.recv(65_536)


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "unfinished"])
@pytest.mark.parametrize("what", ["header", "query", "path", "many"])
def test_a_head_too_large_is_refused(api: Served, what: str, whole: bool) -> None:
    long = b"x" * 4_000
    head = {
        "header": b"GET /health HTTP/1.1\r\n" + HOST + CLOSE + b"X-Long: " + long + b"\r\n\r\n",
        "query": b"GET /v1/games?q=" + long + b" HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n",
        "path": b"GET /" + long + b" HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n",
        "many": b"GET /health HTTP/1.1\r\n" + HOST + CLOSE + b"X: y\r\n" * 700 + b"\r\n",
    }[what]
    with Line(api) as line:
        status, _ = line.send(head if whole else head[:3_000]).answer()
    assert status == 431
    alive(api)


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 5000\r\n\r\n" + b"[" * 5_000,
        b"Content-Length: 99999999999999999999\r\n\r\n" + b"[" * 100,
        b"Transfer-Encoding: chunked\r\n\r\n1388\r\n" + b"[" * 5_000 + b"\r\n0\r\n\r\n",
    ],
    ids=["announced", "boasted", "chunked"],
)
def test_a_body_too_large_is_refused(api: Served, body: bytes) -> None:
    head = b"POST /v1/kelly HTTP/1.1\r\n" + HOST
    with Line(api) as line:
        line.send(head, CLOSE, b"Content-Type: application/json\r\n", body)
        status, problem = line.answer()
    assert status == 413
    assert "STEAMLINE_API_MAX_BODY" in problem["detail"]
    alive(api)


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello, TLS\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",  # no Host
        b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x00" * 64 + b"\r\n\r\n",
    ],
)
def test_what_is_no_http_is_told_so(api: Served, junk: bytes) -> None:
    with Line(api) as line:
        found = line.send(junk).rest()
    statuses = [int(part[:3]) for part in found.split(b"HTTP/1.1 ")[1:]]
    # The last but one is answered before its body is read.
    assert statuses
    assert all(status in (200, 400, 413, 501) for status in statuses)
    assert statuses != [200] or b"chunked" in junk
    alive(api)


def test_garbage_within_a_stream_ends_it_and_nothing_else(
    api: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with Line(api) as line:
        line.send(b"GET /v1/feed HTTP/1.1\r\n", HOST, b"Transfer-Encoding: chunked\r\n\r\n")
        assert line.socket.recv(65_536).startswith(b"HTTP/1.1 200 ")
        line.send(b"no chunk\r\n").rest()
    assert "Traceback" not in caplog.text
    alive(api)


def test_a_connection_too_many_is_told_so(api: Served) -> None:
    ask = b"GET /v1/feed HTTP/1.1\r\n" + HOST + b"\r\n"
    with ExitStack() as stack:
        lines = [stack.enter_context(Line(api)) for _ in range(MOST)]
        for line in lines:
            assert line.send(ask).socket.recv(65_536).startswith(b"HTTP/1.1 200 ")
        with Line(api) as more:
            status, problem = more.answer()
        assert status == 503
        assert "STEAMLINE_API_MAX_CONNECTIONS" in problem["detail"]
        # Those that were there go on.
        assert all(line.socket.recv(65_536) for line in lines)
    wait_for(lambda: api.get("/health").status_code == 200, "taking connections again")
