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
const FONT = "12px system-ui, 'DejaVu Sans', sans-serif";
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
    this.shift = 0;
  }

  /** What is written on a bar of a state: its colour. */
  on(name) {
    return this.colours[`on-${name}`] || this.colours.ground;
  }

  /** The hatch of a cause as a fill style; it moves along by `shift`, and seems to lie still. */
  hatch(pen, cause) {
    let found = this.hatches.get(cause);
    if (!found) {
      found = pen.createPattern(this.tile(cause), "repeat");
      this.hatches.set(cause, found);
    }
    const ratio = devicePixelRatio || 1;
    found.setTransform(new DOMMatrix([1 / ratio, 0, 0, 1 / ratio, this.shift, 0]));
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
    this.chips = []; // of the last drawing: {lane, runs, from, to, left, right, y, tall, state}
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
    const { scale, layout: { places, row, cap, foot }, top, now, model } = view;
    Object.assign(this, { now, model, foot, colours: this.paint.colours, per: scale.per, chips: [],
      left: scale.time(-4), right: scale.time(width + 4), x: (time) => scale.x(time),
      size: row, inset: row >= 12 ? 2 : 1, tall: row - (row >= 16 ? 6 : row >= 12 ? 3 : 2) });
    this.paint.shift = (-scale.begin / scale.per) % 8;
    pen.clearRect(0, 0, width, height);
    pen.lineWidth = 1;
    pen.textBaseline = "middle";
    this.ground(scale.cuts, view.ticks);
    for (let at = after(places, top, (place) => place.top + place.height); at < places.length; at++) {
      const { lane, top: from, height: high } = places[at];
      if (from - top > height) break;
      this.fill(this.colours.line, 0, Math.round(from - top + high) - 1, width, 1);
      if (lane) this.lane(lane, from - top + cap);
    }
  }

  ground(cuts, ticks) {
    const { pen, width, height, x, colours } = this;
    this.fill(colours.text, x(this.now), 0, width, height, 0.05);
    for (const tick of ticks) this.fill(colours.line, Math.round(tick.x), 0, 1, height, 0.6);
    pen.strokeStyle = colours.line;
    for (const cut of cuts) {
      const left = x(cut.from);
      if (left > width || left < -CUT_PX) continue;
      this.fill(colours.panel, left, 0, CUT_PX, height);
      for (const edge of [left, left + CUT_PX]) {
        pen.beginPath();
        for (let y = -8; y < height + 8; y += 8) pen.lineTo(edge + (y % 16 ? 2.5 : -2.5), y);
        pen.stroke();
      }
    }
  }

  lane(lane, top) {
    const { size, height } = this;
    lane.rows.forEach((runs, row) => {
      const y = top + row * size;
      if (y < height && y > -size) this.row(lane, runs, y + this.inset);
    });
    lane.queue.slice(0, lane.long).forEach((run, row) => {
      const y = top + (lane.tall + row) * size;
      const more = row === lane.long - 1 ? lane.queue.length - lane.long : 0;
      if (y < height && y > -size) this.waiting(run, more, y + this.inset);
    });
    this.ghosts(lane, top + this.inset);
    this.points(lane.points, top + (lane.tall + lane.long) * size + this.foot / 2 - 1);
  }

  // -- what lanes are drawn with ----------------------------------------------------------------

  fill(style, left, y, wide, tall, alpha = 1) {
    const { pen, width } = this;
    const from = Math.max(-6, left);
    const size = Math.min(width + 6, left + wide) - from;
    if (!(size > 0)) return;
    pen.globalAlpha = alpha;
    pen.fillStyle = style;
    pen.fillRect(from, y, size, tall);
    pen.globalAlpha = 1;
  }

  /** A bar; very short ones can be seen, too. */
  box(from, to, y, colour, tall = this.tall, alpha = 1) {
    const { pen, width } = this;
    const left = Math.max(-6, from);
    const size = Math.max(1.5, Math.min(width + 6, to) - left);
    if (size < 7 || tall < 8) {
      this.fill(colour, left, y, size, tall, alpha);
      return;
    }
    pen.globalAlpha = alpha;
    pen.fillStyle = colour;
    pen.beginPath();
    pen.roundRect(left, y, size, tall, tall < 12 ? 1.5 : 2.5);
    pen.fill();
    pen.globalAlpha = 1;
  }

  dashed(from, to, y, colour) {
    const { pen, width, tall } = this;
    pen.strokeStyle = colour;
    pen.setLineDash([3, 3]);
    pen.strokeRect(Math.round(from) + 0.5, y + 0.5, Math.max(3, Math.min(to, width + 9) - from - 1), tall - 1);
    pen.setLineDash([]);
  }

  write(text, x, middle, colour, font = FONT) {
    this.pen.font = font;
    this.pen.fillStyle = colour;
    this.pen.fillText(text, x, middle + 0.5);
  }

  /** A text that fits, shortened in the middle, because labels differ at their ends. */
  shorten(text, room) {
    const { pen, widths } = this;
    pen.font = FONT;
    if (widths.size > 5000) widths.clear();
    if (!widths.has(text)) widths.set(text, pen.measureText(text).width);
    const wide = widths.get(text);
    if (wide <= room) return text;
    const keep = Math.floor((text.length * room * 0.95) / wide) - 1; // letters differ in width
    // A part of a number says nothing.
    if (keep < 4 || /^#\d+$/.test(text)) return "";
    return `${text.slice(0, Math.ceil(keep / 2))}…${text.slice(text.length - Math.floor(keep / 2))}`;
  }

  title(run) {
    const { by, tasks } = this.model;
    return run.label ?? (by === "worker" || by === "flow" ? tasks[run.task].name : `#${run.id}`);
  }

  // -- rows of runs that have started -----------------------------------------------------------

  row(lane, runs, y) {
    const { now, left, right, x, per, model } = this;
    let at = after(runs, left, (run) => run.over);
    let before = at > 0 ? runs[at - 1].over : -Infinity;
    let chip = null;
    this.rail = [Infinity, -Infinity];
    for (; at < runs.length && runs[at].begin <= right; at++) {
      const run = runs[at];
      const from = x(run.begin);
      const to = x(run.over < now ? run.over : now);
      if (run.begin - run.created > per * 2) this.waits(run, before, y);
      before = run.over;
      if (to - from >= NARROW || run.over === Infinity) {
        if (chip) this.chip(chip, from);
        chip = null;
        if (model.flows.has(run.id)) this.span(run, from, to, y);
        else this.bar(run, from, to, y);
        continue;
      }
      if (!chip || from - chip.right > 1.5) {
        if (chip) this.chip(chip, from);
        chip = { lane, runs, from: at, left: from, right: from + 1.5, state: run.state, y, tall: this.tall };
      }
      chip.to = at;
      chip.right = Math.max(chip.right, to);
      if (RANK[run.state] > RANK[chip.state]) chip.state = run.state;
      chip.critical ||= run.critical;
    }
    if (chip) this.chip(chip, at < runs.length ? x(runs[at].begin) : Infinity);
    // What starts beyond the right edge may have waited here.
    for (const end = at + 50; at < runs.length && at < end; at++) {
      if (runs[at].created < right) this.waits(runs[at], before, y);
      before = runs[at].over;
    }
    this.rails(y);
  }

  /** Waits: in full where the row is free, as a thin rail below the bars where it is not. */
  waits({ waits }, before, y) {
    const { x, now, rail } = this;
    for (let at = 0; at < waits.length; at += 3) {
      const from = waits[at + 1];
      const end = Math.min(waits[at + 2], now);
      const free = Math.max(from, Math.min(before, end));
      if (free < end) this.wait(waits[at], x(free), x(end), y);
      if (free === from || this.size < 16) continue;
      const left = x(from);
      if (left > rail[1]) this.rails(y);
      rail[0] = Math.min(rail[0], left);
      rail[1] = Math.max(rail[1], x(free));
    }
  }

  rails(y) {
    const { rail } = this;
    this.fill(this.colours.queued, rail[0], y + this.size - 5, rail[1] - rail[0], 1.5, 0.5);
    rail[0] = Infinity;
    rail[1] = -Infinity;
  }

  wait(cause, from, to, y) {
    const { pen, width, tall, paint } = this;
    const left = Math.max(-3, from);
    const size = Math.min(width + 3, to) - left;
    if (size < 1) return;
    this.fill(paint.hatch(pen, cause), left, y + 1, size, tall - 2, 0.7);
    if (size < 4) return;
    pen.globalAlpha = 0.7;
    pen.strokeStyle = this.colours.queued;
    pen.strokeRect(left + 0.5, y + 1.5, size - 1, tall - 3);
    pen.globalAlpha = 1;
  }

  bar(run, from, to, y) {
    const { width, x, tall, colours, now } = this;
    const { tries, state, waits, part } = run;
    tries.forEach(([begin, end], at) => {
      this.box(x(begin), x(end), y, colours.retrying);
      for (let place = 0; !at && place < waits.length; place += 3) {
        if (waits[place + 1] >= end) this.wait(waits[place], x(waits[place + 1]), x(Math.min(waits[place + 2], now)), y);
      }
    });
    const last = run.attempt > tries.length;
    const start = tries.length ? x(run.started) : from;
    const name = STATE_COLOURS[state];
    // Shapes tell apart what is too short for a sign: what failed is taller, cancelled is lower.
    const down = state === CANCELLED ? tall * 0.3 : 0;
    if (last) {
      const some = state === RUNNING && part === part;
      this.box(start, to, y + down, colours[name], tall - down + taller(state, tall), some ? 0.4 : 1);
      if (some) this.box(start, start + (to - start) * part, y, colours[name]);
      const end = state === RUNNING ? x(run.started + this.model.usual(run.task)) : 0; // usually
      if (end > to + 2 && to < width) this.dashed(to, end, y, colours[name]);
    }
    for (const [begin, end] of tries) if (tall > 6 && x(end) - x(begin) > 7) this.notch(x(end), y);
    if (run.critical) this.underline(from, to, y);
    let room = Math.min(to, width) - Math.max(start, 0) - 8;
    if (tall < 11 || !last || room < 12) return;
    const ink = this.paint.on(name);
    const middle = y + (tall + down) / 2;
    if (to <= width) {
      this.icon(STATES[state], to - 15, middle - 6, ink);
      room -= 14;
    }
    if (room > 24) this.write(this.shorten(this.title(run), room), Math.max(start, 0) + 5, middle, part < 0.5 ? colours.text : ink);
  }

  /** A flow spans its runs and does nothing itself. */
  span(run, from, to, y) {
    const { tall } = this;
    const colour = this.colours[STATE_COLOURS[run.state]];
    this.box(from, to, y, colour, tall, 0.3);
    this.fill(colour, from, y, (to - from) * (run.state === RUNNING ? run.part || 0 : 1), Math.min(4, tall / 2));
  }

  /** Where one attempt ended and the next one follows. */
  notch(at, y) {
    const { pen, tall } = this;
    pen.fillStyle = this.colours.ground;
    for (const [edge, point] of [[y, y + 5], [y + tall, y + tall - 5]]) {
      pen.beginPath();
      pen.moveTo(at - 3.5, edge);
      pen.lineTo(at + 3.5, edge);
      pen.lineTo(at, point);
      pen.fill();
    }
  }

  underline(from, to, y) {
    this.fill(this.colours.critical, from, y + this.tall + 0.5, Math.max(2, to - from), 2.5);
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
  chip(chip, next) {
    const { tall, width, pen } = this;
    const { left, y, state } = chip;
    const count = chip.to - chip.from + 1;
    const room = 5 + 6.2 * String(count).length;
    const free = Math.min(next - 2, this.x(this.now), width) - left;
    if (count > 1 && tall >= 9 && free >= room) chip.right = Math.max(chip.right, left + room);
    const name = STATE_COLOURS[state];
    this.box(left, chip.right, y, this.colours[name], tall + taller(state, tall));
    if (chip.critical) this.underline(left, chip.right, y);
    if (count === 1) return;
    this.chips.push(chip);
    if (chip.right - left < room || tall < 9) return;
    pen.textAlign = "center";
    this.write(count, (Math.max(0, left) + Math.min(chip.right, width)) / 2, y + tall / 2, this.paint.on(name), SMALL);
    pen.textAlign = "left";
  }

  // -- what waits, what never ran, what comes ---------------------------------------------------

  waiting(run, more, y) {
    const { x, now, width, tall } = this;
    const { waits } = run;
    for (let at = 0; at < waits.length; at += 3) {
      this.wait(waits[at], x(waits[at + 1]), x(Math.min(now, waits[at + 2])), y);
    }
    const from = Math.max(0, x(now)) + 6;
    const room = width - from - 4;
    if (tall < 11 || room < 36) return;
    const what = this.model.held.get(run.id)?.key ?? CAUSES[waits.at(-3)] ?? "";
    const rest = more ? `, and ${more} more` : "";
    const text = [`${this.title(run)} waits for ${what}${rest}`, `waits for ${what}${rest}`]
      .find((one) => this.shorten(one, room) === one) ?? this.shorten(more ? `and ${more} more` : what, room);
    this.write(text, from, y + tall / 2, this.colours.soft);
  }

  /** Coming instants; those that touch are drawn as one, with their number. */
  ghosts({ ghosts, tall: rows }, top) {
    const { x, left, right, tall, size, colours: { soft } } = this;
    const last = []; // of each row
    const draw = ({ from, to, end, count }, row) => {
      const y = top + row * size;
      this.dashed(from, to, y, soft);
      if (count > 1 && to - from > 24 && tall >= 9) this.write(count, Math.max(0, from) + 5, y + tall / 2, soft, SMALL);
      if (count > 1 || !(end - to >= 3)) return;
      this.fill(soft, to, y + tall / 2, end - to, 1);
      this.fill(soft, end - 1, y + tall / 4, 1, tall / 2);
    };
    for (const ghost of ghosts) {
      if (ghost.at > right || ghost.over < left) continue;
      const row = Math.min(ghost.row, rows - 1);
      const from = x(ghost.at);
      const to = Math.max(from + 5, x(ghost.over));
      const group = last[row];
      if (group && from < group.to + 3) {
        group.to = Math.max(group.to, to);
        group.count++;
      } else {
        if (group) draw(group, row);
        last[row] = { from, to, end: x(ghost.at + ghost.p95), count: 1 };
      }
    }
    last.forEach(draw);
  }

  /** Points in time as diamonds; of those that would overlap, the first one and their number. */
  points(points, middle) {
    const { pen, x, left, right, foot, colours } = this;
    if (middle > this.height + foot || middle < -foot) return;
    const size = foot >= 12 ? 4.5 : 3;
    let edge = -Infinity;
    let many = 0;
    const count = () => many > 1 && this.write(many, edge + size + 2, middle, colours.soft, SMALL);
    pen.lineWidth = 1.6;
    for (let at = after(points, left, (point) => point.over); at < points.length && points[at].over <= right; at++) {
      const point = points[at];
      const place = x(point.over);
      if (place - edge < size * 2) {
        many++;
        continue;
      }
      count();
      edge = place;
      many = 1;
      const name = point.outcome ?? STATES[point.state];
      pen.strokeStyle = colours[colourOf(name)];
      pen.fillStyle = name === "failed" || name === "cancelled" ? pen.strokeStyle : colours.ground;
      pen.beginPath();
      pen.moveTo(place - size, middle);
      pen.lineTo(place, middle - size);
      pen.lineTo(place + size, middle);
      pen.lineTo(place, middle + size);
      pen.closePath();
      pen.fill();
      pen.stroke();
    }
    count();
    pen.lineWidth = 1;
  }
}

const taller = (state, tall) => (state !== FAILED ? 0 : tall > 8 ? 3 : 1);
