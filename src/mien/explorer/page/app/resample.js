/**
 * Lanczos' filter of three lobes, widened with the reduction so that nothing aliases: as `mien` prepares its own faces
 * (Pillow's `Image.Resampling.LANCZOS`), so that a photograph enters the encoder as a training face did.
 */

const LOBES = 3;

/**
 * @param {Uint8ClampedArray | Uint8Array} rgba [from,from,4], opaque
 * @param {number} from pixels of a side
 * @param {number} to pixels of a side
 * @returns {Uint8Array} RGB [to,to,3]
 */
export function resample(rgba, from, to) {
  const taps = filter(from, to);
  const wide = new Uint8ClampedArray(from * to * 3); // rows of the photograph, already `to` columns
  for (let row = 0; row < from; row += 1) {
    for (let column = 0; column < to; column += 1) {
      const { first, weights } = taps[column];
      for (let channel = 0; channel < 3; channel += 1) {
        let sum = 0;
        weights.forEach((weight, tap) => (sum += weight * rgba[(row * from + first + tap) * 4 + channel]));
        wide[(row * to + column) * 3 + channel] = sum;
      }
    }
  }
  const small = new Uint8ClampedArray(to * to * 3);
  for (let row = 0; row < to; row += 1) {
    const { first, weights } = taps[row];
    for (let place = 0; place < to * 3; place += 1) {
      let sum = 0;
      weights.forEach((weight, tap) => (sum += weight * wide[(first + tap) * to * 3 + place]));
      small[row * to * 3 + place] = sum;
    }
  }
  return new Uint8Array(small.buffer);
}

/** For every new pixel the old ones it is made of. @param {number} from @param {number} to */
function filter(from, to) {
  const scale = from / to;
  const widening = Math.max(1, scale);
  const reach = LOBES * widening;
  return Array.from({ length: to }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(0, Math.round(centre - reach));
    const last = Math.min(from, Math.round(centre + reach));
    const weights = Array.from({ length: last - first }, (_, tap) => lanczos((first + tap + 0.5 - centre) / widening));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { first, weights: Float64Array.from(weights, (weight) => weight / sum) };
  });
}

/** @param {number} at */
function lanczos(at) {
  if (Math.abs(at) >= LOBES) return 0;
  return sinc(at) * sinc(at / LOBES);
}

/** @param {number} at */
function sinc(at) {
  return at === 0 ? 1 : Math.sin(Math.PI * at) / (Math.PI * at);
}
