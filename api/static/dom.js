// Nodes of text, never of markup: whatever data says is shown as it is written.

import { moment, time, utc } from "/static/format.js";

export function el(tag, className, ...content) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...content.filter((one) => one != null));
  return node;
}

// Sets text, and flashes when a number changed. `value` says which way.
export function show(node, text, value = null) {
  if (node.textContent !== text) {
    const before = node.shown;
    node.textContent = text;
    if (value != null && before != null && before !== value) {
      node.classList.remove("up", "down");
      void node.offsetWidth; // start the animation anew
      node.classList.add(value > before ? "up" : "down");
    }
  }
  if (value != null) node.shown = value;
}

// A moment in the reader's zone, UTC on hover.
export function when(us, short = false) {
  if (us == null) return el("span", "", "–");
  const node = el("time", "", short ? time(us) : moment(us));
  node.dateTime = new Date(us / 1000).toISOString();
  node.title = utc(us);
  return node;
}

// columns: [{name, of(row): text or node, number?, title?, className?}]; rows drawn as they stand.
// quiet: the caption is for screen readers alone.
export function table(caption, columns, rows, quiet = false) {
  const head = el("tr", "", ...columns.map((column) => {
    const cell = el("th", column.number ? "num" : "", column.name);
    cell.scope = "col";
    if (column.title) cell.title = column.title;
    return cell;
  }));
  const body = el("tbody", "", ...rows.map((row) => el("tr", "", ...columns.map((column, at) => {
    const name = column.className ?? (column.number ? "num" : "");
    const cell = el(at ? "td" : "th", name, column.of(row) ?? "–");
    if (!at) cell.scope = "row";
    return cell;
  }))));
  const node = el("table", "list", el("caption", quiet ? "hidden" : "", caption), el("thead", "", head), body);
  return scroller(node, caption);
}

// Wide things scroll in themselves, by keyboard too: the page never does.
export function scroller(node, label) {
  const region = el("div", "scroll", node);
  region.tabIndex = 0;
  region.setAttribute("role", "region");
  region.setAttribute("aria-label", label);
  return region;
}

// Nothing there: says so, and what to do about it.
export const empty = (what, todo) => el("div", "nothing", el("p", "", what), todo ? el("p", "todo", todo) : null);

// [[name, text or node]]: figures in a row.
export const facts = (pairs) => el("dl", "facts", ...pairs.map(([name, value]) =>
  el("div", "", el("dt", "", name), el("dd", "", value ?? "–"))));

// A labelled state: a mark and a word, so that colour is never alone. good | bad | warn | none
const MARKS = { good: "✓", bad: "✕", warn: "!", none: "·" };
export function badge(tone, text) {
  const mark = el("span", "", MARKS[tone]);
  mark.ariaHidden = "true";
  return el("span", `badge ${tone}`, mark, text);
}

// A bar from the middle to `share`, -1 to 1, or from the left where there is nothing below 0.
export function bar(share, middle = true) {
  const make = (tag, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };
  const [from, span] = middle ? [-50, 50] : [0, 100];
  const picture = make("svg", { viewBox: `${from} 0 100 10`, preserveAspectRatio: "none", "aria-hidden": "true" });
  picture.append(
    make("rect", { x: Math.min(0, share * span), y: 1, width: Math.abs(share * span), height: 8, class: share < 0 ? "minus" : "plus" }),
    make("line", { x1: 0, x2: 0, y1: 0, y2: 10, class: "axis" }),
  );
  return picture;
}

// Puts `nodes` in the place of what is there, without taking the reader's place in it or the focus.
export function replace(target, nodes) {
  const regions = () => [...target.querySelectorAll(".scroll, .signals, .sample")];
  const scrolled = regions().map((one) => [one.scrollLeft, one.scrollTop]);
  const path = [];
  const focused = target.contains(document.activeElement) && document.activeElement !== target;
  for (let node = focused ? document.activeElement : target; node !== target; node = node.parentNode) {
    path.unshift([...node.parentNode.children].indexOf(node));
  }
  target.replaceChildren(...nodes);
  regions().forEach((one, at) => scrolled[at] && one.scrollTo(...scrolled[at]));
  if (!focused) return;
  const again = path.reduce((node, at) => node?.children[at], target);
  again?.focus({ preventScroll: true });
}

// Fills `target` with what `load` returns, or with why it could not. The last call wins, whichever
// is answered first.
export async function fill(target, load) {
  const turn = (target.turn = (target.turn ?? 0) + 1);
  let nodes;
  try {
    nodes = [await load()].flat().filter(Boolean);
  } catch (problem) {
    if (problem.status == null) throw problem;
    nodes = [empty("Not available", problem.message)];
  }
  if (turn !== target.turn) return;
  replace(target, nodes);
  target.removeAttribute("aria-busy");
}
