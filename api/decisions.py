"""What was decided: predictions, stakes and alerts, newest first, as their topics had them."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.database import Database
from api.paging import After, From, Limit, Listing, Page, Text, To
from api.problems import REFUSED
from api.tags import Tagged
from schemas.decisions import Alert, AlertKind, Prediction, Role, Stake
from schemas.events import GameId
from schemas.markets import Market, Target

PREDICTIONS = (
    "SELECT game_id, position, as_of, simulated, cutoff, role, experiment, share, prediction_id,"
    " target, model_version, feature_set, start_time, line, probability, market_probability,"
    " mean_runs, mean_margin, fair_price, best, odds_age_ms, books, completeness, read_to"
    " FROM predictions"
)
STAKES = (
    "SELECT game_id, position, as_of, simulated, role, experiment, share, stake_id, market,"
    " model_version, bankroll, side, book, line, price, probability, edge, kelly_full, fraction,"
    " amount, refusals::text[] AS refusals, paper, push, decided, balance, slate, held, growth,"
    " kkt_residual FROM stakes"
)
ALERTS = (
    "SELECT game_id, position, as_of, simulated, alert_id, kind, detail, market, side,"
    ' "values" FROM alerts'
)

Game = Annotated[GameId | None, Query(description="Of this game alone")]
OfMarket = Annotated[Market | None, Query(description="Of this market alone")]
OfRole = Annotated[
    Role | None, Query(description="What the model was: `challenger` speaks in experiments")
]
OfBankroll = Annotated[Text | None, Query(description="Of this bankroll alone")]


class Predictions(Page[Prediction]):
    """Of all models, challengers too: `role` and `share` say what counts."""


class Stakes(Page[Stake]):
    """Advice, and the reasons where there was none."""


class Alerts(Page[Alert]):
    """Locks, signals, and what models gave cause for."""


def build(database: Database) -> APIRouter:
    router = APIRouter(tags=["decisions"], route_class=Tagged)

    @router.get("/v1/predictions", summary="Predictions, newest first", responses=REFUSED)
    async def list_predictions(
        game: Game = None,
        target: Annotated[Target | None, Query(description="Of this target alone")] = None,
        role: OfRole = None,
        from_us: From = None,
        to_us: To = None,
        limit: Limit = 100,
        after: After = None,
    ) -> Predictions:
        """What models said, by the newest event that they knew of (`as_of_us`)."""
        listing = Listing(PREDICTIONS, "as_of", "prediction_id").only("game_id = $", game)
        listing.only("target = $", target).only("role = $", role).within(from_us, to_us)
        items, more = await listing.page(database, after, limit, Prediction.model_validate)
        return Predictions(items=items, next=more)

    @router.get("/v1/stakes", summary="Stakes and refusals, newest first", responses=REFUSED)
    async def list_stakes(
        game: Game = None,
        market: OfMarket = None,
        bankroll: OfBankroll = None,
        role: OfRole = None,
        staked: Annotated[
            bool | None, Query(description="True: only stakes; false: only why there was none")
        ] = None,
        from_us: From = None,
        to_us: To = None,
        limit: Limit = 100,
        after: After = None,
    ) -> Stakes:
        """What was to be bet, or why nothing: one message stands until the next one."""
        listing = Listing(STAKES, "as_of", "stake_id").only("game_id = $", game)
        listing.only("market = $", market).only("bankroll = $", bankroll).only("role = $", role)
        listing.only("(fraction > 0.0) = $", staked).within(from_us, to_us)
        items, more = await listing.page(database, after, limit, Stake.model_validate)
        return Stakes(items=items, next=more)

    @router.get("/v1/alerts", summary="Alerts, newest first", responses=REFUSED)
    async def list_alerts(
        game: Game = None,
        market: OfMarket = None,
        kind: Annotated[AlertKind | None, Query(description="Of this kind alone")] = None,
        from_us: From = None,
        to_us: To = None,
        limit: Limit = 100,
        after: After = None,
    ) -> Alerts:
        """Locks, signals, refused models and drift."""
        listing = Listing(ALERTS, "as_of", "alert_id").only("game_id = $", game)
        listing.only("market = $", market).only("kind = $", kind).within(from_us, to_us)
        items, more = await listing.page(database, after, limit, Alert.model_validate)
        return Alerts(items=items, next=more)

    return router
