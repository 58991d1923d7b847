// Before anything is painted: the theme that was chosen, where it is not the system's.
try {
  const kept = JSON.parse(localStorage.getItem("abreast.theme"));
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
} catch {
  // Storage is forbidden: the theme is the system's.
}
