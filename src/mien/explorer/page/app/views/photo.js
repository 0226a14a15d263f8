/** My photo: a picture through the encoder and back, and on to be edited. */

import { button, group } from "../controls.js";
import { Crop } from "../crop.js";
import { element } from "../dom.js";
import { generateAll } from "../engine.js";
import { keep, originOf, usualAttributes, write } from "../face.js";
import { faceCanvas, opaque, paint, savedSize, sheet } from "../picture.js";
import { signed } from "../pixel-range.js";
import { Latest } from "../queue.js";
import { attributeKnobs } from "./edit-knobs.js";
import { without } from "./without.js";

const LARGEST = 60e6; // bytes of a photograph
const MOST_PIXELS = 120e6;

/** The last photograph, while the page is open. @type {ImageBitmap | null} */
let photograph = null;

/** @param {import("../main.js").Page} page @returns {import("../main.js").Mounted} */
function mount(page) {
  const run = page.run();
  if (!run.encodes) {
    const why = `${run.name} has no encoder, so it cannot take a photo: it only makes faces.`;
    return without(page, why, (other) => other.encodes);
  }
  const latest = new Latest(page.fail);
  const result = makeResult(page);
  const place = element("div", { className: "stage photo" });
  const open = async (/** @type {File} */ file) => {
    try {
      photograph = await decode(file);
      show(photograph);
      page.say(`${file.name} is open. It stays on this machine.`);
    } catch (error) {
      page.fail(error);
    }
  };
  /** @type {Crop | null} */
  let crop = null;
  const ask = (/** @type {Crop} */ moved) =>
    latest.ask(() => pass(page, moved.pixels(run.image_size), result, latest));
  const show = (/** @type {ImageBitmap} */ bitmap) => {
    crop = new Crop(bitmap, ask);
    place.replaceChildren(
      element("div", { className: "photo" }, element("figure", { className: "cropped" }, crop.root), result.pair),
    );
    chooser.textContent = "Choose another picture";
  };
  const file = element("input", { type: "file", accept: "image/*", id: "photo", className: "unseen" });
  file.addEventListener("change", () => file.files[0] && open(file.files[0]));
  const chooser = element("span", {}, "Choose a picture");
  const label = element("label", { htmlFor: "photo", className: "button" }, chooser);
  const words =
    "Nothing leaves this machine. The browser crops the picture; it, and what you pin of it, are gone when this tab is closed.";
  if (photograph) show(photograph);
  else place.append(invitation(page));
  const controls = element("div", { className: "controls" });
  const told = makeTold(page);
  controls.append(
    group("Photo", element("div", { className: "row" }, file, label), element("p", { className: "hint" }, words)),
    result.root,
    told.root,
  );
  return {
    root: element("div", { className: "view" }, place, controls),
    update: (changed) => {
      result.update();
      told.update();
      if (crop && changed.has("set")) ask(crop);
    },
    leave: () => latest.stop(),
    shown: result.shown,
    open,
  };
}

/** What the photograph has, for a model that is told it. @param {import("../main.js").Page} page */
function makeTold(page) {
  const { run, state } = page;
  const tell = (/** @type {string} */ name, /** @type {number} */ amount) =>
    state.update({ set: { ...state.get("set"), [name]: amount } });
  const knobs = attributeKnobs(page, () => usualAttributes(run(), state.get("set")), tell);
  const words = "The model is told them with the photo. They begin as most training faces have them.";
  return {
    root: knobs.length
      ? group("Attributes of the photo", element("p", { className: "hint" }, words), ...knobs.map(({ root }) => root))
      : "",
    update: () => knobs.forEach((knob) => knob.update()),
  };
}

/** @param {import("../main.js").Page} page */
function invitation(page) {
  const mean = faceCanvas(page.run().map?.cell ?? 32);
  const example = element(
    "figure",
    { className: "small" },
    mean,
    element("figcaption", {}, "The mean test face: crop yours like it"),
  );
  if (page.run().map) meanFace(page).then((image) => paint(mean, image), page.fail);
  else example.hidden = true;
  const words = element("p", {}, "Drop a picture here, paste one, or choose one.");
  return element("div", { className: "drop" }, words, example);
}

/** The mean of the map's faces. @param {import("../main.js").Page} page @returns {Promise<ImageData>} */
async function meanFace(page) {
  const { count, columns, cell } = /** @type {import("../manifest.js").LatentMap} */ (page.run().map);
  const sprite = await page.manifest.mapFaces(page.run());
  const canvas = element("canvas", { width: cell, height: cell });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const sum = new Float64Array(cell * cell * 4);
  const some = Math.min(count, 200);
  for (let index = 0; index < some; index += 1) {
    const face = Math.floor((index * count) / some);
    pen.drawImage(sprite, (face % columns) * cell, Math.floor(face / columns) * cell, cell, cell, 0, 0, cell, cell);
    pen
      .getImageData(0, 0, cell, cell)
      .data.forEach((/** @type {number} */ value, /** @type {number} */ place) => (sum[place] += value / some));
  }
  return new ImageData(Uint8ClampedArray.from(sum), cell, cell);
}

/** A photograph, upright. @param {File} file @returns {Promise<ImageBitmap>} */
async function decode(file) {
  if (file.size > LARGEST)
    throw new Error(`${file.name} has ${Math.round(file.size / 1e6)} MB; a photo may have ${LARGEST / 1e6}.`);
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" }).catch(() => {
    throw new Error(`${file.name} is not a picture that this browser can read. Use a JPEG, PNG or WebP.`);
  });
  if (bitmap.width * bitmap.height > MOST_PIXELS)
    throw new Error(`${file.name} has too many pixels (${bitmap.width} × ${bitmap.height}). Make it smaller.`);
  return bitmap;
}

/**
 * A square through the encoder's mean and back.
 * @param {import("../main.js").Page} page @param {Uint8Array} rgb @param {ReturnType<typeof makeResult>} result @param {Latest} latest
 */
async function pass(page, rgb, result, latest) {
  const y = usualAttributes(page.run(), page.state.get("set"));
  const latent = await page.engine.encode(page.run(), page.snapshot(), rgb, y);
  const [image] = await generateAll(page.engine, page.run(), page.snapshot(), [latent], [y]);
  if (!latest.stopped) result.show(rgb, latent, y, image);
}

/** The picture as the encoder sees it, its reconstruction, and how far they are apart. @param {import("../main.js").Page} page */
function makeResult(page) {
  const side = page.run().image_size;
  const [given, made] = [faceCanvas(side), faceCanvas(side, { id: "reconstruction" })];
  const words = element(
    "p",
    { className: "result", "aria-live": "polite" },
    "Its reconstruction and error will stand here.",
  );
  /** @type {{images: ImageData[], latent: Float32Array, y: number[] | null} | null} */
  let now = null;
  const latent = () => now?.latent ?? new Float32Array();
  const face = (/** @type {string} */ origin) => {
    return { run: page.run().id, snapshot: page.snapshot(), origin, y: now?.y ?? null, moves: {} };
  };
  const edit = button(
    "Edit it",
    () => {
      const text = write(face(keep(latent())));
      page.state.update({ face: text, before: text }, "edit");
    },
    { className: "main", disabled: true },
  );
  const press = () => page.say(page.pins.toggle(face(keep(latent())), now?.images[1]));
  const pin = button("Pin", press, { disabled: true });
  /** @param {Uint8Array} rgb @param {Float32Array} latent @param {number[] | null} y @param {ImageData} image */
  const show = (rgb, latent, y, image) => {
    now = { images: [new ImageData(opaque(rgb), side, side), image], latent, y };
    paint(given, now.images[0]);
    paint(made, image);
    words.textContent = errorInWords(page.run(), squaredError(rgb, image.data));
    edit.disabled = pin.disabled = false;
  };
  const pair = element(
    "div",
    { className: "pair" },
    element("figure", {}, given, element("figcaption", {}, `As it enters, ${side} × ${side}`)),
    element("figure", {}, made, element("figcaption", {}, "Reconstruction")),
  );
  const shown = () =>
    now && {
      name: `${page.run().name}-photo`,
      faces: [face(keep(now.latent))],
      picture: () => sheet(now?.images ?? [], 2, savedSize(side)),
    };
  const update = () => {
    if (now) pin.textContent = page.pins.has(face(originOf(latent()))) ? "Let go" : "Pin";
  };
  return {
    root: group("Reconstruction", words, element("div", { className: "row" }, edit, pin)),
    pair,
    show,
    shown,
    update,
  };
}

/** Mean over pixels in [-1, 1]. @param {Uint8Array} rgb @param {Uint8ClampedArray} rgba */
function squaredError(rgb, rgba) {
  let sum = 0;
  for (let place = 0; place < rgb.length; place += 1) {
    const pixel = Math.floor(place / 3);
    sum += (signed(rgb[place]) - signed(rgba[pixel * 4 + (place % 3)])) ** 2;
  }
  return sum / rgb.length;
}

/** @param {import("../manifest.js").Run} run @param {number} error */
function errorInWords(run, error) {
  const test = run.numbers.find(({ name }) => name === "test_mse")?.value;
  const words = `Mean squared error ${error.toFixed(4)}, pixels in [-1, 1].`;
  if (test === undefined) return words;
  const times = error / test;
  const how =
    times < 0.8
      ? "closer than most."
      : times < 1.5
        ? "about as close."
        : times < 4
          ? `${times.toFixed(1)} times as far off.`
          : "much farther off. Is it a face, cropped as the test faces are?";
  return `${words} Test faces have ${test.toFixed(4)} on average, so it is ${how}`;
}

export const photoView = { id: "photo", title: "My photo", mount };
