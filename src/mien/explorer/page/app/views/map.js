/** Map: the test faces where their latents lie, to look around in and to pin from. */

import { button, choice, group, select } from "../controls.js";
import { counted, element, spoken } from "../dom.js";
import { context } from "../picture.js";
import { Plot } from "../plot.js";
import { colourOf, fillLegend } from "./map-colour.js";
import { listen } from "./map-input.js";
import { without } from "./without.js";

const METHODS = /** @type {Record<string, string>} */ ({ tsne: "t-SNE", pca: "PCA" });
const HINTS = /** @type {Record<string, string>} */ ({
  tsne: "t-SNE keeps neighbours together; how far apart groups are means little.",
  pca: "PCA: the two directions in which the latents differ most.",
});

/** @param {import("../main.js").Page} page @returns {import("../main.js").Mounted} */
function mount(page) {
  const run = page.run();
  if (!run.map) {
    const why = run.notes[0] ?? `${run.name} has no encoder, so there is no map of its latents.`;
    return without(page, why, (other) => Boolean(other.map));
  }
  const stage = makeStage(page);
  const controls = makeControls(page, stage);
  stage.load();
  return {
    root: element("div", { className: "view" }, stage.root, controls.root),
    update: (changed) => {
      if (changed.size > 1 || !changed.has("at")) controls.update();
      if (changed.has("method")) stage.load();
      else stage.update();
    },
    leave: () => stage.leave(),
    shown: () => ({
      name: `${run.name}-map`,
      faces: page.pins.of(run.id, run.snapshots[0].id).filter(({ origin }) => origin[0] === "m"),
      picture: () => stage.picture(),
    }),
  };
}

/** @param {import("../main.js").Page} page */
function methodOf(page) {
  const methods = page.run().map?.methods ?? [];
  return methods.includes(page.state.get("method")) ? page.state.get("method") : methods[0];
}

/** The canvas and what it is asked. @param {import("../main.js").Page} page */
function makeStage(page) {
  const run = page.run();
  const about = /** @type {import("../manifest.js").LatentMap} */ (run.map);
  const canvas = element("canvas", {
    className: "map",
    tabIndex: 0,
    role: "application",
    id: "map",
    "aria-busy": "true",
  });
  canvas.setAttribute(
    "aria-label",
    `Map of ${counted(about.count)} test faces. Arrow keys go from face to face, Enter pins, plus and minus zoom, shift with arrows moves, 0 shows all.`,
  );
  const card = makeCard(page);
  const root = element("div", { className: "stage mapping" }, canvas, card.root);
  /** @type {Plot | null} */
  let plot = null;
  /** @type {Uint8Array | null} */
  let attributes = null;
  const face = (/** @type {number} */ index) => ({
    run: run.id,
    snapshot: run.snapshots[0].id,
    origin: `m${index}`,
    y: run.attributes.length ? run.attributes.map((name) => known(index, name)) : null,
    moves: {},
  });
  /** What the encoder was told of a face: 0.5 of what nobody knows. @param {number} index @param {string} name */
  const known = (index, name) => {
    const value = attributes?.[index * about.attributes.length + about.attributes.indexOf(name)] ?? 255;
    return value === 255 ? 0.5 : value;
  };
  const update = () => {
    if (!plot) return;
    const [column, width] = [attributes ? colourOf(page, attributes, plot.places) : -1, about.attributes.length];
    plot.look.marks =
      column < 0
        ? null
        : Uint8Array.from({ length: about.count }, (_, row) => attributes?.[row * width + column] ?? 255);
    plot.look.faces = page.state.get("as") === "faces";
    plot.look.pinned = new Set(
      page.pins
        .of(run.id, run.snapshots[0].id)
        .filter(({ origin }) => origin[0] === "m")
        .map(({ origin }) => Number(origin.slice(1))),
    );
    if (page.state.get("at") !== plot.view) plot.view = page.state.get("at");
    plot.draw();
  };
  const choose = (/** @type {number | null} */ index) => {
    if (!plot || plot.look.chosen === index) return;
    plot.look.chosen = index;
    plot.draw();
    canvas.style.cursor = index === null ? "grab" : "pointer";
    card.show(index, attributes, plot);
  };
  const pin = (/** @type {number | null} */ index) => index !== null && page.say(page.pins.toggle(face(index)));
  const load = async () => {
    try {
      const [places, marks, sprite] = await page.attempt(() =>
        Promise.all([
          page.manifest.places(run, methodOf(page)),
          page.manifest.mapAttributes(run),
          page.manifest.mapFaces(run),
        ]),
      );
      attributes = marks;
      plot = new Plot(canvas, places, { sprite, columns: about.columns, cell: about.cell });
      update();
      canvas.setAttribute("aria-busy", "false");
    } catch (error) {
      page.fail(error);
    }
  };
  const moved = () => plot && page.state.update({ at: plot.view });
  listen(canvas, () => plot, { choose, pin, moved });
  const resized = new ResizeObserver(() => plot?.draw());
  resized.observe(canvas);
  const picture = () => {
    const copy = element("canvas", { width: canvas.width, height: canvas.height });
    const pen = context(copy);
    pen.fillStyle = getComputedStyle(canvas).getPropertyValue("--surface");
    pen.fillRect(0, 0, copy.width, copy.height);
    pen.drawImage(canvas, 0, 0);
    return copy;
  };
  const zoom = (/** @type {number} */ times) => (plot?.zoom(times), moved());
  const whole = () => page.state.update({ at: "" });
  return {
    root,
    load,
    update,
    zoom,
    whole,
    picture,
    leave: () => resized.disconnect(),
    marks: () => plot?.look.marks ?? null,
  };
}

/** The face under the pointer, with what it has. @param {import("../main.js").Page} page */
function makeCard(page) {
  const about = /** @type {import("../manifest.js").LatentMap} */ (page.run().map);
  const canvas = element("canvas", { width: about.cell, height: about.cell, className: "face" });
  const words = element("p", { "aria-live": "polite" });
  const root = element("div", { className: "card", hidden: true }, canvas, words);
  const show = (
    /** @type {number | null} */ index,
    /** @type {Uint8Array | null} */ attributes,
    /** @type {Plot} */ plot,
  ) => {
    root.hidden = index === null;
    if (index === null) return;
    plot.drawFace(context(canvas), index, 0, 0, about.cell);
    const has = about.attributes.filter((_, column) => attributes?.[index * about.attributes.length + column] === 1);
    words.textContent = `Test face ${index + 1}${has.length ? `: ${has.map(spoken).join(", ")}` : ""}`;
    const { width, height } = plot.extent();
    const [x, y] = plot.place(index);
    root.dataset.side = `${y < height / 2 ? "bottom" : "top"}-${x < width / 2 ? "right" : "left"}`;
  };
  return { root, show };
}

/** @param {import("../main.js").Page} page @param {ReturnType<typeof makeStage>} stage */
function makeControls(page, stage) {
  const about = /** @type {import("../manifest.js").LatentMap} */ (page.run().map);
  const { state } = page;
  const methods = /** @type {[string, string][]} */ (
    about.methods.map((method) => [method, METHODS[method] ?? method])
  );
  const method = choice("Kind of map", methods, methodOf(page), (to) => state.update({ method: to, at: "" }));
  const looks = /** @type {[string, string][]} */ ([
    ["points", "Points"],
    ["faces", "Faces"],
  ]);
  const look = choice("Shown as", looks, state.get("as"), (to) => state.update({ as: to }));
  const names = /** @type {[string, string][]} */ ([
    ["", "nothing"],
    ...about.attributes.map((name) => [name, spoken(name)]),
  ]);
  const colour = select("Colour by", names, state.get("colour"), (to) => state.update({ colour: to }));
  const legend = element("p", { className: "legend" });
  const hint = element("p", { className: "hint" });
  const zooms = element(
    "div",
    { className: "row" },
    button("+", () => stage.zoom(1.5), { "aria-label": "Enlarge" }),
    button("−", () => stage.zoom(1 / 1.5), { "aria-label": "Make smaller" }),
    button("All", () => stage.whole()),
  );
  const update = async () => {
    method.set(methodOf(page));
    look.set(state.get("as"));
    hint.textContent = HINTS[methodOf(page)] ?? "";
    const attributes = await page.manifest.mapAttributes(page.run());
    const column = colourOf(page, attributes, await page.manifest.places(page.run(), methodOf(page)));
    colour.set(about.attributes[column] ?? "");
    fillLegend(about, attributes, column, legend);
  };
  update().catch(page.fail);
  const pinning = element("p", { className: "hint" }, "Point at a face to see it; click to pin it.");
  return {
    root: element(
      "div",
      { className: "controls" },
      group("Map", method.root, look.root, zooms, hint),
      group("Colour", colour.root, legend, pinning),
    ),
    update,
  };
}

export const mapView = { id: "map", title: "Map", mount };
