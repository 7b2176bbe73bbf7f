/** A square whose corners are four faces: a point on it is their mixture. */

import { find } from "./dom.js";
import { show } from "./pixels.js";
import { tile } from "./wall.js";

export class Pad {
  #field = find("field");
  #point = find("point");
  /** @type {HTMLInputElement[]} */
  #inputs = [find("mix-x"), find("mix-y")];
  #corners = find("corners");

  /**
   * @param {(x: number, y: number, isSettled: boolean) => void} onMove
   * @param {(corner: number) => void} onCorner is told which corner wants another face, from 0
   */
  constructor(onMove, onCorner) {
    const names = ["The chosen face", "Another face, top right", "Another face, bottom left",
      "Another face, bottom right"];
    names.forEach((name, place) => {
      const corner = tile(name, 64);
      corner.title = place ? "Another face" : "Back to the chosen face";
      corner.addEventListener("click", () => (place ? onCorner(place - 1) : onMove(0, 0, true)));
      this.#corners.append(corner);
    });
    const drag = (/** @type {PointerEvent} */ event, /** @type {boolean} */ isSettled) => {
      const { left, top, width, height } = this.#field.getBoundingClientRect();
      const places = [(event.clientX - left) / width, (event.clientY - top) / height];
      const [x, y] = places.map((one) => Math.min(1, Math.max(0, one)));
      onMove(x, y, isSettled);
    };
    this.#field.addEventListener("pointerdown", (event) => {
      this.#field.setPointerCapture(event.pointerId);
      drag(event, false);
    });
    this.#field.addEventListener("pointermove", (event) => {
      if (this.#field.hasPointerCapture(event.pointerId)) drag(event, false);
    });
    this.#field.addEventListener("pointerup", (event) => drag(event, true));
    for (const type of ["input", "change"]) {
      this.#inputs.forEach((input) => {
        input.addEventListener(type, () => {
          const [x, y] = this.#inputs.map((one) => one.valueAsNumber);
          onMove(x, y, type === "change");
        });
      });
    }
  }

  /** @param {number[]} place */
  place([x, y]) {
    this.#point.style.left = `${100 * x}%`;
    this.#point.style.top = `${100 * y}%`;
    [x, y].forEach((value, axis) => (this.#inputs[axis].value = `${value}`));
  }

  /** @param {number} corner @param {ImageData} picture */
  showCorner(corner, picture) {
    const canvas = this.#corners.children[corner].querySelector("canvas");
    if (canvas) show(canvas, picture);
  }
}
