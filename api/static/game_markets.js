// What stands for each market of a game: prices, the model, the stake or why there is none.

import { badge, el, facts, scroller, when } from "/static/dom.js";
import * as f from "/static/format.js";
import { MARKETS, market, quotePrice, standsSince } from "/static/state.js";

// One block a market: the figures of the first side, and the verdict in words.
export function verdicts(state, game, format) {
  return MARKETS.map((name) => market(state, game, name)).filter(Boolean).map((one) => {
    const { stake, prediction } = one;
    const bet = stake?.fraction > 0;
    const first = f.ORDER[one.name][1] === "home" ? "home" : "over";
    const figures = prediction ? facts([
      ["Model", f.percent(prediction.probability)],
      ["Market", f.percent(prediction.market_probability)],
      ["Fair", f.price(prediction.fair_price, format)],
      ["Edge", f.signed(prediction.best.find((quote) => quote.side === first)?.edge)],
      ...(one.runs != null ? [["Runs expected", f.fixed(one.runs, 2)]] : []),
      ...(prediction.mean_margin != null ? [["Margin expected", f.signedNumber(prediction.mean_margin)]] : []),
    ]) : el("p", "note", "The model has not spoken about this market yet.");
    const head = el("h2", "", f.MARKET_NAMES[one.name]);
    const side = el("span", "of", f.sideLabel(game, one, first));
    const block = el("div", "verdict-block", el("header", "", head, side), figures);
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
      block.append(el("p", "note", `Model ${prediction.model_version}, ${f.percent(prediction.completeness, 0)} of features, as of `, when(prediction.as_of_us, true)));
    }
    return block;
  });
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
  return blocks.map((one) => table(state, game, one, format));
}

function table(state, game, one, format) {
  const total = one.name === "total";
  const names = f.ORDER[one.name].map((side) =>
    (total ? { over: "Over", under: "Under" }[side] : f.sideLabel(game, { ...one, line: null }, side)));
  const flat = one.name === "moneyline";
  const head = ["Book", ...(flat ? [] : ["Line"]), ...names, "Confirmed"].map((text, at) => {
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
    const line = quote.line == null ? "–" : total ? String(quote.line) : f.handicap(quote.line);
    const stands = standsSince(game, quote);
    const age = el("td", "num", `${f.span(state.newest - stands)} ago`);
    age.title = f.utc(stands);
    const stale = !one.fresh.has(quote);
    const row = el("tr", stale ? "stale" : "", book, ...(flat ? [] : [el("td", "num", line)]),
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
