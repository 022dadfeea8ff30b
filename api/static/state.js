// What the feed has said: the same rules as the server's own board (api/board.py).
// A message only ever replaces an older one.

export const MARKETS = ["moneyline", "run_line", "total"];
export const SIDES = {
  moneyline: ["home", "away"], run_line: ["home", "away"], total: ["over", "under"],
};

// Market -> the model's target that prices it.
export const PRICED_BY = { moneyline: "moneyline", run_line: "margin", total: "total" };

const SIGNALS = 50; // alerts kept a game that are no locks

export class State {
  constructor() {
    this.games = new Map(); // game_id -> game
    this.newest = null; // event time, microseconds: the only clock
    this.rules = null;
  }

  snapshot(data) {
    this.rules = data.rules;
    this.newest = data.newest_us;
    this.games = new Map();
    for (const part of data.games) {
      const game = blank(part.game_id);
      game.schedule = part.schedule;
      game.confirmed = part.confirmed_us;
      game.lock = part.lock;
      game.signals = part.signals;
      game.result = part.result;
      for (const line of part.lines) game.lines.set(`${line.market} ${line.book}`, line);
      for (const one of part.predictions) game.predictions.set(one.target, one);
      for (const one of part.stakes) game.stakes.set(`${one.market} ${one.bankroll}`, one);
      this.games.set(game.id, game);
    }
  }

  apply(kind, message) {
    const id = message.game_id;
    this.advance(message.occurred_at_us ?? message.as_of_us ?? message.settled_at_us);
    if (!this.games.has(id)) {
      // News about a game that has left the board does not bring it back.
      const start = message.start_time_us ?? latestStart(id);
      if (this.newest != null && start + this.rules.retain_us < this.newest) return;
      this.games.set(id, blank(id));
    }
    const game = this.games.get(id);
    if (kind === "line") newer(game.lines, `${message.market} ${message.book}`, message);
    else if (kind === "prediction") further(game.predictions, message.target, message);
    else if (kind === "stake") decided(game.stakes, `${message.market} ${message.bankroll}`, message);
    else if (kind === "alert") {
      const kept = game.signals.filter((one) => one.alert_id !== message.alert_id);
      game.signals = [...kept, message].sort((a, b) => a.position - b.position).slice(-SIGNALS);
    } else if (kind === "locked" || kind === "unlocked") {
      if (!game.lock || message.position >= game.lock.position) game.lock = message;
    } else if (kind === "result") {
      if (!game.result || message.occurred_at_us >= game.result.occurred_at_us) game.result = message;
    } else if (kind === "game") {
      if (message.quotes_stand) {
        const seen = game.confirmed[message.source] ?? 0;
        game.confirmed[message.source] = Math.max(seen, message.occurred_at_us);
      }
      if (!game.schedule || message.occurred_at_us >= game.schedule.occurred_at_us) {
        game.schedule = message;
      }
    }
  }

  advance(us) {
    if (us == null || (this.newest != null && us <= this.newest)) return;
    this.newest = us;
    for (const [id, game] of this.games) {
      const start = game.schedule?.start_time_us;
      if (start != null && start + this.rules.retain_us < us) this.games.delete(id);
    }
  }
}

// Of a game whose schedule is not known: 30 hours into the local date in its id.
const latestStart = (id) =>
  Date.parse(`${id.split("-").slice(1, 4).join("-")}T00:00:00Z`) * 1000 + 30 * 3600 * 1e6;

function blank(id) {
  return {
    id, schedule: null, confirmed: {}, lock: null, signals: [], result: null,
    lines: new Map(), predictions: new Map(), stakes: new Map(),
  };
}

function newer(map, key, message) {
  const known = map.get(key);
  if (!known || message.occurred_at_us >= known.occurred_at_us) map.set(key, message);
}

function further(map, key, message) {
  const known = map.get(key);
  if (!known || message.position >= known.position) map.set(key, message);
}

// At one position another game, or the bankroll, can move a stake.
function decided(map, key, message) {
  const known = map.get(key);
  if (!known || message.position > known.position
    || (message.position === known.position
      && (message.decided_us ?? message.as_of_us) >= (known.decided_us ?? known.as_of_us))) {
    map.set(key, message);
  }
}

export const isLocked = (game) => game.lock?.kind === "locked";

export const isSimulated = (game) =>
  [game.schedule, game.result, game.lock, ...game.signals, ...game.lines.values(), ...game.predictions.values(),
    ...game.stakes.values()].some((part) => part?.simulated);

export const standsSince = (game, line) =>
  Math.max(line.occurred_at_us, game.confirmed[line.source] ?? 0);

export const quotePrice = (line, side) =>
  side === "home" || side === "over" ? line.price_home_over : line.price_away_under;

// One market of one game, ready to show: the rules of api/rows.py, at the moment that the page has
// come to. A test compares the two.
export function market(state, game, name) {
  const quotes = [...game.lines.values()].filter((line) => line.market === name);
  const prediction = game.predictions.get(PRICED_BY[name]) ?? null;
  const stake = game.stakes.get(`${name} ${state.rules.bankroll}`) ?? null;
  if (!quotes.length && !prediction && !stake) return null;
  const isFresh = (line) =>
    line.status === "open" && state.newest - standsSince(game, line) <= state.rules.stale_us;
  const fresh = quotes.filter(isFresh);
  const line = mainLine(fresh, prediction);
  const best = {};
  for (const side of SIDES[name]) {
    for (const quote of fresh) {
      if (quote.line !== line) continue;
      const price = quotePrice(quote, side);
      const known = best[side];
      if (!known || price > known.price || (price === known.price && quote.book > known.book)) {
        best[side] = { book: quote.book, price };
      }
    }
  }
  const newest = Math.max(...quotes.map((quote) => standsSince(game, quote)));
  return {
    name, quotes, fresh: new Set(fresh), line, best, prediction, stake,
    age: quotes.length ? state.newest - newest : null,
    runs: name === "total" ? game.predictions.get("runs")?.mean_runs ?? null : null,
  };
}

// The model's line while a book still offers it, else the one that most books offer.
function mainLine(fresh, prediction) {
  const counts = new Map();
  for (const { line } of fresh) if (line != null) counts.set(line, (counts.get(line) ?? 0) + 1);
  if (prediction?.line != null && counts.has(prediction.line)) return prediction.line;
  let chosen = null;
  for (const [line, count] of counts) {
    const most = counts.get(chosen) ?? 0;
    if (count > most || (count === most && line < chosen)) chosen = line;
  }
  return chosen;
}
