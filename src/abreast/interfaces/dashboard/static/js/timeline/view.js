// The timeline: what runs beside what, as it happens. Puts the parts together.

import { h, replace } from "../dom.js";
import { calm, pref, prefer } from "../prefs.js";
import { ticks } from "../time.js";
import { Critical } from "./critical.js";
import { Bars, Paint } from "./draw.js";
import { Drawer } from "./drawer.js";
import { Tip, boxOf, explain, explainChip, hit } from "./explain.js";
import { keyed, listen } from "./gestures.js";
import { Labels } from "./labels.js";
import { Layout } from "./layout.js";
import { Minimap } from "./minimap.js";
import { choice, Model, RUNNING, STATES } from "./model.js";
import { cursorText, Overlay } from "./overlay.js";
import { idleOf, Scale } from "./scale.js";
import { stillSource } from "./source.js";
import { AXIS, Strip, STRIP } from "./strip.js";
import { Table } from "./table.js";
import { legend, Toolbar } from "./toolbar.js";
import { Walk } from "./walk.js";

const AHEAD = 0.12; // of the width lies in the future while following
const FIRST = 3_600_000; // what is shown at first
const CUT = 160; // pixels an idle stretch has to have to be cut short
const SMALL = 640; // pixels below which names stand above their lanes

/**
 * Put a timeline into an element. options: source, query, setQuery, signal; or {data, static: true}
 * for a page that brings along what it shows (the body of GET /timeline). Returns the view;
 * `ready` is done when it shows something.
 */
export function mount(root, options) {
  return new View(root, options.static ? { ...options, source: stillSource(options.data) } : options);
}

class View {
  constructor(root, { source, query, setQuery, signal }) {
    this.source = source;
    this.query = query ?? new URLSearchParams();
    this.setQuery = setQuery ?? (() => {});
    this.signal = signal ?? new AbortController().signal;
    this.model = new Model();
    this.scale = new Scale();
    this.layout = new Layout();
    this.paint = new Paint();
    this.first = FIRST;
    this.cursor = null; // where the pointer is
    this.hot = null; // what it is on, or what has the focus
    this.lit = []; // what that waits for
    this.known = new Map(); // what the service told about runs
    this.dirty = new Set(["bars", "over", "mini", "labels"]);
    this.stats = { frames: 0, longest: 0, drawn: 0 };
    this.critical = new Critical(this.model, source, () => this.ask("bars", "over"));
    this.build(root);
    this.restore();
    this.connect();
    this.ready = this.begin();
  }

  // -- parts ----------------------------------------------------------------------------------

  build(root) {
    const canvas = (name) => h("canvas", { class: name, "aria-hidden": "true" });
    this.toolbar = new Toolbar({
      preset: (span) => this.preset(span), group: (by) => this.change({ by }),
      filter: (text) => this.change({ text }), states: (states) => this.change({ states }),
      idle: () => this.change({ idle: !this.idle }), table: () => this.change({ table: !this.shown }),
      goNow: () => this.goNow(),
    }, this.source.live);
    this.walk = new Walk(this);
    this.names = new Labels(this.source.live);
    this.canvas = canvas("tl-bars");
    this.space = h("div", { class: "tl-space" }, this.names.element, this.walk.button);
    this.scroll = h("div", { class: "tl-scroll" }, this.space);
    const [over, strip] = [canvas("tl-over"), canvas("tl-strip")];
    this.bars = new Bars(this.canvas, this.paint);
    this.overlay = new Overlay(over, this.paint);
    this.strip = new Strip(strip, this.paint);
    this.stripText = h("div", { class: "tl-load" });
    this.time = h("span", { class: "tl-time", hidden: true });
    this.grip = h("div", { class: "tl-grip", role: "separator", "aria-orientation": "vertical", tabindex: "0",
      "aria-label": "Width of the names", "aria-valuemin": 120, "aria-valuemax": 480 });
    this.head = h("div", { class: "tl-head" }, h("div", { class: "tl-corner" }, this.stripText), strip, this.time);
    this.stage = h("div", { class: "tl-stage" }, this.canvas, over, this.scroll);
    this.minimap = new Minimap(this.paint, (from, to) => this.period(from, to));
    this.chart = h("div", { class: "tl-chart", tabindex: "0", role: "group", "aria-label": "Timeline",
      "aria-describedby": "tl-keys" }, this.head, this.stage, this.grip);
    this.note = h("p", { class: "tl-message", role: "status" });
    this.tip = new Tip(this.chart);
    this.drawer = new Drawer(this, () => this.closed());
    this.table = new Table((run) => this.open(run));
    this.legendBox = h("div", null, legend(this.paint));
    this.element = h("div", { class: ["tl", !this.source.live && "tl-still"] }, this.toolbar.element,
      h("div", { class: "tl-main" },
        h("div", { class: "tl-body" }, this.note, this.chart, this.minimap.box, this.legendBox, this.table.element),
        this.drawer.element),
      h("p", { class: "unseen", id: "tl-keys" }, "Plus and minus zoom, arrow keys pan, End shows now. "
        + "Down goes to the bars; there the arrow keys go from bar to bar and Enter opens one. "
        + "The table has the same runs."));
    this.element.view = this;
    root.append(this.element);
  }

  connect() {
    const { signal, source, chart } = this;
    const on = (target, name, fn, options) => target.addEventListener(name, fn, { signal, ...options });
    listen(this, this.chart, signal);
    on(chart, "keydown", (event) => {
      if (event.target === chart && keyed(this, event)) event.preventDefault();
    });
    on(this.scroll, "scroll", () => this.ask("bars", "over", "labels"), { passive: true });
    on(document, "theme", () => this.repaint());
    on(matchMedia("(prefers-color-scheme: dark)"), "change", () => this.repaint());
    const sizes = new ResizeObserver(() => this.measure());
    sizes.observe(this.chart);
    signal.addEventListener("abort", () => {
      sizes.disconnect();
      clearTimeout(this.timer);
      clearTimeout(this.drawer.timer);
    });
    this.gripKeys(on);
    source.on("run", (rows) => {
      this.model.take(rows, source.now());
      if (rows.some((row) => row.state === "pending")) this.later("limits", 1500, () => this.askLimits(), true);
      this.ask("bars", "over", "mini", "labels");
    });
    source.on("instant", (rows) => {
      for (const row of rows) this.model.instant(row);
      this.model.points();
      this.later("ahead", 1000, () => this.lookAhead(), true);
      this.ask("bars", "over", "labels");
    });
    source.on("schedule", () => this.later("ahead", 1000, () => this.lookAhead()));
    source.on("resync", () => this.reload());
  }

  gripKeys(on) {
    const to = (width) => {
      prefer("labels", Math.round(Math.max(120, Math.min(480, width))));
      this.measure();
    };
    on(this.grip, "keydown", (event) => {
      const step = { ArrowLeft: -16, ArrowRight: 16 }[event.key];
      if (!step) return;
      event.preventDefault();
      to(this.labels + step);
    });
    on(this.grip, "pointerdown", (event) => {
      event.stopPropagation();
      this.grip.setPointerCapture(event.pointerId);
    });
    on(this.grip, "pointermove", (event) => {
      if (this.grip.hasPointerCapture(event.pointerId)) to(event.clientX - this.chart.getBoundingClientRect().left);
    });
  }

  repaint() {
    Object.assign(this.paint, new Paint());
    replace(this.legendBox, legend(this.paint));
    this.ask("bars", "over", "mini");
  }

  // -- what is shown, and its place in the address ----------------------------------------------

  restore() {
    const { query } = this;
    const time = (name) => Date.parse(query.get(name) ?? "");
    this.by = query.get("by") ?? "task";
    this.text = query.get("q") ?? "";
    this.states = (query.get("state") ?? "").split(",").filter((name) => STATES.includes(name));
    this.idle = query.get("idle") === "1";
    this.shown = query.get("table") === "1";
    const [from, to] = [time("from"), time("to")];
    this.follow = this.source.live && !(to > from);
    this.wanted = to > from ? [from, to] : null;
    this.span = Math.max(1000, Number(query.get("span")) * 1000) || FIRST;
    if (!query.get("span")) this.span = FIRST;
    this.element.classList.toggle("tl-tabled", this.shown);
    this.model.group(this.by, choice(this.model, this.text, this.states));
    this.say();
  }

  /** Show another choice: by, text, states, idle, table. */
  change(given) {
    const names = { by: "by", text: "text", states: "states", idle: "idle", table: "shown" };
    for (const [name, value] of Object.entries(given)) this[names[name]] = value;
    if ("idle" in given) this.fit(this.scale.start, this.scale.end);
    else if (!("table" in given)) {
      this.model.group(this.by, choice(this.model, this.text, this.states));
      this.scroll.scrollTop = 0;
      this.settle(true);
    }
    this.element.classList.toggle("tl-tabled", this.shown);
    this.say();
    this.ask("bars", "over", "mini", "labels");
    this.setQuery({ by: this.by === "task" ? null : this.by, q: this.text || null, state: this.states.join(",") || null,
      idle: this.idle ? "1" : null, table: this.shown ? "1" : null }, { replace: true });
  }

  say() {
    const { span, by, text, states, idle, follow } = this;
    this.toolbar.show({ span: follow ? span : null, by, text, states, idle, follow, table: this.shown });
  }

  /** The period has changed. */
  moved() {
    this.say();
    this.ask("bars", "over");
    this.later("address", 250, () => {
      const at = (time) => new Date(time).toISOString();
      this.setQuery(this.follow
        ? { span: Math.round(this.span) === FIRST ? null : String(Math.round(this.span / 1000)), from: null, to: null }
        : { span: null, from: at(this.scale.start), to: at(this.scale.end) }, { replace: true });
    });
    this.later("cover", 200, () => this.cover());
  }

  // -- moving about -----------------------------------------------------------------------------

  /** Show a period, idle stretches cut short. */
  fit(from, to) {
    const { scale } = this;
    scale.cuts = [];
    scale.fit(from, to);
    for (let round = 0, cuts = -1; !this.idle && round < 3 && cuts !== scale.cuts.length; round++) {
      cuts = scale.cuts.length;
      scale.cut(this.stretches(round === 0), CUT);
      scale.fit(from, to);
    }
    this.follows();
  }

  /** The stretches of the past in which nothing happened. */
  stretches(again) {
    if (!again && this.quiet) return this.quiet;
    const now = this.source.now();
    const spans = [now, now];
    for (const run of this.model.runs.values()) if (run.lane) spans.push(run.created, Math.min(run.over, now));
    for (const item of this.model.instants.values()) spans.push(item.at, item.at);
    this.quiet = idleOf(spans, 2000).filter(({ to }) => to <= now);
    return this.quiet;
  }

  follows() {
    if (this.follow) this.scale.put(this.source.now(), this.width * (1 - AHEAD));
  }

  anchor() {
    return this.follow ? this.width * (1 - AHEAD) : this.width / 2;
  }

  preset(span) {
    this.span = span;
    const to = this.source.live ? this.source.now() : this.model.to;
    this.follow = this.source.live;
    this.fit(to - span, to + span * AHEAD / (1 - AHEAD));
    this.moved();
    this.cover();
  }

  period(from, to) {
    this.follow = false;
    this.scale.cuts = [];
    this.scale.fit(from, to);
    this.moved();
  }

  zoom(factor, x, stay = false) {
    const now = this.width * (1 - AHEAD);
    const keep = this.follow && (stay || x > now - 24);
    this.follow = keep;
    this.scale.zoom(factor, keep ? now : x);
    if (!this.idle) this.scale.cut(this.stretches(false), CUT, keep ? now : x);
    if (keep) this.span = this.scale.per * now;
    this.moved();
  }

  pan(pixels) {
    if (!pixels) return;
    this.follow = false;
    this.scale.start = this.scale.time(pixels);
    this.moved();
  }

  home() {
    this.follow = false;
    this.scale.put(this.model.from, 8);
    this.moved();
  }

  goNow() {
    this.follow = this.source.live;
    this.span = this.scale.per * this.width * (1 - AHEAD);
    this.scale.put(this.source.now(), this.width * (1 - AHEAD));
    this.moved();
    this.cover();
  }

  /** Have something in sight. */
  reveal(item, place) {
    const box = boxOf(this, item, place);
    if (!box) return;
    if (box.x + box.width < 10 || box.x > this.width - 10) this.pan(box.x + Math.min(box.width, this.width) / 2 - this.width / 2);
    const { scroll } = this;
    if (box.y < scroll.scrollTop + 4) scroll.scrollTop = box.y - 30;
    else if (box.y + box.height > scroll.scrollTop + this.height) scroll.scrollTop = box.y + box.height + 30 - this.height;
    this.look({ item, place }, true);
  }

  // -- what somebody looks at -------------------------------------------------------------------

  hover(x, y) {
    this.pointer = [x, y];
    this.cursor = y > -STRIP - AXIS && x >= 0 && x <= this.width ? x : null;
    this.look(y >= 0 && x >= 0 && x <= this.width ? hit(this, x, y + this.top) : null);
    this.time.hidden = this.cursor === null;
    if (this.cursor !== null) {
      this.time.textContent = cursorText(this.scale.time(x), this.scale.per);
      this.time.style.transform = `translateX(${Math.min(this.width - 30, Math.max(30, x)) + this.labels}px)`;
      if (y < 0 && y > -STRIP - AXIS) this.stripTip(x);
    }
    this.ask("over");
  }

  stripTip(x) {
    const at = Math.min(this.strip.running.length - 1, Math.floor(x));
    const round = (value) => (value >= 10 || value === Math.round(value) ? Math.round(value) : value.toFixed(1));
    const facts = [["running", String(round(this.strip.running[at]))], ["waiting", String(round(this.strip.queued[at]))]];
    if (this.model.slots) facts.push(["may run", String(this.model.slots)]);
    this.tip.show({ look: "running", title: cursorText(this.scale.time(x), this.scale.per), id: "", state: "click: what was there then", facts },
      { x: x + this.labels, y: 0, width: 0, height: STRIP + AXIS });
  }

  leave() {
    this.cursor = this.pointer = null;
    this.time.hidden = true;
    this.look(document.activeElement === this.walk.button && this.walk.item
      ? { item: this.walk.item, place: this.walk.place } : null);
    this.ask("over");
  }

  /** Explain something, or nothing. */
  look(found, focused = false) {
    if (!found) {
      if (this.hot || !this.tip.element.hidden) this.tip.hide();
      if (this.hot) this.element.classList.remove("tl-hot");
      this.hot = null;
      this.lit = [];
      this.ask("over");
      return;
    }
    const same = this.hot?.item === found.item && !this.hot.chip === !found.chip;
    this.hot = found;
    this.element.classList.add("tl-hot");
    if (same && !focused) return;
    this.tell();
    const { item } = found;
    if (found.chip || item.kind) return;
    if (item.flow !== null) this.critical.want(item.flow);
    this.later("tell", focused ? 0 : 130, () => this.hot?.item === item && this.inquire(item));
  }

  /** Ask the service what it knows of a run. */
  async inquire(run) {
    const before = this.known.get(run.id);
    const fresh = before && before.state === run.state && (run.state >= RUNNING || Date.now() - before.at < 2000);
    if (!fresh) {
      try {
        const [details, why] = await Promise.all([this.source.run(run.id),
          run.state < RUNNING ? this.source.why(run.id) : null]);
        if (this.known.size > 2000) this.known.clear();
        this.known.set(run.id, { details, why, state: run.state, at: Date.now() });
      } catch {
        return; // it may have been removed; what is drawn still holds
      }
    }
    if (this.hot?.item === run) this.tell();
  }

  tell() {
    const { item, place, chip } = this.hot;
    const found = chip ? explainChip(this, chip) : explain(this, item, this.known.get(item.id));
    this.lit = chip || item.kind ? [] : this.blockers(item);
    const box = chip ? { x: chip.left, y: chip.y + this.top, width: chip.right - chip.left, height: chip.tall }
      : boxOf(this, item, place);
    if (!box) return;
    const here = ({ x, y, width, height }) => ({ x: Math.max(0, x) + this.labels, y: y - this.top + STRIP + AXIS,
      width: Math.min(x + width, this.width) - Math.max(0, x), height });
    this.tip.show(found, here(box), this.lit.map((run) => boxOf(this, run)).filter(Boolean).map(here));
    if (this.walk.item === item) this.walk.button.setAttribute("aria-label", found.text);
    this.ask("over", "bars");
  }

  /** The runs a run waits for, as far as they are here. */
  blockers(run) {
    if (run.state >= RUNNING) return [];
    const ids = new Set(this.model.held.get(run.id)?.holders ?? []);
    for (const [, id] of (this.known.get(run.id)?.why ?? "").matchAll(/\(run (\d+)\)/g)) ids.add(Number(id));
    ids.delete(run.id);
    return [...ids].map((id) => this.model.runs.get(id)).filter((other) => other?.lane);
  }

  explainFocus(item) {
    return explain(this, item, this.known.get(item.id)).text;
  }

  box(item, place) {
    return boxOf(this, item, place);
  }

  press(x, y) {
    if (x < 0 || x > this.width) return;
    if (y < 0 && y > -STRIP - AXIS) {
      this.change({ text: `at:${new Date(this.scale.time(x)).toISOString()}` });
      return;
    }
    const found = hit(this, x, y + this.top);
    if (found?.chip) this.closer(found.chip);
    else if (found) {
      this.walk.grasp(found.item, found.place);
      if (!found.item.kind) this.open(found.item, false);
    }
  }

  /** Come closer to runs that are too short to tell apart. */
  closer({ runs, from, to }) {
    const [first, last] = [runs[from].begin, Math.max(runs[to].over, runs[from].begin + 1)];
    const spare = Math.max(5, (last - first) * 0.15);
    this.period(first - spare, last + spare);
  }

  open(item, focus = true) {
    if (item.kind) return;
    const chip = focus && document.activeElement === this.walk.button && this.chipOf(item);
    if (chip) {
      this.closer(chip);
      return;
    }
    this.walk.set(item, this.walk.item === item ? this.walk.place : null);
    this.drawer.open(item, focus);
    this.setQuery({ run: String(item.id) }, { replace: true });
    this.look(null);
  }

  /** The runs among which one cannot be told apart. */
  chipOf(run) {
    return this.bars.chips.find(({ lane, from, to, runs }) =>
      lane === run.lane && run.begin >= runs[from].begin && run.begin <= runs[to].begin && runs.includes(run));
  }

  closed() {
    this.setQuery({ run: null }, { replace: true });
    this.walk.grasp(this.walk.item, this.walk.place);
  }

  escape() {
    if (!this.drawer.run) return false;
    this.drawer.close();
    return true;
  }

  // -- what is known ------------------------------------------------------------------------------

  async begin() {
    this.measure();
    const now = this.source.now();
    const [from, to] = this.wanted ?? [now - this.span, now + this.span * AHEAD / (1 - AHEAD)];
    await this.load(from - (to - from) / 2, to + (to - from) / 2);
    if (this.signal.aborted) return;
    const here = this.wanted ?? (this.source.live ? [from, to] : this.whole());
    this.fit(...here);
    this.settle(true);
    this.say();
    this.draw(["bars", "over", "labels", "mini"]);
    performance.mark("timeline-painted");
    this.element.dataset.ready = "";
    this.askLimits();
    const run = this.model.runs.get(Number(this.query.get("run")));
    if (run) this.open(run, false);
  }

  /** All that a page brings along. */
  whole() {
    let [from, to] = [Infinity, -Infinity];
    for (const run of this.model.runs.values()) {
      from = Math.min(from, run.created);
      to = Math.max(to, Math.min(run.over, this.source.now()));
    }
    if (from > to) [from, to] = [this.model.from, this.model.to];
    const spare = Math.max(50, (to - from) * 0.03);
    return [from - spare, to + spare];
  }

  async load(since, until) {
    const data = await this.source.load(since, until);
    if (this.signal.aborted) return;
    this.model.load(data);
    this.toolbar.offer(this.model.tasks);
    this.message();
  }

  message() {
    const { model } = this;
    let text = "";
    if (model.cut) text = "There are more runs than are shown here; those that run and the newest of the others are. Come closer, or filter.";
    replace(this.note, text);
    this.note.hidden = !text;
  }

  /** Get what is looked at and not known yet. */
  async cover() {
    if (!this.source.live || this.loading || this.signal.aborted) return;
    const { model, scale, source } = this;
    const now = source.now();
    const [from, to] = [scale.start, scale.end];
    const spare = (to - from) / 2;
    const missing = from < model.from ? (model.cut && to - from > 2 * (Math.min(to, now) - model.from) ? null : "before") : null;
    const later = Math.min(to, now) > model.to + 1000 ? "after" : null;
    if (!missing && !later) {
      if (to > (this.ahead ?? 0) && to > now) this.lookAhead();
      return;
    }
    this.loading = true;
    try {
      const apart = to < model.from || from > model.to || (model.cut && missing && (from + to) / 2 < model.from);
      if (apart) {
        model.clear();
        await this.load(from - spare, to + spare);
      } else if (missing) {
        await this.load(from - spare, model.from);
      } else {
        await this.load(model.to, to + spare);
      }
      this.settle(true);
      if (!this.idle && !this.signal.aborted) this.scale.cut(this.stretches(true), CUT, this.anchor());
      this.ask("bars", "over", "mini", "labels");
    } catch (error) {
      if (error.name !== "AbortError") replace(this.note, error.message);
      this.note.hidden = false;
    } finally {
      this.loading = false;
    }
  }

  /** Get what is to come. */
  async lookAhead() {
    if (this.signal.aborted || !this.source.live) return;
    const now = this.source.now();
    const until = Math.max(now + 60_000, this.scale.end + (this.scale.end - this.scale.start) / 4);
    const data = await this.source.load(now - 1, until).catch(() => null);
    if (!data || this.signal.aborted) return;
    this.ahead = until;
    this.model.load({ ...data, truncated: this.model.cut, since: new Date(Math.min(now - 1, this.model.to)).toISOString() });
    this.ask("bars", "over", "labels");
  }

  async askLimits() {
    const rows = await this.source.limits().catch(() => null);
    if (!rows || this.signal.aborted) return;
    this.model.limits(rows);
    this.ask("bars");
  }

  async reload() {
    this.model.clear();
    this.ahead = 0;
    await this.cover();
  }

  // -- drawing --------------------------------------------------------------------------------

  /** Do something after a while; asked again meanwhile: after that while from then on (by default),
   * or still when it was first asked (`steady`). */
  later(name, ms, fn, steady = false) {
    this.timers ??= new Map();
    if (steady && this.timers.has(name)) return;
    clearTimeout(this.timers.get(name));
    this.timers.set(name, setTimeout(() => {
      this.timers.delete(name);
      if (!this.signal.aborted) fn();
    }, ms));
  }

  measure() {
    const wide = Math.floor(this.chart.clientWidth);
    const high = Math.floor(this.stage.clientHeight);
    if (!wide || !high) return;
    const narrow = wide < SMALL;
    this.labels = narrow ? 0 : pref("labels", 220);
    this.element.classList.toggle("tl-narrow", narrow);
    this.element.style.setProperty("--labels", `${this.labels}px`);
    this.grip.setAttribute("aria-valuenow", this.labels);
    const width = Math.max(60, Math.floor(this.scroll.clientWidth) - this.labels);
    if (width === this.width && high === this.height && narrow === this.narrow) return;
    const [from, to, fresh] = [this.scale.start, this.scale.end, this.width === undefined];
    Object.assign(this, { width, narrow, height: high });
    this.scale.width = width;
    if (!fresh && !this.follow) this.scale.fit(from, to);
    this.follows();
    this.bars.resize(width, high);
    this.overlay.resize(width, high);
    this.strip.resize(width);
    this.minimap.resize(wide);
    if (!fresh) this.settle(true);
    if (!fresh && this.model.from < Infinity) this.draw(["bars", "over", "labels", "mini"]);
  }

  /** Lanes in order, in their places; again: somebody wants another picture, so they may move. */
  settle(again = false) {
    if (!this.height) return;
    this.model.settle();
    if (this.layout.update(this.model, this.height, this.narrow, again)) {
      this.space.style.height = `${this.layout.total}px`;
      this.dirty.add("labels");
    }
  }

  /** Have something drawn with the next frame. */
  ask(...parts) {
    for (const part of parts) this.dirty.add(part);
    this.asked ??= requestAnimationFrame(() => {
      this.asked = undefined;
      if (this.signal.aborted) return;
      const wanted = [...this.dirty];
      this.dirty.clear();
      this.draw(wanted);
    });
  }

  draw(parts) {
    if (!this.width || this.model.from === Infinity) return;
    const begun = performance.now();
    const wanted = new Set(parts);
    this.now = this.source.now();
    this.top = this.scroll.scrollTop;
    this.follows();
    if (wanted.has("bars")) {
      this.settle();
      this.ticks = this.marks();
      this.bars.draw(this);
      this.strip.draw(this);
      this.minimap.show(this.scale.start, this.scale.end);
      if (this.walk.item) this.walk.follow();
      if (this.pointer && !this.hot) this.hover(...this.pointer); // something may have come there
    }
    if (wanted.has("over") || wanted.has("bars")) this.overlay.draw(this);
    if (wanted.has("labels") || this.dirty.has("labels")) this.names.draw(this);
    this.seldom(begun, wanted);
    this.wake();
    const took = performance.now() - begun;
    this.stats.frames++;
    this.stats.drawn = performance.now();
    this.stats.longest = Math.max(this.stats.longest, took);
  }

  /** What need not be up to date with every frame. */
  seldom(time, wanted) {
    if (wanted.has("mini") && time - (this.miniAt ?? -1e9) > 1000) {
      this.miniAt = time;
      const from = Math.max(this.model.from, this.now - 40 * 86400e3);
      this.minimap.draw(this.model, from, Math.max(this.model.to, this.follow ? this.scale.end : 0), this.now);
      this.minimap.show(this.scale.start, this.scale.end);
      this.message();
    } else if (wanted.has("mini")) {
      this.later("mini", 1000, () => this.ask("mini"), true);
    }
    if (time - (this.countAt ?? -1e9) > 300) {
      this.countAt = time;
      this.count();
      if (this.by === "flow") {
        for (const { lane } of this.layout.places.slice(0, 30)) {
          if (lane?.key.startsWith("flow ")) this.critical.want(Number(lane.key.slice(5)));
        }
      }
      this.drawer.draw();
    }
    const key = `${this.model.version} ${Math.round(this.scale.start / this.scale.per)}`;
    if (key !== this.tableKey) {
      this.later("table", this.shown ? 300 : 1500, () => {
        this.tableKey = key;
        this.table.draw(this);
      }, true);
    }
  }

  count() {
    const counts = new Array(STATES.length).fill(0);
    const [from, to] = [this.scale.start, this.scale.end];
    for (const run of this.model.runs.values()) {
      if (run.created < to && run.over >= from && !this.model.flows.has(run.id)) counts[run.state]++;
    }
    this.toolbar.count(counts);
    const at = this.now <= to ? Math.max(0, Math.min(this.width - 1, Math.floor(this.scale.x(this.now)) - 1)) : -1;
    if (at >= 0) {
      replace(this.stripText, h("b", null, `${counts[RUNNING]} running`), h("span", null, `${counts[0] + counts[1] + counts[2]} waiting`),
        this.model.slots ? h("span", { class: "tl-slots" }, `${this.model.slots} may run`) : null);
    } else replace(this.stripText, h("b", null, "running, waiting"));
  }

  /** Times on the axis; none in what is cut out. */
  marks() {
    const { scale, width } = this;
    const found = [];
    const end = scale.end;
    let from = scale.start;
    let last = -Infinity;
    for (const cut of [...scale.cuts.filter((one) => one.to > from && one.from < end), { from: end, to: end }]) {
      if (cut.from > from) {
        for (const tick of ticks(from / 1000, cut.from / 1000, (cut.from - from) / scale.per, 76)) {
          const x = scale.x(tick.at * 1000);
          if (x < last + 64 || x > width) continue;
          last = x + (tick.day ? 16 : 0);
          found.push({ ...tick, x });
        }
      }
      from = cut.to;
    }
    return found;
  }

  /** Draw again when what runs has grown by half a pixel. */
  wake() {
    clearTimeout(this.timer);
    const x = this.scale.x(this.now);
    if (!this.source.live || (!this.follow && (x < 0 || x > this.width))) return;
    const pace = Math.max(calm() ? 1000 : 30, Math.min(1000, this.scale.per / 2));
    this.timer = setTimeout(() => {
      this.ask("bars", "over");
      if (this.hot && !this.tip.element.hidden && this.hot.item.state === RUNNING) this.tell();
    }, pace);
  }
}
