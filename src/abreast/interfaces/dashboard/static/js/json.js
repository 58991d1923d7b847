// Values as trees that open.

import { h, replace } from "./dom.js";

const SHORT = 72; // characters that need no tree
const LONG = 2_000; // characters of a text that are shown at once
const MANY = 100; // items that are shown at once

/** A value of JSON as nodes; what is large is closed, and made when it is opened. */
export function tree(value, open = 2) {
  const text = typeof value === "string" && value.includes("\n") ? value : JSON.stringify(value) ?? "";
  if (value === null || typeof value !== "object" || text.length <= SHORT) {
    const box = h(text === value ? "pre" : "span", { class: "json" }, text.slice(0, LONG));
    if (text.length > LONG) {
      box.append(h("button", { type: "button", class: "small", onclick: () => replace(box, text) },
        `… all ${text.length.toLocaleString("en")} characters`));
    }
    return box;
  }
  const items = Object.entries(value);
  const body = h("div", { class: "tree-body" });
  const fill = (from = 0) => {
    const more = h("button", { type: "button", class: "small", onclick() {
      more.remove();
      fill(from + MANY);
    } }, `${(items.length - from - MANY).toLocaleString("en")} more`);
    body.append(...items.slice(from, from + MANY).map(([key, item]) =>
      h("div", null, h("span", { class: "soft" }, `${key}: `), tree(item, open - 1))));
    if (items.length > from + MANY) body.append(more);
  };
  return h("details", { class: "tree", open: open > 0 && items.length <= 20, ontoggle: () => body.firstChild || fill() },
    h("summary", null, Array.isArray(value) ? `[${items.length}]` : `{${items.length}}`,
      h("span", { class: "soft" }, ` ${text.slice(0, SHORT)}…`)), body);
}
