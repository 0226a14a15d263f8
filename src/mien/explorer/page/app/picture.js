/** Pictures on canvases. Faces are small, so they are shown enlarged and smoothly, not as squares. */

import { element } from "./dom.js";

/**
 * A canvas that shows a face; its size on the page comes from the style sheet, so nothing moves when it is painted.
 * @param {number} side pixels of the face
 * @param {Record<string, any>} [properties]
 * @returns {HTMLCanvasElement}
 */
export function faceCanvas(side, properties = {}) {
  return element("canvas", { className: "face", width: side, height: side, ...properties });
}

/** Pixels with an opaque fourth channel. @param {Uint8Array} rgb @returns {Uint8ClampedArray} RGBA */
export function opaque(rgb) {
  const rgba = new Uint8ClampedArray((rgb.length / 3) * 4).fill(255);
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
    for (let channel = 0; channel < 3; channel += 1) rgba[to + channel] = rgb[from + channel];
  }
  return rgba;
}

/** @param {HTMLCanvasElement} canvas @param {ImageData} image */
export function paint(canvas, image) {
  canvas.width = image.width;
  canvas.height = image.height;
  context(canvas).putImageData(image, 0, 0);
  canvas.dataset.painted = "true";
}

/** @param {HTMLCanvasElement | OffscreenCanvas} canvas @returns {CanvasRenderingContext2D} */
export function context(canvas) {
  const made = canvas.getContext("2d");
  if (!made) throw new Error("This browser gives no canvas to draw on. Close some tabs and reload.");
  return /** @type {CanvasRenderingContext2D} */ (made);
}

/**
 * Faces side by side, as a picture to save.
 * @param {ImageData[]} images
 * @param {number} columns
 * @param {number} cell pixels of a face in the picture
 * @param {number} [gap]
 * @returns {HTMLCanvasElement}
 */
export function sheet(images, columns, cell, gap = 4) {
  const rows = Math.ceil(images.length / columns);
  const canvas = element("canvas", { width: columns * (cell + gap) - gap, height: rows * (cell + gap) - gap });
  const pen = context(canvas);
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = "high";
  images.forEach((image, index) => {
    const left = (index % columns) * (cell + gap);
    const top = Math.floor(index / columns) * (cell + gap);
    pen.drawImage(plain(image), left, top, cell, cell);
  });
  return canvas;
}

/** An image on a canvas of its own size. @param {ImageData} image @returns {HTMLCanvasElement} */
export function plain(image) {
  const canvas = faceCanvas(image.width);
  paint(canvas, image);
  return canvas;
}

/** How large to save a face of so many pixels: enlarged to about 256. @param {number} side */
export function savedSize(side) {
  return side * Math.max(1, Math.round(256 / side));
}
