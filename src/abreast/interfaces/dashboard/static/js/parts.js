// What several pages are made of.

import { serverNow } from "./api.js";
import { h, icon, said, toast, unique } from "./dom.js";
import { paced } from "./pace.js";
import { ago, both, moment, seconds, span, viewerZone } from "./time.js";

/** get(path, params) that ends when the page is left. */
export const reading = (ctx) => (path, params) => ctx.api.get(path, params, { signal: ctx.signal });

/** Call refresh() now, which may throw, and again after events of these kinds; returns what asks for it. */
export async function follow(ctx, kinds, refresh) {
  const ask = paced(() => refresh().catch(() => {}), 1000, ctx.signal);
  for (const kind of [...kinds, "resync"]) ctx.live.on(kind, ask);
  await refresh();
  return ask;
}

/** Keep what `since` made below ctx.root up to date, every second. */
export function ticking(ctx) {
  const timer = setInterval(() => ctx.root.querySelectorAll("[data-since]").forEach(tell), 1000);
  ctx.signal.addEventListener("abort", () => clearInterval(timer));
}

const tell = (element) => {
  const gone = Math.max(1, Math.floor(serverNow() - element.dataset.since));
  element.textContent = gone < 60 ? `${gone} s` : span(gone);
};

/** How long it has been: "12 s", growing. */
export function since(time) {
  const element = h("time", { title: both(time), "data-since": seconds(time) });
  tell(element);
  return element;
}

/** How far away it is: "in 5 s", "3 min ago"; the page keeps it up to date. */
export const until = (time, zone) =>
  h("time", { title: both(time, zone), "data-at": seconds(time) }, ago(time, serverNow()));

/** A time where the viewer is, and below it in the zone of the schedule where that differs. */
export const inZones = (time, zone) => h("span", { class: "zones", title: both(time, zone) }, moment(time),
  zone && moment(time) !== moment(time, zone) && h("small", { class: "soft" }, moment(time, zone), " ", zone));

/** A control with its name and a hint; blame() shows there what is wrong with it. */
export function field(name, label, control, hint) {
  control.id = unique("field");
  control.name = name;
  return h("div", { class: "field", "data-field": name }, h("label", { for: control.id }, label), control,
    hint && h("span", { class: "hint" }, hint));
}

/** A choice: options are values, or pairs of value and text. */
export const choice = (options, value, attrs) =>
  h("select", attrs, options.map((option) => {
    const [given, text] = [option].flat();
    return h("option", { value: given, selected: String(given) === String(value) }, text ?? given);
  }));

/** Show beside the fields what a Problem says of them (null: nothing); returns the rest as text. */
export function blame(form, error) {
  for (const old of form.querySelectorAll(".wrong")) old.remove();
  for (const control of form.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
  const left = (error?.errors ?? []).filter(({ pointer = "", detail }) => {
    const name = pointer.split("/").find((part) => /\w/.test(part));
    const box = name && form.querySelector(`[data-field="${CSS.escape(name)}"]`);
    if (!box) return true;
    box.querySelector("[name]").setAttribute("aria-invalid", "true");
    box.append(h("pre", { class: "wrong", role: "alert" }, detail));
    return false;
  });
  if (!error || (error.errors?.length && !left.length)) return "";
  return left.map(({ detail }) => detail).join("\n") || said(error);
}

/** Do something that changes something and say so; returns whether it worked. */
export async function act(what, done) {
  try {
    const found = await what();
    if (done) toast(typeof done === "function" ? done(found) : done);
    return true;
  } catch (error) {
    toast(said(error), { kind: "error" });
    return false;
  }
}

/** A button that does one thing at a time, and keeps the focus meanwhile. */
export function button(text, mark, what, attrs) {
  let busy = false;
  return h("button", { type: "button", ...attrs, async onclick() {
    if (busy) return;
    busy = true;
    await what().finally(() => (busy = false));
  } }, mark && icon(mark), text);
}

/** A part of a page with a heading. */
export function section(title, ...content) {
  const id = unique("part");
  return h("section", { class: "card", "aria-labelledby": id }, h("h2", { id }, title), content);
}

/** Terms and what they mean, in two columns; pairs without a meaning are left out. */
export const facts = (pairs) => h("dl", { class: "facts" },
  pairs.filter(([, value]) => value).map(([term, value]) => [h("dt", null, term), h("dd", null, value)]));

/** The head of a page: its title, and what stands beside it. */
export const heading = (title, ...more) => h("header", { class: "head" }, h("h1", null, title), more);

/** The head of a table; an empty name is that of the buttons. */
export const columns = (...names) => h("thead", null, h("tr", null, names.map((name) =>
  h("th", { scope: "col" }, name || h("span", { class: "unseen" }, "Actions")))));
