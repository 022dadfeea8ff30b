"""A slate of bets in, growth-optimal stakes out: one contract for the command and the API."""

import math
from collections import defaultdict
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.events import MAX_DECIMAL_ODDS

MAX_BETS = 200
MAX_ROWS = 2_000
_SUMS_TO = 1e-9

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Label = Annotated[str, Field(min_length=1, max_length=200)]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class KellyBet(Part):
    id: Label
    odds: float = Field(gt=1.0, le=MAX_DECIMAL_ODDS)
    """Decimal."""
    p: Share | None = None
    """Chance to win, a push not counted; none where the game has scenarios."""
    push: Share = 0.0
    """Chance that the stake comes back."""
    game: Label | None = None
    """Bets on one game exclude each other, unless they name one outcome or the game has scenarios.
    Without it, a game of its own."""
    market: Label | None = None
    """Bets on several markets of one game need its scenarios."""
    outcome: Label | None = None
    """Bets on one outcome of one game win together, as at two books. Without it, its own."""
    book: Label | None = None
    day: Label | None = None
    cap: Share = 1.0
    """Largest share of the bankroll on it."""


class Scenario(Part):
    """One joint outcome of all markets of a game."""

    p: float = Field(gt=0.0, le=1.0)
    results: dict[Label, Annotated[float, Field(ge=-1.0, le=1.0)]]
    """Of every bet on the game: 1 won, 0.5 half won, 0 push, -0.5 half lost, -1 lost."""


class KellyCaps(Part):
    """Largest share of the bankroll on each game, book and day, and on everything."""

    game: Share = 1.0
    book: Share = 1.0
    day: Share = 1.0
    total: Share = 1.0


class Drawdown(Part):
    """Chance `probability` at most that wealth, bet on like this for ever, falls to `level`."""

    level: float = Field(gt=0.0, lt=1.0)
    probability: float = Field(gt=0.0, lt=1.0)

    @property
    def order(self) -> float:
        """Lambda of E[W**-lambda] <= 1. Busseti, Ryu, Boyd (2016)."""
        return math.log(self.probability) / math.log(self.level)

    @model_validator(mode="after")
    def _within_reach(self) -> Self:
        if self.order > 200.0:
            raise ValueError("level/probability: a limit so tight leaves no stake; loosen one")
        return self


class KellyRequest(Part):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "bets": [
                    {"id": "NYY", "odds": 2.1, "p": 0.51, "game": "BOS-NYY", "book": "pinnacle"},
                    {"id": "CHC", "odds": 1.95, "p": 0.54, "push": 0.0, "cap": 0.02},
                ],
                "fraction": 0.25,
                "caps": {"total": 0.1},
                "drawdown": {"level": 0.7, "probability": 0.1},
            }
        }
    )

    bets: list[KellyBet] = Field(max_length=MAX_BETS)
    scenarios: dict[Label, list[Scenario]] = Field(default_factory=dict)
    """By game; each lists every way the game's bets can end."""
    fraction: float = Field(default=0.25, ge=0.01, le=1.0)
    """Of full Kelly."""
    by: Literal["scaling", "utility"] = "scaling"
    """Full Kelly times the fraction, or the optimum of power utility with risk aversion
    1 / fraction. Caps and drawdown bind what is staked either way."""
    caps: KellyCaps = KellyCaps()
    drawdown: Drawdown | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ids = [bet.id for bet in self.bets]
        if len(set(ids)) != len(ids):
            twice = next(one for one in ids if ids.count(one) > 1)
            raise ValueError(f"bets: the id {twice!r} stands twice")
        rows = sum(len(table) for table in self.scenarios.values())
        if rows > MAX_ROWS:
            raise ValueError(f"scenarios: {rows} of them, more than {MAX_ROWS}")
        games: dict[str, list[KellyBet]] = defaultdict(list)
        for bet in self.bets:
            if bet.game is None:
                _exclusive(f"bet {bet.id}", [bet])
            else:
                games[bet.game].append(bet)
        for game in self.scenarios:
            if game not in games:
                raise ValueError(f"scenarios: no bet is on {game!r}")
        for game, bets in games.items():
            if game in self.scenarios:
                _joint(game, bets, self.scenarios[game])
            else:
                _exclusive(game, bets)
        return self


def _joint(game: str, bets: list[KellyBet], table: list[Scenario]) -> None:
    total = math.fsum(one.p for one in table)
    if abs(total - 1.0) > _SUMS_TO:
        raise ValueError(f"scenarios of {game}: probabilities sum to {total:.10g}, not 1")
    wanted = {bet.id for bet in bets}
    for one in table:
        if set(one.results) != wanted:
            odd = sorted(set(one.results) ^ wanted)[0]
            raise ValueError(f"scenarios of {game}: each must give a result of {odd!r} or none may")
    for bet in bets:
        if bet.p is not None or bet.push:
            raise ValueError(f"bet {bet.id}: p and push follow from the scenarios of {game}")


def _exclusive(game: str, bets: list[KellyBet]) -> None:
    by_outcome: dict[str, float] = {}
    for bet in bets:
        if bet.p is None:
            raise ValueError(f"bet {bet.id}: p is missing and {game} has no scenarios")
        if bet.push != bets[0].push:
            raise ValueError(
                f"{game}: bets of one market push together, and push differs; "
                "give the game's scenarios for bets on several markets"
            )
        if bet.market != bets[0].market:
            raise ValueError(
                f"{game}: bets on {bets[0].market} and {bet.market} can win together; "
                "give the game's scenarios"
            )
        if by_outcome.setdefault(bet.outcome or bet.id, bet.p) != bet.p:
            raise ValueError(f"{game}: p differs between bets on {bet.outcome!r}")
    total = math.fsum(by_outcome.values()) + bets[0].push
    if total > 1.0 + _SUMS_TO:
        raise ValueError(
            f"{game}: chances to win and to push sum to {total:.10g}, so its outcomes cannot "
            "exclude each other; name equal outcomes, or give the game's scenarios"
        )


class KellyStake(Part):
    id: str
    fraction: float
    """Share of the bankroll."""


class Binding(Part):
    """A limit that holds stakes back."""

    limit: str
    price: float
    """Gain of the objective per unit by which it is loosened."""


class KellyAnswer(Part):
    stakes: list[KellyStake]
    """In the order of the bets."""
    growth: float
    """Expected log of wealth after the slate, of 1 before."""
    growth_error: float
    """Bound on the numerical error of `growth`."""
    worst: float
    """Wealth after the worst outcome of every game; never 0 or less."""
    binding: list[Binding]
    kkt_residual: float
    """Proof of the optimum: 0 is perfect, more than 1e-8 is refused."""
