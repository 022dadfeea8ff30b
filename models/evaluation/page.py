"""A report as one HTML file that needs nothing else: numbers in tables, charts beside them."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from models.evaluation.charts import Bar, differences, reliabilities
from models.evaluation.judge import Report, TargetReport
from models.evaluation.notes import Kind

TITLES = {
    "moneyline": "Moneyline",
    "total": "Total: over or under",
    "runs": "Runs, priced at the total's line",
    "margin": "Margin, priced at the run line",
}
NAMES = {
    "open": "Opening price",
    "decision": "Price at decision time",
    "close": "Closing price",
    "elo": "Elo",
}
VERDICTS = {
    Kind.BETTER: ("Better than the price", "Better"),
    Kind.WORSE: ("Worse than the price", "Worse"),
    Kind.UNDECIDED: ("Not told apart from the price", "Unproven"),
    Kind.SUSPICIOUS: ("Too good: check for a leak", "A leak?"),
}
"""In full, and where there is no room."""
DASH = "\u2013"
MINUS = "\u2212"


def page(report: Report, facts: Sequence[tuple[str, str]]) -> str:
    """facts: what was judged, as (name, value) pairs, shown at the top."""
    return render(
        "report.html.j2",
        report=report,
        facts=facts,
        titles=TITLES,
        names=NAMES,
        targets=[_shown(one) for one in report.targets.values()],
    )


def render(template: str, **values: Any) -> str:
    """A page of its template beside this file, with the filters that they share."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[[Any], Any]] = {
        "loss": lambda value: _number(value, ".5f"),
        "signed": lambda value: _number(value, "+.5f"),
        "three": lambda value: _number(value, ".3f"),
        "percent_one": lambda value: _number(value, ".1%"),
        "percent": lambda value: _number(value, ".0%"),
        "interval": _interval,
        "rate": lambda value: _number(value, "+.2%"),
        "rates": lambda interval: _interval(interval, "+.2%"),
        "money": lambda value: _number(value, ",.2f"),
        "sigmas": lambda value: _number(value, "+.1f"),
        "rows": lambda columns: list(zip(*(part.tolist() for part in columns), strict=True)),
        "count": lambda value: f"{value:,}",
        "ago": _ago,
        "chance": lambda value: "<0.001" if value < 0.001 else _number(value, ".3f"),
        "minus": lambda text: re.sub(r"(?<=[\s(])-(?=\d)", MINUS, text),
    }
    environment.filters |= filters
    text: str = environment.get_template(template).render(**values)
    return text


def _shown(report: TargetReport) -> dict[str, Any]:
    name = report.target
    kinds = [(kind, list(part)) for kind, part in groupby(report.segments, lambda part: part.kind)]
    bars = [
        Bar(NAMES[who], one.comparison.difference, one.comparison.interval)
        for who, one in report.references.items()
    ]
    return {
        "report": report,
        "verdict": _verdict(report),
        "against": Markup(differences(bars, f"{name}-references")) if bars else None,
        "reliability": Markup(
            reliabilities(report.calibration, report.market_calibration, f"{name}-reliability")
        ),
        "curve": list(zip(*(part.tolist() for part in report.calibration), strict=True)),
        "segments": [
            {
                "kind": kind,
                "rows": part,
                "chart": Markup(
                    differences(
                        [Bar(one.name, one.difference, one.interval) for one in part],
                        f"{name}-{kind}",
                    )
                ),
            }
            for kind, part in kinds
        ],
    }


def _verdict(report: TargetReport) -> tuple[str, str, str] | None:
    """(class, words, short): doubt comes before praise."""
    found: Iterable[Kind] = [note.kind for note in report.notes]
    for kind in (Kind.SUSPICIOUS, Kind.WORSE, Kind.BETTER, Kind.UNDECIDED):
        if kind in found:
            return kind.value, *VERDICTS[kind]
    return None


def _number(value: float | None, form: str) -> str:
    if value is None or not math.isfinite(value):
        return DASH
    return format(value, form).replace("-", MINUS)


def _interval(interval: tuple[float, float], form: str = "+.5f") -> str:
    if not math.isfinite(interval[0]):
        return DASH
    return f"{_number(interval[0], form)} to {_number(interval[1], form)}"


def _ago(seconds: float | None) -> str:
    """Of a price, before first pitch."""
    if seconds is None:
        return DASH
    minutes = seconds / 60.0
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60.0:.0f} h"
