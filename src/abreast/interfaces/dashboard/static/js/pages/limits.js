// Limits: who holds the units of every key, who waits, and what another number would have meant.

import { empty, h, icon, keyed, replace } from "../dom.js";
import { follow, since, ticking } from "../parts.js";
import { WhatIf } from "./what-if.js";

const CELLS = 24; // units that are drawn one by one
const NAMED = 8;
const FIELDS = "id,name,label,state,started,created";

/** Show all keys; with ?key= also what another number of units would have meant. */
export async function show(ctx) {
  ctx.title("Limits");
  const page = new Limits(ctx);
  await follow(ctx, ["run"], () => page.load());
  ticking(ctx);
  await page.chosen();
}

const amount = new Intl.NumberFormat("en", { maximumFractionDigits: 2, notation: "compact" });

class Limits {
  rows = [];
  runs = new Map();
  seen = new Map(); // keys that were in use since the page was opened
  #busy = h("ul", { class: "plain" });
  #idle = h("ul", { class: "plain" });
  #rest = h("details", null, h("summary"), this.#idle);
  #place = h("div");
  #whatIf = h("div");

  constructor(ctx) {
    this.ctx = ctx;
    replace(ctx.root, h("header", { class: "head" }, h("h1", null, "Limits")), this.#whatIf,
      this.#place);
  }

  async load() {
    const { api, signal } = this.ctx;
    const limits = await api.get("/limits", { idle: true }, { signal });
    const wanted = (state, sort) =>
      api.get("/runs", { state, sort, fields: FIELDS, limit: 1000, system: true }, { signal });
    const used = limits.items.filter(({ held, holders, waiting }) => held || holders.length || waiting);
    const found = await Promise.all([used.length && wanted("running", "-created"),
      used.some(({ waiting }) => waiting) && wanted("pending", "created")]);
    this.runs = new Map(found.filter(Boolean).flatMap(({ items }) => items).map((run) => [run.id, run]));
    for (const row of used) this.seen.set(row.key, row);
    const now = new Map(limits.items.map((row) => [row.key, row]));
    for (const [key, row] of this.seen) {
      if (!now.has(key)) now.set(key, { ...row, held: 0, holders: [], waiting: 0, waiters: [] });
    }
    this.rows = [...now.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    this.draw();
  }

  draw() {
    if (!this.rows.length) {
      return replace(this.#place, empty("limits", "No task has a limit",
        h("p", null, "Say how much may run at the same time beside a task: ",
          h("code", null, '@task(limits=[Limit(2, "/press")])'), ".")));
    }
    // A key stays where it is once it has been in use: what is looked at does not jump.
    const busy = this.rows.filter(({ key }) => this.seen.has(key));
    const idle = this.rows.filter(({ key }) => !this.seen.has(key));
    for (const [list, rows] of [[this.#busy, busy], [this.#idle, idle]]) {
      keyed(list, rows, ({ key }) => key, (row) => this.#make(row), (item, row) => this.#fill(item, row));
    }
    this.#rest.hidden = idle.length === 0;
    this.#rest.firstChild.textContent = idle.length === 1 ? "1 key that nobody uses now"
      : `${idle.length} keys that nobody uses now`;
    if (!this.#rest.isConnected) {
      this.#rest.open = busy.length === 0;
      replace(this.#place, this.#busy, this.#rest);
    }
  }

  #make({ key }) {
    const chosen = this.ctx.query.get("key") === key;
    return h("li", { class: "card key", "data-key": key },
      h("div", { class: "key-head" }, h("h2", { class: "mono" }, key), h("span", { class: "held" }),
        h("a", { href: `/limits?key=${encodeURIComponent(key)}`, class: "button",
          "aria-current": chosen ? "true" : null }, icon("timeline"), "What if?")),
      h("div", { class: "units" }), h("div", { class: "who" }));
  }

  #fill(item, { key, held, n, holders, waiting, waiters }) {
    const known = (id) => this.runs.get(id);
    const now = JSON.stringify([held, n, holders.map(known), waiting, waiters.slice(0, NAMED).map(known)]);
    if (item.dataset.now === now) return;
    item.dataset.now = now;
    const [head, units, who] = item.children;
    head.children[1].textContent = n === null ? `${amount.format(held)} held`
      : `${amount.format(held)} of ${amount.format(n)}`;
    drawUnits(units, key, held, n);
    replace(who, holders.length > 0 && line("Held by", holders, holders.length, (id) => {
      const run = known(id);
      return [runLink(id, run), run?.started && [" for ", since(run.started)]];
    }), waiting > 0 && line(waiting === 1 ? "1 waits" : `${waiting} wait`, waiters, waiting, (id) => {
      const run = known(id);
      return [runLink(id, run), run && [" for ", since(run.created)]];
    }));
  }

  /** The key of the address, tried out with other numbers. */
  async chosen() {
    const key = this.ctx.query.get("key");
    if (key === null) return;
    const row = this.rows.find((other) => other.key === key);
    const panel = new WhatIf(this.ctx, key, row?.n ?? null);
    replace(this.#whatIf, panel.node);
    await panel.load();
  }
}

const runLink = (id, run) =>
  h("a", { href: `/runs/${id}` }, run ? `#${id} ${run.label ?? run.name}` : `#${id}`);

const line = (title, ids, all, each) => h("p", { class: "holders" }, h("b", null, title), " ",
  h("span", null, ids.slice(0, NAMED).map((id) => h("span", { class: "one" }, each(id))),
    all > NAMED && h("span", { class: "soft" }, `and ${all - Math.min(NAMED, ids.length)} more`)));

/** The units of a key: one cell each when they are few, else a bar. */
function drawUnits(place, key, held, n) {
  const total = n ?? Math.max(held, 1);
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", `${key}: ${amount.format(held)} of ${n === null
    ? "no fixed number of" : amount.format(n)} units held`);
  place.classList.toggle("full", n !== null && held >= n);
  if (total <= CELLS && Number.isInteger(total) && Number.isInteger(held)) {
    replace(place, Array.from({ length: Math.max(total, held) }, (_, index) =>
      h("i", { class: index < held ? "on" : null })));
  } else {
    replace(place, h("i", { class: "part" }, h("i", { class: "on",
      style: { width: `${Math.min(100, (100 * held) / total)}%` } })));
  }
}
