// Line movement: each book's price or line, the consensus and the model, over event time.

import { list } from "/static/api.js";
import { Chart } from "/static/chart.js";
import { el } from "/static/dom.js";
import * as f from "/static/format.js";
import { MARKETS, PRICED_BY, SIDES, market, quotePrice } from "/static/state.js";
import { tabs } from "/static/tabs.js";

const SHOWN = ["pinnacle", "circa", "draftkings", "fanduel"]; // of many books; the others by a click

export class Lines {
  constructor(id, state, format, redraw) {
    Object.assign(this, { id, state, format, redraw });
    this.quotes = new Map(); // "market book" -> [quote], oldest first
    this.said = new Map(); // target -> [prediction], oldest first
    this.asked = new Set();
    this.market = "moneyline";
    this.side = "home";
    this.what = "price";
    this.note = el("p", "note");
    this.problem = "";
    this.chart = new Chart({ label: "Line movement", text: (value) => this.#text(value) });
    document.getElementById("lines").append(this.chart.node, this.note);
    this.controls = document.getElementById("lines-controls");
  }

  #text(value) {
    return this.what === "price" ? f.price(value, this.format()) : f.handicap(value);
  }

  heard(kind, message) {
    if (kind === "line") keep(this.quotes, `${message.market} ${message.book}`, message, "event_id");
    if (kind === "prediction") keep(this.said, message.target, message, "prediction_id");
  }

  // What was said before this page was opened.
  knew(predictions) {
    for (const one of predictions) this.heard("prediction", one);
  }

  async #ask(name) {
    if (this.asked.has(name)) return;
    this.asked.add(name);
    const game = encodeURIComponent(this.id);
    try {
      const [odds, said] = await Promise.all([
        list(`/v1/games/${game}/odds?market=${name}`, 10_000),
        list(`/v1/predictions?game=${game}&target=${PRICED_BY[name]}`),
      ]);
      for (const one of odds.items) this.heard("line", one);
      this.knew(said.items.filter((one) => one.role === "champion" || one.share != null));
      if (odds.more) this.problem = "Only the first 10,000 moves are shown.";
    } catch (problem) {
      if (problem.status == null) throw problem;
      this.problem = `Only what came since this page was opened: ${problem.message}`;
    }
    this.redraw();
  }

  render(game) {
    const present = MARKETS.filter((name) => market(this.state, game, name));
    if (!present.length) {
      this.note.textContent = "No prices yet. They appear with the first line movement.";
      return;
    }
    if (!present.includes(this.market)) this.market = present[0];
    if (!SIDES[this.market].includes(this.side)) [this.side] = SIDES[this.market];
    this.#ask(this.market);
    const one = market(this.state, game, this.market);
    const flat = this.market === "moneyline";
    if (flat) this.what = "price";
    const pick = (key) => (value) => {
      this[key] = value;
      this.redraw();
    };
    tabs(this.controls, [
      ["Market", present.map((name) => [name, f.MARKET_NAMES[name]]), this.market, pick("market")],
      ["Side", SIDES[this.market].map((side) => [side, f.sideLabel(game, { ...one, line: null, prediction: null }, side)]), this.side, pick("side")],
      ...(flat ? [] : [["What is drawn", [["price", "Price"], ["line", "Line"]], this.what, pick("what")]]),
    ]);
    this.chart.marks = [[game.schedule.start_time_us - this.state.rules.cutoff_us, "cutoff"],
      [game.schedule.start_time_us, "first pitch"]];
    this.chart.label = `${f.MARKET_NAMES[this.market]}, ${f.sideLabel(game, one, this.side)}: ${this.what} by book, consensus and model`;
    this.chart.show(this.what === "price" ? this.#prices(one) : this.#lines());
    const at = one.line == null ? "" : `Prices at ${f.sideLabel(game, one, this.side)}; where a line breaks off, the book offered another one. `;
    this.note.textContent = (this.what === "price" ? at : "") + this.problem;
  }

  #prices(one) {
    const second = this.side === SIDES[this.market][1];
    const fair = (share) => 1 / (second ? 1 - share : share);
    const said = (this.said.get(PRICED_BY[this.market]) ?? []).filter((each) => each.line === one.line);
    return [
      { name: "Model, fair", style: 0, strong: true, points: this.#until(said.map((each) => [each.as_of_us, fair(each.probability)])) },
      { name: "Consensus, fair", style: 1, strong: true, dashed: true, points: this.#until(said.map((each) => [each.as_of_us, fair(each.market_probability)])) },
      ...this.#books((quote) => (quote.status === "open" && quote.line === one.line ? quotePrice(quote, this.side) : null)),
    ];
  }

  #lines() {
    const sign = this.market === "run_line" && this.side === "away" ? -1 : 1;
    const said = (this.said.get(PRICED_BY[this.market]) ?? []).filter((each) => each.line != null);
    return [
      { name: "Model's line", style: 0, strong: true, points: this.#until(said.map((each) => [each.as_of_us, sign * each.line])) },
      ...this.#books((quote) => (quote.status === "open" ? sign * quote.line : null)),
    ];
  }

  #books(value) {
    const known = Object.keys(f.BOOKS);
    const place = (book) => (known.indexOf(book) + 1 || known.length + 1);
    const books = [...this.quotes.keys()].filter((key) => key.startsWith(`${this.market} `))
      .map((key) => key.slice(this.market.length + 1))
      .sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
    return books.map((book, at) => ({
      name: f.bookName(book), style: at + 2, hidden: books.length > 6 && !SHOWN.includes(book),
      points: this.#until(this.quotes.get(`${this.market} ${book}`)
        .map((quote) => [quote.occurred_at_us, value(quote)])),
    }));
  }

  // The last value still stands.
  #until(points) {
    const last = points.at(-1);
    return last && last[0] < this.state.newest ? [...points, [this.state.newest, last[1]]] : points;
  }
}

// In order of time, each once.
function keep(map, key, message, id) {
  const known = map.get(key) ?? [];
  const moment = (one) => one.occurred_at_us ?? one.as_of_us;
  let at = known.length;
  while (at > 0 && moment(known[at - 1]) > moment(message)) at -= 1;
  for (let back = at - 1; back >= 0 && moment(known[back]) === moment(message); back -= 1) {
    if (known[back][id] === message[id]) return;
  }
  known.splice(at, 0, message);
  map.set(key, known);
}
