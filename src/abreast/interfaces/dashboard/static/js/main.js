// The frame around all pages: where they are, how one gets to them, what is the same on each.

import * as api from "./api.js";
import { asset, empty, errorCard, h, icon, replace, said, toast } from "./dom.js";
import { PLACES, help, listen } from "./help.js";
import { live } from "./live.js";
import { setTheme } from "./prefs.js";
import { ago, clock, viewerZone } from "./time.js";

// -- where pages are --------------------------------------------------------------------------

const routes = [];

/** Have a module show the pages of a path; its parts in braces are given as params. */
function route(path, load) {
  const form = path.replace(/\{(\w+)\}/g, "(?<$1>[^/]+)");
  routes.push({ form: new RegExp(`^${form}/?$`), load });
}

route("/", () => import("./pages/timeline.js"));
route("/tasks", () => import("./pages/tasks.js"));
route("/tasks/{name}", () => import("./pages/tasks.js"));
route("/runs", () => import("./pages/runs.js"));
route("/runs/{id}", () => import("./pages/run.js"));
route("/flows/{id}", () => import("./pages/run.js"));
route("/schedules", () => import("./pages/schedules.js"));
route("/schedules/{name}", () => import("./pages/schedules.js"));
route("/limits", () => import("./pages/limits.js"));
route("/workers", () => import("./pages/workers.js"));
route("/settings", () => import("./pages/settings.js"));

const main = document.getElementById("main");
let leave = new AbortController(); // ends what the page of now does
let shown = ""; // its address

const here = () => location.pathname + location.search;

/** Go to a page of ours. */
function go(target, { replace: instead = false } = {}) {
  const next = new URL(target, location.href);
  history[instead ? "replaceState" : "pushState"](null, "", next);
  scrollTo(0, 0);
  return show(true);
}

/** Show the page the address stands for. moved: somebody went there, so the focus goes along. */
async function show(moved = false) {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  const path = location.pathname;
  shown = here();
  markPlace(path);
  const found = routes.map(({ form, load }) => ({ match: form.exec(path), load }))
    .find(({ match }) => match);
  const root = h("div", { class: "page" });
  const slow = setTimeout(() => main.setAttribute("aria-busy", "true"), 250);
  try {
    if (!found) throw new api.Problem(404, { title: "There is no such page", detail: path });
    const page = await found.load();
    if (signal.aborted) return;
    replace(main, root);
    if (moved) main.focus({ preventScroll: true });
    await page.show(await context(root, found.match.groups ?? {}, signal));
  } catch (error) {
    if (signal.aborted || error.name === "AbortError") return;
    if (!(error instanceof api.Problem)) reportError(error);
    replace(main, trouble(error));
  } finally {
    clearTimeout(slow);
    if (!signal.aborted) main.removeAttribute("aria-busy");
  }
}

async function context(root, params, signal) {
  const given = Object.entries(params).map(([name, value]) => [name, decodeURIComponent(value)]);
  return {
    root, signal, api, go, params: Object.fromEntries(given), session: await api.session(),
    /** The query of the address, as it is now. */
    get query() {
      return new URLSearchParams(location.search);
    },
    /** Change parts of the query (null takes one out); the page itself stays. */
    setQuery(changes, { replace: instead = false } = {}) {
      if (signal.aborted) return;
      const query = new URLSearchParams(location.search);
      for (const [name, value] of Object.entries(changes)) {
        if (value === null || value === undefined || value === "") query.delete(name);
        else query.set(name, value);
      }
      const text = query.toString();
      const target = location.pathname + (text ? `?${text}` : "");
      if (target === here()) return;
      history[instead ? "replaceState" : "pushState"](null, "", target);
      shown = target;
    },
    /** Live events for as long as the page is shown. */
    live: {
      on: (kind, fn) => live.on(kind, fn, signal),
      pause: live.pause,
      resume: live.resume,
      get state() {
        return live.state;
      },
    },
    title(text) {
      if (signal.aborted) return;
      document.title = `${text} – abreast`;
      replace(document.getElementById("said"), text);
    },
  };
}

function trouble(error) {
  document.title = `${error.title ?? "Trouble"} – abreast`;
  if (error.status === 404) {
    return empty("search", error.title, h("p", null, error.detail),
      h("p", null, h("a", { href: "/" }, "Timeline"), " · ", h("a", { href: "/runs" }, "Runs")));
  }
  // After an upgrade the parts of the old version are gone; everything has to be loaded again.
  const part = error instanceof TypeError && /module|import/i.test(error.message);
  if (part) return errorCard({ title: "This page could not be loaded",
    detail: "The service does not answer, or has another version by now" },
  () => api.get("/me").then(() => location.reload()));
  return errorCard(error, () => show());
}

function follow(event) {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button !== 0 || link.target || link.download) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const target = new URL(link.href);
  if (target.origin !== location.origin || !routes.some(({ form }) => form.test(target.pathname))) {
    return;
  }
  const same = target.pathname + target.search === here();
  if (same && target.hash) return;
  event.preventDefault();
  go(target, { replace: same });
}

// -- the bar ----------------------------------------------------------------------------------

const counts = {
  "/runs": h("span", { class: "count" }),
  "/workers": h("span", { class: "alarm", hidden: true }),
  failed: h("span", { class: "alarm", hidden: true }),
};
const liveText = h("span", { class: "text" });
const liveButton = h("button", { type: "button", class: "live", onclick: togglePause },
  h("span", { class: "dot" }), liveText);
const time = h("span", { class: "clock", title: `Times are those of ${viewerZone}` });
const search = h("input", { type: "search", name: "q", placeholder: "Task, label or run id",
  "aria-label": "Search", autocomplete: "off", spellcheck: "false", list: "tasks" });
const names = h("datalist", { id: "tasks" });

function bar(user) {
  const links = PLACES.map(([, path, text]) => h("a", { href: path, title: text },
    icon(text.toLowerCase()),
    h("span", { class: "text" }, text), counts[path], path === "/runs" && counts.failed));
  const menu = h("div", { id: "menu", popover: true, class: "menu" },
    h("p", null, h("b", null, user.user), h("br"), h("span", { class: "soft" }, user.role)),
    h("p", { class: "soft" }, `Times are those of ${viewerZone}`),
    h("button", { type: "button", onclick: nextTheme }, icon("theme"), "Theme", h("kbd", null, "t")),
    h("button", { type: "button", onclick: showHelp }, icon("help"), "Keys", h("kbd", null, "?")),
    h("a", { href: "/api/docs" }, icon("code"), "HTTP API"),
    user.csrf ? h("form", { method: "post", action: "/logout" },
      h("input", { type: "hidden", name: "csrf_token", value: user.csrf }),
      h("button", null, icon("logout"), "Log out"))
      : h("a", { href: "/login" }, icon("key"), "Log in"));
  function showHelp() {
    menu.hidePopover();
    help();
  }
  replace(document.getElementById("top"),
    h("a", { class: "brand", href: "/", "aria-label": "abreast" },
      h("img", { src: asset("logo.svg"), alt: "", width: 22, height: 22 }),
      h("span", { class: "text" }, "abreast")),
    h("nav", { "aria-label": "Pages" }, links),
    h("form", { role: "search", class: "search", onsubmit: find }, icon("search"), search,
      h("kbd", { "aria-hidden": "true" }, "/"), names),
    time, liveButton,
    h("button", { type: "button", class: "bare account", popovertarget: "menu",
      "aria-label": `Menu of ${user.user}` }, icon("user")), menu);
}

function markPlace(path) {
  for (const link of document.querySelectorAll("#top nav a")) {
    const own = link.getAttribute("href");
    const here = own === "/" ? path === "/" : path === own || path.startsWith(`${own}/`);
    if (here || (own === "/runs" && path.startsWith("/flows/"))) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function find(event) {
  event.preventDefault();
  const text = search.value.trim();
  search.value = "";
  search.blur();
  if (!text) return;
  const known = [...names.children].some((option) => option.value === text);
  if (/^#?\d+$/.test(text)) go(`/runs/${text.replace("#", "")}`);
  else if (known) go(`/tasks/${encodeURIComponent(text)}`);
  else go(`/runs?q=${encodeURIComponent(text)}`);
}

/** Offer the names of tasks, from when somebody first looks for something. */
async function fillNames() {
  const { items } = await api.get("/tasks").catch(() => ({ items: [] }));
  replace(names, items.map(({ name }) => h("option", { value: name })));
}

function focusSearch() {
  const own = main.querySelector("input[type=search]");
  (own ?? search).focus();
}

function nextTheme() {
  toast(`Theme: ${setTheme()}`);
}

// -- what is the same everywhere --------------------------------------------------------------

let since = 0; // when the stream was lost
const STATES = { live: "Live", connecting: "Connecting", offline: "Offline", paused: "Paused" };

function togglePause() {
  if (live.state === "paused") live.resume();
  else live.pause();
}

function showState() {
  const { state } = live;
  const stops = state !== "paused";
  liveButton.dataset.state = state;
  liveText.textContent = STATES[state];
  liveButton.title = stops ? "Pause (r)" : "Go on (r)";
  liveButton.setAttribute("aria-label", `${STATES[state]}: ${stops ? "pause" : "go on"}`);
  if (state === "live" || state === "paused") since = 0;
  else since ||= api.serverNow();
  showBanner();
}

function showBanner() {
  const box = document.getElementById("banner");
  const lost = since && api.serverNow() - since > 2;
  const kind = lost ? "offline" : live.state === "paused" ? "paused" : "";
  if (box.dataset.kind === kind) return;
  box.dataset.kind = kind;
  if (kind === "offline") {
    replace(box, icon("offline"), h("span", null, "Not connected. This is how things were at ",
      h("b", null, clock(since)), "; it is tried again until it works."));
  } else if (kind === "paused") {
    replace(box, icon("pause"), h("span", null, "Paused. This is how things were at ",
      h("b", null, clock(api.serverNow())), "."),
      h("button", { type: "button", class: "small", onclick: togglePause }, "Go on"));
  } else {
    replace(box);
  }
}

let counting = null; // a timer

/** Count anew soon, at most every three seconds, and only where somebody looks. */
function countSoon() {
  counting ??= setTimeout(async () => {
    counting = null;
    if (!document.hidden && live.state !== "paused") await count().catch(() => {});
  }, 3000);
}

async function count() {
  const total = (params) => api.get("/runs", { ...params, limit: 1, count: true, fields: "id" });
  const day = Math.floor(api.serverNow() / 60) * 60 - 86400;
  const [running, failed, workers] = await Promise.all([
    total({ state: "running" }), total({ state: "failed", since: day }), api.get("/workers")]);
  mark(counts["/runs"], running.total, "running");
  mark(counts.failed, failed.total, "failed in 24 hours");
  mark(counts["/workers"], workers.items.length ? 0 : "!", "no worker is alive");
}

function mark(element, value, text) {
  element.hidden = !value;
  element.title = `${value} ${text}`;
  replace(element, value > 999 ? "999+" : value, h("span", { class: "unseen" }, ` ${text}`));
}

/** Once a second: the clock, and how long ago things were. */
function tick() {
  if (document.hidden) return;
  time.textContent = clock(api.serverNow());
  showBanner();
  const now = api.serverNow();
  for (const element of document.querySelectorAll("time[data-at]")) {
    const text = ago(Number(element.dataset.at), now);
    if (element.textContent !== text) element.textContent = text;
  }
}

async function begin() {
  document.addEventListener("click", follow);
  addEventListener("popstate", () => here() !== shown && show()); // else only the #part is another
  addEventListener("unhandledrejection", ({ reason }) =>
    reason instanceof api.Problem && toast(said(reason), { kind: "error" }));
  live.on("state", showState);
  for (const kind of ["run", "resync"]) live.on(kind, countSoon);
  search.addEventListener("focus", fillNames);
  listen({ "/": focusSearch, "?": help, t: nextTheme, r: togglePause }, go);
  try {
    const [user] = await Promise.all([api.session(), live.start()]);
    bar(user);
    showState();
    setInterval(tick, 1000);
    tick();
    count().catch(() => {});
    await show();
  } catch (error) {
    replace(main, errorCard(error, () => location.reload()));
  }
}

begin();
