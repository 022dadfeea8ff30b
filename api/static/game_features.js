// The vector that the models saw, by name. Missing is said, never shown as a number.

import { get } from "/static/api.js";
import { el, facts, fill, table, when } from "/static/dom.js";
import * as f from "/static/format.js";

export class Features {
  constructor(id) {
    this.id = id;
    this.vector = null;
    this.place = document.getElementById("features");
    this.search = el("input");
    this.search.type = "search";
    this.search.placeholder = "Find a feature";
    this.search.setAttribute("aria-label", "Find a feature");
    this.category = el("select");
    this.category.setAttribute("aria-label", "Category");
    this.missing = el("input");
    this.missing.type = "checkbox";
    const label = el("label", "check", this.missing, " only missing");
    document.getElementById("features-controls").append(this.search, this.category, label);
    this.about = el("div");
    this.rows = el("div");
    for (const control of [this.search, this.category, this.missing]) {
      control.addEventListener("input", () => this.#draw());
    }
  }

  refresh() {
    return fill(this.place, async () => {
      this.vector = await get(`/v1/games/${encodeURIComponent(this.id)}/features`);
      const names = ["", ...Object.keys(this.vector.completeness_by)];
      if (this.category.length !== names.length) {
        this.category.replaceChildren(...names.map((name) => {
          const option = el("option", "", name || "All categories");
          option.value = name;
          return option;
        }));
      }
      this.#draw();
      return [this.about, this.rows];
    });
  }

  #draw() {
    const { vector } = this;
    if (!vector) return;
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = vector.features.filter((one) =>
      (!this.category.value || one.category === this.category.value)
      && (!this.missing.checked || one.value == null)
      && words.every((word) => `${one.name} ${one.formula}`.toLowerCase().includes(word)));
    this.about.replaceChildren(facts([
      ["Present", f.percent(vector.completeness, 0)],
      ...Object.entries(vector.completeness_by).map(([name, share]) => [capital(name), f.percent(share, 0)]),
      ["As of", when(vector.as_of_us, true)],
      ...Object.entries(vector.source_age_ms).map(([name, ms]) => [`Age of ${name}`, f.span(ms * 1000)]),
    ]));
    const scrolled = this.rows.firstChild?.scrollTop ?? 0;
    const list = table(`${shown.length} of ${vector.features.length} features`, [
      { name: "Feature", of: (one) => one.name },
      { name: "Value", number: true, of: (one) => (one.value == null ? el("span", "missing", "missing") : f.figure(one.value)) },
      { name: "Unit", of: (one) => one.unit },
      { name: "Category", of: (one) => one.category },
      { name: "Source", of: (one) => one.source },
      { name: "Formula", of: (one) => one.formula, className: "text" },
    ], shown);
    list.classList.add("tall");
    this.rows.replaceChildren(list);
    list.scrollTop = scrolled;
  }
}

const capital = (word) => word[0].toUpperCase() + word.slice(1);
