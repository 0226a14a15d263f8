/** The maker of faces: a server, or the browser itself. Both are asked in the same way. */

import { ServerEngine } from "./engine-server.js";
import { WebEngine } from "./engine-web.js";

/**
 * @typedef {import("./manifest.js").Run} Run
 * @typedef {object} Engine
 * @property {(run: Run, snapshot: string, z: Float32Array, y: Float32Array | null, count: number) =>
 *   Promise<Uint8ClampedArray>} generate latents [n,Z] and attributes [n,A] to RGBA [n,S,S,4]
 * @property {(run: Run, snapshot: string, noise: Float32Array, count: number) => Promise<Float32Array>} carry
 *   noise [n,Z] by the run's learned prior to latents [n,Z]
 * @property {(run: Run, snapshot: string, rgb: Uint8Array, y: number[] | null) => Promise<Float32Array>} encode
 *   RGB [S,S,3] and attributes [A] to a latent [Z]
 */

export const MOST_FACES = 64; // of one request

/** @param {import("./manifest.js").Manifest} manifest @param {(words: string) => void} say @returns {Engine} */
export function createEngine(manifest, say) {
  return manifest.engine === "web" ? new WebEngine(say) : new ServerEngine();
}

/**
 * Many faces, in requests of a size that the engine takes.
 * @param {Engine} engine
 * @param {Run} run
 * @param {string} snapshot
 * @param {Float32Array[]} latents
 * @param {(number[] | null)[]} attributes one for each latent
 * @param {number} [most] faces of one request
 * @returns {Promise<ImageData[]>}
 */
export async function generateAll(engine, run, snapshot, latents, attributes, most = MOST_FACES) {
  const images = [];
  for (let start = 0; start < latents.length; start += most) {
    const count = Math.min(most, latents.length - start);
    const z = new Float32Array(count * run.latent_dim);
    const y = run.attributes.length ? new Float32Array(count * run.attributes.length) : null;
    for (let index = 0; index < count; index += 1) {
      z.set(latents[start + index], index * run.latent_dim);
      y?.set(attributes[start + index] ?? [], index * run.attributes.length);
    }
    const rgba = await engine.generate(run, snapshot, z, y, count);
    const side = run.image_size;
    const size = side * side * 4;
    for (let index = 0; index < count; index += 1) {
      images.push(new ImageData(rgba.slice(index * size, (index + 1) * size), side, side));
    }
  }
  return images;
}

/**
 * Carries noise to latents by a run's learned prior; noise of a run without one is a latent already. Faces that are
 * asked for at the same moment go in one request.
 * @param {Engine} engine
 * @returns {(run: Run, snapshot: string, noise: Float32Array) => Promise<Float32Array>} [Z] to [Z]
 */
export function carrier(engine) {
  /** @type {Map<string, {noise: Float32Array, resolve: (z: Float32Array) => void, reject: (why: any) => void}[]>} */
  const waiting = new Map();
  const send = async (/** @type {Run} */ run, /** @type {string} */ snapshot, /** @type {string} */ key) => {
    const asked = waiting.get(key) ?? [];
    waiting.delete(key);
    for (let start = 0; start < asked.length; start += MOST_FACES) {
      const piece = asked.slice(start, start + MOST_FACES);
      const noise = new Float32Array(piece.length * run.latent_dim);
      piece.forEach((each, index) => noise.set(each.noise, index * run.latent_dim));
      try {
        const z = await engine.carry(run, snapshot, noise, piece.length);
        piece.forEach(({ resolve }, index) => resolve(z.slice(index * run.latent_dim, (index + 1) * run.latent_dim)));
      } catch (why) {
        piece.forEach(({ reject }) => reject(why));
      }
    }
  };
  return (run, snapshot, noise) => {
    if (!run.prior) return Promise.resolve(noise);
    return new Promise((resolve, reject) => {
      const key = `${run.id}~${snapshot}`;
      const asked = waiting.get(key) ?? [];
      if (!asked.length) setTimeout(() => send(run, snapshot, key));
      waiting.set(key, [...asked, { noise, resolve, reject }]);
    });
  };
}
