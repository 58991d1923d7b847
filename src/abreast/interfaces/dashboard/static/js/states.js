// The states of a run and how each one looks: colour, icon, hatch and word, never colour alone.

import { h, icon } from "./dom.js";

/** All states, in the order of a life. */
export const STATES = [
  "blocked", "scheduled", "pending", "running", "completed", "failed", "cancelled", "skipped",
];

/** The states a run does not leave any more. */
export const ENDED = new Set(["completed", "failed", "cancelled", "skipped"]);

// color: a property of css/tokens.css, with one called --on-… for what is written on it.
const LOOKS = {
  blocked: { color: "--queued", icon: "blocked", hatch: "cross" },
  scheduled: { color: "--queued", icon: "scheduled", hatch: "dots" },
  pending: { color: "--queued", icon: "pending", hatch: "diagonal" },
  running: { color: "--running", icon: "running", hatch: null },
  retrying: { color: "--retrying", icon: "retrying", hatch: "dots" },
  completed: { color: "--succeeded", icon: "completed", hatch: null },
  failed: { color: "--failed", icon: "failed", hatch: null },
  cancelled: { color: "--cancelled", icon: "cancelled", hatch: null },
  skipped: { color: "--cancelled", icon: "skipped", hatch: null, hollow: true },
};

/** Why a run has ended, in words. */
export const REASONS = {
  error: "it raised an error", timeout: "it took too long", crashed: "its process died",
  limit: "a limit", dependency: "a run before it did not complete",
  fail_fast: "another run failed", user: "somebody cancelled it", duplicate: "there was one already",
  expired: "it did not start in time", shutdown: "the service stopped",
};

/**
 * How a state looks: {state, color, icon, hatch, hollow, text, why}. hatch is "diagonal", "cross",
 * "dots" or null; hollow: only the outline has the colour. A run that waits for its next attempt
 * (scheduled, with attempts behind it) is "retrying".
 */
export function look(state, reason = null, attempts = 0) {
  const name = state === "scheduled" && attempts > 0 ? "retrying" : state;
  const found = LOOKS[name] ?? LOOKS.pending;
  return { state: name, hollow: false, ...found, text: reason ? `${name} (${reason})` : name,
    why: REASONS[reason] ?? "" };
}

/** A state as an icon with its word; with short, the word is for screen readers and tooltips. */
export function badge(state, reason = null, attempts = 0, short = false) {
  const { state: name, icon: mark, text, why } = look(state, reason, attempts);
  return h("span", { class: "state", "data-state": name, title: why || (short ? text : null) },
    h("span", { class: "mark" }, icon(mark)), h("span", { class: short ? "unseen" : null }, text));
}

let colours = null;
document.addEventListener("theme", () => (colours = null));

/**
 * The colours of the theme for canvases, by the names of css/tokens.css without dashes: queued,
 * running, …, "on-running", text, soft, line, ground, panel, accent. The document gets an event
 * "theme" when they have changed.
 */
export function palette() {
  if (!colours) {
    const style = getComputedStyle(document.documentElement);
    const names = ["ground", "panel", "raised", "line", "text", "soft", "accent", "critical"];
    for (const { color } of Object.values(LOOKS)) {
      names.push(color.slice(2), `on-${color.slice(2)}`);
    }
    colours = Object.fromEntries(
      names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  }
  return colours;
}
