"""A slate at a set speed, the board in the browser and a table in the terminal."""

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Thread
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from rich.console import Console
from rich.live import Live
from rich.table import Table

from deploy.demo.processes import Run
from deploy.demo.slate import Slate
from flows.connectors.kafka import ConfirmedProducer
from flows.connectors.topics import ensure_topics
from flows.replay import Pace, replay
from schemas.odds import decimal_to_american

REFRESH_SECONDS = 1.0


def play_live(
    run: Run, slate: Slate, speed: float, port: int, pace: Callable[[float | None], Pace]
) -> None:
    """Serves until `pace(...).stopping()`; the board stays up when the slate is over."""
    ensure_topics(run.settings.kafka)
    producer = ConfirmedProducer(run.settings.kafka)
    before = slate.records(end_us=slate.live_from_us)
    if not pace(None).held_back:
        # All of it is there before the first event is read, so nothing of it can come too late.
        replay(before, producer, pace(None))
    run.start_worker()
    address = run.start_api(port)
    print(f"\nBoard: {address}/   Feed: {address}/v1/feed   (Ctrl-C ends)", flush=True)
    stopping = pace(None).stopping
    failed: list[BaseException] = []

    def feed() -> None:
        try:
            replay(before, producer, pace(None))  # used up, unless it had to wait for the worker
            replay(slate.records(start_us=slate.live_from_us), producer, pace(speed))
        except BaseException as problem:
            failed.append(problem)

    replaying = Thread(target=feed, name="replay", daemon=True)
    replaying.start()
    console = Console()
    with Live(console=console, auto_refresh=False, transient=False) as live:
        while not stopping():
            run.check()
            if failed:
                raise failed[0]
            document = _games(address) if console.is_terminal else None
            if document is not None:
                live.update(_table(document, slate, speed, replaying.is_alive()), refresh=True)
            time.sleep(REFRESH_SECONDS)
    replaying.join(timeout=5.0)


def _games(address: str) -> dict[str, Any] | None:
    try:
        with urlopen(f"{address}/v1/games", timeout=5) as answer:
            document: dict[str, Any] = json.load(answer)
            return document
    except (URLError, TimeoutError) as problem:
        print(f"board not ready: {problem}", file=sys.stderr)
        return None


def _table(document: dict[str, Any], slate: Slate, speed: float, playing: bool) -> Table:
    now = document["newest_us"]
    shown = datetime.fromtimestamp((now or slate.live_from_us) / 1e6, UTC)
    label = "SIMULATED  " if slate.simulated else ""
    state = f"x{speed:g}" if playing else "slate over"
    table = Table(title=f"{label}{shown:%Y-%m-%d %H:%M:%S} UTC  {state}", title_justify="left")
    for name in ("game", "cutoff", "home", "fair", "model", "market", "edge", "stake"):
        table.add_column(name, justify="left" if name == "game" else "right")
    for row in document["games"]:
        market = row["markets"].get("moneyline")
        model, stake = (market["model"], market["stake"]) if market else (None, None)
        best = next((q for q in market["best"] if q["side"] == "home"), None) if market else None
        table.add_row(
            f"{row['away'] or '?'} @ {row['home'] or '?'}",
            _left(row, now),
            f"{decimal_to_american(best['price']):+d} {best['book']}" if best else "-",
            f"{decimal_to_american(model['fair_price']):+d}" if model else "-",
            f"{model['probability']:.3f}" if model else "-",
            f"{model['market_probability']:.3f}" if model else "-",
            f"{stake['edge']:+.3f}" if stake and stake["edge"] is not None else "-",
            _stake(stake),
            style="dim" if row["locked"] else "",
        )
    return table


def _left(row: dict[str, Any], now: int | None) -> str:
    if row["locked"]:
        return "locked"
    if row["cutoff_us"] is None or now is None:
        return "-"
    minutes = (row["cutoff_us"] - now) // 60_000_000
    return f"{minutes // 60}:{minutes % 60:02d}" if minutes >= 0 else "closing"


def _stake(stake: dict[str, Any] | None) -> str:
    if stake is None:
        return "-"
    if stake["amount"] > 0:
        return f"{stake['amount']:.2f} {stake['side']}{' (paper)' if stake['paper'] else ''}"
    return ", ".join(stake["refusals"])
