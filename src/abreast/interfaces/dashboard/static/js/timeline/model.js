// What the timeline knows: runs from the columns of the API and from live rows, filtered, in lanes.

import { Lane, place } from "./lanes.js";

export const STATES = [
  "blocked", "scheduled", "pending", "running", "completed", "failed", "cancelled", "skipped",
];
export const [BLOCKED, SCHEDULED, PENDING, RUNNING, COMPLETED, FAILED, CANCELLED, SKIPPED] =
  STATES.keys();
/** What a run waits for. */
export const CAUSES = ["other runs", "its time", "a limit", "a worker"];
export const [DEPENDENCY, TIME, LIMIT, WORKER] = CAUSES.keys();

const MOST = 20_000; // runs that are kept
const NONE = [];
const ms = (text) => (text === null || text === undefined ? NaN : Date.parse(text));
const seconds = (value) => (value === null || value === undefined ? NaN : value * 1000);

/** One run. Times are milliseconds since 1970, NaN when there is none. */
class Run {
  constructor(id) {
    this.id = id;
    this.task = 0;
    this.label = null;
    this.state = PENDING;
    this.reason = null;
    this.created = this.ready = this.started = this.ended = NaN;
    this.attempt = 0;
    this.tries = NONE; // earlier attempts, [from, to]
    this.flow = null;
    this.worker = null;
    this.part = NaN; // of its progress
    this.message = "";
    this.begin = NaN; // of the first attempt
    this.over = Infinity; // its end
    this.waits = NONE; // [cause, from, to, cause, …]; to is Infinity while it waits
    this.lane = null;
    this.critical = false; // on the critical path of its flow, when that was asked for
    this.spot = this.row = this.placed = 0;
  }
}

/** All runs, instants and lanes. */
export class Model {
  constructor() {
    this.runs = new Map();
    this.tasks = []; // {name, tags, usual, p95, limited}
    this.places = new Map(); // of tasks by name
    this.flows = new Set(); // ids of runs that are flows
    this.workers = new Map(); // id -> name
    this.held = new Map(); // id of a pending run -> the limit {key, n, held, holders} that holds it
    this.guessed = new Set(); // ids of runs of which an attempt was not seen to end
    this.instants = new Map();
    this.coming = [];
    this.lanes = new Map();
    this.order = []; // {section} and {lane}, top down
    this.by = "task";
    this.chosen = () => true;
    this.filtered = false;
    this.from = Infinity; // what is known: all that happened in between
    this.to = -Infinity;
    this.slots = null;
    this.cut = false; // there are more runs than are known
    this.live = false; // what happens from now on will be known
    this.version = 0;
  }

  // -- taking in ------------------------------------------------------------------------------

  task(name) {
    let place = this.places.get(name);
    if (place === undefined) {
      place = this.tasks.length;
      this.places.set(name, place);
      this.tasks.push({ name, tags: NONE, usual: NaN, p95: NaN, limited: false });
    }
    return place;
  }

  /** Take in an answer of GET /timeline. */
  load(data) {
    const tasks = data.tasks.map((name, at) => {
      const place = this.task(name);
      const about = data.about?.[at];
      if (about) {
        Object.assign(this.tasks[place], { tags: about.tags, limited: about.limited,
          usual: seconds(about.seconds), p95: seconds(about.p95_seconds) });
      }
      return place;
    });
    if (data.workers) this.slots = data.workers.reduce((sum, { concurrency }) => sum + concurrency, 0);
    for (const { id, name } of data.workers ?? []) this.workers.set(id, name);
    const oldest = this.columns(data, tasks);
    for (const item of data.instants) this.instant({ ...item, task: data.tasks[item.task] });
    if (data.coming.length || ms(data.until) > ms(data.now)) this.coming = data.coming.map((item) => ({ kind: "ghost", schedule: item.schedule,
      task: tasks[item.task], at: ms(item.at), begin: ms(item.at),
      over: ms(item.at) + 1000 * (item.seconds ?? 0), usual: seconds(item.seconds),
      p95: seconds(item.p95_seconds), row: 0 }));
    // When only the newest runs came, nothing is known of the time before those that have ended.
    const from = data.truncated ? oldest : ms(data.since);
    const to = Math.min(ms(data.until), Math.max(ms(data.now), from));
    [this.from, this.to] = this.to < from || to < this.from
      ? [from, to] : [Math.min(this.from, from), Math.max(this.to, to)];
    this.live ||= ms(data.until) >= ms(data.now);
    this.cut = this.cut || Boolean(data.truncated);
    this.limits(data.limits ?? []);
    this.group(this.by);
  }

  /** Take in runs; returns when the oldest one that has ended was created. */
  columns(data, tasks) {
    const { id, task, label, state, created, ready, started, ended, attempt, flow, worker,
      reasons, tries, progress = {} } = data.runs;
    const states = data.states.map((name) => STATES.indexOf(name));
    const since = ms(data.since);
    let oldest = ms(data.now);
    let number = 0;
    let at = since;
    for (let place = 0; place < id.length; place++) {
      number += id[place];
      at += created[place];
      if (ended[place] !== null && at < oldest) oldest = Math.max(at, since);
      let run = this.runs.get(number);
      if (!run) this.runs.set(number, (run = new Run(number)));
      else if (run.over < Infinity && ended[place] === null) continue; // news are older
      const start = started[place] === null ? NaN : at + started[place];
      run.task = tasks[task[place]];
      run.label = label[place] === null ? null : data.labels[label[place]];
      run.state = states[state[place]];
      run.created = at;
      run.ready = at + ready[place];
      run.started = start;
      run.ended = ended[place] === null ? NaN : (start === start ? start : at) + ended[place];
      run.attempt = attempt[place];
      run.flow = flow[place];
      run.worker = worker[place];
      run.reason = reasons[place] ?? null;
      const origin = at;
      run.tries = tries[place]?.map(([from, took]) => [origin + from, origin + from + took]) ?? NONE;
      [run.part, run.message] = part(progress[place]);
      this.part(run);
      this.measure(run);
    }
    return oldest;
  }

  /** A run may be part of a flow, which spans its runs from its submit on. */
  part(run) {
    if (run.flow === null || this.flows.has(run.flow)) return;
    this.flows.add(run.flow);
    const flow = this.runs.get(run.flow);
    if (!flow) return;
    this.measure(flow);
    flow.lane?.put(flow);
  }

  /** Take in rows of runs as live events tell them; `now` is the time at the service. */
  take(rows, now) {
    for (const row of rows) {
      if (row.name.startsWith("abreast:")) continue;
      let run = this.runs.get(row.id);
      const before = run?.state;
      if (!run) this.runs.set(row.id, (run = new Run(row.id)));
      run.task = this.task(row.name);
      run.label = row.label === row.name ? null : row.label;
      run.state = STATES.indexOf(row.state);
      run.reason = row.reason;
      run.created = ms(row.created);
      const started = ms(row.started);
      const due = ms(row.due);
      const last = [run.started, started]; // an attempt of which only the next one tells
      if (row.attempts > run.attempt && run.attempt > run.tries.length) {
        run.tries = [...run.tries, last];
        this.guessed.add(run.id);
      }
      if (run.state === BLOCKED || run.state === SCHEDULED) run.ready = due;
      else if (before === BLOCKED) run.ready = Math.min(now, started === started ? started : now);
      else if (before === undefined) run.ready = due > run.created ? due : run.created;
      run.started = started;
      run.ended = ms(row.ended);
      run.attempt = row.attempts;
      if (run.attempt > run.tries.length && run.state !== RUNNING && row.ended === null) {
        run.tries = [...run.tries, [started, now]]; // it is tried again later
      }
      run.flow = row.flow;
      if (row.worker !== null) run.worker = row.worker;
      [run.part, run.message] = part(row.progress && [row.progress.done, row.progress.total, row.progress.message]);
      this.part(run);
      if (run.state !== PENDING) this.held.delete(run.id);
      this.measure(run);
      this.assign(run);
    }
    this.version++;
    if (this.runs.size > MOST) this.forget();
  }

  /** Take in when the earlier attempts of a run were. */
  retried(id, history) {
    const run = this.runs.get(id);
    if (!run) return;
    run.tries = history.map(({ started, ended }) => [ms(started), ms(ended)]);
    this.measure(run);
    run.lane?.put(run);
  }

  /** Leave the oldest ended runs out of account when there are too many. */
  forget() {
    const ended = [...this.runs.values()].filter((run) => run.over < Infinity);
    ended.sort((a, b) => a.over - b.over);
    for (const run of ended.slice(0, Math.max(0, this.runs.size - MOST * 0.8))) {
      run.lane?.drop(run);
      this.runs.delete(run.id);
      this.from = Math.max(this.from, run.over);
    }
    this.cut = true;
  }

  /** Take in an instant that made no run; also one that makes a coming one past. */
  instant(row) {
    const at = ms(row.at);
    const task = this.task(row.task);
    this.coming = this.coming.filter((item) => item.schedule !== row.schedule || item.at > at);
    if (row.outcome === "ran") return;
    this.instants.set(`${row.schedule} ${at}`, { kind: "instant", schedule: row.schedule, task, at,
      over: at, until: ms(row.until), count: row.count, outcome: row.outcome, reason: row.reason,
      run: row.run });
  }

  /** Take in which limits are in use, and so who holds up whom. */
  limits(rows) {
    const before = this.held;
    this.held = new Map();
    for (const row of rows) {
      if (row.n !== null && row.held < row.n) continue;
      for (const id of row.waiters ?? []) this.held.set(id, row);
    }
    for (const id of [...before.keys(), ...this.held.keys()]) {
      const run = this.runs.get(id);
      if (run) this.measure(run);
    }
    this.version++;
  }

  /** Work out the stretches of a run. */
  measure(run) {
    const { tries, created, flow } = run;
    run.begin = tries.length ? tries[0][0] : run.attempt > 0 ? run.started : NaN;
    run.over = run.ended === run.ended ? run.ended : Infinity;
    if (this.flows.has(run.id) && run.begin === run.begin) run.begin = created;
    const waits = [];
    const add = (cause, from, to) => to - from >= 1 && waits.push(cause, from, to);
    const place = this.tasks[run.task].limited || this.held.has(run.id) ? LIMIT : WORKER;
    const until = run.begin === run.begin ? run.begin : run.over;
    const ready = run.state === BLOCKED || (run.state === SCHEDULED && tries.length === 0)
      ? until : tries.length ? created : Math.min(Math.max(created, run.ready), until);
    add(flow !== null || run.state === BLOCKED ? DEPENDENCY : TIME, created, ready);
    add(place, ready, until);
    tries.forEach(([, end], at) => {
      const last = at === tries.length - 1;
      const next = !last ? tries[at + 1][0] : run.attempt > tries.length ? run.started : run.over;
      const due = last && run.state !== SCHEDULED ? Math.min(next, Math.max(end, run.ready)) : next;
      add(TIME, end, due);
      add(place, due, next);
    });
    run.waits = waits;
  }

  /** From the first to the last thing that happened. */
  extent(now) {
    let [from, to] = [Infinity, -Infinity];
    for (const run of this.runs.values()) {
      from = Math.min(from, run.created);
      to = Math.max(to, Math.min(run.over, now));
    }
    if (from > to) [from, to] = [this.from, this.to];
    const spare = Math.max(50, (to - from) * 0.03);
    return [from - spare, to + spare];
  }

  /** Know nothing any more. */
  clear() {
    this.runs.clear();
    this.instants.clear();
    this.flows.clear();
    this.held.clear();
    this.coming = [];
    this.lanes.clear();
    this.order = [];
    this.from = Infinity;
    this.to = -Infinity;
    this.cut = this.live = false;
    this.version++;
  }

  // -- lanes ----------------------------------------------------------------------------------

  /** Sort runs into lanes: by "task", "worker", "tag" or "flow"; only those that are chosen. */
  group(by, chosen = this.chosen) {
    this.by = by;
    this.chosen = chosen;
    this.lanes = new Map();
    for (const run of this.runs.values()) {
      run.lane = null;
      this.assign(run);
    }
    this.points();
    this.arrange();
  }

  /** Instants and coming ones lie in the lanes of their tasks, whatever the lanes stand for. */
  points() {
    for (const lane of this.lanes.values()) {
      lane.ghosts = [];
      lane.instants = [];
      lane.unsorted = true;
    }
    if (this.by === "worker") return;
    for (const [items, list] of [[this.instants.values(), "instants"], [this.coming, "ghosts"]]) {
      for (const item of items) {
        if (this.chosen(item)) this.lane(`task ${this.tasks[item.task].name}`)[list].push(item);
      }
    }
    for (const lane of this.lanes.values()) {
      lane.ghosts.sort((a, b) => a.at - b.at);
      place(lane.ghosts);
    }
    this.version++;
  }

  assign(run) {
    const key = this.chosen(run) ? this.key(run) : null;
    if (run.lane && run.lane.key !== key) {
      run.lane.drop(run);
      run.lane = null;
    }
    if (key !== null) (run.lane ??= this.lane(key)).put(run);
  }

  key(run) {
    if (this.by === "worker") {
      return run.worker !== null ? `worker ${run.worker}` : this.flows.has(run.id) ? null : "worker";
    }
    if (this.by === "flow" && (run.flow !== null || this.flows.has(run.id))) {
      return `flow ${run.flow ?? run.id}`;
    }
    return `task ${this.tasks[run.task].name}`;
  }

  lane(key) {
    let lane = this.lanes.get(key);
    if (!lane) {
      const [kind, name] = [key.split(" ", 1)[0], key.slice(key.indexOf(" ") + 1)];
      if (kind === "task") lane = new Lane(key, name);
      else if (key === "worker") lane = new Lane(key, "no worker");
      else if (kind === "worker") lane = new Lane(key, this.workers.get(+name) ?? `worker ${name}`);
      else lane = new Lane(key, `flow ${name}`);
      this.lanes.set(key, lane);
      this.order = null;
    }
    return lane;
  }

  /** Put the lanes in order, under headings where there are some. */
  arrange() {
    const all = [...this.lanes.values()].filter(
      (lane) => lane.runs.size || lane.instants.length || lane.ghosts.length);
    const tasks = all.filter((lane) => lane.key.startsWith("task "));
    const others = all.filter((lane) => !lane.key.startsWith("task "));
    const number = (lane) => Number(lane.key.split(" ")[1] ?? Infinity);
    const name = (a, b) => a.name.localeCompare(b.name);
    tasks.sort(name);
    this.order = [];
    const add = (section, lanes) => {
      if (lanes.length && section) this.order.push({ section, size: lanes.length });
      for (const lane of lanes) this.order.push({ lane });
    };
    if (this.by === "tag") {
      const tags = (lane) => this.tasks[this.places.get(lane.name)].tags;
      for (const tag of [...new Set(tasks.flatMap(tags))].sort()) {
        add(tag, tasks.filter((lane) => tags(lane).includes(tag)));
      }
      add(this.order.length ? "no tag" : "", tasks.filter((lane) => tags(lane).length === 0));
    } else if (this.by === "flow") {
      for (const lane of others) {
        const run = this.runs.get(number(lane));
        if (run) [lane.name, lane.note] = [this.name(run), `#${run.id}`];
      }
      add("", others.sort((a, b) => number(b) - number(a)));
      add(others.length ? "not in a flow" : "", tasks);
    } else {
      add("", this.by === "worker" ? others.sort((a, b) => number(a) - number(b)) : tasks);
    }
    this.version++;
  }

  /** Bring all lanes up to date. */
  settle() {
    if (!this.order) this.arrange();
    for (const lane of this.lanes.values()) lane.settle();
  }

  // -- saying ---------------------------------------------------------------------------------

  name(run) {
    return run.label ?? this.tasks[run.task].name;
  }

  /** What runs of a task usually take, in milliseconds: as the service knows it, or as seen here. */
  usual(task) {
    const about = this.tasks[task];
    if (about.usual === about.usual) return about.usual;
    if (about.seen !== this.version >> 8) {
      about.seen = this.version >> 8;
      const took = [];
      for (const run of this.runs.values()) {
        if (run.task === task && run.state === COMPLETED) took.push(run.over - run.started);
      }
      about.median = took.sort((a, b) => a - b)[took.length >> 1] ?? NaN;
    }
    return about.median;
  }
}

/** How a run looks: its state, or "retrying" while it waits for its next attempt. */
export const lookOf = (run) =>
  run.tries.length && run.over === Infinity && run.state !== RUNNING ? "retrying" : STATES[run.state];

function part(progress) {
  if (!progress) return [NaN, ""];
  const [done, total, message] = progress;
  return [total > 0 ? Math.min(1, Math.max(0, done / total)) : NaN, message ?? ""];
}

/** A text as a choice of runs and instants: words, task:…, tag:…, state:…, flow:…, #12. */
export function choice(model, text, states) {
  const words = text.toLowerCase().trim().split(/\s+/).filter(Boolean);
  const wanted = states.length ? new Set(states) : null;
  if (!words.length && !wanted) return () => true;
  const tests = words.map((word) => {
    const [, kind, value] = /^(task|tag|state|flow|worker|at):(.+)$/.exec(word) ?? [null, "", word];
    const some = value.split(",");
    if (kind === "task") return (item, task) => some.some((one) => task.name.toLowerCase().includes(one));
    if (kind === "tag") return (item, task) => task.tags.some((tag) => some.includes(tag.toLowerCase()));
    if (kind === "state") return (item) => some.includes(STATES[item.state] ?? item.outcome ?? "coming");
    if (kind === "at") {
      const at = Date.parse(value);
      return (item) => (item.created ?? item.at) <= at && item.over >= at;
    }
    if (kind) return (item) => some.includes(String(item[kind])) || (kind === "flow" && some.includes(String(item.id)));
    if (/^#\d+$/.test(word)) return (item) => word === `#${item.id ?? item.run}`;
    return (item, task) => task.name.toLowerCase().includes(word)
      || Boolean(item.label?.toLowerCase().includes(word));
  });
  return (item) => {
    if (wanted && !wanted.has(STATES[item.state] ?? (item.outcome ? "skipped" : "coming"))) return false;
    const task = model.tasks[item.task];
    return tests.every((test) => test(item, task));
  };
}
