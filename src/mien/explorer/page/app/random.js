/** Latents and attributes of a seed: the same numbers as `latents` and `labels` of `pictures/arrays.py` draw. */

import { Pcg64 } from "./pcg64.js";

export const MOST_OF_A_SEED = 64; // faces
const MOST_STREAMS = 64; // that are kept to go on with
const [ATTRIBUTES, DIRECTION] = [1, 2]; // beside a seed: streams that are independent of its latents

/** @type {Map<string, {draws: Pcg64, latents: Float32Array[]}>} */
const streams = new Map();
/** @type {WeakMap<[number[], number][], Float64Array>} */
const shares = new WeakMap();

/**
 * A latent from N(0, I). The latents of a seed are drawn one after another, so how many there are changes none.
 * @param {number} seed from 0 to 2^32 - 1
 * @param {number} index which face of the seed, below MOST_OF_A_SEED
 * @param {number} size numbers in a latent
 * @returns {Float32Array} [size]
 */
export function seededLatent(seed, index, size) {
  const name = `${seed}.${size}`;
  if (streams.size >= MOST_STREAMS) streams.clear();
  const stream = streams.get(name) ?? { draws: new Pcg64([seed]), latents: [] };
  streams.set(name, stream);
  while (stream.latents.length <= index) stream.latents.push(normals(stream.draws, size));
  return stream.latents[index];
}

/** A step from a latent, by chance. @param {number} number which one @param {number} size @returns {Float32Array} [size] */
export function chanceStep(number, size) {
  return normals(new Pcg64([number, DIRECTION]), size);
}

/** @param {Pcg64} draws @param {number} size */
function normals(draws, size) {
  return Float32Array.from({ length: size }, () => draws.normal());
}

/**
 * Values of the attributes as they occur together in the training data.
 * @param {number} seed
 * @param {number} index which face of the seed
 * @param {[number[], number][]} combinations values and how many training faces have them
 * @returns {number[]}
 */
export function drawnAttributes(seed, index, combinations) {
  const draws = new Pcg64([seed, ATTRIBUTES]);
  for (let before = 0; before < index; before += 1) draws.uniform();
  const drawn = draws.uniform();
  const upTo = shares.get(combinations) ?? sharesOf(combinations);
  shares.set(combinations, upTo);
  return [...combinations[upTo.findIndex((share) => share > drawn)][0]];
}

/**
 * The combinations that agree with the attributes that are set; where none does, those that come nearest to it.
 * @param {string[]} attributes
 * @param {[number[], number][]} combinations
 * @param {Record<string, number>} set
 * @returns {[number[], number][]}
 */
export function agreeing(attributes, combinations, set) {
  const given = attributes.flatMap((name, column) => (name in set ? [[column, set[name]]] : []));
  if (!given.length) return combinations;
  const apart = combinations.map(([values]) =>
    given.reduce((sum, [column, value]) => sum + Math.abs(values[column] - value), 0),
  );
  const least = apart.reduce((one, other) => Math.min(one, other), Infinity);
  return combinations.filter((_, place) => apart[place] <= least + 1e-9);
}

/** The share of training faces up to each combination. @param {[number[], number][]} combinations */
function sharesOf(combinations) {
  const faces = combinations.reduce((sum, [, count]) => sum + count, 0);
  let sum = 0;
  const upTo = Float64Array.from(combinations, ([, count]) => (sum += count / faces));
  return upTo.map((share) => share / sum);
}

/** A seed that nobody chose. */
export function anySeed() {
  return Math.floor(Math.random() * 10000);
}
