// How everything stands: readiness, lag, ages, dead letters.

import { get } from "/static/api.js";
import { badge, el, empty, facts, fill, table, when } from "/static/dom.js";
import * as f from "/static/format.js";
import { begin } from "/static/shell.js";

const REFRESH_MS = 5_000;
const LETTERS_MS = 30_000;
const SAMPLES = 5;
const STATES = { ok: "good", degraded: "warn", down: "bad" };
const NAMES = { kafka: "Kafka", redis: "Redis", postgres: "Postgres" };
const $ = (id) => document.getElementById(id);

let reason = null;

begin({ query: { event: "alert" } }); // for its state alone
refresh();
letters();
setInterval(refresh, REFRESH_MS);
setInterval(letters, LETTERS_MS);

async function refresh() {
  const system = get("/v1/system");
  fill($("ready"), async () => ready(await system));
  fill($("topics"), async () => topics(await system));
  fill($("lag"), async () => lag(await system));
}

function ready({ readiness, server_us, newest_us, versions }) {
  const rows = Object.entries(readiness.dependencies);
  for (const name of Object.keys(NAMES)) {
    if (!(name in readiness.dependencies)) rows.push([name, null]);
  }
  const rejected = Object.values(readiness.rejected).reduce((sum, count) => sum + count, 0);
  return [
    el("p", "", readiness.ready ? badge("good", "ready") : badge("bad", "not ready"), " as of ", when(server_us)),
    table("Each dependency", [
      { name: "Name", of: ([name]) => NAMES[name] ?? name },
      { name: "State", of: ([, one]) => (one ? badge(STATES[one.state], one.state) : badge("none", "not configured")) },
      { name: "Why", className: "text", of: ([name, one]) => (one ? one.detail || "–" : `STEAMLINE_${name.toUpperCase()}_${name === "redis" ? "URL" : "DSN"} names one`) },
    ], rows),
    facts([["Records read", f.figure(readiness.records)], ["Not shown", f.figure(rejected)], ["Repeats dropped", f.figure(readiness.repeats)]]),
    el("p", "note", "Newest event on the board: ", when(newest_us), ". ", Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", ")),
  ];
}

function topics(system) {
  if (system.unknown) return empty("Kafka cannot be asked", system.unknown);
  return table("Every topic, as the broker has it", [
    { name: "Topic", of: (one) => one.topic },
    { name: "Partitions", number: true, of: (one) => (one.partitions ? String(one.partitions) : badge("warn", "not there yet")) },
    { name: "Records", number: true, of: (one) => f.figure(one.records) },
    { name: "Newest", of: (one) => when(one.newest_us) },
    { name: "Age", number: true, title: "By the server's clock: in a replay events are of long ago", of: (one) => (one.age_ms == null ? "–" : f.span(one.age_ms * 1000)) },
  ], system.topics);
}

function lag(system) {
  if (system.unknown) return empty("Kafka cannot be asked", system.unknown);
  if (!system.lag.length) return empty("Nobody reads yet", "steamline run score, curate, archive, settle and ledger commit how far they are.");
  const groups = Map.groupBy(system.lag, (one) => one.group);
  const rows = [...groups].map(([group, parts]) => ({
    group,
    behind: parts.reduce((sum, one) => sum + one.behind, 0),
    where: parts.filter((one) => one.behind).map((one) => `${one.topic} ${f.figure(one.behind)}`),
  }));
  return table("Records that a group has not done", [
    { name: "Group", of: (one) => one.group },
    { name: "State", of: (one) => (one.behind ? badge("warn", "behind") : badge("good", "caught up")) },
    { name: "Behind", number: true, of: (one) => f.figure(one.behind) },
    { name: "Where", className: "text", of: (one) => one.where.join(", ") || "–" },
  ], rows);
}

async function letters() {
  const found = get("/v1/dead-letters/reasons");
  await fill($("letters"), async () => reasons(await found));
  await fill($("samples"), async () => {
    const query = reason ? `&reason=${encodeURIComponent(reason)}` : "";
    return samples((await get(`/v1/dead-letters?limit=${SAMPLES}&max_bytes=1000${query}`)).items);
  });
}

function reasons({ letters: count, reasons: found, from_us, to_us }) {
  if (!count) return empty("None", "Every event could be used. What cannot is kept here with its reason and its bytes.");
  return [
    el("p", "note", `${f.figure(count)} from `, when(from_us), " to ", when(to_us)),
    table("Reasons, most first", [
      { name: "Reason", of: (one) => chooser(one.reason) },
      { name: "Topic", of: (one) => one.topic },
      { name: "Letters", number: true, of: (one) => f.figure(one.letters) },
      { name: "Newest", of: (one) => when(one.newest_us) },
      { name: "Example", className: "text", of: (one) => one.example },
    ], found),
  ];
}

function chooser(name) {
  const button = el("button", "plain", name);
  button.type = "button";
  button.setAttribute("aria-pressed", String(reason === name));
  button.title = "Samples of this reason alone";
  button.addEventListener("click", () => {
    reason = reason === name ? null : name;
    letters();
  });
  return button;
}

function samples(items) {
  if (!items.length) return empty("None");
  return items.map((one) => el("article", "letter",
    el("p", "", badge("bad", one.reason), ` ${one.detail}`),
    el("p", "note", "From ", one.source, one.topic ? `, ${one.topic} partition ${one.partition} offset ${one.offset}, ` : ", ", when(one.recorded_at_us), `, ${f.figure(one.value.size)} bytes`),
    sample(one)));
}

function sample({ letter_id: id, value: bytes }) {
  const text = bytes.text ?? `base64: ${bytes.base64}`;
  const node = el("pre", "sample", bytes.cut ? `${text} …` : text);
  node.tabIndex = 0;
  node.setAttribute("role", "region");
  node.setAttribute("aria-label", `Bytes of ${id}`);
  return node;
}
