/** Files out of the page and into it: pictures, and faces as JSON that opens again. */

import { keep, latentOf, usualAttributes } from "./face.js";

/**
 * @typedef {import("./manifest.js").Manifest} Manifest
 * @typedef {import("./face.js").Face} Face
 */

const FORMAT = 1;
const LARGEST = 20e6; // bytes of a file of faces

/** Hand a file to the visitor. @param {Blob} blob @param {string} name */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** @param {HTMLCanvasElement} canvas @param {string} name */
export async function savePicture(canvas, name) {
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  if (!blob) throw new Error("This browser made no picture of that size. Show fewer faces.");
  save(/** @type {Blob} */ (blob), name);
}

/**
 * Faces with their latents and attributes.
 * @param {Manifest} manifest
 * @param {Face[]} faces
 * @param {string} name
 */
export async function saveFaces(manifest, faces, name) {
  const entries = [];
  for (const face of faces) {
    const run = manifest.run(face.run);
    const latent = await latentOf(manifest, face);
    const attributes = Object.fromEntries(
      run.attributes.map((attribute, column) => [attribute, face.y?.[column] ?? 0]),
    );
    entries.push({ run: face.run, snapshot: face.snapshot, model: run.model, attributes, z: Array.from(latent) });
  }
  const content = { kind: "mien-faces", format: FORMAT, title: manifest.title, faces: entries };
  save(new Blob([JSON.stringify(content)], { type: "application/json" }), name);
}

/**
 * Faces of a file that was saved here; their latents are kept in this tab.
 * @param {Manifest} manifest
 * @param {File} file
 * @returns {Promise<Face[]>}
 */
export async function openFaces(manifest, file) {
  if (file.size > LARGEST)
    throw new Error(`${file.name} has ${Math.round(file.size / 1e6)} MB: too large for a file of faces.`);
  let content;
  try {
    content = JSON.parse(await file.text());
  } catch {
    throw new Error(`${file.name} is not JSON. Open a file that this page saved.`);
  }
  if (content?.kind !== "mien-faces" || !Array.isArray(content.faces)) {
    throw new Error(`${file.name} holds no faces of mien. Open a file that this page saved.`);
  }
  if (content.format !== FORMAT)
    throw new Error(`${file.name} is of format ${content.format}; this page reads format ${FORMAT}.`);
  return content.faces.map((/** @type {any} */ entry) => openFace(manifest, entry, file.name));
}

/** @param {Manifest} manifest @param {any} entry @param {string} name @returns {Face} */
function openFace(manifest, entry, name) {
  const z = Array.isArray(entry?.z) ? entry.z : [];
  if (!z.length || !z.every(Number.isFinite)) throw new Error(`${name}: a face has no latent of finite numbers.`);
  const fits = manifest.runs.filter((run) => run.latent_dim === z.length);
  const run =
    fits.find((other) => other.id === entry.run) ?? fits.find((other) => other.model === entry.model) ?? fits[0];
  if (!run) {
    const have = manifest.runs.map((other) => `${other.name} ${other.latent_dim}`).join(", ");
    throw new Error(`${name}: a latent of ${z.length} numbers, which no run here takes (${have}).`);
  }
  const snapshot = run.snapshots.find(({ id }) => id === entry.snapshot) ?? run.snapshots[0];
  const usual = usualAttributes(run);
  const y =
    usual &&
    run.attributes.map((attribute, column) => {
      const value = Number(entry.attributes?.[attribute]);
      return value >= 0 && value <= 1 ? value : usual[column];
    });
  return { run: run.id, snapshot: snapshot.id, origin: keep(Float32Array.from(z)), y, moves: {} };
}
