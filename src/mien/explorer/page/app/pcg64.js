/**
 * The random numbers of NumPy's `default_rng`, so that a seed gives the page the latents that it gives `mien sample`.
 *
 * Sources: PCG64 (O'Neill 2014, https://www.pcg-random.org), NumPy's SeedSequence, and the ziggurat of 256 layers
 * (Marsaglia and Tsang 2000) in single precision. Where the tail of the ziggurat is drawn from, 3 numbers in 10,000, the
 * last bit of a logarithm is the machine's own.
 */

const { fround, exp, log, log1p, sqrt, imul, round } = Math;

const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;
const LOW = 0xffffffffffffffffn;
const POOL = 4; // words of 32 bits that a seed is mixed in

const LAYERS = 256;
const TAIL = 3.6541528853610088; // where the tail begins
const AREA = 0.0049286732339746519; // of a layer
const STEPS = 2 ** 23; // of a layer's width
const { widths, heights, certain } = layers();

/** A stream of random numbers. */
export class Pcg64 {
  /** @param {number[]} seed whole numbers below 2^32, as `numpy.random.default_rng` takes them */
  constructor(seed) {
    const [first, second, third, fourth] = seedWords(seed);
    this.step = ((third << 65n) | (fourth << 1n) | 1n) & ((1n << 128n) - 1n);
    this.state = this.step + ((first << 64n) | second);
    this.advance();
    /** The upper half of a number whose lower half was given. @type {number | null} */
    this.upper = null;
  }

  advance() {
    this.state = BigInt.asUintN(128, this.state * MULTIPLIER + this.step);
  }

  /** @returns {bigint} 64 random bits */
  bits64() {
    this.advance();
    const turn = this.state >> 122n;
    const mixed = (this.state >> 64n) ^ (this.state & LOW);
    return BigInt.asUintN(64, (mixed >> turn) | (mixed << (64n - turn)));
  }

  /** @returns {number} 32 random bits */
  bits32() {
    if (this.upper !== null) {
      const upper = this.upper;
      this.upper = null;
      return upper;
    }
    const both = this.bits64();
    this.upper = Number(both >> 32n);
    return Number(both & 0xffffffffn);
  }

  /** @returns {number} from [0, 1), in double precision */
  uniform() {
    return Number(this.bits64() >> 11n) / 2 ** 53;
  }

  /** @returns {number} from N(0, 1), in single precision */
  normal() {
    for (;;) {
      const bits = this.bits32();
      const layer = bits & 255;
      const place = bits >>> 9;
      const size = fround(place * widths[layer]);
      const sign = bits & 256 ? -1 : 1;
      if (place < certain[layer]) return sign * size;
      if (layer === 0) return place & 256 ? -this.tail() : this.tail();
      const above = fround(heights[layer - 1] - heights[layer]);
      if (fround(fround(above * this.part()) + heights[layer]) < exp(-0.5 * size * size)) return sign * size;
    }
  }

  /** @returns {number} from the tail of N(0, 1) */
  tail() {
    for (;;) {
      const beyond = fround(fround(-1 / TAIL) * fround(log1p(-this.part())));
      const chance = -fround(log1p(-this.part()));
      if (fround(2 * chance) > fround(beyond * beyond)) return fround(fround(TAIL) + beyond);
    }
  }

  /** @returns {number} from [0, 1), in single precision */
  part() {
    return (this.bits32() >>> 8) / 2 ** 24;
  }
}

/** What NumPy's SeedSequence makes of a seed. @param {number[]} seed @returns {bigint[]} four words of 64 bits */
function seedWords(seed) {
  const scramble = hash(0x43b0d7e5, 0x931e8875);
  const pool = Array.from({ length: POOL }, (_, place) => scramble(seed[place] ?? 0));
  for (let from = 0; from < POOL; from += 1) {
    for (let to = 0; to < POOL; to += 1) {
      if (from !== to) pool[to] = folded(imul(0xca01f9dd, pool[to]) - imul(0x4973f715, scramble(pool[from])));
    }
  }
  const spread = hash(0x8b51f9dd, 0x58f38ded);
  const words = Array.from({ length: 2 * POOL }, (_, place) => BigInt(spread(pool[place % POOL]) >>> 0));
  return Array.from({ length: POOL }, (_, place) => words[2 * place] | (words[2 * place + 1] << 32n));
}

/** A hash of 32 bits that is another for every word. @param {number} key @param {number} factor */
function hash(key, factor) {
  return (/** @type {number} */ word) => {
    const mixed = word ^ key;
    key = imul(key, factor);
    return folded(imul(mixed, key));
  };
}

/** @param {number} word */
function folded(word) {
  return word ^ (word >>> 16);
}

/** The ziggurat: each layer's width in steps, its height, and the steps of it that are certainly below the curve. */
function layers() {
  const density = (/** @type {number} */ at) => exp(-0.5 * at * at);
  const edges = new Float64Array(LAYERS);
  edges[LAYERS - 1] = TAIL;
  for (let layer = LAYERS - 2; layer > 0; layer -= 1) {
    edges[layer] = sqrt(-2 * log(density(edges[layer + 1]) + AREA / edges[layer + 1]));
  }
  const widths = Float32Array.from(edges, (edge) => edge / STEPS);
  widths[0] = AREA / density(TAIL) / STEPS;
  const certain = Uint32Array.from(edges, (edge, layer) => round((edges[layer - 1] / edge) * STEPS) || 0);
  certain[0] = round(((TAIL * density(TAIL)) / AREA) * STEPS);
  return { widths, heights: Float32Array.from(edges, density), certain };
}
