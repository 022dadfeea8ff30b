"""What REST says about a game: one row a game, one block a market."""

from collections import Counter
from typing import Any

from pydantic import BaseModel, ConfigDict

from api.board import Game
from schemas.decisions import Alert, Prediction, Refusal, Role, Stake
from schemas.events import LineMovement, QuoteStatus
from schemas.feed import Rules
from schemas.markets import PRICED_BY, SIDES, GameStatus, Market, Side, Target


class PriceRow(BaseModel):
    """The best price on one side now: open, fresh, and at the market's line."""

    side: Side
    book: str
    price: float
    age_ms: int


class ModelRow(BaseModel):
    """What the model said, and as of when."""

    version: str
    role: Role
    """`challenger` where an experiment has given it the game."""
    as_of_us: int
    position: int
    line: float | None
    probability: float
    """Home wins (moneyline), covers (run line) or over, given no push."""
    market_probability: float
    """The same from the no-vig consensus."""
    fair_price: float
    """Of the home or over side."""
    edge: dict[Side, float | None]
    """Expected return per unit at the best price of that moment."""
    completeness: float
    mean_runs: float | None
    """Expected total runs; only in the total market."""
    mean_margin: float | None
    """Expected home minus away runs; only in the run line market."""


class StakeRow(BaseModel):
    """What to bet, or `refusals`: why nothing."""

    side: Side | None
    book: str | None
    line: float | None
    price: float | None
    edge: float | None
    fraction: float
    amount: float
    refusals: list[Refusal]
    as_of_us: int


class MarketRow(BaseModel):
    line: float | None
    """Home handicap or total runs that `best` is for."""
    best: list[PriceRow]
    odds_age_ms: int | None
    """Since the newest quote was made or confirmed, against the feed's newest event time."""
    books: int
    """Books with an open, fresh quote."""
    model: ModelRow | None
    stake: StakeRow | None


_ROW_EXAMPLE: dict[str, Any] = {
    "game_id": "mlb-2026-07-20-BOS-NYY-1",
    "home": "New York Yankees",
    "away": "Boston Red Sox",
    "start_time_us": 1784588700000000,
    "cutoff_us": 1784585100000000,
    "status": "scheduled",
    "locked": False,
    "simulated": False,
    "home_starter": "Gerrit Cole",
    "away_starter": "Brayan Bello",
    "home_score": None,
    "away_score": None,
    "markets": {
        "moneyline": {
            "line": None,
            "best": [
                {"side": "home", "book": "circa", "price": 1.87, "age_ms": 4200},
                {"side": "away", "book": "fanduel", "price": 2.08, "age_ms": 61000},
            ],
            "odds_age_ms": 4200,
            "books": 9,
            "model": {
                "version": "3-1f2e3d4c",
                "role": "champion",
                "as_of_us": 1784580000000000,
                "position": 812,
                "line": None,
                "probability": 0.561,
                "market_probability": 0.538,
                "fair_price": 1.7825,
                "edge": {"home": 0.049, "away": -0.087},
                "completeness": 0.93,
                "mean_runs": None,
                "mean_margin": None,
            },
            "stake": {
                "side": "home",
                "book": "circa",
                "line": None,
                "price": 1.87,
                "edge": 0.049,
                "fraction": 0.0141,
                "amount": 141.0,
                "refusals": [],
                "as_of_us": 1784580000000000,
            },
        }
    },
}


class GameRow(BaseModel):
    """One row of the board. Times are integer microseconds UTC, prices decimal."""

    model_config = ConfigDict(json_schema_extra={"example": _ROW_EXAMPLE})

    game_id: str
    home: str | None
    away: str | None
    start_time_us: int | None
    cutoff_us: int | None
    status: GameStatus | None
    locked: bool
    simulated: bool
    home_starter: str | None
    away_starter: str | None
    home_score: int | None
    away_score: int | None
    markets: dict[Market, MarketRow]


class Games(BaseModel):
    newest_us: int | None
    """Newest event time: what ages are counted from."""
    stale: bool
    """The broker does not answer, or not everything was read yet."""
    games: list[GameRow]


class GameDetail(BaseModel):
    game: GameRow
    quotes: list[LineMovement]
    """The newest of every book and market."""
    predictions: list[Prediction]
    """The latest ones, oldest first."""
    shadows: list[Prediction]
    """The newest that challengers said beside them, in a shadow: nothing to bet on."""
    signals: list[Alert]
    """The latest alerts that are no locks, oldest first."""


def game_row(game: Game, now_us: int, rules: Rules) -> GameRow:
    """Everything as of `now_us`, the newest event time."""
    about, result = game.schedule, game.result
    markets = {line.market for line in game.lines.values()} | {market for _, market in game.stakes}
    markets |= {market for market, target in PRICED_BY.items() if target in game.predictions}
    return GameRow(
        game_id=game.game_id,
        home=about.home if about else None,
        away=about.away if about else None,
        start_time_us=about.start_time_us if about else None,
        cutoff_us=about.start_time_us - rules.cutoff_us if about else None,
        status=about.status if about else None,
        locked=game.locked,
        simulated=game.simulated,
        home_starter=about.home_starter if about else None,
        away_starter=about.away_starter if about else None,
        home_score=result.home_score if result else None,
        away_score=result.away_score if result else None,
        markets={
            market: _market_row(game, market, now_us, rules)
            for market in Market
            if market in markets
        },
    )


def detail(game: Game, now_us: int, rules: Rules) -> GameDetail:
    return GameDetail(
        game=game_row(game, now_us, rules),
        quotes=[game.lines[key] for key in sorted(game.lines, key=lambda key: (key[1], key[0]))],
        predictions=list(game.history),
        shadows=[game.shadows[target] for target in Target if target in game.shadows],
        signals=list(game.signals),
    )


def _market_row(game: Game, market: Market, now_us: int, rules: Rules) -> MarketRow:
    quotes = [line for line in game.lines.values() if line.market is market]
    fresh = [
        quote
        for quote in quotes
        if quote.status is QuoteStatus.OPEN and now_us - game.stands_us(quote) <= rules.stale_us
    ]
    prediction = game.predictions.get(PRICED_BY[market])
    line = _main_line(fresh, prediction)
    at_line = [quote for quote in fresh if quote.line == line]
    newest = max((game.stands_us(quote) for quote in quotes), default=None)
    stake = game.stakes.get((rules.bankroll, market))
    return MarketRow(
        line=line,
        best=[] if not at_line else _best(game, market, at_line, now_us),
        odds_age_ms=None if newest is None else (now_us - newest) // 1_000,
        books=len(fresh),
        model=_model_row(prediction, game.predictions.get(Target.RUNS)) if prediction else None,
        stake=_stake_row(stake) if stake else None,
    )


def _main_line(fresh: list[LineMovement], prediction: Prediction | None) -> float | None:
    """The model's line while a book still offers it, else the one that most books offer."""
    lines = Counter(quote.line for quote in fresh if quote.line is not None)
    if prediction is not None and prediction.line is not None:
        lines[prediction.line] += len(fresh) if prediction.line in lines else 0
    if not lines:
        return None
    return min(lines, key=lambda line: (-lines[line], line))


def _best(game: Game, market: Market, quotes: list[LineMovement], now_us: int) -> list[PriceRow]:
    rows = []
    for side, attribute in zip(SIDES[market], ("price_home_over", "price_away_under"), strict=True):
        quote = max(quotes, key=lambda quote: (getattr(quote, attribute), quote.book))
        rows.append(
            PriceRow(
                side=side,
                book=quote.book,
                price=getattr(quote, attribute),
                age_ms=(now_us - game.stands_us(quote)) // 1_000,
            )
        )
    return rows


def _model_row(prediction: Prediction, runs: Prediction | None) -> ModelRow:
    total = prediction.target is Target.TOTAL
    return ModelRow(
        version=prediction.model_version,
        role=prediction.role,
        as_of_us=prediction.as_of_us,
        position=prediction.position,
        line=prediction.line,
        probability=prediction.probability,
        market_probability=prediction.market_probability,
        fair_price=prediction.fair_price,
        edge={quote.side: quote.edge for quote in prediction.best},
        completeness=prediction.completeness,
        mean_runs=runs.mean_runs if total and runs else None,
        mean_margin=prediction.mean_margin,
    )


def _stake_row(stake: Stake) -> StakeRow:
    return StakeRow(
        side=stake.side,
        book=stake.book,
        line=stake.line,
        price=stake.price,
        edge=stake.edge,
        fraction=stake.fraction,
        amount=stake.amount,
        refusals=stake.refusals,
        as_of_us=stake.as_of_us,
    )
