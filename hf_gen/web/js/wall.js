/** The wall of faces: pictures that were made before, which move, or faces of the model. */

import { show } from "./pixels.js";
import { WALL } from "./state.js";

const LEG = 3200; // milliseconds from a face to the next
const REST = 5000; // between two moves of a tile, on average
const FRAME = 1000 / 30;

export class Wall {
  /** @type {{faces: HTMLImageElement, walk: HTMLImageElement, cut: import("./manifest.js").Pictures} | null} */
  #opening = null;
  /** @type {{station: number, start: number}[]} */
  #tiles = [];
  #drawn = 0;
  isPaused = matchMedia("(prefers-reduced-motion: reduce)").matches;

  /**
   * @param {HTMLElement} root
   * @param {(station: number, place: number) => void} onOpen is told which face of the walk a tile
   *   shows, and the place of the tile
   */
  constructor(root, onOpen) {
    this.root = root;
    this.onOpen = onOpen;
    root.addEventListener("keydown", (event) => this.#onKey(event));
  }

  /**
   * The opening pictures of a model.
   * @param {string} folder
   * @param {import("./manifest.js").Pictures} cut
   */
  async open(folder, cut) {
    const faces = new Image();
    const walk = new Image();
    faces.src = `${folder}/faces.webp`;
    if (cut.steps > 1) walk.src = `${folder}/walk.webp`;
    this.#opening = null;
    this.root.classList.remove("waiting");
    this.#build(cut.count, cut.tile);
    await faces.decode();
    this.#opening = { faces, walk, cut };
    this.#tiles = Array.from({ length: cut.count }, (_, station) => ({
      station,
      start: performance.now() + Math.random() * REST,
    }));
    this.#tiles.forEach((_, place) => this.#drawTile(place, 0));
    if (cut.steps < 2) return;
    const move = () => requestAnimationFrame((now) => this.#move(now));
    walk.decode().then(move, () => {}); // without it the faces rest
  }

  /** Whether there are opening pictures that move. */
  get canMove() {
    return Boolean(this.#opening && this.#opening.cut.steps > 1);
  }

  /** What a tile shows. @param {number} place @returns {ImageData | null} */
  pictureAt(place) {
    const canvas = this.#canvases()[place];
    return canvas?.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height) ?? null;
  }

  /**
   * Faces of the model, as they are decoded.
   * @param {AsyncIterable<ImageData>} pictures
   * @param {() => boolean} isCurrent whether they are still wanted
   */
  async fill(pictures, isCurrent) {
    let place = 0;
    for await (const picture of pictures) {
      if (!isCurrent()) return;
      if (place === 0) {
        this.#opening = null;
        if (this.#tiles.length !== WALL) this.#build(WALL, picture.width);
        this.#tiles = Array.from({ length: WALL }, (_, station) => ({ station, start: Infinity }));
      }
      show(this.#canvases()[place++], picture);
    }
    this.root.classList.remove("waiting");
  }

  /** @param {number} count @param {number} side */
  #build(count, side) {
    const buttons = Array.from({ length: count }, (_, place) => {
      const button = tile(`Face ${place + 1}`, side);
      button.tabIndex = place ? -1 : 0; // arrow keys move between them
      button.addEventListener("click", () => this.onOpen(this.#tiles[place].station, place));
      return button;
    });
    this.#tiles = buttons.map((_, station) => ({ station, start: Infinity }));
    this.root.replaceChildren(...buttons);
  }

  /** @param {number} now */
  #move(now) {
    const opening = this.#opening;
    if (!opening) return;
    requestAnimationFrame((next) => this.#move(next));
    if (now - this.#drawn < FRAME) return;
    const isStill = this.isPaused || document.querySelector("dialog[open]");
    const passed = this.#drawn && isStill ? now - this.#drawn : 0;
    this.#drawn = now;
    this.#tiles.forEach((moving, place) => {
      moving.start += passed;
      const share = (now - moving.start) / LEG;
      if (share >= 1) {
        moving.station = (moving.station + opening.cut.stride) % this.#tiles.length;
        moving.start = now + REST * (0.5 + Math.random());
        this.#drawTile(place, 0);
      } else if (share > 0 && !passed) this.#drawTile(place, (1 - Math.cos(Math.PI * share)) / 2);
    });
  }

  /** @param {number} place @param {number} share of the way to the next face */
  #drawTile(place, share) {
    if (!this.#opening) return;
    const { faces, walk, cut } = this.#opening;
    const context = this.#canvases()[place].getContext("2d");
    if (!context) return;
    const { station } = this.#tiles[place];
    const at = share * cut.steps;
    [Math.floor(at), Math.ceil(at)].forEach((step, layer) => {
      const isFace = step % cut.steps === 0;
      const column = isFace ? (station + (step ? cut.stride : 0)) % cut.count : step - 1;
      const row = isFace ? 0 : station;
      const side = cut.tile;
      context.globalAlpha = layer ? at - Math.floor(at) : 1;
      const sheet = isFace ? faces : walk;
      context.drawImage(sheet, column * side, row * side, side, side, 0, 0, side, side);
    });
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const buttons = this.#buttons();
    const place = buttons.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
    const columns = getComputedStyle(this.root).gridTemplateColumns.split(" ").length;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    const next = step && buttons[place + step];
    if (place < 0 || !next) return;
    event.preventDefault();
    buttons[place].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }

  #buttons() {
    return [...this.root.querySelectorAll("button")];
  }

  #canvases() {
    return [...this.root.querySelectorAll("canvas")];
  }
}

/** A button that shows a face. @param {string} name @param {number} side */
export function tile(name, side) {
  const button = document.createElement("button");
  const canvas = document.createElement("canvas");
  button.type = "button";
  button.className = "tile";
  button.setAttribute("aria-label", name);
  canvas.width = canvas.height = side;
  button.append(canvas);
  return button;
}
