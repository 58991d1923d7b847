// What stands above the lanes: how much time, which lanes, which runs.

import { h, replace, unique } from "../dom.js";
import { mark } from "./marks.js";
import { CAUSES, STATES } from "./model.js";

/** How much time one may choose: seconds and names. */
const PRESETS = [[300, "5 m"], [3600, "1 h"], [21600, "6 h"], [86400, "24 h"], [604800, "7 d"]];
const GROUPS = ["task", "worker", "tag", "flow"];

/** The bar above the lanes; tells a view what is chosen. */
export class Toolbar {
  constructor(view, live) {
    const button = (text, onclick, more) => h("button", { type: "button", onclick, "aria-pressed": "false", ...more }, text);
    const group = (name, items) => h("div", { class: "tl-group", role: "group", "aria-label": name }, items);
    this.presets = PRESETS.map(([seconds, text]) => button(text, () => view.preset(seconds * 1000), { "data-span": seconds }));
    this.groups = GROUPS.map((by) => button(by, () => view.change({ by }), { "data-by": by }));
    this.names = h("datalist", { id: unique() });
    this.search = h("input", { type: "search", placeholder: "Filter: text, task:… tag:… #12", list: this.names.id,
      "aria-label": "Filter runs by text, task:, tag:, state:, flow: or #id", autocomplete: "off", spellcheck: "false",
      oninput: () => view.change({ text: this.search.value }) });
    this.idle = button("Idle time", () => view.change({ idle: !view.choice.idle }), { title: "Long stretches without runs at full length" });
    this.table = button("Table", () => view.change({ table: !view.choice.table }));
    this.now = button([h("span", { class: "tl-dot" }), "Now"], () => view.goNow(), { title: "Follow what happens (End)" });
    this.counts = STATES.map(() => h("span", { class: "tl-count" }));
    this.states = STATES.map((name, at) => button([mark(name), name, this.counts[at]], () => {
      const { states } = view.choice;
      view.change({ states: states.includes(name) ? states.filter((one) => one !== name) : [...states, name] });
    }, { class: "tl-state", "data-state": name }));
    this.element = h("div", { class: "tl-bar" }, group("How much time", this.presets), live && this.now,
      h("span", { class: "tl-by" }, h("span", { "aria-hidden": "true" }, "by"), group("Lanes by", this.groups)),
      this.search, this.names, group("States", this.states), h("span", { class: "tl-toggles" }, this.idle, this.table));
  }

  /** Show what is chosen. */
  show({ span, by, text, states, idle, table, follow }) {
    const press = (button, on) => button.setAttribute("aria-pressed", Boolean(on));
    for (const one of this.presets) press(one, Math.round(span / 1000) === Number(one.dataset.span));
    for (const one of this.groups) press(one, one.dataset.by === by);
    for (const one of this.states) press(one, states.includes(one.dataset.state));
    press(this.idle, idle);
    press(this.table, table);
    press(this.now, follow);
    if (this.search.value !== text && document.activeElement !== this.search) this.search.value = text;
  }

  /** Show how many runs there are in each state. */
  count(counts) {
    this.counts.forEach((element, at) => {
      const text = counts[at] ? String(counts[at]) : "";
      if (element.textContent === text) return;
      element.textContent = text;
      this.states[at].toggleAttribute("data-none", !text);
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
