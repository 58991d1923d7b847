// Colours of terminals as elements.

import { h } from "./dom.js";

// What a program writes to steer a terminal: colours, other sequences, and single signs.
const STEER = /\x1b\[([\d;:]*)m|\x1b\[[\d;:?<=>]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?|[\x00-\x08\x0b-\x1f\x7f]/g;
const STYLES = { 1: ["font-weight", "700"], 2: ["opacity", ".75"], 3: ["font-style", "italic"],
  4: ["text-decoration", "underline"], 9: ["text-decoration", "line-through"] };
const ENDS = { 22: [1, 2], 23: [3], 24: [4], 29: [9], 39: [38], 49: [48] };

/** A colour of 256 or of all, as CSS; and how many codes it took. */
function exact(given, at) {
  if (given[at] === 2) return [`rgb(${given.slice(at + 1, at + 4).map((part) => part & 255).join(" ")})`, 4];
  const code = given[at + 1] & 255;
  if (code < 16) return [`var(--ansi-${code % 8})`, 2];
  if (code > 231) return [`rgb(${Array(3).fill(8 + (code - 232) * 10).join(" ")})`, 2];
  const level = (size) => [0, 95, 135, 175, 215, 255][Math.floor((code - 16) / size) % 6];
  return [`rgb(${level(36)} ${level(6)} ${level(1)})`, 2];
}

/** Take codes into what holds, a map of code to property and value. */
function heed(look, codes) {
  const given = codes.split(/[;:]/).map(Number);
  for (let at = 0; at < given.length; at++) {
    const code = given[at];
    const tone = code > 89 ? code - 60 : code; // bright ones are as the others
    if (code === 0) look.clear();
    else if (STYLES[code]) look.set(code, STYLES[code]);
    else if (ENDS[code]) ENDS[code].forEach((one) => look.delete(one));
    else if (code === 38 || code === 48) {
      const [color, used] = exact(given, at + 1);
      look.set(code, [code === 38 ? "color" : "background", color]);
      at += used;
    } else if (tone >= 30 && tone < 38) look.set(38, ["color", `var(--ansi-${tone - 30})`]);
    else if (tone >= 40 && tone < 48) {
      look.set(48, ["background", `color-mix(in srgb, var(--ansi-${tone - 40}) 30%, transparent)`]);
    }
  }
}

/** A line as nodes, with a text (in lower case) marked wherever it occurs. */
export function colored(line, wanted) {
  const found = [];
  const look = new Map();
  let at = 0;
  for (const match of [...line.matchAll(STEER), null]) {
    const text = line.slice(at, match?.index);
    if (text) {
      const parts = marked(text, wanted);
      found.push(look.size ? h("span", { style: Object.fromEntries(look.values()) }, parts) : parts);
    }
    if (match?.[1] !== undefined) heed(look, match[1]);
    at = match && match.index + match[0].length;
  }
  return found;
}

function marked(text, wanted) {
  const lower = text.toLowerCase();
  const found = [];
  let at = 0;
  if (wanted && lower.length === text.length) {
    for (let next; (next = lower.indexOf(wanted, at)) >= 0; at = next + wanted.length) {
      found.push(text.slice(at, next), h("mark", null, text.slice(next, next + wanted.length)));
    }
  }
  return [...found, text.slice(at)];
}
