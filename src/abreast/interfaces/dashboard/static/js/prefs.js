// What somebody prefers in this browser.

const THEMES = ["system", "light", "dark"];

/** What was kept under a name, or `otherwise`. */
export function pref(name, otherwise = null) {
  try {
    return JSON.parse(localStorage.getItem(`abreast.${name}`)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

/** Keep a value that JSON can hold. */
export function prefer(name, value) {
  try {
    localStorage.setItem(`abreast.${name}`, JSON.stringify(value));
  } catch {
    // Storage is full or forbidden: it holds until the page is left.
  }
}

const theme = () => pref("theme", "system");

/** Take another theme, by default the next one; returns its name. */
export function setTheme(name = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]) {
  prefer("theme", name);
  show();
  return name;
}

/** Whether whoever looks does not want things to move on their own. */
export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

function show() {
  const name = theme();
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  document.dispatchEvent(new Event("theme"));
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
addEventListener("storage", (event) => event.key === "abreast.theme" && show());
