/** What page.json and manifest.json say, checked: they may come from anyone. */

/** @typedef {{name: string, low: number, high: number, kind: "slider", vector: Float32Array}} Slider */
/**
 * @typedef {{name: string, low: number, high: number, kind: "wheel", vectors: Float32Array[],
 *   readers: Float32Array[], offsets: number[]}} Wheel
 */
/** @typedef {Slider | Wheel} Direction */
/** @typedef {{bytes: number, integrity: string}} Pinned */
/** @typedef {{url: string, compressed: boolean, files: Record<string, Pinned>}} Runtime */
/** @typedef {{seed: number, tile: number, count: number, steps: number, stride: number}} Pictures */
/**
 * @typedef {{name: string, kind: "autoencoder" | "translation", folder: string,
 *   pictures: Pictures}} Entry
 */
/** @typedef {{title: string, runtime: Runtime, models: Entry[]}} PageFile */
/** @typedef {{file: string, bytes: number}} GraphFile */
/** @typedef {{low: number, high: number, value: number}} Range */
/**
 * @typedef {{kind: "autoencoder", resolution: number, about: string, shape: number[],
 *   size: number, temperature: number, mean: Float32Array, directions: Direction[],
 *   klWeight: Range | null, graphs: Record<string, GraphFile>}} Autoencoder
 */
/**
 * @typedef {{kind: "translation", resolution: number, about: string,
 *   domains: {a: string, b: string}, graphs: Record<string, GraphFile>}} Translation
 */

/** A file that asks for something that the page does not do. */
export class Refused extends Error {}

const MAX_BYTES = 64e6;
const MAX_LATENTS = 65536;
const FILE = /^[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)+$/; // nothing that climbs out
const FOLDER = /^models\/[a-z0-9][a-z0-9-]{0,99}$/i;

/**
 * @param {unknown} read what page.json holds
 * @returns {PageFile}
 */
export function checkPage(read) {
  const page = object(read, "page.json");
  version(page, "page.json");
  const runtime = object(page.runtime, "runtime");
  const url = text(runtime.url, "runtime.url");
  if (url !== "vendor/" && !url.startsWith("https://")) {
    throw new Refused(`runtime.url must be vendor/ or an address of https, got ${shown(url)}`);
  }
  /** @type {Record<string, Pinned>} */
  const files = {};
  for (const [name, pinned] of Object.entries(object(runtime.files, "runtime.files"))) {
    const { bytes, integrity } = object(pinned, name);
    if (!/^sha384-[A-Za-z0-9+/]{64}$/.test(text(integrity, "integrity"))) {
      throw new Refused(`integrity of ${shown(name)} must be a SHA-384, got ${shown(integrity)}`);
    }
    files[fileName(name)] = { bytes: whole(bytes, "bytes", 1, MAX_BYTES), integrity };
  }
  const models = list(page.models, "models", 1, 16).map((value) => {
    const { name, kind, folder, pictures } = object(value, "a model");
    if (kind !== "autoencoder" && kind !== "translation") {
      throw new Refused(`kind must be autoencoder or translation, got ${shown(kind)}`);
    }
    if (!FOLDER.test(text(folder, "folder"))) {
      throw new Refused(`folder must be models/NAME, got ${shown(folder)}`);
    }
    const cut = object(pictures, "pictures");
    return /** @type {Entry} */ ({
      name: text(name, "name"),
      kind,
      folder,
      pictures: {
        seed: whole(cut.seed, "seed", 0, 2 ** 32 - 1),
        tile: whole(cut.tile, "tile", 8, 128),
        count: whole(cut.count, "count", 1, 64),
        steps: whole(cut.steps, "steps", 1, 32),
        stride: whole(cut.stride, "stride", 0, 64),
      },
    });
  });
  const compressed = runtime.compressed === true;
  return { title: text(page.title, "title"), runtime: { url, compressed, files }, models };
}

/**
 * @param {unknown} read what the manifest.json of a model holds
 * @param {Entry["kind"]} kind what page.json calls it
 * @returns {Autoencoder | Translation}
 */
export function checkManifest(read, kind) {
  const manifest = object(read, "manifest.json");
  version(manifest, "manifest.json");
  const names = kind === "translation" ? ["a_to_b", "b_to_a"] : ["encoder", "decoder", "prior"];
  const listed = object(manifest.graphs, "graphs");
  /** @type {Record<string, GraphFile>} */
  const graphs = {};
  for (const name of names) {
    const { file, bytes } = object(listed[name], `graphs.${name}`);
    graphs[name] = { file: fileName(file), bytes: whole(bytes, "bytes", 1, MAX_BYTES) };
  }
  const resolution = whole(manifest.resolution, "resolution", 8, 512);
  const about = described(manifest);
  if (kind === "translation") {
    const { a, b } = object(manifest.domains, "domains");
    const domains = { a: text(a, "domains.a"), b: text(b, "domains.b") };
    return { kind, resolution, about, domains, graphs };
  }
  const codes = object(object(object(listed.decoder, "decoder").inputs, "inputs").latents, "latents");
  const shape = list(codes.shape, "the shape of latents", 4, 4)
    .slice(1)
    .map((side) => whole(side, "a side of latents", 1, MAX_LATENTS));
  const size = whole(shape[0] * shape[1] * shape[2], "the number of latents", 1, MAX_LATENTS);
  const prior = object(manifest.prior, "prior");
  const directions = list(manifest.directions ?? [], "directions", 0, 64);
  return {
    kind,
    resolution,
    about,
    graphs,
    shape,
    size,
    temperature: number(prior.temperature, "temperature", 0, 100),
    mean: prior.mean == null ? new Float32Array(size) : vector(prior.mean, "prior.mean", size),
    directions: directions.map((value) => direction(value, size)),
    klWeight: manifest.kl_weight == null ? null : klWeight(manifest.kl_weight),
  };
}

/** @param {unknown} read @param {number} size @returns {Direction} */
function direction(read, size) {
  const one = object(read, "a direction");
  const name = text(one.name, "the name of a direction");
  const low = number(one.low, `low of ${shown(name)}`, -1e6, 1e6);
  const high = number(one.high, `high of ${shown(name)}`, low, 1e6);
  if (low === high) throw new Refused(`${shown(name)} must have a range, got ${low} to ${high}`);
  if (one.kind === "slider") {
    return { name, low, high, kind: one.kind, vector: vector(one.vector, "vector", size) };
  }
  if (one.kind !== "wheel") {
    throw new Refused(`a direction must be a slider or a wheel, got ${shown(one.kind)}`);
  }
  const rows = (/** @type {string} */ key) =>
    list(one[key], key, 2, 2).map((row) => vector(row, key, size));
  const offsets = list(one.offsets, "offsets", 2, 2).map((value) => number(value, "an offset"));
  return { name, low, high, kind: one.kind, vectors: rows("vectors"), readers: rows("readers"), offsets };
}

/** @param {unknown} read @returns {Range} */
function klWeight(read) {
  const one = object(read, "kl_weight");
  const low = number(one.low, "the lowest kl_weight", 1e-6, 1e6);
  const high = number(one.high, "the highest kl_weight", low, 1e6);
  return { low, high, value: number(one.default ?? 1, "the default kl_weight", low, high) };
}

/** @param {Record<string, any>} file @param {string} what */
function version(file, what) {
  if (file.format_version !== 1) {
    throw new Refused(`format_version of ${what} must be 1, got ${shown(file.format_version)}`);
  }
}

/** @param {unknown} value @returns {string} */
function fileName(value) {
  if (typeof value !== "string" || value.length > 100 || !FILE.test(value)) {
    throw new Refused(`a file must be named such as decoder.onnx, got ${shown(value)}`);
  }
  return value;
}

/** @param {unknown} value @param {string} what @returns {Record<string, any>} */
function object(value, what) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Refused(`${what} must be an object, got ${shown(value)}`);
  }
  return value;
}

/** @param {unknown} value @param {string} what @param {number} fewest @param {number} most */
function list(value, what, fewest, most) {
  if (!Array.isArray(value) || value.length < fewest || value.length > most) {
    const count = fewest === most ? fewest : `${fewest} to ${most}`;
    throw new Refused(`${what} must be a list of ${count}, got ${shown(value)}`);
  }
  return value;
}

/** @param {unknown} value @param {string} what @param {number} size */
function vector(value, what, size) {
  const numbers = list(value, what, size, size);
  if (!numbers.every(Number.isFinite)) throw new Refused(`${what} must be finite numbers`);
  return Float32Array.from(numbers);
}

/** What is told of a model. @param {Record<string, any>} manifest */
function described(manifest) {
  const parts = { description: "", license: "License: ", training_data: "Trained on: " };
  return Object.entries(parts)
    .filter(([key]) => manifest[key] != null)
    .map(([key, before]) => `${before}${text(manifest[key], key, 2000).replace(/\.?$/, ".")}`)
    .join(" ");
}

/** @param {unknown} value @param {string} what */
function text(value, what, most = 300) {
  if (typeof value !== "string" || !value || value.length > most) {
    throw new Refused(`${what} must be a text of 1 to ${most} characters, got ${shown(value)}`);
  }
  return value;
}

/** @param {unknown} value @param {string} what */
function number(value, what, low = -Infinity, high = Infinity) {
  if (typeof value !== "number" || !Number.isFinite(value) || value < low || value > high) {
    throw new Refused(`${what} must be a number from ${low} to ${high}, got ${shown(value)}`);
  }
  return value;
}

/** @param {unknown} value @param {string} what @param {number} low @param {number} high */
function whole(value, what, low, high) {
  if (!Number.isInteger(value)) {
    throw new Refused(`${what} must be a whole number, got ${shown(value)}`);
  }
  return number(value, what, low, high);
}

/** @param {unknown} value */
function shown(value) {
  const words = JSON.stringify(value) ?? String(value);
  return words.length > 60 ? `${words.slice(0, 60)}…` : words;
}
