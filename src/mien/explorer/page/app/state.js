/**
 * What the page shows is a function of its address: `#view?field=value&...`, so any view can be kept and shared.
 *
 * Fields that have their usual value are left out. The part after # is never sent to a server.
 */

const WRITE_EVERY = 250; // milliseconds; browsers slow pages down that write their address more often

/**
 * @typedef {object} Field
 * @property {any} usual
 * @property {(text: string) => any} read
 * @property {(value: any) => string} write
 */

/** @type {(usual?: string) => Field} */
const text = (usual = "") => ({ usual, read: (given) => given, write: (value) => value });

/** @type {(usual: number, low: number, high: number, whole?: boolean) => Field} */
const number = (usual, low, high, whole = true) => ({
  usual,
  read: (given) => {
    const value = Number(given);
    if (!Number.isFinite(value)) return usual;
    return Math.min(high, Math.max(low, whole ? Math.round(value) : value));
  },
  write: (value) => String(Math.round(value * 1000) / 1000),
});

/** @type {() => Field} */
const list = () => ({
  usual: [],
  read: (given) => given.split("!").filter(Boolean),
  write: (value) => value.join("!"),
});

/** Values in [0, 1] by attribute name. @type {() => Field} */
const attributes = () => ({
  usual: {},
  read: (given) => {
    const pairs = given.split(",").map((pair) => pair.split(":"));
    const sound = pairs.filter(([name, value]) => name && Number(value) >= 0 && Number(value) <= 1);
    return Object.fromEntries(sound.map(([name, value]) => [decodeURIComponent(name), Number(value)]));
  },
  write: (value) =>
    Object.entries(value)
      .map(([name, amount]) => `${encodeURIComponent(name)}:${Math.round(amount * 100) / 100}`)
      .join(","),
});

/** @type {Record<string, Field>} */
const FIELDS = {
  run: text(),
  snapshot: text(),
  seed: number(1, 0, 4294967295),
  lock: number(0, 0, 1),
  count: number(24, 1, 64),
  truncation: number(1, 0, 1, false),
  set: attributes(),
  face: text(),
  before: text(),
  method: text("tsne"),
  colour: text("auto"),
  as: text("faces"),
  at: text(),
  rows: list(),
  film: number(1000, 0, 1000),
  loop: number(1, 0, 1),
  find: text(),
  pins: list(),
};

/** The address, as fields. */
export class State {
  /** @param {string[]} views names of the views; the first is shown where the address names none */
  constructor(views) {
    this.views = views;
    this.view = views[0];
    /** @type {Record<string, any>} */
    this.values = {};
    /** @type {((changed: Set<string>) => void)[]} */
    this.listeners = [];
    this.timer = 0;
    this.read();
    window.addEventListener("popstate", () => this.reread());
    window.addEventListener("pagehide", () => this.flush());
  }

  /** @param {string} name */
  get(name) {
    return this.values[name] ?? FIELDS[name].usual;
  }

  /**
   * Change fields, and tell those who listen.
   * @param {Record<string, any>} fields
   * @param {string} [view] another view; the way back is kept
   */
  update(fields, view) {
    const changed = new Set(Object.keys(fields));
    if (view && view !== this.view) {
      this.flush();
      Object.assign(this.values, fields);
      this.view = view;
      changed.add("view");
      history.pushState(null, "", this.address());
    } else {
      Object.assign(this.values, fields);
      this.timer ||= window.setTimeout(() => this.flush(), WRITE_EVERY);
    }
    for (const listener of this.listeners) listener(changed);
  }

  /** Write the address now. */
  flush() {
    window.clearTimeout(this.timer);
    this.timer = 0;
    if (this.address() !== location.hash) history.replaceState(null, "", this.address());
  }

  /** @param {Record<string, any>} [fields] instead of its own, for a link @param {string} [view] */
  address(fields = {}, view = this.view) {
    const values = { ...this.values, ...fields };
    const parts = Object.entries(FIELDS)
      .filter(([name]) => values[name] !== undefined)
      .map(([name, field]) => [name, field.write(values[name]), field.write(field.usual)])
      .filter(([, written, usual]) => written !== usual)
      .map(([name, written]) => `${name}=${readable(written)}`);
    return `#${view}${parts.length ? "?" : ""}${parts.join("&")}`;
  }

  /** The fields of the address as it is now. */
  read() {
    const [view, query = ""] = location.hash.slice(1).split("?");
    this.view = this.views.includes(view) ? view : this.views[0];
    this.values = {};
    for (const part of query.split("&")) {
      const [name, ...rest] = part.split("=");
      const field = FIELDS[name];
      if (!field) continue;
      try {
        this.values[name] = field.read(decodeURIComponent(rest.join("=")));
      } catch {
        continue; // a broken escape: the field keeps its usual value
      }
    }
  }

  /** The address was changed by hand, by a link or by the way back. */
  reread() {
    this.read();
    for (const listener of this.listeners) listener(new Set([...Object.keys(FIELDS), "view", "address"]));
  }
}

/** Escaped where it must be, and no more, so that an address can be read. @param {string} written */
function readable(written) {
  return encodeURIComponent(written).replaceAll("%2C", ",").replaceAll("%3A", ":");
}
