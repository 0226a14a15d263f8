/** The pixels of pictures, bytes, as networks take and give them, in [-1, 1]: bit for bit as `faces/pixel_range.py`. */

const GREY_LEVELS = 127.5; // in a unit of [-1, 1]
const { fround } = Math;

/** @param {number} byte @returns {number} in [-1, 1] */
export function signed(byte) {
  return fround(fround(byte / GREY_LEVELS) - 1);
}

/** What is not a number is black. @param {number} value in [-1, 1] @returns {number} what a clamped array rounds to a byte */
export function toStored(value) {
  return fround(fround(value + 1) * GREY_LEVELS);
}
