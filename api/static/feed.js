// Follows the feed: one connection, resumed by id, and what it is worth just now.

import { get } from "/static/api.js";

const KINDS = [
  "game", "line", "result", "prediction", "stake", "alert", "locked", "unlocked", "settlement",
];
const REOPEN_MS = 2000;
const HEARTBEAT_MS = 10_000; // until the feed has said its own

// told: {snapshot(data), message(kind, data), heartbeat(data), status(name)}
// status: connecting | waiting | live | stale | lost
export class Feed {
  constructor(query, told) {
    this.query = query;
    this.told = told;
    this.source = null;
    this.lastId = null;
    this.heardAt = 0;
    this.status = "connecting";
    this.heartbeatMs = HEARTBEAT_MS;
    this.begun = false; // a snapshot has come
  }

  start() {
    this.#open();
    // A connection can die without a word: two missed heartbeats and it is opened anew.
    setInterval(() => {
      if (performance.now() - this.heardAt > 2.5 * this.heartbeatMs + 2_000) {
        this.#become("lost");
        this.#open();
      }
    }, 1_000);
  }

  #open() {
    this.source?.close();
    this.heardAt = performance.now();
    const query = new URLSearchParams(this.query);
    if (this.lastId) query.set("last_event_id", this.lastId);
    const source = new EventSource(`/v1/feed?${query}`);
    this.source = source;
    source.addEventListener("snapshot", (event) => {
      const data = this.#heard(event);
      this.heartbeatMs = data.rules.heartbeat_ms;
      this.begun = true;
      this.told.snapshot(data);
      if (!data.stale) this.#become("live"); // else the next heartbeat says why not
    });
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => this.told.message(kind, this.#heard(event)));
    }
    source.addEventListener("gap", (event) => console.info("feed gap:", this.#heard(event).reason));
    source.addEventListener("heartbeat", (event) => {
      const data = this.#heard(event);
      if (this.begun) this.told.heartbeat(data);
      this.#become(data.stale ? (this.begun && !data.broker ? "stale" : "waiting") : "live");
    });
    source.addEventListener("error", () => {
      this.#become("lost");
      // The browser reconnects by itself unless it gave up, as it does on a refusal.
      if (source.readyState === EventSource.CLOSED) this.#again(source);
    });
  }

  // EventSource does not say why it was refused; any other route does, and signs in on 401.
  async #again(source) {
    await get("/v1/games").catch(() => null);
    setTimeout(() => this.source === source && this.#open(), REOPEN_MS);
  }

  #heard(event) {
    this.heardAt = performance.now();
    if (event.lastEventId) this.lastId = event.lastEventId;
    return JSON.parse(event.data);
  }

  #become(status) {
    if (this.status === status) return;
    this.status = status;
    this.told.status(status);
  }
}
