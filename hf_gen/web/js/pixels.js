/** Pixels: networks have planes of floats in [-1, 1], a browser has rows of bytes. */

const MAX_FILE = 30e6;

/** @param {Float32Array} planes (3, side, side) in [-1, 1] @param {number} side */
export function fromPlanes(planes, side) {
  const area = side * side;
  const bytes = new Uint8ClampedArray(4 * area).fill(255); // rounds to the nearest
  for (let i = 0; i < area; i++) {
    for (let channel = 0; channel < 3; channel++) {
      bytes[4 * i + channel] = (planes[channel * area + i] + 1) * 127.5;
    }
  }
  return new ImageData(bytes, side, side);
}

/** @param {ImageData} picture @returns {Float32Array<ArrayBuffer>} (3, height, width) in [-1, 1] */
export function toPlanes({ data, width, height }) {
  const area = width * height;
  const planes = new Float32Array(3 * area);
  for (let i = 0; i < area; i++) {
    for (let channel = 0; channel < 3; channel++) {
      planes[channel * area + i] = data[4 * i + channel] / 127.5 - 1;
    }
  }
  return planes;
}

/**
 * A picture of the visitor: the square in its middle, over white. It stays in this browser.
 * @param {Blob} file
 * @param {number} side
 */
export async function openPicture(file, side) {
  if (file.size > MAX_FILE) {
    throw new Error(`This file has ${Math.round(file.size / 1e6)} MB, and 30 are the limit.`);
  }
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error("This file is not a picture that your browser can open: try a JPEG or a PNG.");
  }
  const short = Math.min(bitmap.width, bitmap.height);
  const left = (bitmap.width - short) / 2;
  const top = (bitmap.height - short) / 2;
  const square = await createImageBitmap(bitmap, left, top, short, short, {
    resizeWidth: side,
    resizeHeight: side,
    resizeQuality: "high",
  });
  const context = canvasOf(side).context;
  context.fillStyle = "white";
  context.fillRect(0, 0, side, side);
  context.drawImage(square, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, side, side);
}

/** @param {ImageData} picture @param {number} side */
export function resized(picture, side) {
  if (picture.width === side) return picture;
  const { context } = canvasOf(side);
  context.imageSmoothingQuality = "high";
  context.drawImage(painted(picture), 0, 0, side, side);
  return context.getImageData(0, 0, side, side);
}

/** @param {ImageData} picture */
export function painted(picture) {
  const { canvas, context } = canvasOf(picture.width);
  context.putImageData(picture, 0, 0);
  return canvas;
}

/** @param {HTMLCanvasElement} canvas @param {ImageData} picture */
export function show(canvas, picture) {
  if (canvas.width !== picture.width) canvas.width = canvas.height = picture.width;
  canvas.getContext("2d")?.putImageData(picture, 0, 0);
}

/** @param {number} width @param {number} height */
export function canvasOf(width, height = width) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("This browser cannot draw.");
  return { canvas, context };
}
