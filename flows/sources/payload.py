"""What a polled source is to the rest: payload in, facts out, in the source's own words.

A source's module is a pure function of one payload. It does not know which of our games a fact
belongs to, whether the fact is news, or what time it is: `flows.sources.schedule` finds the game,
and `flows.steps.news` drops what was said before.
"""

from collections.abc import Callable, Sequence
from datetime import date
from typing import NamedTuple

from schemas.events import Event


class Payload(NamedTuple):
    """One answer of a source, as it came."""

    source: str
    endpoint: str
    """Which of the source's requests this answers: `scoreboard`, `odds`..."""
    url: str
    """Without secrets."""
    fetched_at_us: int
    said_at_us: int | None
    """When the server says it made this answer (Last-Modified, else Date less Age); none where it
    does not say."""
    body: bytes
    meeting: "Meeting | None" = None
    """The game that was asked about, where an answer does not name it itself."""


class Meeting(NamedTuple):
    """A game as a source speaks of it."""

    home: str
    away: str
    """Club codes, see `flows.sources.teams`."""
    start_us: int | None = None
    day: date | None = None
    """Local date, where the source gives one."""
    number: int | None = None
    """Of the day, for a doubleheader; none where the source does not tell them apart."""
    mlb_game_pk: int | None = None
    league: str = "mlb"


class Fact(NamedTuple):
    """One thing that a payload says of one game."""

    meeting: Meeting
    model: type[Event]
    about: tuple[str, ...]
    """What is said something of, within the game. A later fact about the same takes its place; an
    equal one is no news. A line: (book, market); splits: (book, market, "splits"); a game's
    schedule: ("game",); its score: ("result",)."""
    fields: dict[str, object]
    """Of the model, without event_id, game_id, source, occurred_at_us, simulated, settles."""
    said_at_us: int | None = None
    """The source's own time of this fact; none where only the payload has one."""


class Refusal(NamedTuple):
    """What a payload holds that cannot be made a fact. It goes to the dead letters."""

    reason: str
    """`payload_changed` where the format is not the one we know: an alarm, not a bad row."""
    detail: str
    original: bytes
    """The part that is refused, or the whole payload."""


Parser = Callable[[Payload], Sequence[Fact | Refusal]]
"""Raises nothing for bad content: whatever it cannot read is a Refusal."""
