// The strip above the timeline, and everything that answers to mouse and keys.
const steps = (() => { // [time, running] whenever the number changes
  const events = [];
  for (const run of runs) for (const piece of run.busy) events.push([piece.start, 1], [piece.end, -1]);
  events.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const found = [[0, 0]];
  let running = 0;
  for (const [at, by] of events) {
    running += by;
    if (found[found.length - 1][0] === at) found[found.length - 1][1] = running;
    else found.push([at, running]);
  }
  return found;
})();
const peak = steps.reduce((most, step) => Math.max(most, step[1]), runs.some((run) => run.busy.length) ? 1 : 0);

function drawStrip() {
  const pen = strip.getContext("2d"), base = STRIP - AXIS, head = 16, left = chart.labels, right = left + chart.width;
  const limit = data.capacity && data.capacity <= peak * 4 ? data.capacity : 0;
  const y = (n) => base - (n / Math.max(peak, limit, 1)) * (base - head);
  pen.clearRect(0, 0, strip.clientWidth, STRIP);
  pen.save();
  pen.beginPath();
  pen.rect(left, 0, chart.width, STRIP);
  pen.clip();
  const columns = new Float64Array(Math.ceil(chart.width) + 1); // the most that ran, per pixel
  for (let at = 0; at < steps.length; at++) {
    const end = at + 1 < steps.length ? steps[at + 1][0] : chart.whole;
    if (end < chart.from || steps[at][0] > chart.to) continue;
    const to = Math.min(columns.length - 1, Math.floor(x(end)));
    for (let px = Math.max(0, Math.floor(x(steps[at][0]))); px <= to; px++) columns[px] = Math.max(columns[px], steps[at][1]);
  }
  pen.beginPath();
  pen.moveTo(left, base);
  columns.forEach((n, px) => { pen.lineTo(left + px, y(n)); pen.lineTo(left + px + 1, y(n)); });
  pen.lineTo(right, base);
  pen.closePath();
  pen.fillStyle = colours.running;
  pen.globalAlpha = 0.3;
  pen.fill();
  pen.globalAlpha = 1;
  pen.strokeStyle = colours.running;
  pen.lineWidth = 1.2;
  pen.stroke();
  if (limit) {
    pen.setLineDash([5, 4]);
    pen.strokeStyle = colours.text;
    pen.beginPath();
    pen.moveTo(left, y(limit));
    pen.lineTo(right, y(limit));
    pen.stroke();
    pen.setLineDash([]);
  }
  pen.font = "11px system-ui, 'DejaVu Sans', sans-serif";
  pen.fillStyle = colours.soft;
  pen.textBaseline = "middle";
  const shown = ticks();
  shown.forEach(([at, text]) => {
    const px = left + x(at), wide = pen.measureText(text).width;
    pen.fillRect(Math.round(px), base, 1, 5);
    pen.fillText(text, Math.max(left + 2, Math.min(px - wide / 2, right - wide - 2)), base + 13);
  });
  pen.restore();
  pen.font = "11px system-ui, 'DejaVu Sans', sans-serif";
  pen.fillStyle = colours.soft;
  pen.textBaseline = "middle";
  pen.fillText("running at once", 8, head + 2, left - 12);
  pen.fillStyle = colours.text;
  pen.fillText("peak " + peak, 8, head + 18, left - 12);
  if (data.capacity) pen.fillText("of " + data.capacity + (limit ? " (dashed)" : ""), 8, head + 34, left - 12);
}

function drawChosen(pen, run, top) {
  const line = (other, colour, fromOther) => {
    const a = fromOther ? other : run, b = fromOther ? run : other;
    const mid = (r) => chart.rows[r.place].top + chart.rows[r.place].height / 2 - top;
    const x0 = x(a.end), x1 = x(b.start), bend = Math.max(12, Math.abs(x1 - x0) / 2);
    pen.strokeStyle = colour;
    pen.globalAlpha = 0.7;
    pen.lineWidth = 1.4;
    pen.beginPath();
    pen.moveTo(x0, mid(a));
    pen.bezierCurveTo(x0 + bend, mid(a), x1 - bend, mid(b), x1, mid(b));
    pen.stroke();
  };
  for (const i of run.after.slice(0, 60)) line(runs[i], colours.text, true);
  for (const i of run.children.slice(0, 60)) line(runs[i], colours.soft, false);
  const row = chart.rows[run.place];
  pen.globalAlpha = 1;
  pen.strokeStyle = colours.focus;
  pen.lineWidth = 2;
  const left = Math.max(x(run.start), -4), right = Math.min(x(run.end), chart.width + 4);
  pen.strokeRect(left - 2, row.top - top, Math.max(right - left, 3) + 4, row.height - 1);
  pen.lineWidth = 1;
}

function explain(run) {
  const box = document.getElementById("details");
  box.textContent = "";
  if (!run) {
    box.append(element("p", "soft", runs.length ? "Point at a run, or move to it with the arrow keys." : "There are no runs."));
    return;
  }
  const head = element("p");
  const icon = element("span", "icon " + run.look, ICONS[run.look]);
  const state = element("span", "state");
  state.append(icon, element("b", "", run.label), document.createTextNode(run.ending));
  head.append(state);
  const waits = run.pieces.filter((piece) => piece.kind < 3).map((piece) => WAITS[piece.kind] + " " + span(piece.end - piece.start));
  const facts = [...waits.slice(0, 6)];
  if (run.busy.length) facts.push("ran " + span(run.ran) + (run.tries > 1 ? " in " + run.tries + " tries" : ""));
  if (run.busy.length) facts.push("from " + span(run.start) + " to " + span(run.end) + " after the start");
  facts.push(run.executor);
  box.append(head, element("p", "", facts.join(" · ")));
  const links = [];
  if (run.after.length) links.push("after " + names(run.after, 6));
  if (run.children.length) links.push("before " + names(run.children, 6));
  if (run.critical) links.push("on the critical path: making it faster saves at most " + span(run.ran));
  if (links.length) box.append(element("p", "", links.join(" · ")));
  if (run.message) box.append(element("p", "", run.message));
}

function choose(run, { reveal = false } = {}) {
  if (run === chart.chosen && !reveal) return;
  chart.chosen = run;
  if (run && reveal) {
    const width = chart.to - chart.from;
    if (run.end < chart.from || run.start > chart.to) show(run.start - width / 4, run.start + (width * 3) / 4);
    const row = chart.rows[run.place], view = parseFloat(scroll.style.height);
    if (row.top < scroll.scrollTop) scroll.scrollTop = row.top - 10;
    else if (row.top + row.height > scroll.scrollTop + view) scroll.scrollTop = row.top + row.height - view + 10;
  }
  explain(run);
  draw();
}

function show(from, to) {
  const least = Math.max(10, chart.whole / 1e6), width = Math.min(Math.max(to - from, least), chart.whole);
  chart.from = Math.max(0, Math.min(from, chart.whole - width));
  chart.to = chart.from + width;
  draw();
}

function zoom(factor, centre = (chart.from + chart.to) / 2) {
  show(centre - (centre - chart.from) * factor, centre + (chart.to - centre) * factor);
}

function runAt(px, py) {
  const y = py + scroll.scrollTop;
  const row = chart.rows.find((candidate) => y >= candidate.top && y < candidate.top + candidate.height);
  if (!row) return null;
  let best = null, distance = 8; // pixels
  for (const run of row.runs) {
    const left = x(run.start), right = x(run.end);
    const away = px < left ? left - px : px > right ? px - right : 0;
    if (away < distance || (away === 0 && !best)) { best = run; distance = away; }
    if (left > px + 8) break;
  }
  if (best) return best;
  return row.runs.find((run) => run.pieces.length && x(run.pieces[0].start) <= px && px <= x(run.end)) || null;
}

function step(key) {
  if (!runs.length) return;
  const now = chart.chosen;
  if (!now) { choose(chart.rows.find((row) => row.runs.length).runs[0], { reveal: true }); return; }
  const row = chart.rows[now.place].runs, at = row.indexOf(now);
  let next = null;
  if (key === "ArrowRight") next = row[at + 1];
  if (key === "ArrowLeft") next = row[at - 1];
  const by = key === "ArrowDown" ? 1 : key === "ArrowUp" ? -1 : 0;
  for (let place = now.place + by; by && !next && chart.rows[place]; place += by) {
    next = chart.rows[place].runs.reduce((best, run) => (!best || Math.abs(run.start - now.start) < Math.abs(best.start - now.start) ? run : best), null);
  }
  if (next) choose(next, { reveal: true });
}

function changeTheme() {
  const order = ["", "light", "dark"], root = document.documentElement;
  const next = order[(order.indexOf(root.dataset.theme || "") + 1) % 3];
  if (next) root.dataset.theme = next; else delete root.dataset.theme;
  document.getElementById("theme").textContent = next ? "Theme: " + next : "Theme";
  readColours();
  draw();
}

function listen() {
  const on = (target, event, act, options) => target.addEventListener(event, act, options);
  on(document.getElementById("zoom-in"), "click", () => zoom(0.5));
  on(document.getElementById("zoom-out"), "click", () => zoom(2));
  on(document.getElementById("zoom-all"), "click", () => show(0, chart.whole));
  on(document.getElementById("theme"), "click", changeTheme);
  on(window, "resize", () => { measure(); draw(); });
  on(scroll, "scroll", draw, { passive: true });
  on(window.matchMedia("(prefers-color-scheme: dark)"), "change", () => { readColours(); draw(); });
  const wheel = (event) => {
    const over = event.currentTarget === strip;
    if (!over && !event.ctrlKey && !event.shiftKey && document.activeElement !== canvas) return;
    event.preventDefault();
    const px = event.offsetX - (over ? chart.labels : 0), by = (event.deltaY || event.deltaX) / 400;
    if (event.shiftKey || event.deltaX) show(chart.from + (chart.to - chart.from) * by, chart.to + (chart.to - chart.from) * by);
    else zoom(2 ** by, timeAt(px));
  };
  on(strip, "wheel", wheel, { passive: false });
  on(canvas, "wheel", wheel, { passive: false });
  let drag = null;
  on(canvas, "pointerdown", (event) => { drag = { px: event.offsetX, from: chart.from, to: chart.to, moved: false }; });
  on(window, "pointerup", () => { drag = null; });
  on(canvas, "pointermove", (event) => {
    if (drag && event.buttons) {
      const by = ((drag.px - event.offsetX) / chart.width) * (drag.to - drag.from);
      if (Math.abs(drag.px - event.offsetX) > 4) drag.moved = true;
      if (drag.moved) show(drag.from + by, drag.to + by);
    } else if (!chart.pinned) {
      choose(runAt(event.offsetX, event.offsetY));
    }
  });
  on(canvas, "click", (event) => {
    const run = runAt(event.offsetX, event.offsetY);
    chart.pinned = Boolean(run) && !(chart.pinned && run === chart.chosen);
    choose(run);
  });
  on(canvas, "pointerleave", () => { if (!chart.pinned && document.activeElement !== canvas) choose(null); });
  on(canvas, "keydown", (event) => {
    if (event.key.startsWith("Arrow") && event.shiftKey) {
      const by = ((chart.to - chart.from) / 4) * (event.key === "ArrowLeft" || event.key === "ArrowUp" ? -1 : 1);
      show(chart.from + by, chart.to + by);
    } else if (event.key.startsWith("Arrow")) { chart.pinned = true; step(event.key); }
    else if (event.key === "Escape") { chart.pinned = false; choose(null); }
    else return;
    event.preventDefault();
  });
  on(document, "keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT/.test(event.target.tagName)) return;
    if (event.key === "+" || event.key === "=") zoom(0.5, chart.chosen ? (chart.chosen.start + chart.chosen.end) / 2 : undefined);
    else if (event.key === "-") zoom(2);
    else if (event.key === "0") show(0, chart.whole);
    else if (event.key === "t") changeTheme();
  });
  on(document, "click", (event) => {
    const link = event.target.closest("[data-run]");
    if (!link) return;
    chart.pinned = true;
    choose(runs[Number(link.dataset.run)], { reveal: true });
    document.getElementById("timeline-title").scrollIntoView({ block: "start" });
  });
}

document.getElementById("chart").hidden = !runs.length;
readColours();
layOut();
measure();
listen();
explain(null);
drawStrip();
drawBars();
