// The timeline: what runs beside what, as it happens. Puts the parts together.

import { h, replace } from "../dom.js";
import { calm, pref, prefer } from "../prefs.js";
import { ticks } from "../time.js";
import { Cover } from "./cover.js";
import { Critical } from "./critical.js";
import { Bars, Paint } from "./draw.js";
import { Drawer } from "./drawer.js";
import { boxOf } from "./explain.js";
import { keyed, listen } from "./gestures.js";
import { Labels } from "./labels.js";
import { Layout } from "./layout.js";
import { Look } from "./look.js";
import { Minimap } from "./minimap.js";
import { choice, Model, RUNNING, STATES } from "./model.js";
import { Overlay } from "./overlay.js";
import { idleOf, Scale } from "./scale.js";
import { stillSource } from "./source.js";
import { Strip } from "./strip.js";
import { Table } from "./table.js";
import { legend, Toolbar } from "./toolbar.js";
import { Walk } from "./walk.js";

const NOW = 0.88; // of the width lies in the past while following
const FIRST = 3_600_000; // what is shown at first
const CUT = 160; // pixels an idle stretch has to have to be cut short
const SMALL = 640; // pixels below which names stand above their lanes
const NARROWEST = 120; // names
const WIDEST = 480;

/**
 * Put a timeline into an element. options: source, query, setQuery, signal; or {data, static: true}
 * for a page that brings along what it shows (the body of GET /timeline). Returns the view;
 * `ready` is done when it shows something.
 */
export function mount(root, options) {
  return new View(root, options.static ? { source: stillSource(options.data) } : options);
}

class View {
  constructor(root, { source, query = new URLSearchParams(), setQuery, signal = new AbortController().signal }) {
    Object.assign(this, { source, query, signal });
    /** Note something in the address. */
    this.note = (changes) => setQuery?.(changes, { replace: true });
    this.model = new Model();
    this.scale = new Scale();
    this.layout = new Layout();
    this.paint = new Paint();
    this.timers = new Map();
    this.later = this.later.bind(this);
    this.cover = new Cover(this);
    this.critical = new Critical(this.model, source, () => this.ask());
    this.build(root);
    this.restore();
    this.connect();
    this.ready = this.begin();
  }

  // -- parts ----------------------------------------------------------------------------------

  build(root) {
    const { paint, source } = this;
    const canvas = () => h("canvas", { "aria-hidden": "true" });
    const strip = canvas();
    const over = canvas();
    const time = h("span", { class: "tl-time", hidden: true });
    this.toolbar = new Toolbar(this, source.live);
    this.walk = new Walk(this);
    this.names = new Labels(source.live);
    this.canvas = canvas();
    this.space = h("div", { class: "tl-space" }, this.names.element, this.walk.button);
    this.scroll = h("div", { class: "tl-scroll" }, this.space);
    this.empty = h("div", { class: "tl-empty", hidden: true });
    this.stage = h("div", { class: "tl-stage" }, this.canvas, over, this.scroll, this.empty);
    this.numbers = h("div", { class: "tl-load" });
    this.grip = h("div", { class: "tl-grip", role: "separator", "aria-orientation": "vertical", tabindex: 0,
      "aria-label": "Width of the names", "aria-valuemin": NARROWEST, "aria-valuemax": WIDEST });
    this.chart = h("div", { class: "tl-chart", tabindex: 0, role: "group", "aria-label": "Timeline", "aria-describedby": "tl-keys" },
      h("div", { class: "tl-head" }, h("div", { class: "tl-corner" }, this.numbers), strip, time), this.stage, this.grip);
    this.bars = new Bars(this.canvas, paint);
    this.overlay = new Overlay(over, paint);
    this.strip = new Strip(strip, paint);
    this.minimap = new Minimap(paint, (time) => {
      this.follow = false;
      this.scale.put(time, this.width / 2);
      this.moved();
    });
    this.look = new Look(this, this.chart, time);
    this.drawer = new Drawer(this, () => this.look.closed());
    this.table = new Table((run) => this.look.open(run));
    this.message = h("p", { class: "tl-message", role: "status", hidden: true });
    this.legend = h("div", null, legend(paint));
    this.element = h("div", { class: "tl" }, this.toolbar.element,
      h("div", { class: "tl-main" },
        h("div", { class: "tl-body" }, this.message, this.chart, this.minimap.box, this.legend, this.table.element),
        this.drawer.element),
      h("p", { class: "unseen", id: "tl-keys" }, "Down goes to the bars, arrow keys go from one to the next, Enter opens. The table has the same runs."));
    this.element.view = this;
    root.append(this.element);
  }

  connect() {
    const { signal, chart, grip } = this;
    const on = (target, name, fn) => target.addEventListener(name, fn, { signal });
    listen(this, chart, signal);
    on(chart, "keydown", (event) => {
      if (event.target === chart && keyed(this, event)) event.preventDefault();
    });
    on(this.scroll, "scroll", () => this.ask());
    on(document, "theme", () => {
      Object.assign(this.paint, new Paint());
      replace(this.legend, legend(this.paint));
      this.minimap.drawn = 0;
      this.ask();
    });
    const widen = (width) => {
      prefer("labels", Math.round(Math.max(NARROWEST, Math.min(WIDEST, width))));
      this.measure();
    };
    on(grip, "keydown", ({ key }) => {
      if (key === "ArrowLeft" || key === "ArrowRight") widen(this.labels + (key === "ArrowLeft" ? -16 : 16));
    });
    on(grip, "pointerdown", (event) => grip.setPointerCapture(event.pointerId));
    on(grip, "pointermove", (event) => {
      if (grip.hasPointerCapture(event.pointerId)) widen(event.clientX - chart.getBoundingClientRect().left);
    });
    const sizes = new ResizeObserver(() => this.measure());
    sizes.observe(chart);
    on(signal, "abort", () => {
      sizes.disconnect();
      for (const timer of this.timers.values()) clearTimeout(timer);
    });
    this.cover.listen();
  }

  // -- what is shown, and its place in the address ----------------------------------------------

  restore() {
    const said = (name) => this.query.get(name) ?? "";
    const [from, to] = [Date.parse(said("from")), Date.parse(said("to"))];
    this.wanted = to > from ? [from, to] : null;
    this.follow = this.source.live && !this.wanted;
    this.span = said("span") * 1000 || FIRST;
    this.change({ by: said("by") || "task", text: said("q"), idle: said("idle") === "1", table: said("table") === "1",
      states: said("state").split(",").filter((name) => STATES.includes(name)) });
  }

  /** Show another choice: by, text, states, idle (stretches at full length), table. */
  change(given) {
    this.choice = { ...this.choice, ...given };
    const { by, text, states, idle, table } = this.choice;
    this.element.classList.toggle("tl-tabled", table);
    if ("by" in given || "text" in given || "states" in given) {
      this.model.group(by, choice(this.model, text, states));
      this.scroll.scrollTop = 0;
      this.settle(true);
    }
    if (this.width && "idle" in given) this.fit(this.scale.start, this.scale.end);
    this.show();
    this.ask();
    this.note({ by: by === "task" ? null : by, q: text, state: states.join(), idle: idle ? 1 : null, table: table ? 1 : null });
  }

  show() {
    this.toolbar.show({ ...this.choice, follow: this.follow, span: this.follow && this.span });
  }

  /** The period has changed. */
  moved() {
    this.show();
    this.ask();
    this.later("address", 250, () => {
      const at = (time) => new Date(time).toISOString();
      const span = Math.round(this.span / 1000);
      this.note(this.follow ? { span: span * 1000 === FIRST ? null : span, from: null, to: null }
        : { span: null, from: at(this.scale.start), to: at(this.scale.end) });
    }, true);
    this.later("cover", 200, () => this.cover.fill(), true);
  }

  // -- moving about -----------------------------------------------------------------------------

  /** Show a period, idle stretches cut short. */
  fit(from, to) {
    const { scale } = this;
    scale.cuts = [];
    scale.fit(from, to);
    for (let round = 0; !this.choice.idle && round < 3; round++) {
      scale.cut(this.stretches(round === 0), CUT);
      scale.fit(from, to);
    }
    this.keep();
  }

  /** The stretches of the past in which nothing happened. */
  stretches(again) {
    if (again || !this.quiet) {
      const now = this.source.now();
      const spans = [now, now];
      for (const run of this.model.runs.values()) if (run.lane) spans.push(run.created, Math.min(run.over, now));
      for (const { at } of this.model.instants.values()) spans.push(at, at);
      this.quiet = idleOf(spans, 2000).filter(({ to }) => to <= now);
    }
    return this.quiet;
  }

  /** While following, now stays where it is. */
  keep() {
    if (this.follow) this.scale.put(this.source.now(), this.anchor());
  }

  /** What stays where it is while keys zoom. */
  anchor() {
    return this.width * (this.follow ? NOW : 0.5);
  }

  preset(span = FIRST) {
    this.span = span;
    this.follow = this.source.live;
    const to = this.follow ? this.source.now() : this.model.to;
    this.fit(to - span, to + span * (1 / NOW - 1));
    this.moved();
  }

  period(from, to) {
    this.follow = false;
    this.scale.cuts = [];
    this.scale.fit(from, to);
    this.moved();
  }

  /** Zoom around a place, by default what keys zoom around; that does not end following. */
  zoom(factor, x = this.anchor()) {
    if (x < this.anchor() - 24) this.follow = false;
    const place = this.follow ? this.anchor() : x;
    this.scale.zoom(factor, place);
    if (!this.choice.idle) this.scale.cut(this.stretches(), CUT, place);
    this.span = this.scale.per * this.width * NOW;
    this.moved();
  }

  pan(pixels) {
    this.follow = false;
    this.scale.start = this.scale.time(pixels);
    this.moved();
  }

  goNow() {
    this.follow = this.source.live;
    this.span = this.scale.per * this.width * NOW;
    this.scale.put(this.source.now(), this.width * NOW);
    this.moved();
  }

  /** Have something in sight. */
  reveal(item, place) {
    const box = this.box(item, place);
    if (!box) return;
    const { scroll, width, height } = this;
    if (box.x + box.width < 10 || box.x > width - 10) this.pan(box.x + Math.min(box.width, width) / 2 - width / 2);
    if (box.y < scroll.scrollTop + 4) scroll.scrollTop = box.y - 30;
    else if (box.y + box.height > scroll.scrollTop + height) scroll.scrollTop = box.y + box.height + 30 - height;
  }

  /** Where something is, in pixels from the corner of the lanes. */
  box(item, place) {
    return boxOf(this, item, place);
  }

  // -- what is known ------------------------------------------------------------------------------

  async begin() {
    this.measure();
    const now = this.source.now();
    const here = this.wanted ?? [now - this.span, now + this.span * (1 / NOW - 1)];
    const spare = (here[1] - here[0]) / 2;
    await this.cover.load(here[0] - spare, here[1] + spare);
    if (this.signal.aborted) return;
    this.fit(...(this.source.live ? here : this.model.extent(now)));
    this.draw();
    requestAnimationFrame(() => performance.mark("timeline-painted"));
    this.element.dataset.ready = "";
    this.cover.limits();
    const run = this.model.runs.get(Number(this.query.get("run")));
    if (run) this.look.open(run, false);
  }

  /** There is more to see. */
  loaded() {
    const { model } = this;
    this.toolbar.offer(model.tasks);
    this.settle(true);
    if (this.element.dataset.ready !== undefined && !this.choice.idle) this.scale.cut(this.stretches(true), CUT, this.anchor());
    this.say(model.cut ? "Not all runs are here, only the newest. Come closer or filter to see others." : "");
    this.minimap.drawn = 0;
    this.ask();
  }

  say(text) {
    this.message.textContent = text;
    this.message.hidden = !text;
  }

  // -- drawing --------------------------------------------------------------------------------

  /** Do something after a while; anew: not before nobody has asked for it that long. */
  later(name, ms, fn, anew = false) {
    const { timers } = this;
    if (timers.has(name) && !anew) return;
    clearTimeout(timers.get(name));
    timers.set(name, setTimeout(() => {
      timers.delete(name);
      if (!this.signal.aborted) fn();
    }, ms));
  }

  measure() {
    const wide = this.chart.clientWidth;
    const height = this.stage.clientHeight;
    if (!wide || !height) return;
    const narrow = wide < SMALL;
    const labels = narrow ? 0 : pref("labels", 220);
    this.element.classList.toggle("tl-narrow", narrow);
    this.element.style.setProperty("--labels", `${labels}px`);
    this.grip.setAttribute("aria-valuenow", labels);
    const width = Math.max(60, this.scroll.clientWidth - labels);
    if (width === this.width && height === this.height) return;
    const { scale } = this;
    const [from, to] = [scale.start, scale.end];
    Object.assign(this, { width, height, narrow, labels });
    scale.width = width;
    if (!this.follow) scale.fit(from, to);
    this.paint.hatches.clear();
    this.bars.resize(width, height);
    this.overlay.resize(width, height);
    this.strip.resize(width);
    this.minimap.resize(wide);
    this.settle(true);
    if (this.element.dataset.ready !== undefined) this.draw();
  }

  /** Lanes in order, in their places; again: somebody wants another picture, so they may move. */
  settle(again = false) {
    if (!this.height) return;
    this.model.settle();
    this.layout.update(this.model, this.height, this.narrow, again);
    this.space.style.height = `${this.layout.total}px`;
  }

  /** Have all drawn with the next frame, or only what is over the bars. */
  ask(part) {
    this.whole ||= part !== "over";
    this.asked ??= requestAnimationFrame(() => {
      this.asked = undefined;
      if (!this.signal.aborted && this.model.from < Infinity) this.draw(this.whole);
    });
  }

  draw(whole = true) {
    this.whole = false;
    if (whole) {
      this.now = this.source.now();
      this.top = this.scroll.scrollTop;
      this.keep();
      this.settle();
      this.ticks = this.marks();
      this.bars.draw(this);
      this.strip.draw(this);
      this.names.draw(this);
      this.minimap.draw(this);
      this.walk.follow();
      const { pointer, hot } = this.look;
      if (pointer && !hot) this.look.hover(...pointer); // something may have come there
      this.seldom();
    }
    this.overlay.draw(this);
    this.wake();
  }

  /** What need not be up to date with every frame. */
  seldom() {
    this.later("count", 300, () => {
      this.count();
      this.lack();
      this.cover.fill();
      this.drawer.draw();
      if (this.choice.by !== "flow") return;
      for (const { lane } of this.layout.places.slice(0, 30)) {
        if (lane?.key.startsWith("flow")) this.critical.want(Number(lane.key.slice(5)));
      }
    });
    this.later("table", this.table.rows && !this.choice.table ? 2000 : 300, () => this.table.draw(this));
  }

  /** Where nothing is, what to do. */
  lack() {
    const { text, states } = this.choice;
    this.empty.hidden = this.layout.places.length > 0;
    if (this.empty.hidden) return;
    replace(this.empty, text || states.length ? "Nothing matches the filter in this time."
      : ["Nothing ran in this time. Look at more of it, or ", h("a", { href: "/tasks" }, "start a task"), "."]);
  }

  count() {
    const counts = STATES.map(() => 0);
    const { start, end } = this.scale;
    for (const run of this.model.runs.values()) {
      if (run.created < end && run.over >= start && !this.model.flows.has(run.id)) counts[run.state]++;
    }
    this.toolbar.count(counts);
    const { slots } = this.model;
    replace(this.numbers, h("b", null, `${counts[RUNNING]} running`), h("span", null, `${counts[0] + counts[1] + counts[2]} waiting`),
      slots > 0 && h("span", { class: "tl-slots" }, `${slots} may run`));
  }

  /** Times on the axis; none in what is cut out. */
  marks() {
    const { scale, width } = this;
    const found = [];
    const { end } = scale;
    let from = scale.start;
    let last = -Infinity;
    for (const cut of [...scale.cuts, { from: end, to: end }]) {
      const to = Math.min(cut.from, end);
      if (to > from) {
        for (const tick of ticks(from / 1000, to / 1000, (to - from) / scale.per, 76)) {
          const x = scale.x(tick.at * 1000);
          if (x < last + 64 || x > width) continue;
          last = x + (tick.day ? 16 : 0);
          found.push({ ...tick, x });
        }
      }
      from = Math.max(from, cut.to);
    }
    return found;
  }

  /** Draw again when what runs has grown by half a pixel. */
  wake() {
    const { scale, look } = this;
    if (!this.source.live || (!this.follow && scale.end < this.now)) return;
    this.later("wake", Math.max(calm() ? 1000 : 30, Math.min(1000, scale.per / 2)), () => {
      this.ask();
      if (look.hot?.item.state === RUNNING) look.tell();
    });
  }
}
