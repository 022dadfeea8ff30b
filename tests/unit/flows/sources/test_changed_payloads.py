"""A payload that changed is refused, never read as less; nothing raises; facts are valid."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.sources.action_network_history import MARKETS
from flows.sources.payload import Fact, Refusal
from tests.unit.flows.sources.payloads import (
    BOARD,
    CASES,
    HISTORY,
    JSON_CASES,
    ODDS,
    SCHEDULE,
    SNAPSHOT,
    VSIN,
    Case,
    facts_of,
    holder,
    paths,
    refusals_of,
)

# Without them we know less, or another time, and that is no change of the format.
OPTIONAL = {
    ODDS.file: {"last_update"},  # the bookmaker's stands in for the market's
    SNAPSHOT.file: set(),
    SCHEDULE.file: {
        "probablePitcher",
        "resumedFrom",
        # How far a game got: without it settlement asks a person, or says what it assumes.
        "scheduledInnings",
    },
    HISTORY.file: {"line_status", "is_live", "is_alt_market"},
}

# Which books quote which markets: without one there is less to say.
CONTENT = {"15", "30", "68", "69", *MARKETS}
CONTENT_OF = {BOARD.file: CONTENT, HISTORY.file: CONTENT}


def check(made: Sequence[Fact | Refusal]) -> None:
    for fact in facts_of(made):
        common: dict[str, object] = {
            "event_id": "e",
            "game_id": f"mlb-2026-07-20-{fact.meeting.away}-{fact.meeting.home}-1",
            "source": "s",
            "occurred_at_us": 1_790_000_000_000_000,
        }
        fact.model.model_validate(common | fact.fields)
    for refusal in refusals_of(made):
        assert refusal.reason
        assert refusal.detail
        refusal.detail.encode()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_the_fixture_is_read_whole(case: Case) -> None:
    made = case.read()
    assert facts_of(made)
    assert not refusals_of(made)
    check(made)


@pytest.mark.parametrize("case", JSON_CASES, ids=lambda case: case.file)
@pytest.mark.parametrize("rename", [False, True])
def test_no_key_goes_unnoticed(case: Case, rename: bool) -> None:
    whole = case.read()
    keys = [path for path in paths(json.loads(case.body())) if isinstance(path[-1], str)]
    assert len(keys) > 10

    for path in keys:
        if not rename and path[-1] in CONTENT_OF.get(case.file, ()):
            continue

        def change(document: Any, path: tuple[str | int, ...] = path) -> None:
            inside = holder(document, path)
            value = inside.pop(path[-1])
            if rename:
                inside[f"{path[-1]}_new"] = value

        made = case.changed(change)
        check(made)
        if not refusals_of(made) and path[-1] not in OPTIONAL.get(case.file, ()):
            assert made == whole, path
        if len(facts_of(made)) < len(facts_of(whole)):
            assert refusals_of(made), path


@pytest.mark.parametrize("case", JSON_CASES, ids=lambda case: case.file)
@pytest.mark.parametrize("other", [None, True, "x", -7, [], {}], ids=repr)
def test_no_change_of_type_loses_facts_in_silence(case: Case, other: object) -> None:
    whole = case.read()
    for path in paths(json.loads(case.body())):

        def change(document: Any, path: tuple[str | int, ...] = path) -> None:
            holder(document, path)[path[-1]] = other

        made = case.changed(change)
        check(made)
        emptied = other in ([], {}) and isinstance(other, list | dict)
        if len(facts_of(made)) < len(facts_of(whole)) and not emptied:
            assert refusals_of(made), path


BREAKS = (
    "sp-table",
    "sp-row",
    "sp-source-dk",
    "sp-team-link",
    "data-gamecode",
    "<th>Spread</th>",
    "<th>Total</th>",
    "<th>Money</th>",
    "<th>Handle</th>",
    "<th>Bets</th>",
    "35%",
    "20260720MLB",
    "<td>",
    "New York Yankees",
)


@pytest.mark.parametrize("what", BREAKS)
@pytest.mark.parametrize("how", ["", "new"])
@pytest.mark.parametrize("everywhere", [False, True])
def test_a_redesigned_page_does_not_go_unnoticed(what: str, how: str, everywhere: bool) -> None:
    page = VSIN.body().decode()
    assert what in page
    made = VSIN.read(page.replace(what, how, -1 if everywhere else 1).encode())
    check(made)
    whole = facts_of(VSIN.read())
    assert refusals_of(made) or facts_of(made) == whole
    if everywhere:
        assert refusals_of(made)


NOT_OURS = (
    b"",
    b"null",
    b"true",
    b"12",
    b'"text"',
    b'{"message": "quota reached"}',
    b"<html><body>Access denied</body></html>",
    b"[" * 100_000,
    b'{"games": ' * 2_000 + b"1" + b"}" * 2_000,
    b"\xff\xfe\x00",
    b"[NaN]",
    b"9" * 10_000,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
@pytest.mark.parametrize("body", NOT_OURS, ids=range(len(NOT_OURS)))
def test_what_is_no_such_payload_is_refused_whole(case: Case, body: bytes) -> None:
    made = case.read(body)
    assert [one.reason for one in refusals_of(made)] == ["payload_changed"]
    assert not facts_of(made)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=400))
def test_bytes_never_raise(case: Case, body: bytes) -> None:
    check(case.read(body))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=())),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(), inside, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("case", JSON_CASES, ids=lambda case: case.file)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_json_with_anything_in_it_never_raises(case: Case, data: st.DataObject) -> None:
    document = json.loads(case.body())
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(paths(document)) or [("none",)]))
        if path == ("none",):
            break
        holder(document, path)[path[-1]] = data.draw(json_values)
    check(case.read(json.dumps(document).encode()))


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_torn_page_never_raises(data: st.DataObject) -> None:
    page = VSIN.body()
    start = data.draw(st.integers(0, len(page)))
    end = data.draw(st.integers(start, len(page)))
    check(VSIN.read(page[:start] + data.draw(st.binary(max_size=40)) + page[end:]))
