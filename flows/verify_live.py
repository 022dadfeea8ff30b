"""Recorded live decisions against what a replay of their inputs makes of them.

A prediction names how far the topics had been read (`read_to`), which is a set of events: they are
folded again, in the replay's own order, scored by the model version that the prediction names, and
must give every field of it bit for bit. A stake names the slate, the balance and what was held: it
is sized again from the replayed prices. What cannot be had, a model that is gone for one, is
counted apart and never as agreement.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from flows.steps.decode import DecodeRules, decode_batch
from flows.steps.game import GameStep, ToScore
from flows.steps.records import Outgoing, Record
from flows.steps.score import Scorer
from models.assignment import ALONE, Part
from models.boosters.scoring import TargetModel
from models.features.fold import FoldRules
from models.staking.allocation import allocation, judge
from models.staking.candidate import Priced
from schemas.decisions import Prediction, Refusal, Stake
from schemas.errors import ModelRefused
from schemas.markets import PRICED_BY, Target
from schemas.sections.staking import StakingSettings
from schemas.settings import Settings
from schemas.topics import INPUTS, Topic

FindModel = Callable[[Target, str], TargetModel | None]
"""By target and version as messages name it; none where it is gone."""

_RANK = {topic: rank for rank, topic in enumerate(INPUTS)}


class Recorded(NamedTuple):
    """One game as it was recorded."""

    game_id: str
    inputs: Sequence[Record]
    """Of the input topics, with their offsets; repeats may be among them."""
    predictions: Sequence[Prediction]


@dataclass
class VerifiedLive:
    games: int = 0
    events: int = 0
    predictions: int = 0
    """Compared."""
    mismatches: int = 0
    unverifiable: int = 0
    """Predictions whose model, or that of another target at their position, cannot be had."""
    stakes: int = 0
    """Compared: sized again, or their guards asked again."""
    stake_mismatches: int = 0
    stakes_unverifiable: int = 0
    """Stakes that rest on what cannot be replayed: such a prediction, a stop, a lock."""
    first: str | None = None

    @property
    def wrong(self) -> int:
        return self.mismatches + self.stake_mismatches

    def differ(self, what: str) -> None:
        self.mismatches += 1
        self.first = self.first or what

    def differ_in_stake(self, what: str) -> None:
        self.stake_mismatches += 1
        self.first = self.first or what


Position = tuple[str, int]


@dataclass
class LiveCheck:
    """Games first, then the stakes: these rest on several games."""

    settings: Settings
    find: FindModel
    found: VerifiedLive = field(default_factory=VerifiedLive)
    priced: dict[Position, Priced] = field(default_factory=dict)
    """Of every position whose predictions could be made again."""
    _scorers: dict[tuple[str, ...], Scorer | None] = field(default_factory=dict)
    _any: dict[Target, TargetModel] = field(default_factory=dict)

    def game(self, recorded: Recorded) -> None:
        self.found.games += 1
        self.found.events += len(recorded.inputs)
        history = _History(recorded, DecodeRules.of(self.settings), FoldRules.of(self.settings))
        at: dict[int, dict[str, Prediction]] = {}
        for said in recorded.predictions:
            before = at.setdefault(said.position, {}).setdefault(said.prediction_id, said)
            if before != said:
                self.found.predictions += 1
                self.found.differ(f"{said.prediction_id}: recorded with two values")
        for position, said_there in sorted(at.items()):
            groups = _of_one_set(one for one in said_there.values() if not one.shadow)
            for group in groups:
                self._position(history, position, group)
            for group in _of_one_set(one for one in said_there.values() if one.shadow):
                self._position(history, position, group, _beside(group, groups))

    def _position(
        self,
        history: "_History",
        position: int,
        said: list[Prediction],
        beside: Sequence[Prediction] = (),
    ) -> None:
        """beside: what the models that count said, of targets of which the shadows say nothing."""
        scorer = self._scorer([*said, *beside])
        if scorer is None:
            self.found.unverifiable += len(said)
            return
        self.found.predictions += len(said)
        task = history.at(said[0].read_to)
        if task is None or task.position != position:
            where = "no position" if task is None else f"position {task.position}"
            for one in said:
                self.found.differ(f"{one.prediction_id}: its events make {where}")
            return
        try:
            scored = scorer([task])
        except ModelRefused as bad:
            for one in said:
                self.found.differ(f"{one.prediction_id}: {bad}")
            return
        made = {
            one.message_id: Prediction.model_validate_json(one.value) for one in scored.messages
        }
        (numbered,) = scored.news
        assert isinstance(numbered.what, Priced)
        if not said[0].shadow:
            self.priced[history.game_id, position] = numbered.what
        for recorded in said:
            one = _alone(recorded)
            again = made.get(one.prediction_id)
            if again is None:
                self.found.differ(f"{one.prediction_id}: the replay makes no such prediction")
            elif (other := _difference(one, again)) is not None:
                self.found.differ(f"{one.prediction_id}: {other}")

    def _scorer(self, said: list[Prediction]) -> Scorer | None:
        """With the models that made them; one for each set."""
        key = tuple(sorted(f"{one.target.value} {one.model_version}" for one in said))
        if key not in self._scorers:
            models = [self.find(one.target, one.model_version) for one in said]
            self._scorers[key] = self._with([one for one in models if one is not None], len(said))
        return self._scorers[key]

    def _with(self, models: list[TargetModel], wanted: int) -> Scorer | None:
        if len(models) < wanted:
            return None
        ours = {model.card.target: model for model in models}
        self._any |= ours
        # A target that said nothing had no price to start from: any model of it says so again.
        others = [self._any.get(target) for target in PRICED_BY.values() if target not in ours]
        try:
            return Scorer(self.settings, [*models, *(one for one in others if one is not None)])
        except ModelRefused:
            return None

    def stakes(self, stakes: Iterable[Stake]) -> None:
        """After all games that they rest on."""
        known = list({stake.stake_id: stake for stake in stakes}.values())
        rules = {one.name: one for one in self.settings.all_bankrolls}
        flags: dict[str, set[bool]] = {}
        for stake in known:
            flags.setdefault(stake.model_version, set()).add(stake.paper)
        for stake in known:
            staking = rules.get(stake.bankroll)
            if staking is None:
                self.found.stakes_unverifiable += 1
                continue
            sized = stake.slate is not None
            outcome = (self._sized if sized else self._refused)(stake, staking, flags)
            if outcome is None:
                self.found.stakes_unverifiable += 1
                continue
            self.found.stakes += 1
            if outcome:
                self.found.differ_in_stake(f"{stake.stake_id}: {outcome}")

    def _sized(
        self, stake: Stake, staking: StakingSettings, flags: dict[str, set[bool]]
    ) -> str | None:
        """What differs, empty where nothing does; none where it cannot be told."""
        places = {**(stake.slate or {}), stake.game_id: stake.position}
        games = [self._marked(place, flags) for place in places.items()]
        if any(game is None for game in games) or stake.balance is None:
            return None
        again = allocation(
            [game for game in games if game is not None],
            stake.balance,
            stake.held or {},
            staking,
            stake.paper,
        )
        ours = again.get((stake.game_id, stake.market))
        if ours is None:
            return "another market, or none, is picked"
        reasons = [ours.refusal] if ours.refusal else []
        recorded = (stake.fraction, stake.amount, list(stake.refusals))
        replayed = (ours.fraction, ours.amount, reasons)
        return "" if recorded == replayed else f"recorded {recorded}, replayed {replayed}"

    def _refused(
        self, stake: Stake, staking: StakingSettings, flags: dict[str, set[bool]]
    ) -> str | None:
        """The guards of the market at least must speak again; others speak of the moment."""
        if stake.amount or stake.fraction:
            return "something is staked, and no slate says on what"
        game = self._marked((stake.game_id, stake.position), flags)
        if game is None or Refusal.LOCKED in stake.refusals:
            return None
        guards = judge(game, staking).refusals.get(stake.market)
        if guards is None:  # no model of it is known: its market never had a price
            return None
        silent = [one.value for one in guards if one not in stake.refusals]
        return f"refused by {silent} too" if silent else ""

    def _marked(self, place: Position, flags: dict[str, set[bool]]) -> Priced | None:
        """With the gate's word of that time, as the stakes themselves tell it."""
        game = self.priced.get(place)
        if game is None or any(
            len(flags.get(one.model_version, ())) > 1 for one in game.candidates
        ):
            return None
        return game._replace(
            candidates=tuple(
                one._replace(paper=next(iter(flags.get(one.model_version, {one.paper}))))
                for one in game.candidates
            )
        )


class _History:
    """A game's events in the replay's order, and what they come to after any part of them."""

    def __init__(self, recorded: Recorded, decoding: DecodeRules, folding: FoldRules) -> None:
        self.game_id = recorded.game_id
        self._decoding, self._folding = decoding, folding
        self._records = _in_order(recorded.inputs)
        self._offsets = {
            topic: sorted(one.offset for one in self._records if one.topic is topic)
            for topic in INPUTS
        }
        self._whole = self._replayed()

    def at(self, read_to: dict[str, int]) -> ToScore | None:
        """Of the events up to these offsets."""
        key = self._key(read_to)
        if key in self._whole:
            return self._whole[key]
        # At the live edge events came in another order than a replay reads them in.
        step = GameStep(self._folding, None)
        some = [one for one in self._records if one.offset <= read_to.get(one.topic.value, -1)]
        for item in decode_batch(some, self._decoding):
            if not isinstance(item, Outgoing):
                step.on_batch([item[1]])
        return step.now(self.game_id) if some else None

    def _replayed(self) -> dict[tuple[int, ...], ToScore]:
        """By how many records of each topic had been read."""
        step = GameStep(self._folding, None)
        found: dict[tuple[int, ...], ToScore] = {}
        for item in decode_batch(self._records, self._decoding):
            if isinstance(item, Outgoing):
                continue
            for said in step.on_batch([item[1]]):
                if isinstance(said, ToScore) and said.lock_reason is None:
                    found[self._key(said.read_to)] = said
        return found

    def _key(self, read_to: dict[str, int]) -> tuple[int, ...]:
        return tuple(
            bisect_right(self._offsets[topic], read_to.get(topic.value, -1)) for topic in INPUTS
        )


def _in_order(records: Iterable[Record]) -> list[Record]:
    """As `flows.connectors.merge` releases them: time never falls within a topic."""
    keyed: list[tuple[tuple[int, int, int], Record]] = []
    newest: dict[Topic, int] = {}
    for record in sorted(records, key=lambda one: (_RANK[one.topic], one.offset)):
        time_us = max(newest.get(record.topic, 0), record.timestamp_us)
        newest[record.topic] = time_us
        keyed.append(((time_us, _RANK[record.topic], record.offset), record))
    return [record for _, record in sorted(keyed, key=lambda one: one[0])]


def _of_one_set(said: Iterable[Prediction]) -> list[list[Prediction]]:
    """Predictions of one position by the events they rest on, each target once in a group."""
    groups: list[list[Prediction]] = []
    for one in said:
        for group in groups:
            if group[0].read_to == one.read_to and one.target not in {it.target for it in group}:
                group.append(one)
                break
        else:
            groups.append([one])
    return groups


def _beside(
    shadows: Sequence[Prediction], groups: Sequence[Sequence[Prediction]]
) -> list[Prediction]:
    targets = {one.target for one in shadows}
    return [
        one
        for group in groups
        if group[0].read_to == shadows[0].read_to
        for one in group
        if one.target not in targets
    ]


def _alone(said: Prediction) -> Prediction:
    """As the same model would have said it outside of an experiment."""
    part = Part(said.role, said.experiment, said.share)
    plain = said.prediction_id.removesuffix(part.suffix)
    return said.model_copy(update={**ALONE._asdict(), "prediction_id": plain})


def _difference(recorded: Prediction, made: Prediction) -> str | None:
    """The first field that differs; how far was read, repeats included, is no part of it."""
    ours: dict[str, Any] = recorded.model_dump()
    theirs = made.model_dump()
    for name, value in ours.items():
        if name != "read_to" and value != theirs[name]:
            return f"{name}: recorded {value!r}, replayed {theirs[name]!r}"
    return None
