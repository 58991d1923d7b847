// The timeline: what runs beside what, as it happens. Puts the parts together.

import { h } from "../dom.js";
import { pref, prefer } from "../prefs.js";
import { clock, ticks } from "../time.js";
import { Critical } from "./critical.js";
import { Bars, Paint } from "./draw.js";
import { Drawer } from "./drawer.js";
import { Tip, boxOf, explain, explainChip, hit } from "./explain.js";
import { keyed, listen } from "./gestures.js";
import { Labels } from "./labels.js";
import { Layout } from "./layout.js";
import { Minimap } from "./minimap.js";
import { choice, Model, PENDING, STATES } from "./model.js";
import { Overlay } from "./overlay.js";
import { idleOf, Scale } from "./scale.js";
import { liveSource, stillSource } from "./source.js";
import { Strip, STRIP } from "./strip.js";
import { Table } from "./table.js";
import { legend, Toolbar } from "./toolbar.js";
import { Walk } from "./walk.js";

const AHEAD = 0.12; // of the width lies in the future while following
const FIRST = 3_600_000;
const CUT = 160; // pixels an idle stretch has to have to be cut short
const NARROW = 640;

/** Show the timeline as the page of an address. */
export async function show(ctx) {
  ctx.title("Timeline");
  const view = mount(ctx.root, { source: liveSource(ctx), query: ctx.query, setQuery: ctx.setQuery, signal: ctx.signal });
  await view.ready;
}

/**
 * Put a timeline into an element. options: source, query, setQuery, signal; or {data, static: true}
 * for a page that brings along what it shows (the body of GET /timeline).
 */
export function mount(root, options) {
  return new View(root, options.static ? { ...options, source: stillSource(options.data) } : options);
}
