/**
 * An animation from pictures of one size, as an animated PNG.
 *
 * Source: Portable Network Graphics Specification, third edition, 2025, https://www.w3.org/TR/png-3/.
 */

const SIGNATURE = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, start) => {
  let value = start;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/**
 * @param {Uint8Array[]} frames PNG files of one size, as a browser writes them
 * @param {number} milliseconds how long each is shown
 * @returns {Uint8Array<ArrayBuffer>} plays without end
 */
export function animate(frames, milliseconds) {
  const first = chunks(frames[0]);
  const header = first.find(({ kind }) => kind === "IHDR")?.data;
  if (!header) throw new Error("a frame is not a PNG");
  let order = 0;
  const parts = [SIGNATURE, chunk("IHDR", header), chunk("acTL", words(frames.length, 0))];
  frames.forEach((frame, place) => {
    const delay = Uint8Array.of(milliseconds >> 8, milliseconds & 255, 1000 >> 8, 1000 & 255, 0, 0);
    // Order, width and height as in the header, and no offset.
    parts.push(chunk("fcTL", join([words(order++), header.subarray(0, 8), words(0, 0), delay])));
    for (const { kind, data } of chunks(frame)) {
      if (kind !== "IDAT") continue;
      parts.push(place ? chunk("fdAT", join([words(order++), data])) : chunk("IDAT", data));
    }
  });
  return join([...parts, chunk("IEND", new Uint8Array())]);
}

/** @param {Uint8Array} file @returns {{kind: string, data: Uint8Array}[]} */
export function chunks(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const found = [];
  for (let place = SIGNATURE.length; place + 12 <= file.length; ) {
    const length = view.getUint32(place);
    const kind = String.fromCharCode(...file.subarray(place + 4, place + 8));
    found.push({ kind, data: file.subarray(place + 8, place + 8 + length) });
    place += 12 + length;
  }
  return found;
}

/** @param {string} kind @param {Uint8Array} data */
function chunk(kind, data) {
  const named = join([Uint8Array.from(kind, (letter) => letter.charCodeAt(0)), data]);
  return join([words(data.length), named, words(crc(named))]);
}

/** @param {Uint8Array} data */
function crc(data) {
  let value = 0xffffffff;
  for (const byte of data) value = CRC_TABLE[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/** @param {...number} values as 32 bits each, the highest first */
function words(...values) {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, place) => view.setUint32(4 * place, value));
  return new Uint8Array(view.buffer);
}

/** @param {Uint8Array[]} parts */
function join(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}
