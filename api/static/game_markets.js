// What stands for each market of a game: prices, the model, the stake or why there is none.

import { badge, el, scroller, table, when } from "/static/dom.js";
import * as f from "/static/format.js";
import { MARKETS, market, quotePrice, standsSince } from "/static/state.js";

// One block a market: the figures of the first side, and the verdict in words.
export function verdicts(state, game, format) {
  return MARKETS.map((name) => market(state, game, name)).filter(Boolean).map((one) => {
    const { stake, prediction } = one;
    const bet = stake?.fraction > 0;
    const block = el("div", "verdict-block", el("h2", "", f.MARKET_NAMES[one.name]), sides(game, one, format));
    if (bet) {
      block.append(el("p", "bet-line",
        badge(stake.paper ? "warn" : "good", stake.paper ? "Paper stake" : "Stake"), " ",
        el("b", "", f.amount(stake.amount)), ` on ${f.sideLabel(game, { ...one, line: stake.line ?? one.line }, stake.side)} `
        + `at ${f.price(stake.price, format)}, ${f.bookName(stake.book)}: ${f.percent(stake.fraction, 2)} of the bankroll`));
    } else if (stake) {
      block.append(el("p", "bet-line", badge("none", "No stake")), el("ul", "reasons",
        ...stake.refusals.map((reason) => el("li", "", el("b", "", f.REFUSALS[reason] ?? reason),
          f.REFUSALS_LONG[reason] ? `: ${f.REFUSALS_LONG[reason]}` : ""))));
    }
    if (prediction) {
      const expected = one.runs != null ? `${f.fixed(one.runs, 2)} runs expected. `
        : prediction.mean_margin != null ? `Home margin of ${f.signedNumber(prediction.mean_margin)} runs expected. ` : "";
      block.append(el("p", "note", `${expected}Model ${prediction.model_version}, ${f.percent(prediction.completeness, 0)} of features, as of `, when(prediction.as_of_us, true)));
    }
    return block;
  });
}

// A row a side, as on the board.
function sides(game, one, format) {
  const rows = f.ORDER[one.name].map((side) => ({ side, ...f.ofSide(one, side) }));
  return table(`${f.MARKET_NAMES[one.name]}: model against market`, [
    { name: "Side", of: ({ side }) => f.sideLabel(game, one, side) },
    { name: "Best", number: true, of: ({ side }) => f.price(one.best[side]?.price, format) },
    { name: "Fair", number: true, of: ({ fair }) => f.price(fair, format) },
    { name: "Model", number: true, of: ({ model }) => f.percent(model) },
    { name: "Market", number: true, of: ({ consensus }) => f.percent(consensus) },
    { name: "Edge", number: true, of: ({ edge }) => (edge > 0 ? el("b", "plus", f.signed(edge)) : f.signed(edge)) },
  ], rows, true);
}

export function alerts(game) {
  if (!game.signals.length && !game.lock) {
    return el("p", "note", "None so far. Steam, reverse moves, freezes, arbitrages and locks appear here.");
  }
  const all = [...game.signals, ...(game.lock ? [game.lock] : [])].sort((a, b) => b.position - a.position);
  const list = el("ul", "signals", ...all.map((one) => el("li", "", when(one.as_of_us, true),
    el("span", "tag signal", f.SIGNALS[one.kind] ?? one.kind),
    el("span", "", one.market ? `${f.MARKET_NAMES[one.market]}: ${one.detail}` : one.detail))));
  list.tabIndex = 0; // it scrolls
  return list;
}

export function quotes(state, game, format) {
  const blocks = MARKETS.map((name) => market(state, game, name)).filter((one) => one?.quotes.length);
  if (!blocks.length) return [el("p", "note", "No book has quoted this game yet.")];
  return blocks.map((one) => byBook(state, game, one, format));
}

function byBook(state, game, one, format) {
  const total = one.name === "total";
  const names = f.ORDER[one.name].map((side) =>
    (total ? { over: "Over", under: "Under" }[side] : f.sideLabel(game, { ...one, line: null }, side)));
  const flat = one.name === "moneyline";
  // A run line is the home side's.
  const line = total ? "Line" : `Line ${f.sideLabel(game, { name: "moneyline" }, "home")}`;
  const head = ["Book", ...(flat ? [] : [line]), ...names, "Confirmed"].map((text, at) => {
    const cell = el("th", at ? "num" : "", text);
    cell.scope = "col";
    return cell;
  });
  const side = f.ORDER[one.name][0];
  const order = [...one.quotes].sort((a, b) => one.fresh.has(b) - one.fresh.has(a)
    || (quotePrice(b, side) ?? 0) - (quotePrice(a, side) ?? 0) || (a.book < b.book ? -1 : 1));
  const rows = order.map((quote) => {
    const book = el("th", "", f.bookName(quote.book));
    book.scope = "row";
    const at = quote.line == null ? "–" : total ? String(quote.line) : f.handicap(quote.line);
    const stands = standsSince(game, quote);
    const age = el("td", "num", `${f.span(state.newest - stands)} ago`);
    age.title = f.utc(stands);
    const stale = !one.fresh.has(quote);
    const row = el("tr", stale ? "stale" : "", book, ...(flat ? [] : [el("td", "num", at)]),
      ...f.ORDER[one.name].map((each) => {
        const best = one.best[each]?.book === quote.book && quote.line === one.line;
        return el("td", best ? "num best" : "num marks",
          quote.status === "open" ? f.price(quotePrice(quote, each), format) : "withdrawn");
      }), age);
    if (stale) row.title = "Stale: out of the reckoning";
    return row;
  });
  const node = el("table", "list", el("caption", "", f.MARKET_NAMES[one.name]),
    el("thead", "", el("tr", "", ...head)), el("tbody", "", ...rows));
  return scroller(node, `${f.MARKET_NAMES[one.name]}: prices by book`);
}
