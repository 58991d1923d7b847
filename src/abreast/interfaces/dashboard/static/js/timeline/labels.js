// The names of the lanes, in a column that stays where it is; only those in sight exist.

import { h, keyed, replace } from "../dom.js";
import { mark } from "./marks.js";
import { RUNNING } from "./model.js";

const SPARE = 300; // pixels above and below what is in sight
const TAIL = 9; // characters at the end of a name that are never cut off

/** The column of names. act.filter(text): show only one lane. */
export class Labels {
  constructor(live) {
    this.live = live;
    this.element = h("div", { class: "tl-lanes" });
  }

  /** Show the lanes that are in sight. */
  draw({ layout, scroll, height, width, labels, model }) {
    const top = scroll.scrollTop;
    const places = layout.places.filter((place) =>
      place.top + place.height > top - SPARE && place.top < top + height + SPARE);
    const wide = labels || width;
    keyed(this.element, places, (place) => `${place.section ?? ""} ${place.lane?.key ?? ""} ${place.number}`,
      (place) => (place.lane ? this.make(place.lane) : this.heading(place)),
      (element, place) => {
        element.style.transform = `translateY(${place.top}px)`;
        element.style.height = `${place.height}px`;
        element.style.width = `${wide}px`;
        if (place.lane) this.count(element, place.lane, model);
      });
  }

  make(lane) {
    const head = h("span", { class: "tl-name-head" });
    const tail = h("span", { class: "tl-name-tail" });
    const [kind, number] = lane.key.split(" ");
    const path = { task: `/tasks/${encodeURIComponent(lane.name)}`, flow: `/flows/${number}` }[kind];
    const name = this.live && path ? h("a", { class: "tl-name", href: path }, head, tail)
      : h("span", { class: "tl-name" }, head, tail);
    const element = h("div", { class: "tl-lane", "data-lane": lane.key, title: lane.name }, name,
      h("span", { class: "tl-note" }), h("span", { class: "tl-load" }));
    Object.assign(element, { head, tail });
    return element;
  }

  heading({ section, size }) {
    return h("div", { class: "tl-section" }, section, h("span", { class: "tl-note" }, String(size)));
  }

  count(element, lane, model) {
    if (element.shown !== lane.name + lane.note) {
      element.shown = lane.name + lane.note;
      const cut = Math.max(0, lane.name.length - TAIL);
      element.head.textContent = lane.name.slice(0, cut);
      element.tail.textContent = lane.name.slice(cut);
      element.children[1].textContent = lane.note;
    }
    let running = 0;
    for (const row of lane.rows) {
      const run = row.at(-1);
      if (run.state === RUNNING && !model.flows.has(run.id)) running++;
    }
    const waiting = lane.queue.length;
    if (element.running === running && element.waiting === waiting) return;
    Object.assign(element, { running, waiting });
    const count = (number, look, text) => number > 0
      && h("span", { title: `${number} ${text}` }, mark(look), number, h("span", { class: "unseen" }, text));
    replace(element.lastChild, count(waiting, "pending", "waiting"), count(running, "running", "running"));
  }
}
