/** The latents of what a state shows. */

import { cornerWeights, mix, move, neighbour } from "./latents.js";
import { resized } from "./pixels.js";
import { derive } from "./random.js";
import { NEIGHBOURS, PICTURE, WALL } from "./state.js";

/** @typedef {import("./state.js").State} State */

export class Faces {
  /** @type {Map<string, Promise<any>>} */
  #known = new Map();
  /** @type {ImageData | null} */
  #picture = null;

  /** @param {import("./models.js").Autoencoder} model */
  constructor(model) {
    this.model = model;
    this.mean = model.manifest.mean;
  }

  /** A picture of the visitor. @param {ImageData | null} picture */
  set picture(picture) {
    this.#picture = picture;
    this.#known.clear();
  }

  /** @param {State} state @returns {Promise<Float32Array[]>} */
  wall({ seed, kl }) {
    return this.#once(["wall", seed, kl], () => this.model.wall(seed, WALL, kl));
  }

  /** The face that was chosen, before it is mixed and changed. @param {State} state */
  base(state) {
    const { seed, face, near, kl } = state;
    return this.#once(["base", seed, face, near, kl], async () => {
      let code = await this.#start(state);
      for (let depth = 0; depth < near.length; depth++) {
        const key = derive(seed, Number(face), ...near.slice(0, depth + 1));
        const [sample] = await this.model.sample([key], kl);
        code = neighbour(code, sample, this.mean);
      }
      return code;
    });
  }

  /** The face as it is mixed and changed. @param {State} state */
  async shown(state) {
    const mixed = state.pad.some(Boolean)
      ? mix(await this.corners(state), cornerWeights(state.pad[0], state.pad[1]), this.mean)
      : await this.base(state);
    return move(mixed, this.model.manifest.directions, state.edits);
  }

  /** The four faces of the pad. @param {State} state */
  async corners(state) {
    const wall = await this.wall(state);
    return [await this.base(state), ...state.corners.map((place) => wall[place])];
  }

  /** Faces like the one that was chosen, with its changes. @param {State} state */
  async neighbours(state) {
    const { seed, face, near, kl } = state;
    const places = Array.from({ length: NEIGHBOURS }, (_, place) => place);
    const samples = await this.#once(["near", seed, face, near, kl], () =>
      this.model.sample(places.map((place) => derive(seed, Number(face), ...near, place)), kl),
    );
    const base = await this.base(state);
    return samples.map((/** @type {Float32Array} */ sample) =>
      move(neighbour(base, sample, this.mean), this.model.manifest.directions, state.edits),
    );
  }

  /** @param {State} state @returns {Promise<Float32Array>} */
  async #start(state) {
    if (state.face === PICTURE && this.#picture) {
      return this.model.encode(resized(this.#picture, this.model.manifest.resolution), state.kl);
    }
    return (await this.wall(state))[Number(state.face)];
  }

  /**
   * @template T
   * @param {unknown[]} parts of the key
   * @param {() => Promise<T>} make
   * @returns {Promise<T>}
   */
  #once(parts, make) {
    const key = JSON.stringify(parts);
    const known = this.#known.get(key);
    if (known) return known;
    if (this.#known.size > 40) this.#known.clear();
    const made = make();
    made.catch(() => this.#known.delete(key));
    this.#known.set(key, made);
    return made;
  }
}
