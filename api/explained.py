"""Predictions of the feed with why the model says so, for clients that ask for it.

Off the event loop and off the way of all other clients: one chunk at a time in a thread, and each
prediction once for all who ask. Redis holds the newest vector of a game alone, so a prediction at
another position stays without, and says so.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastapi import HTTPException

from api.explain import CachedModels, Vectors
from schemas.decisions import Prediction
from schemas.errors import DataMissing, ModelRefused
from schemas.explanation import Explanation

if TYPE_CHECKING:
    from models.features.stored import Packed

TOP = 10
"""Features listed with a prediction."""
KEPT = 1_024
"""Explained frames at hand for clients that come to the same predictions later."""
_EVENT = b"\nevent: prediction\ndata: "
_LOOKS, _PAUSE_SECONDS = 4, 0.05
"""A message may be here a moment before its vector is in Redis."""


class Explainer:
    """Takes the frames of one client, and gives them back with explanations in them."""

    def __init__(self, vectors: Vectors, models: CachedModels) -> None:
        self._vectors, self._models = vectors, models
        self._lock = asyncio.Lock()
        self._made: dict[bytes, bytes] = {}
        """{frame: the same, explained}, oldest first"""

    async def __call__(self, frames: Sequence[bytes]) -> list[bytes]:
        """All others pass as they are; the order stays."""
        if not any(_EVENT in frame and frame not in self._made for frame in frames):
            return [self._made.get(frame, frame) for frame in frames]
        async with self._lock:
            new = [one for one in frames if _EVENT in one and one not in self._made]
            made = await asyncio.to_thread(self._explained, new) if new else {}
            self._made |= made
            for old in list(self._made)[: len(self._made) - KEPT]:
                del self._made[old]
        # What was made for this chunk may be more than is kept.
        return [made.get(frame) or self._made.get(frame, frame) for frame in frames]

    def _explained(self, frames: Sequence[bytes]) -> dict[bytes, bytes]:
        said = {frame: _read(frame) for frame in frames}
        newest: dict[str, int] = {}
        for one in said.values():
            newest[one.game_id] = max(one.position, newest.get(one.game_id, 0))
        held = self._vectors.read_all(newest)
        for _ in range(_LOOKS - 1):
            late = [game for game, position in newest.items() if _before(held[game], position)]
            if not late:
                break
            time.sleep(_PAUSE_SECONDS)
            held |= self._vectors.read_all(late)
        return {frame: self._frame(frame, one, held[one.game_id]) for frame, one in said.items()}

    def _frame(self, frame: bytes, said: Prediction, held: "Packed | HTTPException") -> bytes:
        found = self._explain(said, held)
        told: dict[str, object] = {"explanation": None, "unexplained": found}
        if isinstance(found, Explanation):
            told = {"explanation": found.model_dump(mode="json"), "unexplained": None}
        head, _, data = frame.partition(_EVENT)
        return head + _EVENT + data.rstrip(b"\n").removesuffix(b"}") + _members(told)

    def _explain(self, said: Prediction, held: "Packed | HTTPException") -> Explanation | str:
        """Or why there is none."""
        from models.boosters.explaining import explain
        from models.features.stored import stack

        if isinstance(held, HTTPException):
            return str(held.detail)
        header = held.read_header()
        if header.position != said.position:
            return (
                f"the vector of position {said.position} is not at hand: Redis holds that of "
                f"position {header.position}, the newest"
            )
        try:
            model = self._models.of(said.target, said.model_version)
            return explain(model, header, stack([held.vector], len(held.vector) // 4)[0], TOP)
        except HTTPException as absent:
            return str(absent.detail)
        except (DataMissing, ModelRefused) as refused:
            return str(refused)


def _read(frame: bytes) -> Prediction:
    return Prediction.model_validate_json(frame.partition(_EVENT)[2])


def _before(held: "Packed | HTTPException", position: int) -> bool:
    """Not there yet, or not this one yet."""
    if isinstance(held, HTTPException):
        return held.status_code == 404
    return held.read_header().position < position


def _members(told: dict[str, object]) -> bytes:
    """Further members of a JSON object that was left open, and the end of its frame."""
    return b"," + json.dumps(told, separators=(",", ":")).removeprefix("{").encode() + b"\n\n"
