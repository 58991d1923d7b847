// What would have been with another number of units: the runs of a limit, replayed.

/** A line of pairs, the smallest first; most come in order. */
class Line {
  list = [];
  head = 0;

  get first() {
    return this.list[this.head];
  }

  push(item) {
    let low = this.head;
    let high = this.list.length;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      const [key, next] = this.list[middle - 1];
      if (key < item[0] || (key === item[0] && next <= item[1])) low = middle;
      else high = middle - 1;
    }
    this.list.splice(low, 0, item);
  }

  pop() {
    return this.list[this.head++];
  }
}

/** Waits, beginning and end in milliseconds as figures in seconds: of the waits, that of 95 %. */
function figures(waits, first, last) {
  waits.sort((a, b) => a - b);
  return { wait: waits[Math.ceil(waits.length * 0.95) - 1] / 1000, makespan: (last - first) / 1000 };
}

/**
 * Replay runs with n units of their limit, by the rule of the product: whoever waits starts by
 * rank (age and priority) as soon as its units are free, and nobody behind it goes first. runs:
 * columns {ready, rank, took, cost} in milliseconds; per: of a rate, the milliseconds after a start
 * until its units return. Returns {wait, makespan} in seconds, or null when some run needs more.
 */
export function replay({ ready, rank, took, cost }, n, per) {
  const coming = ready.map((_, index) => index).sort((a, b) => ready[a] - ready[b] || a - b);
  const line = new Line(); // [rank, index]
  const back = new Line(); // [when units return, how many]
  const waits = [];
  let held = 0;
  let last = 0;
  for (let next = 0; next < coming.length || line.first;) {
    const now = Math.min(ready[coming[next]] ?? Infinity, (line.first && back.first?.[0]) ?? Infinity);
    if (now === Infinity) return null; // nothing returns, and yet somebody waits
    while (back.first?.[0] <= now) held -= back.pop()[1];
    for (; ready[coming[next]] <= now; next++) line.push([rank[coming[next]], coming[next]]);
    while (line.first && held + cost[line.first[1]] <= n) {
      const [, index] = line.pop();
      waits.push(now - ready[index]);
      last = Math.max(last, now + took[index]);
      held += cost[index];
      back.push([now + (per ?? took[index]), cost[index]]);
    }
  }
  return figures(waits, ready[coming[0]], last);
}

/** How it really was: the same figures of runs as they started. */
export function asItWas({ ready, started, took }) {
  let first = Infinity;
  let last = 0;
  const waits = ready.map((at, index) => {
    first = Math.min(first, at);
    last = Math.max(last, started[index] + took[index]);
    return Math.max(0, started[index] - at);
  });
  return figures(waits, first, last);
}

/** Sizes to try out: from 1 to twice n, some forty at most, n among them. */
export function sizes(n) {
  const end = Math.max(2, 2 * n);
  const step = Math.ceil(end / 40);
  const found = new Set([1, n, end]);
  for (let size = step; size < end; size += step) found.add(size);
  return [...found].sort((a, b) => a - b);
}
