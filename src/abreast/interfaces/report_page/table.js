// The table of all runs: filtered, sorted, and a page at a time, because there may be very many.
(() => {
  const PAGE = 500;
  const body = document.querySelector("#table tbody"), more = document.getElementById("more");
  const search = document.getElementById("search"), state = document.getElementById("state");
  let order = runs.map((run) => run.i), key = null, down = false, shown = PAGE;

  function row(run) {
    const made = element("tr");
    const label = element("td");
    const link = element("button", "plain-link", run.label);
    link.type = "button";
    link.dataset.run = run.i;
    label.append(link);
    const cell = element("td"), look = element("span", "state");
    look.append(element("span", "icon " + run.look, ICONS[run.look]), document.createTextNode(run.ending));
    cell.append(look);
    made.append(
      label, cell, element("td", "number", span(run.waited)), element("td", "number", span(run.ran)),
      element("td", "number", String(run.tries)), element("td", "", run.executor),
      element("td", "after", names(run.after, 4)), element("td", "words", run.message),
    );
    return made;
  }

  function render() {
    const words = search.value.toLowerCase();
    let found = order.filter((i) => (!state.value || runs[i].look === state.value) &&
      (!words || runs[i].label.toLowerCase().includes(words) || runs[i].message.toLowerCase().includes(words)));
    if (key) {
      const value = (i) => runs[i][key] ?? -1;
      found = [...found].sort((a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0) * (down ? -1 : 1));
    }
    body.replaceChildren(...found.slice(0, shown).map((i) => row(runs[i])));
    more.textContent = found.length + (found.length === 1 ? " run" : " runs");
    if (found.length > shown) {
      more.textContent = "The first " + shown + " of " + found.length + " runs. ";
      const button = element("button", "", "Show " + PAGE + " more");
      button.type = "button";
      button.addEventListener("click", () => { shown += PAGE; render(); });
      more.append(button);
    }
  }

  for (const look of new Set(runs.map((run) => run.look))) state.append(new Option(look, look));
  for (const head of document.querySelectorAll("th[data-key]")) {
    const button = element("button", "", head.textContent);
    button.type = "button";
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const numeric = head.classList.contains("number");
      down = key === head.dataset.key ? !down : numeric; // figures: largest first
      key = head.dataset.key;
      for (const other of document.querySelectorAll("th")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      render();
    });
  }
  let wait = 0;
  search.addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(() => { shown = PAGE; render(); }, 120); });
  state.addEventListener("change", () => { shown = PAGE; render(); });
  document.getElementById("filters").hidden = runs.length < 2;
  render();
})();
