"""Which models speak about a batch of games: champions, and challengers as the experiment says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models.assignment import ALONE, Part, assigned
from models.boosters.scoring import COLUMN_OF, Outcome, TargetModel
from models.features.arrays import Array
from models.features.market import MarketView
from schemas.decisions import Role
from schemas.markets import Target
from schemas.sections.judging import AbSettings

Column = Sequence[Outcome | None]
"""Of one target, a row each."""


class Lineup(NamedTuple):
    """Who speaks about a game, and as what."""

    models: Mapping[Target, TargetModel]
    parts: Mapping[Target, Part]


class Said(NamedTuple):
    """About a batch."""

    lineups: Sequence[Lineup]
    """Of each row: who made what counts."""
    counts: Mapping[Target, Column]
    beside: Mapping[Target, Column]
    """By the challengers of a shadow: to be compared, no more."""
    shadow: Lineup | None
    """Who made that."""


class ChallengerFailed(Exception):
    """At scoring, although it had passed its checks."""

    def __init__(self, model: TargetModel, why: Exception) -> None:
        super().__init__(str(why))
        self.model = model


@dataclass(frozen=True)
class Roster:
    """Models that score a batch together."""

    champions: Mapping[Target, TargetModel]
    challengers: Mapping[Target, TargetModel]
    """None where there is no experiment."""
    usual: Lineup
    """The champions."""
    dealt: Lineup | None
    """Of the games that a split gives to the challengers; a target without one has its champion."""
    shadow: Lineup | None
    ab: AbSettings

    @classmethod
    def of(
        cls, champions: Sequence[TargetModel], challengers: Sequence[TargetModel], ab: AbSettings
    ) -> "Roster":
        """A challenger that is its champion itself is none."""
        first = {model.card.target: model for model in champions}
        second = {
            model.card.target: model
            for model in challengers
            if ab.mode != "off" and model.version != first[model.card.target].version
        }
        share = ab.share if ab.mode == "split" else None

        def parts(role: Role) -> dict[Target, Part]:
            tried = Part(role, ab.experiment, share)
            return {target: tried if target in second else ALONE for target in first}

        others = Lineup({**first, **second}, parts(Role.CHALLENGER)) if second else None
        return cls(
            champions=first,
            challengers=second,
            usual=Lineup(first, parts(Role.CHAMPION)),
            dealt=others if share is not None else None,
            shadow=others if share is None else None,
            ab=ab,
        )

    def without(self, model: TargetModel) -> "Roster":
        """Less that challenger."""
        left = [one for one in self.challengers.values() if one is not model]
        return Roster.of(list(self.champions.values()), left, self.ab)

    def about(self, game_id: str) -> Lineup:
        """Whose word counts for the game."""
        if self.dealt is None:
            return self.usual
        if assigned(game_id, self.ab.experiment, self.ab.share) is Role.CHALLENGER:
            return self.dealt
        return self.usual

    def say(self, games: Sequence[str], vectors: Array, view: MarketView) -> Said:
        """games: of each row its id. Raises ChallengerFailed, or ModelRefused where a champion
        does."""
        lineups = [self.about(game_id) for game_id in games]
        dealt = np.array([one is self.dealt for one in lineups], bool)
        counts: dict[Target, Column] = {}
        beside: dict[Target, Column] = {}
        tried: dict[Target, Column] = {}
        for target, model in self.challengers.items():
            rows = None if self.dealt is None else np.flatnonzero(dealt)
            try:
                tried[target] = _column(model, vectors, view, rows)
            except Exception as why:
                # Whatever it is, the champions need not stop for it.
                raise ChallengerFailed(model, why) from None
        for target, model in self.champions.items():
            if target not in tried or self.dealt is None:
                counts[target] = _column(model, vectors, view, None)
                if target in tried:
                    beside[target] = tried[target]
                continue
            usual = _column(model, vectors, view, np.flatnonzero(~dealt))
            counts[target] = [
                other if mine else one
                for mine, one, other in zip(dealt, usual, tried[target], strict=True)
            ]
        return Said(lineups, counts, beside, self.shadow)


def _column(model: TargetModel, vectors: Array, view: MarketView, rows: Array | None) -> Column:
    """Of these rows, none of the others; without `rows` of all."""
    at = COLUMN_OF[model.card.target]
    consensus, line = view.consensus[:, at], view.line[:, at]
    if rows is None:
        return model.outcomes(vectors, consensus, line)
    found: list[Outcome | None] = [None] * len(vectors)
    said = model.outcomes(vectors[rows], consensus[rows], line[rows])
    for row, outcome in zip(rows.tolist(), said, strict=True):
        found[row] = outcome
    return found
