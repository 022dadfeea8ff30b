"""Signatures, and what is sent, held against the specification and the library's verifier."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from flows.connectors.topic_reader import Lane
from flows.connectors.webhooks import keep, kept_at, signed_headers
from schemas.errors import ConfigError
from schemas.time import to_us

SPEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""Secret of the example in the Standard Webhooks specification."""
OTHER = "whsec_" + base64.b64encode(b"another secret of 24 byte").decode()


def test_the_example_of_the_specification() -> None:
    """Its id, time, body and signature."""
    body = b'{"test": 2432232314}'
    said = signed_headers((SPEC,), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330_000_000, body)
    assert said["webhook-timestamp"] == "1614265330"
    assert said["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_each_secret_signs_so_that_either_side_can_change_it_first() -> None:
    now_us = to_us(datetime.now(UTC))
    body = '{"data":"Peña"}'.encode()
    said = signed_headers((SPEC, OTHER), "a:1:moneyline:main", now_us, body)
    for secret in (SPEC, OTHER):
        key = base64.b64decode(secret.removeprefix("whsec_"))
        text = b"a:1:moneyline:main." + str(now_us // 1_000_000).encode() + b"." + body
        by_hand = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
        assert f"v1,{by_hand}" in said["webhook-signature"].split(" ")
        assert Webhook(secret).verify(body, said) == {"data": "Peña"}
    for wrong in (body + b" ", b"{}"):
        with pytest.raises(WebhookVerificationError):
            Webhook(SPEC).verify(wrong, said)
    with pytest.raises(WebhookVerificationError):
        Webhook(SPEC).verify(body, said | {"webhook-id": "b"})


def test_positions_are_there_again_and_of_their_cluster_only(tmp_path: Path) -> None:
    path = tmp_path / "bot.json"
    assert kept_at(path, "c1", "p.").lanes == {}
    at = {Lane("p.stakes", 0): 7, Lane("p.stakes", 10): 3, Lane("p.alerts", 0): 0}
    keep(path, "c1", "p.", at, {"main g moneyline"})
    kept = kept_at(path, "c1", "p.")
    assert kept.lanes == at
    assert kept.standing == ["main g moneyline"]
    for cluster, prefix in (("c2", "p."), ("c1", "q.")):
        with pytest.raises(ConfigError, match=r"bot\.json: holds positions on cluster c1"):
            kept_at(path, cluster, prefix)
    path.write_text(path.read_text()[:-9])
    with pytest.raises(ConfigError, match="is damaged"):
        kept_at(path, "c1", "p.")
