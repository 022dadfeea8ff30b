# ruff: noqa: E501  A case a line, as in a table.
"""Bets and what published house rules make of them, worked out by hand from the pages named."""

from typing import Any, NamedTuple

from schemas.bets import Fill, Terms
from schemas.events import Ending, GameResult, GameUpdate
from schemas.markets import GameStatus
from tests import samples
from tests.unit.models.settlement.bets import bet, hours, result, suspended


class Source(NamedTuple):
    page: str
    """As it stands in the rule table's source, or a part of it."""
    read: str = "2026-11-24"


DK_RULES = Source("sportsbook.draftkings.com/help/sport-rules/baseball")
DK_MERCY = Source("article 29613861559059")
DK_SUSPENDED = Source("article 4405230604435")
ACTION_NETWORK = Source("actionnetwork.com/mlb/suspended-shortened-mlb-betting-rules")
FANDUEL = Source("fanduel.com/fanduel-sportsbook-house-rules-XX")
BETMGM = Source("help.va.betmgm.com")
PINNACLE = Source("pinnacle.com/en/future/betting-rules")
PINNACLE_COPY = Source("copy of about 2021")
PINNACLE_OFFICIAL = Source("article 1000182239")
PINNACLE_SEVEN = Source("article 11000062177")
PINNACLE_PITCHERS = Source("article 1000115200")
FANATICS = Source("sportsbook.fanatics.com/legal/ny/house-rules")
OPEN = Source("none found: left open")
REMEMBERED = Source("general knowledge, not re-read")
EVERYWHERE = Source("no book differs")


class Case(NamedTuple):
    what: str
    source: Source
    rule: str | None
    """book/question that must have decided; none: it cannot be graded."""
    outcome: str
    """Or, ungraded, a part of the reason."""
    paid: str | None
    """Of 100 at 1.95; none where ungraded."""
    bet: Fill
    told: GameResult | GameUpdate
    now_us: int | None = None
    """For a game without a result."""
    listed_start_us: int | None = samples.START
    stopped: GameUpdate | None = None


WIN, HALF_WIN, BACK, HALF_LOSS = "195.00", "147.50", "100", "50.00"


def at(book: str, side: str, line: float | None = None) -> Fill:
    return bet(side, line, book=book)


FULL = [
    # Nine innings played out: the final score, at every book.
    Case("home wins", EVERYWHERE, "any/full_game", "win", WIN, at("draftkings", "home"), result(3, 5)),
    Case("away wins", EVERYWHERE, "any/full_game", "loss", "0", at("fanduel", "home"), result(5, 3)),
    Case("home ahead after the top of the ninth", EVERYWHERE, "any/full_game", "win", WIN, at("betmgm", "home", -1.5), result(3, 5, 17)),
    Case("walk-off", EVERYWHERE, "any/full_game", "loss", "0", at("pinnacle", "home", -1.5), result(4, 5, 17)),
    Case("extra innings count", EVERYWHERE, "any/full_game", "win", WIN, at("circa", "over", 8.5), result(5, 4, 20)),
    Case("extra innings, under", EVERYWHERE, "any/full_game", "loss", "0", at("williamhill_us", "under", 8.5), result(5, 4, 20)),
    Case("run line of the away side", EVERYWHERE, "any/full_game", "win", WIN, at("betrivers", "away", -1.5), result(4, 5, 17)),
    Case("home gets a run and a half", EVERYWHERE, "any/full_game", "win", WIN, at("bet365", "home", 1.5), result(5, 4)),
    Case("whole total met", EVERYWHERE, "any/full_game", "push", BACK, at("bovada", "over", 8.0), result(5, 3)),
    Case("whole total met, under", EVERYWHERE, "any/full_game", "push", BACK, at("betonlineag", "under", 8.0), result(5, 3)),
    Case("whole run line met", EVERYWHERE, "any/full_game", "push", BACK, at("fanatics", "home", -2.0), result(3, 5)),
    Case("quarter total, one above", EVERYWHERE, "any/full_game", "half_win", HALF_WIN, at("pinnacle", "over", 7.75), result(5, 3)),
    Case("quarter total, one below", EVERYWHERE, "any/full_game", "half_loss", HALF_LOSS, at("pinnacle", "over", 8.25), result(5, 3)),
    Case("quarter total, under", EVERYWHERE, "any/full_game", "half_win", HALF_WIN, at("pinnacle", "under", 8.25), result(5, 3)),
    Case("quarter run line", EVERYWHERE, "any/full_game", "half_loss", HALF_LOSS, at("pinnacle", "home", -1.25), result(4, 5)),
    Case("quarter run line, the other side", EVERYWHERE, "any/full_game", "half_win", HALF_WIN, at("pinnacle", "away", -1.25), result(4, 5)),
    Case("level after nine and called", EVERYWHERE, "any/full_game", "push", BACK, at("draftkings", "away"), result(4, 4)),
    Case("an archive that knows the score alone", EVERYWHERE, "any/full_game", "win", WIN, at("draftkings", "home"), samples.result(0, 5, 3)),
]  # fmt: skip

SHORT = [
    Case("called after seven: moneyline counts", DK_RULES, "draftkings/called_moneyline", "win", WIN, at("draftkings", "home"), result(3, 5, 14, ending=Ending.CALLED)),
    Case("called after four and a half, home ahead", DK_MERCY, "draftkings/called_moneyline", "win", WIN, at("draftkings", "home"), result(1, 2, 9)),
    Case("called after four and a half, away ahead", DK_MERCY, "draftkings/moneyline_official", "void", BACK, at("draftkings", "away"), result(2, 1, 9)),
    Case("called after four", DK_MERCY, "draftkings/moneyline_official", "void", BACK, at("draftkings", "home"), result(0, 9, 8)),
    Case("called after seven: run line void", DK_RULES, "draftkings/lines_official", "void", BACK, at("draftkings", "home", -1.5), result(3, 9, 14)),
    Case("called after seven: under void", DK_RULES, "draftkings/lines_official", "void", BACK, at("draftkings", "under", 8.5), result(3, 5, 14)),
    Case("called after seven: over not yet there", DK_RULES, "draftkings/lines_official", "void", BACK, at("draftkings", "over", 8.5), result(3, 5, 14)),
    Case("called after seven: over is there", DK_RULES, "draftkings/decided_totals", "win", WIN, at("draftkings", "over", 8.5), result(4, 5, 14)),
    Case("called after seven: under is lost", DK_RULES, "draftkings/decided_totals", "loss", "0", at("draftkings", "under", 8.5), result(4, 5, 14)),
    Case("whole total met, and more could come", DK_RULES, "draftkings/lines_official", "void", BACK, at("draftkings", "over", 9.0), result(4, 5, 14)),
    Case("half of a quarter total is there", DK_RULES, "draftkings/lines_official", "void", BACK, at("draftkings", "over", 8.75), result(4, 5, 14)),
    Case("called after eight, home behind", DK_RULES, "draftkings/lines_official", "void", BACK, at("draftkings", "away", 1.5), result(5, 3, 16)),
    Case("after eight and a half, level", DK_RULES, "draftkings/lines_official", "void", BACK, at("draftkings", "under", 8.5), result(3, 3, 17)),
    Case("called after seven: moneyline counts", FANDUEL, "fanduel/moneyline_official", "win", WIN, at("fanduel", "away"), result(5, 3, 14, full_away_score=5, full_home_score=3)),
    Case("called after seven: run line void", FANDUEL, "fanduel/lines_official", "void", BACK, at("fanduel", "home", -1.5), result(2, 6, 14)),
    Case("called: over 7.5 at 5-4 wins", ACTION_NETWORK, "fanduel/decided_totals", "win", WIN, at("fanduel", "over", 7.5), result(4, 5, 12)),
    Case("called: under 7.5 at 1-0 void", FANDUEL, "fanduel/lines_official", "void", BACK, at("fanduel", "under", 7.5), result(0, 1, 12)),
    Case("called after six: moneyline by the last full inning", BETMGM, "betmgm/called_moneyline", "win", WIN, at("betmgm", "away"), result(4, 2, 12, full_away_score=4, full_home_score=2)),
    Case("home goes ahead in its half, then called", BETMGM, "betmgm/called_moneyline", "win", WIN, at("betmgm", "home"), result(4, 5, 13, full_away_score=4, full_home_score=3)),
    Case("home draws level in its half, then called", BETMGM, "betmgm/called_moneyline", "push", BACK, at("betmgm", "away"), result(4, 4, 13, full_away_score=4, full_home_score=3)),
    Case("away goes ahead in the top, then called", BETMGM, "betmgm/called_moneyline", "win", WIN, at("betmgm", "home"), result(6, 4, 12, full_away_score=3, full_home_score=4)),
    Case("away draws level in the top, then called", BETMGM, "betmgm/called_moneyline", "win", WIN, at("betmgm", "home"), result(4, 4, 12, full_away_score=3, full_home_score=4)),
    Case("called after eight: total void", BETMGM, "betmgm/lines_official", "void", BACK, at("betmgm", "under", 9.5), result(4, 2, 16)),
    Case("called after eight: over is there", BETMGM, "betmgm/decided_totals", "win", WIN, at("betmgm", "over", 5.5), result(4, 2, 16)),
    Case("called after five: moneyline counts", PINNACLE, "pinnacle/called_moneyline", "win", WIN, at("pinnacle", "away"), result(4, 2, 10, full_away_score=4, full_home_score=2)),
    Case("called after four and a half, level", PINNACLE_OFFICIAL, "pinnacle/moneyline_official", "void", BACK, at("pinnacle", "away"), result(2, 2, 9)),
    Case("home draws level in its half: the full inning", PINNACLE, "pinnacle/called_moneyline", "win", WIN, at("pinnacle", "away"), result(4, 4, 13, full_away_score=4, full_home_score=3)),
    Case("home goes ahead in its half, then called", PINNACLE, "pinnacle/called_moneyline", "loss", "0", at("pinnacle", "away"), result(4, 5, 13, full_away_score=4, full_home_score=3)),
    Case("called after eight: over is there, and void", PINNACLE_COPY, "pinnacle/lines_official", "void", BACK, at("pinnacle", "over", 5.5), result(4, 2, 16)),
    Case("called after eight: run line void", PINNACLE_OFFICIAL, "pinnacle/lines_official", "void", BACK, at("pinnacle", "home", 1.5), result(4, 2, 16)),
    Case("away ahead in the bottom of the fifth", FANATICS, "fanatics/moneyline_official", "void", BACK, at("fanatics", "away"), result(4, 2, 9)),
    Case("called after six: over is there", FANATICS, "fanatics/decided_totals", "win", WIN, at("fanatics", "over", 7.5), result(4, 4, 12)),
    Case("called after seven: run line void", REMEMBERED, "williamhill_us/lines_official", "void", BACK, at("williamhill_us", "home", -1.5), result(2, 6, 14)),
    Case("called after four", REMEMBERED, "circa/moneyline_official", "void", BACK, at("circa", "home"), result(2, 6, 8)),
    Case("called after seven: is a decided total paid?", OPEN, None, "bet365 is known for decided_totals", None, at("bet365", "over", 7.5), result(4, 5, 14)),
    Case("home draws level in its half: books differ", OPEN, None, "fanduel is known for called_moneyline", None, at("fanduel", "away"), result(4, 4, 13, full_away_score=4, full_home_score=3)),
    Case("called, and nobody says when", DK_RULES, None, "how many innings", None, at("draftkings", "under", 8.5), result(3, 5, None, ending=Ending.CALLED)),
    Case("forfeited", OPEN, None, "forfeited", None, at("draftkings", "home"), result(0, 9, 18, ending=Ending.FORFEITED)),
]  # fmt: skip

SEVEN = [
    Case("seven of seven: total counts", PINNACLE_SEVEN, "pinnacle/lines_official_of_seven", "win", WIN, at("pinnacle", "under", 7.5), result(3, 2, 14, scheduled_innings=7)),
    Case("six and a half of seven, home ahead", PINNACLE_SEVEN, "pinnacle/lines_official_of_seven", "win", WIN, at("pinnacle", "home", -1.5), result(0, 2, 13, scheduled_innings=7)),
    Case("six of seven: void", PINNACLE_SEVEN, "pinnacle/lines_official_of_seven", "void", BACK, at("pinnacle", "home", -1.5), result(0, 2, 12, scheduled_innings=7)),
    Case("seven of seven: run line counts", FANATICS, "fanatics/lines_official_of_seven", "loss", "0", at("fanatics", "home", -1.5), result(1, 2, 13, scheduled_innings=7)),
    Case("five of seven: moneyline counts", PINNACLE, "pinnacle/called_moneyline", "win", WIN, at("pinnacle", "home"), result(0, 2, 10, scheduled_innings=7, full_home_score=2, full_away_score=0)),
    Case("seven of seven at a book that says nothing", OPEN, None, "draftkings is known for lines_official_of_seven", None, at("draftkings", "under", 7.5), result(3, 2, 14, scheduled_innings=7)),
]  # fmt: skip

POSTPONED = samples.game(3600, status=GameStatus.POSTPONED)
NEXT_DAY = "2026-07-21"
MOVED = [
    Case("postponed, the day not over", ACTION_NETWORK, None, "waits: postponed", None, at("draftkings", "home"), POSTPONED, hours(6)),
    Case("postponed, the day over", ACTION_NETWORK, "draftkings/postponed", "void", BACK, at("draftkings", "home"), POSTPONED, hours(13)),
    Case("postponed, the day over", ACTION_NETWORK, "fanduel/postponed", "void", BACK, at("fanduel", "over", 8.5), POSTPONED, hours(13)),
    Case("must be played on its day", BETMGM, "betmgm/postponed", "void", BACK, at("betmgm", "home"), POSTPONED, hours(13)),
    Case("played the day after under its old id", BETMGM, "betmgm/postponed", "void", BACK, at("betmgm", "home"), result(3, 5, played_on=NEXT_DAY, started_at_us=hours(18))),
    Case("begun five hours late the same day", BETMGM, "any/full_game", "win", WIN, at("betmgm", "home"), result(3, 5, started_at_us=hours(3))),
    Case("eleven hours after its start: waits", PINNACLE, None, "waits: postponed", None, at("pinnacle", "home"), POSTPONED, hours(11)),
    Case("twelve hours after its start: void", PINNACLE, "pinnacle/postponed", "void", BACK, at("pinnacle", "home"), POSTPONED, hours(12)),
    Case("begun within twelve hours, on the next day", PINNACLE, "any/full_game", "win", WIN, at("pinnacle", "home"), result(3, 5, played_on=NEXT_DAY, started_at_us=hours(11.5))),
    Case("begun after more than twelve hours", PINNACLE, "pinnacle/postponed", "void", BACK, at("pinnacle", "home"), result(3, 5, played_on=NEXT_DAY, started_at_us=hours(18))),
    Case("played the day after, when?", PINNACLE, None, "when?", None, at("pinnacle", "home"), result(3, 5, played_on=NEXT_DAY, started_at_us=None)),
    Case("postponed at a book that says nothing", OPEN, None, "circa is known for postponed", None, at("circa", "home"), POSTPONED, hours(48)),
    Case("cancelled", EVERYWHERE, "any/cancelled", "void", BACK, at("circa", "home"), samples.game(0, status=GameStatus.CANCELLED), hours(1)),
    Case("played elsewhere", BETMGM, "betmgm/venue_changed", "void", BACK, at("betmgm", "home"), result(3, 5, venue_changed=True)),
    Case("played elsewhere, at a book that says nothing", OPEN, None, "draftkings is known for venue_changed", None, at("draftkings", "home"), result(3, 5, venue_changed=True)),
]  # fmt: skip

STOP = suspended(4, 2, 13, full_away_score=3, full_home_score=2)
LATE: dict[str, Any] = {"resumed_at_us": hours(60)}
SUSPENDED = [
    Case("went on the next day", DK_SUSPENDED, "any/full_game", "win", WIN, at("draftkings", "home"), result(4, 5, resumed_at_us=hours(17)), stopped=STOP),
    Case("after 35 hours: still waits", DK_SUSPENDED, None, "waits: suspended", None, at("draftkings", "away"), STOP, hours(35)),
    Case("after 36 hours: moneyline void", DK_SUSPENDED, "draftkings/suspended_moneyline", "void", BACK, at("draftkings", "away"), STOP, hours(36)),
    Case("after 36 hours: run line void", DK_SUSPENDED, "draftkings/suspended_lines", "void", BACK, at("draftkings", "away", 1.5), STOP, hours(36)),
    Case("after 36 hours: a decided over wins", DK_SUSPENDED, "draftkings/decided_totals", "win", WIN, at("draftkings", "over", 5.5), STOP, hours(36)),
    Case("went on after 60 hours: the final score does not count", DK_SUSPENDED, "draftkings/suspended_moneyline", "void", BACK, at("draftkings", "home"), result(4, 5, **LATE), stopped=STOP),
    Case("went on after 60 hours: under is lost before", DK_SUSPENDED, "draftkings/decided_totals", "loss", "0", at("draftkings", "under", 5.5), result(4, 5, **LATE), stopped=STOP),
    Case("went on after 60 hours, and how it stood is unknown", DK_SUSPENDED, None, "how it stood", None, at("draftkings", "home"), result(4, 5, **LATE)),
    Case("of the postseason: keeps its bets", DK_SUSPENDED, "any/full_game", "win", WIN, at("draftkings", "home"), result(4, 5, postseason=True, **LATE), stopped=STOP),
    Case("of the postseason, not gone on yet", DK_SUSPENDED, None, "waits: suspended, and of the postseason", None, at("draftkings", "home"), suspended(4, 2, 13, postseason=True), hours(90)),
    Case("of which part of the year?", DK_SUSPENDED, None, "postseason is not known", None, at("draftkings", "home"), result(4, 5, postseason=None, **LATE), stopped=STOP),
    Case("went on after 47 hours", FANDUEL, "any/full_game", "win", WIN, at("fanduel", "home"), result(4, 5, resumed_at_us=hours(47))),
    Case("after 48 hours, four innings: void", FANDUEL, "fanduel/moneyline_official", "void", BACK, at("fanduel", "home"), suspended(0, 3, 8), hours(48)),
    Case("after 36 hours: moneyline by the last full inning", BETMGM, "betmgm/suspended_moneyline", "win", WIN, at("betmgm", "away"), STOP, hours(36)),
    Case("after 36 hours, four innings", BETMGM, "betmgm/moneyline_official", "void", BACK, at("betmgm", "away"), suspended(4, 2, 8), hours(36)),
    Case("after 36 hours: run line of a game too short", BETMGM, "betmgm/lines_official", "void", BACK, at("betmgm", "away", 1.5), STOP, hours(36)),
    Case("after 12 hours: moneyline by the last full inning", PINNACLE, "pinnacle/suspended_moneyline", "win", WIN, at("pinnacle", "away"), STOP, hours(12)),
    Case("after 12 hours: a decided over is void", PINNACLE, "pinnacle/suspended_lines", "void", BACK, at("pinnacle", "over", 5.5), STOP, hours(12)),
    Case("went on after 17 hours: void but for the moneyline", PINNACLE, "pinnacle/suspended_lines", "void", BACK, at("pinnacle", "home", -1.5), result(4, 9, resumed_at_us=hours(17)), stopped=STOP),
    Case("after 48 hours: void", FANATICS, "fanatics/suspended_moneyline", "void", BACK, at("fanatics", "away"), suspended(4, 2, 13, postseason=False), hours(48)),
    Case("suspended at a book that says nothing", OPEN, None, "bovada is known for suspended_hours", None, at("bovada", "away"), STOP, hours(48)),
    Case("suspended, then cancelled", DK_SUSPENDED, "draftkings/suspended_moneyline", "void", BACK, at("draftkings", "away"), samples.game(0, status=GameStatus.CANCELLED), hours(48), stopped=STOP),
]  # fmt: skip


def listed(terms: Terms, book: str = "pinnacle", home: str | None = "Gerrit Cole") -> Fill:
    return bet("home", book=book, terms=terms, home_starter=home, away_starter="Brayan Bello")


COLE: dict[str, Any] = {"home_starter": "Gerrit Cole"}
BELLO: dict[str, Any] = {"away_starter": "Brayan Bello"}
RODON: dict[str, Any] = {"home_starter": "Carlos Rodón"}
CRAWFORD: dict[str, Any] = {"away_starter": "Kutter Crawford"}
PITCHERS = [
    Case("both listed start", PINNACLE_PITCHERS, "any/full_game", "win", WIN, listed(Terms.LISTED), result(3, 5, **COLE, **BELLO)),
    Case("both listed, home changed", PINNACLE_PITCHERS, "pinnacle/pitchers", "void", BACK, listed(Terms.LISTED), result(3, 5, **RODON, **BELLO)),
    Case("both listed, away changed", PINNACLE_PITCHERS, "pinnacle/pitchers", "void", BACK, listed(Terms.LISTED), result(3, 5, **COLE, **CRAWFORD)),
    Case("away listed and changed", PINNACLE_PITCHERS, "pinnacle/pitchers", "void", BACK, listed(Terms.LISTED_AWAY), result(3, 5, **COLE, **CRAWFORD)),
    Case("home listed and starts, away changed: another price", PINNACLE_PITCHERS, None, "price after the change", None, listed(Terms.LISTED_HOME), result(3, 5, **COLE, **CRAWFORD)),
    Case("action, a pitcher changed: another price", PINNACLE_PITCHERS, None, "price after the change", None, listed(Terms.ACTION), result(3, 5, **RODON, **BELLO)),
    Case("listed, and nobody says who started", PINNACLE_PITCHERS, None, "nobody has said who started", None, listed(Terms.LISTED), result(3, 5)),
    Case("listed, and the bet names nobody", PINNACLE_PITCHERS, None, "names none", None, listed(Terms.LISTED_HOME, home=None), result(3, 5, **COLE)),
    Case("action, a pitcher changed: stands as taken", DK_RULES, "any/full_game", "win", WIN, listed(Terms.ACTION, "draftkings"), result(3, 5, **RODON, **BELLO)),
    Case("listed, where nothing is listed", DK_RULES, None, "takes no bets on listed pitchers", None, listed(Terms.LISTED, "draftkings"), result(3, 5, **COLE, **BELLO)),
]  # fmt: skip

NO_TABLE = [
    Case("a book of which nothing is known", OPEN, None, "no rule table of mybookieag", None, at("mybookieag", "home"), result(3, 5)),
    Case("a book of which nothing is known, postponed", OPEN, None, "no rule table of lowvig", None, at("lowvig", "home"), POSTPONED, hours(48)),
]  # fmt: skip

CASES: list[Case] = [*FULL, *SHORT, *SEVEN, *MOVED, *SUSPENDED, *PITCHERS, *NO_TABLE]
