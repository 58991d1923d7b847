// What stands above the lanes: how much time, which lanes, which runs.

import { h, replace, unique } from "../dom.js";
import { mark } from "./marks.js";
import { CAUSES, STATES } from "./model.js";

/** How much time one may choose: seconds and names. */
export const PRESETS = [[300, "5 m"], [3600, "1 h"], [21600, "6 h"], [86400, "24 h"], [604800, "7 d"]];
const GROUPS = ["task", "worker", "tag", "flow"];

const press = (button, on) => button.setAttribute("aria-pressed", String(Boolean(on)));

/** The bar above the lanes. act: preset(ms), group(by), filter(text), states(list), idle(), table(), goNow(). */
export class Toolbar {
  constructor(act, live) {
    const button = (text, onclick, more) => h("button", { type: "button", onclick, ...more }, text);
    this.presets = PRESETS.map(([seconds, text]) =>
      button(text, () => act.preset(seconds * 1000), { "aria-pressed": "false", "data-span": seconds }));
    this.groups = GROUPS.map((by) =>
      button(by, () => act.group(by), { "aria-pressed": "false", "data-by": by }));
    const names = unique("tl-names");
    this.names = h("datalist", { id: names });
    this.search = h("input", { type: "search", placeholder: "Filter: text, task:… tag:… #12", list: names,
      "aria-label": "Filter runs by text, task:, tag:, state:, flow: or #id", autocomplete: "off", spellcheck: "false",
      oninput: () => act.filter(this.search.value) });
    this.idle = button("Idle time", () => act.idle(), { "aria-pressed": "false",
      title: "Show long stretches in which nothing happened at full length" });
    this.table = button("Table", () => act.table(), { "aria-pressed": "false", title: "The same runs as a table" });
    this.nowButton = button([h("span", { class: "tl-dot" }), "Now"], () => act.goNow(), { class: "tl-now",
      "aria-pressed": "false", title: "Follow what happens (End)" });
    this.states = STATES.map((name) => {
      const number = h("span", { class: "tl-count" });
      const element = h("button", { type: "button", class: "tl-state", "aria-pressed": "false", "data-state": name,
        onclick: () => {
          press(element, element.getAttribute("aria-pressed") !== "true");
          act.states(this.states.filter((one) => one.element.getAttribute("aria-pressed") === "true").map((one) => one.name));
        } }, mark(name), name, number);
      return { name, element, number, shown: -1 };
    });
    const group = (name, ...items) => h("div", { class: "tl-group", role: "group", "aria-label": name }, items);
    this.element = h("div", { class: "tl-bar" },
      group("How much time", this.presets), live && this.nowButton,
      h("span", { class: "tl-by" }, h("span", { "aria-hidden": "true" }, "by"), group("Lanes by", this.groups)),
      this.search, this.names, group("States", this.states.map((one) => one.element)),
      h("span", { class: "tl-toggles" }, this.idle, this.table));
  }

  /** Show what is chosen. */
  show({ span, by, text, states, idle, table, follow }) {
    for (const one of this.presets) press(one, span !== null && Math.abs(span / 1000 - one.dataset.span) < 1);
    for (const one of this.groups) press(one, one.dataset.by === by);
    if (this.search.value !== text && document.activeElement !== this.search) this.search.value = text;
    for (const one of this.states) press(one.element, states.includes(one.name));
    press(this.idle, idle);
    press(this.table, table);
    press(this.nowButton, follow);
  }

  /** Show how many runs there are in each state. */
  count(counts) {
    this.states.forEach((one, at) => {
      if (one.shown === counts[at]) return;
      one.shown = counts[at];
      one.number.textContent = counts[at] ? String(counts[at]) : "";
      one.element.toggleAttribute("data-none", !counts[at]);
    });
  }

  /** Offer tasks and tags. */
  offer(tasks) {
    const tags = new Set(tasks.flatMap((task) => task.tags));
    const words = [...tasks.map((task) => `task:${task.name}`), ...[...tags].map((tag) => `tag:${tag}`)];
    if (this.words === words.join()) return;
    this.words = words.join();
    replace(this.names, words.sort().map((value) => h("option", { value })));
  }
}

/** What the hatches and marks mean. */
export function legend(paint) {
  const sample = (cause) => {
    const tile = paint.tile(cause);
    const box = h("canvas", { class: "tl-sample", width: 28, height: 14, "aria-hidden": "true" });
    const pen = box.getContext("2d");
    pen.fillStyle = pen.createPattern(tile, "repeat");
    pen.fillRect(0, 0, 28, 14);
    return box;
  };
  return h("div", { class: "tl-legend" }, "waits for",
    CAUSES.map((text, cause) => h("span", null, sample(cause), text)),
    h("span", null, mark("skipped"), "instant without a run"),
    h("span", null, h("span", { class: "tl-ghost" }), "coming, usual time"),
    h("span", null, h("span", { class: "tl-path" }), "critical path"));
}
