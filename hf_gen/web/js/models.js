/** The networks of a model, from latents and pictures to pictures. */

import { wait } from "./dom.js";
import { readBytes, readJson } from "./files.js";
import { checkManifest } from "./manifest.js";
import { fromPlanes, toPlanes } from "./pixels.js";
import { derive, noise, uniform } from "./random.js";

/** @typedef {import("./manifest.js").Entry} Entry */
/** @typedef {import("./runtime.js").Ort} Ort */
/** @typedef {Record<string, {data: Float32Array, shape: number[]}>} Arrays */

const BATCH = 6; // faces decoded before the browser may draw
const FIRST = ["decoder", "prior"]; // what the wall needs

/** @param {Entry} entry */
export async function readManifest(entry) {
  return checkManifest(await readJson(`${entry.folder}/manifest.json`), entry.kind);
}

/** The graphs of one model; each is read and compiled once, when it is first run. */
class Graphs {
  /** @type {Map<string, Promise<Uint8Array<ArrayBuffer>>>} */
  #bytes = new Map();
  /** @type {Map<string, Promise<import("./runtime.js").Session>>} */
  #sessions = new Map();
  #ort;
  #entry;
  #graphs;

  /**
   * @param {Promise<Ort>} ort
   * @param {Entry} entry
   * @param {Record<string, import("./manifest.js").GraphFile>} graphs
   */
  constructor(ort, entry, graphs) {
    this.#ort = ort;
    this.#entry = entry;
    this.#graphs = graphs;
  }

  /** @param {string} name @param {(bytes: number) => void} [progress] */
  read(name, progress = () => {}) {
    const { file, bytes } = this.#graphs[name];
    const url = `${this.#entry.folder}/${file}`;
    return once(this.#bytes, name, () => readBytes(url, bytes, progress));
  }

  /** @param {string} name @param {(bytes: number) => void} [progress] */
  async prepare(name, progress) {
    return once(this.#sessions, name, async () => {
      const [ort, bytes] = await Promise.all([this.#ort, this.read(name, progress)]);
      try {
        return await inTurn(() => ort.InferenceSession.create(bytes));
      } catch {
        const { file } = this.#graphs[name];
        throw new Error(`${file} of ${this.#entry.name} is damaged: it holds no network`);
      }
    });
  }

  /** @param {string} name @param {Arrays} inputs @param {string} output */
  async run(name, inputs, output) {
    const session = await this.prepare(name);
    const { Tensor } = await this.#ort;
    const tensors = Object.entries(inputs).map(([key, { data, shape }]) => [
      key,
      new Tensor("float32", data, shape),
    ]);
    const results = await inTurn(() => session.run(Object.fromEntries(tensors)));
    const { data } = results[output];
    return /** @type {Float32Array} */ (data);
  }
}

/** An autoencoder: latents are flat arrays, pictures are ImageData. */
export class Autoencoder {
  /**
   * @param {Promise<Ort>} ort
   * @param {Entry} entry
   * @param {import("./manifest.js").Autoencoder} manifest
   */
  constructor(ort, entry, manifest) {
    this.name = entry.name;
    this.manifest = manifest;
    this.graphs = new Graphs(ort, entry, manifest.graphs);
  }

  /** @param {(bytes: number) => void} progress */
  async prepare(progress) {
    await Promise.all(FIRST.map((name) => this.graphs.prepare(name, progress)));
  }

  /** Reads what is not needed yet, so that it is there when the network is not. */
  async complete() {
    await this.graphs.read("encoder");
  }

  /**
   * Latents of faces from their keys.
   * @param {number[]} keys
   * @param {number | null} klWeight
   */
  async sample(keys, klWeight) {
    const { size, temperature } = this.manifest;
    const scaled = new Float32Array(keys.length * size);
    keys.forEach((key, row) => scaled.set(noise(key, size), row * size));
    for (let i = 0; i < scaled.length; i++) scaled[i] *= temperature;
    const uniforms = Float32Array.from(keys, (key) => uniform(key, 0));
    const inputs = {
      noise: { data: scaled, shape: [keys.length, size] },
      uniform: { data: uniforms, shape: [keys.length] },
      ...this.#weights(keys.length, klWeight),
    };
    const latents = await this.graphs.run("prior", inputs, "latents");
    return keys.map((_, row) => latents.slice(row * size, (row + 1) * size));
  }

  /**
   * Latents of the first faces of a wall.
   * @param {number} seed
   * @param {number} count
   * @param {number | null} klWeight
   */
  wall(seed, count, klWeight) {
    return this.sample(Array.from({ length: count }, (_, place) => derive(seed, place)), klWeight);
  }

  /**
   * Pictures, a few at a time.
   * @param {Float32Array[]} codes
   * @param {number | null} klWeight
   * @returns {AsyncGenerator<ImageData>}
   */
  async *decode(codes, klWeight) {
    const { size, shape, resolution } = this.manifest;
    for (let start = 0; start < codes.length; start += BATCH) {
      const part = codes.slice(start, start + BATCH);
      const data = new Float32Array(part.length * size);
      part.forEach((code, row) => data.set(code, row * size));
      const latents = { data, shape: [part.length, ...shape] };
      const inputs = { latents, ...this.#weights(part.length, klWeight) };
      const images = await this.graphs.run("decoder", inputs, "images");
      const length = 3 * resolution ** 2;
      for (let row = 0; row < part.length; row++) {
        yield fromPlanes(images.subarray(row * length, (row + 1) * length), resolution);
      }
      if (start + BATCH < codes.length) await wait(0);
    }
  }

  /**
   * The latents of a square picture of the model's size.
   * @param {ImageData} picture
   * @param {number | null} klWeight
   */
  async encode(picture, klWeight) {
    const { resolution } = this.manifest;
    const images = { data: toPlanes(picture), shape: [1, 3, resolution, resolution] };
    return this.graphs.run("encoder", { images, ...this.#weights(1, klWeight) }, "latents");
  }

  /** @param {number} count @param {number | null} klWeight @returns {Arrays} */
  #weights(count, klWeight) {
    if (!this.manifest.klWeight) return {};
    const { low, high, value } = this.manifest.klWeight;
    const weight = Math.min(high, Math.max(low, klWeight ?? value));
    return { kl_weight: { data: new Float32Array(count).fill(weight), shape: [count] } };
  }
}

/** A pair of generators. */
export class Translation {
  /**
   * @param {Promise<Ort>} ort
   * @param {Entry} entry
   * @param {import("./manifest.js").Translation} manifest
   */
  constructor(ort, entry, manifest) {
    this.manifest = manifest;
    this.graphs = new Graphs(ort, entry, manifest.graphs);
  }

  async complete() {
    await Promise.all([this.graphs.read("a_to_b"), this.graphs.read("b_to_a")]);
  }

  /**
   * A square picture of the model's size, translated.
   * @param {ImageData} picture
   * @param {"a_to_b" | "b_to_a"} direction
   */
  async translate(picture, direction) {
    const images = { data: toPlanes(picture), shape: [1, 3, picture.height, picture.width] };
    const planes = await this.graphs.run(direction, { images }, "translations");
    return fromPlanes(planes, picture.width);
  }
}

/** @type {Promise<unknown>} */
let last = Promise.resolve();

/**
 * One thing at a time: ONNX Runtime fails where two runs overlap.
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
function inTurn(work) {
  const result = last.then(work);
  last = result.catch(() => {});
  return result;
}

/**
 * The value of a key, made once; a failure is forgotten.
 * @template T
 * @param {Map<string, Promise<T>>} made
 * @param {string} key
 * @param {() => Promise<T>} make
 */
function once(made, key, make) {
  let value = made.get(key);
  if (!value) {
    value = make();
    value.catch(() => made.delete(key));
    made.set(key, value);
  }
  return value;
}
