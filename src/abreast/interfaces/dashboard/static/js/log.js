// What a run has printed. Only the rows in sight and a few around them are elements. How far the
// window is scrolled says where in the file one is; rows are exact around that place, so scrolling
// by lines is exact too, and the place is put right whenever the scrolling rests.

import { colored } from "./ansi.js";
import { url } from "./api.js";
import { h, icon, said } from "./dom.js";
import { LogFile } from "./logfile.js";
import { LogSearch } from "./logsearch.js";
import { pref, prefer } from "./prefs.js";
import { ENDED } from "./states.js";
import { both, clock } from "./time.js";

const TALLEST = 4_000_000; // pixels; browsers have a limit
const NEAR = 1 << 16; // bytes that are loaded around a place
const FAST_MS = 250; // between two looks at a log that grows
const SLOW_MS = 1_500;
const HIDDEN_MS = 30_000;
const RESTS_MS = 150;
const STAMP = /^(\d{4}-\d\d-\d\dT[\d:]+)(\.\d{3})Z /;

const sizeOf = (bytes) => bytes < 1e3 ? `${bytes} B` : bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;

/**
 * The log of a run: `element` is to be shown, update(run) says how the run is now. It follows the
 * end until somebody scrolls up, stands still while `live` is paused, and ends with the signal.
 */
export class LogView {
  #run;
  #signal;
  #live;
  #file;
  #shown = []; // rows that are elements, one after the other: {start, end, element}
  #base = 0; // pixels above the first of them
  #height = 0; // pixels of everything
  #scale = 0.2; // pixels per byte
  #following = true;
  #left = 0; // the size when following ended
  #goal = null; // where to go: {byte, offset}
  #expected = -1; // where we have scrolled to ourselves
  #wanted = ""; // is marked
  #hit = -1; // the place of the match one is at
  #marked = ""; // is marked in the elements there are
  #busy = false;
  #rest = 0;
  #wake = () => {};

  constructor(run, { signal, live = null }) {
    this.#run = run;
    this.#signal = signal;
    this.#live = live;
    this.#file = new LogFile(run.id, run.log === null, signal);
    this.rows = h("div", { class: "log-rows" });
    this.space = h("div", { class: "log-space" }, this.rows);
    this.view = h("div", { class: "log-view", tabindex: 0, role: "region", "aria-label": "Log",
      onscroll: () => this.#scrolled(), onkeydown: (event) => this.#key(event) }, this.space);
    this.none = h("p", { class: "log-none soft" }, "Looking …");
    this.info = h("span", { class: "soft num" });
    this.back = h("button", { type: "button", class: "primary", hidden: true, onclick: () => this.follow() },
      icon("down"), h("span"));
    this.search = new LogSearch(this, this.#file, signal);
    this.element = h("div", null,
      h("div", { class: "log-bar" }, this.search.element, this.info,
        this.#toggle("timed", "Times", true), this.#toggle("wrap", "Wrap lines", false),
        h("a", { class: "button", href: url(`/runs/${run.id}/log`), download: `run-${run.id}.log` },
          icon("download"), "Download")),
      h("div", { class: "log-frame" }, this.view, this.none, this.back));
    const resized = new ResizeObserver(() => this.#shown.length && this.#fill());
    resized.observe(this.view);
    signal.addEventListener("abort", () => {
      resized.disconnect();
      this.#wake();
    });
    document.addEventListener("visibilitychange", () => document.hidden || this.#wake(), { signal });
    live?.on("state", () => this.#wake(), signal);
    this.#watch();
  }

  /** Take in how the run is now. */
  update(run) {
    const changed = run.state !== this.#run.state;
    this.#run = run;
    if (changed) this.#wake();
  }

  /** Go to the end and stay there. */
  follow() {
    this.#following = true;
    this.#fill();
    this.view.focus({ preventScroll: true });
  }

  /** Show the row with a byte, which is that of a match; -1 only unmarks. */
  go(byte) {
    this.#hit = byte;
    if (byte < 0) return this.#markHit();
    this.#leave();
    this.#goal = { byte, offset: Math.round(this.view.clientHeight / 3) };
    this.#fill();
  }

  /** Mark a text (in lower case) wherever it is seen. */
  mark(text) {
    this.#wanted = text;
    this.#fill();
  }

  /** The place of the first row in sight. */
  get top() {
    return this.#visible()?.start ?? 0;
  }

  #toggle(name, text, usual) {
    const button = h("button", { type: "button" }, text);
    const put = (on) => {
      this.view.classList.toggle(name, on);
      button.setAttribute("aria-pressed", on);
    };
    button.addEventListener("click", () => {
      const place = this.#visible();
      put(!this.view.classList.contains(name));
      prefer(`log-${name}`, this.view.classList.contains(name));
      if (place) this.#goal = { byte: place.start, offset: 0 };
      this.#fill();
    });
    put(pref(`log-${name}`, usual));
    return button;
  }

  // -- whether there is more --------------------------------------------------------------

  async #watch() {
    let pace = FAST_MS;
    let quiet = 0;
    while (!this.#signal.aborted && quiet < 2) {
      if (this.#live?.state === "paused") {
        await this.#sleep(HIDDEN_MS);
        continue;
      }
      const ended = ENDED.has(this.#run.state);
      let trouble = "";
      try {
        const grown = await this.#file.look();
        quiet = ended && !grown ? quiet + 1 : 0; // the last words may come a moment after the end
        pace = grown ? FAST_MS : Math.min(SLOW_MS, pace * 1.5);
        if (grown) await this.#grown();
      } catch (error) {
        if (this.#signal.aborted) return;
        trouble = said(error);
        pace = SLOW_MS;
      }
      this.#tell(trouble);
      await this.#sleep(document.hidden ? HIDDEN_MS : pace);
    }
  }

  #sleep(ms) {
    return new Promise((resolve) => {
      this.#wake = resolve;
      setTimeout(resolve, ms);
    });
  }

  #grown() {
    if (this.#file.size < (this.#shown.at(-1)?.end ?? 0)) { // it was begun anew
      this.#shown = [];
      this.rows.replaceChildren();
      this.#following = true;
    }
    return this.#fill();
  }

  #tell(trouble = "") {
    const { size } = this.#file;
    const ended = ENDED.has(this.#run.state);
    this.none.hidden = size > 0 && !trouble;
    this.none.textContent = trouble
      || (ended ? "It has printed nothing." : "It has printed nothing yet.");
    this.view.hidden = size === 0;
    this.info.textContent = size ? sizeOf(size) : "";
    this.back.hidden = this.#following || ended || size === 0;
    const more = size - this.#left;
    this.back.lastChild.textContent = more > 0 ? `Follow · ${sizeOf(more)} more` : "Follow";
  }

  // -- where we are -----------------------------------------------------------------------

  #leave() {
    if (this.#following) this.#left = this.#file.size;
    this.#following = false;
    this.#tell();
  }

  /** The first row in sight. */
  #visible() {
    const from = this.view.scrollTop - this.#base;
    return this.#shown.find(({ element }) => element.offsetTop + element.offsetHeight > from)
      ?? this.#shown.at(-1);
  }

  /** Where a row belongs, so that the bar beside the window tells how far one is. */
  #ideal(byte) {
    const { size } = this.#file;
    const screen = this.view.clientHeight;
    const most = Math.max(0, this.#height - screen);
    const share = byte / Math.max(1, size - screen / this.#scale);
    const above = Math.min(byte * this.#scale, 2 * screen);
    const below = Math.min((size - byte) * this.#scale - screen, 2 * screen);
    return Math.max(above, Math.min(share * most, most - Math.max(0, below)));
  }

  #estimate() {
    this.#height = Math.max(this.view.clientHeight,
      Math.min(TALLEST, this.#file.size * this.#scale));
  }

  #scrolled() {
    const at = this.view.scrollTop;
    if (Math.abs(at - this.#expected) < 1.5) return;
    this.#expected = at;
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => this.#settle(), RESTS_MS);
    const screen = this.view.clientHeight;
    const last = this.#shown.at(-1);
    if (!last) return;
    const end = this.#base + this.rows.offsetHeight;
    if (last.end === this.#file.size && at + screen >= end - 4) this.#following = true;
    else this.#leave();
    this.#tell();
    if (at >= end || at + screen <= this.#base) { // somewhere else
      const span = Math.max(1, this.#file.size - screen / this.#scale);
      const byte = Math.round((at / Math.max(1, this.#height - screen)) * span);
      this.#goal = { byte: Math.max(0, Math.min(byte, this.#file.size - 1)), offset: 0, at };
    }
    this.#fill();
    if (at < screen || this.#height - at < 2 * screen) this.#settle(); // there may be more beyond
  }

  #key(event) {
    if ((event.ctrlKey || event.metaKey) && event.key === "f") this.search.focus();
    else if (event.key === "End") this.follow();
    else if (event.key === "Home") {
      this.#leave();
      this.#goal = { byte: 0, offset: 0 };
      this.#fill();
    } else return;
    event.preventDefault();
  }

  /** Put the bar beside the window right, without moving what is seen. */
  #settle() {
    const [first, last] = [this.#shown[0], this.#shown.at(-1)];
    if (!last || this.#following || this.#busy) return;
    if (first.start === 0 && last.end === this.#file.size) return;
    const row = this.#visible();
    const off = this.view.scrollTop - this.#base - row.element.offsetTop;
    this.#estimate();
    const at = this.#ideal(row.start);
    this.#paint(row.start, at, at + off);
  }

  // -- showing ----------------------------------------------------------------------------

  /** Show what is to be seen; loads what is missing for it. One at a time. */
  async #fill() {
    if (this.#busy) return; // who is at it looks again where we are
    this.#busy = true;
    try {
      for (let turn = 0; turn < 100 && this.#file.size; turn++) {
        const missing = this.#step();
        if (!missing) break;
        await this.#file.load(...missing);
      }
    } catch (error) {
      if (!this.#signal.aborted) this.#tell(said(error));
    } finally {
      this.#busy = false;
    }
  }

  /** Returns the bytes that are missing, [from, to], or null. */
  #step() {
    const file = this.#file;
    const screen = this.view.clientHeight || 300;
    if (this.#following) {
      this.#goal = null;
      const start = file.rowAt(file.size - 1);
      if (start === null) return [file.size - 2 * NEAR, file.size];
      this.#estimate();
      const missing = this.#paint(start, this.#height, this.#height - screen);
      this.#scrollTo(this.#height);
      return missing;
    }
    const goal = this.#goal;
    if (goal) {
      const start = file.rowAt(goal.byte);
      if (start === null || !file.row(start)) return [goal.byte - NEAR, goal.byte + NEAR];
      this.#goal = null;
      this.#estimate();
      const y = goal.at ?? this.#ideal(start);
      return this.#paint(start, y, y - goal.offset);
    }
    const row = this.#visible();
    if (!row) return null;
    return this.#paint(row.start, this.#base + row.element.offsetTop, this.view.scrollTop);
  }

  /** Show a row at a height, and those around what is in sight when scrolled to `at`. */
  #paint(start, y, at) {
    const file = this.#file;
    const screen = Math.max(300, this.view.clientHeight);
    const line = parseFloat(getComputedStyle(this.view).lineHeight);
    let missing = null;
    const before = [];
    for (let place = start, top = y; place > 0 && top > at - screen; top -= line) {
      const begin = file.rowAt(place - 1);
      const row = begin === null ? null : file.row(begin);
      if (!row) {
        missing = [place - NEAR, place];
        break;
      }
      before.push(row);
      place = begin;
    }
    const rows = before.reverse();
    for (let place = start, top = y; place < file.size && top < at + 2 * screen; top += line) {
      const row = file.row(place);
      if (!row) {
        missing ??= [place, place + NEAR];
        break;
      }
      rows.push(row);
      place = row.end;
    }
    if (rows.length) this.#put(rows, start, y, at);
    return missing;
  }

  #put(rows, start, y, at) {
    const before = new Map(this.#shown.map((row) => [`${row.start} ${row.end} ${this.#marked}`, row.element]));
    this.#marked = this.#wanted;
    for (const row of rows) row.element = before.get(`${row.start} ${row.end} ${this.#wanted}`) ?? this.#line(row.text);
    const stay = new Set(rows.map((row) => row.element));
    for (const { element } of this.#shown) if (!stay.has(element)) element.remove();
    let place = this.rows.firstChild; // elements that stay are not moved, so that a selection stays
    for (const { element } of rows) {
      if (element === place) place = place.nextSibling;
      else this.rows.insertBefore(element, place);
    }
    this.#shown = rows;
    this.#markHit();

    const tall = this.rows.offsetHeight;
    const last = rows.at(-1).end;
    const anchor = rows.find((row) => row.start >= start) ?? rows.at(-1);
    let base = y - anchor.element.offsetTop;
    if (rows[0].start === 0) { // here it is exact
      at -= base;
      base = 0;
    }
    this.#scale = tall / (last - rows[0].start);
    this.#height = last === this.#file.size ? base + tall
      : Math.max(this.#height, base + tall + this.view.clientHeight);
    this.#base = base;
    this.rows.style.top = `${base}px`;
    this.space.style.height = `${this.#height}px`;
    this.#scrollTo(at);
  }

  #scrollTo(at) {
    if (Math.abs(this.view.scrollTop - at) > 0.5) this.view.scrollTop = at;
    this.#expected = this.view.scrollTop;
  }

  #markHit() {
    for (const { start, end, element } of this.#shown) {
      element.classList.toggle("hit", start <= this.#hit && this.#hit < end);
    }
  }

  #line(text) {
    const stamp = STAMP.exec(text);
    const line = (stamp ? text.slice(stamp[0].length) : text).replace(/\r+$/, "");
    const shown = line.slice(line.lastIndexOf("\r") + 1); // what was drawn over is not seen
    const at = stamp && Date.parse(`${stamp[1]}Z`) / 1000;
    return h("div", { class: "log-row" },
      stamp && h("time", { title: both(at), "data-text": clock(at) + stamp[2] }),
      h("span", null, colored(shown, this.#wanted)));
  }
}
