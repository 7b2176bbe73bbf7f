/** A face in another domain, and back. */

import { find, words } from "./dom.js";
import { resized, show } from "./pixels.js";

/** @typedef {{name: string, model: import("./models.js").Translation}} Named */
/** @typedef {"a_to_b" | "b_to_a"} Direction */

export class Translations {
  /** @type {{index: number, direction: Direction} | null} */
  #chosen = null;

  /** @param {() => void} onChoose */
  constructor(onChoose) {
    this.onChoose = onChoose;
  }

  /** @param {Named[]} named @param {ImageData | null} source */
  async render(named, source) {
    find("translations").hidden = !named.length;
    find("translate").replaceChildren(
      ...named.flatMap((_, index) =>
        /** @type {Direction[]} */ (["a_to_b", "b_to_a"]).map((direction) =>
          this.#button(named, index, direction),
        ),
      ),
    );
    find("translated").hidden = !this.#chosen;
    if (!this.#chosen || !source) return;
    const { index, direction } = this.#chosen;
    const { model } = named[index];
    const { a, b } = model.manifest.domains;
    const [from, to] = direction === "a_to_b" ? [a, b] : [b, a];
    const picture = resized(source, model.manifest.resolution);
    const translation = await model.translate(picture, direction);
    this.#show("translation", translation, `As ${to}`);
    const back = direction === "a_to_b" ? "b_to_a" : "a_to_b";
    this.#show("cycle", await model.translate(translation, back), `And back as ${from}`);
  }

  /** @param {Named[]} named @param {number} index @param {Direction} direction */
  #button(named, index, direction) {
    const { name, model } = named[index];
    const domain = model.manifest.domains[direction === "a_to_b" ? "b" : "a"];
    const button = document.createElement("button");
    const isChosen = this.#chosen?.index === index && this.#chosen.direction === direction;
    button.type = "button";
    button.textContent = `As ${words(domain).toLowerCase()}${named.length > 1 ? `, ${name}` : ""}`;
    button.setAttribute("aria-pressed", `${isChosen}`);
    button.addEventListener("click", () => {
      this.#chosen = isChosen ? null : { index, direction };
      this.onChoose();
    });
    return button;
  }

  /** @param {string} id @param {ImageData} picture @param {string} caption */
  #show(id, picture, caption) {
    const canvas = /** @type {HTMLCanvasElement} */ (find(id));
    show(canvas, picture);
    canvas.setAttribute("aria-label", caption);
    const line = canvas.nextElementSibling;
    if (line) line.textContent = caption;
  }
}
