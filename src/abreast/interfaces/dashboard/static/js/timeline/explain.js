// What is under the pointer, and what there is to say about it.

import { h, replace } from "../dom.js";
import { clock, day, span } from "../time.js";
import { mark } from "./marks.js";
import { CAUSES, COMPLETED, RUNNING, STATES, lookOf } from "./model.js";
import { after } from "./scale.js";

const NEAR = 3; // pixels beside a bar that still count

/** What is at a place of the lanes (y from the top of all lanes): {lane, item, chip} or null. */
export function hit(view, x, y) {
  const { layout, scale, bars, now } = view;
  const place = layout.places[after(layout.places, y, (one) => one.top) - 1];
  if (!place?.lane || y > place.top + place.height) return null;
  const { lane } = place;
  const inside = y - place.top - layout.cap;
  const row = Math.floor(inside / layout.row);
  const [from, to] = [scale.time(x - NEAR), scale.time(x + NEAR)];
  const found = (item) => (item ? { lane, place, item } : null);
  if (inside >= (lane.tall + lane.long) * layout.row) {
    const points = lane.points.filter((point) => Math.abs(scale.x(point.over) - x) < 7);
    return found(points.at(-1));
  }
  if (row >= lane.tall) {
    const run = lane.queue[row - lane.tall];
    return run && run.created <= to ? found(run) : null;
  }
  const runs = lane.rows[row] ?? [];
  const chip = bars.chips.find((one) =>
    one.runs === runs && x >= one.left - NEAR && x <= one.right + NEAR);
  if (chip) return { lane, place, chip, item: runs[chip.from] };
  const late = scale.time(scale.x(now) + 2 * NEAR); // what has just begun can be met, too
  const at = after(runs, from, (run) => (run.over === Infinity ? late : run.over));
  const run = runs[at];
  if (run && run.begin <= to) return found(run);
  const ghost = lane.ghosts.find((one) => Math.min(one.row, lane.tall - 1) === row
    && one.at <= to && Math.max(one.over, scale.time(scale.x(one.at) + 6)) >= from);
  if (ghost) return found(ghost);
  return run && run.created <= to ? found(run) : null; // it waited here
}

/** Where something is: {x, y, width, height}, y from the top of all lanes; null when nowhere. */
export function boxOf(view, item, place) {
  const { layout, scale, now, model } = view;
  const own = item.lane ?? model.lanes.get(`task ${model.tasks[item.task].name}`);
  place ??= layout.places.find((one) => one.lane === own);
  if (!place) return null;
  const { lane } = place;
  const top = place.top + layout.cap;
  const size = layout.row;
  const box = (from, to, row) => ({ x: scale.x(from), y: top + row * size,
    width: Math.max(8, scale.x(to) - scale.x(from)), height: size - (size >= 16 ? 3 : 0) });
  if (item.kind === "ghost") return box(item.at, item.over, Math.min(item.row, lane.tall - 1));
  if (item.kind === "instant" || (item.begin !== item.begin && item.over < Infinity)) {
    const y = top + (lane.tall + lane.long) * size;
    return { x: scale.x(item.over) - 7, y: y - 1, width: 14, height: layout.foot };
  }
  if (item.begin === item.begin) return box(item.begin, Math.min(now, item.over), item.row);
  return box(item.created, now, lane.tall + Math.max(0, Math.min(lane.queue.indexOf(item), lane.long - 1)));
}

const OUTCOMES = {
  skipped: "skipped: made no run", missed: "missed: nothing was there to start it",
  merged: "merged with another instant", paused: "the schedule was paused",
};

const at = (time) => clock(time / 1000);
const took = (time) => span(time / 1000);

/** What there is to say: {look, title, id, facts: [[name, value]], text}. details: as the service tells them. */
export function explain(view, item, { details, why } = {}) {
  const { model, now } = view;
  const task = model.tasks[item.task];
  if (item.kind === "ghost") {
    const facts = [["due", `${day(item.at / 1000)} ${at(item.at)}, in ${took(item.at - now)}`]];
    if (item.usual === item.usual) facts.push(["usually takes", `${took(item.usual)}${item.p95 > item.usual ? `, at most ${took(item.p95)}` : ""}`]);
    return said({ look: "coming", title: task.name, id: `schedule ${item.schedule}`, state: "coming", facts });
  }
  if (item.kind === "instant") {
    const facts = [["due", `${day(item.at / 1000)} ${at(item.at)}`]];
    if (item.reason) facts.push(["why", item.reason]);
    if (item.count > 1) facts.push(["instants", `${item.count}, until ${at(item.until)}`]);
    if (item.run) facts.push(["beside", `run ${item.run}`]);
    return said({ look: item.outcome, title: task.name, id: `schedule ${item.schedule}`, state: OUTCOMES[item.outcome] ?? item.outcome, facts });
  }
  const facts = [];
  const add = (name, value) => value && facts.push([name, value]);
  if (item.label) add("task", task.name);
  add("trigger", details?.trigger);
  if (item.attempt > 1) add("attempt", String(item.attempt));
  const queued = waited(item, now);
  const unstarted = item.begin !== item.begin;
  if (queued.all >= 10 || unstarted) {
    const parts = queued.parts.map(([cause, time]) => `${took(time)} for ${CAUSES[cause]}`).join(", ");
    add(unstarted && item.over === Infinity ? "waiting for" : "queued for",
      `${took(queued.all)}${parts ? ` (${parts})` : ""}`);
  }
  const usual = model.usual(item.task);
  const active = item.attempt > item.tries.length;
  const ran = (item.over < Infinity ? item.over : now) - item.started;
  if (active) {
    const than = item.state === COMPLETED && usual > 0 && model.flows.has(item.id) === false
      ? compared(ran, usual) : "";
    add(item.state === RUNNING ? "running for" : "ran for", took(ran) + than);
  }
  if (item.state === RUNNING) {
    if (item.part === item.part) add("progress", `${Math.round(item.part * 100)} %${item.message ? `, ${item.message}` : ""}`);
    const left = item.part > 0.02 ? ran / item.part - ran : usual - ran;
    if (left > 0) add("should end", `${at(now + left)}, in ${took(left)}`);
    else if (usual > 0) add("usually takes", `${took(usual)}: late by ${took(-left)}`);
  }
  add("created", at(item.created));
  if (active) add("started", at(item.started));
  if (item.over < Infinity) add("ended", at(item.over));
  const name = item.worker === null ? "" : model.workers.get(item.worker) ?? `worker ${item.worker}`;
  const place = details?.place ? `${details.place.host}, process ${details.place.pid}` : "";
  add("where", [name, place].filter(Boolean).join(", "));
  if (item.critical) add("critical path", `made faster, saves at most ${took(ran)}`);
  if (details?.error) add("error", `${details.error.type}: ${details.error.message}`.slice(0, 300));
  if (item.state < RUNNING) add("why", why?.replace(/^.*? \(run \d+\) is \w+: /, ""));
  const look = lookOf(item);
  return said({ look, title: model.name(item), id: `#${item.id}`,
    state: item.reason ? `${look} (${item.reason})` : look, facts });
}

const said = (found) => ({ ...found,
  text: [`${found.title} ${found.id}`, found.state, ...found.facts.map((fact) => fact.join(" "))].join(", ") });

/** How long a run has waited before its first start, in all and by cause. */
export function waited(run, now) {
  const parts = new Map();
  let all = 0;
  for (let place = 0; place < run.waits.length; place += 3) {
    const [cause, from, to] = run.waits.slice(place, place + 3);
    const time = Math.max(0, Math.min(to, now) - from);
    parts.set(cause, (parts.get(cause) ?? 0) + time);
    all += time;
  }
  return { all, parts: [...parts] };
}

function compared(ran, usual) {
  const part = ran / usual - 1;
  if (Math.abs(part) < 0.05) return ", as usual";
  const far = part > 1 ? `${(part + 1).toFixed(1)} times` : `${Math.round(Math.abs(part) * 100)} %`;
  return part > 1 ? `, ${far} the usual ${took(usual)}` : `, ${far} ${part > 0 ? "longer" : "less"} than usual`;
}

/** What there is to say about many short runs at once. */
export function explainChip(view, chip) {
  const runs = chip.runs.slice(chip.from, chip.to + 1);
  const counts = new Map();
  for (const run of runs) counts.set(run.state, (counts.get(run.state) ?? 0) + 1);
  const facts = [...counts].sort((a, b) => b[1] - a[1]).map(([state, count]) => [STATES[state], String(count)]);
  facts.push(["from", at(runs[0].begin)], ["to", at(runs.at(-1).over)]);
  return said({ look: STATES[chip.state], title: `${runs.length} runs`, id: view.model.tasks[runs[0].task].name,
    state: "too short to tell apart here; press Enter or click to come closer", facts });
}

/** The window beside the pointer. */
export class Tip {
  constructor(box) {
    this.box = box;
    this.element = h("div", { class: "tl-tip", role: "tooltip", id: "tl-tip", hidden: true });
    box.append(this.element);
  }

  /** Show something beside a rectangle {x, y, width, height} of the box, and not on others. */
  show(found, { x, y, width, height }, others = []) {
    const { element } = this;
    replace(element, h("div", { class: "tl-tip-title" }, mark(found.look), h("b", null, found.title), h("span", null, found.id)),
      h("div", { class: "tl-tip-state" }, found.state),
      h("dl", null, found.facts.map(([name, value]) => [h("dt", null, name), h("dd", null, value)])));
    element.hidden = false;
    const [wide, high] = [this.box.clientWidth, this.box.clientHeight];
    const [own, tall] = [element.offsetWidth, element.offsetHeight];
    const left = Math.max(4, Math.min(x + Math.min(width, 40) / 2, wide - own - 6));
    const middle = Math.max(4, Math.min(y, high - tall - 4));
    const places = [[left, y + height + 8], [left, y - tall - 8], [x - own - 12, middle], [x + width + 12, middle]];
    const free = ([to, top]) => to >= 0 && to + own <= wide && top >= 0 && top + tall <= high
      && !others.some((one) => one.x < to + own && one.x + one.width > to && one.y < top + tall && one.y + one.height > top);
    const [to, top] = places.find(free) ?? [left, Math.min(y + height + 8, high - tall - 4)];
    element.style.transform = `translate(${Math.round(to)}px, ${Math.round(Math.max(0, top))}px)`;
  }

  hide() {
    this.element.hidden = true;
  }
}
