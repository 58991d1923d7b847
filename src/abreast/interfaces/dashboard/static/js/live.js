// What happens, as it happens: one stream for all tabs of a browser.
//
// One tab leads: it reads the stream and hands every part of it to the others. Each tab keeps the
// number of the last event it has taken in, so it notices what it has already and what is missing,
// whoever leads. What is missing is asked for; when that is not possible any more, pages are told
// to look at their lists again ("resync").

import { get, request } from "./api.js";

const NAME = "abreast-live-1";
const SILENT_MS = 45_000; // the service says something every 15 seconds
const LEASE_MS = 6_000;
const PAGES = 20; // of 500 events: who was away for longer is better off with fresh lists
const KINDS = ["run", "instant", "schedule"];

const me = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
const listeners = new Map(); // kind -> set of functions
let channel;
let last = 0; // the last event this tab has taken in
let told = 0; // the last event the leader has told of, or read
let link = "connecting"; // how the stream of the browser is
let paused = false;
let catching = null; // the promise of catching up
let waiting = []; // parts of the stream that came meanwhile
let heard = Date.now(); // when the leader last said something
let leading = null; // ends our own stream

/** Live events of the service; see the functions. */
export const live = {
  /**
   * Be told: "run", "instant" and "schedule" give the newest whole rows in order, fn(rows), once
   * per frame; "resync" that lists have to be read again; "state" the new state. Returns a
   * function that ends it; so does the signal.
   */
  on(kind, fn, signal) {
    if (!listeners.has(kind)) listeners.set(kind, new Set());
    listeners.get(kind).add(fn);
    const off = () => listeners.get(kind).delete(fn);
    signal?.addEventListener("abort", off);
    return off;
  },

  /** "live", "connecting", "offline" or "paused". */
  get state() {
    return paused ? "paused" : link;
  },

  /** Take in nothing more until resume(). */
  pause() {
    if (paused) return;
    flush();
    paused = true;
    emit("state", live.state);
  },

  /** Take in what was missed, without a gap, and go on. */
  async resume() {
    if (!paused) return;
    paused = false;
    emit("state", live.state);
    await catchUp();
  },

  /** Begin; afterwards nothing that happens is missed. */
  async start() {
    channel = new BroadcastChannel(NAME);
    channel.addEventListener("message", ({ data }) => hear(data));
    addEventListener("online", () => retryNow?.());
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) flush();
      else retryNow?.();
    });
    addEventListener("pagehide", () => leading?.abort());
    addEventListener("pageshow", (event) => event.persisted && location.reload());
    last = told = (await get("/events", { poll: 1 })).after;
    channel.postMessage({ is: "hello" });
    if (navigator.locks) holdLock();
    else holdLease();
  },
};

// -- handing out ------------------------------------------------------------------------------

let pending = new Map(); // kind -> newest row by id
let timer = 0;
let frame = 0;

function emit(kind, value) {
  for (const fn of [...(listeners.get(kind) ?? [])]) {
    try {
      fn(value);
    } catch (error) {
      reportError(error);
    }
  }
}

function collect(kind, row) {
  if (!pending.has(kind)) pending.set(kind, new Map());
  const rows = pending.get(kind);
  const key = kind === "schedule" ? row.name : row.id;
  rows.delete(key); // a later row takes the later place
  rows.set(key, row);
  if (timer) return;
  // A hidden tab has no frames, and one that is hidden after this line will have none.
  timer = setTimeout(flush, document.hidden ? 0 : 250);
  if (!document.hidden) frame = requestAnimationFrame(flush);
}

function flush() {
  clearTimeout(timer);
  cancelAnimationFrame(frame);
  timer = frame = 0;
  const rows = pending;
  pending = new Map();
  for (const kind of KINDS) if (rows.has(kind)) emit(kind, [...rows.get(kind).values()]);
}

// -- taking in --------------------------------------------------------------------------------

/** A part of the stream: {from, to, items: [[seq, kind, row]]}. */
function take(part) {
  told = Math.max(told, part.to);
  if (paused || part.to <= last) return;
  if (catching) {
    waiting.push(part);
  } else if (part.from > last) {
    waiting.push(part);
    catchUp();
  } else {
    for (const [seq, kind, row] of part.items) if (seq > last) collect(kind, row);
    last = part.to;
  }
}

/** Lists have to be read again; what happens after `to` will be told. */
function restart(to, reason) {
  told = to;
  if (paused) return; // resuming will find out
  pending.clear();
  last = to;
  emit("resync", { reason });
}

/** Ask for what this tab has not taken in. */
function catchUp() {
  catching ??= (async () => {
    try {
      for (let page = 0; ; page++) {
        const found = await get("/events", { poll: 1, after: page < PAGES ? last : null, limit: 500 });
        if (found.resync || page === PAGES) {
          restart(found.after, "behind");
          break;
        }
        for (const { kind, data } of found.items) collect(kind, data);
        if (found.after === last) break;
        last = found.after;
      }
    } catch {
      // The service cannot be reached: the leader notices too, and the next part shows the gap.
    }
    catching = null;
    const parts = waiting;
    waiting = [];
    // The first part that still does not fit is not asked for again at once.
    for (const part of parts) if (part.from <= last) take(part);
  })();
  return catching;
}

function hear(message) {
  heard = Date.now();
  if (message.is === "hello") {
    if (leading) tell({ is: "state", link, told });
  } else if (message.is === "part") {
    take(message.part);
  } else if (message.is === "resync") {
    restart(message.to, message.reason);
  } else if (message.is === "state") {
    become(message.link);
    if (message.told > last && !paused) catchUp();
  }
}

function become(state) {
  if (state === link) return;
  link = state;
  if (!paused) emit("state", live.state);
}

// -- leading ----------------------------------------------------------------------------------

const tell = (message) => channel.postMessage(message);

function say(state) {
  become(state);
  tell({ is: "state", link, told });
}

async function holdLock() {
  let steal = false;
  let patience;
  setInterval(() => {
    // A browser may have put the leading tab to sleep; then one that is looked at takes over.
    if (leading || document.hidden || Date.now() - heard < SILENT_MS) return;
    steal = true;
    patience.abort();
  }, 5_000);
  for (;;) {
    patience = new AbortController();
    const options = steal ? { steal: true } : { signal: patience.signal };
    steal = false;
    await navigator.locks.request(NAME, options, lead).catch(() => {});
    leading?.abort(); // it was taken from us
    heard = Date.now();
  }
}

/** The same where locks are missing: they need https, or a name of this machine. */
async function holdLease() {
  const read = () => JSON.parse(localStorage.getItem(NAME) ?? "null");
  const write = () => localStorage.setItem(NAME, JSON.stringify({ me, until: Date.now() + LEASE_MS }));
  const mine = () => read()?.me === me;
  addEventListener("pagehide", () => mine() && localStorage.removeItem(NAME));
  for (;;) {
    const now = read();
    if (!now || now.until < Date.now()) {
      write();
      await sleep(100); // of several that wrote, the last one has it
      if (mine()) {
        const keep = setInterval(() => (mine() ? write() : leading?.abort()), LEASE_MS / 3);
        await lead();
        clearInterval(keep);
      }
    }
    await sleep(1_000);
  }
}

let retryNow = null;

const sleep = (ms) => new Promise((resolve) => {
  const timer = setTimeout(resolve, ms);
  retryNow = () => {
    clearTimeout(timer);
    resolve();
  };
});

/** Read the stream until somebody else leads. */
async function lead() {
  const control = (leading = new AbortController());
  let wait = 500;
  while (!control.signal.aborted) {
    try {
      await read(control.signal, () => (wait = 500));
      await sleep(200);
    } catch {
      if (control.signal.aborted) break;
      say("offline");
      await sleep(wait * (0.8 + 0.4 * Math.random()));
      wait = Math.min(15_000, wait * 2);
    }
  }
  if (leading === control) leading = null;
}

/** One connection; returns when the service has ended it in good order. */
async function read(signal, connected) {
  const silence = new AbortController();
  const both = AbortSignal.any([signal, silence.signal]);
  let watch;
  const alive = () => {
    clearTimeout(watch);
    watch = setTimeout(() => silence.abort(), SILENT_MS);
  };
  alive();
  told = Math.max(told, last);
  let part = { from: told, to: told, items: [] };
  try {
    const headers = { Accept: "text/event-stream", "Last-Event-ID": String(told) };
    const response = await request("GET", "/events", { headers, signal: both });
    connected();
    say("live");
    const lines = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await lines.read();
      if (done) return;
      alive();
      rest += value;
      const blocks = rest.split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) heed(block);
      if (part.to > part.from) {
        tell({ is: "part", part });
        take(part);
      } else {
        tell({ is: "state", link, told });
      }
      part = { from: told, to: told, items: [] };
    }
  } finally {
    clearTimeout(watch);
    silence.abort();
  }

  function heed(block) {
    const event = {};
    for (const line of block.split("\n")) {
      const [name] = line.split(":", 1);
      event[name] = line.slice(name.length + 2);
    }
    const to = Number(event.id ?? 0);
    if (event.event === "resync") {
      const { reason } = JSON.parse(event.data);
      part = { from: to, to, items: [] };
      tell({ is: "resync", to, reason });
      restart(to, reason);
    } else if (to) {
      part.to = Math.max(part.to, to);
      if (event.data) part.items.push([to, event.event, JSON.parse(event.data)]);
    }
  }
}
