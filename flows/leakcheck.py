"""The leak check over an archive: the feature builder, and the team context behind it."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from flows.context import board_of, last_before, updates
from flows.offline import groups, read_frames
from flows.sources.mlb_history import no_history
from models.features.arrays import Array
from models.features.catalogue import CONTEXT, NAMES
from models.features.fold import FoldRules
from models.features.history import Frames, History
from models.features.kernel import FeatureSet
from models.features.leakcheck import (
    AT_US,
    WARM_UP_HOURS,
    Builder,
    Check,
    Kind,
    Leak,
    offline_builder,
    reopened,
    since_open,
    warm_up,
)
from schemas.settings import Settings
from schemas.time import from_us


@dataclass
class Found:
    """What the check has seen so far."""

    decision_times: int = 0
    vectors: int = 0
    contexts: int = 0
    not_judged: int = 0
    """Vectors of `reopened` games: not checked for events past the cutoff."""
    leaks: list[Leak] = field(default_factory=list)
    warm_up_vectors: int = 0
    warm_up: dict[int, Counter[str]] = field(default_factory=dict)
    """Hours of history -> feature -> vectors that differ from those of all history."""

    @property
    def needs_more(self) -> list[str]:
        """Features that depend on how much history there is, though not by their definition."""
        names = {name for counts in self.warm_up.values() for name in counts}
        return sorted(name for name in names if not since_open(name))

    @property
    def clean(self) -> bool:
        return not self.leaks and not self.needs_more

    def report(self) -> dict[str, Any]:
        return {
            "decision_times": self.decision_times,
            "leaks": len(self.leaks),
            "vectors": self.vectors,
            "contexts": self.contexts,
            "past_cutoff_not_judged": self.not_judged,
            "first": [
                asdict(leak)
                | {
                    "as_of": from_us(leak.as_of_us).isoformat(),
                    "event_at": from_us(leak.event_at_us).isoformat(),
                }
                for leak in self.leaks[:10]
            ],
            "warm_up": {
                "vectors": self.warm_up_vectors,
                "unexpected": self.needs_more,
                "differing": {
                    f"{hours} h": dict(sorted(counts.items()))
                    for hours, counts in self.warm_up.items()
                },
            },
        }


def context_builder() -> Builder:
    """Team context as the context job computes it, from the archive's schedule and results."""
    past = no_history()

    def build(frames: Frames, decisions: pl.DataFrame) -> Array:
        board = board_of(frames.games, frames.results)
        first_known = board.results.group_by("game_id").agg(pl.col("known_us").min())
        over = dict(first_known.iter_rows())
        wanted = [
            (game_id, as_of)
            for game_id, as_of in decisions.select("game_id", "as_of_us").iter_rows()
            if as_of < over.get(game_id, as_of + 1)
            and last_before(board.games.get(game_id, ()), as_of) is not None
        ]
        made = {event.game_id: event.context or {} for event in updates(board, past, wanted)}
        rows = [
            [made.get(game_id, {}).get(name, np.nan) for name in CONTEXT]
            for game_id in decisions["game_id"]
        ]
        return np.array(rows, np.float32).reshape(len(rows), len(CONTEXT))

    return build


def check_archive(
    root: Path,
    settings: Settings,
    decisions: int,
    seed: int,
    watch: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> Found:
    """So many moments, drawn from all event times; every game that is on at each of them.

    `watch` sees the moments go by. Raises DataMissing where there is no archive.
    """
    rules, features = FoldRules.of(settings), FeatureSet.of(settings)
    build = offline_builder(rules, features)
    check = Check(build, rules.cutoff_us)
    context = Check(context_builder(), rules.cutoff_us, CONTEXT, (Kind.FUTURE,))
    found = Found(warm_up={hours: Counter() for hours in WARM_UP_HOURS})
    rng = np.random.default_rng(seed)
    parts = groups(root)
    weight = np.array([part.events for part in parts], np.float64)
    drawn = rng.multinomial(decisions, weight / weight.sum())
    for part, count in zip(parts, drawn.tolist(), strict=True):
        if not count:
            continue
        frames = read_frames(root, part)
        times = pl.concat(frame.select(AT_US) for frame in frames[:3])["occurred_at_us"].to_numpy()
        spans = _spans(frames)
        early = _never_held_back(History.of(frames, rules))
        for as_of_us in watch(sorted(rng.choice(times, count).tolist())):
            on = spans.filter(pl.lit(as_of_us).is_between("first", "last"))["game_id"]
            game_ids = on.sample(fraction=1.0, shuffle=True, seed=seed).to_list()
            found.decision_times += 1
            found.vectors += len(game_ids)
            found.leaks += check.at(frames, as_of_us, game_ids)
            known = frames.filter(as_of_us >= AT_US).of_games(game_ids)
            found.not_judged += len(reopened(known, rules.cutoff_us))
            found.contexts += len(game_ids)
            found.leaks += context.at(frames, as_of_us, game_ids)
            calm = [name for name in game_ids if as_of_us < early.get(name, as_of_us + 1)]
            found.warm_up_vectors += len(calm)
            for hours, counts in found.warm_up.items():
                if calm:
                    differing = warm_up(build, frames, as_of_us, calm, hours)
                    counts.update(
                        {NAMES[at]: int(differing[at]) for at in np.flatnonzero(differing)}
                    )
    return found


def _spans(frames: Frames) -> pl.DataFrame:
    """game_id, first, last: times of a game's first and last event."""
    events = pl.concat(frame.select("game_id", AT_US.alias("at")) for frame in frames[:3])
    times = pl.col("at").min().alias("first"), pl.col("at").max().alias("last")
    return events.group_by("game_id").agg(*times).sort("game_id")


def _never_held_back(history: History) -> dict[str, int]:
    """Game -> when the first event came that lay past the cutoff.

    From then on a game whose start moves is not what its standing quotes say: what was overtaken
    while it was held back is gone.
    """
    late = (pl.col("at_us") > pl.col("cutoff_us")).fill_null(value=False)
    held = history.rows.filter(late).group_by("game").agg(pl.col("at_us").min())
    return {history.game_ids[game]: at for game, at in held.iter_rows()}
