"""Only news is said, under ids that do not depend on when or how often it was heard."""

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from flows.sources.payload import Fact, Payload
from flows.sources.schedule import Listing
from flows.steps.news import Memory, News, news, stand
from schemas.events import BettingSplits, Event, GameUpdate, LineMovement, QuoteStatus
from schemas.markets import GameStatus, Market
from tests import samples
from tests.unit.facts import BOS_NYY, DAY, PK, listed, payload, priced

BOOKS = frozenset({"pinnacle", "circa", "draftkings"})
GAME = Listing(samples.GAME, ("mlb", "BOS", "NYY"), DAY, 1, samples.START, GameStatus.SCHEDULED, PK)


class Desk:
    """A memory, and everything that was said from it."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.said: list[Event] = []

    def hear(self, heard: Payload, *facts: Fact, full: bool = True) -> list[Event]:
        found = self.news(heard, facts, full).events
        self._say(found)
        return found

    def news(self, heard: Payload, facts: Iterable[Fact], full: bool = True) -> News:
        return news(self.memory, heard, [(GAME, fact) for fact in facts], full, BOOKS)

    def look(self, heard: Payload) -> list[Event]:
        found = stand(self.memory, heard, [GAME])
        self._say(found)
        return found

    def restarted(self) -> "Desk":
        other = Desk()
        for event in self.said:
            other.memory.remember(event)
        other.said = list(self.said)
        return other

    def _say(self, events: list[Event]) -> None:
        for event in events:
            self.memory.remember(event)
        self.said += events


def lines(events: Iterable[Event]) -> list[tuple[str, str, float | None]]:
    return [
        (one.book, one.status.value, one.price_home_over)
        for one in events
        if isinstance(one, LineMovement)
    ]


def test_the_first_payload_is_all_news_and_ends_settled() -> None:
    said = Desk().hear(payload(10, said=8), priced(said=5), priced(book="circa"))
    assert lines(said) == [("pinnacle", "open", 1.9), ("circa", "open", 1.9)]
    assert [one.settles for one in said] == [False, False, True]
    assert {one.occurred_at_us for one in said} == {samples.at(10)}, "when we could know it"
    game = said[0]
    assert isinstance(game, GameUpdate)
    assert (game.quotes_stand, game.home, game.start_time_us) == (
        True,
        "New York Yankees",
        samples.START,
    )
    # The source's own time where it gives one, else the payload's.
    assert said[1].event_id.split("-")[-2] == str(samples.at(5))
    assert said[2].event_id.split("-")[-2] == str(samples.at(8))
    assert said[2].event_id.startswith(f"oddsapi-{samples.GAME}-line-circa-moneyline-")


def test_the_same_payload_again_adds_nothing() -> None:
    desk = Desk()
    desk.hear(payload(10, said=8), priced())
    assert desk.hear(payload(10, said=8), priced()) == []
    assert desk.hear(payload(70, said=8), priced()) == [], "polled again, made at the same time"


def test_an_unchanged_price_in_a_newer_payload_is_confirmed_once() -> None:
    desk = Desk()
    desk.hear(payload(10, said=8), priced())
    again = desk.hear(payload(70, said=68), priced())
    assert [type(one) for one in again] == [GameUpdate]
    assert (again[0].event_id, again[0].settles) == (
        f"oddsapi-{samples.GAME}-stand-{samples.at(68)}",
        True,
    )


def test_a_look_that_finds_nothing_changed_confirms_too() -> None:
    desk = Desk()
    desk.hear(payload(10, said=8), priced())
    assert [one.occurred_at_us for one in desk.look(payload(70, said=69))] == [samples.at(70)]
    assert desk.look(payload(70, said=69)) == []
    assert len(desk.look(payload(130))) == 1, "without a time of its own, that of the look"


def test_a_move_is_news_and_what_is_older_is_not() -> None:
    desk = Desk()
    desk.hear(payload(10), priced(1.9, said=5))
    assert lines(desk.hear(payload(70), priced(1.8, said=65))) == [("pinnacle", "open", 1.8)]
    # A cache that still has the old board, and an old payload played again.
    assert lines(desk.hear(payload(80), priced(1.9, said=5))) == []
    assert lines(desk.hear(payload(10), priced(1.9, said=5))) == []
    assert lines(desk.hear(payload(130), priced(1.9, said=125))) == [("pinnacle", "open", 1.9)]
    ids = [one.event_id for one in desk.said]
    assert len(set(ids)) == len(ids)


def test_a_price_that_goes_back_under_one_time_of_the_source_is_told() -> None:
    desk = Desk()
    for second, price in ((10, 1.9), (70, 1.8), (130, 1.9)):
        desk.hear(payload(second), priced(price, said=5))
    assert [price for _, _, price in lines(desk.said)] == [1.9, 1.8, 1.9]
    ids = [one.event_id for one in desk.said]
    assert len(set(ids)) == len(ids), "readers drop what has an id that they have seen"


def test_a_book_that_is_gone_is_withdrawn_once_and_may_come_back() -> None:
    desk = Desk()
    desk.hear(payload(10), priced(said=5), priced(book="circa", said=5))
    gone = desk.hear(payload(70), priced(said=5))
    assert lines(gone) == [("circa", "withdrawn", None)]
    assert gone[-1].settles
    assert isinstance(gone[0], GameUpdate), "what is left is confirmed"
    assert lines(desk.hear(payload(130), priced(said=5))) == []
    back = desk.hear(payload(190), priced(said=5), priced(book="circa", said=4))
    assert lines(back) == [("circa", "open", 1.9)], "with a time before the last it had"
    assert len({one.event_id for one in desk.said}) == len(desk.said)


def test_a_game_without_any_quote_is_withdrawn_and_not_confirmed() -> None:
    desk = Desk()
    desk.hear(payload(10), priced())
    gone = desk.hear(payload(70), listed())
    assert lines(gone) == [("pinnacle", "withdrawn", None)]
    assert len(gone) == 1
    assert desk.hear(payload(130), listed()) == []


def test_a_payload_that_is_not_full_withdraws_and_confirms_nothing() -> None:
    desk = Desk()
    desk.hear(payload(10), priced(), priced(book="circa"))
    assert desk.hear(payload(70), priced(), full=False) == []


def test_a_row_that_is_refused_takes_the_old_price_with_it() -> None:
    desk = Desk()
    desk.hear(payload(10), priced(), priced(book="circa"))
    bad = priced(1.01, 1.01)  # an overround of 1.98
    found = desk.news(payload(70), [bad, priced(book="circa")])
    assert lines(found.events) == [("pinnacle", "withdrawn", None)]
    assert [one.reason for one in found.refused] == ["invalid"]
    assert b"1.01" in found.refused[0].original


def test_a_strange_book_is_refused_by_name() -> None:
    found = Desk().news(payload(10), [priced(book="pinacle"), priced()])
    assert lines(found.events) == [("pinnacle", "open", 1.9)]
    assert [(one.reason, one.original) for one in found.refused] == [("unknown_book", b"pinacle")]


def test_only_the_schedule_says_when_a_game_starts() -> None:
    desk = Desk()
    assert desk.hear(payload(10), listed()) == []
    told = desk.hear(payload(10, "mlb_stats"), listed(), full=False)
    assert [(type(one), one.settles) for one in told] == [(GameUpdate, True)]
    assert desk.hear(payload(70, "mlb_stats"), listed(), full=False) == []
    moved = listed(BOS_NYY, GameStatus.POSTPONED)
    again = desk.hear(payload(130, "mlb_stats"), moved, full=False)
    assert [one.status for one in again if isinstance(one, GameUpdate)] == [GameStatus.POSTPONED]


def test_american_and_decimal_prices_are_one_price() -> None:
    desk = Desk()
    american = priced()
    fields = american.fields | {
        "odds_format": "american", "price_home_over": -110, "price_away_under": 100,
    }  # fmt: skip
    desk.hear(payload(10), american._replace(fields=fields))
    # -110 pays 100 on 110: 21/11.
    assert lines(desk.hear(payload(70), priced(21 / 11, 2.0))) == []


def test_splits_of_two_books_are_two_things() -> None:
    def share(book: str, tickets: float) -> Fact:
        fields: dict[str, object] = {
            "book": book,
            "market": Market.MONEYLINE,
            "tickets_home_over_pct": tickets,
        }
        return Fact(BOS_NYY, BettingSplits, (book, "moneyline", "splits"), fields)

    desk = Desk()
    assert len(desk.hear(payload(10, "vsin"), share("circa", 60.0), share("draftkings", 60.0))) == 2
    moved = desk.hear(payload(70, "vsin"), share("circa", 61.0), share("draftkings", 60.0))
    assert [one.book for one in moved if isinstance(one, BettingSplits)] == ["circa"]


def test_events_of_others_are_not_taken_for_ours() -> None:
    desk = Desk()
    desk.memory.remember(samples.line(source="oddsapi"))
    desk.memory.remember(
        samples.line(source="oddsapi", event_id=f"oddsapi-abc-pinnacle-h2h-{10**15}")
    )
    assert len(desk.memory) == 0


_BOARD = st.dictionaries(
    st.sampled_from(sorted(BOOKS)), st.sampled_from([1.7, 1.8, 1.9, 2.0]), min_size=0
)


def _facts(board: dict[str, float], second: int) -> list[Fact]:
    own_time = {"circa": second - 1}  # a source may date some facts and not others
    return [
        listed(),
        *(priced(price, book=book, said=own_time.get(book)) for book, price in board.items()),
    ]


@settings(deadline=None)
@given(st.lists(_BOARD, min_size=1, max_size=8), st.data())
def test_repeats_and_restarts_anywhere_change_nothing(
    boards: list[dict[str, float]], data: st.DataObject
) -> None:
    heard = [
        (payload(60 * place, said=60 * place - 2), _facts(board, 60 * place))
        for place, board in enumerate(boards, 1)
    ]
    calm, other = Desk(), Desk()
    for one, facts in heard:
        calm.hear(one, *facts)
    for place, (one, facts) in enumerate(heard):
        for back in data.draw(st.lists(st.integers(0, place), max_size=2)):
            if back < place:  # what was heard before, played again
                other.hear(heard[back][0], *heard[back][1])
        if data.draw(st.booleans()):
            # Killed while it was saying this: a part is out.
            part = other.news(one, facts).events
            for event in part[: data.draw(st.integers(0, len(part)))]:
                other.memory.remember(event)
                other.said.append(event)
            other = other.restarted()
        other.hear(one, *facts)
        # The order in which a payload lists its rows says nothing.
        assert other.hear(one, *reversed(facts)) == []
    told = [(one.event_id, one.occurred_at_us) for one in other.said]
    assert sorted(told) == sorted((one.event_id, one.occurred_at_us) for one in calm.said)


@settings(deadline=None)
@given(st.lists(_BOARD, min_size=1, max_size=8))
def test_what_was_said_adds_up_to_the_board(boards: list[dict[str, float]]) -> None:
    desk, standing = Desk(), dict[str, float | None]()
    for place, board in enumerate(boards, 1):
        for event in desk.hear(payload(60 * place), *_facts(board, 60 * place)):
            if isinstance(event, LineMovement):
                open_ = event.status is QuoteStatus.OPEN
                standing[event.book] = event.price_home_over if open_ else None
        assert {book: price for book, price in standing.items() if price} == board


@settings(deadline=None)
@given(st.permutations(range(6)))
def test_sources_do_not_disturb_each_other(order: list[int]) -> None:
    # Three answers of each of two sources; between the sources any order may come.
    queues = {
        "oddsapi": [(payload(60 * at), [priced(1.7 + at / 10)]) for at in range(1, 4)],
        "sbd": [(payload(60 * at, "sbd"), [priced(1.8 + at / 10)]) for at in range(1, 4)],
    }
    calm, mixed = Desk(), Desk()
    for answers in queues.values():
        for one, facts in answers:
            calm.hear(one, *facts)
    waiting = {name: list(answers) for name, answers in queues.items()}
    for number in order:
        one, facts = waiting["oddsapi" if number % 2 else "sbd"].pop(0)
        mixed.hear(one, *facts)
    assert sorted(one.event_id for one in mixed.said) == sorted(one.event_id for one in calm.said)
