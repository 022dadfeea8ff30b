// From the price to the probability, feature by feature.

import { get } from "/static/api.js";
import { bar, el, facts, fill, when } from "/static/dom.js";
import * as f from "/static/format.js";
import { tabs } from "/static/tabs.js";

const TARGETS = ["moneyline", "margin", "total", "runs"];

export class Why {
  constructor(id) {
    this.id = id;
    this.target = "moneyline";
    this.controls = document.getElementById("why-controls");
    this.place = document.getElementById("why");
  }

  refresh() {
    tabs(this.controls, [["Target", TARGETS.map((one) => [one, f.TARGETS[one]]), this.target, (value) => {
      this.target = value;
      this.refresh();
    }]]);
    const wanted = this.target;
    return fill(this.place, async () => {
      const answer = await get(`/v1/games/${encodeURIComponent(this.id)}/explanation?target=${wanted}&top=12`);
      return wanted === this.target ? show(answer) : [...this.place.childNodes];
    });
  }
}

function show(one) {
  const unit = one.scale === "log_odds" ? "log-odds" : "tilt";
  const most = Math.max(1e-9, ...one.contributions.map((each) => Math.abs(each.contribution)));
  const bars = el("div", "bars", ...one.contributions.flatMap((each) => {
    const name = el("span", "", each.feature);
    name.title = `${each.value == null ? "missing" : f.figure(each.value)} ${each.unit}`;
    return [name, bar(each.contribution / most), el("span", "", f.signedNumber(each.contribution, 3))];
  }));
  return [
    facts([
      ["Market says", f.percent(one.market_probability)],
      ["Model says", f.percent(one.probability)],
      ...(one.line != null ? [["At line", f.handicap(one.line)]] : []),
      ["Features not listed", f.signedNumber(one.rest, 3)],
    ]),
    bars,
    el("p", "note", `Right: for ${one.market === "total" ? "over" : "home"}; left: against it, in ${unit}. `
      + `How the model came to its number, not what causes wins. Model ${one.model_version}, as of `, when(one.as_of_us, true)),
  ];
}
