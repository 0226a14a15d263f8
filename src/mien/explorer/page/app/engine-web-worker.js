/** The worker of the static bundle: holds the networks' sessions and runs them, one request at a time. */

import * as ort from "../vendor/onnxruntime-web/ort.wasm.min.mjs";
import { signed, toStored } from "./pixel-range.js";

const RUNTIME = new URL("../vendor/onnxruntime-web/", import.meta.url);
const PAGE = new URL("../", import.meta.url);

/** @type {Promise<void> | null} */
let runtime = null;
/** @type {Map<string, Promise<any>>} */
const sessions = new Map();

const KINDS = { generate, carry, encode };

self.addEventListener("message", async ({ data }) => {
  try {
    const result = await KINDS[/** @type {keyof typeof KINDS} */ (data.kind)](data);
    self.postMessage({ id: data.id, result }, { transfer: [result.buffer] });
  } catch (error) {
    sessions.delete(data.file);
    const why = error instanceof Error ? error.message : String(error);
    self.postMessage({ id: data.id, error: `The network ${data.file} does not run in this browser: ${why}` });
  }
});

/**
 * Latents to pictures.
 * @param {{file: string, z: Float32Array, y: Float32Array | null, count: number, latentDim: number, side: number}} asked
 * @returns {Promise<Uint8ClampedArray>} RGBA [n,S,S,4]
 */
async function generate({ file, z, y, count, latentDim, side }) {
  const session = await open(file);
  /** @type {Record<string, any>} */
  const inputs = { z: new ort.Tensor("float32", z, [count, latentDim]) };
  if (y) inputs.y = new ort.Tensor("float32", y, [count, y.length / count]);
  const { x } = await session.run(inputs);
  const area = side * side;
  const rgba = new Uint8ClampedArray(count * area * 4).fill(255);
  for (let face = 0; face < count; face += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      const plane = (face * 3 + channel) * area;
      for (let pixel = 0; pixel < area; pixel += 1) {
        rgba[(face * area + pixel) * 4 + channel] = toStored(x.data[plane + pixel]);
      }
    }
  }
  return rgba;
}

/**
 * Noise to latents.
 * @param {{file: string, noise: Float32Array, count: number, latentDim: number}} asked
 * @returns {Promise<Float32Array>} [n,Z]
 */
async function carry({ file, noise, count, latentDim }) {
  const session = await open(file);
  const { z } = await session.run({ noise: new ort.Tensor("float32", noise, [count, latentDim]) });
  return Float32Array.from(z.data);
}

/**
 * A picture, and attributes where the model is conditional, to the mean of its latent.
 * @param {{file: string, rgb: Uint8Array, y: number[] | null, side: number}} asked
 * @returns {Promise<Float32Array>}
 */
async function encode({ file, rgb, y, side }) {
  const session = await open(file);
  const area = side * side;
  const x = new Float32Array(area * 3);
  for (let pixel = 0; pixel < area; pixel += 1) {
    for (let channel = 0; channel < 3; channel += 1) x[channel * area + pixel] = signed(rgb[pixel * 3 + channel]);
  }
  /** @type {Record<string, any>} */
  const inputs = { x: new ort.Tensor("float32", x, [1, 3, side, side]) };
  if (y) inputs.y = new ort.Tensor("float32", Float32Array.from(y), [1, y.length]);
  const { mu } = await session.run(inputs);
  return Float32Array.from(mu.data);
}

/** @param {string} file @returns {Promise<any>} */
function open(file) {
  let session = sessions.get(file);
  if (!session) {
    const part = file.replace(/^.*\//, "").replace(".onnx", "");
    self.postMessage({ words: `Loading the ${part} …` });
    runtime ||= start().catch((error) => {
      runtime = null; // the next one who asks tries again
      throw error;
    });
    session = Promise.all([bytesOf(new URL(file, PAGE)), runtime]).then(([bytes]) =>
      ort.InferenceSession.create(bytes, { executionProviders: ["wasm"], graphOptimizationLevel: "all" }),
    );
    session.then(
      () => self.postMessage({ words: `The ${part} is loaded.` }),
      () => {}, // who asked is told why
    );
    sessions.set(file, session);
  }
  return session;
}

/** Get the runtime itself ready: static hosts do not isolate pages, so it has one thread. */
async function start() {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = { mjs: new URL("ort-wasm-simd-threaded.mjs", RUNTIME).href };
  ort.env.wasm.wasmBinary = await bytesOf(new URL("ort-wasm-simd-threaded.wasm.gz", RUNTIME));
}

/**
 * The bytes of a file, unpacked if they are packed: a host may have unpacked them on the way.
 * @param {URL} address
 * @returns {Promise<Uint8Array>}
 */
async function bytesOf(address) {
  const name = address.pathname.split("/").pop();
  const response = await fetch(address).catch(() => {
    throw new Error(`${name} could not be fetched`);
  });
  if (!response.ok) throw new Error(`${name} is not there (${response.status})`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(unpacked).arrayBuffer());
}
