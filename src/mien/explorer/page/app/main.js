/** The start: reads what there is to show, and shows the view that the address names. */

import { carrier, createEngine } from "./engine.js";
import { Manifest, fetchFile } from "./manifest.js";
import { Pins } from "./pins.js";
import { Shell } from "./shell.js";
import { State } from "./state.js";
import { compareView } from "./views/compare.js";
import { editView } from "./views/edit.js";
import { mapView } from "./views/map.js";
import { numbersView } from "./views/numbers.js";
import { photoView } from "./views/photo.js";
import { sampleView } from "./views/sample.js";
import { walkView } from "./views/walk.js";

/**
 * @typedef {import("./manifest.js").Run} Run
 * @typedef {import("./face.js").Face} Face
 * @typedef {{images: ImageData[], faces: Face[], columns: number}} Shown
 * @typedef {object} Mounted what a view gives when it is put on the page
 * @property {Node} root
 * @property {(changed: Set<string>) => void} update after the address changed
 * @property {() => void} leave
 * @property {() => {name: string, faces: Face[], picture: () => HTMLCanvasElement | Promise<HTMLCanvasElement>} | null} shown
 * @property {(file: File) => void} [open] takes a picture that was dropped or pasted
 * @property {(event: KeyboardEvent) => boolean} [key] takes a key; true where it did
 * @typedef {{id: string, title: string, mount: (page: Page) => Mounted}} View
 * @typedef {object} Page what every view is given
 * @property {Manifest} manifest
 * @property {import("./engine.js").Engine} engine
 * @property {State} state
 * @property {Pins} pins
 * @property {() => Run} run the chosen one
 * @property {() => string} snapshot the chosen one
 * @property {(words: string) => void} say to everybody, also who does not see
 * @property {(error: any) => void} fail
 * @property {<T>(task: () => Promise<T>) => Promise<T>} attempt where it succeeds, an earlier problem is no longer shown
 */

const VIEWS = [sampleView, editView, photoView, walkView, mapView, compareView, numbersView];

async function start() {
  const manifest = new Manifest(await (await fetchFile("exhibit.json")).json());
  const state = new State(VIEWS.map((view) => view.id));
  const shell = new Shell(manifest, state, VIEWS);
  const engine = createEngine(manifest, (words) => shell.say(words));
  manifest.carry = carrier(engine);
  shell.open(engine, new Pins(manifest, engine, state));
}

start().catch((error) => {
  const problem = /** @type {HTMLElement} */ (document.getElementById("problem"));
  problem.textContent = error instanceof Error ? error.message : String(error);
  problem.hidden = false;
  document.getElementById("main")?.replaceChildren();
});
