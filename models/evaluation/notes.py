"""What a reader must know before he believes a number."""

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from models.evaluation.compare import Difference
from models.evaluation.intervals import MIN_DAYS
from models.evaluation.power import POWER, games_needed, smallest_shown
from models.evaluation.references import CLOSE
from models.evaluation.rows import DECISION

TOO_GOOD = 0.005
"""Log-loss below the close from which on an edge is a leak until proven otherwise."""
MIN_COVERAGE = 0.9
_MANY_GAMES = 1_000_000


class Kind(StrEnum):
    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "undecided"
    SUSPICIOUS = "suspicious"
    COVERAGE = "coverage"
    CHANCE = "chance"


class Note(NamedTuple):
    kind: Kind
    text: str


def notes_on(
    references: Mapping[str, Difference],
    coverage: Mapping[str, float],
    segments: int,
    confidence: float,
) -> list[Note]:
    """The verdict against the price at decision time first, then what casts doubt."""
    found = []
    if DECISION in references:
        found.append(_verdict(references[DECISION], confidence))
    if CLOSE in references and references[CLOSE].difference < -TOO_GOOD:
        found.append(
            Note(
                Kind.SUSPICIOUS,
                f"The log-loss is {-references[CLOSE].difference:.4f} below the closing price. "
                f"More than {TOO_GOOD} is hardly ever real: take it for a leak until "
                "`steamline leakcheck` on the same archive finds none and the walk-forward "
                "repeats on games it has not seen.",
            )
        )
    if CLOSE not in references:
        found.append(Note(Kind.COVERAGE, "No closing price is known: nothing tells a leak apart."))
    found += [
        Note(
            Kind.COVERAGE,
            f"{name}: known for {share:.0%} of the games only; its row speaks of those alone.",
        )
        for name, share in coverage.items()
        if share < MIN_COVERAGE
    ]
    if segments:
        found.append(
            Note(
                Kind.CHANCE,
                f"Of {segments} segments about {segments * (1.0 - confidence):.1f} would seem to "
                "differ by chance alone. They tell where to look, not what to bet.",
            )
        )
    return found


def _verdict(found: Difference, confidence: float) -> Note:
    games, difference = found.n, found.difference
    low, high = found.interval
    between = f"{confidence:.0%} interval {low:+.4f} to {high:+.4f}"
    if high < 0.0:
        return Note(
            Kind.BETTER,
            f"Better than the price at decision time by {-difference:.4f} ({between}, "
            f"{games:,} games).",
        )
    if low > 0.0:
        return Note(
            Kind.WORSE,
            f"Worse than the price at decision time by {difference:.4f} ({between}, "
            f"{games:,} games). Do not bet on it.",
        )
    text = f"{games:,} games cannot tell it from the price at decision time"
    if math.isnan(low):
        return Note(Kind.UNDECIDED, f"{text}: at least {MIN_DAYS} days are needed.")
    deviation = found.spread.deviation
    if not deviation:
        return Note(Kind.UNDECIDED, f"{text}: the model repeats the price.")
    text += f" ({difference:+.4f}, {between}). "
    text += f"So many show a difference of {smallest_shown(deviation, games):.4f} or more"
    if difference < 0.0:
        needed = games_needed(deviation, difference)
        many = f"{needed:,}" if needed < _MANY_GAMES else "more than a million"
        text += f"; one of {-difference:.4f}, if it is true, would take about {many} games"
    return Note(Kind.UNDECIDED, f"{text} (power {POWER:.0%}).")
