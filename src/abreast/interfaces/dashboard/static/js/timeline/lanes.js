// Lanes and their rows: which run lies where. The rule is that of interfaces/lanes.py.

/**
 * Give spans their rows, first fit: in order of their start (then as given) each takes the lowest
 * row that is free by then. `begin` and `over` of a span are its start and end (Infinity: open).
 * Sets `row` of each and returns the rows, lists of spans.
 */
export function place(spans) {
  const order = spans.every((span, at) => at === 0 || spans[at - 1].begin <= span.begin)
    ? spans : [...spans].sort((a, b) => a.begin - b.begin);
  const rows = [];
  for (const span of order) fit(rows, span);
  return rows;
}

/** Put a span that begins after all others into the lowest row that is free. */
export function fit(rows, span) {
  let row = 0;
  while (row < rows.length && rows[row].at(-1).over > span.begin) row++;
  if (row === rows.length) rows.push([]);
  rows[row].push(span);
  span.row = row;
}

const bySubmit = (a, b) => a.created - b.created || a.id - b.id;
const byPlace = (a, b) => a.begin - b.begin || bySubmit(a, b);

/** Runs under one name: those that have started in rows, those that wait, and points in time. */
export class Lane {
  constructor(key, name, note = "") {
    this.key = key;
    this.name = name;
    this.note = note; // beside the name
    this.rows = [];
    this.runs = new Set();
    this.queue = []; // what waits and has never started; the oldest first
    this.points = []; // ended without a start, and instants without a run; by time
    this.ghosts = []; // coming instants, by time
    this.instants = []; // those without a run
    this.latest = -Infinity; // begin of what was placed last
    this.redo = Infinity; // what begins then or later has to be placed anew
    this.late = []; // what came out of order
    this.unsorted = true; // queue and points
    this.tall = 1; // rows there is room for; it does not shrink while somebody looks
    this.long = 0; // the same for what waits
  }

  /** A run came, or has changed. */
  put(run) {
    if (!this.runs.has(run)) {
      this.runs.add(run);
      run.spot = NOWHERE;
    }
    if (run.spot === ROW) {
      if (run.begin === run.placed) return;
      this.redo = Math.min(this.redo, run.begin, run.placed);
      this.late.push(run);
    } else if (run.begin === run.begin) { // a number: it has started
      if (run.spot !== NOWHERE) this.unsorted = true;
      run.spot = ROW;
      run.placed = run.begin;
      if (run.begin > this.latest && this.redo === Infinity) {
        this.latest = run.begin;
        fit(this.rows, run);
      } else {
        this.redo = Math.min(this.redo, run.begin);
        this.late.push(run);
      }
    } else {
      const spot = run.over === Infinity ? QUEUE : POINT;
      if (spot !== run.spot) this.unsorted = true;
      run.spot = spot;
    }
  }

  /** A run belongs elsewhere now. */
  drop(run) {
    if (!this.runs.delete(run)) return;
    if (run.spot === ROW) this.redo = Math.min(this.redo, run.placed);
    else this.unsorted = true;
  }

  /** Bring rows, queue and points up to date. */
  settle() {
    if (this.redo < Infinity) this.replace();
    if (!this.unsorted) return;
    this.queue = [];
    this.points = [...this.instants];
    for (const run of this.runs) {
      if (run.spot === QUEUE) this.queue.push(run);
      else if (run.spot === POINT) this.points.push(run);
    }
    this.queue.sort(bySubmit);
    this.points.sort((a, b) => a.over - b.over);
    this.unsorted = false;
  }

  /** Place anew what began at `redo` or later. */
  replace() {
    const again = new Set(this.late);
    for (const row of this.rows) {
      while (row.length && row.at(-1).placed >= this.redo) again.add(row.pop());
    }
    this.rows = this.rows.filter((row) => row.length);
    const order = [...again].filter((run) => this.runs.has(run)).sort(byPlace);
    for (const run of order) {
      run.placed = run.begin;
      fit(this.rows, run);
    }
    this.rows.forEach((row, at) => row[0].row !== at && row.forEach((run) => (run.row = at)));
    this.latest = order.at(-1)?.begin ?? this.rows.reduce((most, row) => Math.max(most, row.at(-1).begin), -Infinity);
    this.late = [];
    this.redo = Infinity;
  }
}

const NOWHERE = 0;
const ROW = 1;
const QUEUE = 2;
const POINT = 3;
