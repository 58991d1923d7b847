// What would have been with another number of units: the runs of a limit, replayed.

/** A queue by numbers: push(item, key, then), pop(), items with the smallest key first. */
class Heap {
  items = [];

  get first() {
    return this.items[0];
  }

  push(item) {
    const { items } = this;
    let at = items.push(item) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (!before(item, items[up])) break;
      items[at] = items[up];
      at = up;
    }
    items[at] = item;
  }

  pop() {
    const { items } = this;
    const found = items[0];
    const item = items.pop();
    if (items.length === 0) return found;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= items.length) break;
      if (down + 1 < items.length && before(items[down + 1], items[down])) down += 1;
      if (!before(items[down], item)) break;
      items[at] = items[down];
      at = down;
    }
    items[at] = item;
    return found;
  }
}

const before = (one, other) => one[0] - other[0] < 0 || (one[0] === other[0] && one[1] < other[1]);

/** The smallest value that 95 of 100 do not exceed; 0 of none. */
export function p95(values) {
  const sorted = Float64Array.from(values).sort();
  return sorted.length ? sorted[Math.ceil(sorted.length * 0.95) - 1] : 0;
}

const outcome = (waits, first, last) => ({ makespan: (last - first) / 1000, wait: p95(waits) / 1000 });

/**
 * Replay runs with n units of their limit, by the rule of the product: whoever waits starts by
 * rank (age and priority) as soon as its units are free, and nobody behind it goes first. runs:
 * columns {ready, rank, took, cost} in milliseconds; per: of a rate, the milliseconds after a start
 * until its units return. Returns {makespan, wait (of 95 in 100)} in seconds, or null when some
 * run needs more than n units.
 */
export function replay({ ready, rank, took, cost }, n, per = null) {
  const arrivals = ready.map((_, index) => index).sort((a, b) => ready[a] - ready[b] || a - b);
  const line = new Heap(); // [rank, index]
  const back = new Heap(); // [when units return, how many]
  const waits = [];
  let held = 0;
  let last = -Infinity;
  for (let next = 0; next < arrivals.length || line.first;) {
    const now = Math.min(arrivals[next] === undefined ? Infinity : ready[arrivals[next]],
      line.first && back.first ? back.first[0] : Infinity);
    if (now === Infinity) return null; // nothing returns, and yet somebody waits
    while (back.first && back.first[0] <= now) held -= back.pop()[1];
    for (; next < arrivals.length && ready[arrivals[next]] <= now; next += 1) {
      line.push([rank[arrivals[next]], arrivals[next]]);
    }
    while (line.first && held + cost[line.first[1]] <= n + 1e-9) {
      const index = line.pop()[1];
      waits.push(now - ready[index]);
      last = Math.max(last, now + took[index]);
      held += cost[index];
      back.push([now + (per ?? took[index]), cost[index]]);
    }
  }
  return waits.length ? outcome(waits, ready[arrivals[0]], last) : null;
}

/** How it really was: the same two figures of runs as they started. */
export function asItWas({ ready, started, took }) {
  const waits = ready.map((at, index) => Math.max(0, started[index] - at));
  const ends = started.map((at, index) => at + took[index]);
  const least = (values) => values.reduce((a, b) => Math.min(a, b), Infinity);
  return outcome(waits, least(ready), -least(ends.map((at) => -at)));
}

/** Sizes to try out: from 1 to twice n, at most `most` of them, n among them. */
export function sizes(n, most = 40) {
  const end = Math.max(2, 2 * n);
  const step = Math.max(1, Math.ceil(end / most));
  const found = new Set([1, n, end]);
  for (let size = step; size <= end; size += step) found.add(size);
  return [...found].sort((a, b) => a - b);
}
