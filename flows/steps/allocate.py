"""The stateful step of one bankroll: what every game can be bet on in, stakes that moved out.

All games of a bankroll are sized together, so one game's news can move another game's stake. What
comes in is taken in the order in which it was read, one piece after another, so the outputs do not
depend on how it was batched; every stake names what it rests on.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

import msgpack

from flows.steps.bankroll import Bankroll, Game, Kind, Said, Slate
from flows.steps.records import Outgoing
from models.staking.allocation import Pick, Sized, size
from models.staking.candidate import Candidate, Priced
from models.staking.guards import account_refusals
from schemas.bets import BankrollUpdate
from schemas.decisions import PAPER_STAKE, Refusal, Stake
from schemas.sections.staking import StakingSettings
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE
from schemas.topics import Topic


class Numbered(NamedTuple):
    """News for bankrolls, with its place in the order of reading."""

    number: int
    what: Priced | BankrollUpdate


class AllocateRules(NamedTuple):
    """What a bankroll goes by."""

    staking: StakingSettings
    stale_us: int
    """A game without a word for longer has stale odds."""
    digest: str
    """Of these settings."""

    @classmethod
    def of(cls, settings: Settings, staking: StakingSettings) -> "AllocateRules":
        stale_us = int(settings.score.stale_minutes * US_PER_MINUTE)
        text = f"{stale_us} {staking.model_dump_json()}"
        return cls(staking, stale_us, sha256(text.encode()).hexdigest()[:16])


class _Cause(NamedTuple):
    """What led to a decision."""

    name: str
    """Game and position, or the update's id: never twice the same."""
    at_us: int
    """In event time."""


class AllocateStep:
    """Everything it knows is in `snapshot()`."""

    def __init__(self, rules: AllocateRules, resume: bytes | None) -> None:
        self._staking, self._stale_us, self._digest = rules
        self._bankroll = (
            Bankroll(rules.staking, rules.digest)
            if resume is None
            else Bankroll.restore(rules.staking, rules.digest, resume)
        )

    def snapshot(self) -> bytes:
        return self._bankroll.snapshot()

    def on_batch(self, news: Iterable[Numbered]) -> list[Outgoing]:
        """Stakes that moved, in the order of what moved them."""
        ordered = sorted(news, key=lambda one: one.number)
        return [outgoing(stake) for _, what in ordered for stake in self.hear(what)]

    def hear(self, what: Priced | BankrollUpdate) -> list[Stake]:
        """The same of one piece of news, as they are before they are written."""
        return self._told(what) if isinstance(what, BankrollUpdate) else self._priced(what)

    def _told(self, update: BankrollUpdate) -> list[Stake]:
        before = self._bankroll.account
        self._bankroll.tell(update)
        if self._bankroll.account == before:
            return []
        return self._decide(_Cause(update.update_id, update.occurred_at_us), set())

    def _priced(self, priced: Priced) -> list[Stake]:
        bankroll = self._bankroll
        bankroll.now_us = max(bankroll.now_us, priced.now_us)
        bankroll.forget()
        game = bankroll.take(priced)
        touched = {priced.game_id}
        for other in bankroll.games.values():
            if other.judged.picks and other.dropped is None and self._too_old(other):
                touched.add(other.priced.game_id)
                other.dropped = self._too_old(other)
                if other.dropped is Refusal.LOCKED:
                    bankroll.close(other)
        if priced.locked:
            bankroll.close(game)
        cause = _Cause(f"{priced.game_id}:{priced.position}", priced.now_us)
        out = self._decide(cause, touched)
        if priced.locked:
            bankroll.games.pop(priced.game_id, None)
        return out

    def _too_old(self, game: Game) -> Refusal | None:
        """Why the last word about a game does not count any more."""
        now_us, priced = self._bankroll.now_us, game.priced
        if now_us > priced.cutoff_us:
            return Refusal.LOCKED
        return Refusal.STALE_ODDS if now_us - priced.now_us > self._stale_us else None

    def _decide(self, cause: _Cause, touched: set[str]) -> list[Stake]:
        """Size again what has moved; say what that, or another reason, has changed.

        touched: games of which there is news.
        """
        bankroll = self._bankroll
        against = account_refusals(bankroll.account, bankroll.now_us, self._staking)
        if against != bankroll.against:
            bankroll.against = against
            touched = set(bankroll.games)
        live: dict[Kind, dict[str, Pick]] = {kind: {} for kind in bankroll.slates}
        if not against:
            for game_id, game in bankroll.games.items():
                for kind, pick in game.picks():
                    live.setdefault(kind, {})[game_id] = pick
        for kind, picks in sorted(live.items()):
            touched |= self._size(kind, picks)
        return [
            stake
            for game_id in sorted(touched & bankroll.games.keys())
            for stake in self._say(bankroll.games[game_id], cause)
        ]

    def _size(self, kind: Kind, picks: dict[str, Pick]) -> set[str]:
        """Games whose stakes may be others now; none where nothing has moved enough to look."""
        bankroll = self._bankroll
        old, balance = bankroll.slates.get(kind), bankroll.account.balance
        if old is not None and old.balance == balance and not self._moved(old.picks, picks):
            return set()
        if picks:
            held = bankroll.held(kind)
            found = size(picks.values(), balance, held, self._staking)
            bankroll.slates[kind] = Slate(picks, balance, held, found)
        else:
            bankroll.slates.pop(kind, None)
        return picks.keys() | (old.picks.keys() if old is not None else set())

    def _moved(self, old: dict[str, Pick], new: dict[str, Pick]) -> bool:
        """Another game or another bet, or an edge that alone would move its stake enough."""
        if old.keys() != new.keys():
            return True
        return any(
            now is not old[game_id].one
            and (
                _terms(now) != _terms(old[game_id].one)
                or abs((now.kelly_full or 0.0) - (old[game_id].one.kelly_full or 0.0))
                * self._staking.fraction
                > self._staking.min_move
            )
            for game_id, (_, now) in new.items()
        )

    def _say(self, game: Game, cause: _Cause) -> list[Stake]:
        """Of the markets of which there is something new to say."""
        out: list[Stake] = []
        for one in game.priced.candidates:
            slate = self._bankroll.slates.get((one.paper, game.priced.simulated))
            pick = slate.picks.get(game.priced.game_id) if slate is not None else None
            if slate is not None and pick is not None and pick.one.market is one.market:
                sized = slate.found.stakes[game.priced.game_id]
                reasons = tuple([sized.refusal] if sized.refusal else [])
                out += self._news(game, pick, sized, reasons, slate, cause)
            else:
                reasons = self._reasons(game, one)
                nothing = Sized(0.0, 0.0, None)
                out += self._news(game, Pick(game.priced, one), nothing, reasons, None, cause)
        return out

    def _reasons(self, game: Game, one: Candidate) -> tuple[Refusal, ...]:
        """Why a market is not among those that are sized."""
        reasons = [*game.judged.refusals[one.market]]
        if game.dropped is not None:
            reasons.append(game.dropped)
        # Of one game the best market only.
        reasons += self._bankroll.against or ([] if reasons else [Refusal.OUTWEIGHED])
        return tuple(dict.fromkeys(reasons))

    def _news(
        self,
        game: Game,
        pick: Pick,
        sized: Sized,
        reasons: tuple[Refusal, ...],
        slate: Slate | None,
        cause: _Cause,
    ) -> list[Stake]:
        market, one = pick.one.market, pick.one
        said = Said(
            sized.fraction,
            sized.amount,
            reasons,
            one.side,
            one.book,
            one.line,
            one.model_version,
            one.paper,
            one.part,
        )
        if not self._differs(game.said.get(market), said):
            return []
        game.said[market] = said
        return [self._stake(pick, said, slate, cause)]

    def _differs(self, old: Said | None, new: Said) -> bool:
        if old is None or old.refusals != new.refusals:
            return True
        if new.refusals:
            return False
        if old[3:] != new[3:]:
            return True
        least = self._staking.min_move
        return (
            abs(new.fraction - old.fraction) > least
            or abs(new.amount - old.amount) > least * self._bankroll.account.balance
        )

    def _stake(self, pick: Pick, said: Said, slate: Slate | None, cause: _Cause) -> Stake:
        game, one = pick
        decided_us = max(cause.at_us, game.as_of_us)
        balance = self._bankroll.account.balance
        basis = [
            self._digest,
            cause,
            game.packed(),
            one.market,
            said.refusals,
            balance,
            sorted(slate.held.items()) if slate else None,
            [[i, p.game.position, list(p.one)] for i, p in sorted(slate.picks.items())]
            if slate
            else None,
        ]
        # One id must not stand for two values, so it holds all that the value depends on; nor for
        # two words, or readers would drop the second: so it holds what led to it.
        digest = sha256(msgpack.packb(basis)).hexdigest()[:12]
        stake_id = (
            f"{game.game_id}:{game.position}:{one.market.value}:{one.model_version}"
            f":{self._staking.name}{one.part.suffix}:{digest}"
        )
        return Stake.model_construct(
            game_id=game.game_id,
            position=game.position,
            as_of_us=game.as_of_us,
            simulated=game.simulated,
            role=one.part.role,
            experiment=one.part.experiment,
            share=one.part.share,
            stake_id=f"{stake_id}{PAPER_STAKE}" if one.paper else stake_id,
            market=one.market,
            model_version=one.model_version,
            bankroll=self._staking.name,
            side=one.side,
            book=one.book,
            line=one.line,
            price=one.price,
            probability=one.probability,
            edge=one.edge,
            kelly_full=one.kelly_full,
            fraction=said.fraction,
            amount=said.amount,
            refusals=list(said.refusals),
            paper=one.paper,
            push=one.push if one.side else None,
            decided_us=decided_us,
            balance=balance,
            slate={
                game_id: other.game.position
                for game_id, other in sorted(slate.picks.items())
                if game_id != game.game_id
            }
            if slate
            else None,
            held=slate.held if slate else None,
            growth=slate.found.growth if slate else None,
            kkt_residual=slate.found.kkt_residual if slate else None,
        )


def outgoing(stake: Stake) -> Outgoing:
    assert stake.decided_us is not None
    return Outgoing.of(Topic.STAKES, stake.game_id, stake.stake_id, stake.decided_us, stake)


def _terms(one: Candidate) -> tuple[object, ...]:
    """What makes a bet another one."""
    return one.market, one.side, one.book, one.line, one.model_version, one.part
