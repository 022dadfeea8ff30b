"""A server that answers each connection as a test has written it down."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OPEN = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
"""And then the stream, to the end of the connection."""


def status(number: int, *headers: str, body: str = "") -> bytes:
    lines = [f"HTTP/1.1 {number} X", "Connection: close", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


@dataclass(frozen=True)
class Answer:
    data: bytes
    hangs: bool = False
    """The connection stays open and says nothing more."""


@dataclass
class Scripted:
    url: str = ""
    asked: list[str] = field(default_factory=list)
    """Heads of the requests."""

    def header(self, number: int, name: str) -> str | None:
        for line in self.asked[number].split("\r\n"):
            if line.lower().startswith(name.lower() + ": "):
                return line.partition(": ")[2]
        return None


@asynccontextmanager
async def scripted(answers: Sequence[Answer]) -> AsyncIterator[Scripted]:
    """One answer a connection, in order; who comes later is refused."""
    server_of = Scripted()
    left = list(answers)
    done = asyncio.Event()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            server_of.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
            if left:
                answer = left.pop(0)
                writer.write(answer.data)
                await writer.drain()
                if answer.hangs:
                    await done.wait()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    server_of.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield server_of
    finally:
        done.set()
        server.close()
        if tasks:
            await asyncio.wait(tasks)
        await server.wait_closed()
