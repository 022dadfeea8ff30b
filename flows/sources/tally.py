"""The gate of every source: fields become events, refusals are counted, payloads are closed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from schemas.events import Event

Draft = tuple[type[Event], dict[str, object]]
"""The model of an event and its fields, without `settles`."""


def reason_of(bad: ValidationError) -> str:
    """The field or rule that failed: `overround`, `line`, `game_id`..."""
    first = bad.errors(include_url=False, include_input=False)[0]
    if first["loc"]:
        return str(first["loc"][0])
    return first["msg"].removeprefix("Value error, ").split(":", 1)[0]


@dataclass
class Tally:
    """What happened to a source's rows."""

    rejected: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def payload(self, drafts: Sequence[Draft]) -> list[Event]:
        """All that one payload says of one game, validated; the last valid event settles it."""
        events: list[Event] = []
        for model, fields in reversed(drafts):
            try:
                fields["settles"] = not events
                events.append(model.model_validate(fields))
            except ValidationError as bad:
                self.rejected[reason_of(bad)] += 1
        events.reverse()
        return events
