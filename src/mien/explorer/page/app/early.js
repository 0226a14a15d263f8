/* Before the page is painted, and where modules cannot run: no module itself. */
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("mien:theme");
  } catch {
    // storage is off: the system decides between light and dark
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;

  if (location.protocol !== "file:") return;
  addEventListener("DOMContentLoaded", () => {
    const problem = /** @type {HTMLElement} */ (document.getElementById("problem"));
    problem.textContent =
      "Browsers run no modules from a disk. Start `python -m http.server` in this folder, and open what it prints.";
    problem.hidden = false;
    document.getElementById("main")?.replaceChildren();
  });
})();
