"""Records that the score flow reads: events of games, and what is said of bankrolls."""

from flows.steps.allocate import Numbered
from flows.steps.decode import Decoded, DecodeRules, dead_letter, decode_batch, not_ahead, parse
from flows.steps.records import Outgoing, Record
from schemas.bets import ALL_BANKROLLS, BankrollUpdate
from schemas.errors import RejectedEvent
from schemas.topics import Topic

BANKROLLS_KEY = "*bankrolls"
"""In place of a game id, and none."""


def decode_all(
    records: list[Record], rules: DecodeRules, first: int = 0
) -> list[tuple[str, Decoded] | tuple[str, Numbered] | Outgoing]:
    """Every record under a key, or as a dead letter, in order.

    first: number of the first record.
    """
    if all(record.topic is not Topic.BANKROLLS for record in records):
        return [*decode_batch(records, rules, first)]
    out: list[tuple[str, Decoded] | tuple[str, Numbered] | Outgoing] = []
    for number, record in enumerate(records, first):
        if record.topic is not Topic.BANKROLLS:
            out += decode_batch([record], rules, number)
            continue
        try:
            out.append((BANKROLLS_KEY, Numbered(number, decode_update(record, rules))))
        except RejectedEvent as rejected:
            out.append(dead_letter(record, rejected))
    return out


def decode_update(record: Record, rules: DecodeRules) -> BankrollUpdate:
    """What is said of a bankroll. Raises RejectedEvent with a reason code."""
    update = parse(record)
    assert isinstance(update, BankrollUpdate)
    if record.key is None or record.key != update.bankroll.encode():
        detail = f"key {record.key!r} is not the bankroll {update.bankroll}"
        raise RejectedEvent("wrong_key", detail)
    not_ahead(update.occurred_at_us, record, rules)
    return update


def switch(stopped: bool, reason: str, bankroll: str | None, now_us: int) -> Outgoing:
    """The word that stops a bankroll, or all, or lets them go again."""
    name = bankroll or ALL_BANKROLLS
    update = BankrollUpdate(
        update_id=f"{'stop' if stopped else 'resume'}:{name}:{now_us}",
        bankroll=name,
        occurred_at_us=now_us,
        stopped=stopped,
        reason=reason,
        source="operator",
    )
    return Outgoing.of(Topic.BANKROLLS, name, update.update_id, now_us, update)
