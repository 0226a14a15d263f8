/** Pinned faces: a list in the address, and their pictures, each made once. */

import { generateAll } from "./engine.js";
import { latentOf, parse, write } from "./face.js";

const MOST = 24; // an address has to stay an address
const MOST_PICTURES = 200;

/** @typedef {import("./face.js").Face} Face */

export class Pins {
  /**
   * @param {import("./manifest.js").Manifest} manifest
   * @param {import("./engine.js").Engine} engine
   * @param {import("./state.js").State} state
   */
  constructor(manifest, engine, state) {
    this.manifest = manifest;
    this.engine = engine;
    this.state = state;
    /** @type {Map<string, Promise<ImageData>>} */
    this.pictures = new Map();
  }

  /** @returns {string[]} */
  get texts() {
    return this.state.get("pins");
  }

  /** Those of a run and snapshot, whose latents can be mixed. @param {string} run @param {string} snapshot @returns {Face[]} */
  of(run, snapshot) {
    const faces = this.texts.map(parse);
    return /** @type {Face[]} */ (faces.filter((face) => face && face.run === run && face.snapshot === snapshot));
  }

  /** @param {Face} face */
  has(face) {
    return this.texts.includes(write(face));
  }

  /**
   * Pin a face, or let it go.
   * @param {Face} face
   * @param {ImageData} [image] its picture, where it is known
   * @returns {string} what happened, in words
   */
  toggle(face, image) {
    const text = write(face);
    if (this.has(face)) {
      this.state.update({ pins: this.texts.filter((other) => other !== text) });
      return `Let go. ${this.texts.length} pinned.`;
    }
    if (this.texts.length >= MOST) return `${MOST} faces are pinned, which is the most. Let one go first.`;
    if (image) this.pictures.set(text, Promise.resolve(image));
    this.state.update({ pins: [...this.texts, text] });
    return `Pinned. ${this.texts.length} pinned.`;
  }

  /** Put a pin earlier or later. @param {string} text @param {number} by places */
  shift(text, by) {
    const texts = this.texts.filter((other) => other !== text);
    const place = this.texts.indexOf(text) + by;
    texts.splice(Math.max(0, place), 0, text);
    this.state.update({ pins: texts });
  }

  /** A face's picture. @param {Face} face @returns {Promise<ImageData>} */
  picture(face) {
    const text = write(face);
    let picture = this.pictures.get(text);
    if (!picture) {
      picture = this.make(face);
      picture.catch(() => this.pictures.delete(text));
      this.pictures.set(text, picture);
      if (this.pictures.size > MOST_PICTURES) this.pictures.delete(this.pictures.keys().next().value ?? "");
    }
    return picture;
  }

  /** @param {Face} face @returns {Promise<ImageData>} */
  async make(face) {
    const run = this.manifest.runs.find(({ id }) => id === face.run);
    if (!run) throw new Error(`A pinned face is of the run ${face.run}, which is not here.`);
    if (!run.snapshots.some(({ id }) => id === face.snapshot)) {
      throw new Error(`A pinned face is of a snapshot of ${run.name}, ${face.snapshot}, which is not here.`);
    }
    const latent = await latentOf(this.manifest, face);
    return (await generateAll(this.engine, run, face.snapshot, [latent], [face.y]))[0];
  }
}
