/** Thousands of points on a canvas, which can be moved, enlarged and picked from. */

import { context } from "./picture.js";

const MARGIN = 28; // pixels around the points
const CLOSEST = 60; // how many times it can be enlarged
const REACH = 22; // pixels from the pointer to a point that it means
const POINT = 3.5; // pixels of radius
const FACE = 44; // pixels of a face on the map

/**
 * @typedef {object} Look
 * @property {Uint8Array | null} marks one a point: 1 has, 0 has not, 255 unknown; null: all alike
 * @property {boolean} faces show faces, where there is room, in place of points
 * @property {Set<number>} pinned
 * @property {number | null} chosen
 */

export class Plot {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Float32Array} places [N,2]
   * @param {{sprite: ImageBitmap, columns: number, cell: number}} faces
   */
  constructor(canvas, places, faces) {
    this.canvas = canvas;
    this.places = places;
    this.faces = faces;
    this.count = places.length / 2;
    this.bounds = boundsOf(places);
    this.scale = 1;
    this.middle = [0.5, 0.5]; // of the view, in shares of the bounds
    /** @type {Look} */
    this.look = { marks: null, faces: false, pinned: new Set(), chosen: null };
    this.asked = 0;
  }

  /** Draw at the next frame. */
  draw() {
    this.asked ||= requestAnimationFrame(() => {
      this.asked = 0;
      this.drawNow();
    });
  }

  /** Where a point is on the canvas, in CSS pixels. @param {number} index @returns {[number, number]} */
  place(index) {
    const { width, height, side } = this.extent();
    const [left, top, size] = this.bounds;
    const across = (this.places[index * 2] - left) / size - this.middle[0];
    const down = (this.places[index * 2 + 1] - top) / size - this.middle[1];
    return [width / 2 + across * side * this.scale, height / 2 - down * side * this.scale];
  }

  /** The canvas in CSS pixels, and the side of the square that all points fit in; measured as it is drawn. */
  extent() {
    return (this.measured ??= this.measure());
  }

  measure() {
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    return { width, height, side: Math.max(1, Math.min(width, height) - 2 * MARGIN) };
  }

  drawNow() {
    this.measured = this.measure();
    const { width, height } = this.measured;
    const ratio = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const pen = context(this.canvas);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    this.drawPoints(pen, width, height);
    if (this.look.faces) this.drawFaces(pen, width, height);
    this.drawRings(pen);
  }

  /** Discs for those that have it, rings for those that have not: form tells what colour does. */
  drawPoints(/** @type {CanvasRenderingContext2D} */ pen, /** @type {number} */ width, /** @type {number} */ height) {
    const colour = coloursOf(this.canvas);
    const radius = POINT * Math.min(2, Math.sqrt(this.scale));
    const paths = { has: new Path2D(), not: new Path2D(), unknown: new Path2D() };
    for (let index = 0; index < this.count; index += 1) {
      const [x, y] = this.place(index);
      if (x < -9 || y < -9 || x > width + 9 || y > height + 9) continue;
      const mark = this.look.marks?.[index] ?? 1;
      const path = mark === 1 ? paths.has : mark === 0 ? paths.not : paths.unknown;
      const size = mark > 1 ? radius / 2 : radius;
      path.moveTo(x + size, y);
      path.arc(x, y, size, 0, 2 * Math.PI);
    }
    pen.lineWidth = 1.4;
    pen.strokeStyle = colour.not;
    pen.stroke(paths.not);
    pen.fillStyle = colour.unknown;
    pen.fill(paths.unknown);
    pen.fillStyle = this.look.marks ? colour.has : colour.plain;
    pen.globalAlpha = 0.8;
    pen.fill(paths.has);
    pen.globalAlpha = 1;
  }

  /** One face for each free spot; more come as it is enlarged. */
  drawFaces(/** @type {CanvasRenderingContext2D} */ pen, /** @type {number} */ width, /** @type {number} */ height) {
    const colour = coloursOf(this.canvas);
    const size = FACE * Math.min(1.6, 0.8 + this.scale / 10);
    /** @type {Map<string, [number, number]>} */
    const taken = new Map();
    pen.lineWidth = 3;
    for (let index = 0; index < this.count; index += 1) {
      const [x, y] = this.place(index);
      if (x < -size || y < -size || x > width + size || y > height + size) continue;
      if (!isFree(taken, x, y, size)) continue;
      taken.set(`${Math.floor(x / size)},${Math.floor(y / size)}`, [x, y]);
      this.drawFace(pen, index, x - size / 2 + 1, y - size / 2 + 1, size - 2);
      const mark = this.look.marks?.[index];
      if (mark === undefined) continue;
      pen.strokeStyle = mark === 1 ? colour.has : mark === 0 ? colour.not : colour.unknown;
      pen.setLineDash(mark === 1 ? [] : [5, 3]);
      pen.strokeRect(x - size / 2 + 2, y - size / 2 + 2, size - 4, size - 4);
    }
    pen.setLineDash([]);
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} index @param {number} x @param {number} y @param {number} size */
  drawFace(pen, index, x, y, size) {
    const { sprite, columns, cell } = this.faces;
    pen.drawImage(sprite, (index % columns) * cell, Math.floor(index / columns) * cell, cell, cell, x, y, size, size);
  }

  /** Rings around pinned points and the chosen one. @param {CanvasRenderingContext2D} pen */
  drawRings(pen) {
    const colour = coloursOf(this.canvas);
    pen.strokeStyle = colour.ink;
    for (const index of [...this.look.pinned, ...(this.look.chosen === null ? [] : [this.look.chosen])]) {
      const [x, y] = this.place(index);
      pen.lineWidth = index === this.look.chosen ? 2.5 : 1.5;
      pen.beginPath();
      pen.arc(x, y, index === this.look.chosen ? 10 : 7, 0, 2 * Math.PI);
      pen.stroke();
    }
  }

  /** The point at a place. @param {number} x @param {number} y CSS pixels @returns {number | null} */
  at(x, y) {
    let [nearest, least] = [/** @type {number | null} */ (null), REACH];
    for (let index = 0; index < this.count; index += 1) {
      const [left, top] = this.place(index);
      const far = Math.hypot(left - x, top - y);
      if (far < least) [nearest, least] = [index, far];
    }
    return nearest;
  }

  /** The next point in a direction, for the keyboard. @param {number | null} from @param {[number, number]} way */
  next(from, way) {
    const { width, height } = this.extent();
    const [x, y] = from === null ? [width / 2, height / 2] : this.place(from);
    let [best, least] = [from, Infinity];
    for (let index = 0; index < this.count; index += 1) {
      const [left, top] = this.place(index);
      const along = (left - x) * way[0] + (top - y) * way[1];
      const aside = Math.abs((left - x) * way[1] - (top - y) * way[0]);
      const cost = along + 2 * aside;
      if (index !== from && along > 0 && (from === null || aside <= along) && cost < least)
        [best, least] = [index, cost];
    }
    return best;
  }

  /** Enlarge, keeping a place where it is. @param {number} times @param {number} [x] @param {number} [y] */
  zoom(times, x, y) {
    const { width, height, side } = this.extent();
    const [right, down] = [(x ?? width / 2) - width / 2, (y ?? height / 2) - height / 2];
    const before = this.scale;
    this.scale = Math.min(CLOSEST, Math.max(1, this.scale * times));
    const change = 1 / before - 1 / this.scale;
    this.pan(right * change * this.scale, down * change * this.scale, side);
  }

  /** @param {number} right @param {number} down CSS pixels that the view moves by @param {number} [side] */
  pan(right, down, side = this.extent().side) {
    const clamp = (/** @type {number} */ value) => Math.min(1, Math.max(0, value));
    this.middle = [clamp(this.middle[0] + right / side / this.scale), clamp(this.middle[1] - down / side / this.scale)];
    this.draw();
  }

  /** Bring a point into view. @param {number} index */
  show(index) {
    const { width, height } = this.extent();
    const [x, y] = this.place(index);
    const beyond = (/** @type {number} */ at, /** @type {number} */ end) =>
      at < MARGIN ? at - MARGIN : at > end - MARGIN ? at - end + MARGIN : 0;
    this.pan(beyond(x, width), beyond(y, height));
  }

  /** Where the view is, for an address: middle and scale. @returns {string} empty where all is in view */
  get view() {
    if (this.scale === 1 && this.middle[0] === 0.5 && this.middle[1] === 0.5) return "";
    return [...this.middle, this.scale].map((value) => value.toFixed(3)).join(",");
  }

  set view(text) {
    const [x, y, scale] = text ? text.split(",").map(Number) : [0.5, 0.5, 1];
    if (![x, y, scale].every(Number.isFinite)) return;
    this.middle = [x, y];
    this.scale = Math.min(CLOSEST, Math.max(1, scale));
    this.draw();
  }
}

/**
 * Whether a square has room among those taken, which are kept by the cell of a grid that they lie in.
 * @param {Map<string, [number, number]>} taken @param {number} x @param {number} y @param {number} size
 */
function isFree(taken, x, y, size) {
  const [column, row] = [Math.floor(x / size), Math.floor(y / size)];
  for (let right = -1; right <= 1; right += 1) {
    for (let down = -1; down <= 1; down += 1) {
      const other = taken.get(`${column + right},${row + down}`);
      if (other && Math.abs(other[0] - x) < size && Math.abs(other[1] - y) < size) return false;
    }
  }
  return true;
}

/** Left, bottom, and the longer side. @param {Float32Array} places @returns {[number, number, number]} */
function boundsOf(places) {
  const [x, y] = [places.filter((_, index) => index % 2 === 0), places.filter((_, index) => index % 2 === 1)];
  const least = (/** @type {Float32Array} */ values) => values.reduce((low, value) => Math.min(low, value), Infinity);
  const most = (/** @type {Float32Array} */ values) => values.reduce((high, value) => Math.max(high, value), -Infinity);
  const [width, height] = [most(x) - least(x), most(y) - least(y)];
  const size = Math.max(width, height) || 1;
  return [least(x) - (size - width) / 2, least(y) - (size - height) / 2, size];
}

/** The style sheet's colours. @param {HTMLElement} canvas */
function coloursOf(canvas) {
  const style = getComputedStyle(canvas);
  const colour = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`).trim();
  return {
    has: colour("has"),
    not: colour("has-not"),
    unknown: colour("muted"),
    plain: colour("accent"),
    ink: colour("ink"),
  };
}
