/** Edit: one face, large, and everything its model lets one move. */

import { button, toggle } from "../controls.js";
import { element } from "../dom.js";
import { generateAll } from "../engine.js";
import { described, latentOf, parse, write } from "../face.js";
import { faceCanvas, paint, savedSize, sheet } from "../picture.js";
import { Latest } from "../queue.js";
import { attributeKnobs, directionKnobs, groups } from "./edit-knobs.js";
import { sampledFaces } from "./sample.js";

/** @typedef {import("../face.js").Face} Face */

/** @param {import("../main.js").Page} page @returns {import("../main.js").Mounted} */
function mount(page) {
  const { state } = page;
  const past = new Past(state.get("face") || write(first(page)), (text) => state.update({ face: text }));
  const latest = new Latest(page.fail);
  const stage = makeStage(page);
  const face = () => current(page);
  const move = (/** @type {Face} */ moved) => state.update({ face: write(moved), before: write(opened(page)) });
  const settle = () => {
    past.settle(write(face()));
    actions.update();
  };
  const tell = (/** @type {string} */ name, /** @type {number} */ amount) => {
    const y = page.run().attributes.map((other, column) => (other === name ? amount : (face().y?.[column] ?? 0)));
    move({ ...face(), y });
  };
  const told = attributeKnobs(page, () => face().y, tell, settle);
  const knobs = [...told, ...directionKnobs(page, face, move, settle)];
  const actions = makeActions(page, past, stage);
  const draw = () =>
    latest.ask(async () => {
      const shown = face();
      const z = await latentOf(page.manifest, shown);
      const [image] = await generateAll(page.engine, page.run(), page.snapshot(), [z], [shown.y]);
      if (!latest.stopped) stage.show(shown, image);
    });
  page.pins.picture(opened(page)).then(stage.showBefore, page.fail);
  draw();
  const update = () => {
    for (const knob of knobs) knob.update();
    actions.update();
  };
  update();
  const controls = element("div", { className: "controls" }, actions.root, ...groups(page, knobs));
  return {
    root: element("div", { className: "view edit" }, stage.root, controls),
    update: (changed) => {
      update();
      if (changed.has("face")) draw();
      if (changed.has("before")) page.pins.picture(opened(page)).then(stage.showBefore, page.fail);
    },
    leave: () => latest.stop(),
    shown: () => ({
      name: `${page.run().name}-edited`,
      faces: [opened(page), face()],
      picture: async () => {
        const images = [await page.pins.picture(opened(page)), await page.pins.picture(face())];
        return sheet(images, 2, savedSize(page.run().image_size));
      },
    }),
    key: (event) => keyed(event, past, stage),
  };
}

/** The face that is edited. @param {import("../main.js").Page} page @returns {Face} */
function current(page) {
  const face = parse(page.state.get("face"));
  return face && face.run === page.run().id ? face : first(page);
}

/** As it was when it was opened. @param {import("../main.js").Page} page @returns {Face} */
function opened(page) {
  const face = parse(page.state.get("before"));
  return face && face.run === page.run().id ? face : { ...current(page), moves: {} };
}

/** Where none was chosen: the first face of the seed. @param {import("../main.js").Page} page @returns {Face} */
function first(page) {
  return sampledFaces(page, 1)[0];
}

/** @param {KeyboardEvent} event @param {Past} past @param {ReturnType<typeof makeStage>} stage */
function keyed(event, past, stage) {
  const command = event.ctrlKey || event.metaKey;
  if (command && event.key.toLowerCase() === "z") {
    if (event.shiftKey) past.redo();
    else past.undo();
    return true;
  }
  if (event.key !== "b" || command) return false;
  stage.compare(!stage.comparing());
  return true;
}

/** What can be taken back, and done again. */
class Past {
  /** @param {string} now @param {(text: string) => void} show */
  constructor(now, show) {
    this.done = [now];
    /** @type {string[]} */
    this.undone = [];
    this.show = show;
  }

  /** @param {string} text */
  settle(text) {
    if (text === this.done[this.done.length - 1]) return;
    this.done.push(text);
    this.undone = [];
  }

  undo() {
    if (this.done.length < 2) return;
    this.undone.push(/** @type {string} */ (this.done.pop()));
    this.show(this.done[this.done.length - 1]);
  }

  redo() {
    const text = this.undone.pop();
    if (text === undefined) return;
    this.done.push(text);
    this.show(text);
  }
}

/** The face, and how it was; holding it shows how it was. @param {import("../main.js").Page} page */
function makeStage(page) {
  const side = page.run().image_size;
  const [now, before] = [faceCanvas(side, { id: "edited" }), faceCanvas(side)];
  const caption = element("figcaption", {}, "Now");
  const from = element("figcaption", {}, "Before");
  const large = element("figure", { className: "large" }, now, caption);
  const small = element("figure", { className: "small" }, before, from);
  let comparing = false;
  let image = /** @type {ImageData | null} */ (null);
  let old = /** @type {ImageData | null} */ (null);
  const show = () => {
    const shown = comparing ? old : image;
    if (shown) paint(now, shown);
    caption.textContent = comparing ? "Before" : "Now";
  };
  const compare = (/** @type {boolean} */ on) => {
    comparing = on;
    show();
    for (const listener of listeners) listener(on);
  };
  /** @type {((on: boolean) => void)[]} */
  const listeners = [];
  now.addEventListener("pointerdown", () => compare(true));
  for (const end of ["pointerup", "pointercancel", "pointerleave"])
    now.addEventListener(end, () => comparing && compare(false));
  return {
    root: element("div", { className: "stage" }, large, small),
    compare,
    comparing: () => comparing,
    listeners,
    showBefore: (/** @type {ImageData} */ given) => {
      old = given;
      paint(before, given);
      from.textContent = `Before: ${described(opened(page))}`;
    },
    show: (/** @type {Face} */ face, /** @type {ImageData} */ given) => {
      image = given;
      show();
      now.setAttribute("aria-label", described(face));
      now.setAttribute("role", "img");
    },
  };
}

/** @param {import("../main.js").Page} page @param {Past} past @param {ReturnType<typeof makeStage>} stage */
function makeActions(page, past, stage) {
  const undo = button("Undo", () => past.undo(), { title: "Ctrl+Z" });
  const redo = button("Redo", () => past.redo(), { title: "Ctrl+Shift+Z" });
  const reset = button("Reset", () => {
    const text = write(opened(page));
    past.settle(text);
    page.state.update({ face: text });
  });
  const before = toggle("Before", false, (down) => stage.compare(down));
  before.root.title = "Key b; or hold the face";
  stage.listeners.push(before.set);
  const pin = button("Pin", () => page.say(page.pins.toggle(current(page))), { className: "main" });
  const update = () => {
    undo.disabled = past.done.length < 2;
    redo.disabled = !past.undone.length;
    reset.disabled = write(current(page)) === write(opened(page));
    pin.textContent = page.pins.has(current(page)) ? "Let go" : "Pin";
  };
  return { root: element("div", { className: "row actions" }, undo, redo, reset, before.root, pin), update };
}

export const editView = { id: "edit", title: "Edit", mount };
