/** What stays while views change: the head, the tabs, the tray of pinned faces, the line that says what happened. */

import { button, select } from "./controls.js";
import { counted, element } from "./dom.js";
import { openFaces, saveFaces, savePicture } from "./download.js";
import { parse } from "./face.js";
import { Tray } from "./tray.js";

const SAYING = 5000; // milliseconds that a message is seen

/**
 * @typedef {import("./manifest.js").Run} Run
 * @typedef {import("./main.js").View} View
 * @typedef {import("./main.js").Mounted} Mounted
 */

/** @param {string} id @returns {HTMLElement} */
const part = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

export class Shell {
  /**
   * @param {import("./manifest.js").Manifest} manifest
   * @param {import("./state.js").State} state
   * @param {View[]} views
   */
  constructor(manifest, state, views) {
    this.manifest = manifest;
    this.state = state;
    this.views = views;
    /** @type {Mounted | null} */
    this.mounted = null;
    this.timer = 0;
    this.problems = 0;
  }

  /** Begin. @param {import("./engine.js").Engine} engine @param {import("./pins.js").Pins} pins */
  open(engine, pins) {
    this.pins = pins;
    /** @type {import("./main.js").Page} */
    this.page = {
      manifest: this.manifest,
      engine: this.watched(engine),
      state: this.state,
      pins,
      run: () => this.run(),
      snapshot: () => this.snapshot(),
      say: (words) => this.say(words),
      fail: (error) => this.fail(error),
      attempt: (task) => this.attempt(task),
    };
    document.title = `${this.manifest.title} · mien`;
    part("title").textContent = this.manifest.title;
    this.tray = new Tray(this.page, part("tray"));
    this.buildTools();
    this.state.listeners.push((changed) => this.update(changed));
    this.takeFiles();
    document.addEventListener("keydown", (event) => this.key(event));
    this.update(new Set(["view", "run", "pins"]));
    const notes = [...this.manifest.notes];
    const wanted = this.state.get("run");
    if (wanted && wanted !== this.run().id)
      notes.unshift(`There is no run ${wanted} here; this is ${this.run().name}.`);
    if (notes.length) this.say(notes.join(" "));
  }

  run() {
    return this.manifest.run(this.state.get("run"));
  }

  /** @returns {string} */
  snapshot() {
    const snapshots = this.run().snapshots;
    return (snapshots.find(({ id }) => id === this.state.get("snapshot")) ?? snapshots[0]).id;
  }

  /** @param {Set<string>} changed */
  update(changed) {
    const whole = changed.has("view") || changed.has("run") || changed.has("snapshot");
    if (whole) this.updateHead();
    if (whole || changed.has("pins") || changed.has("before")) this.tray?.update();
    if (whole) this.mount();
    else this.mounted?.update(changed);
  }

  /** Put the chosen view on the page. */
  mount() {
    this.mounted?.leave();
    part("problem").hidden = true;
    const view = this.views.find(({ id }) => id === this.state.view) ?? this.views[0];
    try {
      this.mounted = view.mount(/** @type {any} */ (this.page));
      part("main").replaceChildren(element("h2", { className: "unseen" }, view.title), this.mounted.root);
      part("main").dataset.view = view.id;
    } catch (error) {
      this.mounted = null;
      part("main").replaceChildren();
      this.fail(error);
    }
  }

  buildTools() {
    const runs = /** @type {[string, string][]} */ (this.manifest.runs.map((run) => [run.id, run.name]));
    const other = { snapshot: "", face: "", before: "" };
    this.runs = select("Model", runs, this.run().id, (run) => this.state.update({ run, ...other }));
    this.snapshots = select("After", [], "", (snapshot) => this.state.update({ snapshot, face: "", before: "" }));
    const menu = this.buildMenu();
    const tools = [
      this.runs.root,
      this.snapshots.root,
      button("Copy link", () => this.share()),
      menu,
      this.buildTheme(),
    ];
    part("tools").replaceChildren(...tools);
  }

  /** What can be saved and opened. */
  buildMenu() {
    const file = element("input", { type: "file", accept: ".json,application/json", hidden: true });
    file.addEventListener("change", () => file.files[0] && this.openFile(file.files[0]));
    const menu = element("details", { className: "menu" }, element("summary", {}, "Save"));
    const item = (/** @type {string} */ words, /** @type {() => any} */ act) =>
      button(words, async () => {
        menu.open = false;
        await Promise.resolve(act()).catch((error) => this.fail(error));
      });
    const items = [
      item("Picture (PNG)", () => this.savePicture()),
      item("Latents and attributes (JSON)", () => this.saveFaces()),
      item("Open a saved JSON", () => file.click()),
    ];
    menu.append(element("div", { className: "items" }, ...items, file));
    document.addEventListener("click", (event) => {
      if (!menu.contains(/** @type {Node} */ (event.target))) menu.open = false;
    });
    menu.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Escape") {
        menu.open = false;
        menu.firstChild.focus();
      }
    });
    return menu;
  }

  buildTheme() {
    const dark = () => {
      const chosen = document.documentElement.dataset.theme;
      return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    };
    const words = () => (dark() ? "Light" : "Dark");
    const theme = button(words(), () => {
      const chosen = dark() ? "light" : "dark";
      document.documentElement.dataset.theme = chosen;
      localStorage.setItem("mien:theme", chosen);
      theme.textContent = words();
      this.state.update({ theme: chosen });
    });
    return theme;
  }

  updateHead() {
    const run = this.run();
    const snapshots = run.snapshots.map(({ id, images_seen: seen }) => {
      return /** @type {[string, string]} */ ([id, `${counted(seen)} images${id === "best" ? " (best)" : ""}`]);
    });
    this.runs?.set(run.id);
    this.snapshots?.fill(snapshots);
    this.snapshots?.set(this.snapshot());
    if (this.snapshots) this.snapshots.list.disabled = snapshots.length < 2;
    this.snapshots?.root.toggleAttribute("data-single", snapshots.length < 2);
    const tabs = this.views.map(({ id, title }) => {
      const link = element(
        "a",
        { href: this.state.address({}, id), on: { click: (/** @type {Event} */ event) => this.go(event, id) } },
        title,
      );
      if (id === this.state.view) link.setAttribute("aria-current", "page");
      return link;
    });
    const focused = document.activeElement?.closest("#tabs") ? document.activeElement.textContent : null;
    part("tabs").replaceChildren(...tabs);
    tabs.find((tab) => tab.textContent === focused)?.focus();
  }

  /** @param {Event} event @param {string} view */
  go(event, view) {
    event.preventDefault();
    this.state.update({}, view);
  }

  async share() {
    this.state.flush();
    try {
      await navigator.clipboard.writeText(location.href);
      const kept = this.pins?.texts.some((text) => text.includes("~k"));
      this.say(
        kept
          ? "Address copied. Faces of photos and files are not in it: save them as JSON."
          : "Address copied. It shows exactly this.",
      );
    } catch {
      this.say("Copy the address from the address bar: it shows exactly this.");
    }
  }

  async savePicture() {
    const shown = this.mounted?.shown();
    if (!shown) return this.say("There is no picture in this view to save.");
    await savePicture(await shown.picture(), `${shown.name}.png`);
    this.say(`Saved ${shown.name}.png.`);
  }

  async saveFaces() {
    const shown = this.mounted?.shown();
    const faces = shown?.faces.length
      ? shown.faces
      : (this.pins?.texts.map(parse).filter((face) => face !== null) ?? []);
    if (!faces.length) return this.say("There are no faces in this view to save.");
    const name = `${shown?.name ?? "pinned"}.json`;
    await saveFaces(this.manifest, faces, name);
    this.say(`Saved ${faces.length} faces in ${name}.`);
  }

  /** A dropped, pasted or chosen file: faces as JSON, or a photograph. @param {File} file */
  async openFile(file) {
    try {
      if (!file.name.endsWith(".json") && file.type !== "application/json") return this.openPhoto(file);
      const faces = await this.attempt(() => openFaces(this.manifest, file));
      for (const face of faces) if (!this.pins?.has(face)) this.pins?.toggle(face);
      this.say(`${faces.length} faces of ${file.name} are pinned.`);
    } catch (error) {
      this.fail(error);
    }
  }

  /** @param {File} file */
  openPhoto(file) {
    const run = this.run().encodes ? this.run() : this.manifest.runs.find((other) => other.encodes);
    if (!run) return this.fail(new Error("None of these models has an encoder, so none can take a photo."));
    if (this.state.view !== "photo" || run !== this.run()) this.state.update({ run: run.id, snapshot: "" }, "photo");
    this.mounted?.open?.(file);
  }

  takeFiles() {
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer?.files[0]) this.openFile(event.dataTransfer.files[0]);
    });
    document.addEventListener("paste", (event) => {
      const file = event.clipboardData?.files[0];
      if (file) this.openFile(file);
    });
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const command = event.ctrlKey || event.metaKey; // a letter alone is meant for the view only where the focus is in it
    if (!command && !part("main").contains(target)) return;
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) && /** @type {HTMLInputElement} */ (target).type !== "range")
      return;
    if (this.mounted?.key?.(event)) event.preventDefault();
  }

  /** @param {string} words */
  say(words) {
    const status = part("status");
    status.textContent = words;
    status.dataset.seen = "true";
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => delete status.dataset.seen, SAYING);
  }

  /**
   * Do something; where it succeeds, what went wrong before it was begun is no longer shown.
   * @template T @param {() => Promise<T>} task @returns {Promise<T>}
   */
  async attempt(task) {
    const before = this.problems;
    const made = await task();
    if (before === this.problems) part("problem").hidden = true;
    return made;
  }

  /** @param {import("./engine.js").Engine} engine @returns {import("./engine.js").Engine} the same, as `attempt` does things */
  watched(engine) {
    return {
      generate: (...asked) => this.attempt(() => engine.generate(...asked)),
      carry: (...asked) => this.attempt(() => engine.carry(...asked)),
      encode: (...asked) => this.attempt(() => engine.encode(...asked)),
    };
  }

  /** @param {any} error */
  fail(error) {
    this.problems += 1;
    const problem = part("problem");
    problem.textContent = error instanceof Error ? error.message : String(error);
    problem.hidden = false;
  }
}
