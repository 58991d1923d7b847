// Runs as rows of a table whose rows stay where they are, and as bars.

import { h, icon, keyed, replace, svg } from "./dom.js";
import { since, until } from "./parts.js";
import { ENDED, badge } from "./states.js";
import { span } from "./time.js";

/** The page of a run; of a flow, that of its graph. */
export const place = (run) => `/${run.executor === "flow" ? "flows" : "runs"}/${run.id}`;

/** The page of a task. */
export const taskPlace = (name) => `/tasks/${encodeURIComponent(name)}`;

/** The state of a run; short: only its icon is seen. */
export const stateOf = (run, short) => badge(run.state, run.reason, run.attempts, short);

/** Who made a run, with links to a schedule, a task or another run. */
export function maker({ trigger, retry_of: earlier }) {
  const [word, name] = trigger.split(/ (.*)/s);
  if (earlier) return ["retry of ", h("a", { href: `/runs/${earlier}` }, `#${earlier}`)];
  if (!name || word === "user") return trigger;
  return [word, " ", h("a", { href: word === "after" ? taskPlace(name) : `/schedules/${encodeURIComponent(name)}` }, name)];
}

/** How far a run says it is; null when it says nothing. */
export const meter = (progress) => progress && h("progress", { value: progress.total ? progress.done : null,
  max: progress.total || null, title: progress.message, "aria-label": "Progress" });

/** How long a run has waited, or waits. */
export const waited = (run) => run.started ? span(run.wait_seconds) : ENDED.has(run.state) ? "–" : since(run.created);

/** How long a run has taken, or is taking. */
export const took = (run) => run.ended ? span(run.run_seconds) : run.started ? since(run.started) : "–";

/** Fill an element anew only when what it shows has changed: put(element, data, make). */
export function memory() {
  const shown = new WeakMap();
  return (element, data, make) => {
    const text = JSON.stringify(data) ?? "";
    if (shown.get(element) === text) return;
    shown.set(element, text);
    replace(element, make());
  };
}

/** Call a function again and again, while somebody looks and live changes are not paused. */
export function often(fn, ms, ctx) {
  const timer = setInterval(() => document.hidden || ctx.live.state === "paused" || fn(), ms);
  ctx.signal.addEventListener("abort", () => clearInterval(timer));
}

// What stands in the columns; `of`: what of a run can change it. plain: a card of narrow windows
// does not say what it is.
const COLUMNS = {
  state: { head: "State", plain: true, of: (run) => [run.state, run.reason, run.attempts], make: (run) => stateOf(run) },
  id: { head: "Run", plain: true, make: (run) => h("a", { href: place(run), class: "mono" }, `#${run.id}`) },
  name: { head: "Task", plain: true, kind: "cut whole", make: (run) => [
    run.executor === "flow" ? [icon("flow"), " ", run.name] : h("a", { href: taskPlace(run.name) }, run.name),
    run.label !== run.name && h("span", { class: "soft" }, ` ${run.label}`)] },
  label: { head: "Label", plain: true, kind: "cut whole", make: (run) => run.label },
  trigger: { head: "Made by", kind: "cut", make: maker },
  created: { head: "Made", kind: "num", make: (run) => until(run.created) },
  wait: { head: "Waited", kind: "num", of: (run) => [run.started, run.ended], make: waited },
  took: { head: "Took", kind: "num", of: (run) => [run.started, run.ended, run.progress],
    make: (run) => [took(run), run.state === "running" && meter(run.progress)] },
};

/**
 * A table of runs: {element, show(runs), update(run), ids}. update brings a row up to date and
 * returns whether there is one. pick: makes the first cell of a row, say with a box to choose it.
 */
export function runTable(names, label, pick) {
  const put = memory();
  const rows = new Map(); // by id
  const body = h("tbody");
  const element = h("table", { class: "list runs", "aria-label": label }, h("thead", null, h("tr", null,
    pick && h("th", { class: "pick" }, h("span", { class: "unseen" }, "Choose")),
    names.map((name) => h("th", { scope: "col", class: `c-${name} ${COLUMNS[name].kind ?? ""}` }, COLUMNS[name].head)))), body);

  const make = (run) => h("tr", { "data-id": run.id }, pick && h("td", { class: "pick" }, pick(run)),
    names.map((name) => h("td", { class: `c-${name} ${COLUMNS[name].kind ?? ""}`,
      "data-label": COLUMNS[name].plain ? null : COLUMNS[name].head })));
  function fill(row, run) {
    rows.set(run.id, row);
    names.forEach((name, index) => put(row.cells[index + (pick ? 1 : 0)], COLUMNS[name].of?.(run), () => COLUMNS[name].make(run)));
  }

  return {
    element,
    show(runs) {
      rows.clear();
      keyed(body, runs, (run) => run.id, make, fill);
    },
    update(run) {
      if (rows.has(run.id)) fill(rows.get(run.id), run);
      return rows.has(run.id);
    },
    get ids() {
      return [...rows.keys()];
    },
  };
}

const WIDE = 5;

/**
 * The last runs of a task as bars, the newest on the right: their height is how long they took,
 * their form and colour how they ended.
 */
export function spark(recent, high = 26, slots = 30) {
  const runs = recent.slice(0, slots).reverse();
  const most = Math.max(...runs.map((run) => run.seconds ?? 0), 1e-9);
  const counts = {};
  const bars = runs.map(({ id, state, seconds }, index) => {
    counts[state] = (counts[state] ?? 0) + 1;
    const tall = Math.max(3, Math.round(((seconds ?? 0) / most) * (high - 6)));
    const [x, y] = [(slots - runs.length + index) * WIDE, high - 5 - tall];
    return svg("g", { "data-state": state }, svg("title", null, `#${id} ${state}, ${span(seconds)}`),
      svg("rect", { x: x + .5, y: y + .5, width: WIDE - 2, height: tall - 1 }),
      state === "failed" && svg("path", { d: `M${x - .3} ${high - .5}l2.3 -3.6l2.3 3.6z` }));
  });
  const said = Object.entries(counts).map(([state, count]) => `${count} ${state}`).join(", ");
  return svg("svg", { class: "spark", width: slots * WIDE, height: high, role: "img",
    "aria-label": `Last ${runs.length} runs: ${said}; at most ${span(most)}` },
  svg("path", { class: "ground", d: `M0 ${high - 4.5}H${slots * WIDE}` }), bars);
}
