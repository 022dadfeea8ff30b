// One game: what stands now, how it came to it, and why.

import { get } from "/static/api.js";
import { el, replace, when } from "/static/dom.js";
import * as f from "/static/format.js";
import { Features } from "/static/game_features.js";
import { Lines } from "/static/game_lines.js";
import { alerts, quotes, verdicts } from "/static/game_markets.js";
import { Splits } from "/static/game_splits.js";
import { Why } from "/static/game_why.js";
import { begin, oddsFormat, state } from "/static/shell.js";
import { isLocked, isSimulated } from "/static/state.js";

const REFRESH_MS = 5_000; // of what the feed does not carry, when the model has spoken anew
const $ = (id) => document.getElementById(id);

const id = decodeURIComponent(location.pathname.split("/").at(-1));
const lines = new Lines(id, state, oddsFormat, () => soon());
const others = [new Why(id), new Splits(id, () => state.games.get(id)), new Features(id)];
let begun = false;
let due = false;

const soon = begin({ query: { game: id }, heard, render });

function heard(kind, message) {
  if (kind === "snapshot") {
    for (const line of message.games.flatMap((game) => game.lines)) lines.heard("line", line);
    knew();
    refresh();
  } else if (kind === "line" || kind === "prediction") {
    lines.heard(kind, message);
    if (kind === "prediction") refresh();
  }
}

function knew() {
  get(`/v1/games/${encodeURIComponent(id)}`).then((known) => {
    lines.knew(known.predictions);
    soon();
  }).catch(() => null); // not on the board: the page says so
}

function refresh() {
  if (due || !state.games.has(id)) return;
  due = true;
  for (const one of others) one.refresh();
  setTimeout(() => (due = false), REFRESH_MS);
}

function render() {
  const game = state.games.get(id);
  const there = Boolean(game?.schedule);
  $("game").hidden = !there;
  $("empty").hidden = there;
  if (!state.rules) return;
  if (!there) {
    $("empty").textContent = "This game is not on the board: it left half a day after its start, or its schedule has not come yet.";
    return;
  }
  const { schedule, result } = game;
  const score = result ? ` ${result.away_score}:${result.home_score}` : "";
  const title = `${schedule.away} at ${schedule.home}${score}`;
  if ($("title").textContent !== title) {
    $("title").textContent = title;
    document.title = `${title} · Steamline`;
  }
  const left = schedule.start_time_us - state.rules.cutoff_us - state.newest;
  $("about").replaceChildren(when(schedule.start_time_us), " ", ...[
    schedule.status !== "scheduled" ? schedule.status : "",
    left > 0 && !isLocked(game) ? `cutoff in ${f.span(left)}` : "cutoff passed",
    [schedule.away_starter, schedule.home_starter].some(Boolean)
      ? [schedule.away_starter, schedule.home_starter].map((one) => one ?? "TBD").join(" v ") : "",
  ].filter(Boolean).map((text) => `· ${text} `),
  isLocked(game) ? el("span", "tag lock", "Locked") : "", " ",
  isSimulated(game) ? el("span", "tag sim", "SIMULATED") : "");
  replace($("verdicts"), verdicts(state, game, oddsFormat()));
  lines.render(game);
  replace($("alerts"), [alerts(game)]);
  replace($("quotes"), quotes(state, game, oddsFormat()));
  if (!begun) {
    begun = true;
    refresh();
  }
}
