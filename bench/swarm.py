"""Thousands of feed clients in one process: plain sockets that count frames.

A client costs one `recv` and one `bytes.count` a piece, so that the swarm needs less of the machine
than the server under test. The frame that a client receives as its n-th is the n-th that was
published, so counts alone tell latencies: `times` holds when each was published, by the monotonic
clock, which all processes of a machine share.
"""

import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

SAMPLED = 100
"""So many clients' latencies are taken down."""
TIMES = 1_000_000
_SIZE = 262_144
_TAIL = 64


@dataclass(slots=True)
class _Client:
    sock: socket.socket
    sampled: bool
    seen: int = 0
    tail: bytes = b""


@dataclass
class Swarm:
    """Its own process's side: does what the driver asks for over `pipe`."""

    pipe: Connection
    times: "np.ndarray[Any, np.dtype[np.float64]]"
    clients: dict[int, _Client] = field(default_factory=dict)
    frozen: list[socket.socket] = field(default_factory=list)
    mark: bytes = b"\n\n"
    target: int = 0
    left: int = 0
    """Clients that have not got `target` frames yet."""
    until: float | None = None
    """None: nobody waits for a count."""
    latencies: list[float] = field(default_factory=list)
    ended: int = 0
    frame: bytes = b""
    """The newest that the first client got in one piece."""

    def run(self) -> None:
        epoll = select.epoll()
        asked = self.pipe.fileno()
        epoll.register(asked, select.EPOLLIN)
        buffer = bytearray(_TAIL + _SIZE)
        into = memoryview(buffer)[_TAIL:]
        while True:
            for number, _ in epoll.poll(0.05, 1_024):
                if number == asked:
                    if not self._told(epoll, self.pipe.recv()):
                        return
                    continue
                client = self.clients[number]
                try:
                    size = client.sock.recv_into(into)
                except ConnectionError:
                    size = 0
                if not size:
                    self.ended += 1
                    epoll.unregister(number)
                    continue
                self._got(client, buffer, size)
            if self.until is not None and (not self.left or time.monotonic() > self.until):
                self._answer()

    def _got(self, client: _Client, buffer: bytearray, size: int) -> None:
        mark, tail, end = self.mark, client.tail, _TAIL + size
        start = _TAIL - len(tail)
        buffer[start:_TAIL] = tail
        found = buffer.count(mark, start, end)
        client.tail = bytes(buffer[max(start, end - len(mark) + 1) : end])
        if not found:
            return
        before = client.seen
        client.seen += found
        if client.sampled:
            now = time.monotonic()
            self.latencies += (now - self.times[before : client.seen]).tolist()
        if not self.frame and start == _TAIL and mark == b"event: prediction\n":
            piece = bytes(buffer[start:end])
            begin = piece.find(b"id: ")
            stop = piece.find(b"\n\n", begin)
            if begin >= 0 and stop > 0:
                self.frame = piece[begin : stop + 2]
        if before < self.target <= client.seen:
            self.left -= 1

    def _told(self, epoll: select.epoll, order: Sequence[Any]) -> bool:
        match order:
            case ["open", port, path, count]:
                for number in range(count):
                    sock = _asked(port, path)
                    self.clients[sock.fileno()] = _Client(sock, number < SAMPLED)
                    epoll.register(sock.fileno(), select.EPOLLIN)
            case ["freeze", port, path, count]:
                self.frozen += [_asked(port, path, 4_096) for _ in range(count)]
            case ["count", mark, target]:
                self.mark, self.target, self.left = mark, target, len(self.clients)
                self.latencies.clear()
                for client in self.clients.values():
                    client.seen, client.tail = 0, b""
            case ["wait", seconds]:
                self.until = time.monotonic() + seconds
            case _:
                return False
        return True

    def _answer(self) -> None:
        self.until = None
        seen = [client.seen for client in self.clients.values()]
        self.pipe.send(
            Count(
                done_at=time.monotonic(),
                complete=sum(one >= self.target for one in seen),
                frames=sum(seen),
                ended=self.ended,
                latencies_ms=(np.array(self.latencies) * 1e3),
                frame=self.frame,
            )
        )


@dataclass(frozen=True)
class Count:
    """What the clients got since the count was begun."""

    done_at: float
    complete: int
    """Clients that got all."""
    frames: int
    ended: int
    """Connections that the server has closed."""
    latencies_ms: "np.ndarray[Any, np.dtype[np.float64]]"
    frame: bytes

    def percentile(self, percent: float) -> float | None:
        if not self.latencies_ms.size:
            return None
        return round(float(np.percentile(self.latencies_ms, percent)), 1)


def open_times(path: Path, mode: Any = "r+") -> "np.ndarray[Any, np.dtype[np.float64]]":
    return np.memmap(path, np.float64, mode, shape=(TIMES,))


def run(pipe: Connection, times: Path) -> None:
    """Main function of the swarm's process."""
    Swarm(pipe, open_times(times, "r")).run()


def _asked(port: int, path: str, receive_buffer: int | None = None) -> socket.socket:
    sock = socket.socket()
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(60)
    sock.connect(("127.0.0.1", port))
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    sock.setblocking(False)
    return sock
