// Backtests and their tear sheets, which run nothing: the frame is a sandbox.

import { list } from "/static/api.js";
import { badge, el, empty, fill, table, when } from "/static/dom.js";
import * as f from "/static/format.js";
import { begin } from "/static/shell.js";

const $ = (id) => document.getElementById(id);

begin({ query: { event: "result" } }); // for its state alone
fill($("all"), async () => {
  const { items } = await list("/v1/backtests", 1_000, 100);
  if (!items.length) return empty("No backtest yet", "steamline backtest --out backtests/NAME writes one; STEAMLINE_API_BACKTESTS names the folder.");
  const chosen = new URLSearchParams(location.search).get("id");
  const found = items.find((one) => one.id === chosen);
  if (found) open(found);
  return all(items);
});

function all(items) {
  return table("Backtests by name", [
    { name: "Name", of: (one) => (one.wrong ? one.id : opener(one)) },
    { name: "Days", of: (one) => (one.wrong ? "–" : `${one.first_day ?? "–"} to ${one.last_day ?? "–"}`) },
    { name: "Bankroll", of: (one) => one.bankroll },
    { name: "Bets", number: true, of: (one) => f.figure(one.bets) },
    { name: "Balance", number: true, of: (one) => (one.balance_end == null ? "–" : `${f.amount(one.balance_start)} → ${f.amount(one.balance_end)}`) },
    { name: "Return on stakes", number: true, title: "Profit per unit staked, 95 %", of: (one) => (one.roi == null ? "–" : `${f.signed(one.roi)}${one.roi_interval ? ` (${f.signed(one.roi_interval[0])} to ${f.signed(one.roi_interval[1])})` : ""}`) },
    { name: "Deepest fall", number: true, of: (one) => f.percent(one.drawdown) },
    { name: "Data", of: (one) => (one.wrong ? badge("bad", "unreadable") : one.simulated ? badge("warn", "simulated") : badge("none", one.source)) },
    { name: "Read first", className: "text", of: (one) => one.wrong ?? (one.warnings.length ? badge("warn", `${one.warnings.length} ${one.warnings.length > 1 ? "warnings" : "warning"}`) : badge("good", "no warnings")) },
    { name: "Written", of: (one) => when(one.written_us) },
  ], items);
}

function opener(one) {
  const link = el("a", "", one.id);
  link.href = `?id=${encodeURIComponent(one.id)}`;
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.replaceState(null, "", link.href);
    open(one);
    $("sheet").scrollIntoView();
  });
  return link;
}

function open(one) {
  const address = `/v1/backtests/${encodeURIComponent(one.id)}/page`;
  $("sheet").hidden = false;
  $("h-sheet").textContent = `Tear sheet: ${one.id}`;
  $("frame").src = address;
  $("frame").title = `Tear sheet of ${one.id}`;
  $("alone").href = address;
  $("warnings").replaceChildren(...(one.warnings.length
    ? [el("ul", "reasons", ...one.warnings.map((text) => el("li", "", text)))] : []));
}
