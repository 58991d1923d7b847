// Workers: the processes that execute runs, and what each one does now.

import { serverNow } from "../api.js";
import { empty, h, keyed, replace } from "../dom.js";
import { follow, heading, reading, since, ticking } from "../parts.js";
import { seconds, span } from "../time.js";
import { cells } from "./limits.js";

/** Show all workers that are alive. */
export async function show(ctx) {
  ctx.title("Workers");
  const get = reading(ctx);
  const place = h("div");
  const { items: tasks } = await get("/tasks");
  const usual = new Map(tasks.map((task) => [task.name, task.median_seconds]));
  replace(ctx.root, heading("Workers"), place);
  ticking(ctx);
  const ask = await follow(ctx, ["run"], async () => {
    const [{ items }, { items: runs }] = await Promise.all([get("/workers"), get("/runs",
      { state: "running", fields: "id,name,label,started,worker,progress", limit: 1000, sort: "created", system: true })]);
    const of = Map.groupBy(runs, ({ worker }) => worker);
    keyed(place, items.length ? items : [{ id: 0 }], ({ id }) => id, make,
      (box, worker) => worker.id && fill(box, worker, of.get(worker.id) ?? []));
  });
  const timer = setInterval(ask, 5000); // one that has died tells nobody
  ctx.signal.addEventListener("abort", () => clearInterval(timer));

  function fill(box, { state, concurrency, running }, runs) {
    const [head, slots, doing] = box.children;
    head.children[1].textContent = state;
    replace(slots, cells(running, concurrency), ` ${running} of ${concurrency} slots`);
    // There is room for what comes next, and a run keeps its place until it ends: nothing jumps.
    doing.style.setProperty("--rows", Math.min(concurrency, 8));
    box.places = (box.places ?? []).map((place) => runs.some(({ id }) => id === place) && place);
    for (const { id } of runs) {
      if (box.places.includes(id)) continue;
      const free = box.places.indexOf(false);
      box.places[free < 0 ? box.places.length : free] = id;
    }
    keyed(doing, runs, ({ id }) => id, (run) => h("div", null,
      h("a", { href: `/runs/${run.id}` }, `#${run.id} ${run.label ?? run.name}`),
      h("progress", { "aria-label": `Progress of run ${run.id}` }), since(run.started), h("span", { class: "soft" })), (row, run) => {
      row.style.gridRow = box.places.indexOf(run.id) + 1;
      grow(row, run);
    });
  }

  /** A bar for what a run says of itself, or else for its time against the usual one. */
  function grow(row, { name, started, progress }) {
    const [, bar, , said] = row.children;
    const usually = usual.get(name);
    const gone = serverNow() - seconds(started);
    const part = progress?.total ? progress.done / progress.total : usually && gone / usually;
    if (part) bar.value = Math.min(1, part);
    said.textContent = progress?.message || (usually ? `usually ${span(usually)}` : "");
  }
}

const make = ({ id, name, host, pid, started, tasks }) => !id
  ? empty("workers", "No worker is alive", h("p", null, "Runs wait. Start one: ", h("code", null, "abreast worker")))
  : h("section", { class: "card", "data-worker": id },
    h("div", { class: "row" }, h("h2", null, name), h("span", { class: "chip" }), h("span", { class: "soft" },
      `${host}, process ${pid}, up for `, since(started), tasks && `, only ${tasks}`),
    h("a", { href: `/runs?worker=${id}` }, "Its runs")),
    h("p"), h("div", { class: "doing" }));
