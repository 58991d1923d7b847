// Which runs of a flow decided when it was over.

/**
 * The runs that decided when everything was over, the first one first: from the one that ended
 * last back through the one before it that ended last. `edges`: pairs of ids, earlier and later.
 */
function criticalPath(runs, edges) {
  const later = (a, b) => (!a || b.over > a.over ? b : a);
  const before = new Map();
  for (const [earlier, run] of edges) {
    const parent = runs.get(earlier);
    if (parent) before.set(run, later(before.get(run), parent));
  }
  let last;
  for (const run of runs.values()) if (run.started === run.started) last = later(last, run);
  const path = [];
  for (; last && !path.includes(last); last = before.get(last.id)) path.unshift(last);
  return path;
}

/** Marks the critical paths of flows somebody looks at. */
export class Critical {
  constructor(model, source, done) {
    Object.assign(this, { model, source, done });
    this.edges = new Map(); // by flow; null while they are asked for
    this.marked = new Map();
  }

  /** Have the path of a flow marked, now or when its edges have come. */
  want(flow) {
    const edges = this.edges.get(flow);
    if (edges) {
      this.mark(flow, edges);
    } else if (edges === undefined) {
      this.edges.set(flow, null);
      this.source.edges(flow).then((found) => {
        this.edges.set(flow, found);
        this.mark(flow, found);
        this.done();
      }, () => {}); // it may have been removed
    }
  }

  mark(flow, edges) {
    const version = this.model.version;
    if (this.marked.get(flow)?.version === version) return;
    for (const run of this.marked.get(flow)?.path ?? []) run.critical = false;
    const runs = new Map();
    for (const run of this.model.runs.values()) if (run.flow === flow) runs.set(run.id, run);
    const path = criticalPath(runs, edges);
    for (const run of path) run.critical = true;
    this.marked.set(flow, { version, path });
  }
}
