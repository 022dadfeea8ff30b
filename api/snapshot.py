"""The state that a feed client starts from, as one JSON document."""

import json
from collections.abc import Iterable
from typing import Any

from api.board import Board, Game
from api.fields import keep_in_game
from api.filters import Filter, Options, kind_of, market_of
from api.news import edge_of
from schemas.feed import GameState, Rules


def game_state(game: Game, wanted: Filter) -> GameState:
    """The parts of a game that pass the filter; the schedule always does."""

    def kept(parts: Iterable[Any]) -> list[Any]:
        return [
            part
            for part in parts
            if part is not None
            and wanted.takes(kind_of(part), game.game_id, market_of(part), edge_of(part))
        ]

    return GameState(
        game_id=game.game_id,
        schedule=game.schedule,
        lines=kept(game.lines.values()),
        confirmed_us=game.confirmed_us,
        predictions=kept(game.predictions.values()),
        stakes=kept(game.stakes.values()),
        lock=next(iter(kept([game.lock])), None),
        signals=kept(game.signals),
        result=next(iter(kept([game.result])), None),
        settlements=kept(game.settlements.values()),
    )


def snapshot(board: Board, wanted: Options, rules: Rules, *, stale: bool) -> str:
    """JSON of everything on the board that the filter lets through."""
    games = []
    for game in board.ordered(wanted.filter.games or None):
        state = game_state(game, wanted.filter)
        if wanted.fields:
            kept = keep_in_game(state.model_dump(mode="json"), wanted.fields)
            games.append(json.dumps(kept, separators=(",", ":"), ensure_ascii=False))
        else:
            games.append(state.model_dump_json())
    head = json.dumps({"newest_us": board.newest_us, "stale": stale, "rules": rules.model_dump()})
    return f'{head[:-1]}, "games": [{",".join(games)}]}}'
