// Rows of switches, of which one each is on. Drawn anew only where something changed.

import { el } from "/static/dom.js";

// groups: [[label, [[value, text]], chosen, pick(value)]]
export function tabs(place, groups) {
  const shape = JSON.stringify(groups.map(([label, options]) => [label, options]));
  if (place.shape !== shape) {
    place.shape = shape;
    place.replaceChildren(...groups.map(([label, options]) => {
      const group = el("div", "tabs", ...options.map(([value, text]) => {
        const button = el("button", "", text);
        button.type = "button";
        button.value = value;
        return button;
      }));
      group.setAttribute("role", "group");
      group.setAttribute("aria-label", label);
      return group;
    }));
  }
  groups.forEach(([, , chosen, pick], at) => {
    for (const button of place.children[at].children) {
      button.setAttribute("aria-pressed", String(button.value === chosen));
      button.onclick = () => pick(button.value); // a property, not an attribute: the policy holds
    }
  });
}
