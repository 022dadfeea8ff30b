"""What is asked of each source, and who reads its answers."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from importlib import import_module
from typing import NamedTuple

from flows.sources.payload import Fact, Parser, Payload, Refusal
from flows.sources.schedule import SOURCE as SCHEDULE_SOURCE
from schemas.errors import ConfigError
from schemas.sections.sources import ActionnetworkSettings, OddsapiSettings, PollSettings
from schemas.settings import Settings
from schemas.time import from_us


class Request(NamedTuple):
    """One thing to ask for."""

    endpoint: str
    path: str
    params: dict[str, str]
    full: bool = False
    """The answer shows all that the source quotes of the games in it: what is not there is
    withdrawn."""


class Feed(NamedTuple):
    """A source that is polled."""

    source: str
    settings: PollSettings
    requests: Callable[[date], list[Request]]
    """What to ask for on a day of the league's."""
    parse: Parser
    secret: dict[str, str] | None
    """Parameters to add to every request and to write nowhere; none where a key is missing."""
    quota_reserve: int | None = None
    """Stop before fewer requests than that remain; none where the source counts none."""
    quota: Request | None = None
    """Costs nothing and tells how many remain."""


class Sources(NamedTuple):
    on: list[Feed]
    """The schedule's first: the others need it."""
    off: dict[str, str]
    """Source -> why it is not polled."""


def sources(
    settings: Settings, only: frozenset[str] = frozenset(), *, played: bool = False
) -> Sources:
    """Those that are configured. only: these, and the schedule, without which no game is known.

    played: answers come out of a recording, so that nothing needs to be enabled or have a key.
    Raises ConfigError for a source that there is not or that cannot be polled.
    """
    feeds = (
        _mlb_stats(settings),
        _oddsapi(settings),
        _action_network(settings),
        _vsin(settings),
        _sbd(settings),
    )
    known = [feed.source for feed in feeds]
    for name in sorted(only.difference(known)):
        raise ConfigError("--source", f"there is no source {name!r}", f"Name of {known}")
    found = Sources([], {})
    for feed in feeds:
        name = feed.source
        if only and name not in only and name != SCHEDULE_SOURCE:
            continue
        prefix = f"STEAMLINE_{name.replace('_', '').upper()}"
        keyless = feed.secret is None
        if played or (not keyless and (feed.settings.enabled or name in only)):
            found.on.append(feed)
        elif name in only:
            raise ConfigError(f"{prefix}_API_KEY", "is not set", f"Set it to poll {name}")
        else:
            found.off[name] = f"{prefix}_{'API_KEY is not set' if keyless else 'ENABLED is false'}"
    return found


def _parser(source: str) -> Parser:
    def parse(payload: Payload) -> Sequence[Fact | Refusal]:
        # Loaded when it is needed: nobody waits for the parser of a source that is off.
        module = import_module(f"flows.sources.{source}")
        found: Sequence[Fact | Refusal] = module.parse(payload)
        return found

    return parse


def schedule_request(first: date, last: date) -> Request:
    """The games of these days."""
    params = {
        "sportId": "1",
        "startDate": str(first),
        "endDate": str(last),
        "hydrate": "probablePitcher,linescore,team",
    }
    return Request("schedule", "/api/v1/schedule", params)


def scoreboard_request(settings: ActionnetworkSettings, day: date) -> Request:
    """A day's games with all that is quoted of them now."""
    return Request(
        "scoreboard",
        "/web/v2/scoreboard/mlb",
        {"bookIds": settings.books, "date": f"{day:%Y%m%d}", "periods": "event"},
        full=True,
    )


def history_request(settings: ActionnetworkSettings, event_id: int) -> Request:
    """Every price of a game, by the id that a scoreboard gives it."""
    path = f"/web/v2/markets/event/{event_id}/history"
    return Request("history", path, {"bookIds": settings.books})


def snapshot_request(settings: OddsapiSettings, at_us: int) -> Request:
    """What `odds` showed at that time, or shortly before."""
    date_ = f"{from_us(at_us):%Y-%m-%dT%H:%M:%SZ}"
    params = {**_odds_params(settings), "date": date_}
    return Request("historical", "/v4/historical/sports/baseball_mlb/odds", params, full=True)


def _odds_params(settings: OddsapiSettings) -> dict[str, str]:
    return {
        "regions": settings.regions,
        "markets": settings.markets,
        "oddsFormat": "american",
        "dateFormat": "iso",
    }


def _mlb_stats(settings: Settings) -> Feed:
    ours = settings.mlbstats

    def requests(today: date) -> list[Request]:
        # Yesterday too: its last games end after midnight.
        ahead = timedelta(days=ours.days_ahead)
        return [schedule_request(today - timedelta(days=1), today + ahead)]

    return Feed(SCHEDULE_SOURCE, ours, requests, _parser(SCHEDULE_SOURCE), {})


def _oddsapi(settings: Settings) -> Feed:
    ours = settings.oddsapi
    key = ours.api_key
    odds = Request("odds", "/v4/sports/baseball_mlb/odds", _odds_params(ours), full=True)
    return Feed(
        "oddsapi",
        ours,
        lambda today: [odds],
        _parser("oddsapi"),
        None if key is None else {"apiKey": key.get_secret_value()},
        ours.quota_reserve,
        Request("sports", "/v4/sports", {}),
    )


def _action_network(settings: Settings) -> Feed:
    ours = settings.actionnetwork

    def requests(today: date) -> list[Request]:
        return [scoreboard_request(ours, day) for day in (today, today + timedelta(days=1))]

    return Feed("action_network", ours, requests, _parser("action_network"), {})


def _vsin(settings: Settings) -> Feed:
    pages = [
        Request("splits", "/betting-splits/", {"source": book, "sport": "MLB"})
        for book in ("DK", "CIRCA")
    ]
    return Feed("vsin", settings.vsin, lambda today: pages, _parser("vsin"), {})


def _sbd(settings: Settings) -> Feed:
    ours = settings.sbd
    asked = Request("splits", "/v2/matchups/mlb/betting-splits", {"books": ours.books})
    return Feed("sbd", ours, lambda today: [asked], _parser("sbd"), {})
