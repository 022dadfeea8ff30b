"""The charts of a tear sheet: each drawn once, on a page of its own or among the others."""

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.evaluation.charts import FAINT, INK, MARKET, MODEL, WIDTH, svg_of
from models.evaluation.tear_sheet import TearSheet, Yield
from models.features.arrays import Array


class Palette(NamedTuple):
    ink: str
    faint: str
    model: str
    market: str


Draw = Callable[[Axes, TearSheet, Palette], None]

_PAGE = Palette(INK, FAINT, MODEL, MARKET)
_DAY = Palette("#1d2327", "#dcdfe1", "#0b62a8", "#a65a00")
"""Of the picture: the page's own colours by day."""


def _dates(us: Array) -> Array:
    found: Array = us.astype("datetime64[us]")
    return found


def _dated(axes: Axes, look: Palette, at: Array) -> None:
    """A mark at some days; matplotlib's own choice fails where there are hours only."""
    first, last = at[0].astype("datetime64[D]"), at[-1].astype("datetime64[D]") + 1
    days = first + np.unique(np.linspace(0, (last - first).astype(int), 6).astype(int))
    axes.set_xlim(first, last)
    axes.set_xticks(days, [str(day)[5:] for day in days])
    axes.grid(color=look.faint, linewidth=0.7)


def equity(axes: Axes, sheet: TearSheet, look: Palette) -> None:
    found = sheet.equity
    peaks = np.maximum.accumulate(found.balance)
    at = _dates(found.at_us)
    axes.fill_between(
        at, found.balance, peaks, step="post", color=look.faint, label="below the peak"
    )
    axes.step(at, found.balance, where="post", color=look.model, linewidth=1.6, label="balance")
    axes.axhline(found.balance[0], color=look.ink, linewidth=0.8)
    axes.set_ylabel("balance")
    _dated(axes, look, at)
    axes.legend(frameon=False, labelcolor=look.ink, loc="best")


def drawdown(axes: Axes, sheet: TearSheet, look: Palette) -> None:
    found = sheet.equity
    fallen = 100.0 * (found.balance / np.maximum.accumulate(found.balance) - 1.0)
    at = _dates(found.at_us)
    axes.fill_between(at, fallen, 0.0, step="post", color=look.model, linewidth=0.0)
    axes.set_ylabel("below the peak, %")
    _dated(axes, look, at)


def growth(axes: Axes, sheet: TearSheet, look: Palette) -> None:
    found = sheet.growth
    assert found is not None
    at, twice = _dates(found.settled_us), 2.0 * found.deviation
    low, high = found.expected - twice, found.expected + twice
    axes.fill_between(
        at, low, high, color=look.faint, linewidth=0.0, label="95 % if the model is right"
    )
    axes.plot(at, found.expected, "--", color=look.market, linewidth=1.4, label="model expects")
    axes.plot(at, found.actual, color=look.model, linewidth=1.6, label="came")
    axes.set_ylabel("log growth")
    _dated(axes, look, at)
    axes.legend(frameon=False, labelcolor=look.ink, loc="best")


def closing(axes: Axes, sheet: TearSheet, look: Palette) -> None:
    percent = 100.0 * sheet.clv.values
    bins = min(40, max(5, len(percent) // 10))
    axes.hist(np.clip(percent, -15.0, 15.0), bins=bins, color=look.model)
    axes.axvline(0.0, color=look.ink, linewidth=1.0)
    axes.set_xlabel("return if the close is right, %")
    axes.set_ylabel("bets")
    axes.grid(axis="y", color=look.faint, linewidth=0.7)


def calibration(axes: Axes, sheet: TearSheet, look: Palette) -> None:
    curves = [
        (sheet.market_calibration, "no-vig consensus", look.market, "s--"),
        (sheet.calibration, "model", look.model, "o-"),
    ]
    known = [one for one in curves if one[0] is not None]
    values = [v for curve, *_ in known if curve for part in curve[:2] for v in part.tolist()]
    low, high = max(min(values) - 0.04, 0.0), min(max(values) + 0.04, 1.0)
    axes.plot((low, high), (low, high), color=look.ink, linewidth=1.0)
    for curve, label, colour, style in known:
        assert curve is not None
        axes.plot(
            curve.predicted, curve.happened, style, color=colour, label=label, markersize=5.0,
            linewidth=1.6,
        )  # fmt: skip
    axes.set_xlabel("predicted")
    axes.set_ylabel("won")
    axes.grid(color=look.faint, linewidth=0.7)
    axes.legend(frameon=False, labelcolor=look.ink)


def flat(axes: Axes, sheet: TearSheet, look: Palette) -> None:
    bars(axes, sheet.flat, look)


def bars(axes: Axes, rows: list[Yield], look: Palette) -> None:
    for place, row in enumerate(rows):
        known = np.isfinite(row.interval.low)
        if known:
            ends = [100.0 * end for end in row.interval]
            axes.plot(ends, (place, place), color=look.model, linewidth=2.2)
        fill = "full" if known else "none"
        axes.plot(
            [100.0 * row.value], [place], "o", color=look.model, markersize=5.5, fillstyle=fill
        )
    axes.axvline(0.0, color=look.ink, linewidth=1.0)
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("yield, % of what was staked")
    axes.grid(axis="x", color=look.faint, linewidth=0.7)


def drawn(sheet: TearSheet) -> dict[str, tuple[str, Draw]]:
    """Name -> title and how it is drawn, of those that there is something to draw for."""
    found: dict[str, tuple[str, Draw]] = {
        "equity": ("Balance, open bets at cost", equity),
        "drawdown": ("Drawdown", drawdown),
    }
    if sheet.growth is not None:
        found["growth"] = ("Growth against expectation", growth)
    if sheet.calibration is not None:
        found["calibration"] = ("Chances of the bets", calibration)
    if sheet.clv.known:
        found["closing"] = ("Against the close", closing)
    if sheet.flat:
        found["flat"] = ("Flat stakes, and no model", flat)
    return found


def chart(sheet: TearSheet, name: str) -> str:
    """As SVG for a page."""
    figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
    axes = figure.add_subplot()
    drawn(sheet)[name][1](axes, sheet, _PAGE)
    return svg_of(figure, axes, f"tear-{name}")


def parts_chart(rows: list[Yield], kind: str) -> str:
    figure = Figure(figsize=(WIDTH, 0.75 + 0.27 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    bars(axes, rows, _PAGE)
    return svg_of(figure, axes, f"tear-by-{kind}")


def picture(sheet: TearSheet, title: str, said: Sequence[str]) -> bytes:
    """All charts as one PNG, the same bytes each time."""
    panels = drawn(sheet)
    deep = (len(panels) + 1) // 2
    figure = Figure(
        figsize=(11.0, 0.7 + 0.2 * len(said) + 3.0 * deep), layout="constrained", dpi=110
    )
    figure.suptitle("\n".join([title, *said]), fontsize=11, color=_DAY.ink, x=0.01, ha="left")
    with rc_context({"font.size": 9}):
        for place, (name, draw) in enumerate(panels.values(), 1):
            axes = figure.add_subplot(deep, 2, place)
            draw(axes, sheet, _DAY)
            axes.set_title(name, fontsize=10, loc="left")
            for side, spine in axes.spines.items():
                spine.set_visible(side in ("left", "bottom"))
            axes.set_axisbelow(True)
        written = BytesIO()
        figure.savefig(written, format="png", metadata={"Software": None})
    return written.getvalue()
