// All that is known, in one line, with a window that shows and moves what is looked at.

import { h } from "../dom.js";
import { fitCanvas } from "./draw.js";
import { FAILED } from "./model.js";
import { Scale } from "./scale.js";
import { load } from "./strip.js";

const TALL = 34;

/** The line below the lanes. moved(from, to): somebody has chosen another period. */
export class Minimap {
  constructor(paint, moved) {
    this.paint = paint;
    this.scale = new Scale();
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.frame = h("div", { class: "tl-window" });
    this.box = h("div", { class: "tl-mini", "aria-hidden": "true" }, this.canvas, this.frame);
    this.drag(moved);
  }

  resize(width) {
    this.width = this.scale.width = width;
    this.pen = fitCanvas(this.canvas, width, TALL);
  }

  /** Draw what is known between two times. */
  draw(model, from, to, now) {
    const { pen, width, scale } = this;
    const { colours } = this.paint;
    scale.fit(from, Math.max(to, from + 1000));
    const [running, queued] = load(model, scale, width, now);
    let most = 1;
    for (let at = 0; at < width; at++) most = Math.max(most, running[at] + queued[at] / 4);
    pen.clearRect(0, 0, width, TALL);
    const bar = (at, value, colour, floor) => {
      if (value <= 0) return 0;
      const size = Math.max(1.5, Math.sqrt(Math.min(1, value / most)) * (TALL - 8));
      pen.fillStyle = colour;
      pen.fillRect(at, TALL - 4 - floor - size, 1, size);
      return size;
    };
    for (let at = 0; at < width; at++) {
      bar(at, running[at] + queued[at] / 4, colours.queued, 0);
      bar(at, running[at], colours.running, 0);
    }
    pen.fillStyle = colours.failed;
    for (const run of model.runs.values()) {
      if (run.state === FAILED && run.lane) pen.fillRect(scale.x(run.over) - 1, TALL - 4, 2, 4);
    }
    const x = scale.x(now);
    pen.fillStyle = colours.accent;
    if (x <= width) pen.fillRect(x, 0, 1, TALL);
  }

  /** Show what is looked at. */
  show(from, to) {
    const left = Math.max(0, this.scale.x(from));
    const right = Math.min(this.width, this.scale.x(to));
    this.frame.style.transform = `translateX(${Math.min(left, this.width - 4)}px)`;
    this.frame.style.width = `${Math.max(4, right - left)}px`;
    this.at = [left, right];
  }

  drag(moved) {
    let held = null;
    const place = (event) => event.clientX - this.canvas.getBoundingClientRect().left;
    this.box.addEventListener("pointerdown", (event) => {
      const x = place(event);
      let [left, right] = this.at;
      const near = Math.min(8, Math.max(3, (right - left) / 4));
      let edge = Math.abs(x - left) < near ? "left" : Math.abs(x - right) < near ? "right" : "both";
      if (edge === "both" && (x < left || x > right)) { // the window comes here
        const half = (right - left) / 2;
        [left, right] = [x - half, x + half];
        move(left, right);
      }
      held = { x, left, right, edge };
      this.box.setPointerCapture(event.pointerId);
    });
    const move = (left, right) => moved(this.scale.time(left), this.scale.time(Math.max(right, left + 1)));
    this.box.addEventListener("pointermove", (event) => {
      const x = place(event);
      const [left, right] = this.at ?? [0, 0];
      const edge = Math.min(Math.abs(x - left), Math.abs(x - right)) < 6;
      this.box.style.cursor = edge ? "ew-resize" : "grab";
      if (!held) return;
      const by = x - held.x;
      move(held.edge === "right" ? held.left : held.left + by, held.edge === "left" ? held.right : held.right + by);
    });
    for (const name of ["pointerup", "pointercancel"]) this.box.addEventListener(name, () => (held = null));
  }
}
