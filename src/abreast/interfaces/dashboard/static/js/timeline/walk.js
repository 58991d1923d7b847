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

/** The button on the bar with the focus. view: places, boxOf, reveal, explain, open. */
export class Walk {
  constructor(view) {
    this.view = view;
    this.item = null;
    this.place = null;
    this.button = h("button", { type: "button", class: "tl-focus", "aria-label": "Bars", "aria-describedby": "tl-keys",
      onkeydown: (event) => this.key(event), onclick: () => this.item && view.open(this.item),
      onfocus: () => this.enter(), onblur: () => view.leave() });
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

  /** Without anything: what is newest in the first lane that has something in sight. */
  enter() {
    if (this.quiet) {
      if (this.item) this.button.setAttribute("aria-label", this.view.explainFocus(this.item));
      return;
    }
    if (!this.item || !this.view.box(this.item, this.place)) {
      const { scale } = this.view;
      for (const place of this.view.layout.places) {
        const seen = place.lane && itemsOf(place.lane).filter((item) =>
          moment(item) >= scale.start && moment(item) <= scale.end);
        if (!seen?.length) continue;
        this.set(seen.filter((item) => item.kind !== "ghost").at(-1) ?? seen[0], place);
        break;
      }
    }
    this.tell();
  }

  tell() {
    if (!this.item) {
      this.button.setAttribute("aria-label", "Nothing to see here");
      return;
    }
    this.view.reveal(this.item, this.place);
    this.button.setAttribute("aria-label", this.view.explainFocus(this.item));
  }

  key(event) {
    if (event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return;
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "Escape" && this.view.escape()) event.stopPropagation();
    else if (event.key === "Escape") this.view.chart.focus();
    else if (!step || !this.item) return;
    else this.step(...step);
    event.preventDefault();
    event.stopPropagation();
  }

  step(across, down) {
    const { places } = this.view.layout;
    if (across) {
      const items = itemsOf(this.place.lane);
      const next = items[items.indexOf(this.item) + across];
      if (next) this.set(next, this.place);
    } else {
      const time = moment(this.item);
      let at = places.indexOf(this.place);
      if (at < 0) at = places.findIndex((place) => place.lane === this.place.lane);
      for (at += down; places[at]; at += down) {
        const items = places[at].lane ? itemsOf(places[at].lane) : [];
        if (!items.length) continue;
        const far = (item) => Math.abs(moment(item) - time);
        this.set(items.reduce((best, item) => (far(item) < far(best) ? item : best)), places[at]);
        break;
      }
    }
    this.tell();
  }

  /** Lie on the bar. */
  follow() {
    const box = this.item && this.view.box(this.item, this.place);
    const { style } = this.button;
    if (!box) {
      style.transform = "translate(0, 0)";
      style.width = style.height = "1px";
      return;
    }
    const left = Math.max(-2, Math.min(box.x, this.view.width));
    style.transform = `translate(${left + this.view.labels}px, ${box.y}px)`;
    style.width = `${Math.max(6, Math.min(box.x + box.width, this.view.width + 4) - left)}px`;
    style.height = `${box.height}px`;
  }
}
