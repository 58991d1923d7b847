// One task: what it does and takes, how it has gone, and starting it.

import { get } from "../api.js";
import { h, icon, replace } from "../dom.js";
import { runFields } from "../form.js";
import { tree } from "../json.js";
import { section, ticking, until } from "../parts.js";
import { paced, place, runTable, spark } from "../runlist.js";
import { span } from "../time.js";
import { nextOf, pause, rate } from "./tasks.js";

const SHOWN = 20;

/** Show the task of the address. */
export async function show(ctx) {
  const { name } = ctx.params;
  ctx.title(name);
  const path = `/tasks/${encodeURIComponent(name)}`;
  const options = { signal: ctx.signal };
  const load = () => Promise.all([get(path, {}, options), get("/schedules", { task: name }, options),
    get("/runs", { task: name, limit: SHOWN }, options)]);
  let [task, schedules, runs] = await load();
  const may = ctx.session.may("operator");

  const table = runTable(["state", "id", "label", "trigger", "created", "wait", "took"], { label: "Recent runs" });
  const numbers = h("div", { class: "numbers" });
  const planned = h("div");
  const pauser = h("button", { type: "button", onclick: () => pause(task, refresh) });
  const problem = h("p", { class: "trouble", role: "status" });

  function draw() {
    replace(problem, task.problem && [icon("warning"), ` ${task.problem}`]);
    problem.hidden = !task.problem;
    pauser.hidden = !may || !task.schedules.length;
    replace(pauser, icon(task.paused ? "play" : "pause"), task.paused ? "Resume" : "Pause");
    replace(numbers, [["Next run", nextOf(task)], ["Success", rate(task.success_rate)],
      ["Usually", span(task.median_seconds)], ["Slow", span(task.p95_seconds)],
      ["Running", task.running], ["Waiting", task.waiting]].map(([term, value]) =>
      h("div", null, h("span", { class: "soft" }, term), h("b", null, value))),
    h("div", { class: "wide" }, h("span", { class: "soft" }, "Last runs"), spark(task.recent, 30, 40)));
    replace(planned, schedules.items.length ? schedules.items.map((item) =>
      h("p", null, h("a", { href: `/schedules/${encodeURIComponent(item.name)}` }, item.described),
        h("span", { class: "soft" }, item.paused !== null ? " · paused"
          : item.next === null ? " · never" : [" · ", until(item.next, item.timezone)])))
      : h("p", { class: "soft" }, "It has no schedule: it runs when it is started."));
    table.show(runs.items);
  }

  const refresh = paced(async () => {
    const found = await load().catch(() => null);
    if (!found) return;
    [task, schedules, runs] = found;
    draw();
  }, 500, ctx.signal);

  const [first, ...rest] = (task.doc ?? "").split("\n\n");
  replace(ctx.root,
    h("div", { class: "head" }, h("div", null, h("h1", null, name), first && h("p", null, first),
      rest.map((part) => h("p", { class: "soft" }, part))),
    task.tags.map((tag) => h("a", { class: "chip", href: `/tasks?tag=${encodeURIComponent(tag)}` }, icon("tag"), tag)),
    pauser), problem, h("div", { class: "card" }, numbers),
    h("div", { class: "two" },
      h("div", null, may ? section("Run it", form(ctx, task, refresh)) : section("Parameters", parameters(task))),
      h("div", null, section("Schedules", planned), section("Declared", declared(task)))),
    section("Recent runs", table.element,
      h("p", null, h("a", { href: `/runs?task=${encodeURIComponent(name)}` }, "All its runs"))));
  draw();
  ticking(ctx);
  ctx.live.on("run", (rows) => rows.some((run) => run.name === name) && refresh());
  for (const kind of ["schedule", "resync"]) ctx.live.on(kind, refresh);
}

function form(ctx, task, refresh) {
  const box = h("div");
  const said = h("p", { role: "status" });
  const fill = () => {
    const fields = runFields(task);
    const button = h("button", { class: "primary" }, icon("play"), "Run", h("kbd", { class: "hint" }, "Ctrl ⏎"));
    replace(box, h("form", { novalidate: true, async onsubmit(event) {
      event.preventDefault();
      button.disabled = true;
      const run = await fields.send();
      button.disabled = false;
      if (!run) return;
      replace(said, "Started ", h("a", { href: place(run) }, `run ${run.id}`), ".");
      refresh();
    } }, fields.element, h("div", { class: "row" }, button,
      h("button", { type: "button", onclick: fill }, "Reset"), said)));
  };
  fill();
  return box;
}

const parameters = (task) => task.parameters.length
  ? h("dl", { class: "facts" }, task.parameters.flatMap(({ name, kind, annotation, required, default: usual }) => [
    h("dt", null, h("code", null, kind.startsWith("*") ? kind + name : name)),
    h("dd", null, annotation && h("code", null, annotation), " ",
      h("span", { class: "soft" }, required ? "required" : kind.startsWith("*") ? "" : `= ${JSON.stringify(usual)}`))]))
  : h("p", { class: "soft" }, "It takes no arguments.");

function declared(task) {
  const { kind, path } = task.origin;
  return [h("p", { class: "soft" }, kind === "app" ? "In the app" : ["In ", h("code", null, path)]), tree(task.options, 1)];
}
