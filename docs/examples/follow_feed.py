"""Prints the stakes of a feed as they change: `python follow_feed.py http://127.0.0.1:8000`.

A key is read from FEED_KEY, where the API asks for one.
"""

import asyncio
import os
import sys

from api.client import Feed, Lost
from schemas.decisions import Stake
from schemas.feed import Heartbeat, Snapshot


def show(stake: Stake) -> None:
    if stake.paper or not stake.fraction:
        said = "nothing: " + ", ".join(stake.refusals or ["paper"])
    else:
        said = f"{stake.amount:.2f} on {stake.side} at {stake.price} ({stake.book})"
    print(stake.game_id, stake.market, said, flush=True)


async def main(url: str) -> None:
    async with Feed(url, key=os.environ.get("FEED_KEY"), events=["stake"]) as feed:
        async for event in feed:
            match event.data:
                case Snapshot(games=games):
                    for game in games:
                        for stake in game.stakes:
                            show(stake)
                case Stake() as stake:
                    show(stake)
                case Lost(reason=reason):
                    print("not live:", reason, flush=True)
                case Heartbeat(stale=True):
                    print("not live: the API waits for its broker", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
