/** The dialog of one face: sliders, neighbours, the pad, translations, and what is taken along. */

import { find, latest, wait } from "./dom.js";
import { closedWalk } from "./latents.js";
import { Pad } from "./pad.js";
import { show } from "./pixels.js";
import { animation, card, deliver, facePng } from "./share.js";
import { buildSliders, showKl, showSliders } from "./sliders.js";
import { NEIGHBOURS, PICTURE, WALL } from "./state.js";
import { Translations } from "./translations.js";
import { tile } from "./wall.js";

const WALK_STEPS = 8; // pictures from a face to the next
const WALK_MILLISECONDS = 90;

/** @typedef {import("./state.js").State} State */

/**
 * What the page gives the dialog.
 * @typedef {object} Host
 * @property {State} state
 * @property {ImageData | null} picture that of the visitor, or an example
 * @property {string} title
 * @property {(change: Partial<State>, options?: {push?: boolean, isSettled?: boolean}) => void} set
 * @property {() => Promise<import("./faces.js").Faces | null>} faces null without an autoencoder
 * @property {() => Promise<import("./translations.js").Named[]>} translations
 * @property {(error: unknown) => void} fail
 */

export class FaceDialog {
  #dialog = /** @type {HTMLDialogElement} */ (find("face"));
  #portrait = /** @type {HTMLCanvasElement} */ (find("portrait"));
  #near = find("near");
  /** @type {ImageData | null} */
  #shown = null;
  /** What is shown of a face that is opened until the model has drawn it. @type {ImageData | null} */
  preview = null;
  #builtFor = "";
  #isPlaying = false;
  #translations;
  #pad;

  /** @param {Host} host */
  constructor(host) {
    this.host = host;
    this.draw = latest(() => this.#try(() => this.#draw()));
    this.settle = latest(() => this.#try(() => this.#settle()));
    this.#translations = new Translations(() => this.settle());
    this.#pad = new Pad(
      (x, y, isSettled) => host.set({ pad: [x, y] }, { isSettled }),
      (corner) => {
        const corners = host.state.corners.map((place, i) => (i === corner ? (place + 3) % WALL : place));
        host.set({ corners });
      },
    );
    for (let place = 0; place < NEIGHBOURS; place++) {
      const button = tile(`Neighbour ${place + 1}`, 64);
      button.addEventListener("click", () => {
        host.set({ near: [...host.state.near, place], pad: [0, 0] }, { push: true });
        this.#dialog.scrollTo({ top: 0 });
      });
      this.#near.append(button);
    }
    this.#dialog.addEventListener("close", () => host.state.face !== null && host.set({ face: null }));
    find("close").addEventListener("click", () => this.#dialog.close());
    find("back").addEventListener("click", () => host.set({ near: host.state.near.slice(0, -1) }));
    find("reset").addEventListener("click", () => host.set({ edits: new Map(), kl: null }));
    find("walk").addEventListener("click", () => this.#play(!this.#isPlaying));
    this.#onPress("save", async () => {
      if (this.#shown) await deliver(await facePng(this.#shown), "face.png");
      return "Saved as face.png.";
    });
    this.#onPress("animation", async () => {
      await deliver(await animation(await this.#walk()), "faces.png");
      return "Saved as faces.png, which every browser plays.";
    });
    this.#onPress("card", () => this.#share());
    this.#onPress("link", async () => {
      await navigator.clipboard.writeText(location.href);
      return "Copied. The link shows this same face.";
    });
  }

  get isOpen() {
    return this.#dialog.open;
  }

  /** @param {boolean} isSettled whether nothing is being dragged */
  render(isSettled) {
    const { face, near, pad } = this.host.state;
    this.#play(false);
    if (face === null) {
      if (this.#dialog.open) this.#dialog.close();
      return;
    }
    if (!this.#dialog.open) {
      this.#portrait.getContext("2d")?.clearRect(0, 0, 999, 999);
      if (this.preview) show(this.#portrait, (this.#shown = this.preview));
      this.preview = null;
      find("said").textContent = "";
      this.#dialog.showModal();
    }
    find("back").hidden = !near.length;
    find("original").hidden = face !== PICTURE;
    this.#pad.place(pad);
    void this.draw();
    if (isSettled) void this.settle();
  }

  async #draw() {
    const { state, picture } = this.host;
    if (state.face === null) return;
    if (picture && state.face === PICTURE) {
      show(/** @type {HTMLCanvasElement} */ (find("original-picture")), picture);
    }
    const faces = await this.#loaded();
    for (const id of ["controls", "walk", "animation"]) find(id).hidden = !faces;
    if (!faces) {
      if (picture) show(this.#portrait, (this.#shown = picture));
      return;
    }
    const { directions, klWeight } = faces.model.manifest;
    find("face-kl-field").hidden = !klWeight;
    if (klWeight) showKl("face-kl", klWeight, state.kl);
    if (this.#builtFor !== state.model) {
      this.#builtFor = state.model;
      find("sliders-part").hidden = !directions.length && !klWeight;
      buildSliders(find("sliders"), directions, (name, value, isSettled) => {
        const edits = new Map(this.host.state.edits).set(name, value);
        this.host.set({ edits }, { isSettled });
      });
    }
    showSliders(find("sliders"), directions, state.edits);
    for await (const face of faces.model.decode([await faces.shown(state)], state.kl)) {
      show(this.#portrait, (this.#shown = face));
    }
  }

  /** The model; says that it loads where that takes long. */
  async #loaded() {
    const timer = setTimeout(() => (find("said").textContent = "The network is loading…"), 400);
    const faces = await this.host.faces().finally(() => clearTimeout(timer));
    if (find("said").textContent === "The network is loading…") find("said").textContent = "";
    return faces;
  }

  async #settle() {
    const { state, picture } = this.host;
    if (state.face === null) return;
    const faces = await this.host.faces();
    if (faces) {
      let place = 0;
      for await (const face of faces.model.decode(await faces.neighbours(state), state.kl)) {
        const canvas = this.#near.children[place++].querySelector("canvas");
        if (canvas) show(canvas, face);
      }
      let corner = 0;
      for await (const face of faces.model.decode(await faces.corners(state), state.kl)) {
        this.#pad.showCorner(corner++, face);
      }
    }
    await this.draw();
    const isUnchanged = !state.near.length && !state.edits.size && !state.pad.some(Boolean);
    const source = state.face === PICTURE && isUnchanged ? picture : this.#shown;
    await this.#translations.render(await this.host.translations(), source);
  }

  /** Pictures of a walk from the face through the other corners of the pad, and back. */
  async #walk() {
    const faces = await this.host.faces();
    const { state } = this.host;
    if (!faces) return [];
    const stations = [await faces.shown(state), ...(await faces.corners(state)).slice(1)];
    const pictures = [];
    for await (const face of faces.model.decode(closedWalk(stations, WALK_STEPS, faces.mean), state.kl)) {
      pictures.push(face);
    }
    return pictures;
  }

  /** @param {boolean} isPlaying */
  async #play(isPlaying) {
    if (isPlaying === this.#isPlaying) return;
    this.#isPlaying = isPlaying;
    const button = find("walk");
    button.setAttribute("aria-pressed", `${isPlaying}`);
    button.textContent = isPlaying ? "Stop" : "Play";
    if (!isPlaying) {
      if (this.#shown) show(this.#portrait, this.#shown);
      return;
    }
    await this.#try(async () => {
      const pictures = await this.#walk();
      for (let place = 0; this.#isPlaying && this.#dialog.open; place++) {
        show(this.#portrait, pictures[place % pictures.length]);
        await wait(WALK_MILLISECONDS);
      }
    });
  }

  async #share() {
    const faces = await this.host.faces();
    const { state, title } = this.host;
    const others = [];
    if (faces) {
      const codes = (await faces.neighbours(state)).slice(0, 6);
      for await (const face of faces.model.decode(codes, state.kl)) others.push(face);
    }
    const address = location.host + location.pathname;
    if (this.#shown) await deliver(await card(this.#shown, others, title, address), "card.png", true);
    return "The card holds this face, six like it, and the address of the page.";
  }

  /** @param {string} id of a button @param {() => Promise<string>} work returns what to say */
  #onPress(id, work) {
    const button = /** @type {HTMLButtonElement} */ (find(id));
    button.addEventListener("click", async () => {
      button.disabled = true;
      find("said").textContent = "One moment…";
      try {
        find("said").textContent = await work();
      } catch (error) {
        find("said").textContent = error instanceof Error ? error.message : String(error);
      }
      button.disabled = false;
      button.focus();
    });
  }

  /** @param {() => Promise<void>} work */
  async #try(work) {
    try {
      await work();
    } catch (error) {
      this.host.fail(error);
    }
  }
}
