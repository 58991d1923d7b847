// One run: why it is as it is, what it took and gave, its steps, attempts and log.

import { get, post } from "../api.js";
import { copy, dialog, h, icon, replace, toast } from "../dom.js";
import { tree } from "../json.js";
import { LogView } from "../log.js";
import { act, section, since, ticking } from "../parts.js";
import { maker, meter, often, paced, place, taskPlace } from "../runlist.js";
import { ENDED, badge } from "../states.js";
import { both, moment, span } from "../time.js";
import { start } from "./tasks.js";

const LOOK_MS = 3_000; // steps, and who holds what it waits for, tell nothing when they change

/** Show the run of the address. */
export async function show(ctx) {
  const { id } = ctx.params;
  const options = { signal: ctx.signal };
  const load = () => Promise.all([get(`/runs/${id}`, {}, options), get(`/runs/${id}/why`, {}, options),
    get(`/runs/${id}/steps`, {}, options)]);
  let [run, why, steps] = await load();
  if (run.executor === "flow") return ctx.go(place(run), { replace: true });
  ctx.title(`Run ${run.id} · ${run.label}`);

  const top = runHead(ctx, run);
  const error = h("div");
  const facts = h("dl", { class: "run-facts" });
  const values = h("div");
  const stepped = h("div");
  const attempts = h("div");
  const log = new LogView(run, ctx);
  const put = memory();

  function draw() {
    const ended = ENDED.has(run.state);
    top.update(run, why.why);
    log.update(run);
    put(facts, [run.started, run.ended, run.attempts, run.place, run.state], () => factsOf(run));
    put(error, run.error, () => run.error && errorBox(run.error));
    for (const box of error.querySelectorAll(".traceback")) box.scrollTop ||= box.scrollHeight; // its end says most
    put(values, [run.args, run.kwargs, ended, run.result], () => [
      section("Arguments", argumentsOf(run)),
      run.state === "completed" && section("Result", h("div", { class: "value" }, tree(run.result)), copyButton(run.result))]);
    put(stepped, steps.items, () => steps.items.length > 0 && section("Steps", stepList(steps.items)));
    put(attempts, [run.history, run.attempts], () => run.history.length > 0 && section("Attempts", attemptList(run)));
  }

  const refresh = paced(async () => {
    const found = await load().catch(() => null);
    if (!found) return;
    [run, why, steps] = found;
    draw();
  }, 500, ctx.signal);

  replace(ctx.root, top.element, error,
    h("div", { class: "two" }, h("div", null, section("Facts", facts), attempts), values), stepped,
    section("Log", log.element));
  draw();
  ticking(ctx);
  ctx.live.on("run", (rows) => {
    const row = rows.find((one) => one.id === run.id);
    if (!row) return;
    run = { ...run, ...row, error: row.error && { ...run.error, ...row.error } };
    draw();
    refresh();
  });
  ctx.live.on("resync", refresh);
  often(() => ENDED.has(run.state) || refresh(), LOOK_MS, ctx);
}

/** Fill an element anew only when what it shows has changed: put(element, data, make). */
export function memory() {
  const shown = new Map();
  return (element, data, make) => {
    const text = JSON.stringify(data) ?? "";
    if (shown.get(element) === text) return;
    shown.set(element, text);
    replace(element, make());
  };
}

/** The head of the page of a run: {element, update(run, why)}. */
export function runHead(ctx, run, kind = "Flow") {
  const state = h("span", { class: "big-state", role: "status" });
  const reason = h("p", { class: "run-why" });
  const progress = h("div", { class: "progress" });
  const actions = h("div", { class: "row" });
  const put = memory();
  const flow = run.executor === "flow";
  const element = h("div", { class: "run-head" },
    h("div", { class: "head" },
      h("div", null, h("p", { class: "soft" }, flow ? kind : h("a", { href: taskPlace(run.name) }, run.name), ` · run ${run.id}`),
        h("h1", null, run.label, " ", state)), actions),
    reason, progress);
  return {
    element,
    update(now, why) {
      put(state, [now.state, now.reason, now.attempts], () => badge(now.state, now.reason, now.attempts));
      put(reason, why, () => why);
      put(progress, [now.progress, now.state], () => now.progress && [
        meter(now.progress), h("span", { class: "num" }, told(now.progress))]);
      progress.hidden = !now.progress || (ENDED.has(now.state) && !flow);
      put(actions, ENDED.has(now.state), () => ctx.session.may("operator") && buttons(ctx, now, flow));
    },
  };
}

const told = ({ done, total, message }) => [
  total ? `${Math.floor((done / total) * 100)} %` : String(done), message && h("span", { class: "soft" }, ` ${message}`)];

function buttons(ctx, run, flow) {
  if (!ENDED.has(run.state)) {
    return h("button", { type: "button", class: "danger", onclick: () => cancel(run, flow) }, icon("stop"), "Cancel …");
  }
  if (flow) {
    return run.state !== "completed" && h("a", { class: "button", href: `/runs?flow=${run.id}&state=failed,skipped,cancelled` },
      icon("retrying"), "Those to run again");
  }
  return [h("button", { type: "button", onclick: () => start(ctx, run.name, run) }, icon("edit"), "Change and run …"),
    h("button", { type: "button", class: "primary", async onclick(event) {
      const button = event.currentTarget;
      button.disabled = true;
      await act(async () => {
        const again = await post(`/runs/${run.id}/retry`);
        toast(`Run ${again.id} repeats run ${run.id}`);
        ctx.go(place(again));
      });
      button.disabled = false;
    } }, icon("retrying"), "Run again")];
}

/** Ask, and then ask the run to end. */
function cancel(run, flow) {
  return dialog({ title: `Cancel run ${run.id}?`, cancel: "Let it run",
    body: flow ? "It ends with all its runs; those that have completed stay as they are."
      : run.state === "running" ? "It is asked to end, and made to if it does not."
        : "It has not started, and never will.",
    actions: [{ text: "Cancel the run", kind: "danger", value: () => post(`/runs/${run.id}/cancel`) }] });
}

const fact = (term, value) => value !== null && value !== undefined && value !== "" && value !== false
  && h("div", null, h("dt", null, term), h("dd", null, value));
const at = (time) => time && h("span", { title: both(time), class: "num" }, moment(time));

/** What there is to know about a run. */
export function factsOf(run) {
  return [
    fact("Made by", maker(run)),
    fact("Made", at(run.created)), fact("Due", at(run.due)), fact("Started", at(run.started)), fact("Ended", at(run.ended)),
    fact("Waited", run.started ? span(run.wait_seconds) : ENDED.has(run.state) ? null : since(run.created)),
    fact("Ran", run.ended ? run.started && span(run.run_seconds) : run.started && since(run.started)),
    fact("Attempt", run.attempts > 1 && run.attempts),
    fact("Flow", run.flow && h("a", { href: `/flows/${run.flow}` }, `#${run.flow}`)),
    fact("Executor", run.executor),
    fact("Where", run.place && `${run.place.host}, process ${run.place.pid}`),
    fact("Worker", run.worker && h("a", { href: "/workers" }, `#${run.worker}`)),
  ];
}

function argumentsOf({ args, kwargs }) {
  const items = [...args.map((value, index) => [`${index + 1}.`, value]), ...Object.entries(kwargs)];
  return items.length ? h("dl", { class: "facts value" }, items.flatMap(([name, value]) =>
    [h("dt", null, h("code", null, name)), h("dd", null, tree(value, 1))]))
    : h("p", { class: "soft" }, "None");
}

const copyButton = (value) => h("button", { type: "button", class: "small", onclick: () =>
  copy(typeof value === "string" ? value : JSON.stringify(value, null, 2)) }, icon("copy"), "Copy");

function errorBox({ type, message, traceback }) {
  return h("div", { class: "card error-box" },
    h("h2", null, icon("failed"), " ", h("code", null, type)), h("pre", { class: "message-text" }, message),
    traceback && h("details", { open: true }, h("summary", null, "Traceback"), h("pre", { class: "traceback", tabindex: 0 }, traceback.trimEnd()),
      copyButton(traceback)));
}

function stepList(items) {
  return h("ol", { class: "steps" }, items.map((step) => h("li", null, h("details", null,
    h("summary", null, icon(step.error ? "failed" : step.ended ? "completed" : "running",
      step.error ? "failed" : step.ended ? "completed" : "running"),
    h("b", null, step.name), step.attempt > 1 && h("span", { class: "chip" }, `attempt ${step.attempt}`),
    h("span", { class: "soft num", title: both(step.started) }, step.ended ? span(step.seconds) : since(step.started))),
    h("dl", { class: "run-facts value" }, fact("Input", tree(step.input, 2)),
      step.error ? fact("Error", h("pre", { class: "message-text" }, step.error)) : step.ended && fact("Output", tree(step.output, 2)))))));
}

/** Earlier attempts, and the last one. */
function attemptList(run) {
  const last = { started: run.started, ended: run.ended, reason: run.reason, error: run.error, now: run };
  return h("ol", { class: "steps" }, [...run.history, last].map((one, index) => h("li", null, h("details", null,
    h("summary", null, badge(one.now ? run.state : "failed", one.reason, 0, true), h("b", null, `Attempt ${index + 1}`),
      h("span", { class: "soft" }, one.error ? `${one.error.type}: ${one.error.message}`.slice(0, 120) : one.reason),
      h("span", { class: "soft num", title: both(one.started) }, moment(one.started))),
    one.error ? h("pre", { class: "message-text" }, `${one.error.type}: ${one.error.message}`) : h("p", { class: "soft" }, "No error")))));
}
