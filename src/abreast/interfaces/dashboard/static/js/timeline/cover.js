// What a view knows, and getting what it lacks.

/** Keeps a model filled for what is looked at. view: model, scale, source, signal, later, loaded(). */
export class Cover {
  constructor(view) {
    this.view = view;
    this.ahead = 0; // until when it is known what is to come
  }

  /** Get all of a period. */
  async load(from, to) {
    const { source, model, signal } = this.view;
    const data = await source.load(from, to);
    if (signal.aborted) return;
    model.load(data);
    this.ahead = Math.max(this.ahead, to);
    this.view.loaded();
  }

  /** Get what is looked at and not known yet. */
  async fill(again = false) {
    const { model, scale, source, signal } = this.view;
    if (!source.live || this.busy || signal.aborted) return;
    const { start, end } = scale;
    const now = source.now();
    const spare = (end - start) / 2;
    if (model.live) model.to = now;
    // More than half of it in the dark: as much as can be had, though not all of it.
    const dark = start < model.from && (!model.cut || (start + Math.min(end, now)) / 2 < model.from);
    const late = Math.min(end, now) > model.to + 1000;
    if (!again && !dark && !late && (end < now || end < this.ahead)) return;
    const apart = end < model.from || start > model.to || (dark && model.cut);
    this.busy = true;
    try {
      if (apart) model.clear();
      await this.load(dark || apart ? start - spare : Math.min(model.to, now) - 1000, end + spare);
    } catch (error) {
      if (error.name !== "AbortError") this.view.say(error.message);
      this.view.later("again", 3000, () => this.fill());
    }
    this.busy = false;
  }

  /** Ask which limits are in use. */
  async limits() {
    const { source, model } = this.view;
    const rows = await source.limits().catch(() => null);
    if (rows) model.limits(rows);
    this.view.ask();
  }

  /** Ask when attempts ended that were over before anybody looked. */
  async tries() {
    const { source, model } = this.view;
    for (const id of [...model.guessed].slice(0, 10)) {
      model.guessed.delete(id);
      const found = await source.run(id).catch(() => null);
      if (found) model.retried(id, found.history);
    }
    this.view.ask();
  }

  /** Heed what happens. */
  listen() {
    const { model, source, later } = this.view;
    const ask = () => this.view.ask();
    source.on("run", (rows) => {
      for (const row of rows) source.heard(Date.parse(row.ended ?? row.started ?? row.created));
      model.take(rows, source.now());
      if (rows.some((row) => row.state === "pending")) later("limits", 1500, () => this.limits());
      if (model.guessed.size) later("tries", 1000, () => this.tries());
      ask();
    });
    source.on("instant", (rows) => {
      for (const row of rows) model.instant(row);
      model.points();
      ask();
    });
    source.on("schedule", () => later("coming", 10_000, () => this.fill(true)));
    source.on("resync", () => {
      model.clear();
      this.fill(true);
    });
  }
}
