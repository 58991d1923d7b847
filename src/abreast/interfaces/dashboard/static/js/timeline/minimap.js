// All that is known, in one line, with a window on what is looked at.

import { h } from "../dom.js";
import { fitCanvas } from "./draw.js";
import { FAILED } from "./model.js";
import { Scale } from "./scale.js";
import { load } from "./strip.js";

const TALL = 34;
const FARTHEST = 40 * 86_400_000;

/** The line below the lanes. moved(time): somebody wants to look there. */
export class Minimap {
  constructor(paint, moved) {
    this.paint = paint;
    this.scale = new Scale();
    this.canvas = h("canvas");
    this.frame = h("div", { class: "tl-window" });
    this.box = h("div", { class: "tl-mini", "aria-hidden": "true" }, this.canvas, this.frame);
    const move = (event) => {
      if (event.buttons & 1) moved(this.scale.time(event.clientX - this.box.getBoundingClientRect().left));
    };
    this.box.addEventListener("pointerdown", (event) => {
      this.box.setPointerCapture(event.pointerId);
      move(event);
    });
    this.box.addEventListener("pointermove", move);
  }

  resize(width) {
    this.width = this.scale.width = width;
    this.pen = fitCanvas(this.canvas, width, TALL);
    this.drawn = 0;
  }

  /** Draw what is known, now and then, and what is looked at. */
  draw({ model, scale, now }) {
    if (performance.now() - this.drawn > 1000 || !this.drawn) {
      this.drawn = performance.now();
      this.all(model, now);
    }
    const left = Math.max(0, this.scale.x(scale.start));
    const { style } = this.frame;
    style.transform = `translateX(${Math.min(left, this.width - 4)}px)`;
    style.width = `${Math.max(4, Math.min(this.width, this.scale.x(scale.end)) - left)}px`;
  }

  all(model, now) {
    const { pen, width, scale } = this;
    const { colours } = this.paint;
    const from = Math.max(model.from, now - FARTHEST);
    scale.fit(from, from + Math.max(1000, model.to - from) * 1.03);
    const [running, queued] = load(model, scale, width, now);
    const most = running.reduce((sum, value, at) => Math.max(sum, value + queued[at] / 4), 1);
    pen.clearRect(0, 0, width, TALL);
    const bar = (at, value, colour) => {
      const size = Math.max(1.5, Math.sqrt(Math.min(1, value / most)) * (TALL - 8));
      pen.fillStyle = colour;
      if (value > 0) pen.fillRect(at, TALL - 4 - size, 1, size);
    };
    for (let at = 0; at < width; at++) {
      bar(at, running[at] + queued[at] / 4, colours.queued);
      bar(at, running[at], colours.running);
    }
    pen.fillStyle = colours.failed;
    for (const run of model.runs.values()) {
      if (run.state === FAILED && run.lane) pen.fillRect(scale.x(run.over) - 1, TALL - 4, 2, 4);
    }
  }
}
