// Time to pixels and back. Times are milliseconds since 1970; long idle stretches may be cut short.

/** Pixels that a stretch takes which was cut short. */
export const CUT_PX = 34;
const LEAST_MS = 0.02; // per pixel
const MOST_MS = 4e6; // a month on a screen

/** The first place in a sorted list whose value is greater than `value`. */
export function after(list, value, of) {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (of(list[middle]) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

const first = (cut) => cut.from;

/** Maps times to pixels: `start` is at x = 0, a pixel is `per` milliseconds, cuts are shorter. */
export class Scale {
  constructor() {
    this.per = 1000;
    this.width = 100;
    this.cuts = []; // {from, to, busy: milliseconds before it that are not cut out}
    this.start = 0;
  }

  /** The time at the left edge. */
  get start() {
    return this.begin;
  }

  set start(time) {
    this.begin = time;
    [this.busy, this.passed] = this.cuts.length ? this.parts(time) : [time, 0];
  }

  /** The time at the right edge. */
  get end() {
    return this.time(this.width);
  }

  /** Milliseconds that are not cut out before a time, and how many cuts. */
  parts(time) {
    const place = after(this.cuts, time, first) - 1;
    if (place < 0) return [time, 0];
    const cut = this.cuts[place];
    if (time < cut.to) return [cut.busy, place + (time - cut.from) / (cut.to - cut.from)];
    return [cut.busy + time - cut.to, place + 1];
  }

  /** Where a time is, in pixels from the left edge. */
  x(time) {
    if (this.cuts.length === 0) return (time - this.begin) / this.per;
    const [busy, passed] = this.parts(time);
    return (busy - this.busy) / this.per + (passed - this.passed) * CUT_PX;
  }

  /** The time at a place. */
  time(x) {
    const { cuts, per } = this;
    if (cuts.length === 0) return this.begin + x * per;
    const place = after(cuts, x, (cut) => this.x(cut.from)) - 1;
    if (place < 0) return cuts[0].from - (this.x(cuts[0].from) - x) * per;
    const cut = cuts[place];
    const inside = x - this.x(cut.from);
    if (inside < CUT_PX) return cut.from + (inside / CUT_PX) * (cut.to - cut.from);
    return cut.to + (inside - CUT_PX) * per;
  }

  /** Have a time at a place. */
  put(time, x) {
    this.start = time;
    this.start = this.time(-x);
  }

  /** Show a period. */
  fit(from, to) {
    this.start = from;
    const [busy, passed] = this.cuts.length ? this.parts(to) : [to, 0];
    const room = Math.max(this.width * 0.2, this.width - (passed - this.passed) * CUT_PX);
    this.per = bound((busy - this.busy) / room);
  }

  /** Zoom by a factor (less than 1: closer) around a place. */
  zoom(factor, x) {
    const time = this.time(x);
    this.per = bound(this.per * factor);
    this.put(time, x);
  }

  /** Cut out idle stretches [{from, to}] that would be `least` pixels or more; keeps a place. */
  cut(idle, least, x = this.width / 2) {
    const time = this.time(x);
    const pad = 12 * this.per;
    let busy = 0;
    let before = 0;
    this.cuts = idle.filter(({ from, to }) => (to - from) / this.per >= least).map((stretch) => {
      const from = stretch.from + pad;
      const to = stretch.to - pad;
      busy += before ? from - before : from;
      before = to;
      return { from, to, busy };
    });
    this.put(time, x);
  }
}

const bound = (per) => Math.min(MOST_MS, Math.max(LEAST_MS, per));

/** The stretches in which nothing is, between sorted or unsorted spans [from, to, from, to, …]. */
export function idleOf(spans, least) {
  const order = Array.from({ length: spans.length / 2 }, (_, place) => place * 2);
  order.sort((a, b) => spans[a] - spans[b]);
  const found = [];
  let until = Infinity;
  for (const place of order) {
    if (spans[place] - until >= least) found.push({ from: until, to: spans[place] });
    until = until === Infinity ? spans[place + 1] : Math.max(until, spans[place + 1]);
  }
  return found;
}
