"""A vector as the feature store keeps it: one msgpack document, its header packed apart.

[format, feature set, float32 bytes, packed header]: a reader of many vectors checks and stacks
them without looking into a header.
"""

from typing import NamedTuple

import msgpack
import numpy as np

from models.features.arrays import Array
from models.features.catalogue import NAMES
from schemas.decisions import FeatureHeader

FORMAT = 2


class Packed(NamedTuple):
    """One stored vector, its header still packed."""

    format: int
    feature_set: str
    vector: bytes
    header: bytes

    def read_header(self) -> FeatureHeader:
        return FeatureHeader.model_validate(msgpack.unpackb(self.header))

    def refusal(self, feature_set: str) -> str | None:
        """Why a reader of that feature set must not use it: its numbers would be taken for
        something else."""
        width = len(self.vector) // 4
        if self.feature_set == feature_set and len(self.vector) == len(NAMES) * 4:
            return None
        return (
            f"made of feature set {self.feature_set} ({width} features), "
            f"these settings read {feature_set} ({len(NAMES)}): the worker that wrote it "
            f"runs another version or other settings"
        )


def feature_key(prefix: str, game_id: str) -> str:
    """Of its place in Redis."""
    return f"{prefix}:features:{game_id}"


def pack(header: FeatureHeader, vector: Array) -> bytes:
    """vector: float32, shape (features,)."""
    packed: bytes = msgpack.packb(
        [FORMAT, header.feature_set, vector.tobytes(), msgpack.packb(header.model_dump())]
    )
    return packed


def unpack(blob: bytes) -> Packed:
    """Raises ValueError for bytes that `pack` of this version did not write."""
    try:
        found = Packed(*msgpack.unpackb(blob))
    except (TypeError, ValueError, msgpack.UnpackException) as bad:
        raise ValueError(f"not a stored vector: {bad}") from None
    if found.format != FORMAT:
        raise ValueError(f"stored in format {found.format!r}, this version reads {FORMAT}")
    return found


def stack(vectors: list[bytes], count: int) -> Array:
    """float32, shape (n, count)."""
    return np.frombuffer(b"".join(vectors), np.float32).reshape(len(vectors), count)
