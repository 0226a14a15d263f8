/** The engine of the static bundle: ONNX Runtime in a worker of this page, so that the page stays quick. */

import { Queue } from "./queue.js";

/** @typedef {import("./manifest.js").Run} Run */

/** Runs the networks in the visitor's own browser. */
export class WebEngine {
  /** @param {(words: string) => void} say */
  constructor(say) {
    this.say = say;
    this.queue = new Queue();
    this.asked = 0;
    /** Why the worker cannot be asked. @type {Error | null} */
    this.failure = null;
    this.worker = new Worker(new URL("./engine-web-worker.js", import.meta.url), { type: "module" });
    /** @type {Map<number, {resolve: (value: any) => void, reject: (error: Error) => void}>} */
    this.waiting = new Map();
    this.worker.addEventListener("message", ({ data }) => this.receive(data));
    this.worker.addEventListener("error", () => this.failAll());
  }

  /**
   * @param {Run} run @param {string} snapshot @param {Float32Array} z @param {Float32Array | null} y @param {number} count
   * @returns {Promise<Uint8ClampedArray>}
   */
  generate(run, snapshot, z, y, count) {
    const file = run.onnx?.generator;
    if (!file) return Promise.reject(new Error(`${run.name} has no generator in this folder. Export it again.`));
    return this.ask({ kind: "generate", file, z, y, count, latentDim: run.latent_dim, side: run.image_size });
  }

  /**
   * @param {Run} run @param {string} snapshot @param {Float32Array} noise @param {number} count
   * @returns {Promise<Float32Array>}
   */
  carry(run, snapshot, noise, count) {
    const file = run.onnx?.prior;
    if (!file) return Promise.reject(new Error(`${run.name} has no prior in this folder. Export it again.`));
    return this.ask({ kind: "carry", file, noise, count, latentDim: run.latent_dim });
  }

  /**
   * @param {Run} run @param {string} snapshot @param {Uint8Array} rgb @param {number[] | null} y
   * @returns {Promise<Float32Array>}
   */
  encode(run, snapshot, rgb, y) {
    const file = run.onnx?.encoder;
    if (!file) return Promise.reject(new Error(`${run.name} has no encoder in this folder. Export it again.`));
    return this.ask({ kind: "encode", file, rgb, y, side: run.image_size });
  }

  /** @param {object} asked @returns {Promise<any>} */
  ask(asked) {
    return this.queue.add(
      () =>
        new Promise((resolve, reject) => {
          if (this.failure) return reject(this.failure);
          this.asked += 1;
          this.waiting.set(this.asked, { resolve, reject });
          this.worker.postMessage({ ...asked, id: this.asked });
        }),
    );
  }

  /** @param {{id: number, result?: any, error?: string, words?: string}} answer */
  receive({ id, result, error, words }) {
    if (words) return this.say(words);
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (error) waiting?.reject(new Error(error));
    else waiting?.resolve(result);
  }

  failAll() {
    const words = "The part of the page that runs the networks did not start. Use a browser of 2023 or later.";
    this.failure = new Error(words);
    for (const { reject } of this.waiting.values()) reject(this.failure);
    this.waiting.clear();
  }
}
