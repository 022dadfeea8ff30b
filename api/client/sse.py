"""Event streams read by the rules of the WHATWG's HTML standard, section 9.2.6.

httpx-sse keeps a byte order mark, takes `retry: -5` for a number, and hands out events without
data; a client that money rests on keeps to the rules.
"""

import re
from typing import NamedTuple

_END = re.compile(rb"\r\n|\n|\r")
_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_BOM = b"\xef\xbb\xbf"


class Frame(NamedTuple):
    event: str
    data: str
    id: str
    """The last one that the stream gave, with this event or before it."""


class Parser:
    """Bytes as they come to whole events; what is not ended by an empty line is none."""

    def __init__(self, last_id: str = "") -> None:
        """last_id: of the stream that this one goes on from."""
        self.last_id = last_id
        self.retry_ms: int | None = None
        """As the stream last asked for."""
        self._rest = b""
        self._parts: list[bytes] = []
        """Of a line that has not ended yet: a snapshot is one long line in many chunks."""
        self._after_cr = False
        self._begun = False
        self._event = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> list[Frame]:
        if not self._begun:
            chunk = self._rest + chunk
            if len(chunk) < len(_BOM) and _BOM.startswith(chunk):
                self._rest = chunk  # it may still become a mark
                return []
            self._begun, self._rest = True, b""
            chunk = chunk.removeprefix(_BOM)
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        frames: list[Frame] = []
        at = 0
        for end in _END.finditer(chunk):
            line = chunk[at : end.start()]
            if self._parts:
                line = b"".join((*self._parts, line))
                self._parts = []
            at = end.end()
            frame = self._line(line.decode(errors="replace"))
            if frame is not None:
                frames.append(frame)
        if at < len(chunk):
            self._parts.append(chunk[at:])
        self._after_cr = chunk.endswith(b"\r")
        return frames

    def _line(self, line: str) -> Frame | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._event = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self.last_id = value
            case "retry" if _DIGITS.fullmatch(value):
                self.retry_ms = int(value)
        return None

    def _dispatch(self) -> Frame | None:
        event, data = self._event or "message", self._data
        self._event, self._data = "", []
        # The rules ask whether the buffer is empty, and one empty line of data is a line break.
        return Frame(event, "\n".join(data), self.last_id) if data else None
