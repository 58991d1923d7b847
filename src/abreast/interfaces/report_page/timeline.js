// The timeline: what is where, and drawing it.
const chart = {
  from: 0, to: Math.max(data.length, 1), // what is shown
  whole: Math.max(data.length, 1),
  width: 0, labels: 0, // pixels
  chosen: null, pinned: false,
  rows: [], // of all lanes, top down: { lane, top, height, runs }
  height: 0,
};
const strip = document.getElementById("strip");
const canvas = document.getElementById("bars");
const scroll = document.getElementById("scroll");
const space = document.getElementById("space");
let colours = {};
let patterns = {};
const STRIP = 92, AXIS = 22, GAP = 6;

function layOut() {
  const many = data.lanes.reduce((sum, lane) => sum + lane.rows, 0);
  const size = many <= 14 ? 26 : many <= 40 ? 20 : many <= 100 ? 13 : many <= 400 ? 7 : 4;
  const byRow = data.lanes.map((lane) => Array.from({ length: lane.rows }, () => []));
  for (const run of runs) byRow[run.lane][run.row].push(run);
  let top = 0;
  chart.rows = [];
  chart.tops = [];
  byRow.forEach((rows, lane) => {
    chart.tops.push(top);
    top += GAP / 2;
    const height = Math.max(size, rows.length === 1 ? Math.min(20, 400 / data.lanes.length) : size);
    for (const members of rows) {
      members.sort((a, b) => a.start - b.start || a.end - b.end);
      chart.rows.push({ lane, top, height, runs: members });
      for (const run of members) run.place = chart.rows.length - 1;
      top += height;
    }
    top += GAP / 2;
  });
  chart.height = top;
  space.style.height = top + "px";
  data.lanes.forEach((lane, number) => {
    const label = element("div", "lane"), text = element("span", "", lane.name || "runs");
    if (lane.runs > 1) text.append(element("small", "", " ×" + lane.runs));
    label.append(text);
    label.title = lane.name;
    label.style.top = chart.tops[number] + "px";
    const height = (chart.tops[number + 1] ?? top) - chart.tops[number];
    label.style.height = height + "px";
    label.style.lineHeight = Math.min(height, 28) + "px";
    space.append(label);
  });
}

function measure() {
  const box = document.getElementById("chart").clientWidth;
  chart.labels = Math.round(Math.max(76, Math.min(200, box * 0.2)));
  chart.width = Math.max(50, box - chart.labels);
  const view = Math.max(40, Math.min(chart.height, Math.max(260, window.innerHeight * 0.7)));
  scroll.style.height = view + "px";
  for (const label of space.querySelectorAll(".lane")) label.style.width = chart.labels + "px";
  canvas.style.marginLeft = chart.labels + "px";
  const inner = Math.max(50, scroll.clientWidth - chart.labels); // less a scroll bar
  chart.width = inner;
  fit(canvas, inner, view);
  fit(strip, box, STRIP);
}

function fit(target, width, height) {
  const scale = window.devicePixelRatio || 1;
  target.width = Math.round(width * scale);
  target.height = Math.round(height * scale);
  target.style.width = width + "px";
  target.style.height = height + "px";
  target.getContext("2d").setTransform(scale, 0, 0, scale, 0, 0);
}

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["ground", "hatch", "line", "text", "soft", "critical", "focus"];
  for (const look of Object.keys(ICONS)) names.push(look, "on-" + look);
  colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue("--" + name).trim()]));
  patterns = {
    0: hatch(colours.hatch, 7, 1), 1: hatch(colours.hatch, 4, 1.4), 2: hatch(colours.retrying, 5, 1.2),
    failed: hatch(colours.ground, 6, 1.3, true), cancelled: hatch(colours.ground, 8, 1, true),
  };
}

function hatch(colour, size, thick, back) {
  const scale = window.devicePixelRatio || 1;
  const tile = document.createElement("canvas");
  tile.width = tile.height = size * scale;
  const pen = tile.getContext("2d");
  pen.scale(scale, scale);
  pen.strokeStyle = colour;
  pen.lineWidth = thick;
  for (const shift of [-size, 0, size]) {
    pen.moveTo(shift - 1, back ? -1 : size + 1);
    pen.lineTo(shift + size + 1, back ? size + 1 : -1);
  }
  pen.stroke();
  const pattern = canvas.getContext("2d").createPattern(tile, "repeat");
  pattern.setTransform(new DOMMatrix().scale(1 / scale));
  return pattern;
}

const x = (time) => ((time - chart.from) / (chart.to - chart.from)) * chart.width;
const timeAt = (px) => chart.from + (px / chart.width) * (chart.to - chart.from);

let asked = false;
function draw() {
  if (asked) return;
  asked = true;
  setTimeout(() => { asked = false; drawStrip(); drawBars(); }, 0); // also in hidden tabs
}

function ticks() {
  const rough = ((chart.to - chart.from) / chart.width) * 90;
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  let step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  if (step > 2e7) step = [3e7, 6e7, 12e7, 3e8, 6e8, 18e8, 36e8, 72e8, 216e8, 864e8].find((n) => n >= rough) || step;
  const found = [];
  for (let at = Math.ceil(chart.from / step) * step; at <= chart.to; at += step) found.push(at);
  const digits = step >= 1e6 ? 0 : Math.min(6, Math.ceil(-Math.log10(step / 1e6)));
  return found.map((at) => {
    if (chart.to < 1e6) return [at, +(at / 1e3).toFixed(3) + " ms"];
    if (step < 3e7) return [at, (at ? (at / 1e6).toFixed(digits) : "0") + " s"];
    const s = Math.round(at / 1e6), pad = (n) => String(n).padStart(2, "0");
    return [at, Math.floor(s / 3600) + ":" + pad(Math.floor(s / 60) % 60) + ":" + pad(s % 60)];
  });
}

function drawBars() {
  const pen = canvas.getContext("2d"), view = parseFloat(scroll.style.height), top = scroll.scrollTop;
  pen.clearRect(0, 0, chart.width, view);
  pen.strokeStyle = colours.line;
  pen.lineWidth = 1;
  pen.beginPath();
  for (const [at] of ticks()) { pen.moveTo(Math.round(x(at)) + 0.5, 0); pen.lineTo(Math.round(x(at)) + 0.5, view); }
  for (const at of chart.tops) { pen.moveTo(0, Math.round(at - top) + 0.5); pen.lineTo(chart.width, Math.round(at - top) + 0.5); }
  pen.stroke();
  pen.font = "11px system-ui, 'DejaVu Sans', sans-serif";
  pen.textBaseline = "middle";
  for (const row of chart.rows) {
    if (row.top + row.height < top || row.top > top + view) continue;
    drawWaits(pen, row, row.top - top);
    drawRow(pen, row, row.top - top);
  }
  if (chart.chosen) drawChosen(pen, chart.chosen, top);
}

// A wait is drawn in the gap before its run: what overlaps an earlier run of the row stays hidden.
function drawWaits(pen, row, top) {
  let free = 0;
  for (const run of row.runs) {
    for (const piece of run.pieces) {
      if (piece.kind > 2 || piece.end < chart.from) continue;
      const left = Math.max(x(Math.max(piece.start, free)), -2), right = Math.min(x(piece.end), chart.width + 2);
      if (right - left < 1.5) continue;
      pen.fillStyle = patterns[piece.kind];
      const inset = row.height > 10 ? 3 : 1;
      pen.globalAlpha = piece.kind === 1 ? 0.55 : 0.7;
      pen.fillRect(left, top + inset, right - left, row.height - 2 * inset);
      pen.globalAlpha = 0.45;
      pen.strokeStyle = piece.kind === 2 ? colours.retrying : colours.hatch;
      if (row.height > 10) pen.strokeRect(left + 0.5, top + inset + 0.5, right - left - 1, row.height - 2 * inset - 1);
      pen.globalAlpha = 1;
    }
    free = Math.max(free, run.end);
    if (x(free) > chart.width + 50) break;
  }
}

function drawRow(pen, row, top) {
  const inset = row.height > 10 ? 2 : 0.5, height = row.height - 2 * inset - (row.height > 10 ? 2 : 0);
  const late = []; // drawn last, so that nothing paints over them
  const marks = [];
  let chip = null, mark = null;
  const flush = () => {
    if (!chip) return;
    const shape = { ...chip };
    (RANK[chip.look] >= 5 ? late : [shape]).push(shape);
    if (RANK[chip.look] < 5) solid(pen, shape, top + inset, height);
    chip = null;
  };
  for (const run of row.runs) {
    if (run.end < chart.from) continue;
    if (x(run.start) > chart.width) break;
    if (!run.busy.length) { mark = drawMark(pen, run, mark, top, row.height, marks); continue; }
    const left = x(run.start), right = x(run.end);
    if (right - left < 3) {
      const near = chip && left - chip.right < 1.5;
      if (near && (chip.look === run.look || chip.right - chip.left < 2)) {
        chip.right = Math.max(chip.right, right, left + 1);
        chip.count += 1;
        if (RANK[run.look] > RANK[chip.look]) chip.look = run.look;
      } else {
        flush();
        chip = { left, right: Math.max(right, left + 1), look: run.look, count: 1 };
      }
      if (run.critical) chip.critical = true;
      continue;
    }
    flush();
    for (const piece of run.busy) {
      const last = piece === run.busy[run.busy.length - 1];
      const shape = { left: x(piece.start), right: x(piece.end) - 0.8, look: piece.kind === 4 ? run.look : "retrying", count: 1 };
      shape.icon = true;
      if (last) shape.label = run.label;
      solid(pen, shape, top + inset, height);
    }
    if (run.critical) underline(pen, left, right, top + row.height);
  }
  flush();
  pen.fillStyle = colours.text;
  for (const { right, count } of marks) if (count > 1 && row.height > 10) pen.fillText("×" + count, right, top + row.height / 2);
  for (const shape of late) solid(pen, shape, top + inset, height);
}

function solid(pen, shape, top, height) {
  const left = Math.max(shape.left, -4), right = Math.min(shape.right, chart.width + 4), width = Math.max(right - left, 1.5);
  pen.fillStyle = colours[shape.look];
  pen.beginPath();
  pen.roundRect(left, top, width, height, Math.min(3, width / 3, height / 3));
  pen.fill();
  if (patterns[shape.look] && width > 6) {
    pen.globalAlpha = 0.35;
    pen.fillStyle = patterns[shape.look];
    pen.fill();
    pen.globalAlpha = 1;
  }
  if (shape.critical) underline(pen, left, left + width, top + height + 3);
  if (height < 11 || width < 18) return;
  pen.save();
  pen.clip();
  pen.fillStyle = colours["on-" + shape.look] || colours.text;
  const middle = top + height / 2 + 0.5, from = Math.max(left, 0), to = Math.min(right, chart.width);
  if (shape.count > 1) pen.fillText("×" + shape.count, from + 4, middle);
  let room = to - from - 8;
  if (shape.icon && room >= 8 && shape.right <= chart.width) {
    if (shape.look === "failed" || shape.look === "cancelled") backing(pen, shape.look, to - 17, top, 17, height);
    pen.textAlign = "right";
    pen.fillText(ICONS[shape.look], to - 4, middle);
    pen.textAlign = "left";
    room -= 14;
  }
  if (shape.label && room >= 26) {
    const text = shorten(pen, shape.label, room);
    if (shape.look === "failed" || shape.look === "cancelled") backing(pen, shape.look, from, top, pen.measureText(text).width + 8, height);
    pen.fillText(text, from + 4, middle);
  }
  pen.restore();
}

function backing(pen, look, left, top, width, height) { // calm ground under text on a hatched bar
  pen.fillStyle = colours[look];
  pen.fillRect(left, top, width, height);
  pen.fillStyle = colours["on-" + look];
}

function shorten(pen, text, room) { // in the middle, because labels differ at their ends
  if (text.length > 80) text = text.slice(0, 50) + "…" + text.slice(-29);
  if (pen.measureText(text).width <= room) return text;
  for (let keep = Math.floor((room / pen.measureText(text).width) * text.length); keep > 2; keep--) {
    const cut = text.slice(0, Math.ceil(keep / 2)) + "…" + text.slice(text.length - Math.floor(keep / 2));
    if (pen.measureText(cut).width <= room) return cut;
  }
  return "";
}

function underline(pen, left, right, bottom) {
  pen.fillStyle = colours.critical;
  pen.fillRect(Math.max(left, -2), bottom - 2.5, Math.max(2, Math.min(right, chart.width + 2) - Math.max(left, -2)), 2);
}

// Runs that never started: a hollow diamond where they ended, a bar of dots while they wait.
function drawMark(pen, run, before, top, height, marks) {
  const at = x(run.end), size = Math.max(2.5, Math.min(6, height / 2 - 3)), middle = top + height / 2;
  if (run.ending === "pending" || run.ending === "blocked" || run.ending === "scheduled") return before;
  if (before && at - before.at < size * 2) {
    before.count += 1;
    return before;
  }
  pen.beginPath();
  const centre = Math.min(at, chart.width - size - 1);
  pen.moveTo(centre - size, middle);
  pen.lineTo(centre, middle - size);
  pen.lineTo(centre + size, middle);
  pen.lineTo(centre, middle + size);
  pen.closePath();
  pen.fillStyle = run.look === "skipped" ? colours.ground : colours[run.look];
  pen.fill();
  pen.strokeStyle = colours[run.look];
  pen.lineWidth = 2;
  pen.stroke();
  pen.lineWidth = 1;
  const made = { at, count: 1, right: centre + size + 3 < chart.width - 30 ? centre + size + 3 : centre - size - 34 };
  marks.push(made);
  return made;
}
