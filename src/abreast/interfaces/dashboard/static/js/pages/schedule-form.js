// What a schedule says, as a form with a preview of what that means; and making up for the past.

import { confirmDry, dialog, h, icon, replace, toast, unique } from "../dom.js";
import { blame, choice, field, inZones } from "../parts.js";
import { both, clock, day, moment, viewerZone } from "../time.js";

/** The address of a schedule, as a page and in the API. */
export const schedulePath = (name) => `/schedules/${encodeURIComponent(name)}`;

const OVERLAPS = [
  ["skip", "skip: leave the new one out"], ["queue_one", "queue_one: one waits for all"],
  ["queue_all", "queue_all: one after the other"], ["cancel_running", "cancel_running: the old one goes"],
  ["allow", "allow: side by side"],
];
const CATCH_UPS = [["latest", "latest: run once"], ["none", "none: never"], ["all", "all: run every one"]];

/** Seconds as people write them: 90 is "90s", 3600 "1h". */
function duration(time) {
  const [unit, size] = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]].find(([, most]) => time >= most && time % most === 0)
    ?? ["s", 1];
  return `${time / size}${unit}`;
}

/**
 * The form of a schedule, or of a new one of some tasks: {node, view, pristine()}. save(values)
 * gets what was changed (of a new one, all), and may throw a Problem; without it nothing can be.
 */
export function scheduleForm(ctx, view, save, tasks) {
  const was = view ?? { overlap: "skip", catch_up: "latest", window: null, jitter: 0, kwargs: {} };
  const off = { disabled: !save };
  const [overlap, many = 2] = was.overlap.split(/[()]/);
  const zones = unique("zones");
  const text = (value, more) => h("input", { value, autocomplete: "off", spellcheck: "false", ...off, ...more });
  const number = text(many, { type: "number", min: 1, max: 999999, name: "many", "aria-label": "How many" });
  const kwargs = h("textarea", { class: "mono", rows: 2, ...off }, JSON.stringify(was.kwargs));
  const trouble = h("p", { class: "trouble", role: "alert" });
  const preview = h("div", { class: "preview", "aria-live": "polite" });
  const go = save && h("button", { class: "primary" }, view ? "Save" : "Add");
  const overlaps = field("overlap", "When runs overlap", choice(OVERLAPS, overlap, off));
  overlaps.append(number);
  const node = h("form", { class: "schedule-form", onsubmit: submit, oninput: typed }, h("div", { class: "said" },
    tasks && [field("name", "Name", text("", { required: true, maxlength: 200 })),
      field("task", "Task", choice(tasks, ctx.query.get("task")))],
    field("spec", "When", text(was.spec, { class: "mono", required: true, maxlength: 256, placeholder: "0 2 * * *" }),
      "Cron, @daily, every 90s, or a time"),
    field("timezone", "Time zone", text(was.timezone, { list: zones, maxlength: 64, required: Boolean(view), placeholder: "the service's" })),
    h("datalist", { id: zones }, Intl.supportedValuesOf("timeZone").map((value) => h("option", { value }))),
    overlaps, field("catch_up", "When some were missed", choice(CATCH_UPS, was.catch_up, off)),
    field("window", "Too late after", text(was.window === null ? "" : duration(was.window),
      { placeholder: "its period, 1h at most", required: was.window !== null })),
    field("jitter", "Spread over", text(duration(was.jitter))),
    field("kwargs", "Arguments (JSON)", kwargs), trouble, go), preview);
  let timer;
  let shown;
  let asking = new AbortController();

  function values() {
    const { many: allowed, ...found } = Object.fromEntries(new FormData(node));
    if (found.overlap === "allow") found.overlap = `allow(${allowed})`;
    return found;
  }

  const form = { node, view, pristine: () => JSON.stringify(values()) === before };
  let before = JSON.stringify(values());
  settle();
  look();
  return form;

  function settle() {
    number.hidden = node.elements.overlap.value !== "allow";
    if (view && go) go.disabled = form.pristine();
  }

  function typed() {
    settle();
    clearTimeout(timer);
    timer = setTimeout(look, 180);
  }

  function say(error) {
    trouble.textContent = blame(node, error);
  }

  async function submit(event) {
    event.preventDefault();
    const now = values();
    const old = view ? JSON.parse(before) : {};
    const changes = Object.fromEntries(Object.entries(now).filter(([key, value]) => value && value !== old[key]));
    go.disabled = true;
    try {
      if (changes.kwargs) changes.kwargs = JSON.parse(changes.kwargs);
      await save(changes);
      before = JSON.stringify(now);
      say(null);
    } catch (error) {
      say(error instanceof SyntaxError ? { errors: [{ pointer: "/kwargs", detail: error.message }] } : error);
    }
    go.disabled = false;
    settle();
  }

  /** Show what the schedule would do; a mistake shows beside its field. */
  async function look() {
    const spec = node.elements.spec.value.trim();
    const timezone = node.elements.timezone.value.trim() || null;
    const asked = `${spec} ${timezone}`;
    if (!spec || asked === shown) return;
    shown = asked;
    asking.abort();
    asking = new AbortController();
    const signal = AbortSignal.any([asking.signal, ctx.signal]);
    try {
      const found = await ctx.api.post("/schedules/preview", { spec, timezone, name: view?.name }, { signal });
      say(null);
      replace(preview, previewOf(found));
    } catch (error) {
      if (signal.aborted) return;
      say(error);
      replace(preview);
    }
  }
}

/** What a schedule will do: its next instants in both zones, warnings, changes of the clocks. */
function previewOf({ described, timezone: zone, instants, warnings, clock_changes: changes }) {
  const other = zone !== viewerZone;
  return [h("h3", null, described), warnings.map((text) => h("p", { class: "warning" }, icon("warning"), " ", text)),
    h("table", null, h("thead", null, h("tr", null, h("th", { colspan: 2 }, zone), other && h("th", null, viewerZone))),
      h("tbody", null, instants.map((at) => h("tr", { title: both(at, zone) }, h("td", { class: "soft" }, day(at, zone)),
        h("td", null, clock(at, zone)), other && h("td", { class: "soft" }, moment(at)))))),
    !instants.length && h("p", null, "No instant is to come."),
    changes.length > 0 && [h("h3", null, "When the clocks change"), changes.map(({ what }) => h("p", null, what))]];
}

// -- the past ---------------------------------------------------------------------------------

const local = (at) => new Date(at - new Date(at).getTimezoneOffset() * 60000).toISOString().slice(0, 16);

/** Make the runs of a past period, after a look at what that would be. */
export async function backfill(ctx, { name, timezone, overlap }) {
  const today = new Date().setHours(0, 0, 0, 0);
  const [from, to] = [today - 86400000, today].map((at) =>
    h("input", { type: "datetime-local", value: local(at), required: true }));
  const how = choice([["", `as it says: ${overlap}`], ...OVERLAPS.slice(0, -1)]);
  const post = (dry_run) => ctx.api.post(`${schedulePath(name)}/backfill`, { overlap: how.value || null, dry_run,
    since: Date.parse(from.value) / 1000 - 0.001, until: Date.parse(to.value) / 1000 }); // the first instant counts
  if (!await dialog({ title: `Backfill ${name}`, body: [field("since", "From, by your clock", from),
    field("until", "To", to), field("overlap", "When runs overlap", how)],
  actions: [{ text: "Look first", kind: "primary" }] })) return;
  const total = ({ counts }) => Object.values(counts).reduce((sum, count) => sum + count, 0);
  const made = await confirmDry({ title: `Backfill ${name}`, verb: "Make these runs", kind: "primary",
    dry: () => post(true), act: () => post(false), some: total,
    describe: (found) => [h("p", null, `It would make ${total(found)} runs.`),
      h("ul", { class: "times" }, found.items.slice(0, 100).map(({ at }) => h("li", null, inZones(at, timezone))))] });
  if (made) toast(`${name}: ${Object.entries(made.counts).flat().join(" ")}`);
}
