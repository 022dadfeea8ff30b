"""Starting pitchers: whether the one that was listed started, and what it means for a bet."""

import unicodedata
from collections.abc import Sequence

from models.settlement.case import Case, Grade, Unanswered
from schemas.bets import Terms
from schemas.events import GameResult

_SUFFIXES = frozenset(("jr", "sr", "ii", "iii", "iv"))
_ASKS: dict[Terms, tuple[str, ...]] = {
    Terms.ACTION: (),
    Terms.LISTED: ("home", "away"),
    Terms.LISTED_HOME: ("home",),
    Terms.LISTED_AWAY: ("away",),
}


def check(case: Case, result: GameResult) -> Grade | None:
    """Void where a pitcher that the bet asks for did not start; none where it stands.

    Raises Unanswered.
    """
    asks = _ASKS[case.bet.terms]
    pairs = {
        "home": (case.bet.home_starter, result.home_starter),
        "away": (case.bet.away_starter, result.away_starter),
    }
    if asks:
        rule = case.known("pitchers")
        if rule is not None and rule.value == "action":
            raise Unanswered(
                f"{case.bet.book} takes no bets on listed pitchers, and this one asks for "
                f"{case.bet.terms}"
            )
        name = f"{case.bet.book}/pitchers" if rule is None else rule.rule
        for side in asks:
            listed, started = pairs[side]
            if listed is None:
                raise Unanswered(f"the bet asks for the {side} pitcher and names none")
            if started is None:
                raise Unanswered(f"nobody has said who started for the {side} side")
            if not _told_same(listed, started):
                return case.void(name, f"{listed} was listed, {started} started")
    price = case.rules.ask("pitcher_change_price")
    for side in ("home", "away"):
        listed, started = pairs[side]
        if side in asks:
            continue
        if listed is None or started is None:
            if price is not None and price.value == "adjusted":
                case.note("paid as taken: whether a listed pitcher has changed is not known")
            continue
        if same(listed, started):
            continue
        if case.ask("pitcher_change_price").value == "adjusted":
            raise Unanswered(
                f"{started} started, {listed} was listed: {case.bet.book} pays at the price after "
                "the change, which is not known"
            )
        case.note(f"{started} started, {listed} was listed: the bet stands as taken")
    return None


def _told_same(listed: str, started: str) -> bool:
    said = same(listed, started)
    if said is None:
        raise Unanswered(f"is {listed}, who was listed, the {started} who started?")
    return said


def same(listed: str, started: str) -> bool | None:
    """Sources spell one man in several ways. None: the names do not tell.

    >>> same("José Berríos", "JOSE BERRIOS"), same("A WAINWRIGHT", "Adam Wainwright")
    (True, True)
    """
    ours, theirs = _words(listed), _words(started)
    if not ours or not theirs:
        return None
    if ours == theirs:
        return True
    if ours[-1] != theirs[-1]:
        return False
    short, long = sorted((ours[0], theirs[0]), key=len)
    if len(ours) > 1 and len(theirs) > 1 and len(short) == 1:
        return long.startswith(short)
    return None


def _words(name: str) -> Sequence[str]:
    letters = unicodedata.normalize("NFKD", name).casefold()
    kept = (one for one in letters if not unicodedata.combining(one))
    words = "".join(one if one.isalpha() else " " for one in kept).split()
    while len(words) > 1 and words[-1] in _SUFFIXES:
        words.pop()
    return words
