/** Where a model cannot do what a view is for: why, and the models that can. */

import { button } from "../controls.js";
import { element } from "../dom.js";

/**
 * @param {import("../main.js").Page} page
 * @param {string} why
 * @param {(run: import("../manifest.js").Run) => boolean} can whether a model can
 * @returns {import("../main.js").Mounted}
 */
export function without(page, why, can) {
  const others = page.manifest.runs.filter(can);
  const buttons = others.map((other) =>
    button(`Use ${other.name}`, () => page.state.update({ run: other.id, snapshot: "", face: "", before: "" })),
  );
  const root = element(
    "div",
    { className: "view" },
    element(
      "div",
      { className: "stage empty" },
      element("p", {}, why),
      element("div", { className: "row" }, ...buttons),
    ),
  );
  return { root, update: () => {}, leave: () => {}, shown: () => null };
}
