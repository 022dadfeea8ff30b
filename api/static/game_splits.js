// Who bets how: shares of tickets and of money on one side over time, of one book or pool.

import { list } from "/static/api.js";
import { Chart } from "/static/chart.js";
import { el, empty, fill } from "/static/dom.js";
import * as f from "/static/format.js";
import { tabs } from "/static/tabs.js";

export class Splits {
  constructor(id, game) {
    Object.assign(this, { id, game });
    this.market = "moneyline";
    this.book = "";
    this.readings = [];
    this.controls = document.getElementById("splits-controls");
    this.place = document.getElementById("splits");
    this.chart = new Chart({
      label: "Splits", text: (value) => `${value.toFixed(0)}%`, range: () => [0, 100], height: 220,
    });
    this.note = el("p", "note");
  }

  refresh() {
    return fill(this.place, async () => {
      this.readings = (await list(`/v1/games/${encodeURIComponent(this.id)}/splits`)).items;
      if (!this.readings.length) {
        return empty("No splits of this game yet", "They come from the sources VSIN, SportsBettingDime and Action Network: steamline ingest.");
      }
      // In the page before it is drawn: a chart needs a width.
      setTimeout(() => this.#draw());
      return this.place.contains(this.chart.node) ? [...this.place.childNodes] : [this.chart.node, this.note];
    });
  }

  #draw() {
    const game = this.game();
    if (!game) return;
    const markets = [...new Set(this.readings.map((one) => one.market))];
    if (!markets.includes(this.market)) [this.market] = markets;
    const counts = new Map();
    for (const one of this.readings) {
      if (one.market === this.market) counts.set(one.book, (counts.get(one.book) ?? 0) + 1);
    }
    const books = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a) || (a < b ? -1 : 1));
    if (!books.includes(this.book)) [this.book] = books;
    const pick = (key) => (value) => {
      this[key] = value;
      this.#draw();
    };
    tabs(this.controls, [
      ["Market", markets.map((name) => [name, f.MARKET_NAMES[name]]), this.market, pick("market")],
      ["Book or pool", books.map((book) => [book, f.bookName(book)]), this.book, pick("book")],
    ]);
    const chosen = this.readings.filter((one) => one.market === this.market && one.book === this.book);
    const points = (key) => chosen.filter((one) => one[key] != null).map((one) => [one.occurred_at_us, one[key]]);
    const side = this.market === "total" ? "the over" : f.sideLabel(game, { name: "moneyline" }, "home");
    this.chart.label = `${f.MARKET_NAMES[this.market]}: share on ${side}, ${f.bookName(this.book)}`;
    this.chart.show([
      { name: "Tickets", style: 0, points: points("tickets_home_over_pct"), strong: true },
      { name: "Money", style: 1, dashed: true, points: points("handle_home_over_pct"), strong: true },
    ]);
    this.note.textContent = `Share of bets (tickets) and of money on ${side}. Money above tickets: the larger bets are on it.`;
  }
}
