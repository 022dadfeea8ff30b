// Champions and challengers of each target, and whether they beat the market.

import { get } from "/static/api.js";
import { Chart } from "/static/chart.js";
import { badge, el, empty, facts, fill, table, when } from "/static/dom.js";
import * as f from "/static/format.js";
import { begin } from "/static/shell.js";
import { tabs } from "/static/tabs.js";

const REFRESH_MS = 60_000;
const ROLES = { champion: "Champion", challenger: "Challenger", previous: "Previous" };
const $ = (id) => document.getElementById(id);

let target = new URLSearchParams(location.search).get("target");
if (!(target in f.TARGETS)) target = "moneyline";

const loss = new Chart({ label: "Log-loss a game", text: (value) => f.fixed(value, 4), dots: true, step: false });
const curve = new Chart({
  label: "Calibration", text: (value) => f.percent(value, 0), step: false, dots: true,
  range: () => [0, 1], number: (value) => f.percent(value, 0),
});

begin({ query: { event: "alert" } }); // for its state alone
choose(target);
setInterval(refresh, REFRESH_MS);

function choose(name) {
  target = name;
  history.replaceState(null, "", `?target=${name}`);
  tabs($("targets"), [["Target", Object.entries(f.TARGETS), target, choose]]);
  for (const place of document.querySelectorAll("main .card > div")) {
    place.replaceChildren(); // what stood there is of another target
    place.setAttribute("aria-busy", "true");
  }
  refresh();
}

function refresh() {
  const wanted = target;
  fill($("versions"), async () => {
    const models = await get("/v1/models");
    $("source").replaceChildren(...source(models));
    const one = models.models.find((each) => each.target === wanted);
    return versions(one);
  });
  const quality = get(`/v1/models/${wanted}/quality`);
  const about = (show) => async () => {
    const found = await quality;
    return wanted === target ? show(found) : []; // the charts are of one target at a time
  };
  fill($("rolling"), about(rolling));
  fill($("calibration"), about(calibration));
  fill($("drift"), about(({ drift: found }) => drift(found)));
  fill($("experiments"), async () => experiments((await get("/v1/experiments")).experiments.filter((one) => one.target === wanted)));
}

function source(models) {
  if (models.source === "registry") return [];
  const what = { last_known: "The registry does not answer: this is what it said last, ", disk: "The registry has not answered: these are the champions that the worker on this machine took last. " }[models.source];
  return [el("p", "nothing", badge("warn", "Not current"), ` ${what}`, models.read_us ? when(models.read_us) : null, ` ${models.detail ?? ""}`)];
}

function versions(one) {
  const held = Object.keys(ROLES).filter((role) => one?.[role]).map((role) => [role, one[role]]);
  if (!held.length) return empty("No model of this target yet", "steamline model train makes one, steamline model promote sends it through the gate.");
  const speaking = one.speaking.map((each) => `${each.version} (${each.role}) on ${each.games} games`).join(", ");
  return [
    table("Versions of this target", [
      { name: "Role", of: ([role]) => ROLES[role] },
      { name: "Version", of: ([, it]) => it.version },
      { name: "Stakes", of: ([, it]) => (it.paper ? badge("warn", "paper") : badge("good", it.promoted === "forced" ? "real, by force" : "real")) },
      { name: "Gate", of: ([, it]) => gate(it.gate) },
      { name: "Log-loss", number: true, title: "On games it has not seen", of: ([, it]) => f.fixed(it.gate?.market?.log_loss ?? it.metrics.model_log_loss) },
      { name: "Market's", number: true, title: "Of the no-vig price on the same games", of: ([, it]) => f.fixed(it.gate?.market?.reference_log_loss ?? it.metrics.market_log_loss) },
      { name: "Against the market", number: true, title: "Below 0: the model is better. 95 %, days drawn", of: ([, it]) => difference(it.gate?.market) },
      { name: "Against the champion", number: true, of: ([, it]) => difference(it.gate?.champion) },
      { name: "Games", number: true, of: ([, it]) => f.figure(it.gate?.games ?? it.metrics.games) },
      { name: "Trained until", of: ([, it]) => (it.trained_until_us == null ? "–" : when(it.trained_until_us)) },
      { name: "Simulated", of: ([, it]) => (it.simulated == null ? "–" : it.simulated ? "yes" : "no") },
    ], held),
    el("p", "note", speaking ? `Speaking on the board now: ${speaking}.` : "No game on the board has been scored by it yet."),
    ...held.filter(([, it]) => it.gate?.reasons.length || it.reason).map(([role, it]) => el("p", "note",
      el("b", "", `${ROLES[role]}: `), [...(it.gate?.reasons ?? []), it.reason ? `forced: ${it.reason}` : ""].filter(Boolean).join("; "))),
  ];
}

const gate = (one) => (!one ? badge("none", "not judged") : one.passed ? badge("good", "passed") : badge("bad", "not passed"));

const difference = (one) => (one ? `${f.fixed(one.difference)} (${f.interval(one.interval)})` : "–");

function rolling(quality) {
  if (!quality.rolling.length) {
    return empty("No decided games yet", "Predictions need results: steamline run curate writes both to Postgres.");
  }
  const day = (one) => Date.parse(`${one.day}T12:00:00`) * 1000;
  const last = quality.rolling.at(-1);
  setTimeout(() => loss.show([
    { name: "Model", style: 0, strong: true, points: quality.rolling.map((one) => [day(one), one.model]) },
    { name: "Market, no vig", style: 1, dashed: true, strong: true, points: quality.rolling.map((one) => [day(one), one.market]) },
  ]));
  const better = last.high != null && last.high < 0;
  const worse = last.low != null && last.low > 0;
  return [
    el("p", "", better ? badge("good", "better than the market") : worse ? badge("bad", "worse than the market") : badge("none", "not told from the market"),
      ` ${f.fixed(last.difference)} a game ${last.low == null ? "" : `(${f.interval([last.low, last.high])}) `}over the last ${quality.window_days} days with games`),
    loss.node,
    el("p", "note", `Lower is better. ${quality.games} games${quality.simulated ? ", some simulated" : ""}; versions ${quality.versions.join(", ")}.`),
  ];
}

function calibration(quality) {
  const one = quality.calibration;
  if (!one) return empty("No decided games yet", "A curve needs some dozens of them.");
  setTimeout(() => curve.show([
    { name: "Model", style: 0, strong: true, points: points(one.bins) },
    { name: "Market, no vig", style: 1, dashed: true, points: points(one.market_bins) },
    { name: "As it should be", style: 5, points: [[0, 0], [1, 1]] },
  ]));
  return [
    facts([["Bias", f.signed(one.bias)], ["95 %", one.bias_interval ? `${f.signed(one.bias_interval[0])} to ${f.signed(one.bias_interval[1])}` : "–"],
      ["Slope", f.fixed(one.slope, 2)], ["Mean gap", f.percent(one.error)]]),
    curve.node,
    el("p", "note", "Across: what was predicted; up: how often it happened. A slope below 1: too sure of itself."),
  ];
}

const points = (bins) => bins.map((bin) => [bin.predicted, bin.happened]).sort((a, b) => a[0] - b[0]);

function drift(found) {
  if (!found.length) return empty("Nothing found", "steamline run monitor looks every night and tells here what is beyond its limits.");
  return table("Findings, newest first", [
    { name: "Told", of: (one) => when(one.as_of_us) },
    { name: "What", className: "text", of: (one) => one.detail },
    { name: "Values", className: "text", of: (one) => Object.entries(one.values).map(([name, value]) => `${name} ${f.figure(value)}`).join(", ") },
  ], found);
}

function experiments(found) {
  if (!found.length) return empty("None of this target", "STEAMLINE_EXPERIMENT_* sets a challenger beside the champion: docs/models.md.");
  return table("Champion against challenger, newest first", [
    { name: "Name", of: (one) => one.experiment },
    { name: "Mode", of: (one) => (one.mode === "split" ? `split, ${f.percent(one.share, 0)} of games` : "shadow") },
    { name: "A, champion", of: (one) => one.a },
    { name: "B, challenger", of: (one) => one.b },
    { name: "Games", number: true, of: (one) => f.figure(one.result?.games ?? one.spoken.a + one.spoken.b) },
    { name: "B less A, log-loss", number: true, of: (one) => f.fixed(one.result?.difference) },
    { name: "Valid at any look", number: true, of: (one) => f.interval(one.result?.always) },
    { name: "Verdict", of: (one) => (one.result?.settled ? badge(one.result.settled === "b" ? "good" : "bad", `${one.result.settled.toUpperCase()} is better`) : badge("none", one.unknown ?? "open")) },
    { name: "Still needed", number: true, of: (one) => f.figure(one.result?.games_needed?.always) },
  ], found);
}
