// Runs that match filters, and what is done with many of them at once.

import { get, post, serverNow } from "../api.js";
import { confirmDry, empty, h, icon, keyed, replace, toast } from "../dom.js";
import { addKeys } from "../help.js";
import { choice, ticking } from "../parts.js";
import { runTable } from "../runlist.js";
import { ENDED, STATES, badge } from "../states.js";

const SIZE = 50;
const AGES = [["", "Any time"], ["15m", "15 minutes"], ["1h", "1 hour"], ["24h", "24 hours"], ["7d", "7 days"], ["30d", "30 days"]];
const UNITS = { m: 60, h: 3600, d: 86400 };
const REASONS = ["error", "timeout", "crashed", "limit", "dependency", "fail_fast", "user", "duplicate", "expired", "shutdown"];
const FILTERS = ["state", "task", "since", "q", "flow", "reason"];

/** Show the list. */
export async function show(ctx) {
  ctx.title("Runs");
  const may = ctx.session.may("operator");
  const chosen = new Set(); // ids
  let every = false; // all that match are chosen, on every page
  let following = null; // the cursor of the next page
  let oldest = 0; // the lowest id that could be on this page
  let fresh = new Set(); // ids of runs that came since
  let loading = new AbortController();

  // -- filters ------------------------------------------------------------------------------

  const field = (name, label, attrs) => h("input", { "aria-label": label, placeholder: label, spellcheck: "false",
    autocomplete: "off", value: ctx.query.get(name) ?? "", onchange: (event) => filter({ [name]: event.target.value.trim() }), ...attrs });
  let typing = 0;
  const text = field("q", "Label or task", { type: "search", oninput() {
    clearTimeout(typing);
    typing = setTimeout(() => filter({ q: text.value.trim() }, true), 300);
  } });
  const task = field("task", "Task", { type: "text", list: "tasks", class: "task" });
  const pickers = { since: choice(AGES, ctx.query.get("since") ?? "", { "aria-label": "Since" }),
    reason: choice([["", "Any reason"], ...REASONS.map((name) => [name, name.replace("_", " ")])],
      ctx.query.get("reason") ?? "", { "aria-label": "Reason" }) };
  for (const [name, picker] of Object.entries(pickers)) {
    picker.addEventListener("change", () => filter({ [name]: picker.value }));
  }
  const states = STATES.map((state) => h("button", { type: "button", class: "small", "data-name": state,
    onclick() {
      const now = listed("state");
      filter({ state: (now.includes(state) ? now.filter((one) => one !== state) : [...now, state]).join(",") });
    } }, badge(state)));
  const flow = h("span", { class: "row" });

  const listed = (name) => (ctx.query.get(name) ?? "").split(",").filter(Boolean);

  function filter(changes, typed = false) {
    clearTimeout(typing);
    if (Object.entries(changes).every(([name, value]) => (ctx.query.get(name) ?? "") === (value ?? ""))) return;
    ctx.setQuery({ ...changes, cursor: null }, { replace: typed });
    unchoose();
    load();
  }

  /** The filters as the service takes them. */
  function wanted() {
    const found = {};
    for (const name of FILTERS) if (ctx.query.get(name)) found[name] = ctx.query.get(name);
    const age = /^(\d+)([mhd])$/.exec(found.since ?? "");
    if (age) found.since = Math.floor(serverNow() - age[1] * UNITS[age[2]]);
    return found;
  }

  function matches(run) {
    const query = ctx.query;
    const q = (query.get("q") ?? "").toLowerCase();
    return (!listed("state").length || listed("state").includes(run.state))
      && (!listed("task").length || listed("task").includes(run.name))
      && (!q || `${run.label}\n${run.name}`.toLowerCase().includes(q))
      && (!query.get("flow") || Number(query.get("flow")) === run.flow)
      && (!query.get("reason") || query.get("reason") === run.reason)
      && !run.name.startsWith("abreast:");
  }

  function showFilters() {
    const query = ctx.query;
    for (const button of states) {
      button.setAttribute("aria-pressed", listed("state").includes(button.dataset.name));
    }
    replace(flow, query.get("flow") && h("button", { type: "button", class: "small", "aria-pressed": "true",
      onclick: () => filter({ flow: null }) }, icon("flow"), `Flow ${query.get("flow")}`, icon("close")),
    FILTERS.some((name) => query.get(name)) && h("a", { class: "button small", href: "/runs" }, "Clear"));
  }

  // -- rows ---------------------------------------------------------------------------------

  const pick = may && ((run) => {
    const box = h("input", { type: "checkbox", "aria-label": `Choose run ${run.id}`, onclick: (event) =>
      choose(run.id, box.checked, event.shiftKey) });
    box.checked = every || chosen.has(run.id);
    return box;
  });
  const table = runTable(["state", "id", "name", "trigger", "created", "wait", "took"], { label: "Runs", pick });
  const newsText = h("span");
  const news = h("button", { type: "button", class: "news", onclick: () => load() },
    icon("up"), newsText, h("kbd", null, "."));
  const none = h("div");
  const first = h("a", { class: "button", href: "#", onclick: (event) => turn(event, null) }, icon("left"), "Newest");
  const next = h("a", { class: "button", href: "#", onclick: (event) => turn(event, following) }, "Older", icon("right"));

  function turn(event, cursor) {
    event.preventDefault();
    ctx.setQuery({ cursor });
    load().then(() => scrollTo(0, 0));
  }

  async function load(begins = false) {
    loading.abort();
    loading = new AbortController();
    const { signal } = loading;
    const cursor = ctx.query.get("cursor");
    showFilters();
    let found;
    try {
      found = await get("/runs", { ...wanted(), cursor, limit: SIZE }, { signal: AbortSignal.any([signal, ctx.signal]) });
    } catch (error) {
      if (error.name === "AbortError") return;
      if (begins) throw error;
      toast(error.message, { kind: "error" });
      return;
    }
    if (signal.aborted) return;
    following = found.next_cursor;
    oldest = following ? found.items.at(-1).id : 0;
    fresh = new Set();
    showNews();
    table.show(found.items);
    table.element.hidden = !found.items.length;
    first.hidden = !cursor;
    next.hidden = !following;
    const filtered = FILTERS.some((name) => ctx.query.get(name));
    replace(none, !found.items.length && (filtered
      ? empty("search", "No run matches", h("a", { class: "button", href: "/runs" }, "Show all runs"))
      : empty("runs", "Nothing has run yet", h("p", null, "Start something on the page ",
        h("a", { href: "/tasks" }, "Tasks"), ", or give a task a schedule."))));
    showChosen();
  }

  function showNews() {
    const count = fresh.size;
    news.hidden = count === 0;
    newsText.textContent = `${count > 999 ? "more than 999" : count} new ${count === 1 ? "run" : "runs"}`;
  }

  ctx.live.on("run", (rows) => {
    let come = false;
    for (const run of rows) {
      if (table.update(run) || ctx.query.get("cursor") || run.id < oldest || fresh.size > 1000) continue;
      const more = matches(run) && !fresh.has(run.id);
      if (more) fresh.add(run.id);
      come = (more || (!matches(run) && fresh.delete(run.id))) || come;
    }
    if (come && !table.runs.length) load(); // there is nothing that could move
    else if (come) showNews();
  });
  ctx.live.on("resync", () => load());

  // -- choosing -----------------------------------------------------------------------------

  let last = null; // the row that was chosen last

  function choose(id, on, through = false) {
    every = false;
    const ids = table.runs.map((run) => run.id).sort((one, other) => other - one);
    const [from, to] = [ids.indexOf(last), ids.indexOf(id)].sort((one, other) => one - other);
    for (const each of through && from >= 0 ? ids.slice(from, to + 1) : [id]) {
      if (on) chosen.add(each);
      else chosen.delete(each);
    }
    last = id;
    showChosen();
  }

  function unchoose() {
    chosen.clear();
    every = false;
    last = null;
    showChosen();
  }

  const bar = h("div", { class: "bulk", role: "region", "aria-label": "Chosen runs", hidden: true });

  function showChosen() {
    for (const box of table.element.querySelectorAll("td.pick input")) {
      box.checked = every || chosen.has(Number(box.closest("tr").dataset.id));
    }
    bar.hidden = !every && !chosen.size;
    if (bar.hidden) return;
    keyed(bar, ["text", "cancel", "retry", "all", "none"], String, (name) => ({
      text: () => h("b", { role: "status" }),
      cancel: () => h("button", { type: "button", onclick: () => bulk("cancel") }, icon("stop"), "Cancel …"),
      retry: () => h("button", { type: "button", onclick: () => bulk("retry") }, icon("retrying"), "Run again …"),
      all: () => h("button", { type: "button", onclick: () => {
        every = true;
        showChosen();
      } }, "All that match"),
      none: () => h("button", { type: "button", class: "bare", "aria-label": "Choose none", title: "Choose none (Esc)",
        onclick: unchoose }, icon("close")),
    }[name]()), (element, name) => {
      if (name === "text") element.textContent = every ? "All that match" : `${chosen.size} chosen`;
      if (name === "all") element.hidden = every || (!following && !ctx.query.get("cursor"));
    });
  }

  /** Cancel or repeat what is chosen, after saying how many that are. */
  async function bulk(verb) {
    const { state, task: tasks, flow: id, ...rest } = wanted();
    const filters = { ...rest, ...(state && { state: state.split(",") }), ...(tasks && { task: tasks.split(",") }),
      ...(id && { flow: Number(id) }) };
    const body = !every ? { ids: [...chosen], ...(verb === "retry" && { state: [...ENDED] }) }
      : Object.keys(filters).length ? filters : { all: true };
    const ask = (dry) => post(`/runs:${verb}`, { ...body, dry_run: dry });
    const cancel = verb === "cancel";
    const done = await confirmDry({
      title: cancel ? "Cancel runs" : "Run again", kind: cancel ? "danger" : "primary",
      verb: cancel ? "Cancel them" : "Run them again", cancel: "Leave it",
      dry: () => ask(true), act: () => ask(false),
      describe: ({ matched, more }) => [
        h("p", { class: "large" }, h("b", { class: "matched" }, matched.toLocaleString("en")), matched === 1 ? " run " : " runs ",
          cancel ? "will be asked to end." : "will be made anew, with the same arguments."),
        !every && matched < chosen.size && h("p", { class: "soft" }, `${chosen.size - matched} of the chosen `,
          cancel ? "have ended already and stay as they are." : "have not ended, and are left out."),
        every && !filters.state && h("p", { class: "soft" }, cancel ? "Those that have ended stay as they are."
          : "Those that completed are not repeated; choose the state to have that."),
        more && h("p", { class: "soft" }, "More match than are taken at once; do it again for the rest.")],
    });
    if (!done) return;
    unchoose();
    const refused = done.refused.slice(0, 3).map((item) => `run ${item.id}: ${item.detail}`).join("; ");
    const said = `${done.done.toLocaleString("en")} ${cancel ? "cancelled" : "started again"}`;
    if (done.refused_count) toast(`${said}, ${done.refused_count} refused: ${refused}`, { kind: "error" });
    else toast(said);
  }

  // -- keys ---------------------------------------------------------------------------------

  const inside = (row) => row?.querySelector("td.pick input, a");

  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const typed = event.target.matches("input:not([type=checkbox]), select, textarea");
    if (typed) return;
    const row = event.target.closest?.("table.runs tbody tr");
    const rows = [...table.element.tBodies[0].rows];
    const by = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (by && (row || event.key.length === 1)) {
      const to = rows[row ? rows.indexOf(row) + by : by > 0 ? 0 : rows.length - 1];
      if (!to) return;
      if (event.shiftKey && may && row) {
        choose(Number(row.dataset.id), true);
        choose(Number(to.dataset.id), true, true);
      }
      inside(to).focus();
      to.scrollIntoView({ block: "nearest" });
    } else if (event.key === "x" && row && may) {
      choose(Number(row.dataset.id), !chosen.has(Number(row.dataset.id)));
    } else if (event.key === "a" && may) {
      for (const { id } of table.runs) chosen.add(id);
      showChosen();
    } else if (event.key === "Enter" && event.target.type === "checkbox") row?.querySelector("a").click();
    else if (event.key === "Escape" && !bar.hidden) unchoose();
    else if (event.key === "." && fresh.size) load();
    else return;
    event.preventDefault();
  }

  document.addEventListener("keydown", key, { signal: ctx.signal });
  addKeys("Runs", [["j k", "next, previous row"], ["Enter", "open it"], [".", "show new runs"],
    ...(may ? [["x", "choose it"], ["⇧j ⇧k", "choose on the way"], ["a", "choose the whole page"], ["Esc", "choose none"]] : [])],
  ctx.signal);
  ctx.signal.addEventListener("abort", () => {
    loading.abort();
    clearTimeout(typing);
  });

  replace(ctx.root, h("div", { class: "head" }, h("h1", null, "Runs")),
    h("div", { class: "run-filters", role: "search", "aria-label": "Filters" }, h("div", { class: "row" },
      text, task, pickers.since, pickers.reason),
    h("div", { class: "row", role: "group", "aria-label": "States" }, states, flow)),
    h("div", { class: "newsline", "aria-live": "polite" }, news), table.element, none, h("div", { class: "row turns" }, first, next), bar);
  ticking(ctx);
  await load(true);
}
