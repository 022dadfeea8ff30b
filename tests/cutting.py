"""A road to a server that can be cut, and that shows what was asked over it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Road:
    def __init__(self, port: int) -> None:
        self._to = port
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.asked: list[str] = []
        """Heads of the requests."""
        threading.Thread(target=self._listen, daemon=True).start()

    def cut(self) -> None:
        """Every connection, as a network does it."""
        with self._lock:
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _listen(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._to))
            with self._lock:
                self._open |= {near, far}
            for one, other in ((near, far), (far, near)):
                threading.Thread(
                    target=self._carry, args=(one, other, one is near), daemon=True
                ).start()

    def _carry(self, one: socket.socket, other: socket.socket, asks: bool) -> None:
        with suppress(OSError):
            while chunk := one.recv(65_536):
                if asks and chunk.startswith(b"GET "):
                    self.asked.append(chunk.decode())
                other.sendall(chunk)
        with self._lock:
            self._open -= {one, other}
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def road_to(port: int) -> Iterator[Road]:
    road = Road(port)
    try:
        yield road
    finally:
        road.close()
