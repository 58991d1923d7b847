// Runs that match filters, and what is done with many of them at once.

import { post, serverNow } from "../api.js";
import { confirmDry, empty, h, icon, replace, said, toast } from "../dom.js";
import { addKeys } from "../help.js";
import { choice, heading, reading, ticking } from "../parts.js";
import { runTable } from "../runlist.js";
import { ENDED, REASONS, STATES, badge } from "../states.js";

const SIZE = 50;
const PAUSE_MS = 300; // after the last key
const AGES = [["", "Any time"], "15m", "1h", "24h", "7d", "30d"];
const UNITS = { m: 60, h: 3600, d: 86400 };
const FILTERS = ["state", "task", "since", "q", "flow", "reason"];

const many = (count, what = "run") => `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;

/** Show the list. */
export async function show(ctx) {
  ctx.title("Runs");
  const may = ctx.session.may("operator");
  const read = reading(ctx);
  const asked = (name) => ctx.query.get(name) ?? "";
  const listed = (name) => asked(name).split(",").filter(Boolean);
  let following = null; // the cursor of the next page
  let oldest = 0; // the lowest id that could be on this page
  let turn = 0; // of loading; what comes late is dropped
  const fresh = new Set(); // ids of runs that came since

  // -- filters ------------------------------------------------------------------------------

  const input = (name, label, attrs) => h("input", { name, "aria-label": label, placeholder: label, spellcheck: "false",
    autocomplete: "off", value: asked(name), ...attrs });
  const states = STATES.map((state) => h("button", { type: "button", class: "small", onclick() {
    const now = listed("state");
    filter({ state: (now.includes(state) ? now.filter((one) => one !== state) : [...now, state]).join(",") });
  } }, badge(state)));
  const others = h("span", { class: "row" });
  let typing = 0;
  const form = h("form", { class: "run-filters", role: "search", "aria-label": "Filters", oninput() {
    clearTimeout(typing);
    typing = setTimeout(() => filter(Object.fromEntries(new FormData(form))), PAUSE_MS);
  }, onsubmit: (event) => event.preventDefault() },
  h("div", { class: "row" }, input("q", "Label or task", { type: "search" }), input("task", "Task", { list: "tasks" }),
    choice(AGES, asked("since"), { name: "since", "aria-label": "Since" }),
    choice([["", "Any reason"], ...Object.keys(REASONS)], asked("reason"), { name: "reason", "aria-label": "Reason" })),
  h("div", { class: "row", role: "group", "aria-label": "States" }, states, others));

  function filter(changes) {
    if (Object.entries(changes).every(([name, value]) => asked(name) === value.trim())) return;
    ctx.setQuery({ ...changes, cursor: null }, { replace: true });
    choose(null);
    load();
  }

  /** The filters as the service takes them. */
  function wanted() {
    const found = Object.fromEntries(FILTERS.map((name) => [name, asked(name).trim()]).filter(([, value]) => value));
    const [, count, unit] = /^(\d+)([mhd])$/.exec(found.since) ?? [];
    if (unit) found.since = Math.floor(serverNow() - count * UNITS[unit]);
    return found;
  }

  const matches = (run) => (!listed("state").length || listed("state").includes(run.state))
    && (!listed("task").length || listed("task").includes(run.name))
    && `${run.label}\n${run.name}`.toLowerCase().includes(asked("q").toLowerCase())
    && (!asked("flow") || Number(asked("flow")) === run.flow)
    && (!asked("reason") || asked("reason") === run.reason) && !run.name.startsWith("abreast:");

  // -- rows ---------------------------------------------------------------------------------

  const table = runTable(["state", "id", "name", "trigger", "created", "wait", "took"], "Runs", may && ((run) =>
    h("input", { type: "checkbox", "aria-label": `Choose run ${run.id}`,
      onclick: (event) => choose(run.id, event.target.checked, event.shiftKey) })));
  const rows = table.element.tBodies[0].rows;
  const count = h("span");
  const news = h("button", { type: "button", class: "news", onclick: () => load() }, icon("up"), count, h("kbd", null, "."));
  const none = h("div");
  const page = (cursor, ...text) => h("button", { type: "button", onclick() {
    ctx.setQuery({ cursor: cursor() });
    load().then(() => scrollTo(0, 0));
  } }, text);
  const first = page(() => null, icon("left"), "Newest");
  const next = page(() => following, "Older", icon("right"));

  async function load(begins = false) {
    const mine = ++turn;
    const cursor = asked("cursor");
    const filtered = FILTERS.some(asked);
    states.forEach((button, index) => button.setAttribute("aria-pressed", listed("state").includes(STATES[index])));
    replace(others, asked("flow") && h("a", { class: "chip", href: `/flows/${asked("flow")}` }, icon("flow"), `Flow ${asked("flow")}`),
      filtered && h("a", { class: "button small", href: "/runs" }, "Clear"));
    let found;
    try {
      found = await read("/runs", { ...wanted(), cursor, limit: SIZE });
    } catch (error) {
      if (begins) throw error;
      if (!ctx.signal.aborted) toast(said(error), { kind: "error" });
      return;
    }
    if (mine !== turn) return;
    following = found.next_cursor;
    oldest = following ? found.items.at(-1).id : 0;
    fresh.clear();
    table.show(found.items);
    table.element.hidden = !found.items.length;
    first.hidden = !cursor;
    next.hidden = !following;
    replace(none, found.items.length ? null : filtered
      ? empty("search", "No run matches", h("a", { class: "button", href: "/runs" }, "Show all runs"))
      : empty("runs", "Nothing has run yet", "Start something on the page ", h("a", { href: "/tasks" }, "Tasks"),
        ", or give a task a schedule."));
    tell();
  }

  ctx.live.on("run", (changed) => {
    for (const run of changed) {
      if (table.update(run) || asked("cursor") || run.id < oldest) continue;
      if (!matches(run)) fresh.delete(run.id);
      else if (fresh.size < 1000) fresh.add(run.id);
    }
    if (fresh.size && !rows.length) load(); // there is nothing that could move
    else tell();
  });
  ctx.live.on("resync", () => load());

  // -- choosing -----------------------------------------------------------------------------

  const chosen = new Set(); // ids
  let every = false; // all that match are chosen, on every page
  let last = null; // the row that was chosen last

  /** Choose a row or not, or all from the last one through to it; null: none. */
  function choose(id, on, through) {
    every = false;
    if (id === null) chosen.clear();
    const ids = table.ids;
    const [from, to] = [ids.indexOf(last), ids.indexOf(id)].sort((one, other) => one - other);
    for (const each of through && from >= 0 ? ids.slice(from, to + 1) : [id]) {
      if (on) chosen.add(each);
      else chosen.delete(each);
    }
    last = id;
    tell();
  }

  const sum = h("b", { role: "status" });
  const all = h("button", { type: "button", onclick() {
    every = true;
    tell();
  } }, "All that match");
  const bar = h("div", { class: "bulk", role: "region", "aria-label": "Chosen runs" }, sum,
    h("button", { type: "button", onclick: () => bulk("cancel") }, icon("stop"), "Cancel …"),
    h("button", { type: "button", onclick: () => bulk("retry") }, icon("retrying"), "Run again …"), all,
    h("button", { type: "button", class: "bare", "aria-label": "Choose none", onclick: () => choose(null) }, icon("close")));

  /** Show what is chosen and what has come. */
  function tell() {
    news.hidden = !fresh.size;
    count.textContent = many(fresh.size, "new run");
    for (const row of may ? rows : []) row.cells[0].firstChild.checked = every || chosen.has(Number(row.dataset.id));
    bar.hidden = !every && !chosen.size;
    sum.textContent = every ? "All that match" : `${chosen.size} chosen`;
    all.hidden = every || (!following && !asked("cursor"));
  }

  /** Cancel or repeat what is chosen, after saying how many that are. */
  async function bulk(verb) {
    const cancel = verb === "cancel";
    const filters = wanted();
    for (const name of ["state", "task"]) if (filters[name]) filters[name] = filters[name].split(",");
    if (filters.flow) filters.flow = Number(filters.flow);
    const body = every ? { ...filters, all: true } : { ids: [...chosen], state: cancel ? undefined : [...ENDED] };
    const ask = (dry) => () => post(`/runs:${verb}`, { ...body, dry_run: dry });
    const done = await confirmDry({
      title: cancel ? "Cancel runs" : "Run again", kind: cancel ? "danger" : "primary", cancel: "Leave it",
      verb: cancel ? "Cancel them" : "Run them again", dry: ask(true), act: ask(false),
      describe: ({ matched, more }) => [
        h("p", { class: "large matched" }, many(matched), cancel ? " will be asked to end." : " will be made anew, with the same arguments."),
        every ? !filters.state && !cancel && h("p", { class: "soft" }, "Those that completed are not repeated; choose the state for that.")
          : matched < chosen.size && h("p", { class: "soft" }, `${chosen.size - matched} of the chosen `,
            cancel ? "have ended and stay as they are." : "have not ended and are left out."),
        more && h("p", { class: "soft" }, "More match than are taken at once; do it again for the rest.")],
    });
    if (!done) return;
    choose(null);
    const refused = done.refused.slice(0, 3).map((item) => `run ${item.id}: ${item.detail}`).join("; ");
    toast(`${many(done.done)} ${cancel ? "cancelled" : "started again"}${refused && `, ${done.refused_count} refused: ${refused}`}`,
      { kind: refused ? "error" : "ok" });
  }

  // -- keys ---------------------------------------------------------------------------------

  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    const single = key.length === 1;
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")
      || target.matches("input:not([type=checkbox]), select, textarea")) return;
    const row = target.closest("table.runs tbody tr");
    const by = { j: 1, arrowdown: 1, k: -1, arrowup: -1 }[key.toLowerCase()];
    const id = Number(row?.dataset.id);
    if (by && (row || single)) {
      const to = row ? [...rows][row.sectionRowIndex + by] : rows[0];
      if (event.shiftKey && may && row && to) {
        choose(id, true);
        choose(Number(to.dataset.id), true, true);
      }
      to?.querySelector("input, a").focus();
    } else if (key === "x" && row && may) choose(id, !chosen.has(id));
    else if (key === "a" && may) table.ids.forEach((each) => choose(each, true));
    else if (key === "Enter" && target.type === "checkbox") row.querySelector("a").click();
    else if (key === "Escape" && !bar.hidden) choose(null);
    else if (key === "." && fresh.size) load();
    else return;
    event.preventDefault();
  }, { signal: ctx.signal });
  addKeys("Runs", [["j k", "next, previous row"], ["Enter", "open it"], [".", "show new runs"], ...(may ? [["x", "choose it"],
    ["⇧j ⇧k", "choose on the way"], ["a", "choose the whole page"], ["Esc", "choose none"]] : [])], ctx.signal);

  replace(ctx.root, heading("Runs"), form, h("div", { class: "newsline", "aria-live": "polite" }, news), table.element, none,
    h("div", { class: "row turns" }, first, next), bar);
  ticking(ctx);
  await load(true);
}
