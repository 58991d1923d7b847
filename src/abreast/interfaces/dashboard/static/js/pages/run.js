// One run: why it is as it is, what it took and gave, its steps, attempts and log; of a flow, how
// far its runs are.

import { paced } from "../pace.js";
import { post } from "../api.js";
import { copy, dialog, h, icon, replace, toast } from "../dom.js";
import { graph, grid } from "../graph.js";
import { tree } from "../json.js";
import { LogView } from "../log.js";
import { act, facts, reading, section, since, ticking } from "../parts.js";
import { maker, memory, meter, often, place, runTable, stateOf, taskPlace, took, waited } from "../runlist.js";
import { ENDED, STATES, badge } from "../states.js";
import { both, moment, span } from "../time.js";
import { start } from "./tasks.js";

const LOOK_MS = 3_000; // steps, and who holds what it waits for, tell nothing when they change
const ROWS = 200; // of the runs of a flow

/** Show the run or flow of the address. */
export async function show(ctx) {
  const read = reading(ctx);
  const run = await read(`/runs/${ctx.params.id}`);
  const flow = run.executor === "flow";
  if (location.pathname !== place(run)) history.replaceState(null, "", place(run));
  ctx.title(`${flow ? "Flow" : "Run"} ${run.id} · ${run.label}`);
  ticking(ctx);
  return (flow ? showFlow : showRun)(ctx, read, run);
}

async function showRun(ctx, read, first) {
  const path = `/runs/${first.id}`;
  const load = () => Promise.all([read(path), read(`${path}/why`), read(`${path}/steps`)]);
  let [run, why, steps] = await load();
  const top = head(ctx, run);
  const [error, known, values, stepped, attempts] = Array.from({ length: 5 }, () => h("div"));
  const log = new LogView(run, ctx);
  const put = memory();

  function draw() {
    top.update(run, why.why);
    log.update(run);
    put(known, [run.started, run.ended, run.attempts, run.place, run.state], () => factsOf(run));
    put(error, run.error, () => run.error && h("div", { class: "card error-box" },
      h("h2", null, icon("failed"), " ", h("code", null, run.error.type)), h("pre", null, run.error.message),
      run.error.traceback && h("details", { open: true }, h("summary", null, "Traceback"),
        h("pre", { class: "traceback", tabindex: 0 }, run.error.traceback.trimEnd()), copier(run.error.traceback))));
    put(values, [run.args, run.kwargs, run.state, run.result], () => [
      section("Arguments", facts([...Object.entries(run.args), ...Object.entries(run.kwargs)]
        .map(([name, value]) => [h("code", null, name), tree(value, 1)])), !run.args.length && !Object.keys(run.kwargs).length && "None"),
      run.state === "completed" && section("Result", tree(run.result), h("p", null, copier(run.result)))]);
    put(stepped, steps.items, () => steps.items.length > 0 && section("Steps", steps.items.map((step) =>
      part(icon(step.error ? "failed" : step.ended ? "completed" : "running"), step.name,
        step.attempt > 1 ? `attempt ${step.attempt}` : "", step.ended ? span(step.seconds) : since(step.started),
        facts([["Input", tree(step.input)], ["Error", step.error && h("pre", null, step.error)],
          ["Output", step.ended && !step.error && tree(step.output)]])))));
    put(attempts, [run.history, run.error], () => run.history.length > 0 && section("Attempts", [...run.history, run].map((one, index) =>
      part(badge(one === run ? run.state : "failed", one.reason, 0, true), `Attempt ${index + 1}`, one.error?.type, moment(one.started),
        h("pre", null, one.error ? `${one.error.type}: ${one.error.message}` : "no error")))));
  }

  const refresh = paced(async () => {
    [run, why, steps] = await load().catch(() => [run, why, steps]);
    draw();
  }, 500, ctx.signal);

  replace(ctx.root, top.element, error, h("div", { class: "two" }, h("div", null, section("Facts", known), attempts), values),
    stepped, section("Log", log.element));
  draw();
  ctx.live.on("run", (rows) => {
    const row = rows.find((one) => one.id === run.id);
    if (!row) return;
    run = { ...run, ...row };
    draw();
    refresh();
  });
  ctx.live.on("resync", refresh);
  often(() => ENDED.has(run.state) || refresh(), LOOK_MS, ctx);
}

async function showFlow(ctx, read, run) {
  const path = `/${run.id}`;
  const load = () => Promise.all([read(`/flows${path}`), read(`/runs${path}/why`), flow?.batch && read(`/batches${path}`)]);
  let flow;
  let why;
  let batch;
  [flow, why] = await load();
  if (flow.batch) [flow, why, batch] = await load();
  const runs = new Map(flow.runs.map((one) => [one.id, one]));
  const top = head(ctx, flow.run, flow.batch ? "Batch" : "Flow");
  const counts = h("div", { class: "row counts" });
  const table = runTable(["state", "id", "label", "created", "wait", "took"], "Runs of this flow");
  const more = h("p", { class: "soft" });
  const known = h("div");
  const put = memory();
  const picture = batch ? grid(batch, flow.runs) : graph(flow.runs, flow.edges);
  let only = null; // a state

  function draw() {
    const now = [...runs.values()];
    const found = STATES.map((state) => [state, now.filter((one) => one.state === state).length]);
    const { progress } = flow.run;
    const done = now.filter((one) => ENDED.has(one.state)).length;
    top.update({ ...flow.run, progress: progress && { ...progress, done: Math.max(done, progress.done) } }, why.why);
    picture.update(runs, batch);
    put(known, [flow.run.started, flow.run.ended], () => factsOf(flow.run));
    put(counts, [found, only], () => found.filter(([state, count]) => count || only === state).map(([state, count]) =>
      h("button", { type: "button", class: "small", "aria-pressed": String(only === state), onclick() {
        only = only === state ? null : state;
        draw();
      } }, badge(state), h("b", null, count))));
    const listed = now.filter((one) => !only || one.state === only);
    table.show(listed.slice(0, ROWS));
    put(more, [listed.length, only], () => listed.length > ROWS && [`${listed.length - ROWS} more: `,
      h("a", { href: `/runs?flow=${run.id}&state=${only ?? ""}` }, "list them all")]);
  }

  const drawSoon = paced(async () => draw(), 100, ctx.signal);
  const refresh = paced(async () => {
    [flow, why, batch] = await load().catch(() => [flow, why, batch]);
    for (const one of flow.runs) runs.set(one.id, one);
    draw();
  }, 1000, ctx.signal);

  replace(ctx.root, top.element, section(batch ? "Combinations" : "Graph", counts, picture.element,
    flow.more && h("p", { class: "soft" }, "Only the first runs are shown.")), section("Runs", table.element, more), section("Facts", known));
  draw();
  ctx.live.on("run", (rows) => {
    for (const one of rows) {
      if (one.id === run.id) flow.run = one;
      else if (runs.has(one.id)) runs.set(one.id, one);
      else continue;
      drawSoon();
      if (ENDED.has(one.state)) refresh(); // results, and why
    }
  });
  ctx.live.on("resync", refresh);
}

/** The head of the page: {element, update(run, why)}. */
function head(ctx, run, kind) {
  const [state, reason, progress, actions] = ["span", "p", "div", "div"].map((tag) => h(tag));
  const put = memory();
  state.className = "big-state";
  state.setAttribute("role", "status");
  reason.className = "run-why";
  progress.className = "progress";
  return {
    element: h("div", { class: "run-head" }, h("header", { class: "head" }, h("div", null,
      h("p", { class: "soft" }, kind ?? h("a", { href: taskPlace(run.name) }, run.name), ` · run ${run.id}`),
      h("h1", null, run.label, " ", state)), actions), reason, progress),
    update(now, why) {
      const { done, total, message } = now.progress ?? {};
      put(state, [now.state, now.reason, now.attempts], () => stateOf(now));
      put(reason, why, () => why);
      progress.hidden = !now.progress || (ENDED.has(now.state) && !kind);
      put(progress, now.progress, () => [meter(now.progress), h("span", null, total ? `${Math.floor((done / total) * 100)} %` : done,
        " ", h("span", { class: "soft" }, message))]);
      put(actions, ENDED.has(now.state), () => ctx.session.may("operator") && buttons(ctx, now, kind));
    },
  };
}

function buttons(ctx, run, kind) {
  if (!ENDED.has(run.state)) {
    return h("button", { type: "button", class: "danger", onclick: () => dialog({
      title: `Cancel run ${run.id}?`, cancel: "Let it run",
      body: kind ? "It ends with all its runs; those that have completed stay as they are."
        : "If it is running, it is asked to end, and made to if it does not.",
      actions: [{ text: "Cancel the run", kind: "danger", value: () => post(`/runs/${run.id}/cancel`) }] }) }, icon("stop"), "Cancel …");
  }
  if (kind) {
    return run.state !== "completed" && h("a", { class: "button", href: `/runs?flow=${run.id}&state=failed,skipped,cancelled` },
      icon("retrying"), "What to run again");
  }
  return h("div", { class: "row" },
    h("button", { type: "button", onclick: () => start(ctx, run.name, run) }, icon("edit"), "Change and run …"),
    h("button", { type: "button", class: "primary", onclick: () => act(async () => {
      const again = await post(`/runs/${run.id}/retry`);
      toast(`Run ${again.id} repeats run ${run.id}`);
      ctx.go(place(again));
    }) }, icon("retrying"), "Run again"));
}

const at = (time) => time && h("span", { title: both(time) }, moment(time));

const factsOf = (run) => facts([
  ["Made by", run.trigger && maker(run)], ["Made", at(run.created)], ["Due", at(run.due)], ["Started", at(run.started)],
  ["Ended", at(run.ended)], ["Waited", waited(run)], ["Took", took(run)], ["Attempt", run.attempts > 1 && run.attempts],
  ["Flow", run.flow && h("a", { href: `/flows/${run.flow}` }, `#${run.flow}`)], ["Executor", run.executor],
  ["Where", run.place && `${run.place.host}, process ${run.place.pid}`]]);

const copier = (value) => h("button", { type: "button", class: "small", onclick: () =>
  copy(typeof value === "string" ? value : JSON.stringify(value, null, 2)) }, icon("copy"), "Copy");

/** Something of a run that opens. */
const part = (mark, name, text, time, ...body) => h("details", { class: "fold" },
  h("summary", null, mark, h("b", null, name), h("span", { class: "soft" }, text), h("span", { class: "soft num" }, time)), body);
