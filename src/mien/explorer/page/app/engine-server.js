/** The engine behind `mien explore`: asks the server that the page came from. */

import { opaque } from "./picture.js";
import { Queue } from "./queue.js";

const TRIES = 5; // of a request that a busy server turned away

/** @typedef {import("./manifest.js").Run} Run */

/** One request at a time, so that a page does not crowd others out. */
export class ServerEngine {
  constructor() {
    this.queue = new Queue();
  }

  /**
   * @param {Run} run @param {string} snapshot @param {Float32Array} z @param {Float32Array | null} y @param {number} count
   * @returns {Promise<Uint8ClampedArray>}
   */
  async generate(run, snapshot, z, y, count) {
    const asked = { run: run.id, snapshot, count, z: base64(z), y: y && base64(y) };
    return opaque(new Uint8Array(await this.post("api/generate", asked)));
  }

  /**
   * @param {Run} run @param {string} snapshot @param {Float32Array} noise @param {number} count
   * @returns {Promise<Float32Array>}
   */
  async carry(run, snapshot, noise, count) {
    const asked = { run: run.id, snapshot, count, noise: base64(noise) };
    return new Float32Array(await this.post("api/carry", asked));
  }

  /**
   * @param {Run} run @param {string} snapshot @param {Uint8Array} rgb @param {number[] | null} y
   * @returns {Promise<Float32Array>}
   */
  async encode(run, snapshot, rgb, y) {
    const asked = { run: run.id, snapshot, x: base64(rgb), y: y && base64(Float32Array.from(y)) };
    return new Float32Array(await this.post("api/encode", asked));
  }

  /** @param {string} path @param {object} asked @returns {Promise<ArrayBuffer>} */
  post(path, asked) {
    const request = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(asked) };
    return this.queue.add(async () => {
      for (let turn = 1; ; turn += 1) {
        const response = await fetch(path, request).catch(() => {
          throw new Error("The server does not answer. Is `mien explore` still running? Start it again, then reload.");
        });
        if (response.ok) return response.arrayBuffer();
        if (response.status !== 503 || turn === TRIES) throw new Error(await reason(response));
        const seconds = Number(response.headers.get("Retry-After")) || 1;
        await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      }
    });
  }
}

/** @param {Response} response */
async function reason(response) {
  try {
    return (await response.json()).error;
  } catch {
    return `The server answered ${response.status}, without a reason.`;
  }
}

/** @param {Float32Array | Uint8Array} values @returns {string} little endian */
function base64(values) {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  let binary = "";
  for (let start = 0; start < bytes.length; start += 8192) {
    binary += String.fromCharCode(...bytes.subarray(start, start + 8192));
  }
  return btoa(binary);
}
