// Tasks: when each runs next, how it has gone lately, and starting it.

import { paced } from "../pace.js";
import { get, post } from "../api.js";
import { dialog, empty, h, icon, keyed, replace, said, toast } from "../dom.js";
import { runFields } from "../form.js";
import { tree } from "../json.js";
import { act, columns, heading, reading, section, ticking, until } from "../parts.js";
import { memory, often, place, runTable, spark, stateOf, taskPlace } from "../runlist.js";
import { badge } from "../states.js";
import { span } from "../time.js";

const SHOWN = 20; // runs of one task

/** Show all tasks, or the one of the address. */
export async function show(ctx) {
  if (ctx.params.name !== undefined) return showTask(ctx);
  ctx.title("Tasks");
  const read = reading(ctx);
  let { items, files } = await read("/tasks");
  const may = ctx.session.may("operator");
  const find = h("input", { type: "search", placeholder: "Find tasks", "aria-label": "Find tasks",
    value: ctx.query.get("q") ?? "", oninput: () => choose({ q: find.value }) });
  const tags = h("div", { class: "row tags", role: "group", "aria-label": "Tags" });
  const broken = h("div");
  const body = h("tbody");
  const table = h("table", { class: "list tasks", "aria-label": "Tasks" },
    columns("Task", "Next", "Last", "Durations", "Success", "Usually", "Now", ...(may ? [""] : [])), body);
  const none = h("div");
  const put = memory();

  function choose(changes) {
    ctx.setQuery(changes, { replace: true });
    draw();
  }

  function draw() {
    const q = (ctx.query.get("q") ?? "").toLowerCase();
    const tag = ctx.query.get("tag");
    const found = items.filter((task) => (!tag || task.tags.includes(tag))
      && `${task.name} ${task.doc ?? ""}`.toLowerCase().includes(q));
    keyed(body, found, (task) => task.name, make, fill);
    table.hidden = !found.length;
    keyed(tags, [...new Set(items.flatMap((task) => task.tags))].sort(), String,
      (name) => h("button", { type: "button", class: "small", onclick: () =>
        choose({ tag: ctx.query.get("tag") === name ? null : name }) }, icon("tag"), name),
      (button, name) => button.setAttribute("aria-pressed", name === tag));
    keyed(broken, files.filter((file) => file.error), (file) => file.path + file.error, (file) =>
      h("div", { class: "card broken" }, h("h2", null, icon("warning"), " ",
        h("span", { title: file.path }, file.path.split("/").slice(-2).join("/")), " cannot be used"),
      h("pre", null, file.error), h("p", { class: "soft" }, "It is read again as soon as it changes.")));
    put(none, [found.length, items.length].map(Boolean), () => found.length ? null : items.length
      ? empty("search", "No task is called that", h("a", { class: "button", href: "/tasks" }, "Show all"))
      : empty("tasks", "There are no tasks yet", "Put a file with a function ", h("code", null, "run_task(config)"),
        " or a ", h("code", null, "@task"), " into the folder ", h("code", null, "tasks"),
        ". It appears here within a second; nothing has to be restarted."));
  }

  const make = ({ name }) => h("tr", null,
    h("td", { class: "whole c-task" }, h("a", { href: taskPlace(name) }, name), h("small", { class: "soft" })),
    ["Next", "Last", null, "Success", "Usually", "Now"].map((label) => h("td", { "data-label": label, class: `c-${label}` })),
    may && h("td", { class: "whole c-act" }, h("button", { type: "button", class: "small", onclick: () => start(ctx, name) },
      icon("play"), "Run …"), " ", h("button", { type: "button", class: "small bare", onclick: () =>
      pause(items.find((task) => task.name === name), refresh) })));

  function fill(row, task) {
    const [, next, last, bars, success, usual, now, button] = row.cells;
    put(row.cells[0].lastChild, [task.problem, task.doc], () => task.problem
      ? [icon("warning", "Problem"), " ", task.problem] : task.doc);
    put(next, [task.next, task.paused], () => nextOf(task));
    put(last, task.last && [task.last.id, task.last.state], () => task.last && h("a", { href: place(task.last), class: "quiet" },
      stateOf(task.last, true), until(task.last.ended ?? task.last.created)));
    put(bars, task.recent, () => task.recent.length > 0 && spark(task.recent));
    put(success, task.success_rate, () => rate(task.success_rate));
    put(usual, task.median_seconds, () => span(task.median_seconds));
    put(now, [task.running, task.waiting], () => [[task.running, "running"], [task.waiting, "pending,scheduled,blocked"]]
      .map(([count, state]) => count > 0 && h("a", { class: "quiet now", href: `/runs?task=${encodeURIComponent(task.name)}&state=${state}`,
        title: `${count} ${state.replaceAll(",", ", ")}` }, badge(state.split(",")[0], null, 0, true), count)));
    if (!may) return;
    const pauser = button.lastChild;
    const text = `${task.paused ? "Resume" : "Pause"} its schedules`;
    pauser.hidden = !task.schedules.length;
    pauser.title = text;
    pauser.setAttribute("aria-label", `${text}: ${task.name}`);
    put(pauser, task.paused, () => icon(task.paused ? "play" : "pause"));
  }

  const refresh = paced(async () => {
    ({ items, files } = await read("/tasks").catch(() => ({ items, files })));
    draw();
  }, 500, ctx.signal);

  replace(ctx.root, heading("Tasks", find), broken, tags, table, none);
  draw();
  for (const kind of ["run", "schedule", "resync"]) ctx.live.on(kind, refresh);
  often(refresh, 5000, ctx); // files tell nothing when they change
}

/** When a task runs next. */
const nextOf = (task) => task.paused ? h("span", { class: "chip" }, icon("pause"), "paused")
  : task.next ? h("a", { href: `/schedules/${encodeURIComponent(task.next.schedule)}` }, until(task.next.at, task.next.timezone))
    : task.schedules.length ? "never" : "–";

const rate = (share) => share === null ? "–"
  : h("span", { class: share < 0.9 ? "trouble" : null }, `${Math.floor(share * 100)} %`);

/** Pause the schedules of a task, or end that. */
async function pause(task, done) {
  await act(() => post(`${taskPlace(task.name)}/${task.paused ? "resume" : "pause"}`),
    task.paused ? `${task.name} runs on schedule again` : `${task.name} is paused; runs that go on are not`);
  done();
}

/** Start a task from a window with its fields; given: an earlier run with its arguments. */
export async function start(ctx, name, given) {
  const task = await get(taskPlace(name)).catch((error) => toast(said(error), { kind: "error" }));
  if (!task) return;
  const fields = runFields(task, given);
  const run = await dialog({ title: `Run ${name}`, body: fields.element,
    actions: [{ text: "Run", value: fields.send, kind: "primary" }],
    opened: (box) => box.querySelector(".run-fields [name]").focus() });
  if (run) toast(`Run ${run.id} of ${name} is ${run.state}`, { href: place(run), link: "Show it" });
}

// -- one task -----------------------------------------------------------------------------------

async function showTask(ctx) {
  const { name } = ctx.params;
  ctx.title(name);
  const read = reading(ctx);
  const load = () => Promise.all([read(taskPlace(name)), read("/schedules", { task: name }),
    read("/runs", { task: name, limit: SHOWN })]);
  let [task, schedules, runs] = await load();
  const may = ctx.session.may("operator");
  const table = runTable(["state", "id", "label", "trigger", "created", "wait", "took"], "Recent runs");
  const numbers = h("div", { class: "numbers" });
  const planned = h("div");
  const pauser = h("button", { type: "button", onclick: () => pause(task, refresh) });
  const problem = h("p", { class: "trouble", role: "status" });
  const put = memory();

  function draw() {
    put(problem, task.problem, () => task.problem);
    pauser.hidden = !may || !task.schedules.length;
    put(pauser, task.paused, () => [icon(task.paused ? "play" : "pause"), task.paused ? "Resume" : "Pause"]);
    put(numbers, task, () => [["Next run", nextOf(task)], ["Success", rate(task.success_rate)], ["Usually", span(task.median_seconds)],
      ["Slow", span(task.p95_seconds)], ["Running", task.running], ["Waiting", task.waiting],
      ["Last runs", task.recent.length ? spark(task.recent, 36) : "none"]].map(([term, value]) =>
      h("div", null, h("span", { class: "soft" }, term), h("b", null, value))));
    put(planned, schedules.items, () => schedules.items.length ? schedules.items.map((item) =>
      h("p", null, h("a", { href: `/schedules/${encodeURIComponent(item.name)}` }, item.described), " ",
        h("span", { class: "soft" }, item.paused ? "paused" : item.next ? until(item.next, item.timezone) : "never")))
      : h("p", { class: "soft" }, "It runs when it is started."));
    table.show(runs.items);
  }

  const refresh = paced(async () => {
    [task, schedules, runs] = await load().catch(() => [task, schedules, runs]);
    draw();
  }, 500, ctx.signal);

  replace(ctx.root, heading(name, task.tags.map((tag) => h("a", { class: "chip", href: `/tasks?tag=${encodeURIComponent(tag)}` },
    icon("tag"), tag)), pauser), (task.doc ?? "").split("\n\n").map((part) => h("p", null, part)), problem,
  h("div", { class: "card" }, numbers),
  h("div", { class: "two" }, may ? section("Run it", form(task, refresh)) : section("Parameters", h("ul", null,
    task.parameters.map(({ name: own, annotation, required }) => h("li", null,
      h("code", null, `${own}: ${annotation ?? "Any"}${required ? "" : " = …"}`))))),
  h("div", null, section("Schedules", planned), section("Declared", h("p", { class: "soft" }, task.origin.path ?? "in the app"),
    tree(task.options, 1)))),
  section("Recent runs", table.element, h("p", null, h("a", { href: `/runs?task=${encodeURIComponent(name)}` }, "All its runs"))));
  draw();
  ticking(ctx);
  ctx.live.on("run", (rows) => rows.some((run) => run.name === name) && refresh());
  for (const kind of ["schedule", "resync"]) ctx.live.on(kind, refresh);
}

function form(task, refresh) {
  const fields = runFields(task);
  const told = h("p", { role: "status" });
  const button = h("button", { class: "primary" }, icon("play"), "Run", h("kbd", null, "Ctrl ⏎"));
  return h("form", { async onsubmit(event) {
    event.preventDefault();
    button.disabled = true;
    const run = await fields.send();
    button.disabled = false;
    if (!run) return;
    replace(told, "Started ", h("a", { href: place(run) }, `run ${run.id}`));
    refresh();
  } }, fields.element, h("div", { class: "row" }, button, told));
}
