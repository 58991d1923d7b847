// Above the lanes, on the same axis: how many run, how many wait, and how many may run.

import { span } from "../time.js";
import { fitCanvas } from "./draw.js";
import { SKIPPED, WORKER } from "./model.js";
import { CUT_PX } from "./scale.js";

/** How tall the part with the areas and the part with the times are, in pixels. */
export const STRIP = 58;
export const AXIS = 22;

/** How many runs of a model run and wait on average in every pixel of a scale. */
export function load(model, scale, width, now) {
  const parts = [new Float64Array(width + 3), new Float64Array(width + 3)];
  const steps = [new Float64Array(width + 3), new Float64Array(width + 3)];
  const begin = scale.time(0);
  const end = scale.time(width);
  const add = (which, from, to) => {
    if (to <= begin || from >= end) return;
    const left = Math.max(0, scale.x(from));
    const right = Math.min(width, scale.x(to < now ? to : now));
    if (right <= left) return;
    const [part, step] = [parts[which], steps[which]];
    const [first, last] = [Math.floor(left), Math.floor(right)];
    part[first] += first + 1 - left;
    part[last] -= last + 1 - right;
    step[first + 1]++;
    step[last + 1]--;
  };
  for (const run of model.runs.values()) {
    if (!run.lane || run.created >= end || run.over <= begin || model.flows.has(run.id)) continue;
    if (run.state !== SKIPPED) {
      for (let at = 0; at < run.waits.length; at += 3) add(1, run.waits[at + 1], run.waits[at + 2]);
    }
    for (const [from, to] of run.tries) add(0, from, to);
    if (run.attempt > run.tries.length) add(0, run.started, run.over);
  }
  return parts.map((part, which) => {
    let sum = 0;
    for (let at = 0; at < width; at++) {
      sum += steps[which][at];
      part[at] = Math.max(0, sum + part[at]);
    }
    return part.subarray(0, width);
  });
}

/** Draws the strip and the axis. */
export class Strip {
  constructor(canvas, paint) {
    this.canvas = canvas;
    this.paint = paint;
  }

  resize(width) {
    this.width = width;
    this.pen = fitCanvas(this.canvas, width, STRIP + AXIS);
  }

  draw({ model, scale, now, ticks }) {
    const { pen, width } = this;
    const { colours } = this.paint;
    const [running, queued] = load(model, scale, width, now);
    this.running = running;
    this.queued = queued;
    let most = 0;
    let busiest = 0;
    for (let at = 0; at < width; at++) {
      busiest = Math.max(busiest, running[at]);
      most = Math.max(most, running[at] + queued[at]);
    }
    const slots = model.slots ?? 0;
    // A very long line would press what runs flat against the floor: it is cut off above.
    const scaleTo = nice(Math.max(1, busiest, slots <= busiest * 3 ? slots : 0,
      Math.min(most, 3 * Math.max(busiest, slots, 1))));
    this.most = scaleTo;
    const y = (value) => STRIP - 1 - (Math.min(value, scaleTo * 1.02) / scaleTo) * (STRIP - 8);
    pen.clearRect(0, 0, width, STRIP + AXIS);
    pen.fillStyle = colours.line;
    for (const tick of ticks) pen.fillRect(Math.round(tick.x), 0, 1, STRIP + 4);
    this.area(queued, running, y, this.paint.hatch(pen, WORKER));
    this.area(running, null, y, colours.running);
    if (slots && slots <= scaleTo) {
      pen.fillStyle = pen.strokeStyle = colours.critical;
      pen.setLineDash([5, 3]);
      pen.beginPath();
      pen.moveTo(0, Math.round(y(slots)) + 0.5);
      pen.lineTo(width, Math.round(y(slots)) + 0.5);
      pen.stroke();
      pen.setLineDash([]);
    }
    pen.fillStyle = colours.line;
    pen.fillRect(0, STRIP - 1, width, 1);
    this.axis(ticks, scale);
  }

  /** What lies on top of `below`. */
  area(values, below, y, style) {
    const { pen, width } = this;
    pen.fillStyle = style;
    for (let at = 0; at < width;) {
      if (values[at] <= 0) {
        at++;
        continue;
      }
      const from = at;
      pen.beginPath();
      for (; at < width && values[at] > 0; at++) {
        const floor = below ? below[at] : 0;
        const height = Math.min(y(values[at] + floor), y(floor) - 1);
        pen.lineTo(at, height);
        pen.lineTo(at + 1, height);
      }
      for (let back = at - 1; back >= from; back--) {
        const floor = y(below ? below[back] : 0);
        pen.lineTo(back + 1, floor);
        pen.lineTo(back, floor);
      }
      pen.fill();
    }
  }

  axis(ticks, scale) {
    const { pen, paint: { colours } } = this;
    const write = (text, x, colour, font = "11px") => {
      pen.font = `${font} system-ui, 'DejaVu Sans', sans-serif`;
      pen.fillStyle = colour;
      pen.fillText(text, x, STRIP + AXIS / 2);
    };
    pen.textBaseline = "middle";
    for (const { text, x, day } of ticks) write(text, x + 4, day ? colours.text : colours.soft);
    pen.textAlign = "center";
    for (const { from, to } of scale.cuts) { // about how much was cut out
      const x = scale.x(from);
      pen.clearRect(x, STRIP, CUT_PX, AXIS);
      write(span((to - from) / 1000).split(" ", 2).join(" "), x + CUT_PX / 2, colours.soft, "10px");
    }
    pen.textAlign = "left";
    pen.fillStyle = colours.line;
    pen.fillRect(0, STRIP + AXIS - 1, this.width, 1);
  }
}

/** The next round number. */
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 4, 5, 6, 8, 10].find((part) => part * power >= value - 1e-9) * power;
}
