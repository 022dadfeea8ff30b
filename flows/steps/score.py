"""Games to predictions, candidates and feature blobs: one kernel call and one predict a target."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import NamedTuple

import numpy as np

from flows.steps.alerts import Watched
from flows.steps.allocate import Numbered
from flows.steps.game import ToScore
from flows.steps.records import FeatureBlob, Outgoing
from flows.steps.roster import ChallengerFailed, Roster, Said
from models.assignment import Part
from models.boosters.scoring import COLUMN_OF, Outcome, TargetModel
from models.features.arrays import Array, count
from models.features.catalogue import CATALOGUE, COLUMNS_OF, NAMES, Source
from models.features.kernel import FeatureSet
from models.features.layout import GAME, MARKET_INDEX, ORDER_BITS
from models.features.market import MarketView
from models.features.signals import Signals
from models.features.stored import pack
from models.staking.candidate import Candidate, Priced
from models.staking.kelly import edge
from schemas.decisions import (
    Alert,
    AlertKind,
    FeatureHeader,
    Prediction,
    Role,
    SideQuote,
)
from schemas.markets import MARKET_OF, PRICED_BY, SIDES, Market, Target
from schemas.settings import Settings
from schemas.time import US_PER_MS, US_PER_SECOND
from schemas.topics import Topic

_PUSHES: dict[Market, Target] = {Market.TOTAL: Target.RUNS}
"""Whose distribution says how likely a push is, where it is not the target that prices the bet."""


_Quotes = dict[Target, list[SideQuote]]
"""Best fresh prices of both sides of its market, their edge by what the target itself says."""


class Scored(NamedTuple):
    """What a batch of games led to."""

    messages: list[Outgoing]
    """In the order of the tasks."""
    blobs: list[FeatureBlob]
    """The newest vector of each game."""
    watched: list[Watched]
    """What holds at each position, in the order of the tasks; none of games that are locked."""
    news: list[Numbered]
    """What bankrolls are to hear of: every position, and what was said of bankrolls themselves."""


@dataclass(frozen=True)
class _Row:
    """Everything about one row that its messages share."""

    task: ToScore
    completeness: float
    outcomes: dict[Target, Outcome]
    quoted_books: list[int]
    """Per market: books with a price up, stale ones included."""
    models: Mapping[Target, TargetModel]
    """That made the outcomes."""
    parts: Mapping[Target, Part]
    """That these models have in an experiment."""


class _Looked(NamedTuple):
    """A batch of games, seen by features and models."""

    rows: Array
    view: MarketView
    vectors: Array
    priced: list[_Row]
    shadows: dict[int, _Row]
    """By place in the batch."""


class RefusedModel(NamedTuple):
    """A version that a worker does not take, or that has failed it."""

    target: Target
    number: str
    """Of the version, in the registry."""
    why: str
    role: Role = Role.CHAMPION


class Scorer:
    """Scores batches of games, each with one set of models."""

    def __init__(
        self,
        settings: Settings,
        models: Sequence[TargetModel],
        challengers: Sequence[TargetModel] = (),
    ) -> None:
        """models: the champions. Raises ModelRefused for a model of another feature set."""
        self.ab = settings.ab
        self._features = FeatureSet.of(settings)
        self._signals = Signals(settings.alerts, settings.books)
        self._books = settings.books
        self._ttl_seconds = int(settings.redis.ttl_hours * 3600)
        self._refused: deque[RefusedModel] = deque()
        self._changing = Lock()
        self.swap(models, challengers)

    def swap(self, models: Sequence[TargetModel], challengers: Sequence[TargetModel] = ()) -> None:
        """From the next batch on, score with these; may be called from another thread.

        models: the champions. Challengers speak as `STEAMLINE_AB_MODE` says.
        Raises ModelRefused, and changes nothing, for a model of another feature set.
        """
        for model in (*models, *challengers):
            self.check(model)
        with self._changing:
            # One reference: a batch that is being scored goes on with the set it began with.
            self._roster = Roster.of(models, challengers, self.ab)

    @property
    def challengers(self) -> Mapping[Target, TargetModel]:
        """That speak now: less any that has failed since the swap."""
        return self._roster.challengers

    def check(self, model: TargetModel) -> None:
        """Raises ModelRefused for a model of another feature set."""
        model.check(self._features.hash, len(NAMES))

    def tell(self, refused: RefusedModel) -> None:
        """Say so with the next game that is scored; may be called from another thread."""
        self._refused.append(refused)

    def __call__(self, tasks: Sequence[ToScore]) -> Scored:
        looked = self._look(tasks)
        out: list[Outgoing] = []
        if tasks:
            while self._refused:
                refused = self._refused.popleft()
                stays = self._roster.champions[refused.target].version
                out.append(_refusal(tasks[0], refused, stays))
        newest: dict[str, int] = {}
        news: list[Numbered] = []
        for index, row in enumerate(looked.priced):
            quotes = self._quotes(looked.view, index, row.outcomes)
            out += self._predictions(looked, index, quotes)
            news.append(self._news(looked, index, quotes))
            if row.task.lock_reason is None:
                newest[row.task.game_id] = index
        blobs = [
            self._blob(tasks[at], looked.rows[at], looked.vectors[at]) for at in newest.values()
        ]
        watched = self._watched(tasks, looked.vectors, looked.view)
        return Scored(out, blobs, watched, news)

    def price(self, tasks: Sequence[ToScore]) -> list[Numbered]:
        """The `news` of a call alone: no message is written, which takes most of its time."""
        looked = self._look(tasks)
        needed = PRICED_BY.values()
        return [
            self._news(looked, index, self._quotes(looked.view, index, row.outcomes, needed))
            for index, row in enumerate(looked.priced)
        ]

    def _look(self, tasks: Sequence[ToScore]) -> _Looked:
        rows = np.frombuffer(b"".join(task.record for task in tasks), GAME)
        view = self._features.view(rows)
        vectors = self._features.vectors(rows, view)
        complete = np.isfinite(vectors).mean(axis=1).tolist()
        quoted = count(view.quoted).tolist()
        said = self._say(tasks, vectors, view)
        priced: list[_Row] = []
        shadows: dict[int, _Row] = {}
        for index, task in enumerate(tasks):
            outcomes = _priced(said.counts, task, index)
            row = _Row(task, complete[index], outcomes, quoted[index], *said.lineups[index])
            priced.append(row)
            if said.shadow is not None and (beside := _priced(said.beside, task, index)):
                models, parts = said.shadow
                shadows[index] = replace(row, outcomes=beside, models=models, parts=parts)
        return _Looked(rows, view, vectors, priced, shadows)

    def _predictions(self, looked: _Looked, index: int, quotes: _Quotes) -> list[Outgoing]:
        """Of a game, and what a challenger says in the shadow."""
        row, shadow = looked.priced[index], looked.shadows.get(index)
        out = [
            self._prediction(row, target, outcome, looked.view, index, quotes)
            for target, outcome in row.outcomes.items()
        ]
        if shadow is not None:
            quotes = self._quotes(looked.view, index, shadow.outcomes, shadow.outcomes)
            out += [
                self._prediction(shadow, target, outcome, looked.view, index, quotes)
                for target, outcome in shadow.outcomes.items()
            ]
        return out

    def _news(self, looked: _Looked, index: int, quotes: _Quotes) -> Numbered:
        row = looked.priced[index]
        return _priced_game(
            row,
            [
                self._candidate(row, market, looked.view, index, quotes[target])
                for market, target in PRICED_BY.items()
                if target in row.models
            ],
        )

    def _say(self, tasks: Sequence[ToScore], vectors: Array, view: MarketView) -> Said:
        """A challenger that fails is left out from then on: the champion must not suffer."""
        roster, games = self._roster, [task.game_id for task in tasks]
        while True:
            try:
                return roster.say(games, vectors, view)
            except ChallengerFailed as failed:
                bad = failed.model
                with self._changing:
                    if self._roster is roster:
                        self._roster = roster.without(bad)
                roster = roster.without(bad)
                number = bad.version.partition("-")[0]
                self.tell(RefusedModel(bad.card.target, number, str(failed), Role.CHALLENGER))

    def _quotes(
        self,
        view: MarketView,
        index: int,
        priced: Mapping[Target, Outcome],
        targets: Iterable[Target] = Target,
    ) -> _Quotes:
        return {
            target: self._best(view, index, MARKET_OF[target], priced.get(target))
            for target in targets
        }

    def _watched(self, tasks: Sequence[ToScore], vectors: Array, view: MarketView) -> list[Watched]:
        return [
            Watched(task.game_id, task.position, task.as_of_us, task.simulated, tuple(signals))
            for task, signals in zip(tasks, self._signals.holding(vectors, view), strict=True)
            if task.lock_reason is None
        ]

    def _best(
        self, view: MarketView, index: int, market: Market, outcome: Outcome | None
    ) -> list[SideQuote]:
        """Best fresh price of either side at the consensus line; empty without fresh quotes."""
        column = MARKET_INDEX[market]
        if not view.books[index, column]:
            return []
        quotes = []
        for place, side in enumerate(SIDES[market]):
            price = float(view.best_price[index, column, place])
            value = None
            if outcome is not None:
                wins = outcome.probability if place == 0 else 1.0 - outcome.probability
                value = edge(wins, price)
            quotes.append(
                SideQuote.model_construct(
                    side=side,
                    book=self._books[view.best_book[index, column, place]],
                    price=price,
                    age_ms=int(view.best_age_us[index, column, place]) // US_PER_MS,
                    edge=value,
                )
            )
        return quotes

    def _prediction(
        self,
        row: _Row,
        target: Target,
        outcome: Outcome,
        view: MarketView,
        index: int,
        quotes: _Quotes,
    ) -> Outgoing:
        task, model, column = row.task, row.models[target], COLUMN_OF[target]
        part = row.parts[target]
        message = Prediction.model_construct(
            game_id=task.game_id,
            position=task.position,
            as_of_us=task.as_of_us,
            simulated=task.simulated,
            role=part.role,
            experiment=part.experiment,
            share=part.share,
            prediction_id=f"{task.game_id}:{task.position}:{target.value}:{model.version}"
            f"{part.suffix}",
            target=target,
            model_version=model.version,
            feature_set=self._features.hash,
            start_time_us=task.start_us,
            cutoff_us=task.cutoff_us,
            line=None if target is Target.MONEYLINE else float(view.line[index, column]),
            probability=outcome.probability,
            market_probability=float(view.consensus[index, column]),
            mean_runs=outcome.mean if target is Target.RUNS else None,
            mean_margin=outcome.mean if target is Target.MARGIN else None,
            fair_price=1.0 / outcome.probability,
            best=quotes[target],
            odds_age_ms=int(view.newest_age_us[index, column]) // US_PER_MS,
            books=int(view.books[index, column]),
            completeness=row.completeness,
            read_to=task.read_to,
        )
        return Outgoing.of(
            Topic.PREDICTIONS, task.game_id, message.prediction_id, task.as_of_us, message
        )

    def _candidate(
        self, row: _Row, market: Market, view: MarketView, index: int, quotes: list[SideQuote]
    ) -> Candidate:
        task, column, target = row.task, MARKET_INDEX[market], PRICED_BY[market]
        model, outcome = row.models[target], row.outcomes.get(target)
        best = max(quotes, key=lambda quote: quote.edge or 0.0) if outcome and quotes else None
        wins = line = None
        if best is not None and outcome is not None:
            home_or_over = best.side is SIDES[market][0]
            wins = outcome.probability if home_or_over else 1.0 - outcome.probability
            line = None if market is Market.MONEYLINE else float(view.line[index, column])
        settling = row.outcomes.get(_PUSHES.get(market, target))
        return Candidate(
            market=market,
            side=best.side if best else None,
            book=best.book if best else None,
            line=line,
            price=best.price if best else None,
            probability=wins,
            edge=best.edge if best else None,
            push=settling.push if settling else 0.0,
            quoted_books=row.quoted_books[column],
            fresh_books=int(view.books[index, column]),
            model_version=model.version,
            # What simulated games have shown says nothing about real ones.
            paper=model.paper or (model.card.simulated and not task.simulated),
            part=row.parts[target],
        )

    def _blob(self, task: ToScore, row: Array, vector: Array) -> FeatureBlob:
        newest = {
            Source.LINES: int(row["quote_order"].max()) >> ORDER_BITS,
            Source.SPLITS: int(row["splits_order"].max()) >> ORDER_BITS,
            Source.GAMES: int(row["games_at_us"]),
            Source.CONTEXT: int(row["context_as_of_us"]) if row["context_order"] else 0,
        }
        known = np.isfinite(vector)
        header = FeatureHeader(
            game_id=task.game_id,
            position=task.position,
            as_of_us=task.as_of_us,
            cutoff_us=task.cutoff_us,
            simulated=task.simulated,
            feature_set=self._features.hash,
            count=len(CATALOGUE),
            completeness=float(known.mean()),
            completeness_by={
                name: float(known[columns].mean()) for name, columns in COLUMNS_OF.items()
            },
            source_age_ms={
                source.value: (task.as_of_us - moment) // US_PER_MS
                for source, moment in newest.items()
                if moment
            },
        )
        left = max(task.start_us - task.as_of_us, 0) // US_PER_SECOND
        expires = left + self._ttl_seconds
        return FeatureBlob(task.game_id, expires, header, pack(header, vector))


def _priced(
    columns: Mapping[Target, Sequence[Outcome | None]], task: ToScore, index: int
) -> dict[Target, Outcome]:
    """What is said about one row; nothing of a game that is locked."""
    return {
        target: outcome
        for target, column in columns.items()
        if task.lock_reason is None and (outcome := column[index]) is not None
    }


def _priced_game(row: _Row, candidates: list[Candidate]) -> Numbered:
    task = row.task
    game = Priced(
        game_id=task.game_id,
        position=task.position,
        as_of_us=task.as_of_us,
        now_us=task.now_us,
        start_us=task.start_us,
        cutoff_us=task.cutoff_us,
        simulated=task.simulated,
        locked=task.lock_reason is not None,
        completeness=row.completeness,
        candidates=tuple(candidates),
    )
    return Numbered(task.number, game)


def _refusal(task: ToScore, refused: RefusedModel, stays: str) -> Outgoing:
    apart = "" if refused.role is Role.CHAMPION else f":{refused.role.value}"
    alert = Alert(
        alert_id=f"{task.game_id}:{task.position}:{AlertKind.MODEL_REFUSED.value}"
        f":{refused.target.value}:{refused.number}{apart}",
        game_id=task.game_id,
        position=task.position,
        as_of_us=task.as_of_us,
        simulated=task.simulated,
        kind=AlertKind.MODEL_REFUSED,
        detail=f"{refused.target} {refused.role} {refused.number} is refused, {stays} stays: "
        f"{refused.why}",
        market=MARKET_OF[refused.target],
    )
    return Outgoing.of(Topic.ALERTS, task.game_id, alert.alert_id, task.as_of_us, alert)
