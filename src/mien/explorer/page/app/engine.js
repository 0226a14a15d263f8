/** What makes faces: a server, or the browser itself. Both are asked in the same way. */

import { ServerEngine } from "./engine-server.js";
import { WebEngine } from "./engine-web.js";

/**
 * @typedef {import("./manifest.js").Run} Run
 * @typedef {object} Engine
 * @property {(run: Run, snapshot: string, z: Float32Array, y: Float32Array | null, count: number) =>
 *   Promise<Uint8ClampedArray>} generate latents [n,Z] and attributes [n,A] to RGBA [n,S,S,4]
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
