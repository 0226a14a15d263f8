/** Colours of the map: which attribute they show, and what they mean. */

import { counted, element, spoken } from "../dom.js";

/**
 * The attribute that points are coloured by: the chosen one, or the one that the map tells apart best.
 * @param {import("../main.js").Page} page
 * @param {Uint8Array} attributes [N,A]
 * @param {Float32Array} places [N,2]
 * @returns {number} its column; -1 for none
 */
export function colourOf(page, attributes, places) {
  const names = page.run().map?.attributes ?? [];
  if (page.state.get("colour") !== "auto") return names.indexOf(page.state.get("colour"));
  const apartness = names.map((_, column) => separation(attributes, column, names.length, places));
  return apartness.indexOf(Math.max(...apartness));
}

/**
 * How far the middles of faces with and without an attribute are apart, the more so the more even the two kinds are.
 * @param {Uint8Array} attributes @param {number} column @param {number} width @param {Float32Array} places
 */
function separation(attributes, column, width, places) {
  const sums = [
    [0, 0, 0],
    [0, 0, 0],
  ];
  for (let row = 0; row * 2 < places.length; row += 1) {
    const kind = sums[attributes[row * width + column]];
    if (!kind) continue;
    kind[0] += 1;
    kind[1] += places[row * 2];
    kind[2] += places[row * 2 + 1];
  }
  const [without, having] = sums;
  if (!without[0] || !having[0]) return 0;
  const far = Math.hypot(
    having[1] / having[0] - without[1] / without[0],
    having[2] / having[0] - without[2] / without[0],
  );
  return (far * Math.sqrt(without[0] * having[0])) / (without[0] + having[0]);
}

/** How many faces have a mark. @param {Uint8Array} attributes @param {number} column @param {number} width @param {number} mark */
function counts(attributes, column, width, mark) {
  let count = 0;
  for (let place = column; place < attributes.length; place += width) count += Number(attributes[place] === mark);
  return count;
}

/**
 * What colours mean, and how many faces each has.
 * @param {import("../manifest.js").LatentMap} about @param {Uint8Array} attributes @param {number} column @param {HTMLElement} legend
 */
export function fillLegend(about, attributes, column, legend) {
  if (column < 0) return legend.replaceChildren(`${counted(about.count)} test faces`);
  const name = spoken(about.attributes[column]);
  const kinds = /** @type {[string, string, number][]} */ ([
    ["has", name, 1],
    ["has-not", `not ${name}`, 0],
    ["unknown", "unknown", 255],
  ]);
  const entries = kinds.map(([kind, words, mark]) => {
    const count = counts(attributes, column, about.attributes.length, mark);
    return count > 0 && element("span", { className: `key ${kind}` }, `${words}: ${counted(count)}`);
  });
  return legend.replaceChildren(...entries.filter((entry) => entry !== false));
}
