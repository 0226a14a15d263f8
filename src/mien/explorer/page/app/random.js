/**
 * Random numbers from a seed, the same in every browser: what makes an address show the same faces everywhere.
 *
 * Each face of a seed has a stream of its own, so that it does not depend on how many others are drawn.
 * Generator: sfc32 of PractRand (Chris Doty-Humphrey, public domain), started from splitmix32 and warmed up.
 */

const PURPOSES = { latent: 0x6c61746e, attributes: 0x61747472, direction: 0x64697265 };

/**
 * A stream of uniform numbers in [0, 1).
 * @param {number} seed an integer from 0 to 2^32 - 1
 * @param {number} index which face
 * @param {"latent" | "attributes" | "direction"} purpose streams of different purposes are independent
 * @returns {() => number}
 */
export function stream(seed, index, purpose) {
  const next = splitmix(seed ^ PURPOSES[purpose]);
  let a = next() ^ index;
  let b = next();
  let c = splitmix(a)();
  let counter = 1;
  const draw = () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4294967296;
  };
  for (let turn = 0; turn < 12; turn += 1) draw();
  return draw;
}

/**
 * A latent from N(0, I), by Box and Muller, times a truncation.
 * @param {number} seed
 * @param {number} index which face of the seed
 * @param {number} size numbers in a latent
 * @param {number} truncation what it is multiplied by
 * @param {"latent" | "direction"} purpose whether it is a face's latent, or a step from one
 * @returns {Float32Array} [size]
 */
export function normalLatent(seed, index, size, truncation = 1, purpose = "latent") {
  const draw = stream(seed, index, purpose);
  const latent = new Float32Array(size);
  for (let place = 0; place < size; place += 2) {
    const radius = truncation * Math.sqrt(-2 * Math.log(1 - draw()));
    const angle = 2 * Math.PI * draw();
    latent[place] = radius * Math.cos(angle);
    if (place + 1 < size) latent[place + 1] = radius * Math.sin(angle);
  }
  return latent;
}

/**
 * Values of the attributes as they occur together in the training data.
 * @param {number} seed
 * @param {number} index which face of the seed
 * @param {[number[], number][]} combinations values and how many training faces have them
 * @returns {number[]}
 */
export function drawnAttributes(seed, index, combinations) {
  const total = combinations.reduce((sum, [, count]) => sum + count, 0);
  let left = stream(seed, index, "attributes")() * total;
  for (const [values, count] of combinations) {
    left -= count;
    if (left < 0) return [...values];
  }
  return [...combinations[combinations.length - 1][0]];
}

/** A seed that nobody chose. */
export function anySeed() {
  return Math.floor(Math.random() * 10000);
}

/**
 * splitmix32: whole 32-bit numbers.
 * @param {number} state
 * @returns {() => number}
 */
function splitmix(state) {
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return mixed ^ (mixed >>> 15);
  };
}
