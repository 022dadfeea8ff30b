// Lines over time: uPlot, a key that says the values, and the same numbers as a table.

import uPlot from "/static/vendor/uPlot.esm.js";
import { el, scroller, when } from "/static/dom.js";

const COLOURS = ["--s0", "--s1", "--s2", "--s3", "--s4", "--s5"];
const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3]];
const TABLE_ROWS = 200;

// The colour a custom property has just now: canvas knows no var().
function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

// series: [{name, points: [[x, value or null]], strong?, dashed?, hidden?, style?}], x rising. A
// value stands until the next one (`step`), or points are joined. x: microseconds UTC, or a number
// with `number: true`. text(value): how a value reads.
export class Chart {
  constructor({
    label, text, height = 260, step = true, range = null, number = null, dots = false, marks = [],
  }) {
    Object.assign(this, { label, text, height, step, range, number, dots, marks });
    this.off = new Map(); // name -> switched off by the reader
    this.series = [];
    this.plot = null;
    this.shape = "";
    this.keys = el("ul", "keys");
    this.place = el("div", "plot");
    this.place.setAttribute("role", "img");
    this.table = el("details", "", el("summary", "", "The same as a table"));
    this.table.addEventListener("toggle", () => this.#tabulate());
    this.node = el("figure", "", this.keys, this.place, this.table);
    new ResizeObserver(() => this.#resize()).observe(this.place);
    document.addEventListener("themechange", () => this.#rebuild());
  }

  show(series) {
    this.series = series.filter((one) => one.points.length);
    for (const one of this.series) {
      if (!this.off.has(one.name)) this.off.set(one.name, Boolean(one.hidden));
    }
    const shape = this.series.map((one) => one.name).join("|");
    this.data = align(this.series, this.step, this.number ? 1 : 1e6);
    if (this.plot && shape === this.shape) this.plot.setData(this.data);
    else this.#rebuild();
    this.shape = shape;
    this.#say();
    this.#tabulate();
  }

  #rebuild() {
    this.plot?.destroy();
    this.plot = null;
    this.place.replaceChildren();
    if (!this.series.length || !this.place.isConnected || !this.place.clientWidth) return;
    const font = `11px ${getComputedStyle(document.body).fontFamily}`;
    const axis = {
      stroke: colour("--muted"), font,
      grid: { stroke: colour("--grid"), width: 1 }, ticks: { stroke: colour("--grid"), width: 1 },
    };
    const paths = this.step ? uPlot.paths.stepped({ align: 1 }) : uPlot.paths.linear();
    this.plot = new uPlot({
      width: this.place.clientWidth,
      height: this.height,
      legend: { show: false },
      cursor: { drag: { x: true, y: false }, points: { size: 6 } },
      scales: {
        x: { time: !this.number, range: around(this.number ? 0.05 : 12 * 3600) },
        y: { range: this.range ?? padded },
      },
      axes: [
        { ...axis, ...(this.number ? { values: (_, ticks) => ticks.map(this.number) } : {}) },
        { ...axis, size: wide, values: (_, ticks) => ticks.map((tick) => this.text(tick)) },
      ],
      series: [{}, ...this.series.map((one, at) => {
        const [name, dash] = this.#style(one, at);
        return {
          label: one.name, show: !this.off.get(one.name), stroke: colour(name), dash, paths,
          width: one.strong ? 2.5 : 1.4,
          points: { show: this.dots, size: 6, fill: colour(name) },
        };
      })],
      hooks: { setCursor: [() => this.#values()], draw: [(plot) => this.#mark(plot)] },
    }, this.data, this.place);
    this.#key();
  }

  #style(one, at) {
    const style = one.style ?? at;
    return [
      COLOURS[style % COLOURS.length],
      DASHES[(one.dashed ? 1 : 0) + Math.floor(style / COLOURS.length) % DASHES.length],
    ];
  }

  // Moments that matter, as upright lines: [[us, word]].
  #mark(plot) {
    const context = plot.ctx;
    for (const [us, word] of this.marks) {
      const x = plot.valToPos(us / 1e6, "x", true);
      if (x < plot.bbox.left || x > plot.bbox.left + plot.bbox.width) continue;
      context.save();
      context.strokeStyle = context.fillStyle = colour("--muted");
      context.setLineDash([3, 3]);
      context.beginPath();
      context.moveTo(x, plot.bbox.top);
      context.lineTo(x, plot.bbox.top + plot.bbox.height);
      context.stroke();
      context.font = `${11 * devicePixelRatio}px ${getComputedStyle(document.body).fontFamily}`;
      context.textAlign = "right";
      context.fillText(word, x - 4, plot.bbox.top + 12 * devicePixelRatio);
      context.restore();
    }
  }

  // A switch a line: what it looks like, its name, its value under the pointer, or the newest.
  #key() {
    this.outs = [];
    this.keys.replaceChildren(...this.series.map((one, at) => {
      const [name, dash] = this.#style(one, at);
      const sample = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      const stroke = document.createElementNS("http://www.w3.org/2000/svg", "line");
      for (const [key, value] of Object.entries({ x1: 0, x2: 26, y1: 4, y2: 4 })) {
        stroke.setAttribute(key, value);
      }
      stroke.setAttribute("stroke-dasharray", dash.join(" "));
      stroke.setAttribute("stroke-width", one.strong ? 3 : 1.8);
      stroke.style.stroke = `var(${name})`;
      sample.setAttribute("aria-hidden", "true");
      sample.append(stroke);
      const out = el("b");
      this.outs.push(out);
      const button = el("button", "key-button", sample, el("span", "", one.name), out);
      button.type = "button";
      button.setAttribute("aria-pressed", String(!this.off.get(one.name)));
      button.addEventListener("click", () => {
        const off = !this.off.get(one.name);
        this.off.set(one.name, off);
        button.setAttribute("aria-pressed", String(!off));
        this.plot.setSeries(at + 1, { show: !off });
      });
      return el("li", "", button);
    }));
    this.#values();
  }

  #values() {
    const under = this.plot?.cursor?.idx;
    const at = under ?? this.data[0].length - 1;
    this.outs?.forEach((out, series) => {
      const value = this.data[series + 1]?.[at];
      // The newest is the last of a time, and means nothing on another axis.
      const none = this.number && under == null;
      out.textContent = none ? "" : value == null ? "–" : this.text(value);
    });
  }

  #say() {
    const newest = this.series.map((one) => {
      const last = one.points.at(-1)[1];
      return `${one.name} ${last == null ? "none" : this.text(last)}`;
    });
    this.place.setAttribute("aria-label", `${this.label}. Newest: ${newest.join(", ")}`);
    this.#values();
  }

  #tabulate() {
    if (!this.table.open) return;
    const from = Math.max(0, this.data[0].length - TABLE_ROWS);
    const head = el("tr", "", el("th", "", this.number ? "" : "Time"),
      ...this.series.map((one) => el("th", "num", one.name)));
    const rows = [];
    for (let at = this.data[0].length - 1; at >= from; at -= 1) {
      const x = this.data[0][at];
      rows.push(el("tr", "", el("th", "", this.number ? this.number(x) : when(x * 1e6)),
        ...this.data.slice(1).map((one) =>
          el("td", "num", one[at] == null ? "–" : this.text(one[at])))));
    }
    const title = from ? `${this.label}: the newest ${TABLE_ROWS}` : this.label;
    const node = el("table", "list", el("caption", "", title),
      el("thead", "", head), el("tbody", "", ...rows));
    this.table.replaceChildren(this.table.firstChild, scroller(node, title));
  }

  #resize() {
    const width = this.place.clientWidth;
    if (!width) return;
    if (!this.plot) this.#rebuild();
    else if (width !== this.plot.width) this.plot.setSize({ width, height: this.height });
  }
}

// As wide as its longest label.
const wide = (_, labels) => 22 + 7 * Math.max(3, ...(labels ?? []).map((label) => label.length));

// A single moment still needs a span to be drawn in.
const around = (span) => (plot, low, high) => {
  const [xs] = plot.data;
  return xs.length === 1 ? [xs[0] - span, xs[0] + span] : [low, high];
};

function padded(_, low, high) {
  if (low == null) return [0, 1];
  const pad = 0.08 * (high - low) || 0.02 * Math.abs(high) || 1;
  return [low - pad, high + pad];
}

// One column of x and one a series, as uPlot takes them. With `step` a value stands until the next.
function align(series, step, unit) {
  const xs = [...new Set(series.flatMap((one) => one.points.map(([x]) => x)))].sort((a, b) => a - b);
  const columns = series.map(({ points }) => {
    let at = 0;
    let value;
    return xs.map((x) => {
      let here;
      while (at < points.length && points[at][0] <= x) {
        here = value = points[at][1];
        at += 1;
      }
      return step ? value : here;
    });
  });
  return [xs.map((x) => x / unit), ...columns];
}
