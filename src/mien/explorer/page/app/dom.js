/** Elements of the page. Words from data enter it here only, as text nodes, never as HTML. */

/**
 * Make an element.
 * @param {string} tag
 * @param {Record<string, any>} [properties] `on` holds listeners, `style` custom properties; a property that the element
 *   has is set, any other becomes an attribute; null and false leave it out
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {any}
 */
export function element(tag, properties = {}, ...children) {
  const made = /** @type {any} */ (document.createElement(tag));
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    } else if (name === "style") {
      for (const [property, content] of Object.entries(value)) made.style.setProperty(property, String(content));
    } else if (name in made && !name.includes("-")) {
      made[name] = value;
    } else {
      made.setAttribute(name, value === true ? "" : String(value));
    }
  }
  made.append(...children.filter((child) => child));
  return made;
}

/** A name as in data (`Black_Hair`), for people. @param {string} name */
export function spoken(name) {
  return name.replaceAll("_", " ");
}

/** A count with separators. @param {number} value */
export function counted(value) {
  return value.toLocaleString("en");
}
