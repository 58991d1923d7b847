// Limits: who holds the units of every key, who waits, and what another number would have meant.

import { empty, h, icon, keyed, replace, svg } from "../dom.js";
import { columns, follow, heading, reading, section, since, ticking } from "../parts.js";
import { span } from "../time.js";
import { asItWas, replay, sizes } from "../whatif.js";

const CELLS = 20; // units that are drawn one by one
const NAMED = 3; // runs that are named of those that hold or wait
const WIDTH = 320;
const TALL = 80;

/** Show all keys; with ?key= also what another number of units would have meant for it. */
export async function show(ctx) {
  ctx.title("Limits");
  const get = reading(ctx);
  const key = ctx.query.get("key");
  const panel = h("div");
  const place = h("div");
  const body = h("tbody");
  const table = h("table", { class: "list limits" }, columns("Key", "Units", "Held by", "Waiting", ""), body);
  const seen = new Map(); // keys stay while the page is shown, used or not: nothing jumps
  let runs;
  replace(ctx.root, heading("Limits"), panel, place);
  ticking(ctx);
  await follow(ctx, ["run"], async () => {
    const listed = (state, sort) =>
      get("/runs", { state, sort, fields: "id,name,label,started,created", limit: 1000, system: true });
    const [{ items }, ...found] = await Promise.all([
      get("/limits", { idle: true }), listed("running", "-created"), listed("pending", "created")]);
    runs = new Map(found.flatMap((page) => page.items).map((run) => [run.id, run]));
    for (const row of seen.values()) Object.assign(row, { held: 0, holders: [], waiting: 0, waiters: [] });
    if (seen.size > 500) seen.clear(); // so many come from arguments, and are soon gone
    for (const row of items) seen.set(row.key, row);
    replace(place, seen.size ? table : empty("limits", "No task has a limit", h("p", null, "Write ",
      h("code", null, '@task(limits=[Limit(2, "/press")])'), " beside a function.")));
    keyed(body, [...seen.values()].sort((a, b) => (a.key < b.key ? -1 : 1)), (row) => row.key, make, fill);
  });
  if (key !== null) await whatIf(ctx, panel, key, seen.get(key)?.n);

  function make(row) {
    return h("tr", { "data-key": row.key }, h("td", { class: "whole" }, h("code", null, row.key)),
      h("td", { class: "whole" }), h("td", { "data-label": "Held by" }), h("td", { "data-label": "Waiting" }),
      h("td", { class: "do" }, h("a", { href: `?key=${encodeURIComponent(row.key)}`, class: "button small",
        "aria-current": row.key === key ? "true" : null }, icon("timeline"), "What if?")));
  }

  function fill(element, { held, n, holders, waiting, waiters }) {
    const told = JSON.stringify([held, n, holders, waiting, waiters.slice(0, NAMED)]);
    if (element.told === told) return;
    element.told = told;
    if (holders.length || waiting) element.className = "used";
    const [, units, holding, line] = element.cells;
    replace(units, cells(held, n), ` ${held} of ${n ?? "a varying number"}`);
    replace(holding, named(holders, holders.length, ({ started }) => started));
    replace(line, named(waiters, waiting, ({ created }) => created));
  }

  function named(ids, all, at) {
    return [ids.slice(0, NAMED).map((id) => {
      const run = runs.get(id);
      return h("div", null, h("a", { href: `/runs/${id}` }, `#${id} ${run?.label ?? run?.name ?? ""}`),
        run && [" for ", since(at(run) ?? run.created)]);
    }), all > NAMED && `and ${all - NAMED} more`];
  }
}

/** Units as cells, those in use filled; as one bar where they are many. */
export function cells(used, all) {
  const total = Math.max(used, all ?? 0, 1);
  const few = total <= CELLS;
  return h("span", { class: "cells", "aria-hidden": "true" }, few
    ? Array.from({ length: total }, (_, index) => h("i", { class: index < used ? "on" : null }))
    : h("i", { class: "part", style: { "--part": `${(100 * used) / total}%` } }));
}

// -- what if ----------------------------------------------------------------------------------

const units = (size) => (size === 1 ? "1 unit" : `${size} units`);

/** Replay the last day with other numbers of units, and show what comes of it. */
async function whatIf(ctx, panel, key, given) {
  const past = await reading(ctx)("/limits/history", { key, limit: 20_000 });
  const { runs, tasks, unfinished, truncated, per_seconds: per } = past;
  const n = given ?? past.n;
  const box = section(`What if ${key} had another number?`);
  replace(panel, box);
  if (!runs.id.length) return box.append(h("p", null, "No run of this key has ended in the last day."));
  const all = sizes(n);
  const results = new Map();
  for (const size of all) {
    results.set(size, replay(runs, size, per && per * 1000));
    if (runs.id.length > 1000) await new Promise((resolve) => setTimeout(resolve)); // let the page live
    if (ctx.signal.aborted) return;
  }
  const was = asItWas(runs);
  const said = h("p", { class: "told", "aria-live": "polite" });
  const charts = h("div", { class: "charts" });
  const asked = all.indexOf(Number(ctx.query.get("n")));
  const slider = h("input", { type: "range", max: all.length - 1, value: asked < 0 ? all.indexOf(n) : asked, oninput() {
    ctx.setQuery({ n: all[slider.value] }, { replace: true });
    draw();
  } });
  const number = h("output");
  box.append(h("label", { class: "slide" }, "Units ", slider, number), said, charts, h("p", { class: "soft" },
    `Replays ${truncated ? "the newest " : ""}${runs.id.length} runs of ${tasks.join(", ")} that ended in the last day: each could `,
    "start when it really could, holds the same units as long as it did, and starts by age and priority once they ",
    "are free.",
    per && ` A unit returns ${span(per)} after the start.`, " There is always a free worker, and no other limit.",
    unfinished > 0 && ` ${unfinished} unfinished left out.`));
  draw();

  function draw() {
    const size = all[slider.value];
    const found = results.get(size);
    number.textContent = size === n ? `${size}, as now` : size;
    const text = `With ${units(size)}, ` + (found
      ? `95 % of the runs start within ${span(found.wait)}, and all are done after ${span(found.makespan)}.`
      : "some runs never start.");
    slider.setAttribute("aria-valuetext", text);
    replace(said, text, h("span", { class: "soft" }, ` It really was ${span(was.wait)} and ${span(was.makespan)}.`));
    replace(charts, chart("Wait of 95 %", "wait", size), chart("All done after", "makespan", size));
  }

  function chart(title, name, chosen) {
    const most = Math.max(0.001, ...all.map((size) => results.get(size)?.[name] ?? 0));
    const step = Math.min(40, WIDTH / all.length);
    return h("figure", null, h("figcaption", null, title, h("span", { class: "soft" }, span(most))),
      svg("svg", { viewBox: `0 0 ${WIDTH} ${TALL + 16}`, "aria-hidden": "true" }, all.map((size, index) => {
        const found = results.get(size);
        const high = found ? Math.max(1, (TALL * found[name]) / most) : 0;
        const shown = size === n || index % Math.ceil(24 / step) === 0;
        return [svg("rect", { x: index * step, y: TALL - high, width: step * 0.8, height: high,
          class: size === chosen ? "chosen" : null }, svg("title", null, `${units(size)}: ${found ? span(found[name]) : "never"}`)),
        shown && svg("text", { x: (index + 0.4) * step, y: TALL + 13, class: size === n ? "now" : null }, size)];
      })));
  }
}
