"""Opening and closing prices and Elo out of archives, some days of games in memory at a time."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from flows.offline import groups, read_frames
from models.evaluation.references import PRICES, References, market_prices, ratings
from models.features.fold import FoldRules
from models.features.history import History
from models.features.kernel import FeatureSet
from schemas.errors import DataMissing
from schemas.settings import Settings


def references(archives: Iterable[Path], decisions: pl.DataFrame, settings: Settings) -> References:
    """Of the games in `decisions` (game_id, as_of_us).

    Raises DataMissing where there is no archive, or where two of them hold the same game.
    """
    rules, features = FoldRules.of(settings), FeatureSet.of(settings)
    wanted = set(decisions["game_id"])
    prices, elo, seen = [pl.DataFrame(schema=PRICES)], [_ELO], set[str]()
    for archive in archives:
        found = set[str]()
        for group in groups(archive):
            games = [game for game in group.game_ids if game in wanted]
            if not games:
                continue
            frames = read_frames(archive, group).of_games(games)
            prices.append(market_prices(frames, rules, features))
            then = decisions.filter(pl.col("game_id").is_in(games))
            elo.append(ratings(History.of(frames, rules), then).cast(_ELO.schema))
            found.update(games)
        if twice := sorted(found & seen):
            raise DataMissing(
                f"{archive}: {len(twice)} games are in another archive too ({twice[0]} first). "
                "Judge the archives one by one"
            )
        seen |= found
    return References(pl.concat(prices), pl.concat(elo))


_ELO = pl.DataFrame(
    schema={"game_id": pl.String(), "as_of_us": pl.Int64(), "probability": pl.Float64()}
)
