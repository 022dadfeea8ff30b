"""Resume tokens: what is written is read again, the same everywhere, and junk is refused."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.tokens import MAX_TOKEN, BadToken, Layout, Position, Shape

SHAPES = (Shape("a", "1", 3), Shape("b"), Shape("c", "2", 2))
LAYOUT = Layout().grown("cluster", SHAPES)
OFFSET = st.integers(0, 2**63 - 1)


@given(st.lists(OFFSET, min_size=5, max_size=5))
def test_there_and_back(offsets: list[int]) -> None:
    token = Position(LAYOUT, offsets).token
    assert LAYOUT.parse(token) == offsets
    moved = Position(LAYOUT, [0] * 5)
    for place, offset in enumerate(offsets):
        moved.move(place, offset)
    assert moved.token == token, "however it came there"
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), (
        "fit for a header and an address"
    )


def test_by_hand() -> None:
    """3 partitions at 0, 1 and 300 (LEB128 ac 02), a missing topic, 2 partitions at 5 and 127."""
    token = Position(LAYOUT, [0, 1, 300, 5, 127]).token
    packed = bytes.fromhex("03 00 01 ac02 00 02 05 7f")
    assert token.partition("-")[2] == base64.urlsafe_b64encode(packed).decode().rstrip("=")


def test_replicas_that_found_topics_in_another_order_agree() -> None:
    late = Layout().grown("cluster", (Shape("a"), Shape("b"), SHAPES[2])).grown("cluster", SHAPES)
    assert late.numbers != LAYOUT.numbers
    token = Position(LAYOUT, [7, 8, 9, 5, 6]).token
    there = dict(zip(late.numbers, range(5), strict=True))
    assert [late.parse(token)[there[place]] for place in LAYOUT.numbers] == [7, 8, 9, 5, 6]
    assert Position(late, late.parse(token)).token == token


def test_an_id_of_before_a_topic_existed_goes_on_with_its_beginning() -> None:
    before = Layout().grown("cluster", (SHAPES[0], Shape("b"), Shape("c")))
    assert LAYOUT.parse(Position(before, [1, 2, 3]).token) == [1, 2, 3, 0, 0]


@pytest.mark.parametrize(
    ("cluster", "shapes", "says"),
    [
        ("other", SHAPES, "made anew since this id, or on another cluster"),
        ("cluster", (Shape("a", "9", 3), *SHAPES[1:]), "made anew"),
        ("cluster", (Shape("a", "1", 2), *SHAPES[1:]), "more partitions"),
        ("cluster", (SHAPES[0], Shape("x", "", 0), Shape("d", "2", 2)), "made anew"),
    ],
)
def test_other_topics_are_another_epoch(cluster: str, shapes: tuple[Shape, ...], says: str) -> None:
    token = Position(LAYOUT, [1] * 5).token
    with pytest.raises(BadToken, match=says):
        Layout().grown(cluster, shapes).parse(token)


def wrapped(packed: bytes) -> str:
    return f"{LAYOUT.epoch([3, 0, 2])}-{base64.urlsafe_b64encode(packed).decode().rstrip('=')}"


@pytest.mark.parametrize(
    "junk",
    [
        "",
        "-",
        "7f3a19c2-41",
        "x" * (MAX_TOKEN + 1),
        wrapped(b""),
        wrapped(bytes((3, 0, 0, 0, 0, 2, 0))),  # one too few
        wrapped(bytes((3, 0, 0, 0, 0, 2, 0, 0, 0))),  # one too many
        wrapped(bytes((3, 0, 0, 0, 0, 2, 0, 0x80))),  # cut off in a number
        wrapped(bytes((3, 0, 0, 0, 0, 2, 0, 0x80, 0))),  # a zero in two bytes
        wrapped(bytes((3, *b"\xff" * 9, 0x7F, 0, 0, 0, 2, 0, 0))),  # beyond 63 bits
        wrapped(bytes((3, 0, 0, 0, 0, 2, 0, 0))) + "\n",
        wrapped(bytes((3, 0, 0, 0, 0, 2, 0, 0))).replace("-", "\u2212"),
    ],
)
def test_junk_is_refused(junk: str) -> None:
    with pytest.raises(BadToken):
        LAYOUT.parse(junk)


@given(
    st.text(max_size=60)
    | st.binary(max_size=40).map(lambda packed: wrapped(packed).replace("-", "-A", 1))
)
def test_no_text_at_all_is_more_than_refused(text: str) -> None:
    with pytest.raises(BadToken):
        LAYOUT.parse(text)
