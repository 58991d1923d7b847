// A flow: what comes after what, and how far it is; of a batch, all combinations.

import { get } from "../api.js";
import { h, icon, replace } from "../dom.js";
import { grid } from "../grid.js";
import { graph } from "../graph.js";
import { section, ticking } from "../parts.js";
import { paced, runTable } from "../runlist.js";
import { ENDED, STATES, badge } from "../states.js";
import { factsOf, memory, runHead } from "./run.js";

const ROWS = 200; // of the table

/** Show the flow of the address. */
export async function show(ctx) {
  const { id } = ctx.params;
  const options = { signal: ctx.signal };
  let [flow, why] = await Promise.all([get(`/flows/${id}`, {}, options), get(`/runs/${id}/why`, {}, options)]);
  let batch = flow.batch ? await get(`/batches/${id}`, {}, options) : null;
  ctx.title(`${flow.batch ? "Batch" : "Flow"} ${flow.run.id} · ${flow.run.label}`);
  const runs = new Map(flow.runs.map((run) => [run.id, run]));

  const top = runHead(ctx, flow.run, flow.batch ? "Batch" : "Flow");
  const counts = h("div", { class: "row counts" });
  const table = runTable(["state", "id", "label", "created", "wait", "took"], { label: "Runs of this flow" });
  const more = h("p", { class: "soft" });
  const facts = h("dl", { class: "run-facts" });
  const put = memory();
  const only = { state: null };
  const picture = batch ? grid(batch, flow.runs) : graph(flow.runs, flow.edges);

  function draw() {
    const now = [...runs.values()];
    top.update({ ...flow.run, progress: flow.run.progress && { ...flow.run.progress,
      done: now.filter((run) => ENDED.has(run.state)).length } }, why.why);
    picture.update(runs, batch);
    put(facts, [flow.run.started, flow.run.ended], () => factsOf(flow.run));
    const found = STATES.map((state) => [state, now.filter((run) => run.state === state).length]);
    put(counts, [found, only], () => found.filter(([state, count]) => count || only.state === state).map(([state, count]) =>
      h("button", { type: "button", class: "small", "aria-pressed": String(only.state === state), onclick() {
        only.state = only.state === state ? null : state;
        draw();
      } }, badge(state), h("b", null, count.toLocaleString("en")))));
    const listed = now.filter((run) => !only.state || run.state === only.state);
    table.show(listed.slice(0, ROWS));
    replace(more, listed.length > ROWS && [`${(listed.length - ROWS).toLocaleString("en")} more: `,
      h("a", { href: `/runs?flow=${id}${only.state ? `&state=${only.state}` : ""}` }, "list them all")]);
  }

  const drawSoon = paced(async () => draw(), 100, ctx.signal);
  const refresh = paced(async () => {
    try {
      [flow, why] = await Promise.all([get(`/flows/${id}`, {}, options), get(`/runs/${id}/why`, {}, options)]);
      if (flow.batch) batch = await get(`/batches/${id}`, {}, options);
    } catch {
      return;
    }
    for (const run of flow.runs) runs.set(run.id, run);
    draw();
  }, 1000, ctx.signal);

  replace(ctx.root, top.element,
    section(batch ? "Combinations" : "Graph", counts, picture.element,
      flow.more && h("p", { class: "soft" }, icon("info"), " Only the first 5,000 runs are shown.")),
    section("Runs", table.element, more), section("Facts", facts));
  draw();
  ticking(ctx);
  ctx.live.on("run", (rows) => {
    let own = false;
    for (const run of rows) {
      if (run.id === flow.run.id) flow.run = run;
      else if (runs.has(run.id)) runs.set(run.id, run);
      else continue;
      own = true;
      if (ENDED.has(run.state)) refresh(); // results, and why
    }
    if (own) drawSoon();
  });
  ctx.live.on("resync", refresh);
}
