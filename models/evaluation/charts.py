"""Charts of a report as SVG that lives inside a page: its colours are the page's, its text is text.

Colours leave here as CSS variables (--ink, --faint, --model, --market), so that a page in the dark
has a chart in the dark.
"""

import math
import re
from collections.abc import Sequence
from io import StringIO
from typing import NamedTuple

import polars as pl
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, DateFormatter
from matplotlib.figure import Figure

from models.evaluation.intervals import Interval
from models.evaluation.metrics import Reliability

# Stand-ins that matplotlib can parse and nothing else uses.
INK, FAINT, MODEL, MARKET = "#010203", "#040506", "#070809", "#0a0b0c"
_VARIABLES = {INK: "--ink", FAINT: "--faint", MODEL: "--model", MARKET: "--market"}
WIDTH, _ROW = 4.6, 0.27
"""Inches: a phone shows this width at about its own size."""


class Bar(NamedTuple):
    label: str
    difference: float
    interval: Interval


def differences(bars: Sequence[Bar], name: str) -> str:
    """Each difference with its interval around a line at 0. name: unique on the page."""
    figure = Figure(figsize=(WIDTH, 0.75 + _ROW * len(bars)), layout="constrained")
    axes = figure.add_subplot()
    for place, bar in enumerate(bars):
        known = math.isfinite(bar.interval.low)
        if known:
            axes.plot(bar.interval, (place, place), color=MODEL, linewidth=2.2)
        fill = "full" if known else "none"
        axes.plot([bar.difference], [place], "o", color=MODEL, markersize=5.5, fillstyle=fill)
    axes.axvline(0.0, color=INK, linewidth=1.0)
    axes.set_yticks(range(len(bars)), [bar.label for bar in bars])
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.set_xlabel("log-loss, model less reference: left is better")
    axes.locator_params(axis="x", nbins=5)
    axes.grid(axis="x", color=FAINT, linewidth=0.7)
    return svg_of(figure, axes, name)


def reliabilities(model: Reliability, market: Reliability | None, name: str) -> str:
    """What happened against what was predicted; on the diagonal nothing is left to mend."""
    figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
    axes = figure.add_subplot()
    curves = [(model, "model", MODEL, "o-")]
    if market is not None:
        curves.insert(0, (market, "price at decision", MARKET, "s--"))
    values = [value for curve, *_ in curves for part in curve[:2] for value in part]
    low, high = max(min(values) - 0.04, 0.0), min(max(values) + 0.04, 1.0)
    axes.plot((low, high), (low, high), color=INK, linewidth=1.0)
    for curve, label, colour, style in curves:
        axes.plot(
            curve.predicted, curve.happened, style, color=colour, label=label, linewidth=1.6,
            markersize=5.0,
        )  # fmt: skip
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_xlabel("predicted")
    axes.set_ylabel("happened")
    axes.grid(color=FAINT, linewidth=0.7)
    axes.legend(frameon=False, labelcolor=INK)
    return svg_of(figure, axes, name)


def over_time(recent: pl.DataFrame, name: str) -> str:
    """Columns day, difference, low, high: the difference and its interval, day after day."""
    figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
    axes = figure.add_subplot()
    days = recent["day"].to_list()
    low, high = recent["low"].fill_nan(None), recent["high"].fill_nan(None)
    known = recent.with_columns(low=low, high=high).drop_nulls(("low", "high"))
    axes.fill_between(
        known["day"].to_list(), known["low"].to_numpy(), known["high"].to_numpy(),
        color=FAINT, linewidth=0.0,
    )  # fmt: skip
    axes.plot(days, recent["difference"].to_numpy(), "-", color=MODEL, linewidth=2.0)
    axes.axhline(0.0, color=INK, linewidth=1.0)
    axes.set_ylabel("log-loss, model less price")
    axes.xaxis.set_major_locator(AutoDateLocator(maxticks=5))  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(DateFormatter("%m-%d"))  # type: ignore[no-untyped-call]
    return svg_of(figure, axes, name)


def svg_of(figure: Figure, axes: Axes, name: str) -> str:
    """For a page. name: unique on it."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(FAINT)
    axes.tick_params(colors=INK, length=0)
    for text in (axes.xaxis.label, axes.yaxis.label):
        text.set_color(INK)
    axes.set_axisbelow(True)
    figure.patch.set_visible(False)
    axes.patch.set_visible(False)
    written = StringIO()
    # The salt makes ids the same from run to run, and unique among the charts of a page.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 10}):
        figure.savefig(written, format="svg", metadata={"Date": None})
    return _for_a_page(written.getvalue())


def _for_a_page(svg: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    used = set(re.findall(r"(?:url\(|href=\")#([^\")]+)", svg))
    svg = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", svg)
    svg = re.sub(r"font: ([\d.]+px) [^;\"]+", r"font: \1 inherit; font-family: inherit", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    # The page says it in words beside it.
    return svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
