/** Numbers: what was measured, with how sure it is, and what it has to be held against. */

import { element } from "../dom.js";

/** @typedef {import("../manifest.js").ShownNumber} ShownNumber */

/** @param {import("../main.js").Page} page @returns {import("../main.js").Mounted} */
function mount(page) {
  const run = page.run();
  const { state } = page;
  const all = run.numbers;
  const find = element("input", { type: "search", id: "find", value: state.get("find"), autocomplete: "off" });
  find.addEventListener("input", () => state.update({ find: find.value }));
  const count = element("p", { className: "hint", "aria-live": "polite" });
  const fill = () => {
    const wanted = state.get("find").toLowerCase();
    const some = all.filter((number) =>
      wanted
        ? `${number.name} ${number.label} ${number.group}`.toLowerCase().includes(wanted)
        : number.headline,
    );
    const groups = [...new Set(some.map(({ group }) => group))];
    table.replaceChildren(
      caption,
      head,
      ...groups.map((group) =>
        section(
          group,
          some.filter((number) => number.group === group),
        ),
      ),
    );
    count.textContent = wanted
      ? `${some.length} of ${all.length} numbers.`
      : some.length < all.length
        ? `The ${some.length} main numbers; find any of ${all.length} by a word, such as sharpness.`
        : "";
  };
  const heads = ["What", "Value", "Interval", "Held against", "Images"].map((words) =>
    element("th", { scope: "col" }, words),
  );
  const head = element("thead", {}, element("tr", {}, ...heads));
  const caption = element("caption", { className: "unseen" }, `Numbers of ${run.name}`);
  const table = element("table");
  fill();
  const report =
    run.report &&
    element("a", { href: run.report, target: "_blank", rel: "noopener", className: "button" }, "Open the report");
  const none = element(
    "p",
    {},
    `${run.name} was not measured yet. Run “mien evaluate” on its folder, then open it here again.`,
  );
  const searching = element(
    "div",
    { className: "row" },
    element("label", { htmlFor: "find" }, "Find"),
    find,
    report,
    count,
  );
  const root = element(
    "div",
    { className: "view wide" },
    element(
      "div",
      { className: "stage numbers" },
      all.length ? searching : report,
      all.length
        ? element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "Numbers" }, table)
        : none,
    ),
  );
  return {
    root,
    update: (changed) => {
      if (changed.has("find")) fill();
    },
    leave: () => {},
    shown: () => null,
  };
}

/** @param {string} group @param {ShownNumber[]} numbers @returns {Node} */
function section(group, numbers) {
  const title = group && element("tr", {}, element("th", { scope: "rowgroup", colSpan: 5 }, group));
  return element("tbody", {}, title, ...numbers.map(row));
}

/** @param {ShownNumber} number @returns {Node} */
function row(number) {
  const how = element(
    "details",
    {},
    element("summary", {}, number.label),
    number.hint && element("p", {}, number.hint),
    number.protocol && element("p", {}, number.protocol),
    element("p", {}, element("code", {}, number.name)),
  );
  const interval =
    number.low === null || number.high === null
      ? ""
      : `${shown(number.low, number.share)} to ${shown(number.high, number.share)}`;
  const besides = number.beside.map((other) =>
    element("div", {}, element("span", {}, other.label), ` ${shown(other.value, other.share)}`),
  );
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, how),
    element("td", {}, element("strong", {}, shown(number.value, number.share))),
    element("td", { className: "interval" }, interval),
    element("td", { className: "beside" }, ...besides),
    element("td", { className: "images" }, number.images ? number.images.toLocaleString("en") : ""),
  );
}

/** Four figures that count, or per cent. @param {number} value @param {boolean} share */
function shown(value, share) {
  if (share) return `${(value * 100).toFixed(1)} %`;
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)) return value.toExponential(2);
  return Number(value.toPrecision(4)).toLocaleString("en", { maximumFractionDigits: 6 });
}

export const numbersView = { id: "numbers", title: "Numbers", mount };
