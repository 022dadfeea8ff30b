"""What is looked at before a bet that somebody tells of goes onto its topic."""

from hashlib import sha256

from pydantic import ValidationError

from schemas.bets import Fill
from schemas.decisions import PAPER_STAKE
from schemas.events import day_of
from schemas.settings import Settings
from schemas.time import US_PER_SECOND


def why_not(fill: Fill, settings: Settings, now_us: int) -> str | None:
    """What is wrong with it, field first; none where nothing is."""
    names = [one.name for one in settings.all_bankrolls]
    if fill.bankroll not in names:
        return f"bankroll: {fill.bankroll!r} is none of {', '.join(names)}"
    if fill.paper is not (fill.bankroll in settings.paper.bankrolls):
        kind = "real" if fill.paper else "paper"
        return f"paper: {fill.bankroll} is a {kind} bankroll"
    if not fill.paper and (fill.stake_id or "").endswith(PAPER_STAKE):
        return f"stake_id: {fill.stake_id} is of a model that may not bet real money"
    if fill.book not in settings.books:
        return f"book: {fill.book!r} is not in STEAMLINE_BOOKS"
    try:
        day_of(fill.game_id)
    except ValueError as bad:
        return f"game_id: {fill.game_id!r}: {bad}"
    ahead = (fill.filled_at_us - now_us) / US_PER_SECOND
    if ahead > settings.score.future_seconds:
        return f"filled_at_us: is {ahead:.0f} s from now"
    return None


def fill_id_of(source: str, own: str) -> str:
    """From who recorded it and his own number of the bet."""
    return f"{source}:{own}"


def content_id(fill: Fill) -> str:
    """Of a bet without a number: told again in the same words, it is the same bet."""
    text = fill.model_dump_json(exclude={"fill_id"})
    return fill_id_of(fill.source, sha256(text.encode()).hexdigest()[:24])


def first_wrong(bad: ValidationError) -> str:
    """Field and rule."""
    first = bad.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    problem = first["msg"].removeprefix("Value error, ")
    return f"{where}: {problem}" if where else problem
