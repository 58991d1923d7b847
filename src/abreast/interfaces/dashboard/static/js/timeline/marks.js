// What is drawn on bars and beside words: one set of shapes for the canvas and for the page.

import { h, svg } from "../dom.js";
import { STATES } from "./model.js";

const CHECK = "M3 8.5 6.5 12 13 4.5";
const CROSS = "M4 4 12 12M12 4 4 12";
const SQUARE = "M4.5 4.5h7v7h-7z";
const ARROW = "M5 3.5 12 8 5 12.5z";
const DIAMOND = "M8 2.5 13.5 8 8 13.5 2.5 8z";
const AGAIN = "M12.5 8a4.5 4.5 0 1 1-1.6-3.4M11.5 1.8v3.2H8.3";
const CLOCK = "M8 4.5V8l2.5 2M13.5 8a5.5 5.5 0 1 1-11 0 5.5 5.5 0 0 1 11 0";
const CHAIN = "M2.5 8h4M9.5 8h4M6.5 5v6M9.5 5v6";
const HOURGLASS = "M4.5 2.5h7M4.5 13.5h7M5 2.5c0 3.5 6 7.5 6 11M11 2.5c0 3.5-6 7.5-6 11";

const SHAPES = {
  blocked: CHAIN, scheduled: CLOCK, pending: HOURGLASS, running: ARROW, completed: CHECK, failed: CROSS,
  cancelled: SQUARE, skipped: DIAMOND, missed: DIAMOND, merged: DIAMOND, paused: DIAMOND,
  retrying: AGAIN, coming: CLOCK,
};
const COLOURS = {
  blocked: "queued", scheduled: "queued", pending: "queued", running: "running",
  completed: "succeeded", failed: "failed", cancelled: "cancelled", skipped: "cancelled",
  missed: "failed", merged: "queued", paused: "queued", retrying: "retrying", coming: "queued",
};

const paths = new Map();

/** The shape of a state as a path for canvases, 16 by 16. */
export function shape(name) {
  if (!paths.has(name)) paths.set(name, new Path2D(SHAPES[name]));
  return paths.get(name);
}

/** The name of the colour of a state or an outcome. */
export const colourOf = (name) => COLOURS[name] ?? "queued";

/** The same for the number of a state. */
export const STATE_COLOURS = STATES.map(colourOf);

/** The mark of a state as an element. */
export const mark = (name) =>
  h("span", { class: "tl-mark", "data-look": colourOf(name), "aria-hidden": "true" },
    svg("svg", { viewBox: "0 0 16 16" }, svg("path", { d: SHAPES[name] })));
