// The runs of a batch: a row for every combination, a column for every part.

import { h, replace } from "./dom.js";
import { tree } from "./json.js";
import { place } from "./runlist.js";
import { badge } from "./states.js";

const PAGE = 100; // combinations that are shown at once

/** Every combination of values, in the order of nested loops. */
const product = (values) => Object.entries(values ?? {}).reduce((rows, [name, items]) =>
  rows.flatMap((row) => items.map((item) => ({ ...row, [name]: item }))), [{}]);

const said = (value) => typeof value === "string" ? value : JSON.stringify(value);
const named = (values) => Object.entries(values).map(([name, value]) => `${name}=${said(value)}`).join(", ");

/** The grid of a batch: {element, update(runs by id, batch)}. runs: those of the batch, in order. */
export function grid(batch, runs) {
  const combinations = product(batch.over);
  const parts = product(batch.parallel);
  const size = parts.length + (batch.join ? 1 : 0);
  const heads = parts.length > 1 || batch.join ? parts.map((part) => named(part) || "run") : ["run"];
  if (batch.join) heads.push(batch.join);
  const names = Object.keys(batch.over);
  const body = h("tbody");
  const rows = [];
  const more = h("button", { type: "button", onclick: () => extend() });
  const element = h("div", null, h("div", { class: "scroll" }, h("table", { class: "grid", "aria-label": "Combinations" },
    h("thead", null, h("tr", null, names.map((name) => h("th", { scope: "col" }, name)),
      heads.map((head) => h("th", { scope: "col", class: "part" }, head)), h("th", { scope: "col" }, "Result"))), body)), more);
  let known = new Map();
  let results = [];

  function extend() {
    const from = rows.length;
    for (const [index, values] of combinations.slice(from, from + PAGE).entries()) {
      const cells = runs.slice((from + index) * size, (from + index + 1) * size).map((run) => ({ run, told: "", cell: h("td", { class: "part" }) }));
      const result = h("td", { class: "value" });
      rows.push({ cells, result, values: JSON.stringify(values), told: undefined });
      body.append(h("tr", null, names.map((name) => h("th", { scope: "row" }, said(values[name]))),
        cells.map(({ cell }) => cell), result));
    }
    more.hidden = rows.length >= combinations.length;
    more.textContent = `${(combinations.length - rows.length).toLocaleString("en")} more`;
    fill();
  }

  function fill() {
    const found = new Map(results.map(({ values, result }) => [JSON.stringify(values), result]));
    for (const row of rows) {
      for (const item of row.cells) {
        const run = known.get(item.run.id) ?? item.run;
        const told = `${run.state} ${run.reason} ${run.attempts}`;
        if (told === item.told) continue;
        item.told = told;
        replace(item.cell, h("a", { href: place(run), class: "quiet" }, badge(run.state, run.reason, run.attempts, true)));
      }
      const result = found.get(row.values);
      const told = JSON.stringify(result);
      if (told === row.told) continue;
      row.told = told;
      replace(row.result, tree(result, 0));
    }
  }

  extend();
  return {
    element,
    update(all, now) {
      known = all;
      results = now.results;
      fill();
    },
  };
}
