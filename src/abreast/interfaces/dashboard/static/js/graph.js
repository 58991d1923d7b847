// The runs of a flow as a picture: what comes after what, in layers from left to right; of a batch
// a row for every combination, with a column for every part.

import { h, keyed, svg } from "./dom.js";
import { tree } from "./json.js";
import { memory, place, stateOf } from "./runlist.js";
import { STATES } from "./states.js";

const MOST = 300; // runs that are drawn one by one; of more, those alike are one node
const WIDE = 190;
const HIGH = 38;
const GAP_X = 56;
const GAP_Y = 14;
const MOST_BENDS = 12; // of one line

/** A graph of runs: {element, update(runs by id)}. edges: [earlier, later]. */
export function graph(runs, edges) {
  const depth = depths(runs, edges);
  const nodes = new Map(); // key -> {key, ids, name, layer}
  const key = (run) => runs.length > MOST ? `${depth.get(run.id)} ${run.name}` : String(run.id);
  const keys = new Map(runs.map((run) => [run.id, key(run)]));
  for (const run of runs) {
    const name = runs.length > MOST ? run.name : run.label;
    const node = nodes.get(keys.get(run.id)) ?? { key: keys.get(run.id), ids: [], after: [], name, layer: depth.get(run.id) };
    node.ids.push(run.id);
    nodes.set(node.key, node);
  }
  const links = new Map();
  for (const [from, to] of edges) {
    const [one, other] = [keys.get(from), keys.get(to)];
    if (one && other && one !== other) links.set(`${one}>${other}`, [nodes.get(one), nodes.get(other)]);
  }
  const ways = [...links.values()].map(([from, to]) => ({ from, to, path: [from, ...bends(from, to), to] }));
  const hops = ways.flatMap(({ path }) => path.slice(1).map((node, index) => [path[index], node]));
  const layers = arrange([...nodes.values(), ...ways.flatMap(({ path }) => path.slice(1, -1))], hops);
  const high = (node) => (node.ids ? HIGH + GAP_Y : GAP_Y);
  const tall = (layer) => layer.reduce((sum, node) => sum + high(node), 0);
  const height = Math.max(...layers.map(tall), 0) + GAP_Y;
  const width = layers.length * (WIDE + GAP_X) - GAP_X + 4;
  layers.forEach((layer, column) => {
    let y = (height - tall(layer) + GAP_Y) / 2;
    for (const node of layer) {
      node.x = 2 + column * (WIDE + GAP_X);
      node.y = y;
      y += high(node);
    }
  });
  for (const way of ways) {
    way.line = svg("path", { class: "edge", d: curve(way.path) });
    if (way.to.after.length < 8) way.to.after.push(way.from.name);
  }
  const boxes = h("div");
  const put = memory();
  const make = ({ x, y, ids, after }) => h(ids.length > 1 ? "div" : "a", { class: "node", title: after.length ? `after ${after.join(", ")}` : null,
    style: { left: `${x}px`, top: `${y}px`, width: `${WIDE}px`, height: `${HIGH}px` } });

  function fill(box, { name, runs: [run, ...others] }) {
    const all = [run, ...others];
    put(box, all.map((one) => [one.state, one.attempts]), () => {
      if (!others.length) {
        box.href = place(run);
        box.dataset.state = run.state;
        return [stateOf(run, true), h("span", { class: "cut" }, name)];
      }
      const counts = STATES.map((state) => [state, all.filter((one) => one.state === state).length]).filter(([, count]) => count);
      return [h("span", { class: "cut" }, `${name} × ${all.length}`), h("span", { class: "share", role: "img",
        "aria-label": counts.map(([state, count]) => `${count} ${state}`).join(", ") },
      counts.map(([state, count]) => h("i", { "data-state": state, style: { "flex-grow": count } })))];
    });
  }

  return {
    element: h("div", { class: "graph", tabindex: 0, role: "group", "aria-label": "What comes after what" },
      h("div", { style: { width: `${width}px`, height: `${height}px` } },
        svg("svg", { width, height, "aria-hidden": "true" }, ways.map(({ line }) => line)), boxes)),
    update(all) {
      for (const node of nodes.values()) node.runs = node.ids.map((id) => all.get(id));
      keyed(boxes, layers.flat().filter((node) => node.ids), (node) => node.key, make, fill);
      for (const { line, from } of ways) line.classList.toggle("done", from.runs.every((run) => run.state === "completed"));
    },
  };
}

/** Places in the layers between two nodes, so that a line goes around what is there. */
const bends = (from, to) => Array.from({ length: Math.min(to.layer - from.layer - 1, MOST_BENDS) },
  (_, index) => ({ layer: from.layer + 1 + index }));

/** A line through nodes and bends. */
function curve(path) {
  let found = "";
  for (const [index, node] of path.entries()) {
    const y = node.y + (node.ids ? HIGH : GAP_Y) / 2;
    found += index ? `${node.x - GAP_X * 0.4} ${y} ${node.x} ${y}` : "";
    if (index === path.length - 1) break;
    found += `${index ? `H` : `M`}${node.x + WIDE}${index ? "" : ` ${y}`}C${node.x + WIDE + GAP_X * 0.4} ${y} `;
  }
  return found;
}

/** How many runs lie before each one, on the longest way. */
function depths(runs, edges) {
  const after = new Map(runs.map((run) => [run.id, []]));
  const missing = new Map(runs.map((run) => [run.id, 0]));
  for (const [from, to] of edges) {
    if (!after.has(from) || !after.has(to)) continue;
    after.get(from).push(to);
    missing.set(to, missing.get(to) + 1);
  }
  const found = new Map();
  const ready = runs.map((run) => run.id).filter((id) => !missing.get(id));
  for (const id of ready) found.set(id, 0);
  for (let at = 0; at < ready.length; at++) {
    for (const next of after.get(ready[at])) {
      found.set(next, Math.max(found.get(next) ?? 0, found.get(ready[at]) + 1));
      missing.set(next, missing.get(next) - 1);
      if (!missing.get(next)) ready.push(next);
    }
  }
  return found;
}

/** Nodes by layers, in an order in which few lines cross. */
function arrange(nodes, links) {
  const layers = [];
  for (const node of nodes) (layers[node.layer] ??= []).push(node);
  const number = () => layers.forEach((layer) => layer.forEach((node, index) => (node.row = index - layer.length / 2)));
  number();
  for (let turn = 0; turn < 6; turn++) {
    const near = new Map();
    for (const [from, to] of links) {
      const [node, other] = turn % 2 ? [from, to] : [to, from];
      near.set(node, [...(near.get(node) ?? []), other.row]);
    }
    const middle = (node) => {
      const rows = near.get(node);
      return rows ? rows.reduce((sum, row) => sum + row, 0) / rows.length : node.row;
    };
    for (const layer of layers) layer.sort((one, other) => middle(one) - middle(other));
    number();
  }
  return layers;
}

// -- batches ------------------------------------------------------------------------------------

const PAGE = 100; // combinations that are shown at once

/** Every combination of values, in the order of nested loops. */
const product = (values) => Object.entries(values ?? {}).reduce((rows, [name, items]) =>
  rows.flatMap((row) => items.map((item) => ({ ...row, [name]: item }))), [{}]);

const word = (value) => typeof value === "string" ? value : JSON.stringify(value);

/** The grid of a batch: {element, update(runs by id, batch)}. runs: those of the batch, in order. */
export function grid(batch, runs) {
  const combinations = product(batch.over);
  const heads = product(batch.parallel).map((part) =>
    Object.entries(part).map(([name, value]) => `${name}=${word(value)}`).join(", ") || "run");
  if (batch.join) heads.push(batch.join);
  const body = h("tbody");
  const put = memory();
  let shown = PAGE;
  let latest;
  const more = h("button", { type: "button", onclick() {
    shown += PAGE;
    update(...latest);
  } });

  function update(all, { results }) {
    latest = [all, { results }];
    const found = new Map(results.map(({ values, result }) => [JSON.stringify(values), result]));
    const rows = combinations.slice(0, shown).map((values, index) => [index, values]);
    keyed(body, rows, ([index]) => index, ([, values]) => h("tr", null,
      Object.values(values).map((value) => h("th", { scope: "row" }, word(value))), heads.map(() => h("td", { class: "cell" })), h("td")),
    ({ cells }, [index, values]) => {
      heads.forEach((_, column) => {
        const run = all.get(runs[index * heads.length + column]?.id);
        put(cells[cells.length - heads.length - 1 + column], run && [run.state, run.reason], () => run
          && h("a", { href: place(run), class: "quiet" }, stateOf(run, true)));
      });
      const result = found.get(JSON.stringify(values));
      put(cells[cells.length - 1], result, () => result !== undefined && tree(result, 0));
    });
    more.hidden = shown >= combinations.length;
    more.textContent = `${combinations.length - shown} more`;
  }

  return { update, element: h("div", { class: "scroll" }, h("table", { class: "grid", "aria-label": "Combinations" },
    h("thead", null, h("tr", null, [...Object.keys(batch.over), ...heads, "Result"].map((head) => h("th", { scope: "col" }, head)))),
    body), more) };
}
