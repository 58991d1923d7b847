// The keys of the page, and the window that lists them.

import { dialog, h } from "./dom.js";

/** The pages of the bar: the letter after g, the path, the name. */
export const PLACES = [
  ["h", "/", "Timeline"], ["t", "/tasks", "Tasks"], ["r", "/runs", "Runs"],
  ["s", "/schedules", "Schedules"], ["l", "/limits", "Limits"], ["w", "/workers", "Workers"],
  ["e", "/settings", "Settings"],
];
const EVERYWHERE = [
  ["/", "search"], ["t", "theme: system, light, dark"], ["r", "pause and go on"], ["?", "this help"],
  ["Esc", "close what is open"],
];
const sections = new Set();

/** Have the keys of a page listed while it is shown: addKeys("Timeline", [["+", "closer"]], signal). */
export function addKeys(title, keys, signal) {
  const section = { title, keys };
  sections.add(section);
  signal.addEventListener("abort", () => sections.delete(section));
}

let open = false;

/** Show all keys. */
export async function help() {
  if (open) return;
  open = true;
  const list = ({ title, keys }) => h("section", null, h("h3", null, title),
    h("dl", { class: "keys" }, keys.map(([names, text]) => h("div", null,
      h("dt", null, names.split(" ").map((name) => h("kbd", null, name))), h("dd", null, text)))));
  await dialog({
    title: "Keys", cancel: "Close", wide: true,
    body: h("div", { class: "columns" },
      [...sections].map(list), list({ title: "Everywhere", keys: EVERYWHERE }),
      list({ title: "Go to", keys: PLACES.map(([key, , text]) => [`g ${key}`, text]) }),
      h("p", { class: "soft" }, "Runs, tasks and schedules are links: Tab and Enter reach all of them.")),
  });
  open = false;
}

const typing = (target) => target.isContentEditable || target.matches(
  "select, textarea, input:not([type=checkbox], [type=radio], [type=range])");

/** Heed the keys: actions by key, go(path) for g and a letter. */
export function listen(actions, go) {
  let went = 0; // when g was pressed
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (document.querySelector("dialog[open]")) return;
    const place = Date.now() - went < 1500 && PLACES.find(([key]) => key === event.key);
    went = event.key === "g" ? Date.now() : 0;
    const action = place ? () => go(place[1]) : actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
