"""A payload read as the shape we know, or refused as changed."""

import json
from datetime import date
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from flows.sources.payload import Payload, Refusal

PAYLOAD_CHANGED = "payload_changed"


class Shape(BaseModel):
    """What we need of an object of a source. More keys are no change; other types are one."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False)


S = TypeVar("S", bound=Shape)

Raw = dict[str, object]
"""An object that is read on its own, so that a bad one does not take its neighbours along."""


def _day(value: object) -> date:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no date")
    return date.fromisoformat(value)


Day = Annotated[date, BeforeValidator(_day)]


def as_bytes(part: object) -> bytes:
    """A part of a payload for a dead letter; of a JSON payload, as JSON."""
    return part if isinstance(part, bytes) else json.dumps(part, separators=(",", ":")).encode()


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def read_json(payload: Payload) -> object:
    """The body, or a Refusal of all of it."""
    try:
        document: object = json.loads(payload.body, parse_constant=_no_constant)
        as_bytes(document)
    except (ValueError, RecursionError) as bad:
        return Refusal(PAYLOAD_CHANGED, f"not JSON: {bad}", payload.body)
    return document


def changed(detail: str, part: object) -> Refusal:
    return Refusal(PAYLOAD_CHANGED, detail, as_bytes(part))


def shaped(shape: type[S], part: object, name: str) -> S | Refusal:
    """`part` as `shape`, or a Refusal that says what of it is missing or of another type.

    name: of the part, for a person.
    """
    try:
        return shape.model_validate(part)
    except ValidationError as bad:
        first = bad.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in (name, *first["loc"]))
        return changed(f"{where}: {first['msg']}", part)
