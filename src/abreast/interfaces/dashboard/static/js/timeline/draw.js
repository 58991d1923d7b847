// The bars: what every lane shows between its left and its right edge.

import { palette } from "../states.js";
import { shape, colourOf, STATE_COLOURS } from "./marks.js";
import {
  CANCELLED, CAUSES, DEPENDENCY, FAILED, LIMIT, RUNNING, STATES, TIME, WORKER,
} from "./model.js";
import { after, CUT_PX } from "./scale.js";

/** Pixels: what is narrower is merged with its neighbours. */
const NARROW = 3;
// Of runs that are merged the one that matters most gives the colour; by state.
const RANK = [1, 1, 2, 4, 0, 6, 5, 3];
export const FONT = "12px system-ui, 'DejaVu Sans', sans-serif";
const SMALL = "10px system-ui, 'DejaVu Sans', sans-serif";

/** A canvas that knows its size in pixels of the page; returns its pen. */
export function fitCanvas(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== across) canvas.width = across;
  if (canvas.height !== down) canvas.height = down;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  return pen;
}

/** Colours and hatches of the theme. */
export class Paint {
  constructor() {
    this.colours = palette();
    this.hatches = new Map();
  }

  /** What is written on a bar of a state: its colour. */
  on(name) {
    return this.colours[`on-${name}`] || this.colours.ground;
  }

  /** The hatch of a cause as a fill style; it moves with `shift`, so that it seems to lie still. */
  hatch(pen, cause, shift) {
    let found = this.hatches.get(cause);
    if (!found) {
      found = pen.createPattern(this.tile(cause), "repeat");
      this.hatches.set(cause, found);
    }
    const ratio = devicePixelRatio || 1;
    found.setTransform(new DOMMatrix([1 / ratio, 0, 0, 1 / ratio, shift % 8, 0]));
    return found;
  }

  tile(cause) {
    const ratio = devicePixelRatio || 1;
    const tile = document.createElement("canvas");
    tile.width = tile.height = Math.round(8 * ratio);
    const pen = tile.getContext("2d");
    pen.scale(tile.width / 8, tile.height / 8);
    pen.fillStyle = pen.strokeStyle = this.colours.queued;
    pen.lineWidth = 1.3;
    const lines = {
      [DEPENDENCY]: [[0, 4, 8, 4], [4, 0, 4, 8]],
      [LIMIT]: [[-2, 10, 10, -2], [-2, 2, 2, -2], [6, 10, 10, 6], [-2, 6, 6, -2], [2, 10, 10, 2]],
      [WORKER]: [[-2, 10, 10, -2], [-2, 2, 2, -2], [6, 10, 10, 6]],
    }[cause];
    if (cause === TIME) {
      for (const [x, y] of [[2, 2], [6, 6]]) pen.fillRect(x - 0.9, y - 0.9, 1.8, 1.8);
    } else {
      for (const [x, y, across, down] of lines) {
        pen.moveTo(x, y);
        pen.lineTo(across, down);
      }
      pen.stroke();
    }
    return tile;
  }
}

/** Draws the lanes on their canvas. */
export class Bars {
  constructor(canvas, paint) {
    this.canvas = canvas;
    this.paint = paint;
    this.chips = []; // of the last drawing: {left, right, top, height, lane, row, from, to}
    this.widths = new Map();
  }

  resize(width, height) {
    this.width = width;
    this.height = height;
    this.pen = fitCanvas(this.canvas, width, height);
  }

  /** Draw. view: model, scale, layout, now, top (pixels scrolled), ticks. */
  draw(view) {
    const { pen, width, height } = this;
    const { scale, layout, top, now } = view;
    this.view = view;
    this.now = now;
    this.x = (time) => scale.x(time);
    this.left = scale.time(-4);
    this.right = scale.time(width + 4);
    this.chips = [];
    this.shift = (-scale.begin / scale.per) % 8;
    pen.clearRect(0, 0, width, height);
    pen.lineWidth = 1;
    pen.textBaseline = "middle";
    this.ground(view);
    const { places } = layout;
    for (let at = after(places, top, (place) => place.top + place.height); at < places.length; at++) {
      const place = places[at];
      const y = place.top - top;
      if (y > height) break;
      pen.fillStyle = this.paint.colours.line;
      pen.fillRect(0, Math.round(y + place.height) - 1, width, 1);
      if (place.lane) this.lane(place.lane, y + layout.cap, layout.row, layout.foot);
    }
  }

  ground({ scale, ticks, now }) {
    const { pen, width, height } = this;
    const { colours } = this.paint;
    const x = scale.x(now);
    if (x < width) {
      pen.globalAlpha = 0.05;
      pen.fillStyle = colours.text;
      pen.fillRect(Math.max(0, x), 0, width, height);
      pen.globalAlpha = 1;
    }
    pen.fillStyle = colours.line;
    pen.globalAlpha = 0.6;
    for (const tick of ticks) pen.fillRect(Math.round(tick.x), 0, 1, height);
    pen.globalAlpha = 1;
    for (const cut of scale.cuts) {
      const left = scale.x(cut.from);
      if (left > width) break;
      if (left + CUT_PX < 0) continue;
      pen.fillStyle = colours.raised || colours.panel;
      pen.fillRect(left, 0, CUT_PX, height);
      pen.strokeStyle = colours.line;
      for (const edge of [left + 0.5, left + CUT_PX - 0.5]) {
        pen.beginPath();
        for (let y = -8; y < height + 8; y += 8) pen.lineTo(edge + (y % 16 ? 2.5 : -2.5), y);
        pen.stroke();
      }
    }
  }

  lane(lane, top, size, foot) {
    for (let row = 0; row < lane.rows.length; row++) {
      const y = top + row * size;
      if (y > this.height) return;
      if (y + size >= 0) this.row(lane, lane.rows[row], y, size);
    }
    this.queue(lane, top + lane.tall * size, size);
    this.ghosts(lane, top, size);
    this.points(lane, top + (lane.tall + lane.long) * size, foot);
  }

  // -- rows of runs that have started -----------------------------------------------------------

  row(lane, runs, top, size) {
    const { now, left, right, x } = this;
    const { per } = this.view.scale;
    const tall = size - (size >= 16 ? 6 : size >= 11 ? 3 : 2);
    const y = top + (size >= 11 ? 2 : 1);
    let at = after(runs, left, (run) => run.over);
    let before = at > 0 ? runs[at - 1].over : -Infinity;
    let chip = null;
    this.rail = [Infinity, -Infinity];
    for (; at < runs.length && runs[at].begin <= right; at++) {
      const run = runs[at];
      const from = x(run.begin);
      const to = x(run.over < now ? run.over : now);
      if (run.waits.length && run.begin - run.created > per * 2) {
        this.waits(run, before, top, size, y, tall);
      }
      before = run.over;
      if (to - from >= NARROW || run.over === Infinity) {
        if (chip) this.chip(chip, from, y, tall);
        chip = null;
        if (this.view.model.flows.has(run.id)) this.bracket(run, from, to, y, tall);
        else this.bar(run, from, to, y, tall);
        continue;
      }
      if (!chip || from - chip.right > 1.5) {
        if (chip) this.chip(chip, from, y, tall);
        chip = { lane, runs, from: at, to: at, left: from, right: from + 1.5, state: run.state,
          critical: false };
      }
      chip.to = at;
      chip.right = Math.max(chip.right, to);
      if (RANK[run.state] > RANK[chip.state]) chip.state = run.state;
      if (run.critical) chip.critical = true;
    }
    if (chip) this.chip(chip, at < runs.length ? x(runs[at].begin) : Infinity, y, tall);
    // What starts beyond the right edge may have waited here.
    for (const end = at + 50; at < runs.length && at < end; at++) {
      const run = runs[at];
      if (run.waits.length && run.created < right) this.waits(run, before, top, size, y, tall);
      before = run.over;
    }
    this.rails(top + size - 3);
  }

  /** Waits: in full where the row is free, as a thin rail below the bars where it is not. */
  waits(run, before, top, size, y, tall) {
    const { x, now } = this;
    const { waits } = run;
    for (let at = 0; at < waits.length; at += 3) {
      const from = waits[at + 1];
      const end = Math.min(waits[at + 2], now);
      const free = Math.max(from, Math.min(before, end));
      if (free < end) this.wait(waits[at], x(free), x(end), y, tall);
      if (free === from || size < 16) continue;
      const left = x(from);
      if (left > this.rail[1] || free < this.left) this.rails(top + size - 3);
      this.rail = [Math.min(this.rail[0], left), Math.max(this.rail[1], x(free))];
    }
  }

  rails(y) {
    const left = Math.max(-2, this.rail[0]);
    const size = Math.min(this.width + 2, this.rail[1]) - left;
    this.rail = [Infinity, -Infinity];
    if (!(size >= 1)) return;
    this.pen.globalAlpha = 0.5;
    this.pen.fillStyle = this.paint.colours.queued;
    this.pen.fillRect(left, y, size, 1.5);
    this.pen.globalAlpha = 1;
  }

  wait(cause, from, to, y, tall) {
    const { pen, width } = this;
    const left = Math.max(-3, from);
    const right = Math.min(width + 3, to);
    if (right - left < 1) return;
    pen.fillStyle = this.paint.hatch(pen, cause, this.shift);
    pen.globalAlpha = 0.7;
    pen.fillRect(left, y + 1, right - left, tall - 2);
    if (right - left >= 4) {
      pen.strokeStyle = this.paint.colours.queued;
      pen.strokeRect(left + 0.5, y + 1.5, right - left - 1, tall - 3);
    }
    pen.globalAlpha = 1;
  }

  bar(run, from, to, y, tall) {
    const { pen, width, x } = this;
    const { colours } = this.paint;
    const { tries, state } = run;
    for (const [begin, end] of tries) this.box(x(begin), x(end), y, tall, colours.retrying);
    for (let at = 1; at < run.waits.length && tries.length; at += 3) {
      if (run.waits[at] >= tries[0][1]) {
        this.wait(run.waits[at - 1], x(run.waits[at]), x(Math.min(run.waits[at + 1], this.now)), y, tall);
      }
    }
    const last = run.attempt > tries.length;
    const start = tries.length ? x(run.started) : from;
    const colour = colours[STATE_COLOURS[state]];
    if (last && state === RUNNING) {
      if (run.part === run.part) {
        pen.globalAlpha = 0.4;
        this.box(start, to, y, tall, colour);
        pen.globalAlpha = 1;
        this.box(start, start + Math.max(2, (to - start) * run.part), y, tall, colour);
      } else {
        this.box(start, to, y, tall, colour);
      }
      this.expected(run, start, to, y, tall);
    } else if (last && state === FAILED) { // shapes tell apart what is too short for a sign
      this.box(start, to, y, tall + (tall > 8 ? 3 : 1), colour);
    } else if (last && state === CANCELLED) {
      this.box(start, to, y + tall * 0.3, tall * 0.7, colour);
    } else if (last) {
      this.box(start, to, y, tall, colour);
    }
    if (tall > 6) for (const [, end] of tries) this.notch(x(end), y, tall);
    if (run.critical) this.underline(from, to, y + tall);
    if (tall < 11 || !last) return;
    let room = Math.min(to, width) - Math.max(start, 0) - 8;
    if (room < 12) return;
    const ink = this.paint.on(STATE_COLOURS[state]);
    const middle = y + tall * (state === CANCELLED ? 0.65 : 0.5);
    if (to <= width) {
      this.icon(STATES[state], to - 15, middle - 6, ink);
      room -= 14;
    }
    if (room < 24) return;
    pen.font = FONT;
    pen.fillStyle = run.part < 0.5 ? colours.text : ink;
    pen.fillText(this.shorten(this.title(run), room), Math.max(start, 0) + 5, middle + 0.5);
  }

  title(run) {
    const { model } = this.view;
    return run.label ?? (model.by === "worker" || model.by === "flow" ? model.tasks[run.task].name : `#${run.id}`);
  }

  box(from, to, y, tall, colour) {
    const { pen, width } = this;
    const left = Math.max(-6, from);
    const size = Math.max(1.5, Math.min(width + 6, to) - left);
    pen.fillStyle = colour;
    if (size < 7 || tall < 8) {
      pen.fillRect(left, y, size, tall);
    } else {
      pen.beginPath();
      pen.roundRect(left, y, size, tall, tall < 12 ? 1.5 : 2.5);
      pen.fill();
    }
  }

  /** A flow spans its runs and does nothing itself. */
  bracket(run, from, to, y, tall) {
    const { pen, width } = this;
    const { colours } = this.paint;
    const left = Math.max(-6, from);
    const right = Math.min(width + 6, Math.max(to, from + 2));
    const colour = colours[STATE_COLOURS[run.state]];
    const thick = Math.min(4, tall / 2);
    pen.globalAlpha = 0.3;
    this.box(left, right, y, tall, colour);
    pen.globalAlpha = 1;
    pen.fillStyle = colour;
    const done = run.part === run.part && run.over === Infinity ? run.part : 1;
    pen.fillRect(left, y, (right - left) * done, thick);
    if (tall < 11 || right - left < 40) return;
    pen.font = FONT;
    pen.fillStyle = colours.text;
    const room = right - Math.max(left, 0) - 10;
    pen.fillText(this.shorten(this.title(run), room), Math.max(left, 0) + 5, y + thick + (tall - thick) / 2 + 0.5);
  }

  /** Where a running one usually ends. */
  expected(run, start, to, y, tall) {
    const usual = this.view.model.usual(run.task);
    if (!(usual > 0)) return;
    const end = this.x(run.started + usual);
    if (end < to + 2 || to > this.width) return;
    this.dashed(to, end, y, tall, this.paint.colours.running);
  }

  dashed(from, to, y, tall, colour) {
    const { pen } = this;
    pen.strokeStyle = colour;
    pen.setLineDash([3, 3]);
    pen.strokeRect(Math.round(from) + 0.5, y + 0.5, Math.max(3, Math.min(to, this.width + 9) - from - 1), tall - 1);
    pen.setLineDash([]);
  }

  /** Where one attempt ended and the next one follows. */
  notch(at, y, tall) {
    const { pen } = this;
    pen.fillStyle = this.paint.colours.ground;
    pen.beginPath();
    pen.moveTo(at - 3.5, y);
    pen.lineTo(at + 3.5, y);
    pen.lineTo(at, y + 5);
    pen.moveTo(at - 3.5, y + tall);
    pen.lineTo(at + 3.5, y + tall);
    pen.lineTo(at, y + tall - 5);
    pen.fill();
  }

  underline(from, to, bottom) {
    this.pen.fillStyle = this.paint.colours.critical;
    const left = Math.max(from, -4);
    this.pen.fillRect(left, bottom + 0.5, Math.max(2, Math.min(to, this.width + 4) - left), 2.5);
  }

  icon(name, left, top, colour) {
    const { pen } = this;
    pen.save();
    pen.translate(left, top);
    pen.scale(0.75, 0.75);
    pen.strokeStyle = colour;
    pen.lineWidth = 2;
    pen.stroke(shape(name));
    pen.restore();
  }

  /** Runs too short to tell apart: one piece, with their number where there is room. */
  chip(chip, next, y, tall) {
    const { pen } = this;
    const { colours } = this.paint;
    const count = chip.to - chip.from + 1;
    let right = chip.right;
    const text = count > 1 ? `${count}` : "";
    const room = 5 + 6.2 * text.length;
    if (text && tall >= 11 && Math.min(next - 2, this.x(this.now), this.width) - chip.left >= room) {
      right = Math.max(right, chip.left + room);
    }
    const name = STATE_COLOURS[chip.state];
    this.box(chip.left, right, y, tall + (chip.state === FAILED && tall > 8 ? 3 : 0), colours[name]);
    if (chip.critical) this.underline(chip.left, right, y + tall);
    if (count > 1) this.chips.push({ ...chip, right, y, tall });
    if (!text || right - chip.left < room) return;
    pen.font = SMALL;
    pen.fillStyle = this.paint.on(name);
    pen.textAlign = "center";
    pen.fillText(text, (Math.max(0, chip.left) + Math.min(right, this.width)) / 2, y + tall / 2 + 0.5);
    pen.textAlign = "left";
  }

  // -- what waits, what never ran, what comes ---------------------------------------------------

  queue(lane, top, size) {
    const { pen, x, now, width } = this;
    const { queue } = lane;
    const tall = size - (size >= 16 ? 6 : size >= 11 ? 3 : 2);
    for (let at = 0; at < Math.min(queue.length, lane.long); at++) {
      const run = queue[at];
      const y = top + at * size + (size >= 11 ? 2 : 1);
      if (y > this.height || y + size < 0) continue;
      const more = at === lane.long - 1 ? queue.length - lane.long : 0;
      for (let part = 0; part < run.waits.length; part += 3) {
        this.wait(run.waits[part], x(run.waits[part + 1]), x(Math.min(now, run.waits[part + 2])), y, tall);
      }
      const from = Math.max(0, x(now)) + 6;
      if (tall < 11 || from > width - 40) continue;
      pen.font = FONT;
      pen.fillStyle = this.paint.colours.soft;
      const held = this.view.model.held.get(run.id);
      const cause = run.waits.length ? CAUSES[run.waits.at(-3)] : "";
      const short = `${held ? held.key : cause}${more ? `, and ${more} more` : ""}`;
      const room = width - from - 4;
      const text = [`${this.title(run)} waits for ${short}`, `waits for ${short}`]
        .find((one) => pen.measureText(one).width <= room) ?? this.shorten(short, room);
      pen.fillText(text, from, y + tall / 2 + 0.5);
    }
  }

  ghosts(lane, top, size) {
    const { pen, x, left, right } = this;
    const { soft } = this.paint.colours;
    const tall = size - (size >= 16 ? 6 : size >= 11 ? 3 : 2);
    const groups = []; // the last one of each row: those that touch are drawn as one
    const draw = (group, row) => {
      const y = top + row * size + (size >= 11 ? 2 : 1);
      this.dashed(group.from, group.to, y, tall, soft);
      pen.fillStyle = soft;
      if (group.count > 1) {
        pen.font = SMALL;
        if (group.to - group.from > 24 && tall >= 11) {
          pen.fillText(`${group.count}`, Math.max(0, group.from) + 5, y + tall / 2 + 0.5);
        }
      } else if (group.end - group.to >= 3) {
        pen.fillRect(group.to, y + tall / 2, group.end - group.to, 1);
        pen.fillRect(group.end - 1, y + tall / 4, 1, tall / 2);
      }
    };
    for (const ghost of lane.ghosts) {
      if (ghost.at > right) break;
      if (ghost.over < left) continue;
      const row = Math.min(ghost.row, lane.tall - 1);
      const from = x(ghost.at);
      const to = Math.max(from + 5, x(ghost.over));
      const group = groups[row];
      if (group && from < group.to + 3) {
        group.to = Math.max(group.to, to);
        group.count++;
      } else {
        if (group) draw(group, row);
        groups[row] = { from, to, end: x(ghost.at + ghost.p95), count: 1 };
      }
    }
    groups.forEach(draw);
  }

  points(lane, top, foot) {
    const { pen, x, left, right } = this;
    const { points } = lane;
    if (!points.length || top > this.height || top + foot < 0) return;
    const middle = top + foot / 2 - 1;
    const size = foot >= 12 ? 4.5 : 3;
    let edge = -Infinity;
    let many = 0;
    const count = () => {
      if (many < 2 || foot < 12) return;
      pen.font = SMALL;
      pen.fillStyle = this.paint.colours.soft;
      pen.fillText(`${many}`, edge + size + 2, middle + 0.5);
    };
    pen.lineWidth = 1.6;
    for (let at = after(points, left, (point) => point.over); at < points.length; at++) {
      const point = points[at];
      if (point.over > right) break;
      const at_ = x(point.over);
      if (at_ - edge < size * 2) {
        many++;
        continue;
      }
      count();
      edge = at_;
      many = 1;
      const name = point.kind === "instant" ? point.outcome : STATES[point.state];
      const colour = this.paint.colours[colourOf(name)];
      pen.beginPath();
      pen.moveTo(at_ - size, middle);
      pen.lineTo(at_, middle - size);
      pen.lineTo(at_ + size, middle);
      pen.lineTo(at_, middle + size);
      pen.closePath();
      pen.strokeStyle = colour;
      pen.fillStyle = name === "failed" || name === "cancelled" ? colour : this.paint.colours.ground;
      pen.fill();
      pen.stroke();
      if (point.until > point.at) { // one row for several instants
        const end = Math.min(this.width + 4, x(point.until));
        pen.fillStyle = colour;
        pen.fillRect(at_ + size, middle - 0.5, Math.max(0, end - at_ - size), 1);
      }
    }
    count();
    pen.lineWidth = 1;
  }

  /** A text that fits, shortened in the middle, because labels differ at their ends. */
  shorten(text, room) {
    const { pen } = this;
    let wide = this.widths.get(text);
    if (wide === undefined) {
      if (this.widths.size > 5000) this.widths.clear();
      this.widths.set(text, (wide = pen.measureText(text).width));
    }
    if (wide <= room) return text;
    if (/^#\d+$/.test(text)) return ""; // a part of a number says nothing
    const keep = Math.floor((text.length * room * 0.95) / wide) - 1; // letters differ in width
    return keep < 4 ? "" : `${text.slice(0, Math.ceil(keep / 2))}…${text.slice(text.length - Math.floor(keep / 2))}`;
  }
}
