// Schedules: when they make their next runs, and what became of their instants.

import { paced } from "../pace.js";
import { dialog, empty, h, icon, keyed, replace, toast } from "../dom.js";
import {
  act, button, columns, facts, follow, heading, inZones, reading, section, ticking, until,
} from "../parts.js";
import { taskPlace } from "../runlist.js";
import { badge, look } from "../states.js";
import { both } from "../time.js";
import { backfill, scheduleForm, schedulePath } from "./schedule-form.js";

const MARKS = 12;
const PAGE = 50;
const OUTCOMES = ["ran", "skipped", "missed", "merged", "paused"];

/** Show all schedules, the one of the address, or with ?add the form for another one. */
export async function show(ctx) {
  ticking(ctx);
  if (ctx.params.name) await one(ctx, ctx.params.name);
  else if (ctx.query.has("add")) await add(ctx);
  else await all(ctx);
}

// -- outcomes ---------------------------------------------------------------------------------

/** Keep the states of the newest runs in a map; changed() is called when some have changed. */
async function noteStates(ctx, states, task, changed) {
  const soon = paced(async () => changed(), 250, ctx.signal);
  const note = ({ id, state }) => {
    states.set(id, state);
    if (states.size > 5000) states.delete(states.keys().next().value);
  };
  // A run is told of before its instant: it is noted also while nothing shows it yet.
  ctx.live.on("run", (rows) => {
    rows.filter(({ name }) => !task || name === task).forEach(note);
    soon();
  });
  (await reading(ctx)("/runs", { task, fields: "id,state", limit: 1000 })).items.reverse().forEach(note);
}

/** What an instant came to: the state of the run it made, or a diamond; with its word or alone. */
function outcomeOf({ at, outcome, reason, count, run }, state, zone, words) {
  const said = count > 1 ? `${outcome} × ${count}` : outcome;
  const title = [both(at, zone), said, reason, state].filter(Boolean).join("\n");
  if (!run) {
    return h("span", { class: ["outcome", outcome], title, role: words ? null : "img", "aria-label": words ? null : title },
      h("i", { class: "diamond" }), words && said);
  }
  if (words) return [`${said} `, h("a", { href: `/runs/${run}` }, `#${run}`), " ", state && badge(state)];
  return h("a", { class: "outcome", "data-state": state, href: `/runs/${run}`, title, "aria-label": title },
    h("span", { class: "mark" }, icon(look(state).icon)));
}

// -- all --------------------------------------------------------------------------------------

async function all(ctx) {
  ctx.title("Schedules");
  const may = ctx.session.may("operator");
  const place = h("div");
  const body = h("tbody");
  const table = h("table", { class: "list schedules" }, columns("Schedule", "Task", "Next", "Last outcomes", ""), body);
  const get = reading(ctx);
  let views = new Map();
  const states = new Map();
  const marks = new Map(); // schedule -> its last instants, oldest first
  replace(ctx.root, heading("Schedules",
    may && h("a", { class: "button primary", href: "/schedules?add=1" }, icon("plus"), "Add")), place);
  ctx.live.on("instant", (rows) => {
    rows.forEach(keep);
    draw();
  });
  ctx.live.on("schedule", (rows) => {
    for (const view of rows) views.set(view.name, view);
    draw();
  });
  await noteStates(ctx, states, null, draw);
  await follow(ctx, [], async () => {
    const [found, past] = await Promise.all([get("/schedules"), get("/instants", { limit: 1000 })]);
    views = new Map(found.items.map((view) => [view.name, view]));
    for (const { last } of found.items) if (last) keep(last);
    past.items.toReversed().forEach(keep);
    draw();
  });

  function keep(instant) {
    const known = (marks.get(instant.schedule) ?? []).filter(({ id }) => id !== instant.id);
    marks.set(instant.schedule, [...known, instant].sort((a, b) => a.id - b.id).slice(-MARKS));
  }

  function draw() {
    const sorted = [...views.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    keyed(body, sorted, ({ name }) => name, ({ name, task }) => h("tr", null,
      h("td", { class: "whole" }, h("a", { href: schedulePath(name) }, name), h("small", { class: "soft" })),
      h("td", { "data-label": "Task" }, h("a", { href: taskPlace(task) }, task)),
      h("td", { "data-label": "Next", class: "next" }), h("td", { class: "marks whole" }), h("td", { class: "do" })), fill);
    if (!sorted.length) {
      replace(place, empty("schedules", "No task has a schedule yet", h("p", null, "Write ",
        h("code", null, '@task(schedule="0 2 * * *")'), " beside a function, or add one here.")));
    } else if (!table.isConnected) replace(place, table);
  }

  /** What has not changed is left alone, so that nothing flickers and no focus is lost. */
  function fill(row, { name, next, paused, described, timezone: zone }) {
    const instants = marks.get(name) ?? [];
    const told = JSON.stringify([next, paused, described, instants.map(({ id, run }) => [id, states.get(run)])]);
    if (row.told === told) return;
    row.told = told;
    const [first, , coming, last, actions] = row.cells;
    first.lastChild.textContent = described;
    replace(coming, paused ? "paused" : next ? [until(next, zone), inZones(next, zone)] : "never");
    replace(last, instants.map((instant) => outcomeOf(instant, states.get(instant.run), zone)));
    if (!may) return;
    row.pauser ??= pauser(ctx, name);
    row.pauser.show(paused);
    if (!actions.firstChild) actions.append(row.pauser.node);
  }
}

/** The button that pauses and resumes: {node, show(paused)}. */
function pauser(ctx, name) {
  let verb;
  const node = button("", null, () => {
    const now = verb;
    return act(() => ctx.api.post(`${schedulePath(name)}/${now}`), `${name}: ${now}d`);
  });
  return { node, show(paused) {
    verb = paused ? "resume" : "pause";
    node.setAttribute("aria-label", `${verb} ${name}`);
    replace(node, icon(paused ? "play" : "pause"), paused ? "Resume" : "Pause");
  } };
}

// -- one --------------------------------------------------------------------------------------

async function one(ctx, name) {
  ctx.title(name);
  const path = schedulePath(name);
  let view = await reading(ctx)(path);
  const may = ctx.session.may("operator");
  const ours = view.source === "api";
  const doing = pauser(ctx, name);
  const [next, success, place] = ["span", "span", "div"].map((tag) => h(tag));
  const { task } = view;
  let form;

  async function save(changes) {
    draw((form.view = await ctx.api.patch(path, changes)));
    toast("Changed");
  }

  function draw(now) {
    // What somebody else has changed shows here, unless something else is being typed.
    const kept = ({ spec, timezone, overlap, catch_up, window, jitter, kwargs }) =>
      JSON.stringify([spec, timezone, overlap, catch_up, window, jitter, kwargs]);
    if (!form || (form.pristine() && kept(form.view) !== kept(now))) {
      replace(place, (form = scheduleForm(ctx, now, ours && may ? save : null)).node);
    }
    view = now;
    doing.show(view.paused);
    replace(next, view.paused ? ["paused ", until(view.paused)]
      : view.next ? [until(view.next, view.timezone), ", ", inZones(view.next, view.timezone)] : "never");
    replace(success, view.last_success ? until(view.last_success, view.timezone) : "never");
  }

  draw(view);
  const ledger = ledgerOf(ctx, path, name, view.timezone);
  replace(ctx.root, heading(name, may && [doing.node,
    button("Backfill", "retrying", () => backfill(ctx, view)),
    ours && button("Remove", "trash", async () => {
      if (await dialog({ title: `Remove ${name}?`, body: "Its ledger and its runs stay.",
        actions: [{ text: "Remove", kind: "danger", value: () => ctx.api.del(path) }] })) ctx.go("/schedules");
    })]),
  facts([["Task", h("a", { href: taskPlace(task) }, task)], ["Next run", next], ["Last completed", success],
    ["Arguments", view.args.length > 0 && h("code", null, JSON.stringify(view.args))]]),
  section("What it says", !ours && await declared(ctx, view), place),
  section("What became of its instants", ledger.node));
  ctx.live.on("schedule", (rows) => rows.filter((row) => row.name === name).forEach(draw));
  await ledger.start(task);
}

/** Where a schedule that cannot be changed here is declared. */
async function declared(ctx, { task, source }) {
  const { origin } = await reading(ctx)(taskPlace(task)).catch(() => ({ origin: {} }));
  return h("p", { class: "where" }, icon("lock"), " Declared with its task in ",
    origin.path ? h("code", null, origin.path) : source === "app" ? "the program" : "a file",
    ": change it there. It can be paused here.");
}

async function add(ctx) {
  ctx.title("Add a schedule");
  const { items } = await reading(ctx)("/tasks");
  const { node } = scheduleForm(ctx, null, ctx.session.may("operator") && (async (values) => {
    const { name } = await ctx.api.post("/schedules", values);
    toast(`${name} is added`);
    ctx.go(schedulePath(name));
  }), items.map(({ name }) => name));
  replace(ctx.root, heading("Add a schedule"), section("What it says", node));
}

// -- the ledger -------------------------------------------------------------------------------

/** A page of the ledger with filters; the first page follows what happens. */
function ledgerOf(ctx, path, name, zone) {
  const body = h("tbody");
  const more = h("p", { class: "more" });
  const chosen = new Set(ctx.query.get("outcome")?.split(","));
  const states = new Map();
  let items = [];

  async function load() {
    const query = { outcome: [...chosen], limit: PAGE, cursor: ctx.query.get("cursor") };
    const found = await reading(ctx)(`${path}/instants`, query);
    ({ items } = found);
    const older = new URLSearchParams(ctx.query);
    older.set("cursor", found.next_cursor);
    replace(more, !items.length && "No such instant yet.",
      found.next_cursor && h("a", { href: `${path}?${older}`, rel: "next" }, "Older"));
    draw();
  }

  function draw() {
    keyed(body, items, ({ id }) => id, (instant) => h("tr", null,
      h("td", null, inZones(instant.at, zone), instant.until && [" to ", inZones(instant.until, zone)]),
      h("td"), h("td", { class: "whole soft" }, instant.reason)), (row, instant) => {
      const state = states.get(instant.run) ?? "";
      if (row.state !== state) replace(row.cells[1], outcomeOf(instant, state, zone, true));
      row.state = state;
    });
  }

  function decided(rows) {
    const ours = rows.filter(({ schedule, outcome }) => schedule === name && (!chosen.size || chosen.has(outcome)));
    if (!ours.length || ctx.query.has("cursor")) return;
    const ids = ours.map(({ id }) => id);
    items = [...ours.reverse(), ...items.filter(({ id }) => !ids.includes(id))].slice(0, PAGE);
    replace(more);
    draw();
  }

  const node = [h("p", { class: "row", role: "group", "aria-label": "Outcomes" }, OUTCOMES.map((outcome) =>
    h("label", { class: "chip" }, h("input", { type: "checkbox", checked: chosen.has(outcome), onchange({ target }) {
      chosen[target.checked ? "add" : "delete"](outcome);
      ctx.setQuery({ outcome: [...chosen].join(), cursor: null }, { replace: true });
      load();
    } }), outcome))),
  h("table", { class: "list ledger" }, columns("Instant", "Outcome", "Why"), body), more];
  return { node, async start(task) {
    ctx.live.on("instant", decided);
    await noteStates(ctx, states, task, draw);
    await follow(ctx, [], load);
  } };
}
