"""The receiver of docs/webhooks.md works as it stands there."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
from standardwebhooks.webhooks import Webhook

from flows.connectors.webhooks import signed_headers
from schemas.sections.webhooks import Endpoint
from tests.integration.test_webhooks import SECRET
from tests.system import wait_for

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
BODY = b'{"type":"stakes","timestamp":"2026-07-20T17:05:01Z","data":{"game_id":"mlb-1"}}'


def test_the_receiver_takes_what_is_ours_once_and_nothing_else(tmp_path: Path) -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(code.splitlines()) < 30
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = os.environ | {"PORT": str(port), "WEBHOOK_SECRET": SECRET}
    said = tmp_path / "said"
    with said.open("wb") as out:
        receiver = subprocess.Popen(
            [sys.executable, "-c", code], env=env, stdout=out, stderr=subprocess.DEVNULL
        )
    url = f"http://127.0.0.1:{port}/"

    def listens() -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_for(listens, "the receiver", 30)
        ours = signed_headers((SECRET,), "a:1", time.time_ns() // 1_000, BODY)
        old = signed_headers((SECRET,), "a:2", time.time_ns() // 1_000 - 600_000_000, BODY)
        posted = [(BODY, ours), (BODY, ours), (BODY + b" ", ours), (BODY, old), (BODY, {})]
        answers = [httpx.post(url, content=body, headers=said).status_code for body, said in posted]
        assert answers == [204, 204, 401, 401, 401]
        assert said.read_text() == "stakes mlb-1\n"
    finally:
        receiver.kill()
        receiver.wait()


def test_the_page_names_every_key_of_an_endpoint() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == set(Endpoint.model_fields)
    assert Webhook(SECRET)
