"""Which messages an endpoint wants, and what it is sent of them."""

import string
from collections.abc import Iterable
from fnmatch import fnmatchcase
from urllib.parse import quote

from pydantic import BaseModel

from flows.steps.records import Record
from schemas.bets import Settlement
from schemas.decisions import Alert, Stake
from schemas.sections.webhooks import Endpoint
from schemas.time import from_us
from schemas.topics import CONTRACTS

_PLAIN = string.punctuation.replace("%", "")
"""Characters of an id that may stand in a header as they are, beside letters and digits."""


class Choice:
    """An endpoint's filters.

    A stake is a whole position and stands until another message. So one that is too small to be
    told is told all the same where it takes the place of one that was: else the receiver would hold
    on to a bet that is not wanted any more.
    """

    def __init__(self, endpoint: Endpoint, standing: Iterable[str] = ()) -> None:
        self._endpoint = endpoint
        self.standing = set(standing)
        """Positions of which the receiver was told more than nothing: `bankroll game market`."""

    def wants(self, message: BaseModel) -> bool:
        one = self._endpoint
        assert isinstance(message, Stake | Alert | Settlement)
        if one.games and not any(fnmatchcase(message.game_id, game) for game in one.games):
            return False
        if one.markets and message.market is not None and message.market not in one.markets:
            return False
        if isinstance(message, Alert):
            return not one.alerts or message.kind in one.alerts
        if one.bankrolls and message.bankroll not in one.bankrolls:
            return False
        return isinstance(message, Settlement) or self._wants_stake(message)

    def _wants_stake(self, stake: Stake) -> bool:
        if _position(stake) in self.standing:
            return True
        large = stake.amount >= self._endpoint.min_amount
        if self._endpoint.min_edge > 0:
            large = large and stake.edge is not None and stake.edge >= self._endpoint.min_edge
        return large

    def told(self, message: BaseModel) -> None:
        """Of a message that was wanted, once it is done with and not before: a stop or a kill in
        between must find the choice as it was."""
        if not isinstance(message, Stake):
            return
        if message.amount > 0:
            self.standing.add(_position(message))
        else:
            self.standing.discard(_position(message))


def _position(stake: Stake) -> str:
    return f"{stake.bankroll} {stake.game_id} {stake.market.value}"


def body_of(record: Record, message: BaseModel) -> bytes:
    """The same bytes whenever it is made. The message stands in it as it does on Kafka."""
    moment = from_us(getattr(message, CONTRACTS[record.topic].time))
    when = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    head = f'{{"type":"{record.topic.value}","timestamp":"{when}","data":'
    return head.encode() + record.value + b"}"


def id_of(record: Record, message: BaseModel) -> str:
    """The message's own id, as a header can carry it."""
    return quote(getattr(message, CONTRACTS[record.topic].identity), safe=_PLAIN)
