/** Walk: from pinned face to pinned face on the great circle, as a strip and an animation. */

import { button, group, slider, toggle } from "../controls.js";
import { element } from "../dom.js";
import { save, savePicture } from "../download.js";
import { generateAll } from "../engine.js";
import { described, latentOf, write } from "../face.js";
import { between } from "../great-circle.js";
import { context, faceCanvas, paint, plain, savedSize, sheet } from "../picture.js";
import { Latest } from "../queue.js";
import { sampledFaces } from "./sample.js";

const STEPS = 16; // pictures from one face to the next
const REQUEST = 16; // pictures of one request, so that they appear as they are made
const STRIP = 8; // pictures of the strip
const DELAY = 70; // milliseconds a picture

/** @typedef {import("../face.js").Face} Face */

/** @param {import("../main.js").Page} page @returns {import("../main.js").Mounted} */
function mount(page) {
  const { state } = page;
  const latest = new Latest(page.fail);
  const film = makeFilm(page);
  const stations = makeStations(page);
  const walk = () =>
    latest.ask(async () => {
      const faces = stationsOf(page);
      const { latents, attributes, walked } = await way(page, faces, Boolean(state.get("loop")));
      film.clear(latents.length);
      for (let start = 0; start < latents.length && !latest.stopped && !latest.next; start += REQUEST) {
        const [z, y] = [latents.slice(start, start + REQUEST), attributes.slice(start, start + REQUEST)];
        film.add(
          await generateAll(page.engine, page.run(), page.snapshot(), z, y),
          walked.slice(start, start + REQUEST),
        );
      }
    });
  const loop = toggle("And back", Boolean(state.get("loop")), (on) => state.update({ loop: Number(on) }));
  const exports = [
    button("Save GIF", () => film.saveGif().catch(page.fail), { className: "main" }),
    button("Save strip (PNG)", () => savePicture(film.strip(), `${page.run().name}-walk.png`).catch(page.fail)),
  ];
  const controls = element(
    "div",
    { className: "controls" },
    group("From face to face", stations.root, loop.root),
    group("Keep", element("div", { className: "row" }, ...exports), film.saved),
  );
  walk();
  return {
    root: element("div", { className: "view" }, film.root, controls),
    update: (changed) => {
      stations.update();
      loop.set(Boolean(state.get("loop")));
      if (changed.has("pins") || changed.has("loop") || changed.has("seed")) walk();
    },
    leave: () => (latest.stop(), film.stop()),
    shown: () => ({ name: `${page.run().name}-walk`, faces: stationsOf(page), picture: () => film.strip() }),
  };
}

/** The pinned faces of this model; until there are two, three of the seed. @param {import("../main.js").Page} page @returns {Face[]} */
function stationsOf(page) {
  const pinned = page.pins.of(page.run().id, page.snapshot());
  return pinned.length > 1 ? pinned : [...pinned, ...sampledFaces(page, 3 - pinned.length)];
}

/**
 * Every step of the way.
 * @param {import("../main.js").Page} page @param {Face[]} faces @param {boolean} back whether it leads back to the first
 */
async function way(page, faces, back) {
  const ends = await Promise.all(faces.map((face) => latentOf(page.manifest, face)));
  const latents = [];
  const attributes = [];
  const walked = [];
  const legs = faces.length - (back ? 0 : 1);
  for (let leg = 0; leg < legs; leg += 1) {
    const [one, other] = [leg, (leg + 1) % faces.length];
    for (let step = 0; step < STEPS; step += 1) {
      const share = step / STEPS;
      latents.push(between(ends[one], ends[other], share));
      attributes.push(
        faces[one].y?.map((value, column) => (1 - share) * value + share * (faces[other].y?.[column] ?? 0)) ?? null,
      );
      walked.push(
        share === 0 ? `face ${one + 1}` : `${Math.round(share * 100)} % from face ${one + 1} to ${other + 1}`,
      );
    }
  }
  if (!back) {
    latents.push(ends[faces.length - 1]);
    attributes.push(faces[faces.length - 1].y);
    walked.push(`face ${faces.length}`);
  }
  return { latents, attributes, walked };
}

/** The faces of the way, which can change places. @param {import("../main.js").Page} page */
function makeStations(page) {
  const list = element("ol", { className: "stations" });
  const hint = element("p", { className: "hint" });
  const update = () => {
    const pinned = page.pins.of(page.run().id, page.snapshot());
    const own = pinned.length > 1;
    const others = page.pins.texts.length - pinned.length;
    const words = own
      ? "The way goes through your pinned faces, in their order."
      : `Pin two faces or more to walk between them. Until then: faces of seed ${page.state.get("seed")}.`;
    hint.textContent = others
      ? `${words} Those of other models or snapshots are left out: their latents mean something else.`
      : words;
    list.replaceChildren(
      ...stationsOf(page).map((face, place, all) => station(page, face, place, own ? all.length : 0)),
    );
  };
  update();
  return { root: element("div", {}, hint, list), update };
}

/** @param {import("../main.js").Page} page @param {Face} face @param {number} place @param {number} count 0: fixed */
function station(page, face, place, count) {
  const canvas = faceCanvas(page.run().image_size);
  page.pins.picture(face).then((image) => paint(canvas, image), page.fail);
  const shift = (/** @type {number} */ by, /** @type {string} */ sign, /** @type {string} */ words) =>
    button(sign, () => page.pins.shift(write(face), by), {
      "aria-label": `Face ${place + 1} ${words}`,
      disabled: by < 0 ? place === 0 : place === count - 1,
    });
  return element(
    "li",
    {},
    canvas,
    element("span", {}, described(face)),
    count > 0 && shift(-1, "↑", "earlier"),
    count > 0 && shift(1, "↓", "later"),
  );
}

/** The animation, its strip and its files. @param {import("../main.js").Page} page */
function makeFilm(page) {
  const side = page.run().image_size;
  const screen = faceCanvas(side, { id: "film", role: "img" });
  const strip = element("div", { className: "strip", role: "img", "aria-label": "The way in eight pictures" });
  strip.append(...Array.from({ length: STRIP }, () => faceCanvas(side)));
  const saved = element("p", { className: "hint", "aria-live": "polite" });
  /** @type {ImageData[]} */
  let images = [];
  /** @type {string[]} */
  let words = [];
  let [at, total, timer] = [0, 1, 0];
  const show = (/** @type {number} */ place) => {
    at = Math.min(place, images.length - 1);
    if (!images[at]) return;
    paint(screen, images[at]);
    screen.setAttribute("aria-label", `The walk at ${words[at]}`);
    scrub.set(at);
  };
  const scrub = slider({
    label: "Place",
    low: 0,
    high: 1,
    step: 1,
    value: 0,
    words: (place) => words[place] ?? "",
    move: (place) => (playing.set(false), stop(), show(place)),
  });
  const stop = () => window.clearInterval(timer);
  const play = () => {
    stop();
    timer = window.setInterval(() => show((at + 1) % Math.max(1, images.length)), DELAY);
  };
  const moving = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  const playing = toggle("Play", moving, (on) => (on ? play() : stop()));
  if (moving) play();
  const chosen = () => Array.from({ length: STRIP }, (_, place) => Math.round((place * (total - 1)) / (STRIP - 1)));
  const add = (/** @type {ImageData[]} */ more, /** @type {string[]} */ moreWords) => {
    images.push(...more);
    words.push(...moreWords);
    chosen().forEach(
      (place, index) => images[place] && paint(/** @type {HTMLCanvasElement} */ (strip.children[index]), images[place]),
    );
    if (images.length === more.length) show(0);
  };
  const clear = (/** @type {number} */ count) => {
    [images, words, at, total] = [[], [], 0, count];
    scrub.input.max = String(count - 1);
  };
  const saveGif = async () => {
    saved.textContent = "Making the GIF …";
    const bytes = await gifOf(images, savedSize(side));
    save(new Blob([/** @type {any} */ (bytes)], { type: "image/gif" }), `${page.run().name}-walk.gif`);
    saved.textContent = `Saved ${page.run().name}-walk.gif: ${images.length} pictures, ${(bytes.length / 1e6).toFixed(1)} MB.`;
  };
  const root = element(
    "div",
    { className: "stage walk" },
    element("figure", { className: "large" }, screen),
    element("div", { className: "row" }, playing.root, scrub.root),
    strip,
  );
  return {
    root,
    saved,
    add,
    clear,
    stop,
    saveGif,
    strip: () =>
      sheet(
        chosen()
          .map((place) => images[place])
          .filter(Boolean),
        STRIP,
        savedSize(side) / 2,
        0,
      ),
  };
}

/**
 * An animation with one palette, made from all of its pictures.
 * @param {ImageData[]} images @param {number} size pixels of a side
 * @returns {Promise<Uint8Array>}
 */
async function gifOf(images, size) {
  const { GIFEncoder, applyPalette, quantize } = await import("../../vendor/gifenc/gifenc.esm.js");
  const some = images.filter((_, index) => index % 4 === 0);
  const colours = new Uint8Array(some.reduce((sum, image) => sum + image.data.length, 0));
  some.forEach((image, index) => colours.set(image.data, index * image.data.length));
  const palette = quantize(colours, 256);
  const encoder = GIFEncoder();
  for (const image of images) {
    const canvas = element("canvas", { width: size, height: size });
    const pen = context(canvas);
    pen.imageSmoothingQuality = "high";
    pen.drawImage(plain(image), 0, 0, size, size);
    encoder.writeFrame(applyPalette(pen.getImageData(0, 0, size, size).data, palette), size, size, {
      palette,
      delay: DELAY,
    });
    await new Promise((resolve) => setTimeout(resolve)); // so that the page goes on
  }
  encoder.finish();
  return encoder.bytes();
}

export const walkView = { id: "walk", title: "Walk", mount };
