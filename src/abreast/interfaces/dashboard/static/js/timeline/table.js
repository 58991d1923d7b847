// The same runs as a table: for reading, printing and screen readers.

import { h, keyed, replace } from "../dom.js";
import { day, clock, span } from "../time.js";
import { waited } from "./explain.js";
import { mark } from "./marks.js";
import { lookOf } from "./model.js";

const PAGE = 100;
const HEADS = ["Run", "Task", "State", "Created", "Queued for", "Ran for", "Attempt", "Worker"];

const time = (at) => `${day(at / 1000)} ${clock(at / 1000)}`;

/** The table of the runs of a period. open(run): somebody wants to know more. */
export class Table {
  constructor(open) {
    this.open = open;
    this.size = PAGE;
    this.body = h("tbody");
    this.caption = h("caption");
    this.more = h("button", { type: "button", hidden: true, onclick: () => {
      this.size += PAGE * 5;
      this.draw(this.last);
    } }, "Show more");
    this.element = h("div", { class: "tl-tablebox" },
      h("table", { class: "tl-table" }, this.caption,
        h("thead", null, h("tr", null, HEADS.map((text) => h("th", { scope: "col" }, text)))), this.body),
      this.more);
  }

  /** Show the runs of a view, the newest first. */
  draw(view) {
    this.rows = true;
    this.last = view;
    const { model, scale, now } = view;
    const [from, to] = [scale.start, scale.end];
    const found = [];
    for (const run of model.runs.values()) {
      if (run.lane && run.created < to && run.over >= from) found.push(run);
    }
    found.sort((a, b) => b.created - a.created || b.id - a.id);
    const shown = found.slice(0, this.size);
    replace(this.caption, `Runs from ${time(from)} to ${time(Math.min(to, now))}: `
      + (shown.length < found.length ? `the newest ${shown.length} of ${found.length}` : `${found.length}`));
    this.more.hidden = shown.length === found.length;
    keyed(this.body, shown, (run) => run.id, (run) => this.row(run), (row, run) => this.fill(row, run, view));
  }

  row(run) {
    const link = h("a", { href: `/runs/${run.id}`, onclick: (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.open(run);
    } }, `#${run.id}`);
    return h("tr", null, h("td", null, link), HEADS.slice(1).map((text) => h("td", { "data-head": text })));
  }

  fill(row, run, { model, now }) {
    const active = run.attempt > run.tries.length;
    const look = lookOf(run);
    const queued = waited(run, now).all;
    const texts = [
      run.label ? `${model.tasks[run.task].name}: ${run.label}` : model.tasks[run.task].name,
      run.reason ? `${look} (${run.reason})` : look, time(run.created), queued >= 1 ? span(queued / 1000) : "",
      active ? span((Math.min(run.over, now) - run.started) / 1000) : "",
      String(run.attempt || ""), run.worker === null ? "" : model.workers.get(run.worker) ?? `worker ${run.worker}`,
    ];
    texts.forEach((text, at) => {
      const cell = row.cells[at + 1];
      if (cell.shown === text) return;
      cell.shown = text;
      if (at === 1) replace(cell, mark(look), text);
      else cell.textContent = text;
    });
  }
}
