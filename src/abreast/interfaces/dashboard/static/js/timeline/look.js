// What somebody looks at: says what it is, what it waits for, and opens it.

import { explain, explainChip, hit, Tip } from "./explain.js";
import { PENDING } from "./model.js";
import { cursorText } from "./overlay.js";
import { AXIS, STRIP } from "./strip.js";

const HEAD = STRIP + AXIS;

/** Follows the pointer and the focus. view: bars, model, source, critical, walk, …; chart: its element. */
export class Look {
  constructor(view, chart, time) {
    this.view = view;
    this.time = time; // says where the pointer is
    this.tip = new Tip(chart);
    this.hot = null; // what is explained: {item, place, chip}
    this.lit = []; // what that waits for
    this.cursor = null; // where the pointer is, from left
    this.known = new Map(); // what the service told about runs
  }

  hover(x, y) {
    const { view, time } = this;
    const inside = x >= 0 && x <= view.width && y > -HEAD;
    this.pointer = [x, y];
    this.cursor = inside ? x : null;
    this.at(inside && y >= 0 ? hit(view, x, y + view.top) : null);
    time.hidden = !inside;
    if (inside) {
      time.textContent = cursorText(view.scale.time(x), view.scale.per);
      time.style.transform = `translateX(${Math.min(view.width - 30, Math.max(30, x)) + view.labels}px)`;
      if (y < 0) this.load(x);
    }
    view.ask("over");
  }

  /** How much there was at a time. */
  load(x) {
    const { model, strip, labels } = this.view;
    const at = Math.floor(x);
    const number = (values) => String(Math.round((values[at] ?? 0) * 10) / 10);
    const facts = [["running", number(strip.running)], ["waiting", number(strip.queued)]];
    if (model.slots) facts.push(["may run", String(model.slots)]);
    this.tip.show({ look: "running", title: this.time.textContent, state: "click: only what was there then", facts },
      { x: x + labels, y: 0, width: 0, height: HEAD });
  }

  leave() {
    const { button, item, place } = this.view.walk;
    this.cursor = this.pointer = null;
    this.time.hidden = true;
    this.at(document.activeElement === button && item ? { item, place } : null);
  }

  /** Explain something, or nothing. */
  at(found, focused = false) {
    const { hot, view } = this;
    this.hot = found;
    view.chart.classList.toggle("tl-hot", Boolean(found));
    view.ask("over");
    if (!found) {
      this.tip.hide();
      this.lit = [];
      return;
    }
    const { item, chip } = found;
    if (hot?.item === item && !hot.chip === !chip && !focused) return;
    this.tell();
    if (chip || item.kind) return;
    if (item.flow !== null) view.critical.want(item.flow);
    view.later("inquire", focused ? 0 : 130, () => this.hot?.item === item && this.inquire(item), true);
  }

  /** Ask the service what it knows of a run. */
  async inquire(run) {
    const { source } = this.view;
    const before = this.known.get(run.id);
    if (before?.state !== run.state || (run.state <= PENDING && Date.now() - before.at > 2000)) {
      try {
        const [details, why] = await Promise.all([source.run(run.id), run.state <= PENDING && source.why(run.id)]);
        if (this.known.size > 2000) this.known.clear();
        this.known.set(run.id, { details, why, state: run.state, at: Date.now() });
      } catch {
        return; // it may have been removed; what is drawn still holds
      }
    }
    if (this.hot?.item === run) this.tell();
  }

  /** What there is to say of something. */
  said(item) {
    return explain(this.view, item, this.known.get(item.id));
  }

  tell() {
    const { view, hot: { item, place, chip } } = this;
    const found = chip ? explainChip(view, chip) : this.said(item);
    this.lit = chip || item.kind ? [] : this.blockers(item);
    const box = chip ? { x: chip.left, y: chip.y + view.top, width: chip.right - chip.left, height: chip.tall }
      : view.box(item, place);
    if (!box) return;
    const here = ({ x, y, width, height }) => ({ x: Math.max(0, x) + view.labels, y: y - view.top + HEAD,
      width: Math.min(x + width, view.width) - Math.max(0, x), height });
    this.tip.show(found, here(box), this.lit.map((run) => view.box(run)).filter(Boolean).map(here));
    if (view.walk.item === item) view.walk.name(found.text);
    view.ask("over");
  }

  /** The runs a run waits for, as far as they are here. */
  blockers(run) {
    if (run.state > PENDING) return [];
    const { model } = this.view;
    const ids = new Set(model.held.get(run.id)?.holders);
    for (const [, id] of (this.known.get(run.id)?.why || "").matchAll(/\(run (\d+)\)/g)) ids.add(Number(id));
    ids.delete(run.id);
    return [...ids].map((id) => model.runs.get(id)).filter((other) => other?.lane);
  }

  press(x, y) {
    const { view } = this;
    if (x > view.width || y < -HEAD) return;
    if (y < 0) {
      view.change({ text: `at:${new Date(view.scale.time(x)).toISOString()}` });
      return;
    }
    const found = hit(view, x, y + view.top);
    if (found?.chip) {
      this.closer(found.chip);
    } else if (found) {
      view.walk.grasp(found.item, found.place);
      this.open(found.item, false);
    }
  }

  /** Come closer to runs that are too short to tell apart. */
  closer({ runs, from, to }) {
    const [first, last] = [runs[from].begin, runs[to].over];
    const spare = Math.max(5, (last - first) * 0.15);
    this.view.period(first - spare, last + spare);
  }

  /** The runs among which one cannot be told apart. */
  chipOf(run) {
    return this.view.bars.chips.find(({ lane, from, to, runs }) =>
      lane === run.lane && run.begin >= runs[from].begin && run.begin <= runs[to].begin && runs.includes(run));
  }

  /** Open a run in the drawer; keyed: with a key, on its bar. */
  open(run, keyed = true) {
    const { view } = this;
    const chip = keyed && document.activeElement === view.walk.button && this.chipOf(run);
    if (chip) this.closer(chip);
    if (chip || run.kind) return;
    view.walk.set(run, view.walk.item === run ? view.walk.place : null);
    view.drawer.open(run, keyed);
    view.note({ run: run.id });
    this.at(null);
  }

  closed() {
    const { walk } = this.view;
    this.view.note({ run: null });
    walk.grasp(walk.item, walk.place);
  }
}
