/** Sample: a grid of faces from a seed, and the knobs that they depend on. */

import { button, choice, group, rove, slider, toggle } from "../controls.js";
import { element, spoken } from "../dom.js";
import { generateAll } from "../engine.js";
import { latentOf, seeded } from "../face.js";
import { faceCanvas, paint, savedSize, sheet } from "../picture.js";
import { Latest } from "../queue.js";
import { anySeed } from "../random.js";

const COUNTS = ["12", "24", "48"];
const PIECE = 12; // faces of one request, so that the first are soon there

/** @typedef {import("../face.js").Face} Face */

/** @param {import("../main.js").Page} page @returns {import("../main.js").Mounted} */
function mount(page) {
  const { state } = page;
  const latest = new Latest(page.fail);
  const grid = faceGrid(page);
  const controls = [seedControls(page), truncationControl(page), attributeControls(page)];
  const draw = () =>
    latest.ask(async () => {
      const faces = sampledFaces(page, state.get("count"));
      grid.begin(faces);
      for (let start = 0; start < faces.length; start += PIECE) {
        const piece = faces.slice(start, start + PIECE);
        const latents = await Promise.all(piece.map((face) => latentOf(page.manifest, face)));
        const attributes = piece.map(({ y }) => y);
        const images = await generateAll(page.engine, page.run(), page.snapshot(), latents, attributes);
        if (latest.stopped || latest.next) return;
        images.forEach((image, index) => grid.show(start + index, piece[index], image));
      }
      grid.end();
    });
  draw();
  const root = element(
    "div",
    { className: "view" },
    grid.root,
    element("div", { className: "controls" }, ...controls.map(({ root: part }) => part)),
  );
  return {
    root,
    update: (changed) => {
      for (const control of controls) control.update();
      if (["seed", "count", "truncation", "set"].some((field) => changed.has(field))) draw();
      else grid.mark();
    },
    leave: () => latest.stop(),
    shown: () => ({
      name: `${page.run().name}-seed-${state.get("seed")}`,
      faces: grid.shown.map(({ face }) => face),
      picture: () => {
        const images = grid.shown.map(({ image }) => image);
        return sheet(images, columnsOf(images.length), savedSize(page.run().image_size) / 2);
      },
    }),
    key: (event) => {
      if (event.key !== "n" || state.get("lock") || event.ctrlKey || event.metaKey) return false;
      state.update({ seed: state.get("seed") + 1 });
      return true;
    },
  };
}

/** The faces that the address asks for. @param {import("../main.js").Page} page @param {number} count @returns {Face[]} */
export function sampledFaces({ state, run, snapshot }, count) {
  const [seed, truncation, set] = [state.get("seed"), state.get("truncation"), state.get("set")];
  return Array.from({ length: count }, (_, index) => seeded(run(), snapshot(), seed, index, truncation, set));
}

/** @param {number} count */
function columnsOf(count) {
  return count > 24 ? 8 : count > 12 ? 6 : 4;
}

/** Faces as buttons that pin them. @param {import("../main.js").Page} page */
function faceGrid(page) {
  const root = element("div", { className: "grid", role: "group", "aria-label": "Faces; press one to pin it" });
  /** @type {{face: Face, image: ImageData}[]} */
  const shown = [];
  const roving = rove(root);
  const press = (/** @type {number} */ index) => {
    if (shown[index]) page.say(page.pins.toggle(shown[index].face, shown[index].image));
  };
  const begin = (/** @type {Face[]} */ faces) => {
    root.setAttribute("aria-busy", "true");
    if (root.children.length === faces.length) return;
    shown.length = 0;
    root.style.setProperty("--columns", String(columnsOf(faces.length)));
    const items = faces.map((_, index) => {
      const label = { "data-item": "", className: "pinnable", "aria-label": `Face ${index + 1}` };
      const item = button("", () => press(index), label);
      item.append(faceCanvas(page.run().image_size));
      return item;
    });
    root.replaceChildren(...items);
    roving.start();
  };
  const mark = () =>
    shown.forEach(({ face }, index) => root.children[index].setAttribute("aria-pressed", String(page.pins.has(face))));
  const show = (/** @type {number} */ index, /** @type {Face} */ face, /** @type {ImageData} */ image) => {
    shown[index] = { face, image };
    const item = /** @type {HTMLElement} */ (root.children[index]);
    paint(/** @type {HTMLCanvasElement} */ (item.firstChild), image);
    item.setAttribute("aria-label", labelOf(page.run(), face, index));
  };
  const end = () => {
    mark();
    root.setAttribute("aria-busy", "false");
  };
  return { root, begin, show, mark, end, shown };
}

/** @param {import("../manifest.js").Run} run @param {Face} face @param {number} index */
function labelOf(run, face, index) {
  const has = run.attributes.map((name, column) => [spoken(name), face.y?.[column] ?? 0]);
  const words = has.map(([name, value]) => `${value === 1 ? "" : value === 0 ? "not " : `${value} `}${name}`);
  return [`Face ${index + 1}`, ...words].join(", ");
}

/** @param {import("../main.js").Page} page */
function seedControls({ state }) {
  const input = element("input", { type: "number", min: 0, max: 4294967295, id: "seed", inputMode: "numeric" });
  input.addEventListener("change", () => {
    const seed = Math.min(4294967295, Math.max(0, Math.round(Number(input.value))));
    state.update({ seed });
  });
  const next = button("Next", () => state.update({ seed: state.get("seed") + 1 }), { title: "The next seed (key n)" });
  const any = button("Any", () => state.update({ seed: anySeed() }), { title: "A seed by chance" });
  const lock = toggle("Lock", false, (down) => state.update({ lock: Number(down) }));
  const counts = /** @type {[string, string][]} */ (COUNTS.map((count) => [count, count]));
  const count = choice("How many faces", counts, String(state.get("count")), (value) =>
    state.update({ count: Number(value) }),
  );
  const update = () => {
    const locked = Boolean(state.get("lock"));
    for (const part of [input, next, any]) part.disabled = locked;
    input.value = String(state.get("seed"));
    lock.set(locked);
    count.set(String(state.get("count")));
  };
  update();
  const row = element(
    "div",
    { className: "row" },
    element("label", { htmlFor: "seed" }, "Seed"),
    input,
    next,
    any,
    lock.root,
  );
  return { root: group("Faces", row, count.root), update };
}

/** @param {import("../main.js").Page} page */
function truncationControl({ state }) {
  const control = slider({
    label: "Truncation",
    low: 0,
    high: 1,
    step: 0.05,
    value: state.get("truncation"),
    home: 1,
    words: (value) => value.toFixed(2),
    move: (truncation) => state.update({ truncation }),
  });
  const hint = element(
    "p",
    { className: "hint" },
    "Latents are multiplied by it: less is more typical, and more alike.",
  );
  return { root: group("Variety", control.root, hint), update: () => control.set(state.get("truncation")) };
}

/**
 * A switch and a slider for every attribute of a conditional model; a sentence for any other.
 * @param {import("../main.js").Page} page
 */
export function attributeControls({ state, run }) {
  if (!run().attributes.length) {
    const words = `${run().name} draws faces as they come: it was not told attributes, so there is nothing to switch.`;
    return { root: group("Attributes", element("p", { className: "hint" }, words)), update: () => {} };
  }
  const controls = run().attributes.map((name) => attributeControl(state, name));
  const hint = element(
    "p",
    { className: "hint" },
    "Data: as it occurs together with the others in the training faces.",
  );
  return {
    root: group("Attributes", ...controls.map(({ root }) => root), hint),
    update: () => controls.forEach((control) => control.update()),
  };
}

/** @param {import("../state.js").State} state @param {string} name */
function attributeControl(state, name) {
  const value = () => /** @type {Record<string, number>} */ (state.get("set"))[name];
  const change = (/** @type {number | undefined} */ to) => {
    const { [name]: _, ...others } = state.get("set");
    state.update({ set: to === undefined ? others : { ...others, [name]: to } });
  };
  const options = /** @type {[string, string][]} */ ([
    ["data", "Data"],
    ["0", "Off"],
    ["1", "On"],
  ]);
  const kind = choice(spoken(name), options, "data", (to) => change(to === "data" ? undefined : Number(to)));
  const amount = slider({
    label: spoken(name),
    low: 0,
    high: 1,
    step: 0.05,
    value: 0.5,
    words: (shown) => (value() === undefined ? "" : shown.toFixed(2)),
    move: change,
  });
  const update = () => {
    kind.set(value() === undefined ? "data" : String(value()));
    amount.set(value() ?? 0.5);
    amount.root.toggleAttribute("data-idle", value() === undefined);
  };
  update();
  return { root: element("div", { className: "attribute" }, amount.root, kind.root), update };
}

export const sampleView = { id: "sample", title: "Sample", mount };
