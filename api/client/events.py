"""Frames of the feed to typed events."""

import json
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from api.client.sse import Frame
from schemas.bets import Settlement
from schemas.decisions import Alert, Prediction, Stake
from schemas.errors import FeedUnreadable, first_line
from schemas.events import GameResult, GameUpdate, LineMovement
from schemas.explanation import Explanation
from schemas.feed import Gap, Heartbeat, Kind, Snapshot

_MESSAGES: dict[str, type[BaseModel]] = {
    Kind.GAME: GameUpdate,
    Kind.LINE: LineMovement,
    Kind.RESULT: GameResult,
    Kind.PREDICTION: Prediction,
    Kind.STAKE: Stake,
    Kind.ALERT: Alert,
    Kind.LOCKED: Alert,
    Kind.UNLOCKED: Alert,
    Kind.SETTLEMENT: Settlement,
}
_WHOLE: dict[str, type[BaseModel]] = {"heartbeat": Heartbeat, "gap": Gap}
_MODELS: dict[str, type[BaseModel]] = {**_MESSAGES, **_WHOLE, "snapshot": Snapshot}


@dataclass(frozen=True, slots=True)
class Lost:
    """The client's own word: nothing comes any more, so what you hold may be old. It reconnects by
    itself; the next event of any other kind ends this."""

    reason: str


Data = (
    Snapshot
    | Gap
    | Heartbeat
    | Lost
    | GameUpdate
    | LineMovement
    | GameResult
    | Prediction
    | Stake
    | Alert
    | Settlement
    | dict[str, Any]
)


@dataclass(frozen=True, slots=True)
class Event:
    kind: str
    """Name of the event, `snapshot` or `prediction` for instance; `lost` is the client's own."""
    id: str
    """Go on after this event with it: `Feed(..., last_id=event.id)`."""
    data: Data
    """A dict where `fields` cut it, and of kinds that this version does not know."""
    explanation: Explanation | None = None
    """Of a prediction, for a feed with `explain`."""
    unexplained: str | None = None
    """Why there is none."""


def is_message(frame: Frame) -> bool:
    return frame.event in _MESSAGES


def event_of(frame: Frame, *, cut: bool, explained: bool) -> Event:
    """cut: members of messages are missing. Raises FeedUnreadable."""
    model = _MODELS.get(frame.event)
    partial = model is None or (cut and frame.event not in _WHOLE)
    try:
        # A member that a newer server has added must not stop an older client.
        if model is not None and not partial and not explained:
            data = model.model_validate_json(frame.data, extra="ignore")
            return Event(frame.event, frame.id, data)  # type: ignore[arg-type]
        parsed = json.loads(frame.data)
        why, why_not = None, None
        if explained and frame.event == Kind.PREDICTION:
            why, why_not = parsed.pop("explanation"), parsed.pop("unexplained")
            why = why and Explanation.model_validate(why, extra="ignore")
        if model is not None and not partial:
            parsed = model.model_validate_json(json.dumps(parsed), extra="ignore")
    except (ValidationError, ValueError, KeyError) as bad:
        raise FeedUnreadable(
            f"feed: {frame.event} {frame.id} is not as this version has it ({first_line(bad)}). "
            "Update the client to the server's version"
        ) from bad
    return Event(frame.event, frame.id, parsed, why, why_not)
