/** The map under pointer, fingers, wheel and keys. */

/** @typedef {import("../plot.js").Plot} Plot */

const STEP = 60; // pixels that a key moves the map
const WAYS = /** @type {Record<string, [number, number]>} */ ({
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
});

/**
 * Pointer, wheel and keys.
 * @param {HTMLCanvasElement} canvas @param {() => Plot | null} plot
 * @param {{choose: (index: number | null) => void, pin: (index: number | null) => void, moved: () => void}} acts
 */
export function listen(canvas, plot, { choose, pin, moved }) {
  /** @type {Map<number, [number, number]>} */
  const fingers = new Map();
  let far = 0; // pixels dragged since the pointer went down
  const place = (/** @type {MouseEvent} */ event) => /** @type {[number, number]} */ ([event.offsetX, event.offsetY]);
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, place(event));
    far = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const [from, to] = [fingers.get(event.pointerId), place(event)];
    const shown = plot();
    if (!shown) return;
    if (!from) return choose(shown.at(...to));
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    fingers.set(event.pointerId, to);
    far += Math.hypot(to[0] - from[0], to[1] - from[1]);
    if (other)
      shown.zoom(apart(to, other) / Math.max(1, apart(from, other)), (to[0] + other[0]) / 2, (to[1] + other[1]) / 2);
    else shown.pan(from[0] - to[0], from[1] - to[1]);
  });
  const up = (/** @type {PointerEvent} */ event) => {
    const shown = plot();
    if (fingers.delete(event.pointerId) && shown && event.type === "pointerup" && far < 6) {
      choose(shown.at(...place(event)));
      pin(shown.look.chosen);
    } else moved();
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => fingers.size || choose(null));
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      plot()?.zoom(Math.exp(-event.deltaY / 400), ...place(event));
      moved();
    },
    { passive: false },
  );
  canvas.addEventListener("keydown", (event) => {
    const shown = plot();
    if (shown && keyed(event, shown, choose, pin)) {
      event.preventDefault();
      moved();
    }
  });
}

/** @param {KeyboardEvent} event @param {Plot} plot @param {(index: number | null) => void} choose @param {(index: number | null) => void} pin */
function keyed(event, plot, choose, pin) {
  const way = WAYS[event.key];
  if (way && event.shiftKey) plot.pan(way[0] * STEP, way[1] * STEP);
  else if (way) {
    const next = plot.next(plot.look.chosen, way);
    if (next !== null) plot.show(next);
    choose(next);
  } else if (event.key === "+" || event.key === "=") plot.zoom(1.5);
  else if (event.key === "-") plot.zoom(1 / 1.5);
  else if (event.key === "0") plot.view = "";
  else if (event.key === "Enter" || event.key === " ") pin(plot.look.chosen);
  else return false;
  return true;
}

/** @param {[number, number]} one @param {[number, number]} other */
function apart(one, other) {
  return Math.hypot(one[0] - other[0], one[1] - other[1]);
}
