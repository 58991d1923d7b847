// One run beside the lanes: what there is to say, its steps, the end of its log.

import { h, replace, said, toast } from "../dom.js";
import { span } from "../time.js";
import { explain } from "./explain.js";
import { mark } from "./marks.js";

const PACE_MS = 1500;
const MOST = 60_000; // characters of a log that are kept

/** The panel. closed(): it is gone. */
export class Drawer {
  constructor(view, closed) {
    this.view = view;
    this.closed = closed;
    this.run = null;
    this.title = h("h2", { tabindex: "-1" });
    this.state = h("p", { class: "tl-drawer-state" });
    this.facts = h("dl");
    this.actions = h("div", { class: "tl-actions" });
    this.steps = h("ol", { class: "tl-steps" });
    this.stepsHead = h("h3", { hidden: true }, "Steps");
    this.log = h("pre", { class: "tl-log", tabindex: "0", "aria-label": "The end of the log" });
    this.logHead = h("h3", { hidden: true }, "Log");
    this.element = h("aside", { class: "tl-drawer", hidden: true, "aria-label": "Run",
      onkeydown: (event) => {
        if (event.key !== "Escape") return;
        event.preventDefault();
        event.stopPropagation();
        this.close();
      } },
    h("div", { class: "tl-drawer-head" }, this.title,
      h("button", { type: "button", class: "tl-close", "aria-label": "Close", onclick: () => this.close() }, "×")),
    this.state, this.actions, this.facts, this.stepsHead, this.steps, this.logHead, this.log);
  }

  /** Show a run; focus: take the focus along. */
  open(run, focus) {
    const anew = this.run !== run;
    this.run = run;
    this.element.hidden = false;
    if (anew) {
      this.details = this.why = null;
      this.next = 0;
      this.text = "";
      this.shown = null;
      this.logHead.hidden = this.log.hidden = this.stepsHead.hidden = true;
      replace(this.steps);
      clearTimeout(this.timer);
      this.follow(run);
    }
    this.draw();
    if (focus) this.title.focus();
  }

  close() {
    if (!this.run) return;
    this.run = null;
    clearTimeout(this.timer);
    this.element.hidden = true;
    this.closed();
  }

  /** Ask for what only the service knows, again and again while the run is not over. */
  async follow(run) {
    const { source } = this.view;
    const over = run.over < Infinity;
    try {
      const [details, why, steps] = await Promise.all([source.run(run.id), source.why(run.id), source.steps(run.id)]);
      if (this.run !== run) return;
      Object.assign(this, { details, why });
      this.draw();
      this.drawSteps(steps);
      await this.readLog(run);
    } catch (error) {
      if (error.name === "AbortError" || this.run !== run) return;
      this.why = said(error);
      this.draw();
    }
    if (this.run === run && source.live && !over) {
      this.timer = setTimeout(() => this.follow(run), document.hidden ? PACE_MS * 10 : PACE_MS);
    }
  }

  async readLog(run) {
    const found = await this.view.source.log(run.id, this.next);
    if (!found || this.run !== run) return;
    const first = this.next === 0;
    this.next = found.next;
    this.text = (this.text + found.text).slice(-MOST);
    this.logHead.hidden = this.log.hidden = false;
    const atEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 20;
    if (found.text || first) this.log.textContent = this.text.replace(ANSI, "") || (run.over < Infinity ? "It printed nothing." : "Nothing printed yet.");
    if (first || atEnd) this.log.scrollTop = this.log.scrollHeight;
  }

  drawSteps(steps) {
    this.stepsHead.hidden = !steps.length;
    replace(this.steps, steps.map((step) => h("li", null,
      mark(step.error ? "failed" : step.ended ? "completed" : "running"),
      h("span", null, step.name), h("span", { class: "soft" }, step.ended ? span(step.seconds) : "…"))));
  }

  /** Show what is known now. */
  draw() {
    const { view, run, details, why } = this;
    if (!run) return;
    const found = explain(view, run, { details, why });
    replace(this.title, found.title, " ", h("span", { class: "soft" }, found.id));
    replace(this.state, mark(found.look), found.state);
    replace(this.facts, found.facts.map(([name, value]) => [h("dt", null, name), h("dd", null, value)]));
    const over = run.over < Infinity;
    const wanted = `${run.id} ${over}`;
    if (this.shown === wanted) return;
    this.shown = wanted;
    const { source } = view;
    const act = (text, verb, kind) => h("button", { type: "button", class: kind,
      onclick: async (event) => {
        const button = event.currentTarget;
        button.disabled = true;
        try {
          const answer = await verb();
          toast(text === "Cancel" ? `Run ${run.id} was asked to end` : `Run ${answer.id} was made`,
            text === "Cancel" ? {} : { href: `/runs/${answer.id}` });
        } catch (error) {
          toast(said(error), { kind: "error" });
          button.disabled = false;
        }
      } }, text);
    replace(this.actions,
      !over && source.may("operator") && act("Cancel", () => source.cancel(run.id), "danger"),
      over && source.may("operator") && act("Run again", () => source.retry(run.id)),
      source.live && h("a", { class: "button", href: `/runs/${run.id}` }, "All about it"),
      source.live && run.flow !== null && h("a", { class: "button", href: `/flows/${run.flow}` }, `Flow ${run.flow}`));
  }
}

const ANSI = /\x1b\[[0-9;?]*[A-Za-z]/g;
