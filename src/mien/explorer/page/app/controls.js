/** Controls: each is labelled, works with the keyboard, and can be set from outside without telling anyone. */

import { element } from "./dom.js";

let made = 0;
const nextId = () => `control-${(made += 1)}`;

/**
 * A button.
 * @param {string} words
 * @param {(event: Event) => void} press
 * @param {Record<string, any>} [properties]
 */
export function button(words, press, properties = {}) {
  return element("button", { type: "button", ...properties, on: { click: press, ...properties.on } }, words);
}

/**
 * A button that stays down.
 * @param {string} words
 * @param {boolean} down
 * @param {(down: boolean) => void} change
 */
export function toggle(words, down, change) {
  const root = button(words, () => {
    set(!state.down);
    change(state.down);
  });
  const state = { down };
  const set = (/** @type {boolean} */ value) => {
    state.down = value;
    root.setAttribute("aria-pressed", String(value));
  };
  set(down);
  return { root, set };
}

/**
 * A slider with its value beside it. Double-click or Delete puts it back.
 * @param {object} given
 * @param {string} given.label
 * @param {number} given.low
 * @param {number} given.high
 * @param {number} given.step
 * @param {number} given.value
 * @param {number} [given.home] the value it is put back to
 * @param {(value: number) => string} [given.words] the value in words
 * @param {(value: number) => void} given.move while it moves
 * @param {(value: number) => void} [given.settle] when it has moved
 */
export function slider({ label, low, high, step, value, home = value, words = String, move, settle = () => {} }) {
  const id = nextId();
  const input = element("input", { type: "range", id, min: low, max: high, step });
  const output = element("output", { htmlFor: id });
  const show = () => {
    output.textContent = words(Number(input.value));
    input.setAttribute("aria-valuetext", output.textContent);
  };
  const set = (/** @type {number} */ to) => {
    input.value = String(to);
    show();
  };
  const back = () => {
    set(home);
    move(home);
    settle(home);
  };
  input.addEventListener("input", () => (show(), move(Number(input.value))));
  input.addEventListener("change", () => settle(Number(input.value)));
  input.addEventListener("dblclick", back);
  input.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => event.key === "Delete" && back());
  set(value);
  return {
    root: element("div", { className: "slider" }, element("label", { htmlFor: id }, label), output, input),
    set,
    input,
  };
}

/**
 * One of a few, as buttons side by side.
 * @param {string} label
 * @param {[string, string][]} options value and words
 * @param {string} value
 * @param {(value: string) => void} change
 */
export function choice(label, options, value, change) {
  const name = nextId();
  const inputs = options.map(([option]) =>
    element("input", { type: "radio", name, value: option, on: { change: () => change(option) } }),
  );
  const set = (/** @type {string} */ to) => inputs.forEach((input) => (input.checked = input.value === to));
  set(value);
  const parts = options.map(([, words], index) => element("label", {}, inputs[index], element("span", {}, words)));
  return { root: element("div", { className: "choice", role: "radiogroup", "aria-label": label }, ...parts), set };
}

/**
 * One of many, as a list that opens.
 * @param {string} label
 * @param {[string, string][]} options value and words
 * @param {string} value
 * @param {(value: string) => void} change
 */
export function select(label, options, value, change) {
  const id = nextId();
  const list = element("select", { id, on: { change: () => change(list.value) } });
  const set = (/** @type {string} */ to) => (list.value = to);
  const fill = (/** @type {[string, string][]} */ given) =>
    list.replaceChildren(...given.map(([option, words]) => element("option", { value: option }, words)));
  fill(options);
  set(value);
  return {
    root: element("div", { className: "select" }, element("label", { htmlFor: id }, label), list),
    set,
    fill,
    list,
  };
}

/**
 * Controls that belong together.
 * @param {string} title
 * @param {...(Node | string | null | false)} children
 */
export function group(title, ...children) {
  return element("fieldset", {}, element("legend", {}, title), ...children);
}

/**
 * Arrow keys move among the items of a grid; one of them takes part in the tab order.
 * @param {HTMLElement} grid
 */
export function rove(grid) {
  const items = () => /** @type {HTMLElement[]} */ ([...grid.querySelectorAll("[data-item]")]);
  const choose = (/** @type {HTMLElement} */ chosen) =>
    items().forEach((item) => (item.tabIndex = item === chosen ? 0 : -1));
  grid.addEventListener("focusin", (event) => {
    const item = /** @type {HTMLElement} */ (event.target).closest("[data-item]");
    if (item) choose(/** @type {HTMLElement} */ (item));
  });
  grid.addEventListener("keydown", (event) => {
    const all = items();
    const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    if (at < 0) return;
    const columns = all.filter((item) => item.offsetTop === all[0].offsetTop).length;
    /** @type {Record<string, number>} */
    const steps = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -columns,
      ArrowDown: columns,
      Home: -at,
      End: all.length - 1 - at,
    };
    const next = all[at + steps[event.key]];
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
  return { start: () => items().forEach((item, index) => (item.tabIndex = index ? -1 : 0)) };
}
