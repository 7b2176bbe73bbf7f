/** A slider for each direction of a model, by its name. */

import { find, words } from "./dom.js";

/** @typedef {import("./manifest.js").Direction} Direction */

/**
 * @param {HTMLElement} root
 * @param {Direction[]} directions
 * @param {(name: string, value: number, isSettled: boolean) => void} onMove
 */
export function buildSliders(root, directions, onMove) {
  root.replaceChildren(
    ...directions.map((direction) => {
      const label = document.createElement("label");
      const input = document.createElement("input");
      const output = document.createElement("output");
      label.className = `slider ${direction.kind}`;
      label.dataset.name = direction.name;
      input.type = "range";
      input.setAttribute("aria-label", words(direction.name)); // without the value
      input.min = `${direction.low}`;
      input.max = `${direction.high}`;
      input.step = `${(direction.high - direction.low) / 100}`;
      input.addEventListener("input", () => onMove(direction.name, input.valueAsNumber, false));
      input.addEventListener("change", () => onMove(direction.name, input.valueAsNumber, true));
      label.append(words(direction.name), output, input);
      return label;
    }),
  );
}

/** @param {HTMLElement} root @param {Direction[]} directions @param {Map<string, number>} values */
export function showSliders(root, directions, values) {
  directions.forEach((direction, place) => {
    const label = root.children[place];
    const input = label.querySelector("input");
    const output = label.querySelector("output");
    const value = values.get(direction.name);
    if (!input || !output) return;
    const still = direction.kind === "wheel" ? direction.low : 0;
    input.value = `${value ?? still}`;
    output.textContent = value === undefined ? (direction.kind === "wheel" ? "as it is" : "0") : said(direction, value);
    input.setAttribute("aria-valuetext", output.textContent);
  });
}

/** @param {Direction} direction @param {number} value */
function said(direction, value) {
  if (direction.kind === "wheel") return `${Math.round(360 * value)}°`;
  return `${value > 0 ? "+" : ""}${value.toFixed(2)}`;
}

/**
 * A slider of the KL weight, which is logarithmic.
 * @param {"kl" | "face-kl"} id
 * @param {import("./manifest.js").Range} range
 * @param {number | null} weight null for the default
 */
export function showKl(id, range, weight) {
  const slider = /** @type {HTMLInputElement} */ (find(id));
  const value = weight ?? range.value;
  slider.min = `${Math.log10(range.low)}`;
  slider.max = `${Math.log10(range.high)}`;
  slider.value = `${Math.log10(value)}`;
  const said = `${Number(value.toPrecision(2))}`;
  find(`${id}-value`).textContent = said;
  slider.setAttribute("aria-valuetext", said);
}
