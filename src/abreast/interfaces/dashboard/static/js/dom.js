// Elements without markup in strings: text stays text, and the policy of the page needs no holes.

const SVG = "http://www.w3.org/2000/svg";

/** The address of an asset beside the modules: asset("icons.svg"). */
export const asset = (name) => new URL(`../${name}`, import.meta.url).pathname;

function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (typeof value === "function" && name.startsWith("on")) {
    element.addEventListener(name.slice(2), value);
  } else if (name === "class" && Array.isArray(value)) {
    element.setAttribute("class", value.filter(Boolean).join(" "));
  } else if (name === "style") {
    for (const [key, item] of Object.entries(value)) element.style.setProperty(key, item);
  } else {
    element.setAttribute(name, value === true ? "" : value);
  }
}

function fill(element, attrs, children) {
  for (const [name, value] of Object.entries(attrs ?? {})) set(element, name, value);
  element.append(...nodes(children));
  return element;
}

const nodes = (children) =>
  children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);

/**
 * An element: h("a", {href: "/runs", class: ["soft", on && "on"], onclick: fn}, "Runs", …).
 * null, undefined and false are left out, true is an attribute without value; style is an object
 * of properties ({width: "3px", "--part": 0.5}). Children: nodes, text, numbers, lists of them.
 */
export const h = (tag, attrs, ...children) => fill(document.createElement(tag), attrs, children);

/** The same for elements of SVG. */
export const svg = (tag, attrs, ...children) =>
  fill(document.createElementNS(SVG, tag), attrs, children);

/** Put children in the place of those that are there; returns the parent. */
export function replace(parent, ...children) {
  parent.replaceChildren(...nodes(children));
  return parent;
}

/** An icon of icons.svg; with a label it speaks, without it is decoration. */
export const icon = (name, label) =>
  svg("svg", { class: "icon", "aria-hidden": label ? null : "true", role: label ? "img" : null,
    "aria-label": label }, svg("use", { href: `${asset("icons.svg")}#${name}` }));

const made = new WeakMap(); // parent -> elements by key

/**
 * Make the children of a parent follow a list: make(item) returns an element, update(element, item)
 * brings it up to date (also right after it was made). What stays is neither made anew nor loses
 * the focus. The parent holds nothing else.
 */
export function keyed(parent, items, key, make, update) {
  const before = made.get(parent) ?? new Map();
  const now = new Map();
  const focused = document.activeElement;
  for (const item of items) {
    const name = key(item);
    if (now.has(name)) continue;
    const element = before.get(name) ?? make(item);
    update?.(element, item);
    now.set(name, element);
  }
  for (const [name, element] of before) if (!now.has(name)) element.remove();
  let place = parent.firstChild;
  for (const element of now.values()) {
    if (element === place) place = place.nextSibling;
    else parent.insertBefore(element, place);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
  made.set(parent, now);
  if (focused !== document.activeElement && focused?.isConnected) {
    focused.focus({ preventScroll: true });
  }
}

let number = 0;

/** An id that no other element has. */
export const unique = (stem = "id") => `${stem}-${++number}`;

/**
 * Ask in a window of its own; resolves with what the chosen action is worth, null when it was
 * left. actions: [{text, value, kind: "primary" | "danger" | ""}], the first is what Enter does.
 * A value may be a function (event) => …: while its promise is open the window is busy, when it
 * throws the window stays and says why, when it returns false the window stays. body: node, text
 * or a list; fields in it are checked before an action is taken. opened(window) is told when it
 * is there.
 */
export function dialog({ title, body, actions = [], cancel = "Cancel", wide = false, opened }) {
  const id = unique("dialog");
  const trouble = h("p", { class: "trouble", role: "alert", hidden: true });
  const buttons = actions.map((action, index) =>
    h("button", { type: "submit", class: action.kind ?? "", value: String(index) }, action.text));
  const leave = h("button", { type: "button", onclick: () => box.close() }, cancel);
  const form = h("form", { method: "dialog" },
    h("h2", { id }, title), h("div", { class: "body" }, body), trouble,
    h("div", { class: "actions" }, leave, [...buttons].reverse()));
  const box = h("dialog", { "aria-labelledby": id, class: wide ? "wide" : null }, form);
  return new Promise((resolve) => {
    let result = null;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const { value } = actions[Number((event.submitter ?? buttons[0])?.value ?? 0)] ?? {};
      trouble.hidden = true;
      for (const button of buttons) button.disabled = true;
      try {
        const found = typeof value === "function" ? await value(event) : value;
        if (found !== false) {
          result = found ?? true;
          box.close();
        }
      } catch (error) {
        trouble.textContent = said(error);
        trouble.hidden = false;
      } finally {
        for (const button of buttons) button.disabled = false;
      }
    });
    box.addEventListener("click", (event) => event.target === box && box.close());
    box.addEventListener("close", () => {
      box.remove();
      resolve(result);
    });
    document.body.append(box);
    box.showModal();
    opened?.(box);
  });
}

/**
 * Say what would happen before it does. dry() asks for it, describe(found) says it (text or
 * nodes), act() does it; some(found): whether there is anything to do (found.matched by default).
 * Resolves with what act returned, or null.
 */
export function confirmDry({
  title, dry, describe, act, verb, kind = "danger", cancel, some = (found) => found.matched > 0,
}) {
  const body = h("div", { "aria-live": "polite" }, h("p", { class: "soft" }, "Looking …"));
  return dialog({
    title, body, cancel, actions: [{ text: verb, kind, value: act }],
    async opened(box) {
      const button = box.querySelector("button[type=submit]");
      button.disabled = true;
      try {
        const found = await dry();
        replace(body, describe(found));
        button.disabled = !some(found);
      } catch (error) {
        replace(body, h("p", { class: "trouble" }, said(error)));
      }
    },
  });
}

/** What an error says, in a sentence. */
export function said(error) {
  const parts = (error.errors ?? []).map((item) =>
    `${item.pointer ? `${item.pointer.replace(/^[#/]+/, "")}: ` : ""}${item.detail}`);
  return [error.detail ?? error.message ?? String(error), ...parts].join(". ");
}

/** Say something in passing; kind: "ok" | "error". Errors stay until they are closed. */
export function toast(text, { kind = "ok", href, link } = {}) {
  const close = h("button", { type: "button", class: "bare", "aria-label": "Close",
    onclick: () => box.remove() }, icon("close"));
  const box = h("div", { class: ["toast", kind] }, icon(kind === "error" ? "failed" : "completed"),
    h("span", null, text, href && [" ", h("a", { href }, link ?? "Show")]), close);
  document.getElementById("toasts").append(box);
  if (kind !== "error") setTimeout(() => box.remove(), 6000);
}

/** What stands where there is nothing: what this is, and what to do next (nodes or text). */
export const empty = (name, title, ...more) =>
  h("div", { class: "empty" }, icon(name), h("h2", null, title), more.length > 0 && h("div", null, more));

/** What stands where something failed; retry() tries again. */
export const errorCard = (error, retry) =>
  h("div", { class: "empty error", role: "alert" }, icon("failed"),
    h("h2", null, error.title ?? "This did not work"), h("p", null, said(error)),
    retry && h("button", { type: "button", onclick: retry }, "Try again"));

/** Copy text; also where the page came over plain HTTP and the newer way is missing. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = h("textarea", { class: "unseen", "aria-hidden": "true" });
    field.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  toast("Copied");
}
