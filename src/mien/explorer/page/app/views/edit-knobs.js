/** What an edited face can be moved by: attributes that its model takes, and directions in its latents. */

import { group, slider } from "../controls.js";
import { element, spoken } from "../dom.js";
import { chanceDirection } from "../face.js";

const STEPS = { attribute: 2, principal: 3, chance: 1.5 }; // how far one may go, in steps of a direction
const CHANCES = 8; // directions drawn by chance

/** @typedef {{kind: "attribute" | "principal" | "chance", label: string, index: number}} Knob */

/** @typedef {import("../face.js").Face} Face */

/**
 * Sliders of the attributes that the model takes.
 * @param {import("../main.js").Page} page @param {() => number[] | null} told what it is told now
 * @param {(name: string, amount: number) => void} move @param {() => void} [settle]
 */
export function attributeKnobs(page, told, move, settle) {
  return page.run().attributes.map((name, column) => {
    const value = () => told()?.[column] ?? 0;
    const to = (/** @type {number} */ amount) => move(name, amount);
    const words = (/** @type {number} */ shown) => (shown === 0 ? "off" : shown === 1 ? "on" : shown.toFixed(2));
    const knob = slider({ label: spoken(name), low: 0, high: 1, step: 0.05, value: value(), words, move: to, settle });
    return { kind: "condition", root: knob.root, update: () => knob.set(value()) };
  });
}

/**
 * Sliders of the directions in the latents.
 * @param {import("../main.js").Page} page @param {() => Face} face @param {(face: Face) => void} move @param {() => void} settle
 */
export function directionKnobs(page, face, move, settle) {
  return directionsOf(page).map(({ kind, label, index }) => {
    const value = () => face().moves[index] ?? 0;
    const knob = slider({
      label,
      low: -STEPS[kind],
      high: STEPS[kind],
      step: 0.05,
      value: value(),
      home: 0,
      words: (shown) => `${shown > 0 ? "+" : ""}${shown.toFixed(2)}`,
      move: (amount) => move({ ...face(), moves: { ...face().moves, [index]: amount } }),
      settle,
    });
    return { kind, root: knob.root, update: () => knob.set(value()) };
  });
}

/**
 * Those of the encoder, for the snapshot that they were taken from; without an encoder, some drawn by chance.
 * @param {import("../main.js").Page} page @returns {Knob[]}
 */
function directionsOf(page) {
  const run = page.run();
  if (!run.directions.length) {
    return Array.from({ length: CHANCES }, (_, place) => {
      return { kind: "chance", label: `Direction ${place + 1}`, index: chanceDirection(place) };
    });
  }
  if (page.snapshot() !== run.snapshots[0].id) return [];
  return run.directions.map(({ name, kind, share }, index) => {
    const percent = (share * 100).toFixed(share < 0.1 ? 1 : 0);
    return { kind, label: kind === "attribute" ? spoken(name) : `Component ${name}, ${percent} %`, index };
  });
}

/** @param {import("../main.js").Page} page @param {{kind: string, root: Node}[]} knobs */
export function groups(page, knobs) {
  const of = (/** @type {string} */ kind) => knobs.filter((knob) => knob.kind === kind).map(({ root }) => root);
  const made = [];
  const hint = (/** @type {string} */ words) => element("p", { className: "hint" }, words);
  if (of("condition").length) made.push(group("Attributes it was told", ...of("condition")));
  if (of("attribute").length) {
    const words = "A step of 1 leads from the mean latent of faces without it to that of faces with it.";
    made.push(group("Attribute directions", hint(words), ...of("attribute")));
  }
  if (of("principal").length) {
    const words =
      "What faces differ in most; a step of 1 is one standard deviation. Per cent: its share of the variance.";
    made.push(group("Principal components", hint(words), ...of("principal")));
  }
  if (page.run().directions.length && !of("principal").length) {
    made.push(hint("Directions were taken from the last snapshot's encoder: choose it above to move along them."));
  }
  if (of("chance").length) {
    const missing = page.run().encodes ? "Its faces are not here" : "It has no encoder";
    const words = `${missing} to learn directions from, so these are drawn by chance. See what they do.`;
    made.push(group("Directions by chance", hint(words), ...of("chance")));
  }
  return made;
}
