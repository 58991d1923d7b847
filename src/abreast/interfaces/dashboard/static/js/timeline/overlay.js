// What lies above the bars and changes without them: now, the pointer, what is looked at and why.

import { clock } from "../time.js";
import { fitCanvas } from "./draw.js";

/** Draws on a canvas above the bars. */
export class Overlay {
  constructor(canvas, paint) {
    this.canvas = canvas;
    this.paint = paint;
  }

  resize(width, height) {
    this.width = width;
    this.height = height;
    this.pen = fitCanvas(this.canvas, width, height);
  }

  draw(view) {
    const { pen, width, height } = this;
    const { colours } = this.paint;
    const { scale, now, top, look: { cursor, hot, lit } } = view;
    pen.clearRect(0, 0, width, height);
    const x = scale.x(now);
    if (x >= 0 && x <= width) {
      pen.fillStyle = colours.accent;
      pen.fillRect(Math.round(x) - 0.5, 0, 1.5, height);
    }
    if (cursor !== null) {
      pen.fillStyle = colours.soft;
      pen.globalAlpha = 0.6;
      pen.fillRect(Math.round(cursor), 0, 1, height);
      pen.globalAlpha = 1;
    }
    const box = hot && view.box(hot.item, hot.place);
    if (box && !hot.chip) this.outline(box, top, colours.text, 1.5);
    for (const item of lit) {
      const other = view.box(item);
      if (!other) continue;
      if (box) this.join(box, other, top);
      pen.shadowColor = colours.accent;
      pen.shadowBlur = 14;
      this.outline(other, top, colours.accent, 3);
      pen.shadowBlur = 0;
    }
  }

  outline({ x, y, width, height }, top, colour, thick) {
    const { pen } = this;
    const left = Math.max(-4, x - 1.5);
    pen.strokeStyle = colour;
    pen.lineWidth = thick;
    pen.beginPath();
    pen.roundRect(left, y - top + 0.5, Math.min(this.width + 8, x + width + 1.5) - left, height - 1, 4);
    pen.stroke();
  }

  /** A line from what waits to what it waits for. */
  join(from, to, top) {
    const { pen, width } = this;
    const bound = (x) => Math.max(4, Math.min(width - 4, x));
    const x1 = bound(from.x + from.width);
    const y1 = from.y - top + from.height / 2;
    const x2 = bound(to.x + to.width);
    const y2 = to.y - top + to.height / 2;
    const out = Math.min(width - 2, Math.max(x1, x2) + 18);
    pen.strokeStyle = this.paint.colours.accent;
    pen.lineWidth = 2;
    pen.setLineDash([4, 3]);
    pen.beginPath();
    pen.moveTo(x1, y1);
    pen.bezierCurveTo(out, y1, out, y2, x2, y2);
    pen.stroke();
    pen.setLineDash([]);
  }
}

/** What an axis shows at the pointer. */
export const cursorText = (time, per) =>
  per < 20 ? `${clock(time / 1000)}.${String(Math.floor(time) % 1000).padStart(3, "0")}` : clock(time / 1000);
