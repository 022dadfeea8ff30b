"""The gate of every source: fields become events, refusals are counted, payloads are closed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import ValidationError

from schemas.events import Event

Draft = tuple[type[Event], dict[str, object]]
"""The model of an event and its fields, without `settles`."""

E = TypeVar("E", bound=Event)


def reason_of(bad: ValidationError) -> str:
    """The field or rule that failed: `overround`, `line`, `game_id`..."""
    first = bad.errors(include_url=False, include_input=False)[0]
    if first["loc"]:
        return str(first["loc"][0])
    return first["msg"].removeprefix("Value error, ").split(":", 1)[0]


def closed(events: Sequence[E]) -> list[E]:
    """All that one payload says of one game: only the last event settles it."""
    last = len(events) - 1
    return [
        event
        if event.settles is (place == last)
        else event.model_copy(update={"settles": place == last})
        for place, event in enumerate(events)
    ]


@dataclass
class Tally:
    """What happened to a source's rows."""

    rejected: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def payload(self, drafts: Sequence[Draft]) -> list[Event]:
        """All that one payload says of one game, validated; the last valid event settles it."""
        events: list[Event] = []
        for model, fields in drafts:
            try:
                events.append(model.model_validate({**fields, "settles": False}))
            except ValidationError as bad:
                self.rejected[reason_of(bad)] += 1
        return closed(events)
