// One game in a side sheet: how the model's view moved, and every book's quotes.

import * as f from "/static/format.js";
import {
  MARKETS, PRICED_BY, isLocked, isSimulated, market, quotePrice, standsSince,
} from "/static/state.js";
import { ORDER, el, sideLabel } from "/static/view.js";

const HISTORY = 200;

export class Detail {
  constructor(state, format) {
    this.state = state;
    this.format = format;
    this.id = null;
    this.history = [];
    this.dialog = document.getElementById("detail");
    document.getElementById("detail-close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => (this.id = null));
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close(); // outside the sheet
    });
  }

  async open(id) {
    this.id = id;
    this.history = [];
    this.render();
    this.dialog.showModal();
    try {
      const answer = await fetch(`/v1/games/${encodeURIComponent(id)}`);
      if (answer.ok && this.id === id) {
        const known = (await answer.json()).predictions;
        const fresh = new Set(known.map((one) => one.prediction_id));
        this.history = [...known, ...this.history.filter((one) => !fresh.has(one.prediction_id))];
        this.render();
      }
    } catch (error) {
      console.info("no history:", error); // the quotes still come by the feed
    }
  }

  heard(kind, message) {
    if (kind !== "prediction" || message.game_id !== this.id) return;
    this.history = [...this.history, message].slice(-HISTORY);
  }

  render() {
    const game = this.state.games.get(this.id);
    if (!this.id || !game?.schedule) return;
    const { schedule } = game;
    document.getElementById("detail-title").textContent = `${schedule.away} at ${schedule.home}`;
    const about = document.getElementById("detail-about");
    about.textContent = [
      f.moment(schedule.start_time_us), schedule.status,
      isLocked(game) ? "locked" : "", isSimulated(game) ? "SIMULATED" : "",
    ].filter(Boolean).join(" · ");
    about.title = f.utc(schedule.start_time_us);
    document.getElementById("detail-chart").replaceChildren(...Object.values(PRICED_BY)
      .map((target) => chart(game, target, this.history.filter((one) => one.target === target)))
      .filter(Boolean));
    document.getElementById("detail-signals").replaceChildren(...this.#signals(game));
    document.getElementById("detail-quotes").replaceChildren(...MARKETS
      .map((name) => market(this.state, game, name))
      .filter((one) => one?.quotes.length)
      .map((one) => this.#quotes(game, one)));
  }

  #signals(game) {
    if (!game.signals.length) return [];
    const list = el("ul", "signals");
    for (const one of [...game.signals].reverse()) {
      const item = el("li");
      const when = el("time", "", f.time(one.as_of_us));
      when.title = f.utc(one.as_of_us);
      const what = `${f.MARKET_NAMES[one.market]}: ${one.detail}`;
      item.append(when, el("span", "tag signal", f.SIGNALS[one.kind] ?? one.kind), el("span", "", what));
      list.append(item);
    }
    return [el("h3", "", "Alerts"), list];
  }

  #quotes(game, one) {
    const table = el("table", "quotes");
    table.append(el("caption", "", f.MARKET_NAMES[one.name]));
    const head = table.createTHead().insertRow();
    const total = one.name === "total";
    const names = ORDER[one.name].map((side) =>
      total ? side : sideLabel(game, { ...one, line: null }, side));
    for (const text of ["Book", "Line", ...names, "Confirmed"]) head.append(el("th", "", text));
    const body = table.createTBody();
    const order = [...one.quotes].sort((a, b) => {
      const side = ORDER[one.name][0];
      return one.fresh.has(b) - one.fresh.has(a)
        || (quotePrice(b, side) ?? 0) - (quotePrice(a, side) ?? 0) || (a.book < b.book ? -1 : 1);
    });
    for (const quote of order) {
      const row = body.insertRow();
      row.classList.toggle("stale", !one.fresh.has(quote));
      row.append(el("th", "", f.bookName(quote.book)));
      row.append(el("td", "", quote.line == null ? "–" : total ? String(quote.line) : f.handicap(quote.line)));
      for (const side of ORDER[one.name]) {
        const best = one.best[side]?.book === quote.book && quote.line === one.line;
        const text = quote.status === "open" ? f.price(quotePrice(quote, side), this.format()) : "withdrawn";
        row.append(el("td", best ? "best" : "", text));
      }
      const stands = standsSince(game, quote);
      const age = el("td", "", `${f.span(this.state.newest - stands)} ago`);
      age.title = f.utc(stands);
      row.append(age);
    }
    return table;
  }
}

// Model against market over event time, as two step lines.
function chart(game, target, points) {
  if (points.length < 2) return null;
  const [width, height, pad] = [520, 120, 6];
  const values = points.flatMap((one) => [one.probability, one.market_probability]);
  const low = Math.min(...values) - 0.005;
  const high = Math.max(...values) + 0.005;
  const first = points[0].as_of_us;
  const last = Math.max(points.at(-1).as_of_us, first + 1);
  const x = (us) => pad + ((us - first) / (last - first)) * (width - 2 * pad);
  const y = (share) => pad + ((high - share) / (high - low)) * (height - 2 * pad);
  const path = (key) => points.map((one, at) => (at
    ? `H${x(one.as_of_us).toFixed(1)}V${y(one[key]).toFixed(1)}`
    : `M${x(one.as_of_us).toFixed(1)},${y(one[key]).toFixed(1)}`)).join("");
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  const newest = points.at(-1);
  picture.setAttribute("aria-label", `Model ${f.percent(newest.probability)}, market ${f.percent(newest.market_probability)}`);
  picture.append(
    svg("path", { d: path("market_probability"), class: "market" }),
    svg("path", { d: path("probability"), class: "model" }),
  );
  const figure = el("figure");
  const caption = el("figcaption");
  const home = sideLabel(game, { name: "moneyline" }, "home");
  const what = { moneyline: `${home} wins`, margin: `${home} covers`, total: "Over" }[target];
  caption.append(
    el("strong", "", what),
    el("span", "model", `Model ${f.percent(newest.probability)}`),
    el("span", "market", `Market ${f.percent(newest.market_probability)}`),
    el("span", "range", `${f.percent(low)} to ${f.percent(high)} · ${f.time(first)} to ${f.time(last)}`),
  );
  figure.append(caption, picture);
  return figure;
}

function svg(tag, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}
