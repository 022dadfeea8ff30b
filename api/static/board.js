// Follows the feed and keeps the page true to it.

import { State } from "/static/state.js";
import { Detail } from "/static/detail.js";
import { signedIn } from "/static/signin.js";
import { View } from "/static/view.js";
import { moment, utc } from "/static/format.js";

const KINDS = [
  "game", "line", "result", "prediction", "stake", "alert", "locked", "unlocked", "settlement",
];
const RENDER_MS = 200;
const REOPEN_MS = 2000;

const state = new State();
const view = new View((id) => detail.open(id));
const detail = new Detail(state, () => view.format);
const $ = (id) => document.getElementById(id);

let source = null;
let lastId = null;
let heardAt = 0;
let status = "connecting"; // connecting | waiting | live | stale | lost
let heartbeat = null;
let due = false;

function open() {
  source?.close();
  heardAt = performance.now();
  source = new EventSource(lastId ? `/v1/feed?last_event_id=${encodeURIComponent(lastId)}` : "/v1/feed");
  source.addEventListener("snapshot", (event) => {
    state.snapshot(heard(event));
    render();
  });
  for (const kind of KINDS) {
    source.addEventListener(kind, (event) => {
      const message = heard(event);
      state.apply(kind, message);
      detail.heard(kind, message);
      render();
    });
  }
  source.addEventListener("gap", (event) => console.info("feed gap:", heard(event).reason));
  source.addEventListener("heartbeat", (event) => {
    heartbeat = heard(event);
    if (state.rules) state.advance(heartbeat.newest_us);
    setStatus(heartbeat.stale ? (state.rules && !heartbeat.broker ? "stale" : "waiting") : "live");
    render();
  });
  source.addEventListener("error", () => {
    setStatus("lost");
    // The browser reconnects by itself unless it gave up, as it does where a key is asked for.
    if (source.readyState === EventSource.CLOSED) {
      signedIn().catch(() => {}).then(() => setTimeout(open, REOPEN_MS));
    }
  });
}

function heard(event) {
  heardAt = performance.now();
  if (event.lastEventId) lastId = event.lastEventId;
  return JSON.parse(event.data);
}

const LABELS = {
  connecting: "Connecting", waiting: "Catching up", live: "Live", stale: "Stale", lost: "Feed lost",
};

function setStatus(next) {
  if (status === next) return;
  status = next;
  $("state").textContent = LABELS[next];
  $("state").dataset.state = next;
  document.body.dataset.feed = next;
  const banner = $("lost");
  banner.hidden = next !== "lost" && next !== "stale";
  if (next === "lost") {
    banner.textContent = "The feed is lost: what you see may be old. Reconnecting…";
  } else if (next === "stale") {
    banner.textContent = "The broker does not answer: prices stand still until it is back.";
  }
}

// A connection can die without a word: two missed heartbeats and it is opened anew.
setInterval(() => {
  const patience = 2.5 * (state.rules?.heartbeat_ms ?? 10_000) + 2_000;
  if (performance.now() - heardAt > patience) {
    setStatus("lost");
    open();
  }
}, 1_000);

function render() {
  if (due) return;
  due = true;
  setTimeout(() => requestAnimationFrame(() => {
    due = false;
    if (!state.rules) return;
    if (state.newest != null) {
      $("newest").textContent = moment(state.newest);
      $("newest").title = utc(state.newest);
    }
    view.render(state);
    detail.render();
  }), RENDER_MS);
}

for (const input of document.querySelectorAll("input[name=odds]")) {
  input.checked = input.value === view.format;
  input.addEventListener("change", () => {
    view.setFormat(input.value);
    render();
  });
}

open();
