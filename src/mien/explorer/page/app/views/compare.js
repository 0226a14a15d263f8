/** Compare: the same seed and attributes through several models or snapshots, and how they came to draw so. */

import { button, group, slider, toggle } from "../controls.js";
import { counted, element } from "../dom.js";
import { generateAll } from "../engine.js";
import { latentOf, seeded } from "../face.js";
import { context, faceCanvas, paint, savedSize, sheet } from "../picture.js";
import { Latest } from "../queue.js";
import { attributeControls } from "./sample.js";

const FACES = 8; // of a row
const FILM = 1000; // places of the film's slider
const DELAY = 400; // milliseconds of a picture of the film

/**
 * @typedef {import("../manifest.js").Run} Run
 * @typedef {{id: string, run: Run, snapshot: import("../manifest.js").Snapshot, words: string}} Row
 */

/** @param {import("../main.js").Page} page @returns {import("../main.js").Mounted} */
function mount(page) {
  const { state } = page;
  const latest = new Latest(page.fail);
  const table = element("div", { className: "rows" });
  const film = makeFilm(page);
  const controls = makeControls(page);
  /** @type {{images: ImageData[], faces: import("../face.js").Face[]}} */
  let shown = { images: [], faces: [] };
  const draw = () =>
    latest.ask(async () => {
      const rows = chosenRows(page);
      const strips = fillRows(table, rows);
      table.setAttribute("aria-busy", "true");
      const drawn = { images: /** @type {ImageData[]} */ ([]), faces: /** @type {import("../face.js").Face[]} */ ([]) };
      for (const [index, row] of rows.entries()) {
        const faces = facesOf(page, row);
        const latents = await Promise.all(faces.map((face) => latentOf(page.manifest, face)));
        const images = await generateAll(
          page.engine,
          row.run,
          row.snapshot.id,
          latents,
          faces.map(({ y }) => y),
        );
        if (latest.stopped || latest.next) return;
        images.forEach((image, place) => paint(strips[index][place], image));
        drawn.images.push(...images);
        drawn.faces.push(...faces);
      }
      shown = drawn;
      table.setAttribute("aria-busy", "false");
    });
  draw();
  const root = element(
    "div",
    { className: "view" },
    element("div", { className: "stage compare" }, table, film.root),
    controls.root,
  );
  return {
    root,
    update: (changed) => {
      controls.update();
      if (["seed", "set", "truncation", "rows"].some((field) => changed.has(field))) draw();
      if (changed.has("rows")) film.fill();
      if (changed.has("film")) film.update();
    },
    leave: () => (latest.stop(), film.stop()),
    shown: () => ({
      name: `compare-seed-${state.get("seed")}`,
      faces: shown.faces,
      picture: () => sheet(shown.images, FACES, savedSize(page.run().image_size) / 2),
    }),
    key: (event) => {
      if (event.key !== "n" || state.get("lock") || event.ctrlKey || event.metaKey) return false;
      state.update({ seed: state.get("seed") + 1 });
      return true;
    },
  };
}

/** All that can be compared. @param {import("../main.js").Page} page @returns {Row[]} */
function allRows(page) {
  return page.manifest.runs.flatMap((run) =>
    run.snapshots.map((snapshot) => {
      const words = `${run.name}, ${counted(snapshot.images_seen)} images${snapshot.id === "best" ? " (best)" : ""}`;
      return { id: `${run.id}~${snapshot.id}`, run, snapshot, words };
    }),
  );
}

/** Those the address names; else the first snapshot of each model, or all of the only one. @param {import("../main.js").Page} page */
function chosenRows(page) {
  const all = allRows(page);
  const chosen = all.filter(({ id }) => page.state.get("rows").includes(id));
  if (chosen.length) return chosen;
  return page.manifest.runs.length > 1 ? all.filter(({ run, snapshot }) => snapshot === run.snapshots[0]) : all;
}

/** @param {import("../main.js").Page} page @param {Row} row */
function facesOf({ state }, { run, snapshot }) {
  return Array.from({ length: FACES }, (_, index) =>
    seeded(run, snapshot.id, state.get("seed"), index, state.get("truncation"), state.get("set")),
  );
}

/** Rows of empty faces. @param {HTMLElement} table @param {Row[]} rows @returns {HTMLCanvasElement[][]} */
function fillRows(table, rows) {
  const ids = rows.map(({ id }) => id).join(" ");
  if (table.dataset.rows !== ids) {
    table.dataset.rows = ids;
    const made = rows.map(({ run, words }) => {
      const strip = element("div", {
        className: "grid",
        role: "img",
        "aria-label": `Faces of ${words}`,
        style: { "--columns": FACES },
      });
      strip.append(...Array.from({ length: FACES }, () => faceCanvas(run.image_size)));
      return element("section", {}, element("h3", {}, words), strip);
    });
    table.replaceChildren(...made);
  }
  return [...table.querySelectorAll(".grid")].map((strip) => /** @type {HTMLCanvasElement[]} */ ([...strip.children]));
}

/** @param {import("../main.js").Page} page */
function makeControls(page) {
  const { state } = page;
  const boxes = allRows(page).map((row) => {
    const box = element("input", { type: "checkbox", value: row.id });
    box.addEventListener("change", () =>
      state.update({ rows: boxes.filter(({ checked }) => checked).map(({ value }) => value) }),
    );
    return box;
  });
  const list = allRows(page).map((row, index) => element("label", { className: "check" }, boxes[index], row.words));
  const input = element("input", { type: "number", min: 0, max: 4294967295, id: "seed" });
  input.addEventListener("change", () =>
    state.update({ seed: Math.min(4294967295, Math.max(0, Math.round(Number(input.value)))) }),
  );
  const next = button("Next", () => state.update({ seed: state.get("seed") + 1 }), { title: "The next seed (key n)" });
  const conditional = page.manifest.runs.find((run) => run.attributes.length) ?? page.run();
  const attributes = attributeControls({ ...page, run: () => conditional });
  const update = () => {
    const ids = chosenRows(page).map(({ id }) => id);
    for (const box of boxes) box.checked = ids.includes(box.value);
    input.value = String(state.get("seed"));
    input.disabled = next.disabled = Boolean(state.get("lock"));
    attributes.update();
  };
  update();
  const seed = element("div", { className: "row" }, element("label", { htmlFor: "seed" }, "Seed"), input, next);
  const hint = element(
    "p",
    { className: "hint" },
    "Latents of a seed are the same numbers for every model, cut to its length.",
  );
  return {
    root: element(
      "div",
      { className: "controls" },
      group("Models", ...list),
      group("Faces", seed, hint),
      attributes.root,
    ),
    update,
  };
}

/** The training's own sample grids: the same latents all along. @param {import("../main.js").Page} page */
function makeFilm(page) {
  const runs = () => [...new Set(chosenRows(page).map(({ run }) => run))].filter((run) => run.film.length > 1);
  const frames = element("div", { className: "films" });
  const most = () => Math.max(1, ...runs().map((run) => run.film[run.film.length - 1].images_seen));
  const seen = () => (page.state.get("film") / FILM) * most();
  const scrub = slider({
    label: "Images seen",
    low: 0,
    high: FILM,
    step: 1,
    value: page.state.get("film"),
    words: () => counted(Math.round(seen())),
    move: (film) => (playing.set(false), stop(), page.state.update({ film })),
  });
  let timer = 0;
  const stop = () => window.clearInterval(timer);
  const moments = () =>
    [...new Set(runs().flatMap((run) => run.film.map((moment) => moment.images_seen)))].sort(
      (one, other) => one - other,
    );
  const step = () => {
    const later = moments().find((moment) => moment > seen() + 1) ?? 0;
    page.state.update({ film: Math.ceil((later / most()) * FILM) });
  };
  const playing = toggle("Play", false, (on) => (on ? (timer = window.setInterval(step, DELAY)) : stop()));
  const root = element(
    "section",
    { className: "film" },
    element("h3", {}, "How they learnt: the same latents through the training"),
    element("div", { className: "row" }, playing.root, scrub.root),
    frames,
  );
  const fill = () => {
    root.hidden = !runs().length;
    frames.replaceChildren(
      ...runs().map((run) => {
        const [canvas, caption] = [element("canvas", { role: "img" }), element("figcaption")];
        return element("figure", { "data-run": run.id }, canvas, caption);
      }),
    );
    update();
  };
  const update = () => {
    scrub.set(page.state.get("film"));
    for (const run of runs()) {
      const moment = [...run.film].reverse().find((other) => other.images_seen <= seen() + 1) ?? run.film[0];
      const figure = frames.querySelector(`[data-run="${CSS.escape(run.id)}"]`);
      if (figure)
        page.manifest
          .picture(moment.file)
          .then(
            (bitmap) => showFrame(figure, bitmap, `${run.name} after ${counted(moment.images_seen)} images`),
            page.fail,
          );
    }
  };
  fill();
  return { root, fill, update, stop };
}

/** @param {Element} figure @param {ImageBitmap} bitmap @param {string} words */
function showFrame(figure, bitmap, words) {
  const [canvas, caption] = [/** @type {HTMLCanvasElement} */ (figure.children[0]), figure.children[1]];
  if (canvas.width !== bitmap.width) [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  context(canvas).drawImage(bitmap, 0, 0);
  canvas.setAttribute("aria-label", words);
  caption.textContent = words;
}

export const compareView = { id: "compare", title: "Compare", mount };
