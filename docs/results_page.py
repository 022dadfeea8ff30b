"""Writes docs/results.md from real archives: `python -m docs.results_page ARCHIVE...`.

Not part of `make docs`: the data may not be copied, so not every checkout has it.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from flows.connectors.manifest import read_manifest
from flows.judgement import distributions
from flows.references import references
from flows.training import read_training_set
from models.boosters.ablation import ablation, feature_groups
from models.boosters.walk_forward import folds, walk_forward
from models.evaluation.compare import differ
from models.evaluation.judge import Report, judge
from models.evaluation.rows import decided
from schemas.markets import Target
from schemas.settings import Settings

PAGE = Path(__file__).parent / "results.md"
SEED = 1

HEAD = """\
# Results

What the models are worth on the real games at hand: {archives}.
Walk-forward in five folds, each judged by models that knew only games over a day before it;
{games:,} games judged, {first} to {last}. Log-loss in nats, lower is better; differences are
model less reference on the games that both speak of, with {confidence:.0%} intervals by whole days
drawn. How to read them: [evaluation](evaluation.md).

Starters are left out of these archives: the files name them in hindsight.

**{verdict}**

This page is generated on a machine that has the data: `python -m docs.results_page ARCHIVE...`;
the first table alone: `steamline model evaluate --archive A --archive B`.
What stakes on such models would have come to in a whole season: -2.13 % (-9.06 to +4.80) of what
was staked, and -1.36 % (-1.83 to -0.91) against the close ([backtest](backtest.md#a-whole-season)).
"""


def page(archives: list[Path]) -> str:
    settings = Settings.read()
    data = read_training_set(archives, None, settings)
    walked = walk_forward(data, SEED, among=folds(data))
    report = judge(walked, references(archives, walked, settings), distributions())
    names = ", ".join(f"{read_manifest(one).source} ({read_manifest(one).games:,} games)"
                      for one in archives)  # fmt: skip
    head = HEAD.format(
        archives=names,
        games=report.games,
        first=report.first_day,
        last=report.last_day,
        confidence=report.confidence,
        verdict=_verdict(report),
    )
    without = ablation(data, SEED, feature_groups(), progress=lambda name: print(name))
    return "\n".join(
        [head, *_references(report), *_distributions(report), *_groups(walked, without)]
    )


def _verdict(report: Report) -> str:
    at_decision = {
        name: target.references["decision"].comparison.interval
        for name, target in report.targets.items()
    }
    better = [name for name, interval in at_decision.items() if interval.high < 0.0]
    worse = [name for name, interval in at_decision.items() if interval.low > 0.0]
    told = [f"better than the no-vig price at decision time: {', '.join(better) or 'none'}"]
    told.append(f"worse: {', '.join(worse) or 'none'}")
    return f"{'; '.join(told).capitalize()}; the others cannot be told from it."


def _references(report: Report) -> Iterator[str]:
    yield "## Against the market and Elo\n"
    columns = ("target", "reference", "games", "model", "reference", "difference", "interval",
               "Brier, model", "Brier, reference")  # fmt: skip
    yield f"| {' | '.join(columns)} |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for name, target in report.targets.items():
        for who, reference in target.references.items():
            found = reference.comparison
            yield (
                f"| {name} | {who} | {found.n:,} | {found.model.log_loss:.5f} "
                f"| {found.reference.log_loss:.5f} | {found.difference:+.5f} "
                f"| {found.interval.low:+.5f} to {found.interval.high:+.5f} "
                f"| {found.model.brier:.5f} | {found.reference.brier:.5f} |"
            )
    yield "\nOpening and closing totals and run lines are judged at their own lines.\n"


def _distributions(report: Report) -> Iterator[str]:
    yield "## Whole distributions\n"
    yield "| target | ranked probability | of the games' own frequencies | difference | interval |"
    yield "|---|---|---|---|---|"
    for name, target in report.targets.items():
        if (ranked := target.ranked) is not None:
            yield (
                f"| {name} | {ranked.model:.4f} | {ranked.climate:.4f} | {ranked.difference:+.4f} "
                f"| {ranked.interval.low:+.4f} to {ranked.interval.high:+.4f} |"
            )
    yield ""


def _groups(walked: pl.DataFrame, without: pl.DataFrame) -> Iterator[str]:
    """Full model against the one that lacks a group, on the same rows: below 0 the group helps."""
    yield "## What each group of features is worth\n"
    yield "Log-loss with all features less log-loss without the group: below 0 the group helps."
    yield "These archives have no splits: those rows show what chance alone does to the table.\n"
    yield "| without | features | " + " | ".join(Target) + " |"
    yield "|---|---|" + "---|" * len(Target)
    keys = ["target", "game_id", "as_of_us"]
    for group, names in feature_groups().items():
        cells = []
        part = without.filter(pl.col("without") == group).select(*keys, lacking="model")
        both = walked.join(part, on=keys, maintain_order="left")
        for target in Target:
            found = differ(decided(both, target.value), "lacking")
            cells.append(
                f"{found.difference:+.5f} ({found.interval.low:+.5f} to {found.interval.high:+.5f})"
            )
        yield f"| {group} | {len(names)} | " + " | ".join(cells) + " |"
    yield ""


if __name__ == "__main__":
    if not sys.argv[1:]:
        raise SystemExit("usage: python -m docs.results_page ARCHIVE...")
    PAGE.write_text(page([Path(one) for one in sys.argv[1:]]))
