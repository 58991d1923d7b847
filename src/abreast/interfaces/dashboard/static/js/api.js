// Asking the service: JSON in and out, problems as errors, the time it is there.

const BASE = "/api/v1";
const SAFE = new Set(["GET", "HEAD"]);
const RANKS = ["viewer", "operator", "admin"];

/** What a request was answered with instead of what it asked for (RFC 9457). */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail ?? body.title ?? `HTTP ${status}`);
    this.name = "Problem";
    this.status = status;
    this.title = body.title ?? "This did not work";
    this.detail = body.detail ?? this.message;
    this.errors = body.errors ?? []; // [{pointer, detail}]
    this.body = body;
  }
}

/** The address of a path below /api/v1; lists are joined by commas, empty values left out. */
export function url(path, params) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params ?? {})) {
    if (value === null || value === undefined || value === "") continue;
    if (Array.isArray(value) && value.length === 0) continue;
    query.set(name, Array.isArray(value) ? value.join(",") : value);
  }
  const rest = query.toString();
  return BASE + (path.startsWith("/") ? path : `/${path}`) + (rest ? `?${rest}` : "");
}

/**
 * One request; returns the Response, or throws a Problem. For what is no JSON: parts of logs
 * (headers: {Range: …}), streams. options: params, body (as JSON), headers, signal.
 */
export async function request(method, path, { params, body, headers, signal } = {}) {
  const target = url(path, params);
  let again = !SAFE.has(method);
  for (;;) {
    const sent = Date.now();
    const response = await ask(method, target, body, headers, signal);
    heed(response, sent);
    if (response.ok) return response;
    if (response.status === 401) return logIn();
    const problem = new Problem(response.status, await response.json().catch(() => ({})));
    if (response.status !== 403 || !again) throw problem;
    again = false; // perhaps another tab has logged in anew, and our token is the old one
    const { csrf } = await session();
    if ((await session(true)).csrf === csrf) throw problem;
  }
}

async function ask(method, target, body, headers, signal) {
  const given = { Accept: "application/json", ...headers };
  if (body !== undefined) given["Content-Type"] = "application/json";
  if (!SAFE.has(method)) given["X-CSRF-Token"] = (await session()).csrf ?? "";
  try {
    return await fetch(target, { method, headers: given, signal,
      body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { title: "The service cannot be reached",
      detail: "It does not answer. It may be starting again, or the network is gone" });
  }
}

async function json(method, path, options) {
  const response = await request(method, path, options);
  return response.status === 204 ? null : response.json();
}

/** GET: get("/runs", {state: ["failed"], limit: 50}, {signal}); what pages are given will do, too. */
export const get = (path, params, { signal } = {}) => json("GET", path, { params, signal });
/** POST with a body of JSON; options: params, headers, signal. */
export const post = (path, body, options) => json("POST", path, { body: body ?? {}, ...options });
/** PATCH with a body of JSON. */
export const patch = (path, body, options) => json("PATCH", path, { body, ...options });
/** DELETE. */
export const del = (path, options) => json("DELETE", path, options);

let known;

/** Who has logged in: {user, role, csrf, may("operator")}; asked for once, again when told to. */
export function session(again = false) {
  if (again || !known) {
    known = (async () => {
      const response = await fetch("/login/session", { headers: { Accept: "application/json" } });
      if (response.status === 401) return logIn();
      if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})));
      const found = await response.json();
      return { ...found, may: (role) => RANKS.indexOf(found.role) >= RANKS.indexOf(role) };
    })();
    known.catch(() => (known = undefined));
  }
  return known;
}

/** Go to the page to log in on, and come back here afterwards. Never returns. */
export function logIn() {
  location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  return new Promise(() => {});
}

// Bounds of how much the clock of the service is ahead of ours, in milliseconds. The header tells
// whole seconds; every answer narrows the bounds down.
let low = -Infinity;
let high = Infinity;

function heed(response, sent) {
  const told = Date.parse(response.headers.get("date"));
  if (Number.isNaN(told)) return;
  const least = told - Date.now();
  const most = told + 2000 - sent; // the service writes the header anew once a second
  if (least > high || most < low) [low, high] = [least, most]; // somebody has set a clock
  else [low, high] = [Math.max(low, least), Math.min(high, most)];
}

/** The time at the service in seconds since 1970, as far as its answers tell it from ours. */
export function serverNow() {
  return (Date.now() + Math.min(Math.max(0, low), high)) / 1000;
}
