/**
 * The way from one latent to another on the great circle between their directions, its length changing evenly.
 *
 * A straight line would cut through the middle, where latents of N(0, I) hardly ever are. Source: Shoemake 1985
 * (spherical linear interpolation); for latents White 2016 (arXiv:1609.04468).
 */

/**
 * @param {Float32Array} start
 * @param {Float32Array} end
 * @param {number} share of the way, from 0 to 1
 * @returns {Float32Array}
 */
export function between(start, end, share) {
  const [startLength, endLength] = [norm(start), norm(end)];
  if (startLength === 0 || endLength === 0) return mixed(start, end, 1 - share, share);
  let cosine = 0;
  start.forEach((value, place) => (cosine += (value * end[place]) / (startLength * endLength)));
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  const length = (1 - share) * startLength + share * endLength;
  if (Math.sin(angle) < 1e-6)
    return mixed(start, end, ((1 - share) * length) / startLength, (share * length) / endLength);
  const one = (Math.sin((1 - share) * angle) / Math.sin(angle)) * (length / startLength);
  const other = (Math.sin(share * angle) / Math.sin(angle)) * (length / endLength);
  return mixed(start, end, one, other);
}

/** @param {Float32Array} latent */
function norm(latent) {
  return Math.sqrt(latent.reduce((sum, value) => sum + value * value, 0));
}

/** @param {Float32Array} start @param {Float32Array} end @param {number} one @param {number} other */
function mixed(start, end, one, other) {
  return start.map((value, place) => one * value + other * end[place]);
}
