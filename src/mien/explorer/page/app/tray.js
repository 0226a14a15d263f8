/** The tray: pinned faces, at the foot of every view. */

import { button, rove } from "./controls.js";
import { element } from "./dom.js";
import { described, parse, write } from "./face.js";
import { faceCanvas, paint } from "./picture.js";

/** @typedef {import("./face.js").Face} Face */

export class Tray {
  /** @param {import("./main.js").Page} page @param {HTMLElement} root */
  constructor(page, root) {
    this.page = page;
    this.root = root;
  }

  /** Show what is pinned now; who was in the tray with the keyboard stays there. */
  update() {
    const at = [...this.root.querySelectorAll("li")].findIndex((item) => item.contains(document.activeElement));
    const faces = /** @type {Face[]} */ (this.page.pins.texts.map(parse).filter((face) => face !== null));
    const items = faces.map((face) => this.item(face));
    const list = element("ul", {}, ...items);
    const hint = "Click a face to pin it. Pinned faces wait here, to be edited and walked between.";
    this.root.replaceChildren(items.length ? list : element("p", { className: "hint" }, hint));
    rove(list).start();
    if (at >= 0) items[Math.min(at, items.length - 1)]?.firstChild.focus();
  }

  /** @param {Face} face */
  item(face) {
    const { state, manifest, pins, say } = this.page;
    const run = manifest.run(face.run);
    const words = `${run.name}, ${described(face)}`;
    const canvas = faceCanvas(run.image_size);
    const label = { title: `Edit: ${words}`, "aria-label": `Edit: ${words}`, "data-item": "" };
    const open = button("", () => this.edit(face), label);
    open.append(canvas);
    if (state.view === "edit" && state.get("before") === write(face)) open.setAttribute("aria-current", "true");
    const missing = (/** @type {Error} */ error) => {
      open.title = error.message;
      canvas.dataset.missing = "true";
      say(error.message);
    };
    pins.picture(face).then((image) => paint(canvas, image), missing);
    const away = button("×", () => say(pins.toggle(face)), { className: "away", "aria-label": `Let go: ${words}` });
    open.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => event.key === "Delete" && away.click());
    return element("li", {}, open, away);
  }

  /** @param {Face} face */
  edit(face) {
    const text = write(face);
    this.page.state.update({ run: face.run, snapshot: face.snapshot, face: text, before: text }, "edit");
  }
}
