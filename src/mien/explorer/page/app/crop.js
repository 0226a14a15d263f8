/** The square of a photograph that is kept: dragged and zoomed under a fixed frame. */

import { button, slider } from "./controls.js";
import { element } from "./dom.js";
import { context } from "./picture.js";
import { resample } from "./resample.js";

const VIEW = 480; // pixels of the frame's canvas
const CLOSEST = 8; // how many times it can be enlarged
const MOST_READ = 1536; // pixels of a side that are filtered by hand; a browser's own filter comes before it
const NUDGE = 0.02; // of the square, by an arrow key

export class Crop {
  /** @param {ImageBitmap} bitmap @param {(crop: Crop) => void} change after it moved */
  constructor(bitmap, change) {
    this.bitmap = bitmap;
    this.change = change;
    this.canvas = element("canvas", { className: "crop", width: VIEW, height: VIEW, tabIndex: 0, role: "application" });
    this.canvas.setAttribute("aria-label", "Crop: arrow keys move the picture, plus and minus zoom, 0 centres it");
    this.zoom = slider({
      label: "Zoom",
      low: 1,
      high: CLOSEST,
      step: 0.01,
      value: 1,
      home: 1,
      words: (value) => `${value.toFixed(1)}×`,
      move: (value) => this.zoomTo(value),
    });
    const centre = button("Centre", () => this.centre());
    this.root = element("div", { className: "cropping" }, this.canvas, this.zoom.root, centre);
    /** @type {Map<number, [number, number]>} */
    this.fingers = new Map();
    this.listen();
    this.centre();
  }

  /** The widest square in the middle. */
  centre() {
    this.scale = 1;
    this.x = this.bitmap.width / 2;
    this.y = this.bitmap.height / 2;
    this.moved();
  }

  /** Pixels of the photograph along a side of the square. */
  get side() {
    return Math.min(this.bitmap.width, this.bitmap.height) / (this.scale ?? 1);
  }

  /** @param {number} scale */
  zoomTo(scale) {
    this.scale = Math.min(CLOSEST, Math.max(1, scale));
    this.moved();
  }

  /** @param {number} right @param {number} down in sides of the square */
  shift(right, down) {
    this.x = (this.x ?? 0) + right * this.side;
    this.y = (this.y ?? 0) + down * this.side;
    this.moved();
  }

  /** Keep inside, draw, tell. */
  moved() {
    const half = this.side / 2;
    this.x = Math.min(this.bitmap.width - half, Math.max(half, this.x ?? 0));
    this.y = Math.min(this.bitmap.height - half, Math.max(half, this.y ?? 0));
    this.zoom.set(this.scale ?? 1);
    this.drawOn(context(this.canvas), VIEW);
    this.change(this);
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} size */
  drawOn(pen, size) {
    const half = this.side / 2;
    pen.imageSmoothingQuality = "high";
    pen.fillStyle = "#fff"; // what is transparent lies over white
    pen.fillRect(0, 0, size, size);
    pen.drawImage(this.bitmap, (this.x ?? 0) - half, (this.y ?? 0) - half, this.side, this.side, 0, 0, size, size);
  }

  /** The square as the encoder takes it. @param {number} size @returns {Uint8Array} RGB [size,size,3] */
  pixels(size) {
    const read = Math.max(size, Math.min(MOST_READ, Math.round(this.side)));
    const pen = /** @type {CanvasRenderingContext2D} */ (context(element("canvas", { width: read, height: read })));
    this.drawOn(pen, read);
    return resample(pen.getImageData(0, 0, read, read).data, read, size);
  }

  listen() {
    /** @type {[string, (event: any) => void][]} */
    const listeners = [
      ["wheel", (event) => (event.preventDefault(), this.zoomTo((this.scale ?? 1) * Math.exp(-event.deltaY / 500)))],
      ["keydown", (event) => this.key(event)],
      [
        "pointerdown",
        (event) => (
          this.canvas.setPointerCapture(event.pointerId),
          this.fingers.set(event.pointerId, [event.clientX, event.clientY])
        ),
      ],
      ["pointermove", (event) => this.drag(event)],
      ["pointerup", (event) => this.fingers.delete(event.pointerId)],
      ["pointercancel", (event) => this.fingers.delete(event.pointerId)],
    ];
    for (const [name, listener] of listeners) this.canvas.addEventListener(name, listener, { passive: false });
  }

  /** @param {PointerEvent} event */
  drag(event) {
    const from = this.fingers.get(event.pointerId);
    if (!from) return;
    const other = [...this.fingers].find(([id]) => id !== event.pointerId)?.[1];
    const to = /** @type {[number, number]} */ ([event.clientX, event.clientY]);
    this.fingers.set(event.pointerId, to);
    const share = this.fingers.size * this.canvas.clientWidth;
    if (other)
      this.scale = Math.min(
        CLOSEST,
        Math.max(1, ((this.scale ?? 1) * distance(to, other)) / Math.max(1, distance(from, other))),
      );
    this.shift((from[0] - to[0]) / share, (from[1] - to[1]) / share);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    /** @type {Record<string, () => void>} */
    const acts = {
      ArrowLeft: () => this.shift(-NUDGE, 0),
      ArrowRight: () => this.shift(NUDGE, 0),
      ArrowUp: () => this.shift(0, -NUDGE),
      ArrowDown: () => this.shift(0, NUDGE),
      "+": () => this.zoomTo((this.scale ?? 1) * 1.1),
      "-": () => this.zoomTo((this.scale ?? 1) / 1.1),
      0: () => this.centre(),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }
}

/** @param {[number, number]} one @param {[number, number]} other */
function distance(one, other) {
  return Math.hypot(one[0] - other[0], one[1] - other[1]);
}
