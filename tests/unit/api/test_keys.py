"""What a key looks like and what is kept of it."""

import string

import pytest
from argon2 import PasswordHasher, extract_parameters
from hypothesis import given
from hypothesis import strategies as st

from api.keys import (
    Key,
    Scope,
    hash_of,
    holds_key,
    matches,
    new_id,
    new_secret,
    parts,
    without_keys,
    written,
)

HOUR = 3_600_000_000


def key(**over: object) -> Key:
    made = {
        "key_id": "abcdefghijk1",
        "name": "bot",
        "scopes": frozenset({Scope.READ}),
        "created_us": 0,
        "hashes": (("new", None), ("old", HOUR)),
    }
    return Key(**{**made, **over})  # type: ignore[arg-type]


def test_a_key_is_its_id_and_a_secret_of_256_bits() -> None:
    key_id, secret = new_id(), new_secret()
    assert parts(written(key_id, secret)) == (key_id, secret)
    assert len(string.ascii_letters + string.digits) ** len(secret) > 2**256
    assert len({new_secret() for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sl_",
        "sl__",
        "sl_abcdefghijk1_",
        "sl_abcdefghijk1_" + "x" * 42,
        "sl_abcdefghijk1_" + "x" * 44,
        "sl_ABCDEFGHIJK1_" + "x" * 43,
        " sl_abcdefghijk1_" + "x" * 43,
        "sl_abcdefghijk1_" + "x" * 43 + "\n",
        "sl_abcdefghijk1_" + "x" * 42 + "é",
        "sl_abcdefghijk1_" + "x" * 42 + "\N{ARABIC-INDIC DIGIT ONE}",
    ],
)
def test_what_is_no_key(text: str) -> None:
    assert parts(text) is None


def test_a_secret_is_kept_as_argon2id_and_found_again() -> None:
    secret = new_secret()
    kept = hash_of(secret)
    assert secret not in kept
    assert kept != hash_of(secret), "salted"
    # The OWASP cheat sheet's smallest: 19 MiB, two passes, one lane.
    said = extract_parameters(kept)
    assert (said.type.name, said.memory_cost, said.time_cost, said.parallelism) == (
        "ID",
        19 * 1024,
        2,
        1,
    )
    assert PasswordHasher().verify(kept, secret), "another verifier agrees"
    other = hash_of(new_secret())
    assert matches(secret, [other, kept]) == kept
    assert matches(secret, [other]) is None
    assert matches(secret, []) is None
    assert matches(secret, ["no hash"]) is None


def test_as_much_is_compared_whether_there_is_a_key_or_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[str] = []

    class Counting:
        def verify(self, one: str, secret: str) -> bool:
            compared.append(one)
            return True

    monkeypatch.setattr("api.keys._HASHER", Counting())
    counts = []
    for hashes in ([], ["a"], ["a", "b"]):
        compared.clear()
        matches("secret", hashes)
        counts.append(len(compared))
    assert counts == [2, 2, 2]


def test_an_old_secret_holds_until_its_time_and_the_new_one_on() -> None:
    assert key().valid_hashes(HOUR - 1) == ["new", "old"]
    assert key().valid_hashes(HOUR) == ["new"]


def test_it_lapses_when_it_expires_or_is_revoked() -> None:
    assert key().lapsed(10**18) is None
    assert key(expires_us=HOUR).lapsed(HOUR - 1) is None
    assert key(expires_us=HOUR).lapsed(HOUR) == "expired"
    assert key(expires_us=HOUR, revoked_us=5).lapsed(HOUR) == "revoked"


def test_a_scope_gives_itself_and_admin_gives_all() -> None:
    table = {one: [two for two in Scope if key(scopes=frozenset({one})).may(two)] for one in Scope}
    assert table == {
        Scope.READ: [Scope.READ],
        Scope.STAKE: [Scope.STAKE],
        Scope.ADMIN: [Scope.READ, Scope.STAKE, Scope.ADMIN],
    }


@given(st.text(), st.text())
def test_a_key_is_seen_wherever_it_stands(before: str, after: str) -> None:
    made = written("abcdefghijk1", "S" * 43)
    assert holds_key(before + made + after)
    assert "S" * 43 not in without_keys(before + made + after)


def test_words_that_are_no_keys_stay() -> None:
    for text in ("mlb-2026-07-20-BOS-NYY-1", "sl_", "sql_injection", "/static/sl_board.js"):
        assert not holds_key(text)
        assert without_keys(text) == text
