// Colours of terminals as elements.

import { h } from "./dom.js";

// What a program writes to steer a terminal: colours, other sequences, and single signs.
const STEER = /\x1b\[([\d;:]*)m|\x1b\[[\d;:?<=>]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?|[\x00-\x08\x0b-\x1f\x7f]/g;
const STYLES = { 1: "b", 2: "d", 3: "i", 4: "u", 7: "v", 9: "s" };
const ENDS = { 22: "bd", 23: "i", 24: "u", 27: "v", 29: "s" };

/** The parts of a line as [{text, look}], look null where nothing is special. */
function parts(line) {
  const found = [];
  let look = null;
  let at = 0;
  const push = (text) => text && found.push({ text, look });
  for (const match of line.matchAll(STEER)) {
    push(line.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[1] !== undefined) look = changed(look, match[1]);
  }
  push(line.slice(at));
  return found;
}

function changed(look, codes) {
  let { style = "", ink = null, ground = null } = look ?? {};
  const given = codes.split(/[;:]/).map(Number);
  for (let at = 0; at < given.length; at++) {
    const code = given[at];
    if (code === 0) [style, ink, ground] = ["", null, null];
    else if (STYLES[code]) style += style.includes(STYLES[code]) ? "" : STYLES[code];
    else if (ENDS[code]) style = [...style].filter((sign) => !ENDS[code].includes(sign)).join("");
    else if (code === 39) ink = null;
    else if (code === 49) ground = null;
    else if (code === 38 || code === 48) {
      const [color, used] = exact(given, at + 1);
      at += used;
      if (code === 38) ink = color;
      else ground = color;
    } else if ((code >= 30 && code < 38) || (code >= 90 && code < 98)) ink = code % 10 + (code > 89 ? 8 : 0);
    else if ((code >= 40 && code < 48) || (code >= 100 && code < 108)) ground = code % 10 + (code > 99 ? 8 : 0);
  }
  return style || ink !== null || ground !== null ? { style, ink, ground } : null;
}

/** A colour of 256 or of all: a number below 16, or text for CSS; and how many codes it took. */
function exact(given, at) {
  if (given[at] === 2) return [`rgb(${given.slice(at + 1, at + 4).map((part) => part & 255).join(" ")})`, 4];
  const code = given[at + 1] & 255;
  if (code < 16) return [code, 2];
  if (code > 231) return [`rgb(${Array(3).fill(8 + (code - 232) * 10).join(" ")})`, 2];
  const level = (size) => [0, 95, 135, 175, 215, 255][Math.floor((code - 16) / size) % 6];
  return [`rgb(${level(36)} ${level(6)} ${level(1)})`, 2];
}

function span(look, children) {
  if (!look) return children;
  const names = [...look.style].map((sign) => `a-${sign}`);
  const style = {};
  for (const [key, property, stem] of [["ink", "color", "a-"], ["ground", "background", "a-on-"]]) {
    if (typeof look[key] === "number") names.push(stem + look[key]);
    else if (look[key]) style[property] = look[key];
  }
  return h("span", { class: names, style }, children);
}

/** A line as nodes, with a text (in lower case) marked wherever it occurs. */
export function colored(line, wanted) {
  const found = parts(line);
  const places = wanted ? marks(found.map((part) => part.text).join(""), wanted) : [];
  let at = 0;
  return found.map(({ text, look }) => {
    const children = [];
    let inside = 0;
    for (const [from, to] of places) {
      const [start, end] = [Math.max(from - at, inside), Math.min(to - at, text.length)];
      if (start >= end) continue;
      children.push(text.slice(inside, start), h("mark", null, text.slice(start, end)));
      inside = end;
    }
    children.push(text.slice(inside));
    at += text.length;
    return span(look, children.filter(Boolean));
  });
}

function marks(text, wanted) {
  const lower = text.toLowerCase();
  if (lower.length !== text.length) return [];
  const found = [];
  for (let at = lower.indexOf(wanted); at >= 0 && found.length < 500;
    at = lower.indexOf(wanted, at + wanted.length)) found.push([at, at + wanted.length]);
  return found;
}
