// What every page has: the feed's state, the newest event time, odds format, colours.

import { Feed } from "/static/feed.js";
import { moment, utc } from "/static/format.js";
import { State, isSimulated } from "/static/state.js";

const RENDER_MS = 200;
const $ = (id) => document.getElementById(id);

const LABELS = {
  connecting: "Connecting", waiting: "Catching up", live: "Live", stale: "Stale", lost: "Feed lost",
};
const BANNERS = {
  lost: "The feed is lost: what you see may be old. Reconnecting…",
  stale: "The broker does not answer: prices stand still until it is back.",
};

export const state = new State();

export const oddsFormat = () =>
  (localStorage.getItem("odds") === "decimal" ? "decimal" : "american");

// render: draws the page from `state`; called at most every `RENDER_MS`.
// heard(kind, message): each message of the feed; kind is "snapshot" for the whole state.
// query: filters of the feed, as URLSearchParams takes them.
export function begin({ render = () => {}, heard = () => {}, query = {} }) {
  let due = false;
  const soon = () => {
    if (due) return;
    due = true;
    setTimeout(() => requestAnimationFrame(() => {
      due = false;
      clock();
      render();
    }), RENDER_MS);
  };
  new Feed(query, {
    snapshot(data) {
      state.snapshot(data);
      heard("snapshot", data);
      soon();
    },
    message(kind, message) {
      state.apply(kind, message);
      heard(kind, message);
      soon();
    },
    heartbeat(data) {
      state.advance(data.newest_us);
      heard("heartbeat", data);
      soon();
    },
    status(name) {
      say(name);
      heard("status", name);
    },
  }).start();
  for (const input of document.querySelectorAll("input[name=odds]")) {
    input.checked = input.value === oddsFormat();
    input.addEventListener("change", () => {
      localStorage.setItem("odds", input.value);
      render();
    });
  }
  return soon;
}

function clock() {
  $("simulated").hidden = ![...state.games.values()].some(isSimulated);
  if (state.newest == null) return;
  $("newest").textContent = moment(state.newest);
  $("newest").title = utc(state.newest);
}

function say(status) {
  $("state").textContent = LABELS[status];
  $("state").dataset.state = status;
  document.body.dataset.feed = status;
  $("lost").hidden = !(status in BANNERS);
  $("lost").textContent = BANNERS[status] ?? "";
}

const theme = $("theme");
theme.value = document.documentElement.dataset.theme ?? "auto";
theme.addEventListener("change", () => {
  if (theme.value === "auto") {
    localStorage.removeItem("theme");
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem("theme", theme.value);
    document.documentElement.dataset.theme = theme.value;
  }
  document.dispatchEvent(new Event("themechange"));
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
  document.dispatchEvent(new Event("themechange")));
