// Numbers, times and prices as text.

const DASH = "–";

export const BOOKS = {
  pinnacle: ["PIN", "Pinnacle"], circa: ["CIR", "Circa"], betonlineag: ["BOL", "BetOnline"],
  lowvig: ["LOW", "LowVig"], bookmaker: ["BKM", "Bookmaker"], draftkings: ["DK", "DraftKings"],
  fanduel: ["FD", "FanDuel"], betmgm: ["MGM", "BetMGM"], williamhill_us: ["CZR", "Caesars"],
  betrivers: ["RIV", "BetRivers"], fanatics: ["FAN", "Fanatics"], bovada: ["BOV", "Bovada"],
  mybookieag: ["MYB", "MyBookie"], betus: ["BUS", "BetUS"], bet365: ["365", "bet365"],
  espnbet: ["ESP", "ESPN BET"],
};

export const bookShort = (book) => BOOKS[book]?.[0] ?? book.slice(0, 4).toUpperCase();
export const bookName = (book) => BOOKS[book]?.[1] ?? book;

export function price(decimal, format) {
  if (decimal == null) return DASH;
  if (format === "decimal") return decimal.toFixed(decimal < 10 ? 2 : 1);
  const american = decimal >= 2
    ? Math.round((decimal - 1) * 100)
    : Math.round(-100 / (decimal - 1));
  return american > 0 || american === -100 ? `+${Math.abs(american)}` : `−${-american}`;
}

export const percent = (share, digits = 1) =>
  share == null ? DASH : `${(share * 100).toFixed(digits)}%`;

export function signed(share, digits = 1) {
  if (share == null) return DASH;
  const text = (Math.abs(share) * 100).toFixed(digits);
  return `${share < 0 && Number(text) !== 0 ? "−" : "+"}${text}%`;
}

export const amount = (value) =>
  value.toLocaleString(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });

export const handicap = (line) => (line > 0 ? `+${line}` : line < 0 ? `−${-line}` : "0");

// "4s", "12m", "3h 05m", "2d 4h": how long a span of microseconds is.
export function span(us) {
  const seconds = Math.max(0, Math.floor(us / 1e6));
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds < 600 ? `${minutes}m ${two(seconds % 60)}s` : `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}h ${two(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

const two = (number) => String(number).padStart(2, "0");

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const MOMENT = new Intl.DateTimeFormat(undefined, {
  weekday: "short", day: "numeric", month: "short",
  hour: "2-digit", minute: "2-digit", second: "2-digit",
});
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short" });

export const time = (us) => TIME.format(us / 1000);
export const moment = (us) => MOMENT.format(us / 1000);
export const day = (us) => DAY.format(us / 1000);
export const utc = (us) => `${new Date(us / 1000).toISOString().slice(0, 19).replace("T", " ")} UTC`;

export const REFUSALS = {
  locked: "Locked", stale_odds: "Odds too old", no_price: "No price",
  no_prediction: "No prediction", edge_too_small: "Edge too small",
  incomplete: "Too little data", unpromoted_model: "Model not promoted",
  stopped: "Stopped", no_balance: "No money", ledger_silent: "Ledger silent",
  limit: "At a limit", book_limit: "Book takes no more", outweighed: "Others are better",
  below_minimum: "Too small to bet", unproven: "Not proven",
};

// The same for who wants to know what to do about it: docs/staking.md has the rules.
export const REFUSALS_LONG = {
  locked: "Betting on this game has closed: the cutoff has passed, or the game is off.",
  stale_odds: "No book has made or confirmed a price lately enough to be relied on.",
  no_price: "No book offers this market at the line that the model speaks of.",
  no_prediction: "The model has not spoken about this market yet.",
  edge_too_small: "The best price pays less over the fair one than the minimum edge asks for.",
  incomplete: "Too many features are missing for the model's word to be trusted.",
  unpromoted_model: "The model has not passed the gate, so nothing real is staked on it.",
  stopped: "Staking is stopped by a person or by the ledger: steamline resume lets it go on.",
  no_balance: "The bankroll has no balance to stake from.",
  ledger_silent: "The ledger has not told its balance lately; nothing is staked on an old one.",
  limit: "A cap for the bet, the game, the day or in all is reached.",
  book_limit: "The book takes no more on this market.",
  outweighed: "The money does better on other bets of the slate.",
  below_minimum: "What is left after caps and rounding is below the smallest bet.",
  unproven: "The stakes of this slate could not be proven to be the best ones, so none is given.",
};

export const SIGNALS = {
  steam: "Steam", reverse_line: "Reverse", line_freeze: "Freeze",
  arbitrage: "Arbitrage", leader_move: "Sharp lead",
  model_refused: "Model refused",
  model_drift: "Model drift", locked: "Locked", unlocked: "Unlocked",
};

export const BOOKINGS = {
  deposit: "Deposit", withdrawal: "Withdrawal", adjustment: "Adjustment", reserve: "Reserved",
  release: "Released", bet: "Bet", settle: "Settled", correct: "Corrected",
};

export const TARGETS = {
  moneyline: "Moneyline", total: "Total", runs: "Runs", margin: "Margin",
};

export const MARKET_NAMES = { moneyline: "Moneyline", run_line: "Run line", total: "Total runs" };

// Visitors stand first, as in the game's name; everything else goes by the order of SIDES.
export const ORDER = {
  moneyline: ["away", "home"], run_line: ["away", "home"], total: ["over", "under"],
};

export function sideLabel(game, one, side) {
  const [away, home] = game.id.split("-").slice(4, 6);
  if (side === "home" || side === "away") {
    const team = side === "home" ? home : away;
    if (one.name !== "run_line" || one.line == null) return team;
    return `${team} ${handicap(side === "home" ? one.line : -one.line)}`;
  }
  const line = one.line ?? one.prediction?.line ?? "";
  return `${side === "over" ? "Over" : "Under"} ${line}`.trim();
}

// A number with the digits that matter: features run from 0.0001 to 100,000.
export function figure(value) {
  if (value == null) return DASH;
  const size = Math.abs(value);
  const digits = Number.isInteger(value) ? 0 : size >= 100 ? 1 : size >= 1 ? 3 : 5;
  const text = size.toLocaleString(undefined, { maximumFractionDigits: digits });
  return value < 0 && text !== "0" ? `−${text}` : text;
}

export const interval = (pair, digits = 4) =>
  (pair ? `${fixed(pair[0], digits)} to ${fixed(pair[1], digits)}` : DASH);

export const fixed = (value, digits = 4) =>
  (value == null ? DASH : value.toFixed(digits).replace("-", "−"));

export const signedNumber = (value, digits = 2) =>
  (value == null ? DASH : (value < 0 ? "" : "+") + fixed(value, digits));

// "BOS at NYY, 20 Jul", from the id: for lists of games that may have left the board.
export function gameName(id) {
  const [, year, month, date, away, home, number] = id.split("-");
  const game = Number(number) > 1 ? `, game ${number}` : "";
  return `${away} at ${home}, ${day(Date.UTC(+year, +month - 1, +date, 18) * 1000)}${game}`;
}

// What the model and the market say of one side; messages speak of home or over.
export function ofSide({ prediction }, side) {
  if (!prediction) return { model: null, consensus: null, fair: null, edge: null };
  const second = side === "away" || side === "under";
  const of = (share) => (second ? 1 - share : share);
  const model = of(prediction.probability);
  return {
    model,
    consensus: of(prediction.market_probability),
    fair: !second ? prediction.fair_price : model > 0 ? 1 / model : null,
    edge: prediction.best.find((quote) => quote.side === side)?.edge ?? null,
  };
}
