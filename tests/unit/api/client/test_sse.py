"""Streams made by hand, read as section 9.2.6 of the HTML standard says; its own examples too."""

import pytest

from api.client.sse import Frame, Parser

CASES: list[tuple[str, bytes, list[tuple[str, str, str]]]] = [
    # The standard's examples, in their order.
    (
        "three lines of data",
        b"data: YHOO\ndata: +2\ndata: 10\n\n",
        [("message", "YHOO\n+2\n10", "")],
    ),
    (
        "a comment, an id, an empty id, a space too many",
        b": test stream\n\ndata: first event\nid: 1\n\n"
        b"data:second event\nid\n\ndata:  third event\n\n",
        [("message", "first event", "1"), ("message", "second event", ""),
         ("message", " third event", "")],
    ),
    (
        "empty data is an event, and what does not end is none",
        b"data\n\ndata\ndata\n\ndata:",
        [("message", "", ""), ("message", "\n", "")],
    ),
    ("one space is no part of the value", b"data:test\n\ndata: test\n\n",
     [("message", "test", ""), ("message", "test", "")]),
    # Its rules.
    ("a byte order mark", b"\xef\xbb\xbfdata: a\n\n", [("message", "a", "")]),
    ("one of them alone", b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n",
     [("message", "b", "")]),
    ("not later either", b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [("message", "a", "")]),
    ("carriage returns", b"event: x\rdata: a\rdata: b\r\r", [("x", "a\nb", "")]),
    ("both", b"event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n", [("x", "a", ""), ("message", "b", "")]),
    ("mixed ends", b"data: a\r\ndata: b\rdata: c\n\r\n", [("message", "a\nb\nc", "")]),
    ("line ends of other worlds are text", "data: a\u2028b\x0bc\x85d\n\n".encode(),
     [("message", "a\u2028b\x0bc\x85d", "")]),
    ("without data there is no event, and its name is gone", b"event: x\n\ndata: a\n\n",
     [("message", "a", "")]),
    ("an id stays", b"id: 7\ndata: a\n\ndata: b\n\n",
     [("message", "a", "7"), ("message", "b", "7")]),
    ("an id without data counts", b"id: 7\n\ndata: b\n\n", [("message", "b", "7")]),
    ("an id with a NUL is ignored", b"id: 7\ndata: a\n\nid: 8\x00\ndata: b\n\n",
     [("message", "a", "7"), ("message", "b", "7")]),
    ("the last event name counts", b"event: x\nevent: y\ndata: a\n\n", [("y", "a", "")]),
    ("unknown fields, and names in capitals", b"Data: a\nfoo: b\ndata: c\n\n",
     [("message", "c", "")]),
    ("only the first colon parts", b"data: a: b:c\n\n", [("message", "a: b:c", "")]),
    ("bytes that are no UTF-8", b"data: a\xffb\n\n", [("message", "a\ufffdb", "")]),
    ("names from everywhere", "data: Ōtani 大谷 🏟\n\n".encode(), [("message", "Ōtani 大谷 🏟", "")]),
]  # fmt: skip


@pytest.mark.parametrize(("stream", "events"), [case[1:] for case in CASES],
                         ids=[case[0] for case in CASES])  # fmt: skip
def test_a_stream_in_one_piece_and_byte_by_byte(
    stream: bytes, events: list[tuple[str, str, str]]
) -> None:
    wanted = [Frame(*event) for event in events]
    assert Parser().feed(stream) == wanted
    byte_by_byte = Parser()
    assert [
        one for i in range(len(stream)) for one in byte_by_byte.feed(stream[i : i + 1])
    ] == wanted


@pytest.mark.parametrize(
    ("said", "milliseconds"),
    [("10", 10), ("0", 0), ("007", 7), ("+5", None), ("-5", None), ("1.5", None), ("1_0", None),
     ("", None), (" 5", None), ("٣", None)],
)  # fmt: skip
def test_retry_is_digits_alone(said: str, milliseconds: int | None) -> None:
    parser = Parser()
    assert parser.feed(f"retry: {said}\n".encode()) == []
    assert parser.retry_ms == milliseconds


def test_an_event_ends_with_its_carriage_return() -> None:
    """It does not wait for a line feed that may never come."""
    parser = Parser()
    assert parser.feed(b"data: a\r\r") == [Frame("message", "a", "")]
    assert parser.feed(b"\ndata: b\n\n") == [Frame("message", "b", "")]


def test_a_stream_goes_on_from_the_id_of_the_one_before() -> None:
    parser = Parser("42")
    assert parser.feed(b"event: gap\ndata: {}\n\n") == [Frame("gap", "{}", "42")]
