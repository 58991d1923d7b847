// Runs and what comes after what, drawn in layers from left to right.

import { h, keyed, svg } from "./dom.js";
import { place } from "./runlist.js";
import { STATES, badge, look } from "./states.js";

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
    const node = nodes.get(keys.get(run.id)) ?? { key: keys.get(run.id), ids: [], name, layer: depth.get(run.id) };
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
  for (const way of ways) way.line = svg("path", { class: "edge", d: curve(way.path) });
  const drawn = svg("svg", { class: "edges", width, height, "aria-hidden": "true" }, ways.map(({ line }) => line));
  const boxes = h("div", { class: "nodes" });
  const element = h("div", { class: "graph", tabindex: 0, role: "group", "aria-label": "What comes after what" },
    h("div", { class: "graph-space", style: { width: `${width}px`, height: `${height}px` } }, drawn, boxes));
  const before = new Map([...nodes.keys()].map((name) => [name, []]));
  for (const { from, to } of ways) before.get(to.key).push(from.name);

  function make(node) {
    const single = node.ids.length === 1;
    const after = before.get(node.key);
    return h(single ? "a" : "div", { class: "node", title: after.length ? `after ${after.slice(0, 8).join(", ")}` : null,
      style: { left: `${node.x}px`, top: `${node.y}px`, width: `${WIDE}px`, height: `${HIGH}px` } });
  }

  return {
    element,
    update(all) {
      for (const node of nodes.values()) node.runs = node.ids.map((id) => all.get(id)).filter(Boolean);
      keyed(boxes, layers.flat().filter((node) => node.ids), (node) => node.key, make, (box, node) => {
        const told = JSON.stringify(node.runs.map((run) => [run.state, run.reason, run.attempts]));
        if (node.told === told) return;
        node.told = told;
        const [run] = node.runs;
        if (node.ids.length === 1) {
          const { text } = look(run.state, run.reason, run.attempts);
          box.href = place(run);
          box.dataset.state = run.state;
          box.setAttribute("aria-label", `${node.name}: ${text}`);
          box.replaceChildren(badge(run.state, run.reason, run.attempts, true), h("span", { class: "cut" }, node.name));
        } else {
          const counts = STATES.map((state) => [state, node.runs.filter((one) => one.state === state).length]);
          box.replaceChildren(h("span", { class: "cut" }, `${node.name} × ${node.ids.length}`), h("span", { class: "share", role: "img",
            "aria-label": counts.filter(([, count]) => count).map(([state, count]) => `${count} ${state}`).join(", ") },
          counts.map(([state, count]) => count > 0 && h("i", { "data-state": state, style: { "flex-grow": count } })).filter(Boolean)));
        }
      });
      for (const { line, from } of ways) {
        line.classList.toggle("done", from.runs.every((run) => run.state === "completed"));
      }
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
