"""The ledger flow: advice, bets and gradings into the bankrolls' books, each once.

    read     a batch of records                                connectors/topic_reader
    take     bytes -> facts, or a dead letter                  steps/ledger
    book     bookings and positions in one transaction         connectors/ledger_store
    say      balances that changed, bankrolls that stop        topic bankrolls

While Postgres is away nothing is booked and nothing is said, so a bankroll that must hear of its
ledger (`ledger_minutes`) stakes nothing; Kafka keeps what has not been read.
"""

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import TypeVar

from flows.connectors.ledger_store import DOWN, REFUSED, Done, LedgerStore
from flows.connectors.postgres import NotAlone
from flows.connectors.reading import Complaints, Mend, Stopped
from flows.connectors.topic_reader import Positions, TopicReader
from flows.outage import Outage
from flows.steps.curate import REFUSED_BY_DATABASE
from flows.steps.decode import DecodeRules, dead_letter
from flows.steps.ledger import LEDGER_INPUTS, Fact, Taken, Told, stop_of, take_batch
from flows.steps.records import Outgoing, Producer
from schemas.errors import RejectedEvent
from schemas.settings import Settings
from schemas.time import US_PER_SECOND

log = logging.getLogger(__name__)

LEDGER_GROUP = "steamline-ledger"
"""Consumer group under which the ledger flow shows its progress."""
BATCH = 1_000
"""Records of one transaction, at most."""
READ_SECONDS = 0.2
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Between tries to reach Postgres."""
_MEND = Mend(
    "booked",
    "run `steamline run ledger --accept-gap` once to go on without them, and adjust by hand",
    "run `steamline run ledger --accept-gap` once to read it from its beginning",
)

T = TypeVar("T")


def say(producer: Producer, told: Iterable[Told], stops: Iterable[Fact]) -> None:
    """Returns once everybody can hear it."""
    for one in told:
        producer.send(one.message())
    for fact in stops:
        stop = stop_of(fact)
        log.warning("%s is stopped: %s", stop.key, fact.why)
        producer.send(stop)
    producer.confirm()


class Account(Outage):
    """What became of the facts, and whether Postgres answers; read from other threads."""

    def __init__(self, clock_us: Callable[[], int]) -> None:
        super().__init__(clock_us)
        self.booked: Counter[str] = Counter()
        """Transactions by kind."""
        self.refused: Counter[str] = Counter()
        """Dead letters by reason."""
        self.short: Counter[str] = Counter()
        """Stakes for which too little was free, by bankroll."""
        self.passed: Counter[str] = Counter()
        """Facts of bankrolls that have no ledger, by bankroll."""
        self.balance: dict[str, Decimal] = {}
        """Of each bankroll, as last told."""
        self.stopped: Counter[str] = Counter()
        """Stops that the ledger has told, by bankroll."""
        self.committed_us: int | None = None


class Keeper:
    """Brings facts into the store, come what may, and says what has come of it."""

    def __init__(
        self,
        store: LedgerStore,
        producer: Producer,
        clock_us: Callable[[], int],
        stopping: Callable[[], bool] = lambda: False,
        account: Account | None = None,
    ) -> None:
        self._store, self._producer = store, producer
        self._clock_us, self._stopping = clock_us, stopping
        self._complain = Complaints()
        self._beaten_us = 0
        self.account = account or Account(clock_us)

    def greet(self) -> Positions:
        """Say again what was said last, as it may not have been heard; how far the books are."""
        told, stops = self.patiently(self._store.said)
        self._say(told, stops)
        return self.patiently(self._store.positions)

    def bring(
        self,
        taken: Sequence[Taken],
        letters: Sequence[Outgoing],
        begins: Positions,
        ends: Positions,
    ) -> None:
        """Returns once all of it is booked, and said.

        Raises Stopped when asked to end while it waits, OtherReader, DeliveryFailed.
        """
        self._deliver(letters)
        try:
            done = self._follow(taken, begins, ends)
        except REFUSED:
            now_us = self._clock_us()
            refused = self.patiently(lambda: self._store.refused(taken, now_us))
            if not refused:
                raise
            self._deliver(
                dead_letter(taken[number].record, RejectedEvent(REFUSED_BY_DATABASE, why))
                for number, why in sorted(refused.items())
            )
            left = [one for number, one in enumerate(taken) if number not in refused]
            done = self._follow(left, begins, ends)
        if done is None:
            # It was booked, and the answer was lost: so nobody has heard.
            self._say(*self.patiently(self._store.said))
            return
        self._count(done)
        self._say(done.told, done.books.stops(new=True))

    def _follow(self, taken: Sequence[Taken], begins: Positions, ends: Positions) -> Done | None:
        """Once, even where the answer to a commit was lost: then none."""
        tried = False

        def follow() -> Done | None:
            nonlocal tried
            if tried:
                stored = self._store.positions()
                if all(stored.get(lane) == at for lane, at in ends.items()):
                    return None
            tried = True
            return self._store.follow(taken, begins, ends, self._clock_us(), self._deliver)

        return self.patiently(follow)

    def beat(self, every_us: int) -> None:
        """Say every balance again, where the last time is so long ago."""
        if self._clock_us() - self._beaten_us < every_us:
            return
        told = self.patiently(lambda: self._store.beat(self._clock_us()))
        self._say(told, [])
        self._beaten_us = self._clock_us()

    def patiently(self, question: Callable[[], T]) -> T:
        """Asks the store until it answers. Raises Stopped."""
        pause = FIRST_PAUSE
        while True:
            try:
                self._store.open()
                answer = question()
                self.account.answered()
                return answer
            except NotAlone as other:
                self._complain("waiting: %s", other)
            except DOWN as down:
                text = str(down).partition("\n")[0]
                self._complain("waiting for Postgres: %s: %s", type(down).__name__, text)
                self._store.close()
                self.account.gone()
            if self._stopping():
                raise Stopped
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _count(self, done: Done) -> None:
        self.account.committed_us = self._clock_us()
        self.account.booked.update(one.kind.value for one in done.books.booked)
        self.account.passed.update(done.books.passed)
        for bankroll, count in done.books.short.items():
            self.account.short[bankroll] += count
            self._complain(
                "%s: too little is free to reserve for %d stakes (%d so far)",
                bankroll,
                count,
                self.account.short[bankroll],
            )

    def _say(self, told: Sequence[Told], stops: Sequence[Fact]) -> None:
        say(self._producer, told, stops)
        self.account.balance.update((one.bankroll, one.balance) for one in told)
        self.account.stopped.update(one.said.bankroll for one in stops)

    def _deliver(self, letters: Iterable[Outgoing]) -> None:
        some = list(letters)
        for letter in some:
            self.account.refused[json.loads(letter.value)["reason"]] += 1
            self._producer.send(letter)
        if some:
            self._producer.confirm()


def keep_ledger(
    settings: Settings,
    producer: Producer,
    clock_us: Callable[[], int],
    stopping: Callable[[], bool],
    once: bool = False,
    accept_gap: bool = False,
    account: Account | None = None,
) -> Account:
    """Until asked to stop, or until the current ends of the topics where it is to run `once`.

    Raises what ends it: OffsetOutOfRange, OtherReader, DeliveryFailed, DependencyDown.
    """
    rules = DecodeRules.of(settings)
    store = LedgerStore(settings.postgres, alone_on=settings.kafka.prefix)
    keeper = Keeper(store, producer, clock_us, stopping, account)
    every_us = round(settings.ledger.heartbeat_seconds * US_PER_SECOND)
    reader: TopicReader | None = None
    try:
        stored = keeper.greet()
        reader = TopicReader(settings.kafka, LEDGER_INPUTS, LEDGER_GROUP, _MEND, stopping=stopping)
        gone = reader.resume(stored, accept_gap)
        if gone:
            ends = dict.fromkeys(gone, 0)
            keeper.bring([], [], {lane: stored[lane] for lane in gone}, ends)
            stored = stored | ends
        log.info("keeping the ledger of %s", settings.kafka.prefix)
        while not stopping():
            reader.grown()
            records = reader.read(BATCH, READ_SECONDS)
            ends = dict(reader.at)
            begins = {lane: at for lane, at in stored.items() if lane in ends}
            if records or ends != begins:
                keeper.bring(*take_batch(records, rules), begins, ends)
                stored = stored | ends
                reader.show(ends)
            if not records and once and reader.at_end():
                break
            if len(records) < BATCH:
                # Else more has come than is booked: the balance is not that of now.
                keeper.beat(every_us)
    except Stopped:
        pass
    finally:
        if reader is not None:
            reader.close()
        store.close()
    return keeper.account
