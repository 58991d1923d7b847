// Runs as rows of a table whose rows stay where they are.

import { h, icon, keyed, replace, svg } from "./dom.js";
import { serverNow } from "./api.js";
import { since } from "./parts.js";
import { ENDED, badge, look } from "./states.js";
import { ago, both, seconds, span } from "./time.js";

/** The page of a run; of a flow, that of its graph. */
export const place = (run) => `/${run.executor === "flow" ? "flows" : "runs"}/${run.id}`;

/** The page of a task. */
export const taskPlace = (name) => `/tasks/${encodeURIComponent(name)}`;

/** How long ago, kept up to date by the page. */
export const when = (time) => time === null ? h("span", null, "–")
  : h("time", { "data-at": seconds(time), title: both(time), class: "num" }, ago(time, serverNow()));

/** Who made a run, with links to a schedule or another run. */
export function maker({ trigger, retry_of: earlier }) {
  const [word, ...rest] = trigger.split(" ");
  const name = rest.join(" ");
  if (earlier) return ["retry of ", h("a", { href: `/runs/${earlier}` }, `#${earlier}`)];
  if ((word === "schedule" || word === "backfill") && name) {
    return [`${word} `, h("a", { href: `/schedules/${encodeURIComponent(name)}` }, name)];
  }
  if (word === "after" && name) return ["after ", h("a", { href: taskPlace(name) }, name)];
  return trigger;
}

/** How far a run says it is; null when it says nothing. */
export function meter(progress, label = "Progress") {
  if (!progress) return null;
  const { done, total, message } = progress;
  const text = total ? `${Number(done.toFixed(1))} of ${Number(total.toFixed(1))}` : String(done);
  return h("progress", { value: total ? done : null, max: total || null, "aria-label": label,
    title: message ? `${text}: ${message}` : text });
}

/** Call a function again and again, while somebody looks and live changes are not paused. */
export function often(fn, ms, ctx) {
  const timer = setInterval(() => document.hidden || ctx.live.state === "paused" || fn(), ms);
  ctx.signal.addEventListener("abort", () => clearInterval(timer));
}

/** Call a function soon, and not again before it has ended and `ms` have passed. */
export function paced(fn, ms, signal) {
  let timer = 0;
  let last = 0;
  let busy = false;
  let again = false;
  async function turn() {
    timer = 0;
    busy = true;
    again = false;
    const began = performance.now();
    await fn();
    last = performance.now();
    pace = Math.max(ms, 10 * (last - began)); // a service that is slow is asked less often
    busy = false;
    if (again) ask();
  }
  let pace = ms;
  function ask() {
    again = true;
    if (busy || timer || signal.aborted) return;
    timer = setTimeout(turn, Math.max(0, last + pace - performance.now()));
  }
  signal.addEventListener("abort", () => clearTimeout(timer));
  return ask;
}

const waited = (run) => run.started !== null ? span(run.wait_seconds)
  : ENDED.has(run.state) ? "–" : since(run.created);

const took = (run) => run.ended !== null ? span(run.run_seconds)
  : run.state !== "running" ? "–" : [since(run.started), meter(run.progress, `Progress of run ${run.id}`)];

// What a column is called, how its cell begins, and what changes in it: live, when `of` has changed.
// plain: says in a card of narrow windows what it is.
const COLUMNS = {
  state: { head: "State", plain: true, of: (run) => [run.state, run.reason, run.attempts],
    live: (run) => badge(run.state, run.reason, run.attempts) },
  id: { head: "Run", plain: true, make: (run) => h("a", { href: place(run), class: "mono" }, `#${run.id}`) },
  name: { head: "Task", plain: true, cut: true, whole: true, make: (run) => [
    run.executor === "flow" ? h("span", { class: "flow-name" }, icon("flow"), run.name)
      : h("a", { href: taskPlace(run.name) }, run.name),
    run.label !== run.name && h("span", { class: "soft" }, ` ${run.label}`)] },
  label: { head: "Label", plain: true, cut: true, whole: true, make: (run) => run.label },
  trigger: { head: "Made by", cut: true, make: maker },
  created: { head: "Made", number: true, make: (run) => when(run.created) },
  wait: { head: "Waited", number: true, of: (run) => [run.started, run.ended], live: waited },
  took: { head: "Took", number: true, of: (run) => [run.started, run.ended, run.progress], live: took },
};

/**
 * A table of runs: {element, show(runs), update(run), runs}. update brings a row up to date and
 * returns whether there is one. pick: makes the first cell of a row, say with a box to choose it.
 */
export function runTable(columns, { label, pick } = {}) {
  const shown = new Map(); // id -> {run, cells, told}
  const body = h("tbody");
  const element = h("table", { class: "list runs", "aria-label": label },
    h("thead", null, h("tr", null, pick && h("th", { class: "pick" }, h("span", { class: "unseen" }, "Choose")),
      columns.map((name) => h("th", { scope: "col", class: [`c-${name}`, COLUMNS[name].number && "num"] },
        COLUMNS[name].head)))), body);

  function make(run) {
    const cells = columns.map((name) => {
      const { head, plain, number, cut, whole, make: fill } = COLUMNS[name];
      return h("td", { "data-label": plain ? null : head, class: [`c-${name}`, number && "num", cut && "cut", whole && "whole"],
        title: cut && name === "name" ? `${run.name} ${run.label}` : null }, fill?.(run));
    });
    shown.set(run.id, { run, cells, told: [] });
    return h("tr", { "data-id": run.id }, pick && h("td", { class: "pick" }, pick(run)), cells);
  }

  function fill(run) {
    const known = shown.get(run.id);
    known.run = run;
    columns.forEach((name, index) => {
      const { live, of } = COLUMNS[name];
      const told = live && JSON.stringify(of(run));
      if (!live || known.told[index] === told) return; // elements that stay do not flicker
      known.told[index] = told;
      replace(known.cells[index], live(run));
    });
  }

  return {
    element,
    show(runs) {
      keyed(body, runs, (run) => run.id, make, (_, run) => fill(run));
      const ids = new Set(runs.map((run) => run.id));
      for (const id of shown.keys()) if (!ids.has(id)) shown.delete(id);
    },
    update(run) {
      if (!shown.has(run.id)) return false;
      fill(run);
      return true;
    },
    get runs() {
      return [...shown.values()].map(({ run }) => run);
    },
  };
}

// -- durations as bars --------------------------------------------------------------------------

const WIDE = 5;

/**
 * The last runs of a task as bars, the newest on the right: their height is how long they took,
 * their form and colour how they ended. go(path) opens one.
 */
export function spark(recent, slots = 30, high = 26) {
  const runs = recent.slice(0, slots).reverse();
  const most = Math.max(...runs.map((run) => run.seconds ?? 0), 1e-9);
  const counts = {};
  const bars = runs.map((run, index) => {
    counts[run.state] = (counts[run.state] ?? 0) + 1;
    const tall = Math.max(3, Math.round(((run.seconds ?? 0) / most) * (high - 6)));
    const x = (slots - runs.length + index) * WIDE;
    const bottom = high - 5;
    const { text } = look(run.state);
    const shape = run.state === "completed" || run.state === "failed"
      ? svg("rect", { x, y: bottom - tall, width: WIDE - 1.5, height: tall })
      : svg("rect", { class: "hollow", x: x + .5, y: bottom - tall + .5, width: WIDE - 2.5, height: tall - 1 });
    return svg("g", { "data-state": run.state }, svg("title", null, `#${run.id} ${text}, ${span(run.seconds)}`),
      shape, run.state === "failed" && svg("path", { d: `M${x - .3} ${high - .5}l2.1 -3.6l2.1 3.6z` }));
  });
  const said = Object.entries(counts).map(([state, count]) => `${count} ${state}`).join(", ");
  return svg("svg", { class: "spark", width: slots * WIDE, height: high, role: "img",
    "aria-label": runs.length ? `Last ${runs.length} runs: ${said}; at most ${span(most)}` : "No runs yet" },
    svg("line", { x1: 0, x2: slots * WIDE, y1: high - 4.5, y2: high - 4.5 }), bars);
}
