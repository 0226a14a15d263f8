/**
 * A face in words short enough for an address: where its latent comes from, its attributes, and what was moved since.
 *
 *     vae~last~s7.3.1~y0,1~d0:1.5,3:-0.25     face 3 of seed 7, truncation 1, direction 0 moved by 1.5
 *     vae~last~m231                           face 231 of the map
 *     vae~last~k1a2b3c4d                      a latent kept in this tab: of a photograph or a file
 *
 * Latents of photographs never enter the address: they stay in the tab (sessionStorage), and in files one saves.
 */

import { fromHalf } from "./manifest.js";
import { agreeing, chanceStep, drawnAttributes, MOST_OF_A_SEED, seededLatent } from "./random.js";

/**
 * @typedef {import("./manifest.js").Run} Run
 * @typedef {{run: string, snapshot: string, origin: string, y: number[] | null, moves: Record<number, number>}} Face
 */

const KEPT = "mien:latent:"; // before the names in sessionStorage
const MOST_CARRIED = 512; // latents of seeds that a prior has carried, the last ones
const CHANCE = 1000; // directions from here on are drawn by chance, for models that have no others

/** @type {Map<string, Promise<Float32Array>>} */
const carried = new Map();

/** @param {Face} face @returns {string} */
export function write(face) {
  const parts = [face.run, face.snapshot, face.origin];
  if (face.y) parts.push(`y${face.y.map(rounded).join(",")}`);
  const moves = Object.entries(face.moves).filter(([, amount]) => rounded(amount) !== 0);
  if (moves.length) parts.push(`d${moves.map(([index, amount]) => `${index}:${rounded(amount)}`).join(",")}`);
  return parts.join("~");
}

/** @param {string} text @returns {Face | null} null where it is none */
export function parse(text) {
  const [run, snapshot, origin, ...rest] = text.split("~");
  if (!origin || !/^(s\d+\.\d+\.[\d.]+|m\d+|k[0-9a-f]+)$/.test(origin)) return null;
  if (origin[0] === "s" && Number(origin.split(".")[1]) >= MOST_OF_A_SEED) return null;
  /** @type {Face} */
  const face = { run, snapshot, origin, y: null, moves: {} };
  for (const part of rest) {
    if (part[0] === "y") face.y = part.slice(1).split(",").map(Number);
    if (part[0] === "d")
      face.moves = Object.fromEntries(
        part
          .slice(1)
          .split(",")
          .map((move) => move.split(":").map(Number)),
      );
  }
  const numbers = [...(face.y ?? []), ...Object.keys(face.moves).map(Number), ...Object.values(face.moves)];
  return numbers.every(Number.isFinite) ? face : null;
}

/**
 * A face of a seed.
 * @param {Run} run @param {string} snapshot @param {number} seed @param {number} index @param {number} truncation
 * @param {Record<string, number>} set attributes that are not left to the data
 * @returns {Face}
 */
export function seeded(run, snapshot, seed, index, truncation, set) {
  const agree = agreeing(run.attributes, run.combinations, set);
  const y = run.attributes.length ? drawnAttributes(seed, index, agree) : null;
  run.attributes.forEach((name, column) => {
    if (y && name in set) y[column] = set[name];
  });
  return { run: run.id, snapshot, origin: `s${seed}.${index}.${rounded(truncation)}`, y, moves: {} };
}

/**
 * Usual values of the attributes, which are the most frequent combination, but for those that are set.
 * @param {Run} run @param {Record<string, number>} [set] @returns {number[] | null}
 */
export function usualAttributes(run, set = {}) {
  if (!run.attributes.length) return null;
  return run.attributes.map((name, column) => set[name] ?? run.combinations[0][0][column]);
}

/**
 * Where a face comes from, in words.
 * @param {Face} face
 */
export function described(face) {
  const kind = face.origin[0];
  const [seed, index] = face.origin.slice(1).split(".");
  const counted = kind === "m" ? `test face ${Number(seed) + 1}` : "from a photo or file";
  const from = kind === "s" ? `seed ${seed}, face ${Number(index) + 1}` : counted;
  return Object.keys(face.moves).length ? `${from}, edited` : from;
}

/**
 * Its latent, moved.
 * @param {import("./manifest.js").Manifest} manifest
 * @param {Face} face
 * @returns {Promise<Float32Array>} [Z]
 */
export async function latentOf(manifest, face) {
  const run = manifest.run(face.run);
  const z = Float32Array.from(await origin(manifest, run, face));
  const moves = Object.entries(face.moves).map(([index, amount]) => [Number(index), amount]);
  const learnt = moves.filter(([index]) => index < CHANCE);
  if (learnt.length) {
    const directions = await manifest.directions(run);
    for (const [index, amount] of learnt) directions[index]?.forEach((step, place) => (z[place] += amount * step));
  }
  return turned(
    z,
    moves.filter(([index]) => index >= CHANCE),
  );
}

/** The number of a direction drawn by chance, among the moves of a face. @param {number} place */
export function chanceDirection(place) {
  return CHANCE + place;
}

/**
 * A latent moved along directions drawn by chance, as far from the middle as before: there a generator knows its way.
 * @param {Float32Array} z
 * @param {number[][]} moves number and amount of each
 * @returns {Float32Array}
 */
function turned(z, moves) {
  if (!moves.length) return z;
  const length = Math.hypot(...z);
  for (const [number, amount] of moves) {
    chanceStep(number, z.length).forEach((step, place) => (z[place] += amount * step));
  }
  const scale = length / (Math.hypot(...z) || 1);
  return z.map((value) => value * scale);
}

/** @param {import("./manifest.js").Manifest} manifest @param {Run} run @param {Face} face @returns {Promise<Float32Array>} */
async function origin(manifest, run, face) {
  const kind = face.origin[0];
  const [first, index, ...truncation] = face.origin.slice(1).split(".");
  if (kind === "s") {
    const scale = Number(truncation.join("."));
    const noise = seededLatent(Number(first), Number(index), run.latent_dim).map((value) => scale * value);
    return run.prior ? carriedOnce(manifest, run, face, noise) : noise;
  }
  if (kind === "m") {
    if (!run.map) throw new Error(`${run.name} has no map here, so a pinned face of it cannot be shown.`);
    const latents = await manifest.mapLatents(run);
    const row = Number(first);
    if ((row + 1) * run.latent_dim > latents.length) throw new Error(`The map of ${run.name} has no face ${row}.`);
    return fromHalf(latents.subarray(row * run.latent_dim, (row + 1) * run.latent_dim));
  }
  const kept = sessionStorage.getItem(KEPT + first);
  if (!kept)
    throw new Error("A face of a photo or file is not in this tab. Open the photo, or the file saved from it.");
  const latent = new Float32Array(Uint8Array.from(atob(kept), (letter) => letter.charCodeAt(0)).buffer);
  if (latent.length !== run.latent_dim)
    throw new Error(`A kept face has ${latent.length} numbers; ${run.name} has ${run.latent_dim}.`);
  return latent;
}

/**
 * The latent that a run's prior carries noise to; asked for once, as a face is drawn again at each turn of a knob.
 * @param {import("./manifest.js").Manifest} manifest @param {Run} run @param {Face} face @param {Float32Array} noise
 * @returns {Promise<Float32Array>} [Z]
 */
function carriedOnce(manifest, run, face, noise) {
  const name = `${face.run}~${face.snapshot}~${face.origin}`;
  let latent = carried.get(name);
  if (!latent) {
    if (carried.size >= MOST_CARRIED) carried.clear();
    latent = manifest.carry(run, face.snapshot, noise);
    latent.catch(() => carried.delete(name)); // the next one who asks tries again
    carried.set(name, latent);
  }
  return latent;
}

/**
 * Keep a latent in this tab.
 * @param {Float32Array} latent
 * @returns {string} its origin
 */
export function keep(latent) {
  const binary = String.fromCharCode(...new Uint8Array(latent.buffer, latent.byteOffset, latent.byteLength));
  sessionStorage.setItem(KEPT + originOf(latent).slice(1), btoa(binary));
  return originOf(latent);
}

/**
 * What a latent that is kept goes by: FNV-1a of its bytes.
 * @param {Float32Array} latent
 * @returns {string} its origin
 */
export function originOf(latent) {
  let hash = 0x811c9dc5;
  for (const byte of new Uint8Array(latent.buffer, latent.byteOffset, latent.byteLength)) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return `k${(hash >>> 0).toString(16).padStart(8, "0")}`;
}

/** @param {number} value */
function rounded(value) {
  return Math.round(value * 100) / 100;
}
