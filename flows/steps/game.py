"""The stateful step of one game: fold events, say when to score and when betting closes."""

from collections.abc import Iterable
from typing import NamedTuple

from flows.steps.decode import Decoded, dead_letter
from flows.steps.records import Outgoing
from models.features.fold import FoldRules, GameState
from schemas.decisions import Alert, AlertKind
from schemas.errors import RejectedEvent
from schemas.topics import Topic


class ToScore(NamedTuple):
    """A game at one position, copied so that later events cannot touch it."""

    game_id: str
    position: int
    as_of_us: int
    start_us: int
    cutoff_us: int
    simulated: bool
    lock_reason: str | None
    """Not none: betting has just closed, so nothing is priced and stakes say so."""
    record: bytes
    """dtype GAME."""
    read_to: dict[str, int]
    """Input topic -> newest offset folded in."""
    now_us: int
    """Newest event time of the game, past the cutoff too."""
    number: int
    """Of the event that led to it, in the order of reading."""


class GameStep:
    """Folds one game's events; everything it knows is in `snapshot()`."""

    def __init__(self, rules: FoldRules, resume: bytes | None) -> None:
        self._state = GameState(rules) if resume is None else GameState.restore(rules, resume)

    def on_batch(self, batch: Iterable[Decoded]) -> list[ToScore | Outgoing]:
        """What the events lead to, in order; dead letters for what the fold refuses."""
        out: list[ToScore | Outgoing] = []
        state = self._state
        for event, record, number in batch:
            game_id = event.game_id
            before = state.lock_reason
            try:
                is_news = state.fold(event)
            except RejectedEvent as rejected:
                out.append(dead_letter(record, rejected))
                continue
            topic = record.topic.value
            state.read_to[topic] = max(record.offset, state.read_to.get(topic, 0))
            after = state.lock_reason
            if after != before and (before is None or after is None):
                out.append(self._alert(game_id, before, after))
                if after is not None:
                    out.append(self._to_score(game_id, after, number))
            # Not on a repeat: it would score what a stream without it leaves to the payload's end.
            if is_news and state.wants_scoring(event):
                out.append(self._to_score(game_id, None, number))
                state.dirty = False
        return out

    def snapshot(self) -> bytes:
        return self._state.snapshot()

    def now(self, game_id: str) -> ToScore:
        """The game as it is, whether or not it would be scored."""
        return self._to_score(game_id, None, 0)

    def _to_score(self, game_id: str, lock_reason: str | None, number: int) -> ToScore:
        state = self._state
        return ToScore(
            game_id=game_id,
            position=state.position,
            as_of_us=state.as_of_us or state.newest_us,
            start_us=int(state.record["start_us"][0]),
            cutoff_us=state.cutoff_us,
            simulated=state.simulated,
            lock_reason=lock_reason,
            record=state.record.tobytes(),
            read_to=dict(state.read_to),
            now_us=state.newest_us,
            number=number,
        )

    def _alert(self, game_id: str, before: str | None, after: str | None) -> Outgoing:
        state = self._state
        kind = AlertKind.UNLOCKED if after is None else AlertKind.LOCKED
        alert = Alert(
            alert_id=f"{game_id}:{state.position}:{kind.value}",
            game_id=game_id,
            position=state.position,
            as_of_us=state.newest_us,
            simulated=state.simulated,
            kind=kind,
            detail=after or f"no longer: {before}",
        )
        return Outgoing.of(Topic.ALERTS, game_id, alert.alert_id, state.newest_us, alert)
