/** The models of the page: each is read once, when it is first needed, and the progress is shown. */

import { find, megabytes } from "./dom.js";
import { Faces } from "./faces.js";
import { addresses } from "./files.js";
import { Autoencoder, readManifest, Translation } from "./models.js";
import { keep, startKeeping } from "./offline.js";
import { isSupported, loadRuntime, runtimeBytes } from "./runtime.js";

/** @typedef {import("./manifest.js").Entry} Entry */

export class Loader {
  /** @type {Map<string, Promise<any>>} */
  #made = new Map();
  #wanted = 0;
  #read = 0;

  /** @param {import("./manifest.js").PageFile} file */
  constructor(file) {
    this.file = file;
  }

  /** Null for a translation. @param {Entry} entry @returns {Promise<Faces | null>} */
  async faces(entry) {
    if (entry.kind === "translation") return null;
    return this.#once(`faces ${entry.name}`, async () => {
      return new Faces(/** @type {Autoencoder} */ (await this.#load(entry)));
    });
  }

  /** The translations of the page. */
  async translations() {
    const entries = this.file.models.filter(({ kind }) => kind === "translation");
    return Promise.all(
      entries.map(async (entry) => ({
        name: entry.name,
        model: /** @type {Translation} */ (await this.#load(entry)),
      })),
    );
  }

  /** Loads the first model, and then reads all others, so that they are there without a network. */
  async complete(/** @type {Entry} */ first) {
    await this.#load(first);
    this.#say("Ready.");
    const isKept = startKeeping(); // not before: it reads the page again
    for (const entry of this.file.models) await (await this.#load(entry)).complete();
    if (!(await isKept)) return;
    await keep(addresses);
    this.#say("Ready, without a network connection too.");
  }

  /** @param {Entry} entry @returns {Promise<Autoencoder | Translation>} */
  #load(entry) {
    return this.#once(`model ${entry.name}`, async () => {
      if (!isSupported()) {
        throw new Error(
          "This browser lacks WebAssembly with SIMD, which the network needs, and so it shows " +
            "pictures only. Chrome 91, Firefox 89, Safari 16.4 and later ones have it.",
        );
      }
      const ort = this.#ort();
      ort.catch(() => {}); // until a session waits for it
      const manifest = await readManifest(entry);
      if (manifest.kind === "translation") return new Translation(ort, entry, manifest);
      const { decoder, prior } = manifest.graphs;
      this.#expect(decoder.bytes + prior.bytes);
      const model = new Autoencoder(ort, entry, manifest);
      await model.prepare((bytes) => this.#progress(bytes));
      this.#say("Ready.");
      return model;
    });
  }

  /** @returns {Promise<import("./runtime.js").Ort>} */
  #ort() {
    return this.#once("runtime", () => {
      this.#expect(runtimeBytes(this.file.runtime));
      return loadRuntime(this.file.runtime, (bytes) => this.#progress(bytes));
    });
  }

  /** @param {number} bytes that will be read */
  #expect(bytes) {
    this.#wanted += bytes;
    this.#progress(0);
  }

  /** @param {number} bytes that were read */
  #progress(bytes) {
    this.#read += bytes;
    const isReading = this.#read < this.#wanted;
    const bar = /** @type {HTMLProgressElement} */ (find("progress"));
    bar.hidden = !isReading;
    bar.max = this.#wanted;
    bar.value = this.#read;
    const status = `Loading the network: ${megabytes(this.#read)} of ${megabytes(this.#wanted)} MB`;
    find("status").textContent = isReading ? status : "Starting the network…";
  }

  /** @param {string} status */
  #say(status) {
    find("status").textContent = status;
    find("progress").hidden = true;
  }

  /** @template T @param {string} key @param {() => Promise<T>} make @returns {Promise<T>} */
  #once(key, make) {
    const known = this.#made.get(key);
    if (known) return known;
    const made = make();
    made.catch(() => this.#made.delete(key));
    this.#made.set(key, made);
    return made;
  }
}
