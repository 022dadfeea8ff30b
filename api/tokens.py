"""Resume tokens: `<epoch>-<offsets>`, the same on every replica and after every restart.

The offsets say, for each partition of the feed's topics, the first one that was not delivered yet:
base64url of varints, for each topic in order the number of its partitions and then their offsets.
The epoch names what they are offsets of: the cluster and those topics, made anew or grown included.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Place = tuple[str, int]
"""Topic and partition."""

MAX_TOKEN = 12_288
"""Characters. 8 partitions a topic make ids of up to 250."""
_FORM = re.compile(r"([0-9a-f]{8})-([A-Za-z0-9_-]+)", re.ASCII)
_MAX_VARINT = 9
"""Bytes: 63 bits, as Kafka's offsets have."""


class BadToken(ValueError):
    """It cannot be gone on from; the text says why."""


@dataclass(frozen=True)
class Shape:
    """One topic as the broker has it; without partitions where it does not exist yet."""

    name: str
    topic_id: str = ""
    partitions: int = 0


@dataclass(frozen=True)
class Layout:
    """The feed's topics, and a number for each of their partitions that never changes here."""

    cluster: str = ""
    shapes: tuple[Shape, ...] = ()
    numbers: Mapping[Place, int] = field(default_factory=dict)
    """{place: its index in every list of offsets}, in the order that they were found"""

    def grown(self, cluster: str, shapes: tuple[Shape, ...]) -> "Layout":
        """The same with what is there now."""
        numbers = dict(self.numbers)
        for shape in shapes:
            for partition in range(shape.partitions):
                numbers.setdefault((shape.name, partition), len(numbers))
        return Layout(cluster, shapes, numbers)

    def epoch(self, counts: Sequence[int]) -> str:
        """Of these topics with so many partitions each; 0 is one that did not exist."""
        named = [
            [shape.name, shape.topic_id, count]
            for shape, count in zip(self.shapes, counts, strict=True)
            if count
        ]
        said = json.dumps([self.cluster, named]).encode()
        return hashlib.sha256(said).hexdigest()[:8]

    def parse(self, token: str) -> list[int]:
        """Offsets by number; what the token does not know begins at 0. Raises BadToken."""
        form = _FORM.fullmatch(token) if len(token) <= MAX_TOKEN else None
        if form is None:
            raise BadToken("this is no id of this feed")
        numbers = _varints(form[2])
        offsets, counts = [0] * len(self.numbers), []
        for shape in self.shapes:
            if not numbers:
                raise BadToken("this is no id of this feed")
            count = numbers.pop(0)
            if count > shape.partitions:
                raise BadToken("other topics: this id was given out for more partitions")
            if count > len(numbers):
                raise BadToken("this is no id of this feed")
            counts.append(count)
            for partition in range(count):
                offsets[self.numbers[shape.name, partition]] = numbers[partition]
            del numbers[:count]
        if numbers:
            raise BadToken("this is no id of this feed")
        if self.epoch(counts) != form[1]:
            raise BadToken("other topics: they were made anew since this id, or on another cluster")
        return offsets


class Position:
    """Offsets of all places, and their token: what did not move is not written anew."""

    def __init__(self, layout: Layout, offsets: Sequence[int]) -> None:
        """offsets: by the layout's numbers; what is missing is 0."""
        self.layout = layout
        self.offsets = [*offsets, *[0] * (len(layout.numbers) - len(offsets))]
        self._parts: list[bytes] = []
        self._slot: dict[int, int] = {}
        """{place's number: where its varint stands in the token}"""
        for shape in layout.shapes:
            self._parts.append(_varint(shape.partitions))
            for partition in range(shape.partitions):
                number = layout.numbers[shape.name, partition]
                self._slot[number] = len(self._parts)
                self._parts.append(_varint(self.offsets[number]))
        self._head = layout.epoch([shape.partitions for shape in layout.shapes]) + "-"
        self._token: str | None = None

    def move(self, place: int, offset: int) -> None:
        """Everything before `offset` was delivered."""
        self.offsets[place] = offset
        slot = self._slot.get(place)
        if slot is not None:
            self._parts[slot] = _varint(offset)
            self._token = None

    def reach(self, offsets: Sequence[int]) -> None:
        """At least so far everywhere."""
        for place, offset in enumerate(offsets):
            if offset > self.offsets[place]:
                self.move(place, offset)

    @property
    def token(self) -> str:
        if self._token is None:
            packed = base64.urlsafe_b64encode(b"".join(self._parts)).rstrip(b"=")
            self._token = self._head + packed.decode()
        return self._token


def _varint(number: int) -> bytes:
    """Least significant seven bits first; the eighth says that more follow.

    >>> _varint(300).hex()
    'ac02'
    """
    if number < 128:
        return bytes((number,))
    found = bytearray()
    while number >= 128:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)


def _varints(text: str) -> list[int]:
    """Raises BadToken for what `_varint` never writes."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except binascii.Error:
        raise BadToken("this is no id of this feed") from None
    found, number, size = [], 0, 0
    for byte in raw:
        number |= (byte & 127) << 7 * size
        size += 1
        if size > _MAX_VARINT or (byte == 0 and size > 1):
            raise BadToken("this is no id of this feed")
        if byte < 128:
            found.append(number)
            number, size = 0, 0
    if size:
        raise BadToken("this is no id of this feed")
    return found
