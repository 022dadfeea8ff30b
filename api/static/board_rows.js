// The board: a group of rows a game, a row a side, a column a book.

import * as f from "/static/format.js";
import { el, show } from "/static/dom.js";
import { MARKETS, isLocked, isSimulated, market, quotePrice, standsSince } from "/static/state.js";

const SIGNAL_US = 30 * 60e6; // how long a signal stays on the row; the drawer keeps it
const FINISHED = new Set(["final", "cancelled"]);

export class View {
  constructor() {
    this.rows = new Map(); // game_id -> GameRows
    this.books = [];
  }

  render(state, format) {
    const games = [...state.games.values()].filter((game) => game.schedule).sort(byStart);
    this.#columns(games);
    const table = document.getElementById("table");
    for (const [id, rows] of this.rows) {
      if (!state.games.has(id)) {
        rows.body.remove();
        this.rows.delete(id);
      }
    }
    const totals = { open: 0, stakes: 0, amount: 0, edge: null };
    let last = table.tHead;
    for (const game of games) {
      let rows = this.rows.get(game.id);
      if (!rows) this.rows.set(game.id, (rows = new GameRows(game.id)));
      rows.render(state, game, this.books, format, totals);
      if (last.nextSibling !== rows.body) last.after(rows.body);
      last = rows.body;
    }
    this.#facts(games, totals);
  }

  #columns(games) {
    const quoting = new Set();
    for (const game of games) for (const line of game.lines.values()) quoting.add(line.book);
    const known = Object.keys(f.BOOKS);
    const books = [...known.filter((book) => quoting.delete(book)), ...[...quoting].sort()];
    if (books.join() === this.books.join()) return;
    this.books = books;
    const head = document.getElementById("head");
    head.querySelectorAll(".c-book").forEach((cell) => cell.remove());
    for (const book of books) {
      const cell = el("th", "c-book", f.bookShort(book));
      cell.scope = "col";
      cell.title = f.bookName(book);
      head.append(cell);
    }
    for (const rows of this.rows.values()) rows.body.remove();
    this.rows.clear();
  }

  #facts(games, totals) {
    const $ = (id) => document.getElementById(id);
    for (const id of ["facts", "scroll", "legend"]) $(id).hidden = !games.length;
    $("empty").hidden = games.length > 0;
    $("empty").textContent = "No games on the board yet. They appear as soon as a schedule arrives.";
    show($("fact-games"), String(games.length));
    show($("fact-open"), String(totals.open));
    show($("fact-stakes"), String(totals.stakes));
    show($("fact-amount"), f.amount(totals.amount));
    show($("fact-edge"), f.signed(totals.edge));
    show($("fact-books"), String(this.books.length));
  }
}

function byStart(one, other) {
  const done = FINISHED.has(one.schedule.status) - FINISHED.has(other.schedule.status);
  return done || one.schedule.start_time_us - other.schedule.start_time_us
    || (one.id < other.id ? -1 : 1);
}

// {kind: what was said last}, of the signals that began not long ago.
function recent(state, game) {
  const fresh = game.signals.filter((one) => state.newest - one.as_of_us <= SIGNAL_US);
  return new Map(fresh.map((one) => [one.kind, `${f.MARKET_NAMES[one.market]}: ${one.detail}`]));
}

class GameRows {
  constructor(id) {
    this.body = el("tbody", "game");
    this.body.dataset.game = id;
    this.about = el("th", "c-game");
    this.about.scope = "rowgroup";
    this.top = el("div", "when");
    this.start = el("time");
    this.tags = el("span", "tags");
    this.top.append(this.start, this.tags);
    this.open = el("a", "teams");
    this.open.href = `/games/${encodeURIComponent(id)}`;
    this.away = el("span");
    this.home = el("span");
    this.open.append(this.away, this.home);
    this.starters = el("div", "starters");
    this.cutoff = el("div", "cutoff");
    this.about.append(this.top, this.open, this.starters, this.cutoff);
    this.sides = new Map(); // "market side" -> SideRow
    this.shape = "";
  }

  render(state, game, books, format, totals) {
    const { schedule, result } = game;
    const locked = isLocked(game);
    const over = FINISHED.has(schedule.status);
    show(this.start, `${f.day(schedule.start_time_us)} · ${f.time(schedule.start_time_us)}`);
    this.start.title = f.utc(schedule.start_time_us);
    this.#tags(game, locked, over ? [] : recent(state, game));
    const score = (team, runs) => (result ? `${team}  ${runs}` : team);
    show(this.away, score(schedule.away, result?.away_score));
    show(this.home, score(schedule.home, result?.home_score));
    const starters = [schedule.away_starter, schedule.home_starter];
    show(this.starters, starters.some(Boolean) ? starters.map((one) => one ?? "TBD").join(" v ") : "");
    const left = schedule.start_time_us - state.rules.cutoff_us - state.newest;
    let cutoff = "Cutoff passed";
    if (over) cutoff = "";
    else if (locked) cutoff = "Prediction locked at cutoff";
    else if (left > 0) cutoff = `Cutoff in ${f.span(left)}`;
    show(this.cutoff, cutoff);
    this.cutoff.title = f.utc(schedule.start_time_us - state.rules.cutoff_us);
    this.cutoff.classList.toggle("soon", left > 0 && left < 15 * 60e6);
    this.body.classList.toggle("locked", locked);
    this.body.classList.toggle("over", over);
    if (!locked && !over && left > 0) totals.open += 1;

    const markets = MARKETS.map((name) => market(state, game, name)).filter(Boolean);
    this.#arrange(markets, books);
    for (const one of markets) {
      for (const side of f.ORDER[one.name]) {
        this.sides.get(`${one.name} ${side}`).render(state, game, one, side, format, books);
      }
      if (one.stake?.fraction > 0 && !over) {
        totals.stakes += 1;
        totals.amount += one.stake.amount;
      }
      if (!locked && !over) {
        for (const quote of one.prediction?.best ?? []) {
          if (quote.edge != null && (totals.edge == null || quote.edge > totals.edge)) {
            totals.edge = quote.edge;
          }
        }
      }
    }
  }

  #tags(game, locked, signals) {
    const tags = [];
    if (isSimulated(game)) tags.push(["sim", "SIM", "Simulated data"]);
    if (locked) tags.push(["lock", "Locked", game.lock.detail]);
    if (game.schedule.status !== "scheduled") tags.push([game.schedule.status, game.schedule.status, ""]);
    for (const [kind, detail] of signals) tags.push(["signal", f.SIGNALS[kind] ?? kind, detail]);
    const wanted = tags.map((tag) => tag.join("|")).join();
    if (this.tags.dataset.shown === wanted) return;
    this.tags.dataset.shown = wanted;
    this.tags.replaceChildren(...tags.map(([kind, text, title]) => {
      const tag = el("span", `tag ${kind}`, text);
      tag.title = title;
      return tag;
    }));
  }

  #arrange(markets, books) {
    const shape = markets.map((one) => one.name).join();
    if (this.shape === shape && this.body.firstChild) return;
    this.shape = shape;
    this.sides.clear();
    this.body.replaceChildren();
    if (!markets.length) {
      const row = el("tr");
      const cell = el("td", "none", "No prices yet");
      cell.colSpan = 7 + books.length;
      this.about.rowSpan = 1;
      row.append(this.about, cell);
      this.body.append(row);
      return;
    }
    this.about.rowSpan = 2 * markets.length;
    for (const one of markets) {
      for (const [index, side] of f.ORDER[one.name].entries()) {
        const row = new SideRow(one.name, index, books);
        if (!this.body.firstChild) row.row.append(this.about);
        row.attach();
        this.sides.set(`${one.name} ${side}`, row);
        this.body.append(row.row);
      }
    }
  }
}

class SideRow {
  constructor(name, index, books) {
    this.row = el("tr", `side ${index ? "second" : "first"} ${name}`);
    this.side = el("th", "c-side");
    this.side.scope = "row";
    this.best = el("td", "c-best");
    this.bestPrice = el("b");
    this.bestBook = el("span", "book");
    this.best.append(this.bestPrice, this.bestBook);
    this.numbers = ["fair", "model", "market", "edge"].map((kind) => {
      const cell = el("td", `num ${kind}`);
      cell.dataset.label = kind;
      const inner = el("span");
      cell.append(inner);
      return [cell, inner];
    });
    // One stake a market: it spans both sides.
    this.stake = index ? null : el("td", "c-stake");
    if (this.stake) {
      this.stake.rowSpan = 2;
      this.verdict = el("div", "verdict");
      this.why = el("div", "why");
      this.age = el("div", "age");
      this.stake.append(this.verdict, this.why, this.age);
    }
    this.books = books.map((book) => {
      const cell = el("td", "c-book");
      cell.dataset.label = f.bookShort(book);
      const inner = el("span");
      const line = el("small");
      cell.append(inner, line);
      return [cell, inner, line];
    });
  }

  attach() {
    this.row.append(this.side, this.best, ...this.numbers.map(([cell]) => cell));
    if (this.stake) this.row.append(this.stake);
    this.row.append(...this.books.map(([cell]) => cell));
  }

  render(state, game, one, side, format, books) {
    show(this.side, f.sideLabel(game, one, side));
    const best = one.best[side];
    show(this.bestPrice, f.price(best?.price, format), best?.price);
    show(this.bestBook, best ? f.bookName(best.book) : "");
    const { prediction } = one;
    const { model, consensus, fair, edge } = f.ofSide(one, side);
    const [fairCell, modelCell, marketCell, edgeCell] = this.numbers;
    show(fairCell[1], f.price(fair, format), fair);
    show(modelCell[1], f.percent(model), model);
    show(marketCell[1], f.percent(consensus), consensus);
    show(edgeCell[1], f.signed(edge), edge);
    edgeCell[0].dataset.sign = edge == null ? "" : edge > 0 ? "plus" : "minus";
    if (prediction) {
      modelCell[0].title = `Model ${prediction.model_version}, position ${prediction.position}, `
        + `${f.percent(prediction.completeness, 0)} of features present`;
    }
    if (this.stake) this.#stake(game, one, format);
    books.forEach((book, at) => this.#quote(state, game, one, side, book, this.books[at], format));
  }

  #stake(game, one, format) {
    const { stake } = one;
    const bet = stake?.fraction > 0;
    this.stake.classList.toggle("bet", bet);
    show(this.verdict, bet ? f.amount(stake.amount) : stake ? "No stake" : "–", bet ? stake.amount : null);
    let why = "";
    if (bet) {
      why = `${f.sideLabel(game, { ...one, line: stake.line ?? one.line }, stake.side)} `
        + `${f.price(stake.price, format)} ${f.bookName(stake.book)} · ${f.percent(stake.fraction, 2)}${stake.paper ? " · paper, no bet" : ""}`;
    } else if (stake) {
      why = stake.refusals.map((reason) => f.REFUSALS[reason] ?? reason).join(", ");
    }
    show(this.why, why);
    show(this.age, one.age == null ? "" : `Odds ${f.span(one.age)} old`);
    this.age.classList.toggle("stale", one.quotes.length > 0 && one.fresh.size === 0);
  }

  #quote(state, game, one, side, book, [cell, inner, small], format) {
    const quote = game.lines.get(`${one.name} ${book}`);
    const value = quote?.status === "open" ? quotePrice(quote, side) : null;
    show(inner, value == null ? "" : f.price(value, format), value);
    const other = value != null && quote.line !== one.line;
    show(small, other ? String(quote.line) : "");
    cell.classList.toggle("stale", value != null && !one.fresh.has(quote));
    cell.classList.toggle("other", other);
    cell.classList.toggle("best", one.best[side]?.book === book);
    cell.classList.toggle("absent", value == null);
    if (quote) {
      cell.title = `${f.bookName(book)}: ${f.span(state.newest - standsSince(game, quote))} ago`
        + (other ? ` at ${quote.line}` : "");
    }
  }
}
