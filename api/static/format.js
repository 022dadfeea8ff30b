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

export const SIGNALS = {
  steam: "Steam", reverse_line: "Reverse", line_freeze: "Freeze",
  arbitrage: "Arbitrage", leader_move: "Sharp lead",
  model_refused: "Model refused",
  model_drift: "Model drift",
};

export const MARKET_NAMES = { moneyline: "Moneyline", run_line: "Run line", total: "Total runs" };
