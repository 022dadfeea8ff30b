"""Grades one bet by what is known of its game and by the rules of its book. Guesses nothing.

What no rule table needs to say holds at every book (`any/...`): nine innings played out are graded
by the final score, a cancelled game gives the stake back, and so does a score on the line.
"""

from datetime import UTC, datetime, time

from models.settlement import starters
from models.settlement.case import Case, Grade, Stop, Unanswered, Ungraded
from models.settlement.rules import Asked, Rules
from models.settlement.score import decided
from schemas.bets import Fill
from schemas.events import Ending, GameResult, GameUpdate, day_of
from schemas.markets import GameStatus, Market
from schemas.time import US_PER_DAY, US_PER_HOUR, to_us

NINE = 9
SEVEN = 7
_FULL_GAME = "any/full_game"
_CALLED = ("final", "full_inning", "full_inning_or_home_level", "full_inning_or_home_lead")
_DAY_OVER_US = US_PER_DAY + 12 * US_PER_HOUR
"""After a local day's midnight, UTC: it is over in all of America, night games too."""


def grade(
    bet: Fill,
    result: GameResult,
    rules: Rules,
    *,
    listed_start_us: int | None = None,
    stopped: GameUpdate | None = None,
) -> Grade | Ungraded:
    """By the final result.

    listed_start_us: first pitch as it was listed when the bet was made.
    stopped: what was said of the game when it was suspended, where it was.
    Raises ValueError for a result of another game.
    """
    _same_game(bet, result)
    case = Case(bet, rules)
    try:
        if (open_ := _without_table(rules)) is not None:
            return open_
        if result.ending is Ending.FORFEITED:
            raise Unanswered("the game was forfeited, and books differ in what they pay")
        early = (
            starters.check(case, result)
            or _day(case, result, listed_start_us)
            or _venue(case, result)
        )
        if early is not None:
            return early
        late = _went_on_too_late(case, result, listed_start_us)
        if late is None:
            return _by_length(case, result)
        if stopped is None:
            raise Unanswered(f"{late}, and how it stood when it was suspended is not known")
        return _never_went_on(case, stopped, late)
    except Unanswered as unknown:
        return Ungraded(f"cannot be graded: {unknown}")


def grade_without_result(
    bet: Fill,
    update: GameUpdate,
    rules: Rules,
    now_us: int,
    *,
    listed_start_us: int | None = None,
    stopped: GameUpdate | None = None,
) -> Grade | Ungraded:
    """Of a game that has no result: what its newest status gives at that event time.

    Raises ValueError for a status of another game.
    """
    _same_game(bet, update)
    case = Case(bet, rules)
    start_us = update.start_time_us if listed_start_us is None else listed_start_us
    try:
        if (open_ := _without_table(rules)) is not None:
            return open_
        match update.status:
            case GameStatus.CANCELLED if stopped is None:
                return case.void("any/cancelled", "the game was cancelled")
            case GameStatus.CANCELLED if stopped is not None:
                return _never_went_on(case, stopped, "the game was suspended and then cancelled")
            case GameStatus.POSTPONED:
                return _postponed(case, start_us, now_us)
            case GameStatus.SUSPENDED:
                return _suspended(case, update, start_us, now_us)
    except Unanswered as unknown:
        return Ungraded(f"cannot be graded: {unknown}")
    return Ungraded(f"waits: the game is {update.status.value} and has no result")


def _same_game(bet: Fill, told: GameResult | GameUpdate) -> None:
    if told.game_id != bet.game_id:
        raise ValueError(f"{told.event_id} is about {told.game_id}, the bet about {bet.game_id}")


def _without_table(rules: Rules) -> Ungraded | None:
    if rules.own is None and rules.default is None:
        return Ungraded(f"cannot be graded: there is no rule table of {rules.book}")
    return None


def _day(case: Case, result: GameResult, listed_start_us: int | None) -> Grade | None:
    """Void where the game began too late."""
    day = day_of(case.bet.game_id).isoformat()
    moved = result.played_on is not None and result.played_on != day
    delay_us = (
        result.started_at_us - listed_start_us
        if result.started_at_us is not None and listed_start_us is not None
        else None
    )
    rule = case.ask("postponed") if moved else case.rules.ask("postponed")
    if rule is None:
        return None
    if not isinstance(rule.value, int):
        told = f"it was listed for {day} and played on {result.played_on}"
        return case.void(rule.rule, told) if moved else None
    if delay_us is None:
        if moved:
            raise Unanswered(f"it was listed for {day} and played on {result.played_on}, when?")
        return None
    if delay_us <= rule.value * US_PER_HOUR:
        return None
    return case.void(
        case.ask("postponed").rule,
        f"it began {delay_us / US_PER_HOUR:.1f} h after its listed start",
    )


def _venue(case: Case, result: GameResult) -> Grade | None:
    if not result.venue_changed:
        return None
    rule = case.ask("venue_changed")
    if rule.value == "void":
        return case.void(rule.rule, "it was played elsewhere than listed")
    case.note("it was played elsewhere than listed")
    return None


def _went_on_too_late(case: Case, result: GameResult, listed_start_us: int | None) -> str | None:
    """Why the final score does not count for a game that was suspended; none where it does."""
    if result.resumed_at_us is None:
        return None
    start_us = listed_start_us if result.started_at_us is None else result.started_at_us
    rule = case.ask("suspended_hours")
    if start_us is None:
        raise Unanswered("the game was suspended and went on, and when it began is not known")
    after = (result.resumed_at_us - start_us) / US_PER_HOUR
    if after <= _hours(rule) or _keeps_bets(case, result.postseason):
        case.note(f"suspended, and went on {after:.1f} h after its start")
        return None
    return f"it went on {after:.1f} h after its start, {case.bet.book} waits {_hours(rule)} h"


def _hours(rule: Asked) -> int:
    assert isinstance(rule.value, int)
    return rule.value


def _keeps_bets(case: Case, postseason: bool | None) -> bool:
    """Whether a suspended game may take as long as it needs. Raises Unanswered."""
    if postseason is False:
        return False
    rule = case.ask("suspended_postseason")
    if rule.value == "as_season":
        return False
    if postseason is None:
        raise Unanswered("the game was suspended, and whether it is of the postseason is not known")
    return True


def _by_length(case: Case, result: GameResult) -> Grade:
    """A game that is over, by how many innings it had."""
    stop = Stop.of(result)
    scheduled = result.scheduled_innings or NINE
    full = True if result.ending is Ending.PLAYED_OUT else stop.reached(scheduled)
    if full is None:
        if result.ending is Ending.CALLED or scheduled != NINE:
            raise Unanswered("how many innings were played is not known")
        case.note("taken for nine innings played out: its source does not say")
        full = True
    if full and scheduled == NINE:
        return case.scored(stop.now(), _FULL_GAME)
    if case.bet.market is Market.MONEYLINE:
        return _short_moneyline(case, stop)
    if scheduled == NINE:
        question = "lines_official"
    elif scheduled == SEVEN:
        question = "lines_official_of_seven"
    else:
        raise Unanswered(f"the game was scheduled for {scheduled} innings")
    return _short_lines(case, stop, case.ask(question), full)


def _short_moneyline(case: Case, stop: Stop) -> Grade:
    official = case.ask("moneyline_official")
    assert isinstance(official.value, int)
    if not _known(stop.reached(official.value)):
        return case.void(official.rule, f"over after {_innings(stop)} innings")
    called = case.known("called_moneyline")
    if called is not None:
        return case.scored(stop.score(called.value), called.rule, f"over after {_innings(stop)}")
    # No rule is known, and none is needed where all that there are give the same.
    scores = [stop.score(one) for one in _CALLED]
    if len({case.outcome_of(one) for one in scores}) > 1:
        case.ask("called_moneyline")
    return case.scored(scores[0], official.rule, f"over after {_innings(stop)} innings")


def _short_lines(case: Case, stop: Stop, official: Asked, full: bool) -> Grade:
    assert isinstance(official.value, int)
    told = f"over after {_innings(stop)} innings"
    if _known(stop.reached(official.value) if stop.half_innings is not None else full):
        return case.scored(stop.now(), official.rule, told)
    return _decided(case, stop, told) or case.void(official.rule, told)


def _decided(case: Case, stop: Stop, told: str) -> Grade | None:
    """Of a total that no further run could have changed, where the book lets it stand."""
    if case.bet.market is not Market.TOTAL:
        return None
    rule = case.ask("decided_totals")
    if rule.value == "void":
        return None
    found = decided(case.bet, *stop.now())
    if found is None:
        return None
    return case.graded(found, rule.rule, f"decided at {stop.away}-{stop.home}, {told}")


def _known(reached: bool | None) -> bool:
    if reached is None:
        raise Unanswered("how many innings were played is not known")
    return reached


def _innings(stop: Stop) -> str:
    return "?" if stop.half_innings is None else f"{stop.half_innings / 2:g}"


def _postponed(case: Case, start_us: int, now_us: int) -> Grade | Ungraded:
    rule = case.ask("postponed")
    if isinstance(rule.value, int):
        until_us = start_us + rule.value * US_PER_HOUR
    else:
        midnight = datetime.combine(day_of(case.bet.game_id), time.min, UTC)
        until_us = to_us(midnight) + _DAY_OVER_US
    if now_us < until_us:
        return Ungraded(f"waits: postponed, {rule.rule} gives it some time", until_us)
    return case.void(rule.rule, "postponed, and not begun in time")


def _suspended(case: Case, update: GameUpdate, start_us: int, now_us: int) -> Grade | Ungraded:
    rule = case.ask("suspended_hours")
    until_us = start_us + _hours(rule) * US_PER_HOUR
    if now_us < until_us:
        return Ungraded(f"waits: suspended, {rule.rule} gives it {_hours(rule)} h", until_us)
    if _keeps_bets(case, update.postseason):
        return Ungraded("waits: suspended, and of the postseason")
    return _never_went_on(case, update, f"suspended, and did not go on within {_hours(rule)} h")


def _never_went_on(case: Case, update: GameUpdate, why: str) -> Grade:
    """A game that was suspended and did not go on in time."""
    stop = Stop.of(update)
    moneyline = case.bet.market is Market.MONEYLINE
    if not moneyline:
        found = _decided(case, stop, why)
        if found is not None:
            return found
    question = "suspended_moneyline" if moneyline else "suspended_lines"
    rule = case.known(question)
    if rule is not None and rule.value == "void":
        return case.void(rule.rule, why)
    if moneyline:
        official = case.ask("moneyline_official")
    elif update.scheduled_innings == SEVEN:
        official = case.ask("lines_official_of_seven")
    else:
        official = case.ask("lines_official")
    assert isinstance(official.value, int)
    if not _known(stop.reached(official.value)):
        return case.void(official.rule, f"{why}, after {_innings(stop)} innings")
    rule = case.ask(question)
    return case.scored(stop.score(rule.value), rule.rule, why)
