// Workers: the processes that execute runs, and what each one does now.

import { empty, h, icon, keyed, replace } from "../dom.js";
import { follow, since, ticking } from "../parts.js";
import { span } from "../time.js";
import { serverNow } from "../api.js";

const FIELDS = "id,name,label,started,worker,progress,place";
const SLOTS = 64; // that are drawn one by one

/** Show all workers that are alive. */
export async function show(ctx) {
  ctx.title("Workers");
  const page = new Workers(ctx);
  // A worker that goes makes no event.
  const ask = await follow(ctx, ["run"], () => page.load());
  const timers = [setInterval(ask, 5000), setInterval(() => page.grow(), 1000)];
  ctx.signal.addEventListener("abort", () => timers.forEach(clearInterval));
  ticking(ctx);
}

class Workers {
  usual = new Map(); // task -> what its runs usually take, in seconds
  asked = 0;
  #list = h("ul", { class: "plain workers" });
  #place = h("div");
  #sum = h("span", { class: "soft" });

  constructor(ctx) {
    this.ctx = ctx;
    replace(ctx.root, h("header", { class: "head" }, h("h1", null, "Workers"), this.#sum), this.#place);
  }

  async load() {
    const { api, signal } = this.ctx;
    const [{ items: workers }, { items: runs }] = await Promise.all([
      api.get("/workers", {}, { signal }),
      api.get("/runs", { state: "running", fields: FIELDS, limit: 1000, system: true }, { signal }),
    ]);
    await this.#lookUp();
    const slots = workers.reduce((sum, { concurrency }) => sum + concurrency, 0);
    const busy = workers.reduce((sum, { running }) => sum + running, 0);
    this.#sum.textContent = workers.length ? `${busy} of ${slots} slots in use` : "";
    if (!workers.length) {
      replace(this.#place, empty("workers", "No worker is alive", h("p", null,
        "Runs wait until there is one. Start it with ", h("code", null, "abreast worker"),
        ", or let ", h("code", null, "abreast serve"), " execute them.")));
      return;
    }
    const of = Map.groupBy(runs, ({ worker }) => worker);
    if (!this.#list.isConnected) replace(this.#place, this.#list);
    keyed(this.#list, workers, ({ id }) => id, (worker) => this.#make(worker),
      (item, worker) => this.#fill(item, worker, of.get(worker.id) ?? []));
  }

  /** What runs of a task usually take; it changes slowly. */
  async #lookUp() {
    if (Date.now() - this.asked < 60_000) return;
    this.asked = Date.now();
    const { items } = await this.ctx.api.get("/tasks", {}, { signal: this.ctx.signal });
    this.usual = new Map(items.map(({ name, median_seconds: median }) => [name, median]));
  }

  #make({ id, name, host, pid, started, tasks }) {
    return h("li", { class: "card worker", "data-worker": id },
      h("div", { class: "row" }, h("h2", null, name || `worker ${id}`), h("span", { class: "chip" }),
        h("span", { class: "soft" }, `${host}, process ${pid}, alive for `, since(started)),
        h("a", { href: `/runs?worker=${id}` }, "its runs")),
      tasks && h("p", { class: "soft" }, `takes only ${tasks}`),
      h("p", { class: "slots" }, h("span"), h("span", { class: "units" })),
      h("ul", { class: "plain doing" }));
  }

  #fill(item, { state, concurrency, running }, runs) {
    const chip = item.querySelector(".chip");
    if (chip.dataset.state !== state) {
      chip.dataset.state = state;
      replace(chip, state === "working" ? icon("play") : icon("stop"),
        state === "draining" ? "draining: it starts nothing new" : state);
    }
    item.querySelector(".doing").style.minHeight = `${1.9 * Math.min(concurrency, 8)}rem`;
    const [text, cells] = item.querySelector(".slots").children;
    text.textContent = `${running} of ${concurrency} slots`;
    replace(cells, Array.from({ length: Math.min(SLOTS, concurrency) }, (_, index) =>
      h("i", { class: index < running ? "on" : null })));
    keyed(item.querySelector(".doing"), runs.toSorted((a, b) => a.id - b.id), ({ id }) => id,
      (run) => this.#run(run), (row, run) => this.#grow(row, run));
  }

  #run({ id, name, label, started }) {
    return h("li", null, h("a", { href: `/runs/${id}` }, `#${id} ${label ?? name}`),
      h("span", { class: "bar", role: "img" }, h("i")), since(started), h("span", { class: "soft message" }));
  }

  #grow(row, run) {
    row.run = run;
    const { name, started, progress } = run;
    const gone = Math.max(0, serverNow() - Date.parse(started) / 1000);
    const usual = this.usual.get(name);
    const told = progress?.total ? progress.done / progress.total : null;
    const part = told ?? (usual ? gone / usual : null);
    const text = told !== null ? `${Math.round(100 * told)} %`
      : usual ? `usually ${span(usual)}` : "not known how long it takes";
    const [, bar, , message] = row.children;
    bar.title = text;
    bar.setAttribute("aria-label", text);
    bar.className = part === null ? "bar unknown" : part > 1 ? "bar late" : "bar";
    bar.firstChild.style.width = `${100 * Math.min(1, part ?? 1)}%`;
    message.textContent = [text, progress?.message].filter(Boolean).join(" · ");
  }

  /** Bars of runs that tell no progress grow with the time. */
  grow() {
    for (const row of this.#list.querySelectorAll(".doing li")) this.#grow(row, row.run);
  }
}
