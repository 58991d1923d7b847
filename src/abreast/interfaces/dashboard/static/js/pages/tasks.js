// All tasks: when each runs next, how it has gone lately, and starting it.

import { get, post } from "../api.js";
import { dialog, empty, h, icon, keyed, replace, toast } from "../dom.js";
import { runFields } from "../form.js";
import { act, ticking, until } from "../parts.js";
import { often, paced, place, spark, taskPlace, when } from "../runlist.js";
import { badge } from "../states.js";
import { span } from "../time.js";

/** Show the list, or the task of the address. */
export async function show(ctx) {
  if (ctx.params.name !== undefined) return (await import("./task.js")).show(ctx);
  ctx.title("Tasks");
  let { items, files } = await get("/tasks", {}, { signal: ctx.signal });
  const may = ctx.session.may("operator");
  const find = h("input", { type: "search", placeholder: "Find tasks", "aria-label": "Find tasks",
    spellcheck: "false", value: ctx.query.get("q") ?? "", oninput: () => choose({ q: find.value }) });
  const tags = h("div", { class: "row tags", role: "group", "aria-label": "Tags" });
  const broken = h("div");
  const count = h("span", { class: "soft", role: "status" });
  const body = h("tbody");
  const table = h("table", { class: "list tasks", "aria-label": "Tasks" },
    h("thead", null, h("tr", null, ["Task", "Next", "Last"].map((text) => h("th", { scope: "col" }, text)),
      h("th", { scope: "col" }, "Durations"),
      ["Success", "Usually", "Now"].map((text) => h("th", { scope: "col", class: "num" }, text)),
      may && h("th", null, h("span", { class: "unseen" }, "Actions")))), body);
  const none = h("div");

  function choose(changes) {
    ctx.setQuery(changes, { replace: true });
    draw();
  }

  function draw() {
    const q = (ctx.query.get("q") ?? "").toLowerCase();
    const tag = ctx.query.get("tag");
    const found = items.filter((task) => (!tag || task.tags.includes(tag))
      && (!q || `${task.name} ${task.doc ?? ""}`.toLowerCase().includes(q)));
    keyed(body, found, (task) => task.name, makeRow, fillRow);
    table.hidden = !found.length;
    count.textContent = found.length === items.length ? "" : `${found.length} of ${items.length}`;
    const known = [...new Set(items.flatMap((task) => task.tags))].sort();
    keyed(tags, known, (name) => name, (name) => h("button", { type: "button", class: "small",
      onclick: () => choose({ tag: ctx.query.get("tag") === name ? null : name }) }, icon("tag"), name),
    (button, name) => button.setAttribute("aria-pressed", name === tag));
    const wrong = files.filter((file) => file.error);
    keyed(broken, wrong, (file) => `${file.path} ${file.error}`, fileCard);
    replace(none, found.length ? null : items.length
      ? empty("search", "No task is called that", h("button", { type: "button",
        onclick: () => choose({ q: find.value = "", tag: null }) }, "Show all"))
      : empty("tasks", "There are no tasks yet",
        h("p", null, "Put a file with a function ", h("code", null, "run_task(config)"), " or a ",
          h("code", null, "@task"), " into the folder ", h("code", null, "tasks"),
          ". It appears here within a second; nothing has to be restarted.")));
  }

  function makeRow(task) {
    return h("tr", null,
      h("td", { class: "whole c-task" }, h("a", { href: taskPlace(task.name) }, task.name),
        h("small", { class: "soft" })),
      h("td", { "data-label": "Next", class: "c-next" }), h("td", { "data-label": "Last", class: "c-last" }),
      h("td", { class: "whole c-spark" }), h("td", { "data-label": "Success", class: "num" }),
      h("td", { "data-label": "Usually", class: "num" }), h("td", { "data-label": "Now", class: "num c-now" }),
      may && h("td", { class: "whole c-act" }, h("div", { class: "row" },
        h("button", { type: "button", class: "small run", onclick: () => start(ctx, task.name) },
          icon("play"), "Run …"),
        h("button", { type: "button", class: "small bare pause" }))));
  }

  const told = new WeakMap(); // row -> what each cell shows

  function fillRow(row, task) {
    const cells = [...row.cells];
    const before = told.get(row) ?? [];
    const now = [[task.problem, task.doc], [task.next, task.paused, task.schedules],
      task.last && [task.last.id, task.last.state, task.last.ended], task.recent, task.success_rate,
      task.median_seconds, [task.running, task.waiting], task.paused].map((part) => JSON.stringify(part));
    const fills = [
      (cell) => replace(cell.lastChild, task.problem
        ? [icon("warning", "Problem"), ` ${task.problem}`] : task.doc),
      (cell) => replace(cell, nextOf(task)),
      (cell) => replace(cell, lastOf(task)),
      (cell) => replace(cell, task.recent.length > 0 && spark(task.recent)),
      (cell) => replace(cell, rate(task.success_rate)),
      (cell) => replace(cell, span(task.median_seconds)),
      (cell) => replace(cell, nowOf(task)),
      (cell) => may && pausing(cell.querySelector(".pause"), task),
    ];
    fills.forEach((fill, index) => before[index] !== now[index] && cells[index] && fill(cells[index]));
    told.set(row, now);
  }

  function pausing(button, task) {
    const text = task.paused ? "Resume its schedules" : "Pause its schedules";
    button.hidden = !task.schedules.length;
    button.title = text;
    button.setAttribute("aria-label", `${text}: ${task.name}`);
    replace(button, icon(task.paused ? "play" : "pause"));
    button.onclick = () => pause(task, refresh);
  }

  const refresh = paced(async () => {
    const found = await get("/tasks", {}, { signal: ctx.signal }).catch(() => null);
    if (!found) return;
    ({ items, files } = found);
    draw();
  }, 500, ctx.signal);

  replace(ctx.root, h("div", { class: "head" }, h("h1", null, "Tasks"), count, find),
    broken, tags, table, none);
  draw();
  ticking(ctx);
  for (const kind of ["run", "schedule", "resync"]) ctx.live.on(kind, refresh);
  often(refresh, 5000, ctx); // files tell nothing when they change
}

/** When a task runs next. */
export function nextOf(task) {
  if (task.paused) return h("span", { class: "chip" }, icon("pause"), "paused");
  if (!task.next) return h("span", { class: "soft" }, task.schedules.length ? "never" : "–");
  const { schedule, at, timezone } = task.next;
  return h("a", { href: `/schedules/${encodeURIComponent(schedule)}`, title: `Schedule ${schedule}` },
    until(at, timezone));
}

const lastOf = ({ last }) => last && h("a", { href: place(last), class: "quiet" },
  badge(last.state, last.reason, last.attempts, true), when(last.ended ?? last.started ?? last.created));

/** A share as percents. */
export const rate = (share) => share === null ? "–"
  : h("span", { class: share < 0.9 ? "bad" : null }, `${share < 1 ? Math.min(99, Math.round(share * 100)) : 100} %`);

const nowOf = ({ name, running, waiting }) => {
  const link = (count, state, text) => count > 0 && h("a", { class: "quiet now",
    href: `/runs?task=${encodeURIComponent(name)}&state=${state}`, title: `${count} ${text}` },
    badge(state.split(",")[0], null, 0, true), String(count));
  return [link(running, "running", "running"), link(waiting, "pending,blocked,scheduled", "waiting")];
};

const fileCard = (file) => h("div", { class: "card broken" },
  h("h2", null, icon("warning"), " ", h("span", { title: file.path }, file.path.split("/").slice(-2).join("/")),
    " cannot be used"),
  h("pre", null, file.error),
  h("p", { class: "soft" }, "It is read again as soon as it changes."));

/** Pause the schedules of a task, or end that. */
export async function pause(task, done) {
  const verb = task.paused ? "resume" : "pause";
  await act(() => post(`/tasks/${encodeURIComponent(task.name)}/${verb}`),
    task.paused ? `${task.name} runs on schedule again` : `${task.name} is paused; runs that go on are not`);
  done();
}

/** Start a task from a window with its fields; given: arguments of an earlier run. */
export async function start(ctx, name, given) {
  const task = await get(`/tasks/${encodeURIComponent(name)}`, {}, { signal: ctx.signal })
    .catch((error) => toast(error.message, { kind: "error" }));
  if (!task) return;
  const fields = runFields(task, given);
  const run = await dialog({ title: `Run ${name}`, body: fields.element,
    actions: [{ text: "Run", value: fields.send, kind: "primary" }],
    opened: (box) => box.querySelector(".run-fields :is(input, select, textarea)")?.focus() });
  if (run) toast(`Run ${run.id} of ${name} is ${run.state}`, { href: place(run), link: "Show it" });
}
