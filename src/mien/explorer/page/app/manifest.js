/** The manifest: what exhibit.json says there is, and the files it names, each fetched once. */

/**
 * The models of `explorer/manifest.py`; a test compares them.
 * @typedef {{id: string, images_seen: number}} Snapshot
 * @typedef {{name: string, kind: "attribute" | "principal", share: number}} Direction
 * @typedef {{count: number, columns: number, cell: number, attributes: string[], methods: string[]}} LatentMap
 * @typedef {{images_seen: number, file: string}} SampleGrid
 * @typedef {{label: string, value: number, share: boolean}} Beside
 * @typedef {{label: string, value: number, share: boolean, name: string, group: string, hint: string,
 *   headline: boolean, low: number | null, high: number | null, images: number | null, protocol: string,
 *   beside: Beside[]}} ShownNumber
 * @typedef {{generator: string, encoder: string | null, prior: string | null}} NetworkFiles
 * @typedef {{id: string, name: string, model: string, image_size: number, latent_dim: number, attributes: string[],
 *   combinations: [number[], number][], encodes: boolean, prior: boolean, snapshots: Snapshot[], directions: Direction[],
 *   map: LatentMap | null, film: SampleGrid[], numbers: ShownNumber[], report: string | null,
 *   onnx: NetworkFiles | null, notes: string[]}} ShownRun
 * @typedef {ShownRun} Run
 */

const FORMAT = 1;

/** The runs on show. */
export class Manifest {
  /** @param {any} content of exhibit.json */
  constructor(content) {
    if (content.format !== FORMAT) {
      throw new Error(`This folder is of format ${content.format}; the page reads format ${FORMAT}. Export it again.`);
    }
    /** @type {string} */
    this.title = content.title;
    /** @type {"server" | "web"} */
    this.engine = content.engine;
    /** @type {Run[]} */
    this.runs = content.runs;
    /** What could not be shown, in sentences. @type {string[]} */
    this.notes = content.notes;
    /** @type {Map<string, Promise<any>>} */
    this.files = new Map();
    /** Noise to a latent, by a run's prior. @type {(run: Run, snapshot: string, z: Float32Array) => Promise<Float32Array>} */
    this.carry = async (_run, _snapshot, noise) => noise;
  }

  /** @param {string} id @returns {Run} the first one where there is none of that id */
  run(id) {
    return this.runs.find((run) => run.id === id) ?? this.runs[0];
  }

  /** @param {Run} run @returns {Promise<Float32Array[]>} one row a direction */
  directions(run) {
    return this.once(`runs/${run.id}/directions.f32`, async (response) => {
      const values = new Float32Array(await response.arrayBuffer());
      return run.directions.map((_, row) => values.subarray(row * run.latent_dim, (row + 1) * run.latent_dim));
    });
  }

  /** Places on the map. @param {Run} run @param {string} method @returns {Promise<Float32Array>} [N,2] */
  places(run, method) {
    return this.once(
      `runs/${run.id}/map/${method}.f32`,
      async (response) => new Float32Array(await response.arrayBuffer()),
    );
  }

  /** Latents of the map's faces. @param {Run} run @returns {Promise<Uint16Array>} float16 bits [N,Z] */
  mapLatents(run) {
    return this.once(
      `runs/${run.id}/map/latents.f16`,
      async (response) => new Uint16Array(await response.arrayBuffer()),
    );
  }

  /** @param {Run} run @returns {Promise<Uint8Array>} [N,A]; 1 has, 0 has not, 255 unknown */
  mapAttributes(run) {
    return this.once(
      `runs/${run.id}/map/attributes.u8`,
      async (response) => new Uint8Array(await response.arrayBuffer()),
    );
  }

  /** All faces of the map in one picture. @param {Run} run @returns {Promise<ImageBitmap>} */
  mapFaces(run) {
    return this.picture(`runs/${run.id}/map/faces.jpg`);
  }

  /** @param {string} path @returns {Promise<ImageBitmap>} */
  picture(path) {
    return this.once(path, async (response) => createImageBitmap(await response.blob()));
  }

  /**
   * Fetch and read a file, once.
   * @template T
   * @param {string} path
   * @param {(response: Response) => Promise<T>} read
   * @returns {Promise<T>}
   */
  once(path, read) {
    let file = this.files.get(path);
    if (!file) {
      file = fetchFile(path).then(read);
      file.catch(() => this.files.delete(path)); // the next one who asks tries again
      this.files.set(path, file);
    }
    return file;
  }
}

/** @param {string} path @returns {Promise<Response>} */
export async function fetchFile(path) {
  let response;
  try {
    response = await fetch(path);
  } catch {
    throw new Error(`${path} could not be fetched. Is the server that this page came from still running?`);
  }
  if (!response.ok) throw new Error(`${path} is not there (${response.status}). Export or start the explorer again.`);
  return response;
}

/**
 * Numbers of half precision to single.
 * @param {Uint16Array} bits
 * @returns {Float32Array}
 */
export function fromHalf(bits) {
  return Float32Array.from(bits, (half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 31;
    const fraction = half & 1023;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}
