// Going from bar to bar with keys: a button that lies on the bar which has the focus.

import { h } from "../dom.js";

const moment = (item) => {
  if (item.kind === "ghost") return item.at;
  if (item.begin === item.begin) return item.begin;
  return item.over < Infinity ? item.over : item.created;
};

/** All there is in a lane, by time. */
function itemsOf(lane) {
  return [...lane.rows.flat(), ...lane.queue, ...lane.points, ...lane.ghosts]
    .sort((a, b) => moment(a) - moment(b));
}

/** The button on the bar with the focus. */
export class Walk {
  constructor(view) {
    this.view = view;
    this.item = null;
    this.place = null;
    this.button = h("button", { type: "button", class: "tl-focus", "aria-label": "Bars", "aria-describedby": "tl-keys",
      onkeydown: (event) => this.key(event), onclick: () => this.item && view.look.open(this.item),
      onfocus: () => this.enter(), onblur: () => view.look.leave() });
  }

  /** Have something as what the focus is on. */
  set(item, place) {
    this.item = item;
    this.place = place;
  }

  /** Have the focus on something without showing it anew. */
  grasp(item, place) {
    this.set(item, place);
    this.quiet = true;
    this.button.focus({ preventScroll: true });
    this.quiet = false;
    this.follow();
  }

  name(text) {
    this.button.setAttribute("aria-label", text);
  }

  /** Without anything: what is newest in the first lane that has something in sight. */
  enter() {
    const { view } = this;
    if (!this.quiet && !(this.item && view.box(this.item, this.place))) {
      for (const place of view.layout.places) {
        const seen = place.lane && itemsOf(place.lane).filter((item) =>
          moment(item) >= view.scale.start && moment(item) <= view.scale.end);
        if (!seen?.length) continue;
        this.set(seen.findLast((item) => item.kind !== "ghost") ?? seen[0], place);
        break;
      }
    }
    this.tell();
  }

  tell() {
    const { item, place, view } = this;
    if (!item) return;
    this.name(view.look.said(item).text);
    if (this.quiet) return;
    view.reveal(item, place);
    view.look.at({ item, place }, true);
  }

  key(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.shiftKey || (!step && event.key !== "Escape")) return;
    event.preventDefault();
    event.stopPropagation();
    if (step) this.step(...step);
    else if (this.view.drawer.run) this.view.drawer.close();
    else this.view.chart.focus();
  }

  step(across, down) {
    const { item, place } = this;
    if (!item) return;
    const { places } = this.view.layout;
    let at = places.findIndex((one) => one.lane === (place?.lane ?? item.lane) && (!place || one.number === place.number));
    if (across) {
      const items = itemsOf(places[at].lane);
      this.set(items[items.indexOf(item) + across] ?? item, places[at]);
    } else {
      const far = (one) => Math.abs(moment(one) - moment(item));
      for (at += down; places[at]; at += down) {
        const items = places[at].lane ? itemsOf(places[at].lane) : [];
        if (!items.length) continue;
        this.set(items.reduce((best, one) => (far(one) < far(best) ? one : best)), places[at]);
        break;
      }
    }
    this.tell();
  }

  /** Lie on the bar. */
  follow() {
    const { view, item } = this;
    const { style } = this.button;
    const box = item && view.box(item, this.place);
    const left = box ? Math.max(-2, Math.min(box.x, view.width)) : 0;
    style.transform = `translate(${left + view.labels}px, ${box?.y ?? 0}px)`;
    style.width = `${box ? Math.max(6, Math.min(box.x + box.width, view.width + 4) - left) : 1}px`;
    style.height = `${box?.height ?? 1}px`;
  }
}
