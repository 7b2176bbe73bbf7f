/** The page: the state, the models that it needs, and the wall. */

import { find, latest } from "./dom.js";
import { FaceDialog } from "./face.js";
import { readJson } from "./files.js";
import { Loader } from "./loader.js";
import { checkPage } from "./manifest.js";
import { openPicture } from "./pixels.js";
import { randomSeed } from "./random.js";
import { showKl } from "./sliders.js";
import { fromHash, initial, opened, PICTURE, toHash } from "./state.js";
import { Wall } from "./wall.js";

/** @typedef {import("./faces.js").Faces} Faces */
/** @typedef {import("./state.js").State} State */

const PICTURE_SIDE = 256; // to which a picture of the visitor is reduced

class Page {
  /** @type {ImageData | null} */
  picture = null;
  #loader;
  #drawWall;
  #wallKey = "";
  #openingModel = "";

  /** @param {import("./manifest.js").PageFile} file */
  constructor(file) {
    this.file = file;
    this.title = file.title;
    this.#loader = new Loader(file);
    const autoencoders = file.models.filter(({ kind }) => kind === "autoencoder");
    /** The models that can be chosen. */
    this.entries = autoencoders.length ? autoencoders : file.models;
    /** @type {State} */
    this.state = this.#start();
    this.wall = new Wall(find("wall"), (station, place) => this.#open(station, place));
    this.dialog = new FaceDialog(this);
    this.#drawWall = latest(() => this.#renderWall());
    this.#connect();
  }

  /**
   * Changes what is shown.
   * @param {Partial<State>} change
   * @param {{push?: boolean, isSettled?: boolean}} options whether it is a step of the history, and
   *   whether nothing is being dragged
   */
  set(change, { push = false, isSettled = true } = {}) {
    this.state = { ...this.state, ...change };
    if (push) history.pushState(null, "", toHash(this.state));
    else if (isSettled) history.replaceState(null, "", toHash(this.state));
    this.render(isSettled);
  }

  /** @param {boolean} isSettled */
  render(isSettled = true) {
    const { model, seed, kl, face } = this.state;
    /** @type {HTMLSelectElement} */ (find("models")).value = model;
    const key = JSON.stringify([model, seed, kl]);
    // Behind the dialog of a face it waits.
    if (key !== this.#wallKey && (face === null || !this.#wallKey)) {
      this.#wallKey = key;
      void this.#drawWall();
    }
    this.dialog.render(isSettled);
  }

  /** Of the chosen model; null if it is a translation. */
  faces() {
    return this.#loader.faces(this.#entry());
  }

  /** The translations of the page. */
  translations() {
    return this.#loader.translations();
  }

  /** @param {unknown} error */
  fail(error) {
    report(error);
    find("said").textContent = find("problem").textContent; // the dialog covers the page
    find("wall").classList.remove("waiting");
  }

  /** Loads the models, the chosen one first. */
  load() {
    return this.#loader.complete(this.#entry());
  }

  #start() {
    const [first] = this.entries;
    const start = initial(first.name, first.pictures.seed);
    const names = this.entries.map(({ name }) => name);
    const { state, ignored } = fromHash(location.hash, start, names);
    if (ignored.length) this.fail(`This link says something that the page does not know: ${ignored.join(", ")}.`);
    return state;
  }

  #entry() {
    const found = this.entries.find(({ name }) => name === this.state.model);
    return found ?? this.entries[0];
  }

  async #renderWall() {
    const { state } = this;
    const key = this.#wallKey;
    const isCurrent = () => this.#wallKey === key;
    try {
      const entry = this.#entry();
      const isOpening = state.seed === entry.pictures.seed && state.kl === null;
      if (isOpening || this.#openingModel !== entry.name) {
        this.#openingModel = entry.name;
        await this.wall.open(entry.folder, entry.pictures);
        find("pause").hidden = !this.wall.canMove;
      }
      const faces = await this.faces();
      if (!isCurrent()) return;
      if (faces) this.#showControls(faces);
      if (isOpening || !faces) return;
      find("wall").classList.toggle("waiting", !this.dialog.isOpen);
      await this.wall.fill(faces.model.decode(await faces.wall(state), state.kl), isCurrent);
      find("pause").hidden = true;
    } catch (error) {
      this.fail(error);
    }
  }

  /** @param {Faces} faces */
  #showControls(faces) {
    const { klWeight, about } = faces.model.manifest;
    find("kl-field").hidden = !klWeight;
    find("about").textContent = `${this.state.model}${about ? `: ${about}` : ""}`;
    if (klWeight) showKl("kl", klWeight, this.state.kl);
  }

  /** @param {number} station @param {number} place of its tile */
  #open(station, place) {
    const picture = this.wall.pictureAt(place);
    if (this.#entry().kind === "translation") void this.#openPicture(picture);
    else {
      this.dialog.preview = picture;
      this.set(opened(station), { push: true });
    }
  }

  /** @param {ImageData | null} picture */
  async #openPicture(picture) {
    const faces = await this.faces();
    this.picture = picture;
    if (faces) faces.picture = picture;
    this.set(opened(PICTURE), { push: true });
  }

  /** @param {Blob | null | undefined} file */
  async #openFile(file) {
    if (!file) return;
    find("problem").hidden = true;
    try {
      await this.#openPicture(await openPicture(file, PICTURE_SIDE));
    } catch (error) {
      this.fail(error);
    }
  }

  #connect() {
    const choose = /** @type {HTMLSelectElement} */ (find("models"));
    choose.replaceChildren(...this.entries.map(({ name }) => new Option(name, name)));
    find("models-field").hidden = this.entries.length < 2;
    find("roll").hidden = this.entries[0].kind === "translation";
    find("take-label").hidden = !matchMedia("(pointer: coarse)").matches;
    choose.addEventListener("change", () => {
      const { pictures } = this.entries[choose.selectedIndex];
      this.set({ ...initial(choose.value, pictures.seed) }, { push: true });
    });
    find("roll").addEventListener("click", () => this.set({ seed: randomSeed() }, { push: true }));
    for (const id of ["kl", "face-kl"]) {
      const kl = /** @type {HTMLInputElement} */ (find(id));
      kl.addEventListener("input", () => this.set({ kl: 10 ** kl.valueAsNumber }, { isSettled: false }));
      kl.addEventListener("change", () => this.set({ kl: 10 ** kl.valueAsNumber }));
    }
    const pause = find("pause");
    const showPause = () => {
      pause.textContent = this.wall.isPaused ? "Move" : "Pause";
      pause.setAttribute("aria-pressed", `${this.wall.isPaused}`);
    };
    pause.addEventListener("click", () => {
      this.wall.isPaused = !this.wall.isPaused;
      showPause();
    });
    showPause();
    for (const id of ["choose", "take"]) {
      const input = /** @type {HTMLInputElement} */ (find(id));
      input.addEventListener("change", () => {
        void this.#openFile(input.files?.[0]);
        input.value = "";
      });
    }
    addEventListener("popstate", () => {
      this.state = this.#start();
      this.render();
    });
    for (const type of ["dragover", "dragleave", "drop"]) {
      addEventListener(type, (event) => {
        event.preventDefault();
        document.body.classList.toggle("dropping", type === "dragover");
        const { dataTransfer } = /** @type {DragEvent} */ (event);
        if (type === "drop") void this.#openFile(dataTransfer?.files[0]);
      });
    }
  }
}

/** @param {unknown} error */
function report(error) {
  const line = find("problem");
  line.textContent = error instanceof Error ? error.message : String(error);
  line.hidden = false;
  find("progress").hidden = true;
}

try {
  const page = new Page(checkPage(await readJson("page.json")));
  page.render();
  await page.load();
} catch (error) {
  report(error);
}
