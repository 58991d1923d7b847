// Values as trees that open.

import { h, replace } from "./dom.js";

const MANY = 100; // items that are shown at once
const SHORT = 72; // characters that need no tree
const LONG = 2_000; // characters of a text that are shown at once

/** A value of JSON as nodes; what is large is closed, and made when it is opened. */
export function tree(value, open = 2) {
  if (value === null || typeof value !== "object") return scalar(value);
  const list = Array.isArray(value);
  const items = list ? value.map((item, index) => [index, item]) : Object.entries(value);
  const whole = JSON.stringify(value);
  const flat = items.every(([, item]) => item === null || typeof item !== "object");
  if (flat && whole.length <= SHORT) {
    return h("span", { class: "j-flat" }, whole.replace(/("(?:[^"\\]|\\.)*"|[^",:])([,:])/g, "$1$2 "));
  }
  const body = h("div", { class: "j-body" });
  const box = h("details", { class: "j-tree", ontoggle: () => body.firstChild || fill() },
    h("summary", null, list ? `[${items.length}]` : `{${items.length}}`,
      h("span", { class: "soft" }, ` ${brief(items, list)}`)), body);
  const fill = (from = 0) => {
    const more = h("button", { type: "button", onclick: () => {
      more.remove();
      fill(from + MANY);
    } }, `${(items.length - from - MANY).toLocaleString("en")} more`);
    body.append(...items.slice(from, from + MANY).map(([key, item]) =>
      h("div", { class: "j-item" }, h("span", { class: "j-key" }, `${key}: `), tree(item, open - 1))));
    if (items.length > from + MANY) body.append(more);
  };
  if (open > 0 && items.length <= 20) {
    box.open = true;
    fill();
  }
  return box;
}

/** The beginning of what a closed tree holds. */
function brief(items, list) {
  const parts = items.slice(0, 4).map(([key, item]) => {
    const text = item !== null && typeof item === "object" ? (Array.isArray(item) ? "[…]" : "{…}")
      : JSON.stringify(item).slice(0, 30);
    return list ? text : `${key}: ${text}`;
  });
  return parts.join(", ") + (items.length > 4 ? ", …" : "");
}

function scalar(value) {
  if (typeof value !== "string") return h("span", { class: `j-${typeof value}` }, String(value));
  const text = value.includes("\n") ? value : JSON.stringify(value);
  const box = h(value.includes("\n") ? "pre" : "span", { class: "j-string" });
  if (text.length <= LONG) return replace(box, text);
  return replace(box, `${text.slice(0, LONG)}…`, h("button", { type: "button",
    onclick: () => replace(box, text) }, `all ${text.length.toLocaleString("en")} characters`));
}
