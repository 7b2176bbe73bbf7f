/** What a visitor takes along: a face, an animation, a card. */

import { animate } from "./apng.js";
import { canvasOf, painted } from "./pixels.js";

const FACE = 512; // pixels of a saved face
const ANIMATED = 256;
const FRAME_MILLISECONDS = 90;

/** @param {ImageData} picture @returns {Promise<Blob>} PNG */
export function facePng(picture) {
  return png(enlarged(picture, FACE));
}

/** @param {ImageData[]} pictures @returns {Promise<Blob>} an animated PNG that plays without end */
export async function animation(pictures) {
  const frames = [];
  for (const picture of pictures) {
    const blob = await png(enlarged(picture, ANIMATED));
    frames.push(new Uint8Array(await blob.arrayBuffer()));
  }
  return new Blob([animate(frames, FRAME_MILLISECONDS)], { type: "image/png" });
}

/**
 * A card of the size that links are shown with.
 * @param {ImageData} face
 * @param {ImageData[]} others up to 6
 * @param {string} title
 * @param {string} address
 */
export function card(face, others, title, address) {
  const { canvas, context } = canvasOf(1200, 630);
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#15131d";
  context.fillRect(0, 0, 1200, 630);
  const put = (/** @type {ImageData} */ one, /** @type {number[]} */ [x, y, side, radius]) => {
    context.save();
    context.beginPath();
    context.roundRect(x, y, side, side, radius);
    context.clip();
    context.drawImage(painted(one), x, y, side, side);
    context.restore();
  };
  put(face, [48, 48, 534, 32]);
  others.slice(0, 6).forEach((one, place) => {
    put(one, [630 + (place % 3) * 179, 48 + Math.floor(place / 3) * 179, 164, 22]);
  });
  const lines = /** @type {const} */ ([
    [title, 480, "600 50px", "#f2f0f8"],
    ["Drawn by a network inside a browser", 526, "26px", "#aaa5ba"],
    [address, 574, "26px", "#aaa5ba"],
  ]);
  for (const [line, y, font, colour] of lines) {
    context.fillStyle = colour;
    context.font = `${font} system-ui, sans-serif`;
    context.fillText(line, 630, y, 522);
  }
  return png(canvas);
}

/**
 * Saves a file, or hands it to the share menu of a phone.
 * @param {Blob} blob
 * @param {string} name
 * @param {boolean} share whether to prefer the share menu
 */
export async function deliver(blob, name, share = false) {
  const files = [new File([blob], name, { type: blob.type })];
  if (share && matchMedia("(pointer: coarse)").matches && navigator.canShare?.({ files })) {
    try {
      await navigator.share({ files });
      return;
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return;
    }
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** @param {ImageData} picture @param {number} side */
function enlarged(picture, side) {
  const { canvas, context } = canvasOf(side);
  context.imageSmoothingQuality = "high";
  context.drawImage(painted(picture), 0, 0, side, side);
  return canvas;
}

/** @param {HTMLCanvasElement} canvas @returns {Promise<Blob>} */
function png(canvas) {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture was made"))));
  });
}
