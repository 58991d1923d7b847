"use strict";
// The runs as the page uses them. Times are microseconds since the start.
const data = JSON.parse(document.getElementById("data").textContent);
const KINDS = ["dependency", "slot", "delay", "tried", "run"];
const WAITS = ["waited for the runs it comes after", "waited for a slot or limit", "waited before the next try"];
const ICONS = { queued: "·", running: "▶", succeeded: "✓", failed: "✕", retrying: "↻", cancelled: "■", skipped: "◇" };
const RANK = { failed: 6, cancelled: 5, retrying: 4, running: 3, queued: 2, skipped: 1, succeeded: 0 };

const runs = data.runs.label.map((label, i) => {
  const flat = data.runs.pieces[i];
  const pieces = [];
  for (let at = 0; at < flat.length; at += 3) {
    pieces.push({ kind: flat[at], start: flat[at + 1], end: flat[at + 2] });
  }
  const busy = pieces.filter((piece) => piece.kind > 2);
  const length = (some) => some.reduce((sum, piece) => sum + piece.end - piece.start, 0);
  const last = pieces.length ? pieces[pieces.length - 1].end : 0;
  return {
    i, label, pieces, busy,
    look: data.looks[data.runs.look[i]],
    ending: data.endings[data.runs.ending[i]],
    executor: data.executors[data.runs.executor[i]],
    tries: data.runs.tries[i],
    after: data.runs.after[i] || [],
    children: [],
    message: data.runs.message[i] || "",
    lane: data.runs.lane[i],
    row: data.runs.row[i],
    start: busy.length ? busy[0].start : last, // of what is drawn solid; a mark when it never started
    end: busy.length ? last : last,
    waited: length(pieces.filter((piece) => piece.kind < 3)),
    ran: busy.length ? length(busy) : null,
    critical: false,
  };
});
for (const run of runs) for (const parent of run.after) runs[parent].children.push(run.i);
for (const i of data.critical) runs[i].critical = true;

function span(us) {
  if (us === null) return "–";
  const s = us / 1e6;
  if (s < 0.000995) return (us / 1000).toFixed(2) + " ms";
  if (s < 0.0995) return (us / 1000).toFixed(1) + " ms";
  if (s < 9.995) return s.toFixed(2) + " s";
  if (s < 59.95) return s.toFixed(1) + " s";
  const whole = Math.round(s);
  if (whole < 3600) return Math.floor(whole / 60) + " min " + String(whole % 60).padStart(2, "0") + " s";
  const minutes = Math.round(s / 60);
  return Math.floor(minutes / 60) + " h " + String(minutes % 60).padStart(2, "0") + " min";
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text; // never markup: labels and errors are any text
  return made;
}

function names(indexes, most) {
  const shown = indexes.slice(0, most).map((i) => runs[i].label).join(", ");
  return indexes.length > most ? shown + " and " + (indexes.length - most) + " more" : shown;
}
