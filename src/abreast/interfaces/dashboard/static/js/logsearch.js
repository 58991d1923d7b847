// Looking for a text in a log, which is read for it from beginning to end.

import { h, icon, said } from "./dom.js";

const PATIENCE_MS = 250; // after the last key

/** The search of a LogView: `element` is to be shown. To empty the field ends it. */
export class LogSearch {
  #log;
  #file;
  #signal;
  #text = "";
  #places = [];
  #read = 0; // up to where it has been searched
  #now = -1; // the match one is at
  #from = 0; // where one was when it began
  #stop = null;
  #timer = 0;

  constructor(log, file, signal) {
    this.#log = log;
    this.#file = file;
    this.#signal = signal;
    this.input = h("input", { type: "search", placeholder: "Find in log", spellcheck: "false",
      "aria-label": "Find in log", oninput: () => this.#typed(), onkeydown: (event) => this.#key(event) });
    this.status = h("span", { class: "soft num", role: "status" });
    const button = (name, label, act) => h("button", { type: "button", class: "bare", hidden: true,
      "aria-label": label, title: label, onclick: act }, icon(name));
    this.previous = button("up", "Previous match", () => this.#step(-1));
    this.next = button("down", "Next match", () => this.#step(1));
    this.element = h("div", { class: "log-search", role: "search" },
      this.input, this.previous, this.next, this.status);
  }

  /** Let the viewer type. */
  focus() {
    this.input.focus();
    this.input.select();
  }

  #typed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#begin(), this.input.value ? PATIENCE_MS : 0);
  }

  #key(event) {
    if (event.key === "Enter") {
      event.preventDefault();
      if (this.input.value === this.#text) this.#step(event.shiftKey ? -1 : 1);
      else this.#begin();
    } else if (event.key === "Escape" && this.input.value) {
      event.stopPropagation(); // the field keeps the focus
      this.input.value = "";
      this.#begin();
    }
  }

  #begin() {
    clearTimeout(this.#timer);
    this.#stop?.abort();
    this.#text = this.input.value;
    this.#places = [];
    this.#read = 0;
    this.#now = -1;
    this.#from = this.#log.top;
    this.#log.mark(this.#text.toLowerCase());
    this.#log.go(-1);
    this.#say();
    if (this.#text) this.#scan();
  }

  async #scan() {
    const stop = (this.#stop = new AbortController());
    let trouble = "";
    try {
      await this.#file.search(this.#text, this.#read, (places, read) => {
        if (stop.signal.aborted) return false;
        this.#read = read;
        this.#places.push(...places);
        const first = this.#now < 0 ? this.#places.findIndex((place) => place >= this.#from) : -1;
        if (first >= 0) this.#select(first);
        this.#say();
        return true;
      }, AbortSignal.any([stop.signal, this.#signal]));
      if (this.#now < 0 && this.#places.length && !stop.signal.aborted) this.#select(0);
    } catch (error) {
      if (!stop.signal.aborted) trouble = said(error);
    }
    if (this.#stop !== stop) return;
    this.#stop = null;
    this.#say(trouble);
  }

  async #step(by) {
    const last = this.#places.length - 1;
    if (by > 0 && this.#now === last && this.#read < this.#file.size && !this.#stop) {
      await this.#scan(); // it has grown meanwhile, or the search was stopped
    }
    if (!this.#places.length) return;
    this.#select((this.#now + by + this.#places.length) % this.#places.length);
    this.#say();
  }

  #select(index) {
    this.#now = index;
    this.#log.go(this.#places[index]);
  }

  #say(trouble = "") {
    const count = this.#places.length;
    const share = this.#file.size ? Math.floor((this.#read / this.#file.size) * 100) : 100;
    const parts = [];
    if (trouble) parts.push(trouble);
    else if (count) parts.push(`${Math.max(0, this.#now) + 1} of ${count.toLocaleString("en")}`);
    else if (this.#text && !this.#stop) parts.push("not found");
    if (this.#text && share < 100) parts.push(`${share} % read`);
    this.status.textContent = parts.join(" · ");
    this.previous.hidden = this.next.hidden = !count;
  }
}
