// Bankrolls: balance over time, what is staked and bet, what came of it, and why nothing was staked.

import { get, list } from "/static/api.js";
import { Chart } from "/static/chart.js";
import { badge, bar, el, empty, facts, fill, replace, table, when } from "/static/dom.js";
import * as f from "/static/format.js";
import { begin, oddsFormat, state } from "/static/shell.js";
import { tabs } from "/static/tabs.js";

const REFRESH_MS = 15_000;
const SHOWN = 200;
const $ = (id) => document.getElementById(id);

let name = new URLSearchParams(location.search).get("name");
let rows = [];
const balance = new Chart({ label: "Balance", text: (value) => f.amount(value), height: 240 });

const soon = begin({ query: { event: "stake" }, render: stakes });
refresh();
setInterval(refresh, REFRESH_MS);

function refresh() {
  fill($("all"), async () => {
    rows = (await get("/v1/bankrolls")).bankrolls;
    $("one").hidden = !rows.length;
    if (!rows.length) {
      $("names").replaceChildren();
      return empty("No ledger yet", "steamline bankroll open main 1000 opens one; steamline run ledger keeps it.");
    }
    if (!rows.some((one) => one.bankroll === name)) name = rows[0].bankroll;
    choose(name);
    return overview();
  });
}

function overview() {
  return table("Bankrolls by name", [
    { name: "Bankroll", of: (one) => one.bankroll },
    { name: "State", of: status },
    { name: "Balance", number: true, of: (one) => money(one.balance, one.currency) },
    { name: "Free", number: true, of: (one) => money(one.free) },
    { name: "Reserved for advice", number: true, of: (one) => money(one.reserved) },
    { name: "Open bets", number: true, of: (one) => `${money(one.open)} in ${one.open_bets}` },
    { name: "Not booked", number: true, title: "Bets and gradings that the ledger cannot book", of: (one) => (one.unbooked ? badge("bad", String(one.unbooked)) : "0") },
    { name: "Told up to", of: (one) => when(one.told_at_us) },
  ], rows);
}

const status = (one) => el("span", "",
  one.stopped ? badge("bad", `stopped: ${one.stopped_because}`) : badge("good", "staking"),
  one.paper ? " " : null, one.paper ? badge("warn", "paper") : null);

const money = (text, currency = "") => `${f.amount(Number(text))}${currency ? ` ${currency}` : ""}`;

function choose(wanted) {
  name = wanted;
  history.replaceState(null, "", `?name=${encodeURIComponent(name)}`);
  if (rows.length > 1) tabs($("names"), [["Bankroll", rows.map((one) => [one.bankroll, one.bankroll]), name, choose]]);
  const path = `/v1/bankrolls/${encodeURIComponent(name)}`;
  const query = `bankroll=${encodeURIComponent(name)}`;
  const bookings = list(`${path}/history`, 5_000);
  fill($("balance"), async () => chart(await bookings));
  fill($("bookings"), async () => booked((await bookings).items));
  fill($("bets"), async () => bets((await get(path)).open_bets));
  fill($("settled"), async () => settled(await list(`/v1/settlements?${query}`, SHOWN)));
  fill($("refusals"), async () => refusals((await list(`/v1/stakes?${query}&staked=false`, 1_000)).items));
  soon();
}

function chart({ items, more }) {
  if (!items.length) return empty("Nothing booked yet", "steamline bankroll deposit puts money in.");
  const points = [...items].reverse().map((one) => [one.at_us, Number(one.balance)]);
  // Bookings come in order of number. Where their times run back, as in a replay, the number is the
  // only order there is.
  const back = points.some(([us], at) => at > 0 && us < points[at - 1][0]);
  balance.number = back ? (x) => (Number.isInteger(x) ? `#${x}` : "") : null;
  const drawn = back ? points.map(([, value], at) => [at + 1, value]) : points;
  setTimeout(() => balance.show([{ name: "Balance", style: 0, strong: true, points: drawn }]));
  const [first, last] = [points[0][1], points.at(-1)[1]];
  const peak = points.reduce((found, [, value]) => {
    const high = Math.max(found.high, value);
    return { high, fall: Math.max(found.fall, high ? (high - value) / high : 0) };
  }, { high: 0, fall: 0 });
  return [
    facts([["Now", f.amount(last)], ["Highest", f.amount(peak.high)], ["Deepest fall", f.percent(peak.fall)], ["Bookings", f.figure(items.length)]]),
    balance.node,
    el("p", "note", (more ? "The newest 5,000 bookings" : `From ${f.amount(first)}, every booking`)
      + (back ? ", by number: their event times run back." : ".")),
  ];
}

const bet = (one) => `${f.MARKET_NAMES[one.market]}: ${f.sideLabel({ id: one.game_id }, { name: one.market, line: homeLine(one) }, one.side)}`;

// A bet's line is its own side's; labels take the home side's.
const homeLine = (one) => (one.line == null ? null : one.market === "run_line" && one.side === "away" ? -one.line : one.line);

function game(one) {
  const link = el("a", "", f.gameName(one.game_id));
  link.href = `/games/${encodeURIComponent(one.game_id)}`;
  return link;
}

function stakes() {
  const standing = [...state.games.values()].flatMap((each) => [...each.stakes.values()])
    .filter((one) => one.bankroll === name && one.fraction > 0)
    .sort((a, b) => b.amount - a.amount);
  replace($("stakes"), [standing.length
    ? table("Stakes by size, as the feed has them now", [
      { name: "Game", of: game },
      { name: "Bet", of: bet },
      { name: "Book", of: (one) => f.bookName(one.book) },
      { name: "Price", number: true, of: (one) => f.price(one.price, oddsFormat()) },
      { name: "Edge", number: true, of: (one) => f.signed(one.edge) },
      { name: "Of bankroll", number: true, of: (one) => f.percent(one.fraction, 2) },
      { name: "Amount", number: true, of: (one) => f.amount(one.amount) },
      { name: "Kind", of: (one) => (one.paper ? badge("warn", "paper") : badge("good", "real")) },
    ], standing)
    : empty("No stake stands now", "When the model finds an edge that passes every limit, it appears here.")]);
}

function bets(open) {
  if (!open.length) return empty("No open bets", "steamline bankroll fill or POST /v1/fills records a bet that you made.");
  return table("Bets without a grading, newest first", [
    { name: "Made", of: (one) => when(one.filled_at_us) },
    { name: "Game", of: game },
    { name: "Bet", of: bet },
    { name: "Book", of: (one) => f.bookName(one.book) },
    { name: "Price", number: true, of: (one) => f.price(one.price, oddsFormat()) },
    { name: "Amount", number: true, of: (one) => money(one.amount) },
    { name: "Source", of: (one) => one.source },
  ], open);
}

const OUTCOMES = { win: "good", loss: "bad", push: "none", void: "none" };

function settled({ items, more }) {
  if (!items.length) return empty("Nothing graded yet", "steamline run settle grades bets when the result is in.");
  return table(more ? `Settlements: the newest ${SHOWN}` : "Settlements, newest first", [
    { name: "Graded", of: (one) => when(one.settled_at_us) },
    { name: "Game", of: game },
    { name: "Bet", of: bet },
    { name: "Book", of: (one) => f.bookName(one.book) },
    { name: "Price", number: true, of: (one) => f.price(one.price, oddsFormat()) },
    { name: "Amount", number: true, of: (one) => money(one.amount) },
    { name: "Outcome", of: (one) => badge(OUTCOMES[one.outcome] ?? "warn", one.outcome.replaceAll("_", " ")) },
    { name: "Paid", number: true, of: (one) => money(one.payout) },
    { name: "Rule", className: "text", of: (one) => `${one.rule}: ${one.detail}` },
  ], items);
}

function refusals(refused) {
  if (!refused.length) return empty("Nothing was refused", "Each refusal has its reason, counted here.");
  const counts = new Map();
  for (const one of refused) for (const reason of one.refusals) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return [
    el("div", "bars", ...[...counts].sort((a, b) => b[1] - a[1]).flatMap(([reason, count]) => {
      const label = el("span", "", f.REFUSALS[reason] ?? reason);
      label.title = f.REFUSALS_LONG[reason] ?? "";
      return [label, bar(count / most, false), el("span", "", f.figure(count))];
    })),
    el("p", "note", `Of the newest ${f.figure(refused.length)} refusals; one may have several reasons.`),
  ];
}

function booked(items) {
  if (!items.length) return empty("Nothing booked yet");
  return table(items.length > SHOWN ? `Bookings: the newest ${SHOWN}` : "Every booking, newest first", [
    { name: "When", of: (one) => when(one.at_us) },
    { name: "What", of: (one) => f.BOOKINGS[one.kind] ?? one.kind },
    { name: "Free", number: true, of: (one) => moved(one.free) },
    { name: "Reserved", number: true, of: (one) => moved(one.reserved) },
    { name: "Open", number: true, of: (one) => moved(one.open) },
    { name: "Balance", number: true, of: (one) => money(one.balance) },
    { name: "For", className: "text", of: (one) => one.reason ?? one.fill_id ?? one.stake_id ?? one.settlement_id ?? "–" },
  ], items.slice(0, SHOWN));
}

const moved = (text) => (Number(text) ? `${Number(text) < 0 ? "−" : "+"}${f.amount(Math.abs(Number(text)))}` : "–");
